from __future__ import annotations

from dataclasses import replace

import torch

from quintet.data import Prompt, Rollout, select
from tests.tiny import batch_of, tokens


def test_selected_rows_are_trimmed_to_the_longest_of_them():
    batch = batch_of([("?", "abcd"), ("?", "ab"), ("!", "c")], [1, 2, 3])
    batch = replace(batch, weight=torch.full(batch.tokens.shape, 0.25), advantage=torch.arange(15.0).view(3, 5))
    part = select(batch, torch.tensor([2, 1]))
    assert part.tokens.tolist() == [[*tokens("!c"), 0], tokens("?ab")]
    assert part.advantage.tolist() == [[10, 11, 12], [5, 6, 7]]
    assert (part.reward.tolist(), part.group.tolist(), part.length.tolist()) == ([3, 2], [1, 0], [2, 3])


def test_selected_rows_keep_the_whole_batchs_denominators():
    batch = replace(batch_of([("?", "abcd"), ("?", "ab")]), weight=torch.full((2, 5), 0.125))
    assert select(batch, torch.tensor([1])).weight.tolist() == [[0.125] * 3]


def test_columns_nobody_asked_for_stay_absent_and_rollouts_follow_their_rows():
    rollouts = tuple(Rollout(Prompt(n), [1], [True], [0.0], n, "eos", 0) for n in "ab")
    batch = replace(batch_of([("?", "a"), ("?", "b")]), rollouts=rollouts, measured={"n": 2.0}, progress=0.5)
    part = select(batch, torch.tensor([1]))
    assert (part.old_logp, part.weight) == (None, None)
    assert [r.text for r in part.rollouts] == ["b"]
    assert (part.measured, part.progress) == ({"n": 2.0}, 0.5)
