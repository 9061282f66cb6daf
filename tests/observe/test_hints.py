"""Rows of metrics made by hand: one for each sign, and healthy ones that show none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from quintet.observe.hints import QUIET, RULES, WINDOW, Hints
from quintet.observe.records import Row, read_jsonl

HEALTHY: Row = {
    "reward": 0.4,
    "reward_std": 0.4,
    "frac_reward_zero_std": 0.3,
    "completions/clipped_ratio": 0.02,
    "completions/mean_length": 40.0,
    "completions/max_length": 128.0,
    "entropy": 0.6,
    "kl": 0.01,
    "approx_kl": 0.01,
    "logp_gap/mean": 1e-6,
    "logp_gap/max": 1e-5,
    "rewards/form/mean": 0.5,
    "rewards/form/std": 0.5,
    "rewards/right/mean": 0.4,
    "rewards/right/std": 0.5,
    "skipped_updates": 0.0,
}


def said(later: dict[str, Any], steps: int = 2 * WINDOW, group_size: int = 8) -> list[str]:
    """What is said of a stage that begins healthy and goes on with `later`."""
    hints, found = Hints(group_size), []
    for step in range(steps):
        found += hints.after(HEALTHY if step < WINDOW else {**HEALTHY, **later})
    return found


def test_healthy_rows_say_nothing_however_many_there_are():
    assert said({}, steps=3 * QUIET) == []


SIGNS: list[tuple[dict[str, Any], str, str]] = [
    ({"frac_reward_zero_std": 0.95}, "at least 95\u202f% of the groups were tied", "raise group_size or temperature"),
    ({"completions/clipped_ratio": 0.4}, "40\u202f% of the answers", "Set max_new_tokens=256"),
    ({"approx_kl": 0.3}, "Steps are too long", "Lower lr or epochs"),
    ({"logp_gap/mean": 0.05, "logp_gap/max": 2.0}, "by 0.05 nats in the mean and up to 2", "dtype=float32"),
    ({"skipped_updates": 1.0}, "the gradient isn't a finite number", "Lower lr"),
    ({"skipped_updates": 1.0, "line_search/accepted": 0.0}, "the line search found none", "Raise damping"),
    ({"entropy": 0.01}, "The entropy collapsed from 0.6 to 0.01 nats", "Lower lr or raise temperature"),
    ({"completions/mean_length": 90.0, "reward": 0.6}, "Answers grew from 40 to 90 tokens", "bound the length in the reward"),
    (
        {"rewards/form/mean": 0.9, "rewards/right/mean": 0.1},
        "form rose by 0.4 while right fell by 0.3",
        "weigh form less",
    ),
]


@pytest.mark.parametrize(("later", "what", "next_"), SIGNS)
def test_each_sign_is_said_once_with_what_to_do(later: dict[str, Any], what: str, next_: str):
    (text,) = said(later)
    assert what in text
    assert next_ in text


def test_demonstrations_may_take_the_entropy_away():
    hints, steep = Hints(1), [6.9] * WINDOW + [0.04] * WINDOW
    assert [text for entropy in steep for text in hints.after({"loss": 0.1, "entropy": entropy, "skipped_updates": 0.0})] == []


def test_episodes_may_be_long():
    later = {"completions/clipped_ratio": 0.9, "completions/mean_length": 400.0, "reward": 0.9}
    for of_texts, told in ((True, 2), (False, 0)):
        hints = Hints(8, of_texts)
        rows = [HEALTHY] * WINDOW + [{**HEALTHY, **later}] * WINDOW
        assert len([text for row in rows for text in hints.after(row)]) == told


def test_running_kl_is_said_only_while_it_grows():
    hints, found = Hints(8), []
    for step in range(2 * WINDOW):
        found += hints.after({**HEALTHY, "kl": 0.01 if step < WINDOW else 0.3 * (step - WINDOW)})
    (text,) = found
    assert "runs away from its reference: the KL went from 0.01 to 1.6 nats" in text  # (1.2 + 1.5 + 1.8 + 2.1) / 4 = 1.65
    assert said({"kl": 2.0}) == []  # far, but it stays there


def test_kl_that_began_far_away_and_hardly_grows_is_not_running():
    hints = Hints(8)
    assert [hints.after({**HEALTHY, "kl": 0.5 + 0.01 * step}) for step in range(2 * WINDOW)] == [[]] * (2 * WINDOW)


def test_one_bad_step_is_no_sign():
    hints = Hints(8)
    for step in range(4 * WINDOW):
        bad = {"frac_reward_zero_std": 1.0, "skipped_updates": 1.0} if step % WINDOW == 0 else {}
        assert hints.after({**HEALTHY, **bad}) == []


def test_sign_from_the_beginning_is_said_after_a_window():
    hints = Hints(8)
    texts = [hints.after({**HEALTHY, "frac_reward_zero_std": 1.0}) for _ in range(WINDOW)]
    assert [len(t) for t in texts] == [0] * (WINDOW - 1) + [1]


def test_lasting_sign_is_repeated_after_a_while_only():
    assert len(said({"completions/clipped_ratio": 1.0}, steps=2 * WINDOW + QUIET - 1)) == 1
    assert len(said({"completions/clipped_ratio": 1.0}, steps=2 * WINDOW + QUIET + 1)) == 2


def test_single_answers_to_a_prompt_are_not_tied():
    assert said({"frac_reward_zero_std": 1.0}, group_size=1) == []


def test_entropy_that_fell_because_the_task_was_learned_is_fine():
    assert said({"entropy": 0.01, "reward": 0.95}) == []


def test_longer_answers_for_no_more_reward_and_rows_without_numbers_say_nothing():
    assert said({"completions/mean_length": 90.0}) == []
    assert said(dict.fromkeys(HEALTHY)) == []


def test_supervised_rows_say_nothing():
    hints = Hints(1)
    assert [hints.after({"loss": 2.0, "skipped_updates": 0.0, "grad_norm": 1.0}) for _ in range(60)] == [[]] * 60


def test_every_rule_is_tried_above():
    seen = {
        name
        for later, _, _ in SIGNS
        for name in RULES
        if any(RULES[name]([HEALTHY] * WINDOW, [{**HEALTHY, **later}] * WINDOW) for _ in "1")
    }
    assert seen == set(RULES) - {"kl"}


REAL = sorted((Path(__file__).parent / "healthy").glob("*.jsonl"))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_runs_that_went_well_say_nothing(path: Path):
    """Metrics as they were written: arithmetic of one and two digits, 400 supervised steps (Muon, 2e-3, half of the
    demonstrations wrong), then grpo, reinforce and ppo at 1e-4 and trpo, on a preset of 1M parameters with seed 0."""
    hints = Hints(8)
    assert [text for row in read_jsonl(path) for text in hints.after(row)] == []
    assert len(REAL) == 4
