"""How much better than expected an answer was. Rewards are [B]; an advantage is [B] for an answer or [B, T] for its tokens.

A reward that is not finite "does not apply": its row gets advantage 0 and enters no mean and no deviation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quintet.equations.reduce import group_sums, masked_mean, total


def on_tokens(advantage: Tensor, action: Tensor) -> Tensor:
    """An answer's advantage [B] on each of its tokens: [B, T], 0 outside `action`."""
    return torch.where(action, advantage[:, None], 0.0)


def _finite(reward: Tensor) -> tuple[Tensor, Tensor]:
    known = torch.isfinite(reward)
    return torch.where(known, reward, 0.0), known


def group_mean(reward: Tensor, group: Tensor) -> Tensor:
    """The mean reward of each row's group: [B]."""
    r, known = _finite(reward)
    return group_sums(r, group) / group_sums(known.to(r.dtype), group).clamp(min=1)


def group_deviation(reward: Tensor, group: Tensor, ddof: int = 1) -> Tensor:
    """The standard deviation of each row's group, with `ddof` degrees of freedom taken off: [B]; 0 for a group of one."""
    _, known = _finite(reward)
    off = torch.where(known, reward - group_mean(reward, group), 0.0)
    count = group_sums(known.to(off.dtype), group)
    return (group_sums(off * off, group) / (count - ddof).clamp(min=1)).sqrt()


def group_standardised(reward: Tensor, group: Tensor, ddof: int = 1, eps: float = 1e-4) -> Tensor:
    """A_i = (r_i − mean r) / (std r + eps) within each group: [B]; 0 where a group's rewards are equal.

    Source: outcome supervision, arXiv:2402.03300, §4.1.2, which gives neither ddof nor eps.
    Example: rewards 1, 0, 0, 1 give ±1 with ddof 0 and ±0.866 with ddof 1.
    """
    off = group_centred(reward, group)
    return torch.where(off == 0, 0.0, off / (group_deviation(reward, group, ddof) + eps))


def group_centred(reward: Tensor, group: Tensor) -> Tensor:
    """A_i = r_i − mean r within each group: [B]; exactly 0 where a group's rewards are equal.

    Source: Dr. GRPO, arXiv:2503.20783.  Example: 1, 0, 0, 0 give 0.75, −0.25, −0.25, −0.25.
    """
    known = torch.isfinite(reward)
    equal = _spread(reward, group) == 0  # the mean of equal floats may miss them by one bit
    return torch.where(known & ~equal, reward - group_mean(reward, group), 0.0)


def leave_one_out(reward: Tensor, group: Tensor) -> Tensor:
    """A_i = r_i − the mean of the *other* answers' rewards: [B]; 0 for an answer without siblings.

    Source: RLOO, arXiv:2402.14740.  Example: 1, 0, 0, 0 give 1, −1/3, −1/3, −1/3.
    """
    known = torch.isfinite(reward)
    count = group_sums(known.to(reward.dtype), group)
    return group_centred(reward, group) * count / (count - 1).clamp(min=1)


def leave_one_out_to_go(returns: Tensor, group: Tensor, known: Tensor) -> Tensor:
    """A_{i,t} = R_{i,t} − the mean of the *other* known answers' R_{·,t}: [B, T]; 0 for an answer without siblings.

    `returns` [B, T]: rewards to come from t on, 0 behind an answer's end; `known` [B] bool: the answer's reward applies. What
    siblings have to come at t does not depend on this answer's actions, so the gradient stays unbiased; what was earned
    before t is left out, for the action at t could not change it.
    Source: Williams 1992 with "causality", as in Sutton and Barto, §13.4.
    Example: 3, 2, 1 beside 1, 0, 0 give 2, 2, 1 and −2, −2, −1.
    """
    returns = torch.where(known[:, None], returns, 0.0)
    count = group_sums(known.to(returns.dtype), group)[:, None]
    others = (group_sums(returns, group) - returns) / (count - 1).clamp(min=1)
    return torch.where(known[:, None] & (count > 1), returns - others, 0.0)


def known_minus(reward: Tensor, baseline: Tensor | float) -> Tensor:
    """A_i = r_i − b: [B]; 0 where the reward is not finite.  Example: 1, NaN with a baseline of 0.25 give 0.75, 0."""
    return torch.where(torch.isfinite(reward), reward - baseline, 0.0)


def batch_centred(reward: Tensor) -> Tensor:
    """A_i = r_i − the mean reward of the batch: [B].  Example: 1, 0, 0, 1 give ±0.5."""
    return known_minus(reward, masked_mean(reward, torch.isfinite(reward)).to(reward.dtype))


def batch_deviation(advantage: Tensor, mask: Tensor, ddof: int = 1) -> Tensor:
    """The standard deviation of `advantage` where `mask`, any shape, with `ddof` degrees of freedom taken off: [] float64."""
    off = advantage - masked_mean(advantage, mask)
    return (total(torch.where(mask, off * off, 0.0)) / (total(mask) - ddof).clamp(min=1)).sqrt()


def whitened(advantage: Tensor, mask: Tensor, ddof: int = 1, eps: float = 1e-8) -> Tensor:
    """(A − mean A) / (std A + eps) over the entries where `mask`: `advantage`'s shape, 0 elsewhere and where all are equal. An
    entry that is not finite is passed over: it must not spoil the others.

    Source: PPO's usual practice (Andrychowicz et al. 2020, arXiv:2006.05990); over a batch of answers: REINFORCE++,
    arXiv:2501.03262.  Example: 1, 2, 3 give −1, 0, 1.
    """
    mask = mask & torch.isfinite(advantage)
    known = advantage[mask]
    if len(known) == 0 or known.max() == known.min():  # rounding would be blown up to a deviation of 1
        return torch.zeros_like(advantage)
    off = advantage - masked_mean(advantage, mask).to(advantage.dtype)
    return torch.where(mask, off / (batch_deviation(advantage, mask, ddof).to(advantage.dtype) + eps), 0.0)


def groups_without_signal(reward: Tensor, group: Tensor) -> Tensor:
    """[] the share of groups whose known rewards are all equal: they teach a group-relative algorithm nothing."""
    equal = _spread(reward, group) == 0
    return total(group[equal].unique() >= 0) / total(group.unique() >= 0).clamp(min=1)


def _spread(reward: Tensor, group: Tensor) -> Tensor:
    """Largest minus smallest known reward of each row's group: [B]."""
    known = torch.isfinite(reward)
    groups = int(group.max()) + 1 if len(group) else 0
    empty = torch.zeros(groups, dtype=reward.dtype, device=reward.device)
    low = empty.scatter_reduce(0, group, torch.where(known, reward, torch.inf), "amin", include_self=False)
    high = empty.scatter_reduce(0, group, torch.where(known, reward, -torch.inf), "amax", include_self=False)
    return (high - low).clamp(min=0)[group]
