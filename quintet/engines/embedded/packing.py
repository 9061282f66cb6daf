"""A batch as one row without padding: siblings' prompts once, each answer behind its own (models/tree.py). And the way back:
columns of the batch speak about its own tokens again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from quintet.data import Batch
from quintet.models.tree import Tree


@dataclass(frozen=True)
class Packed:
    """`tree` with its `tokens` [1, N], and where the K tokens behind the prompts are."""

    tree: Tree
    tokens: Tensor
    before: Tensor
    """[K]: the place in the row of the token before each of them."""
    itself: Tensor
    """[K]: the place of each of them; where it was not packed (`whole`), of the last that was."""
    column: Tensor
    """[K]: each one's own place in the flattened batch, row · T + column."""
    last: Tensor
    """[B]: the place of each row's last token that was packed."""

    def unpack(self, said: Tensor, batch: Batch) -> Tensor:
        """[B, T] from what was said of the K tokens; 0 elsewhere."""
        flat = torch.zeros(batch.tokens.numel(), dtype=said.dtype, device=said.device)
        return flat.index_copy(0, self.column, said).view(batch.tokens.shape)


def num_tokens(batch: Batch, rows: Tensor) -> int:
    """Of some rows together, each group's prompt once."""
    first, group = first_action(batch)[rows], batch.group[rows]
    leads = torch.ones_like(group, dtype=torch.bool)
    leads[1:] = group[1:] != group[:-1]
    return int((batch.length[rows] - first).sum() + first[leads].sum())


def pack(batch: Batch, whole: bool = False) -> Packed:
    """`whole`: each row to its last token, of which otherwise nothing is asked and which nobody reads."""
    first = first_action(batch)
    leaders = _leaders(batch, first).tolist()
    first, length = (x.cpu().numpy() for x in (first, batch.length))
    end = length if whole else length - 1
    pieces: list[tuple[int, int, int]] = []  # row, first column, column behind the last
    parents: list[int] = []
    home = np.zeros(len(first), dtype=np.int64)  # the piece with the row's columns from `begin` on
    begin = np.zeros(len(first), dtype=np.int64)
    prompt = np.zeros(len(first), dtype=np.int64)  # the piece with the columns before them
    for leader, behind in zip(leaders, [*leaders[1:], len(first)], strict=True):
        alone = behind == leader + 1
        root = len(pieces)
        pieces.append((leader, 0, int(end[leader] if alone else first[leader])))
        parents.append(-1)
        prompt[leader:behind] = home[leader:behind] = root
        for row in range(leader, behind) if not alone else ():
            begin[row] = first[row]
            if end[row] > first[row]:
                home[row] = len(pieces)
                pieces.append((row, int(first[row]), int(end[row])))
                parents.append(root)
    rows, starts, stops = np.array(pieces).T
    tree = Tree(tuple((stops - starts).tolist()), tuple(parents), batch.tokens.device)
    at = np.array(tree.starts)
    row, column = _spread(rows, starts, stops)

    told_row, told = _spread(np.arange(len(first)), first, length)

    def place_of(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        inside = column >= begin[row]
        return at[np.where(inside, home[row], prompt[row])] + column - np.where(inside, begin[row], 0)

    before, itself = place_of(told_row, told - 1), place_of(told_row, np.minimum(told, end[told_row] - 1))
    last_inside = end > begin
    last = np.where(last_inside, at[home] + end - 1 - begin, at[prompt] + end - 1)

    def there(x: np.ndarray) -> Tensor:
        return torch.from_numpy(x).to(batch.tokens.device)

    tokens = batch.tokens[there(row), there(column)][None]
    return Packed(tree, tokens, there(before), there(itself), there(told_row * batch.tokens.shape[1] + told), there(last))


def first_action(batch: Batch) -> Tensor:
    """The column of each row's first chosen token, [B]; its last column where nothing was chosen; at least 1."""
    found = torch.where(batch.action.any(1), batch.action.int().argmax(1), batch.length - 1)
    return found.clamp(min=1)


def _leaders(batch: Batch, first: Tensor) -> Tensor:
    """The first row of each run of neighbours that share group and prompt: [P] int64."""
    width = int(first.max())
    prompts = torch.where(torch.arange(width, device=first.device) < first[:, None], batch.tokens[:, :width], -1)
    same = (batch.group[1:] == batch.group[:-1]) & (prompts[1:] == prompts[:-1]).all(1)
    return torch.cat([same.new_ones(1), ~same]).nonzero()[:, 0]


def _spread(number: np.ndarray, start: np.ndarray, stop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`number` repeated, and start, start + 1, … stop − 1, for each entry, end to end."""
    size = stop - start
    ahead = np.repeat(np.cumsum(size) - size, size)
    return np.repeat(number, size), np.arange(int(size.sum())) - ahead + np.repeat(start, size)
