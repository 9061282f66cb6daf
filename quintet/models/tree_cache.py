"""Keys and values while answers are written: of each prompt once, of each answer its own, in memory that is allocated once.

Answers in flight are the first `live` rows. One that ends leaves its row to the last, so that nothing is computed for it any
more; a prompt whose answers have all ended likewise leaves its block to the last prompt.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from quintet.models.tree import Tree

STRIDE = 64
"""Places for tokens are added so many at a time, and at least by half."""


@dataclass
class _Layer:
    """Keys and values: of prompts [blocks, heads, W, d], of answers [rows, heads, C, d]."""

    prompt_keys: Tensor
    prompt_values: Tensor
    keys: Tensor
    values: Tensor


class TreeCache:
    """Room for the answers of `rows` rows and the prompts of `blocks` blocks, `siblings` answers at most to a prompt.

    Who is where is known on the host, so that a pass over one more token never waits for the device."""

    def __init__(self, rows: int, blocks: int, siblings: int, device: torch.device) -> None:
        self.rows, self.blocks, self.siblings, self.device = rows, blocks, siblings, device
        self.layers: dict[int, _Layer] = {}
        self.live = self.prompts = 0
        self.place = np.zeros(rows, dtype=np.int64)
        """[rows]: block · siblings + place among the siblings."""
        self.used = np.zeros(rows, dtype=np.int64)
        """[rows]: tokens of the answer that are here, or will be once all layers have seen those begun."""
        self.prompt_length = np.zeros(blocks, dtype=np.int64)
        self._hidden: dict[int, Tensor | None] = {}
        self._span = self._width = 0
        self._dense = self._level = self._even = False

    # ---- coming, moving, leaving -----------------------------------------------------------------------------------------

    def admit(self, tree: Tree) -> None:
        """Prompts (the roots of `tree`, which have no continuations) with all their siblings: the next pass brings them."""
        new = len(tree.lengths)
        assert self.prompts + new <= self.blocks
        assert self.live + new * self.siblings <= self.rows
        self.prompt_length[self.prompts : self.prompts + new] = tree.lengths
        rows = slice(self.live, self.live + new * self.siblings)
        self.place[rows] = np.arange(self.prompts * self.siblings, (self.prompts + new) * self.siblings)
        self.used[rows] = 0
        for layer in self.layers.values():
            layer.values[rows] = 0  # what an earlier answer left here is masked, but 0 · NaN would be NaN
        self.prompts += new
        self.live = rows.stop

    def leave(self, going: np.ndarray, gone: np.ndarray) -> None:
        """Keep the rows [live] bool that are going on, and drop the prompts [prompts] bool that are gone."""
        holes, fillers = _moves(going)
        to, of = self._there(holes), self._there(fillers)
        for layer in self.layers.values():
            for x in (layer.keys, layer.values):
                x[to, :, : self._span] = x[of, :, : self._span]
        for x in (self.place, self.used):
            x[holes] = x[fillers]
        self.live = int(going.sum())
        holes, fillers = _moves(~gone)
        to, of = self._there(holes), self._there(fillers)
        for layer in self.layers.values():
            for x in (layer.prompt_keys, layer.prompt_values):
                x[to] = x[of]
        self.prompt_length[holes] = self.prompt_length[fillers]
        block, place = np.divmod(self.place, self.siblings)
        for hole, filler in zip(holes, fillers, strict=True):
            self.place[block == filler] = hole * self.siblings + place[block == filler]
        self.prompts = int((~gone).sum())

    def _there(self, x: np.ndarray) -> Tensor:
        return torch.from_numpy(x).to(self.device)

    # ---- passes ----------------------------------------------------------------------------------------------------------

    def keep(self, number: int, key: Tensor, value: Tensor, tree: Tree) -> None:
        """In a layer's pass over the admitted prompts: their keys and values, [1, heads, N, d]."""
        heads = key.shape[1]
        longest = max(tree.lengths)
        if number not in self.layers:
            made = [torch.zeros(n, heads, 0, x.shape[3]).to(x) for n in (self.blocks, self.rows) for x in (key, value)]
            self.layers[number] = _Layer(*made)
        layer = self.layers[number]
        layer.prompt_keys, layer.prompt_values = (_widened(x, longest) for x in (layer.prompt_keys, layer.prompt_values))
        first = self.prompts - len(tree.lengths)
        for i, (start, length) in enumerate(zip(tree.starts, tree.lengths, strict=False)):
            for kept, new in ((layer.prompt_keys, key), (layer.prompt_values, value)):
                kept[first + i, :, :length] = new[0, :, start : start + length]
                kept[first + i, :, length:] = 0

    def begin(self, ahead: int = 1) -> None:
        """Before `ahead` passes over one more token of each live answer."""
        rows = slice(self.live)
        length, used = self.prompt_length[self.place[rows] // self.siblings], self.used[rows]
        self._span = int(used.max()) + ahead
        self._width = int(self.prompt_length[: self.prompts].max())
        self._dense = self.live == self.prompts * self.siblings and bool((self.place[rows] == np.arange(self.live)).all())
        self._level = ahead == 1 and bool((used + 1 == self._span).all())
        self._even = self._level and bool((length == self._width).all())
        for layer in self.layers.values():
            layer.keys, layer.values = (_widened(x, self._span) for x in (layer.keys, layer.values))
        self._at, self._rows = self._there(self.place[rows].copy()), torch.arange(self.live, device=self.device)
        self._length, self._newest = self._there(length), self._there(used - 1)
        self.used[rows] += ahead

    def one_more(self) -> Tensor:
        """Before each of these passes: the answers' positions, [1, live]."""
        self._newest += 1  # in place: a recorded pass (engines/embedded/ahead.py) counts on when it is played again
        self._hidden = {}
        return (self._length + self._newest)[None]

    def _mask(self, window: int) -> Tensor | None:
        """[live, 1, 1, W + C] bool: what each answer's newest token must not see; None where it sees all."""
        if self._even and (not window or self._width + self._span <= window):
            return None
        if window not in self._hidden:
            length, newest = self._length[:, None], self._newest[:, None]
            prompt, own = (torch.arange(n, device=self.device)[None] for n in (self._width, self._span))
            hidden = [prompt >= length, own > newest]
            if window:
                hidden[0] |= length + newest - prompt >= window
                hidden[1] |= newest - own >= window
            self._hidden[window] = torch.cat(hidden, 1)[:, None, None]
        return self._hidden[window]

    def attend(
        self, number: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None, window: int, softcap: float | None
    ) -> Tensor:
        """In a layer's pass over one token of each live answer: [1, live, heads, d] from [1, heads, live, d]."""
        if not torch.is_autocast_enabled(query.device.type):
            return self._attend(number, query, key, value, scale, window, softcap)
        with torch.autocast(query.device.type, enabled=False):  # else all keys and values would be rounded anew for each token
            return self._attend(number, query, key, value, scale, window, softcap)

    def _attend(
        self, number: int, query: Tensor, key: Tensor, value: Tensor, scale: float | None, window: int, softcap: float | None
    ) -> Tensor:
        layer, live, heads = self.layers[number], self.live, key.shape[1]
        rows = slice(live) if self._level else self._rows
        newest = self._span - 1 if self._level else self._newest
        layer.keys[rows, :, newest] = key[0].transpose(0, 1)
        layer.values[rows, :, newest] = value[0].transpose(0, 1)
        query = query * (scale if scale is not None else query.shape[3] ** -0.5)
        queries = query[0].transpose(0, 1).unflatten(1, (heads, -1))  # [live, key heads, repeats, d]
        own_keys, own_values = (x[:live, :, : self._span] for x in (layer.keys, layer.values))
        keys, values = (x[: self.prompts, :, : self._width] for x in (layer.prompt_keys, layer.prompt_values))
        scores = torch.cat([self._by_prompt(queries, keys.transpose(2, 3)), _times(queries, own_keys.transpose(2, 3))], 3)
        if softcap:
            scores = softcap * torch.tanh(scores / softcap)
        if (hidden := self._mask(window)) is not None:
            scores.masked_fill_(hidden, -torch.inf)
        shares = scores.softmax(-1, dtype=torch.float32).to(value.dtype)
        out = self._by_prompt(shares[..., : self._width], values) + _times(shares[..., self._width :], own_values)
        return out.flatten(1, 2)[None]

    def _by_prompt(self, x: Tensor, of_prompt: Tensor) -> Tensor:
        """[live, heads, repeats, n] from x [live, heads, repeats, m] and each one's prompt's [heads, m, n]: siblings together,
        so that their prompt is read once."""
        every = x
        if not self._dense:
            every = x.new_zeros(self.prompts * self.siblings, *x.shape[1:]).index_copy_(0, self._at, x)
        blocks = every.unflatten(0, (self.prompts, self.siblings)).transpose(1, 2)  # [P, heads, siblings, repeats, m]
        found = _times(blocks.flatten(2, 3), of_prompt).unflatten(2, (self.siblings, -1)).transpose(1, 2).flatten(0, 1)
        return found if self._dense else found.index_select(0, self._at)


def _times(a: Tensor, b: Tensor) -> Tensor:
    """a @ b of [n, heads, i, j] and [n, heads, j, k] with fewer steps on the way to the same kernel: for a token of a few
    answers these cost more than the product."""
    return torch.bmm(a.flatten(0, 1), b.flatten(0, 1)).unflatten(0, a.shape[:2])


def same_precision(*tensors: Tensor) -> tuple[Tensor, ...]:
    """Queries, keys and values in one precision. Within autocast some come rounded and some not: on a GPU all are rounded then,
    whose kernels want that; on a CPU none, since small products of bfloat16 are slower there."""
    if len({x.dtype for x in tensors}) == 1 and not torch.is_autocast_enabled(tensors[0].device.type):
        return tensors
    device = tensors[0].device.type
    if device != "cpu" and torch.is_autocast_enabled(device):
        dtype = torch.get_autocast_dtype(device)
    else:
        dtype = max((x.dtype for x in tensors), key=lambda d: d.itemsize)
    return tuple(x.to(dtype) for x in tensors)


def _moves(kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which places are to be filled, and from which: those that are kept shall be the first."""
    count = int(kept.sum())
    return (~kept[:count]).nonzero()[0], kept[count:].nonzero()[0] + count


def _widened(x: Tensor, places: int) -> Tensor:
    """With room for so many tokens in dimension 2."""
    there = x.shape[2]
    if there >= places:
        return x
    more = max(places - there, there // 2)
    return nn.functional.pad(x, (0, 0, 0, -(-more // STRIDE) * STRIDE))
