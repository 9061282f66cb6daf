"""docs/recipes/cargo.md says what its data say, and the recipes are what they are called."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.cargo_page import PARTS, page
from quintet.config import new_run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "recipes"


def test_page_is_made_from_the_committed_data():
    data = json.loads((DOCS / "cargo.json").read_text())
    assert (DOCS / "cargo.md").read_text() == page(data)
    assert data["recipe"] == (ROOT / "recipes" / "cargo.toml").read_text()
    assert len(data["ways"]["grpo"]) >= 3


def test_page_says_each_share_and_the_mean_change():
    def run(builds: float, steps: int):
        shares = {part: {"score": 0.1, "low": 0.05, "high": 0.2} for part in PARTS} | {"own": {"score": 0.02}}
        shares["builds"] = {"score": builds, "low": builds - 0.05, "high": builds + 0.05}
        training = {"steps": steps, "seconds": 120.0, "sampled_tokens": 1234, "rewards": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
        return {"variations": shares, "families": shares, "training": training}

    data = json.loads((DOCS / "cargo.json").read_text())
    data |= {"start": run(0.5, 350), "ways": {"grpo": {"0": run(0.7, 30), "1": run(0.72, 30), "2": run(0.68, 30)}}}
    said = page(data)
    # changes 20, 22, 18: s = 2, t = 4.303, 4.303 · 2 / √3 = 4.97
    row = "| builds | 50.0 (45.0–55.0) | 70.0 (65.0–75.0) | 72.0 (67.0–77.0) | 68.0 (63.0–73.0) | **+20.0** ± 5.0 |"
    assert said.count(row) == 2
    assert "| mutants that its own tests notice | 2.0 | 2.0 | 2.0 | 2.0 | **+0.0** ± 0.0 |" in said
    assert "- GRPO, seed 0: 30 steps, 1,234 tokens, 2 minutes. Mean reward of every five steps: 0.30, 0.60." in said


def test_recipe_is_supervised_then_grpo_and_the_real_models_has_the_published_settings():
    for small in (False, True):
        run = new_run(ROOT / "recipes" / "cargo.toml", small, None, [], [])
        assert [stage.name for stage in run.stages] == ["sft", "grpo"]
        assert (run.task.name, run.task.held_out, run.task.demo_mistakes) == ("cargo", "variations", 0.6)
    run = new_run(ROOT / "recipes" / "cargo-qwen.toml", False, None, [], [])
    (grpo,) = run.stages
    assert (grpo.algorithm.update.lr, grpo.group_size, grpo.algorithm.update.weight_decay) == (5e-6, 4, 0.1)
    assert (run.machine.lora_rank, run.sampling.max_new_tokens) == (16, 786)
