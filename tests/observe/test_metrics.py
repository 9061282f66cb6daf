from __future__ import annotations

from dataclasses import replace
from math import inf, isnan, nan
from typing import Any

import pytest
import torch

from quintet.data import Batch, Prompt, Rollout, Verdict
from quintet.observe.metrics import of_batch, peak_memory_mb, rollout_rows
from quintet.sources import collate, pairs_batch
from tests.tiny import tokenizer


def answer(length: int, reward: float, stop: Any = "eos", **parts: float) -> Rollout:
    prompt, verdict = Prompt("p1", text="?", level="easy"), Verdict(reward, parts, reward > 0)
    action, logp = [False] + [True] * length, [0.0] * (length + 1)
    return Rollout(prompt, [3] * (length + 1), action, logp, "a", stop, 4, verdict)


def graded(*answers: Rollout, groups: list[int] | None = None) -> Batch:
    return collate(answers, groups or [0] * len(answers))


def test_lengths_count_chosen_tokens():
    found = of_batch(graded(answer(1, 0), answer(3, 0), answer(8, 0)))
    assert [found[f"completions/{k}_length"] for k in ("mean", "min", "max")] == [4, 1, 8]


def test_rewards_that_do_not_apply_are_counted_and_left_out():
    found = of_batch(graded(answer(1, 1.0), answer(1, nan), answer(1, 0.0), answer(1, inf)))
    assert (found["reward"], found["nonfinite_rewards"]) == (0.5, 2)
    assert found["reward_std"] == pytest.approx(0.7071068)
    assert found["completions/mean_length"] == 1


def test_groups_of_equal_rewards_are_counted():
    found = of_batch(graded(*(answer(1, r) for r in (1, 1, 0, 1, 0, 0)), groups=[0, 0, 1, 1, 2, 2]))
    assert found["frac_reward_zero_std"] == pytest.approx(2 / 3)
    assert found["reward_std"] == pytest.approx(0.7071068 / 3)


def test_answers_that_were_cut_off_are_counted():
    found = of_batch(graded(answer(1, 1, "length"), answer(1, 1), answer(1, 1, "stop")))
    assert found["completions/clipped_ratio"] == pytest.approx(1 / 3)


def test_parts_of_the_reward_have_mean_and_deviation_over_the_answers_that_have_them():
    found = of_batch(graded(answer(1, 1, form=1.0, speed=0.5), answer(1, 1, form=0.0), answer(1, 1, form=nan)))
    assert (found["rewards/form/mean"], found["rewards/speed/mean"], found["rewards/speed/std"]) == (0.5, 0.5, 0)
    assert found["rewards/form/std"] == pytest.approx(0.7071068)


def test_infinite_part_is_left_out_like_an_unknown_one():
    found = of_batch(graded(answer(1, 1, form=1.0), answer(1, 1, form=inf)))
    assert (found["rewards/form/mean"], found["rewards/form/std"]) == (1.0, 0.0)


def test_no_known_reward_has_no_mean():
    assert isnan(of_batch(graded(answer(1, nan)))["reward"])


def test_demonstrations_have_lengths_and_no_rewards():
    found = of_batch(replace(graded(answer(2, 1.0)), behaviour_logp=None))
    assert set(found) == {"completions/mean_length", "completions/min_length", "completions/max_length"}


def test_pairs_that_are_shown_have_lengths_and_no_rewards():
    """Their 1 and 0 say which is which; a mean of 0.5 would say nothing."""
    pairs = pairs_batch([(Prompt("p", text="?"), "ab", "abcd")], tokenizer())
    assert of_batch(pairs) == {
        "completions/mean_length": 4, "completions/min_length": 3, "completions/max_length": 5,
    }  # fmt: skip


def test_rollout_row_says_what_was_answered_and_what_it_was_worth():
    batch = graded(answer(2, 1.0, form=0.5), answer(1, nan), groups=[7, 7])
    batch = replace(batch, advantage=torch.tensor([[0, 0.5, 0.5], [0, 0, 0]]))
    first, second = rollout_rows(batch, {"step": 3})
    assert first == {
        "step": 3,
        "group": 7,
        "prompt_id": "p1",
        "prompt": "?",
        "level": "easy",
        "text": "a",
        "reward": 1.0,
        "parts": {"form": 0.5},
        "logged": {},
        "correct": True,
        "advantage": 0.5,
        "stop_reason": "eos",
        "tokens": 2,
        "policy_version": 4,
    }
    assert (second["advantage"], second["tokens"]) == (0, 1)


def test_messages_are_shown_as_they_are():
    chat = replace(answer(1, 1.0), prompt=Prompt("m", messages=({"role": "user", "content": "hi"},)))
    batch = replace(graded(chat), advantage=torch.zeros(1, 2))
    assert rollout_rows(batch, {})[0]["prompt"] == [{"role": "user", "content": "hi"}]


def test_peak_memory_is_in_mebibytes():
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert 64 < peak_memory_mb() < 1e6
