from __future__ import annotations

from dataclasses import replace
from math import nan
from typing import Any

import pytest
import torch

from quintet.algorithms import family
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.supervised import SFT
from quintet.data import Batch, Outputs
from quintet.settings import Stage
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


# ---- the family's settings ---------------------------------------------------------------------------------------------------

GROUPS = [("?", "ab"), ("?", "c"), ("!", "ab"), ("!", "c")]


def advantages(algorithm: GRPO, batch: Batch) -> list[float]:
    """Of each answer's first token."""
    return algorithm.advantage(batch)[:, 1].tolist()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"scale": "none"}, [0.5, -0.5, 1, -1]),
        ({"scale": "none", "baseline": "leave-one-out"}, [1, -1, 2, -2]),
        ({"scale": "none", "baseline": "batch"}, [-0.25, -1.25, 1.75, -0.25]),
        ({"scale": "none", "baseline": "none"}, [1, 0, 3, 1]),
    ],
)
def test_baseline_is_the_mean_that_is_taken_off(settings, expected):
    """Rewards 1, 0 and 3, 1."""
    assert advantages(GRPO(**settings), batch_of(GROUPS, [1, 0, 3, 1])) == pytest.approx(expected)


def test_scale_of_the_batch_is_the_deviation_over_its_tokens():
    """Rewards 1, 0, 1, 0 on answers of 2 and 1 tokens: of six tokens four have 1, so mean 2/3, deviation √(4/3 / 5)."""
    algorithm = GRPO(baseline="none", scale="batch", eps=0.0)
    found = advantages(algorithm, batch_of(GROUPS, [1, 0, 1, 0]))
    deviation = (4 / 3 / 5) ** 0.5
    assert found == pytest.approx([1 / 3 / deviation, -2 / 3 / deviation] * 2)


def test_divergence_in_the_reward_is_that_of_a_token_and_those_behind_it():
    """β = .1; tokens 1 and 2 nats above the reference: −.3 for the first, −.2 for the second."""
    old = torch.tensor([[0, -1.0, -1.0]])
    batch = replace(batch_of([("?", "ab")], [1]), old_logp=old, ref_logp=old - torch.tensor([[0, 1.0, 2.0]]))
    algorithm = GRPO(baseline="none", scale="none", beta=0.1, kl_in="reward")
    assert algorithm.advantage(batch)[0].tolist() == pytest.approx([0, 0.7, 0.8])
    assert algorithm.needs.old
    assert "kl" not in algorithm.loss(Outputs(old, old), replace(batch, advantage=old))


def test_answer_that_the_reference_would_never_give_does_not_spoil_the_batch():
    """Rewards 1, 0 and, of an answer with an infinite KL, 1: what is left is whitened as if it were alone."""
    old = torch.tensor([[0, -1.0]] * 3)
    batch = replace(batch_of([("?", "a"), ("?", "b"), ("?", "c")], [1, 0, 1]), old_logp=old)
    batch = replace(batch, ref_logp=torch.tensor([[0, -1.0], [0, -1.0], [0, -torch.inf]]))
    assert advantages(replace(family.REINFORCE_PP, eps=0.0), batch) == pytest.approx([0.5**0.5, -(0.5**0.5), 0])


def test_soft_overlong_penalty_is_a_share_of_the_longest_answer():
    """At most 10 tokens, the last half penalised: 8 tokens cost .6, 5 and fewer nothing; nothing where no longest is known."""
    batch = batch_of([("?", "abcdefgh"), ("?", "abcde")], [1, 1])
    algorithm = GRPO(overlong=0.5, scale="none")
    assert advantages(algorithm, replace(batch, longest=10)) == pytest.approx([-0.3, 0.3])
    assert advantages(algorithm, batch) == [0, 0]


def test_truncated_answers_leave_the_mean():
    batch = replace(batch_of(GROUPS, [1, 0, 1, 0]), truncated=torch.tensor([True, False, False, False]))
    weight = weighed(GRPO(mask_truncated=True), batch)
    assert weight[0].tolist() == [0, 0, 0]
    assert weight[1:].sum(1).tolist() == pytest.approx([1 / 3] * 3)


def test_only_tokens_of_high_entropy_have_an_advantage():
    batch = replace(batch_of(GROUPS, [1, 0, 1, 0]), entropy=torch.tensor([[9, 1, 3], [9, 2, 9], [9, 4, 5], [9, 6, 9.0]]))
    algorithm = GRPO(top_entropy=0.5, scale="none")
    assert (algorithm.advantage(batch) != 0).tolist() == [
        [False, False, False],
        [False, False, False],
        [False, True, True],
        [False, True, False],
    ]
    assert algorithm.needs.entropy


def test_ratio_of_the_answer_is_clipped_as_a_whole():
    """Ratios 4 and 1: the answer's is 2, beyond 1.2."""
    old = torch.zeros(1, 3)
    batch = replace(batch_of([("?", "ab")], [1]), old_logp=old, advantage=torch.ones(1, 3))
    terms: Any = GRPO(ratio="answer").loss(Outputs(torch.tensor([[0, 4.0, 1.0]]).log(), old), batch)
    assert terms["policy"][0, 1:].tolist() == pytest.approx([-1.2, -1.2])


def test_weight_surrogate_is_bounded_by_one_plus_the_upper_clip():
    new = torch.tensor([[0, -0.5, -0.5]])
    old = new - torch.tensor([[1.0, 8.0, 2.0]]).log()
    batch = replace(batch_of([("?", "ab")], [1]), old_logp=old, advantage=torch.ones(1, 3))
    terms: Any = family.CISPO.loss(Outputs(new, new), batch)
    assert terms["policy"][0, 1:].tolist() == pytest.approx([3, 1])


@pytest.mark.parametrize(("correction", "weights"), [("token", [2, 0.5]), ("answer", [2, 2])])
def test_correction_weighs_by_how_much_the_sampler_differs(correction, weights):
    """Tokens 5 and .5 times as likely as where they were sampled: together 2.5 times, and the cap is 2."""
    old = torch.zeros(1, 3)
    behaviour = -torch.tensor([[1, 5, 0.5]]).log()
    batch = replace(batch_of([("?", "ab")], [1]), old_logp=old, behaviour_logp=behaviour, advantage=torch.ones(1, 3))
    terms: Any = GRPO(correction=correction).loss(Outputs(old, old), batch)
    assert terms["policy"][0, 1:].tolist() == pytest.approx([-w for w in weights])


@pytest.mark.parametrize(("kl", "expected"), [("k1", 0.6931472), ("k2", 0.2402265), ("k3", 0.1931472)])
def test_estimates_of_the_divergence(kl, expected):
    new = torch.tensor([[0, 0.5]]).log()
    batch = replace(batch_of([("?", "a")], [1]), old_logp=new, ref_logp=torch.tensor([[0, 0.25]]).log())
    terms: Any = GRPO(beta=2.0, kl=kl).loss(Outputs(new, new), replace(batch, advantage=torch.ones(1, 2)))
    assert float(terms["kl"][0, 1]) == pytest.approx(2 * expected)


def test_steps_are_what_process_supervision_learns_from():
    """Answer 1 has step rewards (1, 0) ending at tokens 2 and 4, answer 2 has (1) ending at 3; population z-scores."""
    batch = batch_of([("?", "abcd"), ("?", "abcd")], [1, 1])
    steps = torch.full((2, 5), nan)
    steps[0, 2], steps[0, 4], steps[1, 3] = 1.0, 0.0, 1.0
    algorithm = GRPO(supervision="process", ddof=0, eps=0.0)
    assert algorithm.advantage(replace(batch, step_reward=steps)).tolist() == [
        pytest.approx([0, -0.707107, -0.707107, -1.414214, -1.414214], abs=1e-6),
        pytest.approx([0, 0.707107, 0.707107, 0.707107, 0], abs=1e-6),
    ]
    with pytest.raises(ValueError, match="the task gave none"):
        algorithm.advantage(batch)


@pytest.mark.parametrize(
    ("settings", "group_size", "said"),
    [
        ({}, 1, "GRPO compares siblings and needs at least 2 answers a prompt; group_size=1. Set group_size=8,"),
        ({"baseline": "batch"}, 8, "scale=group divides by a deviation around the group's mean, but baseline=batch"),
        ({"supervision": "process", "overlong": 0.2}, 8, "supervision=process standardises the rewards of steps within"),
        ({"supervision": "process", "scale": "none"}, 8, "supervision=process standardises the rewards of steps within"),
        (
            {"supervision": "process", "kl_in": "reward", "beta": 0.1},
            8,
            "supervision=process standardises the rewards of steps",
        ),
        ({"delta": 1.2}, 8, "delta=1.2 must be above 1 + the upper clip, 1.2; 4 is usual, 0 sets none."),
        ({"delta": 1.1}, 8, "delta=1.1 must be above 1 + the upper clip, 1.2; 4 is usual, 0 sets none."),
    ],
)
def test_settings_that_do_nothing_together_are_refused(settings, group_size, said):
    (found,) = GRPO(**settings).check(Stage("grpo", GRPO(), group_size=group_size))
    assert found.startswith(said)


@pytest.mark.parametrize(
    "algorithm", [GRPO(), GRPO(baseline="none", scale="batch"), GRPO(delta=4.0), GRPO(supervision="process")]
)
def test_settings_that_go_together_are_not(algorithm):
    assert algorithm.check(Stage("grpo", algorithm, group_size=8)) == []
    assert family.REINFORCE_PP.check(Stage("reinforce++", algorithm, group_size=1)) == []


def test_family_has_the_numbers_of_its_papers():
    assert (family.DR_GRPO.scale, family.DR_GRPO.per) == ("none", "constant")
    assert (family.DAPO.clip, family.DAPO.per, family.DAPO.overlong, family.DAPO.beta) == ((0.2, 0.28), "token", 0.2, 0.0)
    assert family.DAPO.needs.resample > 0
    assert (family.GSPO.ratio, family.GSPO.clip) == ("answer", (3e-4, 4e-4))
    assert 1 + family.CISPO.clip[1] > 5  # at .2 every on-policy gradient would be scaled down
    assert (family.RLOO.baseline, family.RLOO.per, family.RLOO.kl_in) == ("leave-one-out", "sum", "reward")
    assert (family.REINFORCE_PP.scale, family.REINFORCE_PP.kl_in) == ("batch", "reward")
