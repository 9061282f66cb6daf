"""What follows a token: rewards to come, and how they compare with a critic's expectation. All [B, T]; 0 outside `action`.

Tokens that the policy did not choose (a tool's output) are no steps of the episode: sums and recursions pass over them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from quintet.equations.reduce import masked_mean


def on_last(reward: Tensor, action: Tensor) -> Tensor:
    """An answer's reward [B] on the last token of it that the policy chose.

    Example: reward 2 and action 0, 1, 1, 0 give 0, 0, 2, 0.
    """
    last = action & (to_go(action.to(reward.dtype), action) == 1)
    return torch.where(last, reward[:, None], 0.0)


def paid(reward: Tensor, action: Tensor, earned: Tensor | None = None) -> Tensor:
    """What each token earned: as an environment paid it, `earned` [B, T], or all of the answer's reward [B] on its last token.

    Example: reward 2 over two chosen tokens gives 0, 2; earned as 1, 1 it is 1, 1.
    """
    return on_last(reward, action) if earned is None else torch.where(action, earned, 0.0)


def to_go(x: Tensor, action: Tensor) -> Tensor:
    """Σ of `x` over the chosen tokens from t on.  Example: 1, 2, 3, all chosen, give 6, 5, 3."""
    kept = torch.where(action, x, 0.0)
    return torch.where(action, kept.flip(1).cumsum(1).flip(1), 0.0)


def gae(reward: Tensor, value: Tensor, action: Tensor, gamma: float = 1.0, lam: float = 0.95) -> Tensor:
    """Generalised advantage estimation: A_t = Σ_l (γλ)^l δ_{t+l} with δ_t = r_t + γ·V_{t+1} − V_t, and V = 0 behind the end.

    `reward` and `value` [B, T]: what token t earned, and what was expected before it was chosen.
    Source: Schulman et al. 2015, arXiv:1506.02438, eq. 16.
    Example: rewards 0, 1 and values .5, .5 with γ = 1, λ = .5 give .25, .5.
    """
    following = _next_chosen(value, action)
    advantage = torch.where(action, reward + gamma * following - value, 0.0)
    decay = torch.where(action, gamma * lam, 1.0).to(value.dtype)  # a token that was not chosen passes on what comes behind it
    reach = 1
    while reach < value.shape[1]:  # sums over `reach` tokens become sums over twice as many: log T passes, not T
        advantage = advantage + decay * _earlier(advantage, reach)
        decay = decay * _earlier(decay, reach)
        reach *= 2
    return torch.where(action, advantage, 0.0)


def _earlier(x: Tensor, by: int) -> Tensor:
    """[B, T]: at t what stands at t + `by`; 0 behind the end."""
    return torch.nn.functional.pad(x[:, by:], (0, by))


def _next_chosen(value: Tensor, action: Tensor) -> Tensor:
    """[B, T]: the value at the first chosen token behind t; 0 where there is none."""
    end = value.shape[1]
    place = torch.where(action, torch.arange(end, device=value.device), end)
    behind = torch.nn.functional.pad(place[:, 1:], (0, 1), value=end).flip(1).cummin(1).values.flip(1)
    return torch.nn.functional.pad(value, (0, 1)).gather(1, behind)


def explained_variance(value: Tensor, returns: Tensor, action: Tensor) -> Tensor:
    """1 − Var(R − V)/Var(R) over the chosen tokens: [] in float64; 1 for a critic that knows, 0 for a constant one, below 0 for
    one that misleads; 0 where all returns are equal. Tokens whose return is not finite are passed over.

    Example: returns 0, 1 and values .25, .75 give .75.
    """
    known = action & torch.isfinite(returns)
    variance, left = (masked_mean((x - masked_mean(x, known)) ** 2, known) for x in (returns, returns - value))
    return torch.where(variance > 0, 1 - left / variance, 0.0)
