from __future__ import annotations

import json
from pathlib import Path

import pytest

from quintet import comparisons
from tests.comparison_folder import write_comparison


def test_runs_come_in_the_comparisons_order_and_by_seed(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", {"ppo": (0.1, 0.2), "grpo": (0.3, 0.4)})
    (folder / "ppo" / "seed-10").mkdir()
    (folder / "ppo" / "notes").mkdir()
    (folder / "start").mkdir()
    found = comparisons.runs_of(folder)
    assert [(run.label, run.seed) for run in found] == [("ppo", 1), ("ppo", 2), ("ppo", 10), ("grpo", 1), ("grpo", 2)]
    assert [run.status["state"] for run in found] == ["done", "done", "waiting", "done", "done"]
    assert found[0].folder == comparisons.folder_of(folder, "ppo", 1)


def test_a_folder_is_a_comparison_by_its_settings(tmp_path: Path):
    assert not comparisons.is_comparison(tmp_path)
    assert comparisons.runs_of(tmp_path) == []
    with pytest.raises(ValueError, match="quintet compare"):
        comparisons.settings_of(tmp_path)
    assert comparisons.is_comparison(write_comparison(tmp_path / "c", {"grpo": (0.1,)}))


def test_a_status_is_changed_in_part_and_never_half_written(tmp_path: Path):
    comparisons.write_status(tmp_path, state="running", attempts=1)
    comparisons.write_status(tmp_path, cpu_seconds=2.5)
    found = comparisons.read_status(tmp_path)
    assert (found["state"], found["attempts"], found["cpu_seconds"], found["reason"]) == ("running", 1, 2.5, "")
    assert json.loads((tmp_path / "status.json").read_text()) == found
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]
