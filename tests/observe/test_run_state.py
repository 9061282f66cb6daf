"""What a run's files say about how it stands."""

from __future__ import annotations

import json
import os
from math import isnan
from pathlib import Path

import pytest

from quintet.observe.comparison_folder import RunAt, is_comparison, name_of, runs_of, start_of
from quintet.observe.history import History
from quintet.observe.run_state import RunState, settings_of, state_of
from tests.run_folder import write_rows
from tests.written_comparison import write_comparison, write_member

STAGE = {"stage": [{"steps": 100}]}


def state(folder: Path, settings: dict | None = None, status: dict | None = None, now: float = 0.0) -> RunState:
    history = History(folder)
    history.look()
    return state_of(RunAt("grpo", 0, folder, status or {}), history, STAGE if settings is None else settings, lambda: now)


def steps(folder: Path, number: int, stage_steps: int = 100, tokens: int = 10) -> float:
    rows = [
        {"step": n, "stage": "grpo", "stage_step": n, "stage_steps": stage_steps, "stage_index": 0, "step_time": 2.0}
        | {"reward": 0.5, "num_sampled_tokens": n * tokens, "tokens_per_second": 50.0}
        for n in range(1, number + 1)
    ]
    write_rows(folder / "metrics.jsonl", rows)
    return (folder / "metrics.jsonl").stat().st_mtime


def test_a_folder_with_nothing_in_it_waits(tmp_path: Path) -> None:
    found = state(tmp_path)
    assert (found.state, found.step, found.share) == ("waiting", 0, 0.0)


def test_a_run_that_wrote_just_now_is_running_and_says_what_is_left_at_its_pace(tmp_path: Path) -> None:
    now = steps(tmp_path, 25)
    found = state(tmp_path, now=now + 5)
    assert (found.state, found.step, found.steps, found.share) == ("running", 25, 100, 0.25)
    assert found.seconds_left == pytest.approx(150.0)
    assert found.seconds == 50.0


def test_a_run_without_news_is_called_quiet_and_for_how_long(tmp_path: Path) -> None:
    now = steps(tmp_path, 25)
    found = state(tmp_path, now=now + 200)
    assert (found.state, found.reason) == ("quiet", "no news for 4 min")
    assert isnan(found.seconds_left)


def test_a_run_with_its_model_is_done_until_it_is_resumed_and_writes_again(tmp_path: Path) -> None:
    now = steps(tmp_path, 100)
    (tmp_path / "model").mkdir()
    os.utime(tmp_path / "model", (now + 1, now + 1))
    assert state(tmp_path, now=now + 999).state == "done"
    os.utime(tmp_path / "metrics.jsonl", (now + 9, now + 9))
    assert state(tmp_path, now=now + 10).state == "running"


def test_the_comparison_knows_better_than_the_files(tmp_path: Path) -> None:
    steps(tmp_path, 25)
    found = state(tmp_path, status={"state": "failed", "reason": "out of memory"})
    assert (found.state, found.reason) == ("failed", "out of memory")


@pytest.mark.parametrize(("budget", "share"), [({"token_budget": 500}, 0.5), ({"seconds_budget": 200.0}, 0.25)])
def test_a_budget_that_ends_earlier_than_the_steps_decides_how_much_is_left(tmp_path: Path, budget: dict, share: float) -> None:
    now = steps(tmp_path, 25, stage_steps=1_000_000)
    found = state(tmp_path, {"stage": [{"steps": 1_000_000, **budget}]}, now=now)
    assert (found.steps, found.share) == (0, pytest.approx(share))
    assert found.seconds_left == pytest.approx(50 * (1 - share) / share)


def test_stages_count_by_their_steps(tmp_path: Path) -> None:
    row = {"step": 30, "stage": "grpo", "stage_step": 10, "stage_steps": 20, "stage_index": 1, "step_time": 1.0}
    write_rows(tmp_path / "metrics.jsonl", [row])
    assert state(tmp_path, {"stage": [{"steps": 20}, {"steps": 20}]}).share == pytest.approx(0.75)


def test_settings_that_cannot_be_read_are_none(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("= broken")
    assert settings_of(RunAt("a", 0, tmp_path, {})) == {}


def test_runs_stand_in_the_comparisons_order_and_each_label_by_seed(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("trpo", "dpo"), seeds=11, steps=1)
    assert is_comparison(folder)
    assert [(run.label, run.seed) for run in runs_of(folder)] == [(a, k) for a in ("trpo", "dpo") for k in range(11)]
    assert name_of(runs_of(folder)[0]) == "trpo · seed 0"
    assert start_of(folder) is None


def test_the_common_start_is_a_run_of_its_own_and_folders_of_other_names_are_none(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("grpo",), seeds=1, steps=1)
    write_member(folder / "start", "grpo", 0, 1)
    (folder / "grpo" / "seed-x").mkdir()
    start = start_of(folder)
    assert start is not None
    assert name_of(start) == "start"
    assert len(runs_of(folder)) == 1


def test_a_run_whose_status_is_half_written_or_damaged_waits(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("grpo",), seeds=2, steps=1)
    (folder / "grpo/seed-0/status.json").write_text('{"state": "ru')
    (folder / "grpo/seed-1/status.json").write_text(json.dumps([1]))
    assert [run.status["state"] for run in runs_of(folder)] == ["waiting", "waiting"]
