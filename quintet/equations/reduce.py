"""The one place where numbers about tokens, answers or parameters are added up and divided.

Everything else returns unreduced tensors. A denominator is counted here, over the whole batch and before it is split, so
micro-batches (and, later, ranks) only ever *add*. When the batch is sharded over processes, `total` is the one function
that has to learn about them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

Denominator = Literal["answer", "token", "constant", "sum"]


def total(x: Tensor) -> Tensor:
    """The sum of `x` over everything it holds, in float64: [] (so that splitting the sum doesn't show in the result)."""
    return x.sum(dtype=torch.float64)


def token_weights(action: Tensor, per: Denominator = "answer", longest: int = 0) -> Tensor:
    """What each token's loss term counts: [B, T], 0 outside `action` [B, T] bool.

    - answer: 1/(|o_i|·B), the mean over each answer's tokens, then over the answers.  arXiv:2402.03300, eq. 3
    - token: 1/Σ|o_i|, the mean over all tokens of the batch.                          arXiv:2503.14476, eq. 8
    - constant: 1/(B·longest), a sum with a fixed denominator; `longest` 0 takes the longest answer of the batch, which is
      fixed only within it.                                                            arXiv:2503.20783, §3.2
    - sum: 1/B, the sum over each answer's tokens: log π of the whole answer, one action.  Williams 1992

    B counts the answers that have at least one action token: an answer that is left out leaves the mean too.

    Example: answers of 2 and 4 tokens weigh 1/4 and 1/8 a token per answer, 1/6 per token, 1/2 as a sum.
    """
    mask = action.to(torch.float32)
    lengths = mask.sum(1, keepdim=True)
    answers = total(lengths > 0).clamp(min=1).float()
    if per == "answer":
        return mask / (lengths.clamp(min=1) * answers)
    if per == "token":
        return mask / total(mask).clamp(min=1).float()
    if per == "sum":
        return mask / answers
    return mask / (answers * (longest or lengths.max().clamp(min=1)))


def weighted_sum(term: Tensor, weight: Tensor) -> Tensor:
    """Σ weight · term: []. Positions of weight 0 contribute exactly 0, even where the term is not finite."""
    return torch.where(weight != 0, weight * term, 0.0).sum()


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """The mean of `x` where `mask`, in float64: []; 0 where nothing is chosen."""
    return total(torch.where(mask, x, 0.0)) / total(mask).clamp(min=1)


def answer_sums(x: Tensor, action: Tensor) -> Tensor:
    """The sum of `x` [B, T] over each answer's chosen tokens: [B].  Example: 1, 2, 3 with action 0, 1, 1 give 5."""
    return torch.where(action, x, 0.0).sum(1)


def top_share(x: Tensor, mask: Tensor, share: float) -> Tensor:
    """Where `x` is among the largest `share` of its entries under `mask`, ties at the border included: bool, the shape of `x`.
    NaN is never among them.

    Example: half of 1, 3, 2, 4 is 3, 4.
    """
    mask = mask & ~torch.isnan(x)
    known = x[mask]
    if len(known) == 0:
        return mask
    kept = max(1, round(share * len(known)))
    return mask & (x >= known.sort(descending=True).values[kept - 1])


def group_sums(x: Tensor, group: Tensor) -> Tensor:
    """The sum of `x` [B] or [B, T] over each row's group, given back to each row: as `x`."""
    sums = torch.zeros(int(group.max()) + 1 if len(group) else 0, *x.shape[1:], dtype=x.dtype, device=x.device)
    return sums.index_add(0, group, x)[group]


def dot(a: Iterable[Tensor], b: Iterable[Tensor]) -> float:
    """The inner product of two lists of parameter-shaped tensors."""
    return sum(float(total(x * y)) for x, y in zip(a, b, strict=True))


def norm(tensors: Iterable[Tensor]) -> float:
    """The Euclidean norm of a list of parameter-shaped tensors taken as one vector."""
    listed = list(tensors)
    return dot(listed, listed) ** 0.5


def scale_to_norm(tensors: Sequence[Tensor], longest: float) -> float:
    """Shrink `tensors` in place so that their joint norm is at most `longest`; returns the norm before.

    Example: a gradient (3, 4) with longest=1 becomes (0.6, 0.8), and 5.0 is returned.
    """
    before = norm(tensors)
    if before > longest:
        for t in tensors:
            t.mul_(longest / before)
    return before


class Means:
    """Means of tensors that arrive in pieces: sums and counts are kept apart, and divided once at the end.

    Example: adding [1, 2] and then [6] to one name gives 3.
    """

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._counts: dict[str, float] = {}
        self._largest: dict[str, float] = {}

    def add(self, name: str, x: Tensor, mask: Tensor) -> None:
        """Count in the entries of `x` where `mask`."""
        self._sums[name] = self._sums.get(name, 0.0) + float(total(torch.where(mask, x, 0.0)))
        self._counts[name] = self._counts.get(name, 0.0) + float(total(mask))

    def raise_to(self, name: str, x: Tensor, mask: Tensor) -> None:
        """Keep the largest entry of `x` where `mask`, 0 at least, in place of a mean."""
        self._largest[name] = max(self._largest.get(name, 0.0), float(torch.where(mask, x, 0.0).max()))

    def result(self) -> dict[str, float]:
        """The mean of each name, 0 where nothing was counted, and the largest entries."""
        return {name: self._sums[name] / max(self._counts[name], 1.0) for name in self._sums} | self._largest
