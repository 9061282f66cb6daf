"""Which of two answers is better. A margin [P] says how much more the policy (or a score) is for the preferred one; a loss [P]
of it falls as it grows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def ranked_pairs(reward: Tensor, group: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of preferred and of rejected answers, [P] int64 each: in every group the best with the worst, the second best with
    the second worst, and so on while there is a difference. Rewards that are not finite are passed over.

    Example: rewards 0, 1, 0, 0 of one group make the one pair (1, 3); 1, 1, 0, 0 make (0, 3) and (1, 2).
    """
    chosen, rejected = [], []
    for number in group.unique():
        rows = ((group == number) & torch.isfinite(reward)).nonzero()[:, 0]
        best = rows[reward[rows].argsort(descending=True, stable=True)]
        worst = best.flip(0)
        differ = reward[best] > reward[worst]  # in the second half of a sorted group none is above its opposite
        chosen.append(best[differ])
        rejected.append(worst[differ])
    return torch.cat([group[:0], *chosen]), torch.cat([group[:0], *rejected])


def preference_sign(reward: Tensor, group: Tensor) -> Tensor:
    """1 for rows that are preferred in a pair, −1 for those rejected, 0 for rows of no pair: [B].

    Example: rewards 0, 1, .5 of one group give −1, 1, 0.
    """
    chosen, rejected = ranked_pairs(reward, group)
    return torch.zeros_like(reward).index_fill(0, chosen, 1.0).index_fill(0, rejected, -1.0)


def on_pairs(loss: Tensor, chosen: Tensor, rejected: Tensor, rows: int) -> Tensor:
    """A number for each pair [P] on both of its answers: [rows, 1], 0 for answers of no pair. With each answer's tokens
    weighing 1/(2P) together, the weighted sum is the mean over pairs."""
    both = loss.new_zeros(rows).index_copy(0, chosen, loss).index_copy(0, rejected, loss)
    return both[:, None]


def sigmoid(margin: Tensor, smoothing: float = 0.0) -> Tensor:
    """−(1 − ε)·log σ(m) − ε·log σ(−m): ε is the share of pairs that are taken to be the wrong way round.

    Source: DPO, arXiv:2305.18290, eq. 7; ε: Mitchell 2023, "A note on DPO with noisy preferences".
    Example: m = 0 gives 0.693 whatever ε.
    """
    return -(1 - smoothing) * logsigmoid(margin) - smoothing * logsigmoid(-margin)


def robust(margin: Tensor, smoothing: float = 0.0) -> Tensor:
    """(−(1 − ε)·log σ(m) + ε·log σ(−m)) / (1 − 2ε): unbiased when a share ε < ½ of the pairs is the wrong way round.

    Source: Chowdhury et al. 2024, arXiv:2403.00409, eq. 9.  Example: m = 0 gives 0.693 whatever ε.
    """
    return (-(1 - smoothing) * logsigmoid(margin) + smoothing * logsigmoid(-margin)) / (1 - 2 * smoothing)


def hinge(margin: Tensor) -> Tensor:
    """max(0, 1 − m).  Source: SLiC, arXiv:2305.10425, in DPO's terms (RSO, arXiv:2309.06657).  Example: m = .25 gives .75."""
    return (1 - margin).clamp(min=0)


def ipo(gain: Tensor, beta: float) -> Tensor:
    """(h − 1/(2β))²: h is the margin before β multiplies it, and the loss is least where it is 1/(2β), not at infinity.

    Source: IPO, arXiv:2310.12036, eq. 17.  Example: h = 3 with β = .1 gives 4.
    """
    return (gain - 1 / (2 * beta)) ** 2
