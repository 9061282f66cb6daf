"""Answers of earlier rounds, learned from again."""

from __future__ import annotations

from dataclasses import replace
from math import isnan, nan
from typing import Any

from quintet.data import Batch, Rollout, Sampling, Verdict
from quintet.observe.metrics import rollout_rows
from quintet.replay import REPLAYED, drawn, history
from quintet.sources import Online, collate
from tests.tiny import Letter, policy, sampler, tokenizer


class Judging(Letter):
    """Its answers have one step, of their first character."""

    def grade(self, rollouts: Any) -> list[Verdict]:
        return [replace(v, steps=((1, v.reward),)) for v in super().grade(rollouts)]


def online(past: Any = (), replay: float = 0.0, prompts: int = 10) -> Online:
    how: Any = {"tokenizer": tokenizer(), "replay": replay, "past": past}
    return Online(Judging(), sampler(policy()), Sampling(max_new_tokens=4), prompts, 3, 7, **how)


def rows_of(batch: Batch, stage: str) -> list[dict[str, Any]]:
    return rollout_rows(replace(batch, advantage=batch.behaviour_logp), {"step": 1, "stage": stage})


def past() -> list[list[Rollout]]:
    return history(rows_of(next(iter(online())), "reward"), ["reward"], tokenizer())


def test_history_is_what_was_sampled():
    batch = next(iter(online()))
    groups = history(rows_of(batch, "reward"), ["reward"], tokenizer())
    assert [len(group) for group in groups] == [3] * 10
    again = [rollout for group in groups for rollout in group]
    assert [r.text for r in again] == [r.text for r in batch.rollouts]
    assert [r.prompt.text for r in again] == [r.prompt.text for r in batch.rollouts]
    assert [r.verdict.steps for r in again if r.verdict] == [r.verdict.steps for r in batch.rollouts if r.verdict]
    for now, then in zip(
        again, batch.rollouts, strict=True
    ):  # but for special ones, which have no text, a token is a character
        assert [t for t in now.tokens if t > 2] == [t for t in then.tokens if t > 2]
        assert (now.action[0], now.action[-1], now.action.count(False)) == (False, True, len(now.prompt.text or ""))


def test_other_stages_and_what_was_replayed_already_are_no_history():
    batch = next(iter(online()))
    assert history(rows_of(batch, "grpo"), ["reward"], tokenizer()) == []
    again = collate([r for group in past() for r in group], [0] * 30, tokenizer=tokenizer())
    assert history(rows_of(again, "reward"), ["reward"], tokenizer()) == []


def test_reward_that_did_not_apply_still_doesnt():
    (row, *_) = rows_of(next(iter(online())), "reward")
    ((rollout,),) = history([{**row, "reward": None}], ["reward"], tokenizer())
    assert rollout.verdict
    assert isnan(rollout.verdict.reward)
    assert not isnan(nan if row["reward"] is None else row["reward"])


def test_a_tenth_of_the_prompts_is_replayed_and_the_rest_is_new():
    batch = next(iter(online(past(), 0.1)))
    old = [bool(r.verdict and r.verdict.logged.get(REPLAYED)) for r in batch.rollouts]
    assert old == [False] * 27 + [True] * 3
    assert batch.group.tolist() == [i // 3 for i in range(30)]
    assert batch.measured["replayed_groups"] == 1
    assert batch.measured["sampled_tokens"] == sum(sum(r.action) for r in batch.rollouts[:27])
    source = online(past(), 0.1)
    next(iter(source))
    assert source.number == 9  # prompts that were used


def test_without_history_all_is_new():
    assert "replayed_groups" not in next(iter(online((), 0.5))).measured
    assert len(next(iter(online((), 0.5))).rollouts) == 30


def test_draws_follow_from_seed_and_number():
    groups = past()
    assert drawn(groups, 5, 1, 20) == drawn(groups, 5, 1, 20)
    assert drawn(groups, 5, 1, 20) != drawn(groups, 5, 1, 21)
    assert drawn([], 5, 1, 20) == []
