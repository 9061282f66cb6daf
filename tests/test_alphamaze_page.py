"""docs/recipes/alphamaze.md says what its data say, and its recipes are what they are called."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.alphamaze_page import page
from quintet.config import new_run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs" / "recipes"


def test_page_is_made_from_the_committed_data():
    data = json.loads((DOCS / "alphamaze.json").read_text())
    assert (DOCS / "alphamaze.md").read_text() == page(data)
    assert data["recipe"] == (ROOT / "recipes" / "alphamaze.toml").read_text()


def test_page_has_a_row_for_each_stage_of_each_seed_and_a_picture():
    def scored(label: str, score: float):
        levels = {level: {"score": score} for level in ("easy", "medium", "hard")}
        return {"label": label, "score": score, "low": score - 0.02, "high": score + 0.02, "levels": levels} | {
            "mazebench": {"score": 0.92, "low": 0.9, "high": 0.94}
        }

    run = {
        "scores": [scored("start", 0.0), scored("after sft", 0.86), scored("grpo 100", 0.871), scored("after grpo", 0.93)],
        "stages": {
            "sft": {"steps": 550, "seconds": 600.0, "quiet": 540.0},
            "grpo": {"steps": 500, "seconds": 1500.0, "quiet": 1200.0},
        },
        "sampled": 0.9,
        "pictures": [{"level": "easy", "correct": True, "picture": "S • T"}],
    }
    data = json.loads((DOCS / "alphamaze.json").read_text()) | {"seeds": {"1": run}}
    said = page(data)
    assert "| 1 | after sft | 86.0% (84.0–88.0) | 86.0% | 86.0% | 86.0% | 92.0% (90.0–94.0) |  | 550 | 10 (9) |" in said
    assert "|  | after grpo | 93.0% (91.0–95.0) | 93.0% | 93.0% | 93.0% | 92.0% (90.0–94.0) | 90.0% | 500 | 25 (20) |" in said
    assert "```text\neasy, solved\nS • T\n```" in said
    assert "GRPO gained +7.0 points." in said
    assert "- seed 1: 87.1\n" in said


def recipe(name: str, small: bool = False):
    return new_run(ROOT / "recipes" / name, small, None, [], [])


def test_recipe_is_the_path_of_the_paper_and_small_is_the_same_but_shorter():
    whole, small = recipe("alphamaze.toml"), recipe("alphamaze.toml", small=True)
    for run in (whole, small):
        assert [stage.name for stage in run.stages] == ["sft", "grpo"]
        assert (run.task.size, run.task.reward, run.task.alphamaze_validity, run.task.scorer) == (5, "alphamaze", 0.5, "strict")
    assert all(less.steps * 10 <= stage.steps for less, stage in zip(small.stages, whole.stages, strict=True))


def test_recipe_of_the_real_model_has_the_settings_of_the_paper():
    run = recipe("alphamaze-qwen.toml")
    sft, grpo = run.stages
    assert (sft.algorithm.update.lr, grpo.algorithm.update.lr, grpo.group_size) == (1e-5, 1e-6, 4)
    assert (grpo.steps, grpo.algorithm.update.betas, grpo.algorithm.update.weight_decay) == (1600, (0.9, 0.99), 0.1)
    assert (grpo.algorithm.update.max_grad_norm, run.sampling.max_new_tokens) == (0.1, 4096)
    assert (run.task.target, run.task.scorer, run.task.instructions, run.machine.eval_problems) == (
        "reset",
        "compat",
        True,
        100,
    )
