"""GRPO and its family: where Quintet and TRL 1.16 differ, by how much, and why. Each identity is exact."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from trl.trainer.grpo_config import GRPOConfig

from parity.quintet_side import learn, prepared
from parity.sample import Learned, Sample, agree, draw
from parity.trl_side import NOWHERE, learn_grpo
from quintet.algorithms import family
from quintet.algorithms.grpo import GRPO
from quintet.equations.divergences import kl_k3
from quintet.equations.reduce import top_share
from quintet.updates import FirstOrder

every_seed = pytest.mark.parametrize("seed", range(5))
AGAIN = FirstOrder(epochs=2)


def on_tokens(of_answers: torch.Tensor, sample: Sample) -> torch.Tensor:
    """A number of each answer on each entry of the table, 0 on the first."""
    return torch.cat([torch.zeros(1), *(x.repeat(len(a)) for x, a in zip(of_answers, sample.answers, strict=True))])


def agree_times(what: str, factor: float, ours: Learned, theirs: Learned) -> None:
    """TRL's loss and gradient are `factor` times ours."""
    agree(f"{what}: gradient × {factor:g}", factor * ours.gradient, theirs.gradient)
    agree(f"{what}: loss × {factor:g}", factor * ours.loss, theirs.loss, scale=float(theirs.gradient.abs().sum()))


@every_seed
def test_cispo_with_trls_default_epsilon_scales_every_on_policy_gradient_by_a_fifth(seed: int):
    """TRL bounds the ratio at epsilon_high itself (ScaleRL's ε_max, for which it recommends 5) and leaves its default at
    PPO's 0.2. The paper (2506.13585, eq. 5) bounds it at 1 + ε_high, so ours is 1 on-policy whatever the setting."""
    sample = draw(seed, spread=0)
    agree_times("cispo with TRL's default", 0.2, learn(family.CISPO, sample), learn_grpo(sample, loss_type="cispo"))


@every_seed
def test_cispo_of_trl_is_ours_with_one_less_in_the_upper_clip(seed: int):
    """TRL's recommended epsilon_high of 5 is our upper clip of 4; ours of 5, the preset, is its 6."""
    sample = draw(seed, spread=1.5)
    four = replace(family.CISPO, clip=(1.0, 4.0), update=AGAIN)
    theirs = learn_grpo(sample, loss_type="cispo", epsilon_high=5.0, num_iterations=2)
    agree_times("cispo, clip 4 for epsilon_high 5", 1.0, learn(four, sample), theirs)


@every_seed
def test_bias_correction_of_trls_kl_adds_k3_to_the_gradient_of_each_token_on_policy(seed: int):
    """TRL's default weighs k3 by the ratio and lets the gradient through: ∇(ρ·k3) = k3·∇log π + ∇k3 at ρ = 1. That makes
    the expected gradient that of KL(π ‖ π_ref) under the policy that samples; DeepSeekMath's eq. 3 and 4, and ours, have k3
    alone."""
    sample = draw(seed, spread=0)
    ours = GRPO(beta=0.04)
    mine, theirs = learn(ours, sample), learn_grpo(sample, loss_type="grpo", beta=0.04)
    weight = on_tokens(torch.tensor([1 / len(a) / len(sample.answers) for a in sample.answers]), sample)
    k3 = kl_k3(sample.new, sample.reference)
    agree("kl with bias correction: loss", mine.loss, theirs.loss, scale=float(theirs.gradient.abs().sum()))
    agree("kl with bias correction: gradient + β·w·k3", mine.gradient + 0.04 * weight * k3, theirs.gradient)
    assert float((mine.gradient - theirs.gradient).abs().max()) > 1e-4


@every_seed
def test_bias_correction_of_trls_kl_multiplies_it_by_the_ratio_after_the_policy_moved(seed: int):
    sample = draw(seed)
    mine = learn(GRPO(beta=0.04, update=AGAIN), sample)
    theirs = learn_grpo(sample, loss_type="grpo", beta=0.04, num_iterations=2)
    weight = on_tokens(torch.tensor([1 / len(a) / len(sample.answers) for a in sample.answers]), sample)
    k3, ratio = kl_k3(sample.new, sample.reference), (sample.new - sample.old).exp()
    agree("kl with bias correction, moved", mine.loss + float((0.04 * weight * (ratio - 1) * k3)[1:].sum()), theirs.loss)


@pytest.mark.parametrize(("tokens", "here", "there"), [(130, 26, 26), (136, 27, 28), (132, 26, 27), (128, 26, 26), (14, 3, 3)])
def test_share_of_high_entropies_is_rounded_here_and_a_quantile_there(tokens: int, here: int, there: int):
    """Ours keeps round(q·n) tokens, TRL those at or above an interpolated quantile, which are 1 + ⌊q·(n − 1)⌋: at most one
    more. The paper (2506.01939) learns from the top 20 % of the tokens, which both are."""
    sample = draw(tokens, groups=1, group_size=2, lengths=(tokens // 2, tokens - tokens // 2))
    sample = replace(sample, reward=[1.0, 0.0])
    mine = learn(GRPO(top_entropy=0.2), sample)
    theirs = learn_grpo(sample, loss_type="grpo", top_entropy_quantile=0.2)
    assert (mine.gradient != 0).sum() == here == round(0.2 * tokens)
    assert (theirs.gradient != 0).sum() == there == 1 + int(0.2 * (tokens - 1))
    kept = mine.gradient != 0
    agree("top_entropy: gradient of the tokens both keep", mine.gradient[kept], theirs.gradient[kept])


@every_seed
def test_entropy_threshold_is_that_of_the_whole_batch_here_and_of_each_micro_batch_there(seed: int):
    """TRL takes the quantile in its loss, which sees a micro-batch (of all processes): which tokens learn depends on how
    the batch is split. Ours is taken once, before it is split."""
    sample = draw(seed, spread=0, lengths=(5,) * 16)
    ours = GRPO(top_entropy=0.2)
    whole, split = learn(ours, sample), learn(ours, sample, micro_batch=8)
    agree("top_entropy in micro-batches here", split.gradient, whole.gradient)
    settings: dict[str, Any] = {"loss_type": "grpo", "top_entropy_quantile": 0.2}
    agree("top_entropy, whole batch", whole.gradient, learn_grpo(sample, **settings).gradient)
    halves = learn_grpo(sample, gradient_accumulation_steps=2, per_device_train_batch_size=8, **settings)
    answers = torch.arange(len(sample.new)) // 41  # rows 0 to 7 have the tokens 1 to 40
    kept = [top_share(sample.entropy, (answers == half) & (sample.entropy >= 0), 0.2) for half in (0, 1)]
    pulls = learn(GRPO(), sample).gradient
    agree("top_entropy by halves there", torch.where(kept[0] | kept[1], pulls, 0.0), halves.gradient)


@every_seed
@pytest.mark.parametrize(("ours", "theirs"), [(GRPO(), "grpo"), (family.DR_GRPO, "dr_grpo")], ids=["grpo", "dr-grpo"])
def test_masked_answers_leave_the_mean_here_and_stay_in_it_there(ours: GRPO, theirs: str, seed: int):
    """Of B answers K are not truncated. Where the mean is over answers TRL divides by B, so that what is left is learned
    from less the more answers are cut off; ours divides by K. (Over tokens both count what is left: test_grpo.py.)"""
    sample = draw(seed, truncated=True)
    mine = learn(replace(ours, mask_truncated=True, update=AGAIN), sample)
    scale = "none" if theirs == "dr_grpo" else "group"
    there = learn_grpo(sample, loss_type=theirs, mask_truncated_completions=True, scale_rewards=scale, num_iterations=2)
    agree_times("mask_truncated", (16 - sum(sample.truncated)) / 16, mine, there)


@every_seed
def test_an_answer_without_a_reward_leaves_the_mean_here_and_stays_in_it_there(seed: int):
    """Both give it advantage 0; ours takes it out of the denominators too. The second of 16 answers has no reward."""
    sample = draw(seed, unscored=True)
    agree_times("an unscored answer, per answer", 15 / 16, learn(GRPO(), sample), learn_grpo(sample, loss_type="grpo"))
    tokens = sum(map(len, sample.answers))
    share = (tokens - len(sample.answers[1])) / tokens
    mine, theirs = learn(GRPO(per="token"), sample), learn_grpo(sample, loss_type="dapo")
    agree("an unscored answer, per token", share * mine.gradient, theirs.gradient)


@every_seed
def test_clip_metrics_are_shares_of_the_tokens_that_pull_here_and_of_all_tokens_there(seed: int):
    sample = draw(seed)
    ours = GRPO(update=AGAIN)
    mine, theirs = learn(ours, sample), learn_grpo(sample, loss_type="grpo", num_iterations=2)
    _, batch = prepared(ours, sample)
    share = float(((batch.weight != 0).sum() / batch.action.sum()).double())
    assert share < 1
    agree("metric clip_ratio × share", mine.stats["clip_ratio/region_mean"] * share, theirs.stats["clip_ratio/region_mean"])


@every_seed
def test_clip_metrics_of_gspo_are_shares_of_tokens_here_and_of_answers_there(seed: int):
    """The paper (2507.18071) reports fractions of clipped tokens, as ours does: an answer that is clipped counts its
    length."""
    sample = replace(draw(seed, spread=1e-3), reward=[k / 8 for k in (0, 1, 2, 8)] * 4)
    mine = learn(replace(family.GSPO, update=AGAIN), sample)
    settings: dict[str, Any] = {"loss_type": "grpo", "importance_sampling_level": "sequence", "num_iterations": 2}
    theirs = learn_grpo(sample, epsilon=3e-4, epsilon_high=4e-4, **settings)
    clipped = torch.tensor([not bool(mine.gradient[a].any()) for a in sample.answers]).double()
    length = torch.tensor([float(len(a)) for a in sample.answers])
    agree(
        "metric clip_ratio of gspo, ours", mine.stats["clip_ratio/region_mean"], float((clipped * length).sum() / length.sum())
    )
    agree("metric clip_ratio of gspo, TRL's", float(clipped.mean()), theirs.stats["clip_ratio/region_mean"])


@every_seed
def test_mean_over_the_local_batch_depends_on_micro_batches_in_trls_bnpo(seed: int):
    """TRL's bnpo is our per="token" while there is one micro-batch; with two of n and m tokens it takes the mean of two
    means. Ours (and TRL's dapo) is split without a trace."""
    sample = draw(seed)
    ours = learn(GRPO(per="token", update=AGAIN), sample)
    agree_times("bnpo, one micro-batch", 1.0, ours, learn_grpo(sample, loss_type="bnpo", num_iterations=2))
    accumulation: dict[str, Any] = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 8}
    halves = learn_grpo(sample, loss_type="bnpo", num_iterations=2, **accumulation)
    sizes = [sum(map(len, part)) for part in (sample.answers[:8], sample.answers[8:])]
    assert sizes[0] != sizes[1]
    factors = on_tokens(torch.tensor([sum(sizes) / (2 * n) for n in sizes]).repeat_interleave(8), sample)
    agree("bnpo, two micro-batches: gradient by halves", ours.gradient * factors, halves.gradient)


@every_seed
def test_dr_grpos_constant_is_the_longest_possible_answer_for_both(seed: int):
    """max_completion_length there, Sampling.max_new_tokens here. A batch that does not know it (a page of data) falls back
    to its own longest answer, and is then TRL's times the quotient of the two."""
    sample = draw(seed, longest=20)
    mine = learn(family.DR_GRPO, replace(sample, longest=0))
    theirs = learn_grpo(sample, loss_type="dr_grpo", scale_rewards="none")
    agree("dr-grpo, longest unknown", mine.gradient * max(map(len, sample.answers)) / 20, theirs.gradient)


@every_seed
def test_trl_drops_answers_by_default_where_ours_bounds_their_weight(seed: int):
    """Its default for answers of vLLM, sequence_mask, weighs an answer by π_old/π_b, and drops it where that exceeds 3;
    ours, by default, corrects nothing, and with correction="answer" bounds the weight. So they part where the cap is
    passed."""
    sample = draw(seed)
    sample = replace(sample, behaviour=sample.behaviour - 0.15)
    mine = learn(GRPO(correction="answer", correction_cap=3.0, update=AGAIN), sample)
    theirs = learn_grpo(sample, loss_type="grpo", use_vllm=True, num_iterations=2)
    weight = torch.stack([(sample.old[a] - sample.behaviour[a]).sum().exp() for a in sample.answers])
    assert 0 < (weight > 3).sum() < len(weight)
    kept = on_tokens((weight <= 3).double(), sample)
    agree("sequence_mask: gradient of the answers within the cap", mine.gradient * kept, theirs.gradient)


def test_equal_rewards_leave_rounding_noise_there_and_exactly_0_here():
    """Seven float32 rewards of 0.1 have a mean that misses them by one bit. TRL divides that by 1e-4; ours compares the
    rewards, and does not visit such answers."""
    torch.set_default_dtype(torch.float32)  # the fixture sets it back
    sample = replace(draw(0, groups=1, group_size=7), reward=[0.1] * 7)
    sample = replace(sample, **{name: getattr(sample, name).float() for name in ("old", "new", "reference", "behaviour")})
    _, batch = prepared(GRPO(), sample)
    assert (batch.advantage == 0).all()
    assert (batch.weight == 0).all()
    noise = learn_grpo(sample, loss_type="grpo").advantage
    assert (noise != 0).all()
    assert noise.abs().max() < 1e-3


def test_defaults_that_share_a_name_are_not_the_same_setting():
    """TRL's loss_type="dapo" is the mean over tokens alone: of DAPO's four parts its default has one, with PPO's clip. Our
    preset has the paper's clip, its penalty and its sampling. TRL's GRPO has no sampling in place of groups without signal."""
    theirs = GRPOConfig(**NOWHERE)
    assert (theirs.loss_type, theirs.epsilon, theirs.epsilon_high, theirs.beta) == ("dapo", 0.2, None, 0.0)
    assert (family.DAPO.per, family.DAPO.clip, family.DAPO.overlong, family.DAPO.resample) == ("token", (0.2, 0.28), 0.2, 4)
    assert (theirs.vllm_importance_sampling_mode, theirs.vllm_importance_sampling_clip_max) == ("sequence_mask", 3.0)
    assert theirs.use_bias_correction_kl
