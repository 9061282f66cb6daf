from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from quintet.report.charts import line_chart
from quintet.report.curves import Curve, Known, curve
from tests.run_folder import metrics_row


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
