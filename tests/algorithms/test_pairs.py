"""DPO and the reward model: what is made of pairs."""

from __future__ import annotations

from dataclasses import replace
from math import log
from typing import Any

import pytest
import torch

from quintet.algorithms.dpo import DPO
from quintet.algorithms.reward_model import RewardModel
from quintet.data import Batch, Outputs
from quintet.equations.reduce import weighted_sum
from quintet.settings import Stage
from tests.tiny import batch_of

ROWS = [("?", "ab"), ("?", "c"), ("?", "d"), ("!", "ef"), ("!", "g")]
REWARDS = [0.5, 0, 1, 1, 0]
"""Two pairs: of three answers the third and the second (the first is in the middle), and the two of `!`."""
REFERENCE = torch.full((5, 3), -2.0)
GAIN = torch.tensor([[9, 9, 9.0], [9, 0.5, 9], [9, 2.5, 9], [9, 1, 2], [9, 1, 9]])
"""log π/π_ref: 2.5 − .5 = 2 between the first pair's answers, 3 − 1 = 2 between the second's."""


def the_batch(algorithm: Any) -> Batch:
    batch = replace(batch_of(ROWS, REWARDS), ref_logp=REFERENCE)
    batch = replace(batch, advantage=algorithm.advantage(batch))
    return replace(batch, weight=algorithm.weight(batch))


@pytest.mark.parametrize("algorithm", [DPO(), RewardModel()])
def test_preferred_answers_have_advantage_one_and_those_of_no_pair_weigh_nothing(algorithm):
    batch = the_batch(algorithm)
    assert batch.advantage[:, 1].tolist() == [0, -1, 1, 1, -1]
    assert batch.weight.sum(1).tolist() == pytest.approx([0, 0.25, 0.25, 0.25, 0.25])


SOFTPLUS = log(1 + 2.718281828**-0.2)  # −log σ(.2)


@pytest.mark.parametrize(
    ("algorithm", "loss"),
    [
        (DPO(), SOFTPLUS),  # β = .1, margin .2
        (DPO(label_smoothing=0.25), 0.75 * SOFTPLUS + 0.25 * (SOFTPLUS + 0.2)),
        (DPO(form="robust", label_smoothing=0.25), (0.75 * SOFTPLUS - 0.25 * (SOFTPLUS + 0.2)) / 0.5),
        (DPO(form="hinge"), 0.8),
        (DPO(form="ipo"), 9.0),  # (2 − 5)²
    ],
    ids=["sigmoid", "smoothed", "robust", "hinge", "ipo"],
)
def test_loss_is_the_mean_over_pairs(algorithm, loss):
    batch = the_batch(algorithm)
    terms: Any = algorithm.loss(Outputs(REFERENCE + GAIN, REFERENCE), batch)
    assert float(weighted_sum(terms["preference"], batch.weight)) == pytest.approx(loss, rel=1e-5)
    assert terms["margin"].value[1:, 0].tolist() == pytest.approx([0.2] * 4)
    assert terms["accuracy"][:, 0].tolist() == [False, True, True, True, True]


def test_reward_model_compares_scores_and_keeps_them_around_zero():
    algorithm = RewardModel(centring=0.01)
    batch = the_batch(algorithm)
    score = torch.tensor([[9.0], [1.0], [3.0], [2.0], [4.0]])
    terms: Any = algorithm.loss(Outputs(score=score), batch)
    first, second = log(1 + 2.718281828**-2), log(1 + 2.718281828**2)  # right by 2, wrong by 2
    assert float(weighted_sum(terms["preference"], batch.weight)) == pytest.approx((first + second) / 2, rel=1e-5)
    assert float(weighted_sum(terms["centring"], batch.weight)) == pytest.approx(0.01 * (16 + 36) / 2)
    assert terms["accuracy"][:, 0].tolist() == [False, True, True, False, False]
    assert terms["margin"].value[:, 0].tolist() == [0, 2, 2, -2, -2]
    assert "centring" not in RewardModel().loss(Outputs(score=score), batch)


def test_where_pairs_come_from_is_asked_for():
    assert (DPO().needs.source, DPO(pairs="data").needs.source) == ("answers", "preferences")
    assert (RewardModel().needs.source, RewardModel(pairs="sampled").needs.source) == ("preferences", "answers")
    assert DPO().needs.reference
    assert RewardModel().needs.score
    assert DPO().needs.pairs
    assert RewardModel().needs.pairs


def test_a_pair_needs_two_answers_where_it_is_sampled():
    stage = Stage("dpo", DPO(), group_size=1)
    for algorithm in (DPO(), RewardModel(pairs="sampled")):
        (found,) = algorithm.check(stage)
        assert found == "A pair needs two answers to a prompt; group_size=1. Set group_size=8, or pairs=data."
        assert algorithm.check(replace(stage, group_size=2)) == []
    assert DPO(pairs="data").check(stage) == RewardModel().check(stage) == []


@pytest.mark.parametrize("form", ["ipo", "hinge"])
def test_smoothing_is_refused_where_it_would_do_nothing(form):
    (found,) = DPO(form=form, label_smoothing=0.1).check(Stage("dpo", DPO()))
    assert found == f"label_smoothing=0.1 belongs to the forms sigmoid and robust, not to {form}."
