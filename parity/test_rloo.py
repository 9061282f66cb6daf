"""RLOO and REINFORCE++."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from parity.quintet_side import learn, prepared
from parity.sample import agree, agree_in_loss, draw
from parity.trl_side import learn_grpo, learn_grpo_from, learn_rloo
from quintet.algorithms import family
from quintet.algorithms.grpo import GRPO
from quintet.equations.advantages import leave_one_out
from quintet.equations.returns import to_go
from quintet.updates import FirstOrder

every_seed = pytest.mark.parametrize("seed", range(5))
AGAIN = FirstOrder(epochs=2)


@every_seed
@pytest.mark.parametrize("unscored", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.03])
def test_leave_one_out_advantages_with_the_kl_in_the_reward_are_trls(beta: float, unscored: bool, seed: int):
    sample = draw(seed, unscored=unscored)
    mine, theirs = learn(replace(family.RLOO, beta=beta), sample), learn_rloo(sample, beta=beta)
    agree(f"rloo, beta {beta:g}: advantage", mine.advantage, theirs.advantage)


@every_seed
def test_gradient_of_rloo_is_trls_on_policy(seed: int):
    """The losses differ, the gradients do not: −A·log π here, −ρ·A with ρ = 1 there, whose value is minus the mean
    advantage."""
    sample = draw(seed, spread=0)
    mine, theirs = learn(family.RLOO, sample), learn_rloo(sample, beta=0.03)
    agree("rloo, on-policy: gradient", mine.gradient, theirs.gradient)
    whole = torch.stack([sample.new[a].sum() for a in sample.answers])
    agree("rloo: our loss", mine.loss, float(-(theirs.advantage * whole).mean()))
    agree("rloo: TRL's loss", theirs.loss, float(-mine.advantage.mean()), scale=1.0)


@every_seed
def test_gradient_of_rloo_is_trls_divided_by_the_clipped_ratio_of_the_answer(seed: int):
    """The paper (2402.14740, §3) has REINFORCE, and finds the clip of PPO unnecessary; TRL keeps it, on the ratio of the
    whole answer. So after the policy moved its gradient is ours times that ratio, and 0 where the clip stops it."""
    sample = draw(seed, spread=0.1)
    mine, theirs = learn(family.RLOO, sample), learn_rloo(sample, beta=0.03, num_iterations=2)
    ratio = torch.stack([(sample.new[a] - sample.old[a]).sum().exp() for a in sample.answers])
    stopped = (ratio > 1.2) & (mine.advantage > 0) | (ratio < 0.8) & (mine.advantage < 0)
    factor = torch.where(stopped, 0.0, ratio).repeat_interleave(torch.tensor([len(a) for a in sample.answers]))
    assert 0 < stopped.sum() < len(stopped)
    agree("rloo, moved: gradient by the ratio", mine.gradient[1:] * factor, theirs.gradient[1:])


@every_seed
def test_loss_of_reinforce_pp_is_trls_dapo_on_the_same_advantages(seed: int):
    """TRL has no advantages of single tokens, which the KL in the reward makes, but its loss takes them."""
    sample = draw(seed)
    ours = replace(family.REINFORCE_PP, update=AGAIN)
    _, batch = prepared(ours, sample)
    width = max(len(a) for a in sample.answers)
    advantage = torch.zeros(len(sample.answers), width)
    for row, chosen in enumerate(batch.action):
        advantage[row, : chosen.sum()] = batch.advantage[row][chosen]
    theirs = learn_grpo_from(advantage, sample, loss_type="dapo", num_iterations=2)
    agree_in_loss("reinforce++, moved", learn(ours, sample), theirs)


@every_seed
def test_kl_in_the_reward_of_reinforce_pp_is_trls_rloo_at_the_first_token(seed: int):
    """REINFORCE++ takes β·log(π/π_ref) off the reward token by token, RLOO all of it at once. What is still to come at an
    answer's first token is all of it."""
    sample = draw(seed)
    _, batch = prepared(replace(family.REINFORCE_PP, scale="none", update=AGAIN), sample)
    first = batch.action & (to_go(batch.action.double(), batch.action) == batch.action.sum(1, keepdim=True))
    penalised = torch.where(first, batch.advantage, 0.0).sum(1)
    agree(
        "reinforce++: reward less KL",
        leave_one_out(penalised, batch.group),
        learn_rloo(sample, beta=0.01, num_iterations=2).advantage,
    )


@every_seed
def test_normalisation_of_reinforce_pp_is_trls_batch_scale_but_for_the_deviation(seed: int):
    """One group over the whole batch, so that TRL's baseline, which is the group's, is the batch's. TRL divides by the
    deviation of the rewards, each answer counting once, and adds 1e-4; REINFORCE++ (2501.03262, §3), as we read it,
    normalises over the batch's tokens: with answers of equal length L the deviation is √(L(B − 1)/(LB − 1)) of TRL's."""
    rows, length = 12, 7
    sample = draw(seed, groups=1, group_size=rows, lengths=(length,) * rows)
    sample = replace(sample, reward=[n / 8 for n in torch.randint(9, (rows,)).tolist()])
    theirs = learn_grpo(sample, scale_rewards="batch").advantage
    mine = learn(replace(family.REINFORCE_PP, beta=0.0), sample).advantage
    deviation = torch.tensor(sample.reward).std()
    over_tokens = deviation * (length * (rows - 1) / (length * rows - 1)) ** 0.5
    agree("reinforce++: normalised", mine * (over_tokens + 1e-8), theirs * (deviation + 1e-4))
    assert not torch.allclose(mine, theirs, rtol=1e-3)


@every_seed
def test_batch_scale_of_trl_divides_the_groups_advantages_by_the_deviation_of_all_rewards(seed: int):
    """Ours divides what is left after the baseline by *its* deviation, over tokens, and takes its mean off once more. So
    the two scales have one name and are two things; what is divided is the same."""
    sample = draw(seed, lengths=(5,) * 16)
    theirs = learn_grpo(sample, scale_rewards="batch").advantage
    mine = learn(GRPO(scale="batch", eps=0.0), sample).advantage
    centred = learn(GRPO(scale="none"), sample).advantage
    agree("batch scale: TRL's", theirs * (torch.tensor(sample.reward).std() + 1e-4), centred)
    agree("batch scale: ours", mine * centred.repeat_interleave(5).std(), centred)
