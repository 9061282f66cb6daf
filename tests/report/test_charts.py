from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.observe.before_after import comparisons
from quintet.report.charts import describe, dot_plot, line_chart, nice_ticks, share_bar, value_range
from quintet.report.curves import Curve, Known, curve
from tests.run_folder import evaluation_rows, metrics_row


def made(values: list[float], title: str = "Loss", sft: int = 0) -> Curve:
    rows = [metrics_row(i, "sft", i, sft, loss=value) for i, value in enumerate(values[:sft], 1)]
    rows += [metrics_row(sft + i, "grpo", i, len(values) - sft, loss=v) for i, v in enumerate(values[sft:], 1)]
    found = curve(rows, Known("loss", title, ""))
    assert found is not None
    return found


def parsed(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def paths(svg: str, kind: str) -> list[list[tuple[float, float]]]:
    found = [element.attrib["d"] for element in parsed(svg).iter("path") if element.attrib["class"] == kind]
    return [[(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", d)] for d in found]


def test_a_chart_names_and_describes_itself() -> None:
    svg = parsed(line_chart(made([3.0, 1.0, 2.0]), "c0"))
    assert svg.attrib["aria-labelledby"] == "c0-t c0-d"
    assert (svg[0].tag, svg[0].attrib["id"], svg[0].text) == ("title", "c0-t", "Loss")
    assert svg[1].text == ("Loss over steps 1 to 3: 3 → 2 (means of the first and the last tenth), lowest 1, highest 3.")


def test_high_values_are_drawn_high_and_steps_from_left_to_right() -> None:
    ((first, middle, last),) = paths(line_chart(made([0.0, 1.0, 0.5]), "c0"), "raw")
    assert (first[0], middle[0], last[0]) == (0.0, 500.0, 1000.0)
    assert middle[1] < last[1] < first[1]


def test_every_stage_is_a_line_of_its_own_and_its_beginning_is_marked() -> None:
    svg = line_chart(made([3.0, 2.0, 1.0, 0.5, 0.25], sft=2), "c0")
    assert [len(path) for path in paths(svg, "line")] == [2, 3]
    marks = [e for e in parsed(svg).iter("line") if e.attrib["class"] == "boundary"]
    assert [mark.attrib["x1"] for mark in marks] == ["50.00%"]
    assert [e.text for e in parsed(svg).iter("text") if "stage" in e.attrib["class"]] == ["sft", "grpo"]


def test_shared_points_draw_a_band_between_their_extremes() -> None:
    svg = line_chart(made([float(i % 2) for i in range(1000)]), "c0")
    ((*band,),) = paths(svg, "band")
    assert len(band) == 2 * 143
    assert max(y for _, y in band) - min(y for _, y in band) > 80


def test_one_spike_is_cut_off_and_told() -> None:
    values = [1.0 + 0.01 * (i % 10) for i in range(100)]
    values[40] = 1e6
    low, high, told = value_range(made(values))
    assert 0.9 < low < 1.0
    assert 1.09 < high < 1.3
    assert told == "Beyond the edge: 1,000,000 at step 41."
    assert told in describe(made(values))
    assert value_range(made(values[:40]))[2] == ""


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_lie_within_and_are_two_to_four(low: float, width: float) -> None:
    high = low + width
    if high - low < 1e-9 * abs(low):
        return
    ticks = nice_ticks(low, high)
    assert 1 <= len(ticks) <= 4
    assert all(low - 1e-6 * width <= tick <= high + 1e-6 * width for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.03, 0.97, [0.2, 0.4, 0.6, 0.8]),
        (-0.1, 2.5, [0.0, 1.0, 2.0]),
        (96.0, 1010.0, [500.0, 1000.0]),
    ],
)
def test_ticks_of_some_ranges(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks


def test_a_score_is_drawn_at_its_share_with_its_interval() -> None:
    row = {"task": "maze", "split": "test", "unit": "solved", "label": "start", "n": 9, "score": 0.6, "low": 0.5, "high": 0.75}
    svg = parsed(dot_plot(comparisons([row])[0], "s"))
    (dot,) = svg.iter("circle")
    (bar,) = (e for e in svg.iter("line") if e.attrib["class"].startswith("interval"))
    assert dot.attrib["cx"] == "60.00%"
    assert (bar.attrib["x1"], bar.attrib["x2"]) == ("50.00%", "75.00%")


def test_the_plot_of_scores_says_them_in_words_too() -> None:
    said = parsed(dot_plot(comparisons(evaluation_rows((0, 1, 2)))[0], "s"))[1].text or ""
    assert "all: start 1.0 % (0.4–1.6), after sft 62.0 % (59.0–65.0)" in said.replace("\u202f", " ")


def test_rewards_get_an_axis_of_their_own() -> None:
    rows = [{"label": n, "unit": "reward", "score": s, "low": s - 1, "high": s + 1} for n, s in (("a", -3.0), ("b", 4.0))]
    svg = parsed(dot_plot(comparisons(rows)[0], "s"))
    first, second = (float(e.attrib["cx"][:-1]) for e in svg.iter("circle"))
    assert 0 < first < second < 100
    assert (second - first) == pytest.approx(100 * 7 / (9 * 1.1), abs=0.02)


def test_a_bar_is_divided_like_its_parts() -> None:
    svg = parsed(share_bar([("sample", 3.0), ("learn", 1.0)], "t"))
    assert [(e.attrib["x"], e.attrib["width"]) for e in svg.iter("rect")] == [("0.00%", "75.00%"), ("75.00%", "25.00%")]
