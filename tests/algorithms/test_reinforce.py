from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest
import torch

from quintet.algorithms.reinforce import Reinforce
from quintet.data import Outputs
from quintet.settings import Stage
from tests.tiny import batch_of

BASELINES: list[Any] = ["none", "batch", "leave-one-out", "moving"]


@pytest.mark.parametrize("missing", [nan, inf, -inf])
@pytest.mark.parametrize("baseline", BASELINES)
def test_reward_that_does_not_apply_gives_advantage_zero(baseline, missing):
    batch = replace(batch_of([("?", "a"), ("?", "b"), ("?", "c")], [1, missing, 0]), notes={"reward_mean": 0.5})
    assert Reinforce(baseline=baseline).advantage(batch)[1].tolist() == [0, 0]


def test_moving_baseline_is_the_mean_of_earlier_steps():
    batch = replace(batch_of([("?", "ab"), ("?", "b")], [1, 0]), notes={"reward_mean": 0.25})
    assert Reinforce(baseline="moving").advantage(batch).tolist() == [[0, 0.75, 0.75], [0, -0.25, 0]]


def test_asks_for_a_reference_only_where_it_has_a_divergence():
    assert not Reinforce().needs.reference
    assert Reinforce(beta=0.1).needs.reference
    assert not Reinforce(beta=0.1).needs.old


def test_moving_mean_looks_back_only():
    """Nothing at first; then 10; then .9 · 10 + .1 · 20 = 11. A step without a known reward changes nothing."""
    algorithm, notes, seen = Reinforce(baseline="moving"), {}, []
    for reward in ([10.0, nan], [20.0, 20.0], [nan, nan], [30.0, 10.0]):
        batch = replace(batch_of([("?", "a"), ("?", "b")], reward), notes=notes)
        seen.append(algorithm.advantage(batch)[0, 1].item())
        notes = algorithm.notes(batch)
    assert seen == pytest.approx([10, 10, 0, 19])
    assert notes["reward_mean"] == pytest.approx(0.9 * 11 + 0.1 * 20)
    assert Reinforce().notes(batch) == batch.notes


def test_divergence_in_the_reward_is_that_of_the_whole_answer():
    """β = .5: the answer `ab` is 2 nats likelier than under the reference, so it earns 1 − 1 = 0; `c` earns 0 − 0."""
    batch = batch_of([("?", "ab"), ("?", "c")], [1, 0])
    old = torch.tensor([[0, -1.0, -1.0], [0, -1.0, 0]])
    reference = torch.tensor([[0, -2.0, -2.0], [0, -1.0, 0]])
    batch = replace(batch, old_logp=old, ref_logp=reference)
    algorithm = Reinforce(baseline="none", beta=0.5, kl_in="reward")
    assert algorithm.advantage(batch).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert algorithm.needs.old
    assert algorithm.needs.reference
    assert "kl" not in algorithm.loss(Outputs(old, old), replace(batch, advantage=old))
    assert "kl" in Reinforce(beta=0.5).loss(Outputs(old, old), replace(batch, advantage=old))


def test_group_of_one_has_no_siblings_and_a_batch_of_one_no_mean():
    stage = Stage("reinforce", Reinforce(), prompts_per_step=1, group_size=1)
    (found,) = Reinforce().check(stage)
    assert found.startswith("The leave-one-out baseline is the mean of an answer's siblings and needs at least 2")
    (found,) = Reinforce(baseline="batch").check(stage)
    assert found.startswith("The batch baseline is the mean of a step's answers and needs at least 2 of them")
    assert Reinforce(baseline="moving").check(stage) == []


def test_credit_to_go_leaves_out_what_was_earned_before():
    """Earned 1, 2 and 4: to come are 3, 2 and 4; siblings at the same time have 4, 0 and 3."""
    batch = replace(batch_of([("?", "ab"), ("?", "c")], [3, 4]), earned=torch.tensor([[9, 1.0, 2], [9, 4, 9]]))
    assert Reinforce(credit="to-go").advantage(batch).tolist() == [[0, -1, 2], [0, 1, 0]]
    assert Reinforce(credit="to-go", baseline="none").advantage(batch).tolist() == [[0, 3, 2], [0, 4, 0]]


def test_credit_to_go_of_an_answer_paid_at_its_end_is_its_reward():
    batch = batch_of([("?", "ab"), ("?", "cd")], [3, 1])
    assert torch.equal(Reinforce(credit="to-go").advantage(batch), Reinforce().advantage(batch))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"baseline": "batch"}, "baseline=batch"),
        ({"baseline": "moving"}, "baseline=moving"),
        ({"beta": 0.1, "kl_in": "reward"}, "kl_in"),
    ],
)
def test_credit_to_go_refuses_what_it_does_not_go_with(settings: Any, said: str):
    (found,) = Reinforce(credit="to-go", **settings).check(Stage("reinforce", Reinforce()))
    assert said in found
