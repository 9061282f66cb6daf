"""docs/recipes/deepseekmath.md and its figure say what their data say."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks.deepseekmath_page import figure, mean_curve, page, verdict
from quintet.config import read_run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "recipes"


def test_page_and_figure_are_made_from_the_committed_data():
    data = json.loads((DOCS / "deepseekmath.json").read_text())
    assert (DOCS / "deepseekmath.md").read_text() == page(data)
    assert (DOCS / "deepseekmath.svg").read_text() == figure(data)
    figure_five = ("rft", "online-rft", "grpo-os", "grpo-ps")
    assert all(len(data["contenders"][name]["runs"]) >= 3 for name in figure_five)


def run(seed: int, *scores: float) -> dict:
    curve = [{"steps": 10 * i, "score": s} for i, s in enumerate(scores)]
    return {"seed": seed, "curve": curve, "final": {"score": scores[-1] + 0.01}}


def test_curve_is_the_mean_over_seeds_and_ends_with_the_final_evaluation():
    found = mean_curve([run(1, 0.5, 0.6, 0.7), run(2, 0.5, 0.8, 0.9)], {"score": 0.55})
    assert [steps for steps, _ in found] == [0, 10, 20]
    assert [score for _, score in found] == pytest.approx([0.55, 0.7, 0.81])


def test_ordering_holds_only_outside_the_interval_of_its_differences():
    assert verdict([0.1, 0.1, 0.12]) == "holds"
    assert verdict([-0.1, -0.1, -0.12]) == "the other way round"
    assert verdict([0.1, -0.1, 0.06]) == "a tie (for it by the mean)"
    assert verdict([0.1]) == "one seed says nothing"


def test_figure_is_an_svg_with_a_curve_for_each_contender():
    some = [run(1, 0.5, 0.6), run(2, 0.5, 0.8)]
    data = {"steps": 10, "start": {"final": {"score": 0.5}}, "contenders": {n: {"title": n, "runs": some} for n in "ab"}}
    tree = ElementTree.fromstring(figure(data))
    assert len(tree.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_recipe_names_the_papers_settings_and_its_small_twin_trains_from_nothing():
    small = read_run(ROOT / "recipes" / "deepseekmath.toml", small=True)
    assert small.machine.model == "preset:1m"
    assert [s.name for s in small.stages] == ["sft", "reward", "grpo", "reward-round-2", "grpo-round-2"]
    whole = tomllib.loads((ROOT / "recipes" / "deepseekmath.toml").read_text())
    _, reward, policy = whole["stage"]
    assert (policy["lr"], policy["beta"], policy["prompts_per_step"] * policy["group_size"]) == (1e-6, 0.04, 1024)
    assert (policy["group_size"], whole["sampling"]["max_new_tokens"], policy.get("epochs", 1)) == (64, 1024, 1)
    assert (reward["lr"], reward["replay"]) == (2e-5, 0.1)
