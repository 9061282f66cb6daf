"""A run's numbers as columns, read while it writes them."""

from __future__ import annotations

import json
import os
from math import isnan, nan
from pathlib import Path

import pytest

from quintet.observe.history import History


def write(path: Path, *rows: dict, mode: str = "a") -> None:
    with path.open(mode) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def step(number: int, stage: str = "grpo", **more: float | None) -> dict:
    return {"step": number, "stage": stage, "stage_step": number, "step_time": 2.0, "num_sampled_tokens": number * 100, **more}


def test_columns_grow_with_the_file_and_a_metric_that_comes_later_is_nan_before(tmp_path: Path) -> None:
    history = History(tmp_path)
    assert not history.look()
    write(tmp_path / "metrics.jsonl", step(1), step(2, kl=None))
    assert history.look()
    write(tmp_path / "metrics.jsonl", step(3, kl=0.5))
    assert history.look()
    assert not history.look()
    assert isnan(history.columns["kl"][0])
    assert history.series("kl", "steps") == [(3, 0.5)]


def test_axes_are_steps_sampled_tokens_and_seconds_of_training(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", step(1, reward=1.0), step(2, reward=2.0))
    history = History(tmp_path)
    history.look()
    assert [history.series("reward", axis) for axis in ("steps", "tokens", "seconds")] == [
        [(1, 1), (2, 2)],
        [(100, 1), (200, 2)],
        [(2, 1), (4, 2)],
    ]


def test_a_run_that_was_cut_back_is_as_if_it_had_never_gone_on(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write(path, step(1, reward=0.1), step(2, reward=0.2))
    history = History(tmp_path)
    history.look()
    os.truncate(path, path.stat().st_size // 2)
    write(path, step(2, reward=0.9), step(3, reward=0.8))
    history.look()
    assert list(history.columns["reward"]) == [0.1, 0.9, 0.8]
    assert history.stages == [("grpo", 0)]


def test_now_and_at_the_beginning_are_means_of_ten_steps_of_the_stage_under_way(tmp_path: Path) -> None:
    sft = [{**step(n, "sft", loss=100.0), "stage_step": n} for n in range(1, 6)]
    grpo = [{**step(5 + n, loss=float(n)), "stage_step": n} for n in range(1, 31)]
    write(tmp_path / "metrics.jsonl", *sft, *grpo)
    history = History(tmp_path)
    history.look()
    assert history.stages == [("sft", 0), ("grpo", 5)]
    assert (history.stage_length, history.first("loss"), history.recent("loss")) == (30, 5.5, 25.5)
    assert isnan(history.recent("nothing"))


def test_scores_stand_where_the_evaluation_says_or_else_at_its_step(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", step(1), step(2))
    old = {"step": 2, "label": "after", "score": 0.5, "low": 0.4, "high": 0.6, "examples": [{}], "outcomes": {}}
    write(tmp_path / "evaluations.jsonl", {"step": 0, "label": "start", "score": 0.1}, old)
    history = History(tmp_path)
    history.look()
    assert history.scores("tokens") == [(0, 0.1), (200, 0.5)]
    assert history.scores("seconds", "low") == [(4, 0.4)]
    assert not {"examples", "outcomes"} & set(history.evaluations[1])
    write(tmp_path / "evaluations.jsonl", {**old, "score": 0.7, "num_sampled_tokens": 190})
    history.look()
    assert history.scores("tokens") == [(0, 0.1), (190, 0.7)]


def test_the_time_went_where_the_parts_say_and_the_rest_is_other(tmp_path: Path) -> None:
    write(tmp_path / "metrics.jsonl", *({**step(n), "seconds/sample": 1.5, "seconds/learn": 0.25} for n in (1, 2)))
    history = History(tmp_path)
    history.look()
    assert history.seconds_by_part() == [("sample", 3.0), ("learn", 0.5), ("other", 0.5)]
    assert History(tmp_path / "none").seconds_by_part() == []


@pytest.mark.parametrize("bad", [{"reward": 1.0}, {"step": nan}, {"step": "1"}])
def test_a_row_without_a_step_is_left_out(tmp_path: Path, bad: dict) -> None:
    write(tmp_path / "metrics.jsonl", bad, step(1))
    history = History(tmp_path)
    history.look()
    assert len(history) == 1
