"""docs/performance.md's figures are those of the committed measurements."""

from __future__ import annotations

from benchmarks.growth import AXES, at
from benchmarks.performance_page import BEGIN, END, FIGURE, PAGE, faster, figures, growth_figure, results
from benchmarks.versus.settings import setting


def test_page_is_made_from_the_committed_data():
    page = PAGE.read_text()
    assert page.split(BEGIN)[1].split(END)[0] == figures()
    for told in results("growth-")[-1:]:
        assert FIGURE.read_text() == growth_figure(told)


def test_every_ratio_is_that_of_its_medians():
    for told in results("speed-"):
        for one in told["settings"]:
            ours, theirs = one["sides"]["quintet"], faster(one)
            low, high = one["ratio_spread"]
            assert abs(one["samples_per_second_ratio"] - theirs["step_seconds"] / ours["step_seconds"]) < 0.01
            assert low <= high
            assert one["runs"] >= 1


def test_a_point_of_growth_differs_from_the_base_in_one_thing():
    for axis, values in AXES.items():
        for value in values:
            found = at(axis, value)
            others = {"group": 8, "prompts": 4, "prompt": 128, "answer": 64, "size": "5m"} | {axis: value}
            shown = {key: getattr(found, key) for key in ("group", "prompts", "prompt", "answer")}
            assert shown | {"size": found.size.name} == others
            assert found.size.dtype == "float32"


def test_a_setting_can_be_measured_in_another_arithmetic():
    assert setting("48m-128-128").size.dtype == "bfloat16"
    assert setting("48m-128-128", "float32").size.dtype == "float32"
