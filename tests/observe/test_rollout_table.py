from __future__ import annotations

import io
from pathlib import Path

import pytest
import rich.console

from quintet.observe.rollout_table import show
from tests.run_folder import ACTING, rollout_rows, write_rows, write_run


def shown(run: Path, **arguments: int) -> str:
    file = io.StringIO()
    show(run, console=rich.console.Console(file=file, width=160), **arguments)
    return file.getvalue()


def test_a_step_is_shown_with_reward_parts_stop_reason_and_tokens(tmp_path: Path) -> None:
    row = {"step": 7, "stage": "grpo", "group": 0, "prompt_id": "maze-1", "prompt": "walk", "level": "hard", "text": "up"}
    more = {"reward": 1.25, "parts": {"form": 0.25}, "advantage": 1.5, "stop_reason": "length", "correct": True, "tokens": 9}
    write_rows(tmp_path / "rollouts.jsonl", [{**row, **more}])
    lines = [" ".join(line.split()) for line in shown(tmp_path).splitlines()]
    assert lines[0] == "Step 7 (grpo): 1 answers to 1 prompts"
    assert "group 0 maze-1 hard" in lines
    assert "walk" in lines
    assert "+1.5 ✓ 1.25 form 0.25 9 length up" in lines


def test_no_step_means_the_last_one(tmp_path: Path) -> None:
    run = write_run(tmp_path, 10, 40)
    assert shown(run).startswith("Step 50 (grpo): 32 answers to 4 prompts")
    assert shown(run, step=11).startswith("Step 11 (grpo)")


def test_the_limit_counts_prompts_and_says_what_is_left_out(tmp_path: Path) -> None:
    write_rows(tmp_path / "rollouts.jsonl", rollout_rows(3, 6, 2, 0.5))
    text = shown(tmp_path, limit=2)
    assert ["group 1" in text, "group 2" in text] == [True, False]
    assert "2 of 6 prompts shown" in text
    assert "prompts shown" not in shown(tmp_path, limit=6)


def test_one_group_can_be_asked_for_and_one_that_is_not_there_is_refused(tmp_path: Path) -> None:
    write_rows(tmp_path / "rollouts.jsonl", [{"step": 1, "group": group} for group in (0, 1, 2, 5)])
    text = shown(tmp_path, group=5)
    assert ["group 0" in text, "group 5" in text] == [False, True]
    with pytest.raises(ValueError, match=r"Step 1 has no group 3; its groups are 0–2, 5\."):
        shown(tmp_path, group=3)


@pytest.mark.parametrize("key", ["prompt", "prompt_id", "level", "text", "stop_reason", "stage"])
def test_a_models_text_is_printed_as_it_is_and_does_nothing(tmp_path: Path, key: str) -> None:
    write_rows(tmp_path / "rollouts.jsonl", [{"step": 1, "group": 0, "parts": {ACTING: 1.0}, key: ACTING}])
    text = shown(tmp_path)
    assert text.count("[red]⟨U+001B⟩[2J") >= 1
    assert not set(text) & {"\x1b", "\x07", "\x00", "\u202e", "\ud800"}
