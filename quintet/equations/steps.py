"""Process supervision: rewards for the steps of an answer instead of one for its end."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from quintet.equations.advantages import group_standardised
from quintet.equations.returns import to_go


def process_advantages(step_reward: Tensor, group: Tensor, action: Tensor, ddof: int = 1, eps: float = 1e-4) -> Tensor:
    """A_{i,t}: the sum of the standardised rewards of the steps that end at or after token t: [B, T], 0 outside `action`.

    `step_reward` [B, T]: the reward of the step that ends at t, NaN where none does. All step rewards of a group are pooled
    for its mean and deviation.
    Source: DeepSeekMath, arXiv:2402.03300, §4.1.3.
    Example: answers with steps (1, 0) ending at tokens 2 and 4, and (1) ending at 3, ddof 0: −.707, −.707, −1.414, −1.414 and
    .707, .707, .707, 0.
    """
    ends = torch.isfinite(step_reward) & action
    rows = ends.nonzero()[:, 0]
    standardised = torch.zeros_like(step_reward)
    standardised[ends] = group_standardised(step_reward[ends], group[rows], ddof, eps)
    return to_go(standardised, action)


def step_error(score: Tensor, step_reward: Tensor) -> Tensor:
    """−y·log σ(s) − (1 − y)·log(1 − σ(s)) where a step ends, 0 elsewhere: [B, T]. The reward y ∈ [0, 1] of a step is the
    chance, or the fact, that it is right; NaN where none ends.

    Source: Math-Shepherd, arXiv:2312.08935, eq. 2 and 3.  Example: s = 0 gives .693 whatever y; s = log 3, y = 1 give .288.
    """
    ends = torch.isfinite(step_reward)
    y = torch.where(ends, step_reward, 0.0)
    return torch.where(ends, -y * logsigmoid(score) - (1 - y) * logsigmoid(-score), 0.0)
