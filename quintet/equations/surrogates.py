"""What a policy step minimises, token by token, [B, T]; signs are those of a loss (the papers maximise the negative)."""

from __future__ import annotations

import torch
from torch import Tensor


def log_likelihood(new: Tensor, advantage: Tensor) -> Tensor:
    """−A · log π: its gradient is the policy gradient; with A = 1 it is supervised learning.

    Source: Williams 1992, REINFORCE.  Example: log_likelihood(log .5, 1) == 0.693
    """
    return -advantage * new


def clipped_surrogate(log_ratio: Tensor, advantage: Tensor, clip: tuple[float, float] = (0.2, 0.2)) -> Tensor:
    """−min(ρ·A, clip(ρ, 1 − low, 1 + high)·A) with ρ = exp(log_ratio).

    Source: PPO, arXiv:1707.06347, eq. 7; asymmetric as in DAPO, arXiv:2503.14476.
    Example: ρ = 1.5 with A = 1 gives −1.2, with A = −1 it gives 1.5.
    """
    ratio = log_ratio.exp()
    low, high = clip
    return -torch.minimum(ratio * advantage, ratio.clamp(1 - low, 1 + high) * advantage)


def clipped(log_ratio: Tensor, advantage: Tensor, clip: tuple[float, float] = (0.2, 0.2)) -> tuple[Tensor, Tensor]:
    """Where the clip stops the gradient, [B, T] bool each: below (ρ < 1 − low, A < 0) and above (ρ > 1 + high, A > 0)."""
    ratio = log_ratio.exp()
    return (ratio < 1 - clip[0]) & (advantage < 0), (ratio > 1 + clip[1]) & (advantage > 0)
