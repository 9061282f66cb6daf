"""docs/results.md says what its data say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.results_page import improvement, mean_and_reach, page

DOCS = Path(__file__).parent.parent / "docs"
FIVE = {"reinforce", "trpo", "ppo", "dpo", "grpo"}


def test_page_is_made_from_the_committed_data():
    data, memory = (json.loads((DOCS / name).read_text()) for name in ("results.json", "memory.json"))
    assert (DOCS / "results.md").read_text() == page(data, memory)
    assert all(set(task["algorithms"]) == FIVE for task in data["tasks"].values())
    assert all(len(a["runs"]) >= 3 for task in data["tasks"].values() for a in task["algorithms"].values())


def test_interval_of_a_mean_is_students():
    """1, 2, 3: deviation 1, so 4.303 / √3."""
    assert mean_and_reach([1, 2, 3]) == (2, pytest.approx(2.484, abs=1e-3))


def outcome(*scores: float, half: float = 0.02, before: float = 0.2) -> dict:
    runs = [{"scores": [{"score": before}, {"score": s, "low": s - half, "high": s + half}]} for s in scores]
    return {"runs": runs}


def test_improved_means_every_interval_and_the_gains():
    start = {"scores": [{"score": 0.2, "low": 0.18, "high": 0.22}]}
    found = {
        "clear": outcome(0.4, 0.41, 0.42),
        "one too low": outcome(0.4, 0.41, 0.23),
        "scattered": outcome(0.25, 0.3, 0.9),
    }
    said = improvement({"start": start, "algorithms": found})
    assert said.startswith("Outside the intervals (every seed's above the start's, and the gain's above 0): clear. Not so: ")
    assert said.endswith("one too low, scattered.")
