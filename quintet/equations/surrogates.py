"""What a policy step minimises, token by token, [B, T]; signs are those of a loss (the papers maximise the negative)."""

from __future__ import annotations

import torch
from torch import Tensor

from quintet.equations.reduce import answer_sums


def log_likelihood(new: Tensor, advantage: Tensor) -> Tensor:
    """−A · log π: its gradient is the policy gradient; with A = 1 it is supervised learning.

    Source: Williams 1992, REINFORCE.  Example: log_likelihood(log .5, 1) == 0.693
    """
    return -advantage * new


def importance_weighted(log_ratio: Tensor, advantage: Tensor) -> Tensor:
    """−ρ·A with ρ = exp(log_ratio): the surrogate that a trust region is built around.

    Source: TRPO, arXiv:1502.05477, eq. 14.  Example: ρ = 1.5 with A = 2 gives −3.
    """
    return -log_ratio.exp() * advantage


def clipped_surrogate(
    log_ratio: Tensor, advantage: Tensor, clip: tuple[float, float] = (0.2, 0.2), delta: float = 0.0
) -> Tensor:
    """−min(ρ·A, clip(ρ, 1 − low, 1 + high)·A) with ρ = exp(log_ratio); with `delta`, ρ counts as at most that in the first of
    the two, which bounds it where A < 0.

    Source: PPO, arXiv:1707.06347, eq. 7; asymmetric: DAPO, arXiv:2503.14476; two-sided: INTELLECT-2, arXiv:2505.07291.
    Example: ρ = 1.5 with A = 1 gives −1.2, with A = −1 it gives 1.5.
    """
    ratio = log_ratio.exp()
    low, high = clip
    free = ratio.clamp(max=delta) if delta else ratio
    return -torch.minimum(free * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def clipped(
    log_ratio: Tensor, advantage: Tensor, clip: tuple[float, float] = (0.2, 0.2), delta: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Where `clipped_surrogate` stops the gradient, [B, T] bool each: below (ρ < 1 − low, A < 0) and above (ρ > 1 + high,
    A > 0; or ρ > delta, A < 0)."""
    ratio = log_ratio.exp()
    above = (ratio > 1 + clip[1]) & (advantage > 0)
    return (ratio < 1 - clip[0]) & (advantage < 0), above | ((ratio > delta) & (advantage < 0) if delta else False)


def clipped_weight(log_ratio: Tensor, new: Tensor, advantage: Tensor, highest: float) -> Tensor:
    """−sg(min(ρ, highest))·A·log π: every token keeps a gradient, and only its weight is bounded (sg stops the gradient).

    Source: CISPO, MiniMax-M1, arXiv:2506.13585, eq. 4.  Example: ρ = 8, A = 1, log π = −.5 with highest = 6 give 3.
    """
    return -log_ratio.exp().clamp(max=highest).detach() * advantage * new


def answer_log_ratio(log_ratio: Tensor, action: Tensor) -> Tensor:
    """log of (π/π_old)^(1/|o|), the ratio of the whole answer for each of its tokens: [B, 1].

    Source: GSPO, arXiv:2507.18071, eq. 7.  Example: token ratios of 4 and 1 give log 2.
    """
    return answer_sums(log_ratio, action)[:, None] / answer_sums(torch.ones_like(log_ratio), action)[:, None].clamp(min=1)


def truncated_importance(old: Tensor, behaviour: Tensor, cap: float) -> Tensor:
    """min(π_old/π_b, cap): what a token counts that another distribution sampled than the one that learns.

    `old` and `behaviour`: log-probabilities, or their sums over an answer. No gradient passes.
    Source: Yao et al. 2025, "Your efficient RL framework secretly brings you off-policy RL training".
    Example: a token that the sampler drew with .2 and the learner gives .5 counts 2 with a cap of 2.
    """
    return (old - behaviour).exp().clamp(max=cap).detach()


def value_error(new: Tensor, returns: Tensor, old: Tensor, clip: float = 0.0) -> Tensor:
    """½·(V − R)², or with a clip ½·max((V − R)², (V_clip − R)²), where V_clip is V kept within `clip` of the old V.

    Source: Schulman et al. 2015, arXiv:1506.02438; clipped as in OpenAI's PPO.
    Example: V = 1, R = 0 gives ½; with old V = 0 and clip .2 as well, since the larger of 1 and .04 counts.
    """
    error = (new - returns) ** 2
    if clip:
        near = old + (new - old).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns) ** 2)
    return 0.5 * error
