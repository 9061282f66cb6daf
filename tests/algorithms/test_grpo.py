from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest
import torch

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.supervised import SFT
from quintet.data import Batch, Outputs
from quintet.updates import FirstOrder
from tests.tiny import batch_of


def weighed(algorithm: GRPO, batch: Batch) -> torch.Tensor:
    return algorithm.weight(replace(batch, advantage=algorithm.advantage(batch)))


def test_group_of_equal_rewards_weighs_nothing_but_stays_in_the_denominators():
    batch = batch_of([("?", "ab"), ("?", "c"), ("!", "ab"), ("!", "c")], [1, 0, 1, 1])
    assert weighed(GRPO(), batch).tolist() == [[0, 0.125, 0.125], [0, 0.25, 0], [0, 0, 0], [0, 0, 0]]
    assert weighed(GRPO(per="token"), batch)[:2].tolist() == [pytest.approx([0, 1 / 6, 1 / 6]), pytest.approx([0, 1 / 6, 0])]


def test_with_a_divergence_every_answer_weighs():
    batch = batch_of([("?", "ab"), ("?", "c"), ("!", "ab"), ("!", "c")], [1, 0, 1, 1])
    assert weighed(GRPO(beta=0.04), batch)[2:].tolist() == [[0, 0.125, 0.125], [0, 0.25, 0]]


@pytest.mark.parametrize("algorithm", [GRPO(per="constant", beta=0.1), Reinforce(per="constant"), SFT(per="constant")])
def test_constant_denominator_is_the_longest_answer_not_the_padded_row(algorithm):
    """Answers of 2 and 4 tokens: 1/(2·4) a token, however long the prompt is and however wide the padding."""
    rows = [("?a?a?a", "ab"), ("?a?a?a", "abcd")]
    for batch in (batch_of(rows, [1, 0]), batch_of(rows, [1, 0], extra=7)):
        weight = algorithm.weight(replace(batch, advantage=algorithm.advantage(batch)))
        assert weight[batch.action].tolist() == pytest.approx([0.125] * 6)


def test_clip_metrics_say_which_side_was_at_work():
    batch = batch_of([("?", "a"), ("?", "b"), ("?", "c")], [1, 0, 0])
    advantage = torch.tensor([[0, 1.0], [0, -1.0], [0, 1.0]])
    old = torch.zeros(3, 2)
    new = torch.tensor([[0, 1.5], [0, 0.5], [0, 1.1]]).log()
    terms: Any = GRPO().loss(Outputs(new, old), replace(batch, advantage=advantage, old_logp=old))
    assert terms["clip_ratio/low_mean"][:, 1].tolist() == [False, True, False]
    assert terms["clip_ratio/high_mean"][:, 1].tolist() == [True, False, False]
    assert terms["clip_ratio/region_mean"][:, 1].tolist() == [True, True, False]


def test_no_divergence_is_computed_without_beta():
    batch = replace(batch_of([("?", "a"), ("?", "b")], [1, 0]), old_logp=torch.zeros(2, 2))
    assert "kl" not in GRPO().loss(Outputs(torch.zeros(2, 2), torch.zeros(2, 2)), replace(batch, advantage=torch.zeros(2, 2)))


def test_asks_for_old_log_probabilities_only_when_a_batch_is_visited_more_than_once():
    assert not GRPO().needs.old
    assert GRPO(update=FirstOrder(epochs=2)).needs.old
    assert GRPO(update=FirstOrder(minibatches=2)).needs.old
    assert (GRPO().needs.reference, GRPO(beta=0.04).needs.reference) == (False, True)


def test_answer_without_a_reward_has_no_advantage():
    batch = batch_of([("?", "a"), ("?", "b"), ("?", "c")], [1, nan, 0])
    assert GRPO(ddof=0, eps=0.0).advantage(batch).tolist() == [[0, 1], [0, 0], [0, -1]]
