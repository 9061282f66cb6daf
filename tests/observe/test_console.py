from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from quintet.observe.console import Console
from tests.run_folder import ACTING, ATTACK, evaluation_rows, metrics_row

ESCAPE = "\x1b"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """Time that only goes on when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def plain_run(seconds: float, stages: list[Any], rows: list[dict[str, Any]]) -> list[str]:
    file, clock = io.StringIO(), Clock()
    with Console(stages, file=file, clock=clock) as console:
        for row in rows:
            clock.now += seconds
            console.step(row)
    return file.getvalue().splitlines()


def sft_rows(steps: int, step_time: float = 1.0) -> list[dict[str, Any]]:
    return [metrics_row(step, "sft", step, steps, loss=1.0 / step, step_time=step_time) for step in range(1, steps + 1)]


def test_a_log_gets_the_first_line_one_every_ten_seconds_and_the_last() -> None:
    lines = plain_run(4.0, [("sft", 8)], sft_rows(8))
    assert [line.split()[1] for line in lines] == ["1/8", "4/8", "7/8", "8/8"]


def test_a_log_holds_no_escape_sequences() -> None:
    assert ESCAPE not in "".join(plain_run(4.0, [("sft", 8)], sft_rows(8)))


def test_a_supervised_stage_shows_loss_and_a_sampling_one_shows_reward() -> None:
    grpo = {"reward": 0.61, "frac_reward_zero_std": 0.25, "completions/mean_length": 8.25, "entropy": 0.53, "loss": 0.1}
    rows = [*sft_rows(1), metrics_row(2, "grpo", 1, 1, **grpo, **{"logp_gap/max": 1.2e-6, "tokens_per_second": 2140.4})]
    lines = plain_run(1.0, [("sft", 1), ("grpo", 1)], rows)
    assert "loss 1 " in lines[0]
    assert lines[1].startswith(
        "grpo 1/1  reward 0.61  length 8.2  tied 25 %  entropy 0.53  gap 1.2e−6  2,140 tok/s  0:02 elapsed"
    )
    assert "loss" not in lines[1]


def test_what_a_critic_foresees_and_how_far_the_policy_went_are_shown_where_they_are_known() -> None:
    ppo = {"reward": 0.5, "explained_variance": 0.25, "kl": 0.0312}
    (line,) = plain_run(1.0, [("ppo", 1)], [metrics_row(1, "ppo", 1, 1, **ppo)])
    assert "reward 0.5  kl 0.031  foreseen 25 %  " in line


def test_a_stage_of_pairs_shows_how_many_are_ranked_right() -> None:
    row = metrics_row(1, "dpo", 1, 1, loss=0.6931, accuracy=0.75, margin=0.25, kl=1.0)
    (line,) = plain_run(1.0, [("dpo", 1)], [row])
    assert line.startswith("dpo 1/1  loss 0.693  accuracy 75.0 %  margin 0.25  ")
    assert "kl" not in line


def test_a_metric_that_is_null_is_shown_as_a_dash() -> None:
    assert "loss –" in plain_run(1.0, [("sft", 1)], [metrics_row(1, "sft", 1, 1, loss=None)])[0]


def test_the_time_left_counts_every_stage() -> None:
    lines = plain_run(2.0, [("sft", 2, 4.0), ("grpo", 10, 30.0)], sft_rows(2, step_time=2.0))
    assert lines[-1].endswith("0:04 elapsed, 0:30 left")


def test_the_time_left_takes_the_whole_interval_between_steps() -> None:
    lines = plain_run(4.0, [("sft", 8)], sft_rows(8, step_time=1.0))
    assert lines[1].endswith("0:16 elapsed, 0:13 left")  # 4 steps left at (1 + 4 + 4 + 4) / 4 s


def test_the_time_left_follows_the_pace_of_the_stage_it_is_in() -> None:
    rows = [*sft_rows(2), *(metrics_row(2 + step, "grpo", step, 10, reward=0.5, step_time=20.0) for step in (1, 2))]
    lines = plain_run(20.0, [("sft", 2, 4.0), ("grpo", 10, 400.0)], rows)
    assert lines[-1].startswith("grpo 2/10")
    assert lines[-1].endswith("2:40 left")


def test_the_time_left_is_a_lower_bound_where_a_stage_is_unknown() -> None:
    assert plain_run(2.0, [("sft", 2), ("grpo", 10)], sft_rows(2)[:1])[0].endswith("at least 0:01 left")


def test_stages_of_the_same_name_are_told_apart_by_their_place() -> None:
    rows = [metrics_row(step, "grpo", step - 3, 5, reward=0.5) for step in (4, 5)]
    lines = plain_run(1.0, [("grpo", 2), ("reward-model", 1), ("grpo", 5)], rows)
    assert lines[0].startswith("grpo 1/5")


def test_a_row_of_a_stage_nobody_announced_is_refused() -> None:
    with pytest.raises(ValueError, match="belongs to stage 'dpo'; this run's stages are"):
        plain_run(1.0, [("sft", 3)], [metrics_row(1, "dpo", 1, 3)])


def test_an_interrupted_run_still_prints_its_last_step() -> None:
    file = io.StringIO()

    def interrupted() -> None:
        with Console([("sft", 9)], file=file, clock=Clock()) as console:
            for row in sft_rows(3):
                console.step(row)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [line.split()[1] for line in file.getvalue().splitlines()] == ["1/9", "3/9"]


def test_a_terminal_shows_a_live_line_and_keeps_one_line_a_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "100")
    file, clock = Terminal(), Clock()
    with Console([("sft", 2), ("grpo", 5)], file=file, clock=clock) as console:
        for row in sft_rows(2):
            clock.now += 1
            console.step(row)
            console.say("a word")
    drawn = file.getvalue()
    assert "━" in drawn
    assert "1 of 2" in drawn
    assert "sft 2/2  loss 0.5" in drawn
    assert "sft 1/2  loss" not in drawn


def test_text_of_a_model_can_neither_mark_up_nor_drive_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    file = io.StringIO()
    with Console([("sft", 1)], file=file) as console:
        console.say(ATTACK)
        example = {"prompt_id": "a", "level": "easy", "text": "", "correct": False, "picture": None}
        for key in ("level", "text", "picture"):
            console.pictures([{**example, key: ACTING}], [{**example, key: ACTING}])
        row = evaluation_rows((0, 1, 2))[0]
        for key in ("task", "split", "label"):
            console.table([{**row, key: ACTING}])
        console.table([{**row, "levels": {ACTING: row["levels"]["easy"]}}])
    shown = file.getvalue()
    assert "[bold red]markup[/]" in shown
    assert shown.count("[red]⟨U+001B⟩[2J") == 10
    assert not set(shown) & {ESCAPE, "\x07", "\x00", "\u202e", "\ud800"}


def test_the_table_compares_levels_and_marks_intervals_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    file = io.StringIO()
    Console([], file=file).table(evaluation_rows((0, 120, 300)))
    rows = [" ".join(line.replace("\u202f", " ").split()) for line in file.getvalue().splitlines()]
    assert "level start after sft after grpo change" in rows
    assert "hard 0.0 % (0.0–0.9) 14.0 % (7.2–20.8) 19.0 % (11.3–26.7) +5.0 ≈" in rows
    assert "all 1.0 % (0.4–1.6) 62.0 % (59.0–65.0) 72.8 % (70.0–75.6) +10.8 ▲" in rows


def test_a_table_of_one_evaluation_has_no_change_column() -> None:
    file = io.StringIO()
    Console([], file=file).table(evaluation_rows((0, 120, 300))[:1])
    assert "start" in file.getvalue()
    assert "change" not in file.getvalue()


def test_pictures_stand_side_by_side_changed_ones_first() -> None:
    file = io.StringIO()
    _, before, after = evaluation_rows((0, 120, 300))
    Console([], file=file).pictures(before["examples"], after["examples"], limit=1)
    lines = file.getvalue().splitlines()
    marks = next(line for line in lines if "✗ failed" in line)
    assert "✓ solved" in marks
    assert "medium" in marks
    assert sum(line.count("┼───┼───┼") > 1 for line in lines) >= 2
    assert lines[-1].strip() == "Of 6 examples 3 newly solved, 0 newly failed, 3 as before."


def test_pictures_without_a_common_problem_print_nothing() -> None:
    file = io.StringIO()
    Console([], file=file).pictures([{"prompt_id": "a"}], [{"prompt_id": "b"}])
    assert file.getvalue() == ""


def test_a_stream_that_cannot_write_box_drawing_does_not_end_the_run(tmp_path: Path) -> None:
    with (tmp_path / "log.txt").open("w", encoding="latin-1") as file:
        Console([], file=file).say("┼ é →")
    assert (tmp_path / "log.txt").read_text(encoding="latin-1") == "? é ?\n"
