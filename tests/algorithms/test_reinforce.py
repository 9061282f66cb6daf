from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from quintet.algorithms.reinforce import Reinforce
from tests.tiny import batch_of

BASELINES: list[Any] = ["none", "batch", "leave-one-out", "moving"]


@pytest.mark.parametrize("missing", [nan, inf, -inf])
@pytest.mark.parametrize("baseline", BASELINES)
def test_reward_that_does_not_apply_gives_advantage_zero(baseline, missing):
    batch = replace(batch_of([("?", "a"), ("?", "b"), ("?", "c")], [1, missing, 0]), reward_mean=0.5)
    assert Reinforce(baseline=baseline).advantage(batch)[1].tolist() == [0, 0]


def test_moving_baseline_is_the_mean_of_earlier_steps():
    batch = replace(batch_of([("?", "ab"), ("?", "b")], [1, 0]), reward_mean=0.25)
    assert Reinforce(baseline="moving").advantage(batch).tolist() == [[0, 0.75, 0.75], [0, -0.25, 0]]


def test_asks_for_a_reference_only_where_it_has_a_divergence():
    assert not Reinforce().needs.reference
    assert Reinforce(beta=0.1).needs.reference
    assert not Reinforce(beta=0.1).needs.old
