"""What both sides are given, and how their answers are compared.

A model here is a table: every token of every answer has a number of its own, and the log-probability of token k is entry k
of the table. So whatever order, padding, packing or micro-batch a side puts the tokens in, its gradient is one vector of
the same shape. Token 0 is prompt and padding; its entries are absurd on purpose, because nothing may depend on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import nan

import torch
from torch import Tensor

ABSURD = -77.0
TOLERANCE = 1e-6
"""Relative. Both sides reckon in float64, but Quintet's token weights are float32, which is good for 6e-8."""

deviations: dict[str, float] = {}
"""The largest relative deviation seen, by what was compared; conftest.py prints it when all is done."""


@dataclass(frozen=True)
class Sample:
    """Answers to some prompts, siblings side by side."""

    prompts: list[list[int]]
    answers: list[list[int]]
    chosen: list[list[bool]]
    """False for a token inside an answer that the policy did not choose (a tool's output)."""
    reward: list[float]
    """NaN where the reward does not apply. Eighths, so that the float32 that TRL keeps them in loses nothing."""
    truncated: list[bool]
    group_size: int
    longest: int
    """The longest answer that could have been given."""
    old: Tensor
    new: Tensor
    reference: Tensor
    behaviour: Tensor
    entropy: Tensor
    """float32 numbers, as any model's would be: TRL rounds its threshold to that."""


@dataclass(frozen=True)
class Learned:
    """What a side made of a sample. `gradient` is that of the loss with respect to the table of the policy."""

    advantage: Tensor
    loss: float
    gradient: Tensor
    stats: Mapping[str, float] = field(default_factory=dict)


def draw(
    seed: int,
    groups: int = 4,
    group_size: int = 4,
    longest: int = 20,
    spread: float = 0.3,
    tools: bool = False,
    truncated: bool = False,
    unscored: bool = False,
    lengths: tuple[int, ...] = (),
) -> Sample:
    """Random answers of ragged lengths (or of `lengths`); `spread` is how far the policy has moved since it sampled, 0 not
    at all. The last group's rewards are all equal."""
    random = torch.Generator().manual_seed(seed)
    rows = groups * group_size

    def below(limit: int, count: int) -> list[int]:
        return torch.randint(limit, (count,), generator=random).tolist()

    sizes = list(lengths) or [1 + n for n in below(longest, rows)]
    answers, first = [], 1
    for size in sizes:
        answers.append(list(range(first, first + size)))
        first += size
    chosen = [[not tools or k == 0 or bool(below(4, 1)[0]) for k in range(size)] for size in sizes]
    reward = [n / 8 for n in below(9, rows)]
    reward[-group_size:] = [0.5] * group_size
    if unscored:
        reward[1] = nan

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(first, generator=random, dtype=torch.float64)

    def table(x: Tensor) -> Tensor:
        return x.index_fill(0, torch.tensor(0), ABSURD)

    old = noise(0.5).abs().neg() - 0.1
    return Sample(
        prompts=[[0] * (1 + n) for n in below(4, rows)],
        answers=answers,
        chosen=chosen,
        reward=reward,
        truncated=[truncated and row % 3 == 0 for row in range(rows)],
        group_size=group_size,
        longest=longest,
        old=table(old),
        new=table(old + noise(spread)),
        reference=table(old + noise(0.3)),
        behaviour=table(old + noise(0.4)),
        entropy=table(torch.rand(first, generator=random).float().double()),
    )


def agree(what: str, ours: Tensor | float, theirs: Tensor | float, scale: float | None = None) -> None:
    """Equal up to TOLERANCE of the largest entry, or of `scale` where that is larger: a loss whose terms cancel is as exact
    as its terms."""
    a, b = (torch.as_tensor(x, dtype=torch.float64) for x in (ours, theirs))
    assert a.shape == b.shape, f"{what}: {tuple(a.shape)} here, {tuple(b.shape)} there"
    size = max(float(b.abs().max()), scale or 0.0)
    assert size > 0, f"{what}: nothing but zeros would agree with anything"
    deviation = float((a - b).abs().max()) / size
    deviations[what] = max(deviations.get(what, 0.0), deviation)
    assert deviation <= TOLERANCE, f"{what}: relative deviation {deviation:.2g}\nhere  {ours}\nthere {theirs}"


def agree_throughout(what: str, ours: Learned, theirs: Learned) -> None:
    """Advantages, gradient and loss."""
    agree(f"{what}: advantage", ours.advantage, theirs.advantage)
    agree_in_loss(what, ours, theirs)


def agree_in_loss(what: str, ours: Learned, theirs: Learned) -> None:
    """Gradient and loss."""
    agree(f"{what}: gradient", ours.gradient, theirs.gradient)
    agree(f"{what}: loss", ours.loss, theirs.loss, scale=float(theirs.gradient.abs().sum()))
