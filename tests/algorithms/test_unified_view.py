"""DeepSeekMath §5.2: ∇J = Σ weight · GC · ∇log π. Each algorithm's gradient is held against its coefficient GC, in closed form,
on a policy with three tokens and three parameters: π = softmax(θ), ∇ log π(o) = e_o − π."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from quintet.algorithms import family
from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.ppo import PPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.reward_model import RewardModel
from quintet.algorithms.supervised import RFT, SFT
from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Outputs
from quintet.equations.reduce import weighted_sum

THETA = torch.tensor([0.3, -0.5, 0.1], dtype=torch.float64)
REFERENCE = torch.tensor([0.2, 0.7, 0.1], dtype=torch.float64).log()
TOKENS = torch.tensor([[0, 1, 2, 0], [1, 2, 2, 1], [2, 0, 1, 0], [1, 1, 0, 2]])
ACTION = torch.tensor([[0, 1, 1, 0], [0, 1, 1, 1], [0, 1, 0, 1], [0, 0, 1, 0]], dtype=torch.bool)
REWARD = torch.tensor([1.0, 0.0, 0.5, 0.25], dtype=torch.float64)
GROUP = torch.tensor([0, 0, 1, 1])
PER: list[Any] = ["answer", "token", "constant"]


def the_batch(**columns: Any) -> Batch:
    return replace(
        Batch(
            tokens=TOKENS,
            action=ACTION,
            length=torch.tensor([4, 4, 4, 4]),
            reward=REWARD,
            group=GROUP,
            notes={"reward_mean": 0.2},
        ),
        ref_logp=REFERENCE[TOKENS],
        **columns,
    )


def gradient(algorithm: Any, batch: Batch) -> Tensor:
    """−∇θ of the algorithm's loss: what it climbs."""
    theta = THETA.clone().requires_grad_()
    logp = theta.log_softmax(0)[batch.tokens]
    if batch.old_logp is None:
        batch = replace(batch, old_logp=logp.detach())
    batch = replace(batch, advantage=algorithm.advantage(batch))
    weight = algorithm.weight(batch)
    new = Outputs(logp=logp, entropy=torch.zeros_like(logp))
    terms = [t for t in algorithm.loss(new, batch).values() if t.is_floating_point()]
    torch.stack([weighted_sum(t, weight) for t in terms]).sum().backward()
    assert theta.grad is not None
    return -theta.grad


def unified(coefficient: Tensor, per: str) -> Tensor:
    """Σ weight · GC · (e_o − π), with the denominators written out (which constant it is, test_grpo.py says)."""
    lengths = ACTION.sum(1)
    constant = 1 / SFT(per="constant").weight(the_batch())[ACTION].max()
    denominator = {"answer": (4 * lengths)[:, None], "token": lengths.sum(), "constant": constant}[per]
    directions = torch.eye(3, dtype=torch.float64)[TOKENS] - THETA.softmax(0)
    return ((coefficient * ACTION / denominator)[..., None] * directions).sum((0, 1))


def per_token(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)[:, None].expand(4, 4)


def reference_to_policy() -> Tensor:
    return (REFERENCE - THETA.log_softmax(0)).exp()[TOKENS]


def close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("per", PER)
def test_supervised_learning_has_coefficient_one(per):
    demonstrations = replace(the_batch(), reward=torch.ones(4, dtype=torch.float64))
    assert close(gradient(SFT(per=per), demonstrations), unified(per_token([1, 1, 1, 1]), per))


BASELINES = {
    "none": [1, 0, 0.5, 0.25],
    "batch": [0.5625, -0.4375, 0.0625, -0.1875],  # mean .4375
    "leave-one-out": [1, -1, 0.25, -0.25],
    "moving": [0.8, -0.2, 0.3, 0.05],  # .2 so far
}


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("baseline", BASELINES)
def test_reinforce_has_reward_minus_baseline(baseline, per):
    algorithm = Reinforce(baseline=baseline, per=per)
    assert close(gradient(algorithm, the_batch()), unified(per_token(BASELINES[baseline]), per))


@pytest.mark.parametrize("per", PER)
def test_reinforce_with_a_divergence_adds_what_grpo_adds(per):
    expected = per_token(BASELINES["leave-one-out"]) + 0.04 * (reference_to_policy() - 1)
    assert close(gradient(Reinforce(beta=0.04, per=per), the_batch()), unified(expected, per))


GROUPED: dict[Any, list[float]] = {
    "group": [0.70710678, -0.70710678, 0.70710678, -0.70710678],  # two rewards, ddof 1: ±1/√2 whatever their distance
    "none": [0.5, -0.5, 0.125, -0.125],
}


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("beta", [0.0, 0.04])
@pytest.mark.parametrize("scale", ["group", "none"])
def test_grpo_on_policy_has_the_advantage_plus_the_pull_to_the_reference(scale, beta, per):
    algorithm = GRPO(beta=beta, per=per, scale=scale, eps=0.0)
    expected = per_token(GROUPED[scale]) + beta * (reference_to_policy() - 1)
    assert close(gradient(algorithm, the_batch()), unified(expected, per))


@pytest.mark.parametrize("per", PER)
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_grpo_off_policy_is_weighed_by_the_ratio_unless_clipped(beta, per):
    ratio = torch.tensor([[1, 1.1, 1.5, 1], [1, 0.9, 0.5, 1.5], [1, 0.5, 9, 1.15], [1, 9, 0.7, 1]], dtype=torch.float64)
    # A > 0 in rows 0 and 2: stopped above 1.2; A < 0 in rows 1 and 3: stopped below .8
    alive = torch.tensor([[1, 1, 0, 1], [1, 1, 0, 1], [1, 1, 0, 1], [1, 1, 0, 1]], dtype=torch.float64)
    old = THETA.log_softmax(0)[TOKENS] - ratio.log()
    expected = ratio * alive * per_token(GROUPED["group"]) + beta * (reference_to_policy() - 1)
    assert close(gradient(GRPO(beta=beta, per=per, eps=0.0), the_batch(old_logp=old)), unified(expected, per))


def test_grpo_coefficient_where_the_reference_is_twice_as_likely():
    """A = 1, β = .04, π_ref/π = 2: 1.04."""
    logp = torch.tensor([[-1.0]], dtype=torch.float64, requires_grad=True)
    one = torch.ones(1, 1, dtype=torch.float64)
    batch = replace(the_batch(old_logp=logp.detach(), advantage=one), ref_logp=logp.detach() + torch.tensor(2.0).double().log())
    terms: Any = GRPO(beta=0.04).loss(Outputs(logp, torch.zeros(1, 1)), batch)
    torch.stack([t.sum() for t in terms.values() if t.is_floating_point()]).sum().backward()
    assert logp.grad is not None
    assert float(-logp.grad) == pytest.approx(1.04, abs=1e-6)


def test_grpo_objective_of_opposite_answers_of_unequal_length():
    """|o₁| = 2 with A = 1 and |o₂| = 4 with A = −1 at ratio 1: J = 0 per answer and −1/3 per token."""
    action = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]], dtype=torch.bool)
    zeros = torch.zeros(2, 5)
    batch = Batch(
        tokens=zeros.long(),
        action=action,
        length=torch.tensor([3, 5]),
        reward=torch.tensor([1.0, -1.0]),
        group=torch.tensor([0, 0]),
        old_logp=zeros,
    )
    objectives: dict[Any, float] = {"answer": 0.0, "token": -1 / 3}
    for per, expected in objectives.items():
        algorithm = GRPO(per=per, ddof=0, eps=0.0)
        graded = replace(batch, advantage=algorithm.advantage(batch))
        policy: Any = algorithm.loss(Outputs(zeros, zeros), graded)["policy"]
        assert float(-weighted_sum(policy, algorithm.weight(graded))) == pytest.approx(expected)


# ---- every other algorithm and preset ----------------------------------------------------------------------------------------

RATIO = torch.tensor([[1, 1.1, 1.5, 1], [1, 0.9, 0.5, 1.5], [1, 0.5, 9, 1.15], [1, 9, 0.7, 1]], dtype=torch.float64)
"""π/π_old where the policy has moved."""
VALUE = torch.tensor([[0, 0.5, 0.2, 0], [0, 0.1, 0.4, 0.3], [0, 0.6, 0, 0.1], [0, 0, 0.5, 0]], dtype=torch.float64)


def moved(**columns: Any) -> Batch:
    return the_batch(old_logp=THETA.log_softmax(0)[TOKENS] - RATIO.log(), value=VALUE, **columns)


def climbed(algorithm: Any, batch: Batch) -> Tensor:
    """−∇θ of everything but the critic's term, which has no θ in it."""
    theta = THETA.clone().requires_grad_()
    logp = theta.log_softmax(0)[batch.tokens]
    batch = replace(batch, old_logp=logp.detach() if batch.old_logp is None else batch.old_logp)
    batch = replace(batch, advantage=algorithm.advantage(batch))
    batch = replace(batch, weight=algorithm.weight(batch))
    new = Outputs(logp=logp, entropy=torch.zeros_like(logp), value=batch.value)
    terms = [t for t in algorithm.loss(new, batch).values() if isinstance(t, Tensor) and t.is_floating_point()]
    torch.stack([weighted_sum(t, batch.weight) for t in terms]).sum().backward()
    assert theta.grad is not None
    return -theta.grad


def alive(advantage: Tensor, low: float, high: float, ratio: Tensor = RATIO) -> Tensor:
    """Where a clip lets the gradient through."""
    return ~(((ratio < 1 - low) & (advantage < 0)) | ((ratio > 1 + high) & (advantage > 0)))


def per_answer(ratio: Tensor) -> Tensor:
    """The geometric mean of each answer's ratios."""
    return ((ratio.log() * ACTION).sum(1) / ACTION.sum(1)).exp()[:, None].expand(4, 4)


def test_dr_grpo_has_the_centred_reward():
    advantage = per_token(GROUPED["none"])
    expected = RATIO * alive(advantage, 0.2, 0.2) * advantage
    assert close(climbed(family.DR_GRPO, moved()), unified(expected, "constant"))


def test_dapo_clips_higher_and_counts_tokens():
    advantage = per_token(GROUPED["group"])
    expected = RATIO * alive(advantage, 0.2, 0.28) * advantage
    assert close(climbed(replace(family.DAPO, eps=0.0), moved()), unified(expected, "token"))


def test_gspo_has_the_answers_ratio_on_every_token():
    ratio, advantage = per_answer(RATIO), per_token(GROUPED["group"])
    expected = ratio * alive(advantage, 3e-4, 4e-4, ratio) * advantage
    assert close(climbed(replace(family.GSPO, eps=0.0), moved()), unified(expected, "answer"))


def test_cispo_has_the_bounded_ratio_on_every_token():
    expected = RATIO.clamp(max=6.0) * per_token(GROUPED["group"])
    assert close(climbed(replace(family.CISPO, eps=0.0), moved()), unified(expected, "token"))


def summed_over_answers(coefficient: Tensor) -> Tensor:
    """Σ 1/B · GC · (e_o − π)."""
    directions = torch.eye(3, dtype=torch.float64)[TOKENS] - THETA.softmax(0)
    return ((coefficient * ACTION / 4)[..., None] * directions).sum((0, 1))


def test_rloo_has_the_reward_less_the_divergence_less_the_siblings():
    logp = THETA.log_softmax(0)[TOKENS]
    priced = REWARD - 0.03 * ((logp - REFERENCE[TOKENS]) * ACTION).sum(1)
    other = priced[[1, 0, 3, 2]]
    found = climbed(family.RLOO, the_batch(old_logp=logp))
    assert close(found, summed_over_answers((priced - other)[:, None].expand(4, 4)))


def test_reinforce_plus_plus_has_what_follows_a_token_whitened_over_the_batch():
    batch = moved()
    away = torch.where(ACTION, batch.old_logp - batch.ref_logp, 0.0)
    to_come = torch.stack([away[:, t:].sum(1) for t in range(4)], 1)
    earned = REWARD[:, None] - 0.01 * to_come
    chosen = earned[ACTION]
    advantage = (earned - chosen.mean()) / chosen.std()
    expected = RATIO * alive(advantage, 0.2, 0.2) * advantage
    assert close(climbed(replace(family.REINFORCE_PP, eps=0.0), batch), unified(expected, "token"))


@pytest.mark.parametrize("algorithm", [RFT(accept=0.5), replace(family.ONLINE_RFT, accept=0.5)], ids=["rft", "online-rft"])
def test_rejection_fine_tuning_has_one_where_the_answer_is_right(algorithm):
    assert close(climbed(algorithm, the_batch()), unified(per_token([1, 0, 1, 0]), "answer"))


def gae_by_hand() -> Tensor:
    """γ = λ = 1: what an answer earned less what was expected before the token."""
    return REWARD[:, None] - VALUE


def test_ppo_has_the_ratio_times_gae_unless_clipped():
    advantage = gae_by_hand()
    expected = RATIO * alive(advantage, 0.2, 0.2) * advantage
    assert close(climbed(PPO(lam=1.0, whiten=False), moved()), unified(expected, "token"))


def test_trpo_has_the_ratio_times_gae():
    assert close(climbed(TRPO(lam=1.0, whiten=False), moved()), unified(RATIO * gae_by_hand(), "token"))


def test_dpo_has_the_chance_that_it_would_prefer_the_wrong_one():
    """GC = β·σ(β·gain(o⁻) − β·gain(o⁺)) on o⁺, its negative on o⁻; the mean over the two pairs."""
    gain = ((THETA.log_softmax(0)[TOKENS] - REFERENCE[TOKENS]) * ACTION).sum(1)
    wrong = 0.5 * torch.sigmoid(-0.5 * (gain[[0, 2]] - gain[[1, 3]]))
    coefficient = torch.stack([wrong[0], -wrong[0], wrong[1], -wrong[1]])[:, None].expand(4, 4)
    assert close(climbed(DPO(beta=0.5), the_batch()), 2 * summed_over_answers(coefficient))


def test_reward_model_pulls_scores_apart_by_the_chance_that_it_is_wrong():
    """∂/∂s⁺ = −σ(s⁻ − s⁺)/P for P pairs."""
    score = torch.tensor([[0.3], [0.1], [-0.2], [0.4]], dtype=torch.float64, requires_grad=True)
    algorithm = RewardModel()
    batch = replace(the_batch(), advantage=algorithm.advantage(the_batch()))
    policy: Any = algorithm.loss(Outputs(score=score), batch)["preference"]
    weighted_sum(policy, algorithm.weight(batch)).backward()
    wrong = torch.sigmoid(torch.tensor([-0.2, 0.6], dtype=torch.float64)) / 2
    assert score.grad is not None
    assert close(-score.grad[:, 0], torch.stack([wrong[0], -wrong[0], wrong[1], -wrong[1]]))
