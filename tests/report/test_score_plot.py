from __future__ import annotations

import pytest

from quintet.observe.before_after import comparisons
from quintet.report.score_plot import dot_plot
from tests.report.test_charts import parsed
from tests.run_folder import evaluation_rows


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
