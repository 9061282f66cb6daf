"""Texts that begin alike, each beginning once: a tree of pieces laid out in one row, without padding.

A group of answers to a prompt is the smallest such tree; a conversation of several turns that was continued in several ways is
a deeper one. A token sees the pieces above its own, and what stands before it in its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

FULL_ENOUGH = 0.8
"""Pieces are attended to together, padded to the longest, while each is at least this share of it. Lower, and more is computed
that nobody reads; higher, and there are more calls."""


@dataclass(frozen=True)
class Above:
    """Tokens `below` (a slice of the row: everything under a piece) see all of the piece `piece` (another slice)."""

    below: slice
    piece: slice


@dataclass(frozen=True)
class Alike:
    """Pieces of like length side by side: [n, L] places in the row, a piece's last place repeated where it is shorter."""

    places: Tensor
    real: Tensor
    """[n, L] bool: False where a place is such a repetition."""

    @cached_property
    def flat(self) -> Tensor:
        """The places that are real, in order: [M]."""
        return self.places[self.real]


@dataclass(frozen=True)
class Tree:
    """Pieces in depth-first order: a piece stands before all that continue it, and they stand together behind it.

    Example: a prompt of 3 tokens with answers of 2 and 1 is Tree(lengths=(3, 2, 1), parents=(-1, 0, 0)), 6 tokens in a row
    at positions 0 1 2 3 4 3.
    """

    lengths: tuple[int, ...]
    """Tokens of each piece, 1 at least."""
    parents: tuple[int, ...]
    """The number of the piece that each one continues; −1 for a beginning."""
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @cached_property
    def starts(self) -> list[int]:
        """The place of each piece's first token, and at last the number of all tokens."""
        starts = [0]
        for length in self.lengths:
            starts.append(starts[-1] + length)
        return starts

    @cached_property
    def ends(self) -> list[int]:
        """The place behind the last token of each piece and of all that continue it."""
        ends = [self.starts[i + 1] for i in range(len(self.lengths))]
        for i in reversed(range(len(self.parents))):
            if self.parents[i] >= 0:
                ends[self.parents[i]] = max(ends[self.parents[i]], ends[i])
        return ends

    @cached_property
    def depths(self) -> list[int]:
        """Tokens above each piece."""
        depths: list[int] = []
        for parent in self.parents:
            depths.append(depths[parent] + self.lengths[parent] if parent >= 0 else 0)
        return depths

    @property
    def longest(self) -> int:
        """Tokens from a beginning to an end, at most."""
        return max(map(int.__add__, self.depths, self.lengths))

    @cached_property
    def positions(self) -> Tensor:
        """[1, N]: how many tokens stand before each one in its text."""
        of_each = [torch.arange(depth, depth + length) for depth, length in zip(self.depths, self.lengths, strict=True)]
        return torch.cat(of_each)[None].to(self.device)

    @cached_property
    def until(self) -> Tensor:
        """[N]: the place behind the last token that sees each one."""
        return torch.repeat_interleave(torch.tensor(self.ends), torch.tensor(self.lengths)).to(self.device)

    @cached_property
    def above(self) -> list[Above]:
        """Every piece that is continued, with all that is under it."""
        pairs = zip(self.starts, self.starts[1:], self.ends, strict=False)
        return [Above(slice(behind, end), slice(start, behind)) for start, behind, end in pairs if end > behind]

    @cached_property
    def alike(self) -> list[Alike]:
        """All pieces, in runs of like length, the longest first."""
        order = sorted(range(len(self.lengths)), key=lambda i: -self.lengths[i])
        return [self._side_by_side(some) for some in self._runs(order)]

    def _runs(self, order: Sequence[int]) -> Iterator[list[int]]:
        run: list[int] = []
        for i in order:
            if run and self.lengths[i] < FULL_ENOUGH * self.lengths[run[0]]:
                yield run
                run = []
            run.append(i)
        yield run

    def _side_by_side(self, pieces: Sequence[int]) -> Alike:
        start, length = (torch.tensor([of[i] for i in pieces])[:, None] for of in (self.starts, self.lengths))
        column = torch.arange(int(length.max()))
        return Alike((start + column.clamp(max=length - 1)).to(self.device), (column < length).to(self.device))

    def roots(self) -> Iterator[slice]:
        """Each beginning with all that continues it."""
        for i, parent in enumerate(self.parents):
            if parent < 0:
                yield slice(self.starts[i], self.ends[i])

    def sees(self, part: slice, window: int = 0) -> Tensor:
        """[n, n] bool: which tokens of `part` (a root) see which, fewer than `window` positions back where it isn't 0."""
        place = torch.arange(part.start, part.stop, device=self.device)
        seen = (place[None] <= place[:, None]) & (place[:, None] < self.until[part][None])
        if window:
            position = self.positions[0, part]
            seen &= position[:, None] - position[None] < window
        return seen
