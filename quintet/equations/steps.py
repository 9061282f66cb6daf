"""Process supervision: rewards for the steps of an answer instead of one for its end."""

from __future__ import annotations

import torch
from torch import Tensor

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
