from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Outputs
from quintet.settings import Stage
from tests.tiny import batch_of

OLD = torch.tensor([[0, -1.0, -1.0], [0, -2.0, 0]])
VALUE = torch.tensor([[0, 0.5, 0.25], [0, 0.5, 0]])


def the_batch() -> Batch:
    return replace(batch_of([("?", "ab"), ("?", "c")], [1, 0]), old_logp=OLD, value=VALUE)


def test_advantage_is_gae_or_the_groups():
    assert TRPO(lam=0.5, whiten=False).advantage(the_batch())[0].tolist() == pytest.approx([0, 0.125, 0.75])
    group = TRPO(baseline="group", whiten=False).advantage(the_batch())
    assert group.tolist() == [pytest.approx([0, 0.7071, 0.7071], abs=2e-4), pytest.approx([0, -0.7071, 0], abs=2e-4)]
    left_out = TRPO(baseline="leave-one-out", whiten=False).advantage(the_batch())
    assert left_out.tolist() == [[0, 1, 1], [0, -1, 0]]


def test_whitened_advantages_have_mean_zero_over_the_chosen_tokens():
    b = the_batch()
    assert float(TRPO().advantage(b)[b.action].mean()) == pytest.approx(0, abs=1e-6)


def test_surrogate_is_the_ratio_times_the_advantage_without_a_clip():
    b = replace(the_batch(), advantage=torch.full((2, 3), 2.0))
    terms: Any = TRPO().loss(Outputs(OLD + torch.tensor(3.0).log(), OLD), b)
    assert terms["policy"][b.action].tolist() == pytest.approx([-6, -6, -6])
    assert "value" not in terms  # the critic was not run


def test_critic_is_taught_the_returns_where_it_runs_alone():
    b = the_batch()
    terms: Any = TRPO(lam=1.0).loss(Outputs(value=torch.zeros(2, 3)), b)
    assert list(terms) == ["value"]
    assert terms["value"][b.action].tolist() == pytest.approx([0.5, 0.5, 0])


def test_notes_say_how_much_the_critic_foresaw_if_there_is_one():
    assert TRPO(lam=1.0).notes(the_batch())["explained_variance"] == pytest.approx(1 - (7 / 24) / (2 / 9))
    assert TRPO(baseline="group").notes(the_batch()) == {}


def test_asks_for_a_critic_only_where_one_is_the_baseline():
    assert (TRPO().needs.critic, TRPO(baseline="group").needs.critic, TRPO().needs.old) == ("separate", "none", True)


def test_siblings_are_asked_for_where_they_are_compared():
    stage = Stage("trpo", TRPO(), group_size=1)
    (found,) = TRPO(baseline="group").check(stage)
    assert found.startswith("baseline=group compares siblings and needs at least 2 answers a prompt; group_size=1.")
    assert TRPO().check(stage) == TRPO(baseline="group").check(replace(stage, group_size=2)) == []


def test_tokens_weigh_the_same():
    b = the_batch()
    assert TRPO().weight(b)[b.action].tolist() == pytest.approx([1 / 3] * 3)
