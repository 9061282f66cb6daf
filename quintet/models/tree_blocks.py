"""Attention over a tree (models/tree.py) as one kernel, for GPUs: torch's FlexAttention, which is told who sees whom and skips
the blocks of 128 × 128 places in which nobody sees anybody.

A token at place q sees one at place k if and only if k ≤ q < until(k), the place behind all that continues k's piece.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from quintet.models.tree import Tree


def by_blocks(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, tree: Tree, window: int, softcap: float | None
) -> Tensor:
    """[1, heads, N, d] from query [1, heads, N, d], key and value [1, key heads, N, d]; fewer than `window` positions back where
    it isn't 0, scores capped where there is a `softcap`."""
    attention = _compiled() if query.device.type == "cuda" else flex_attention
    shared = query.shape[1] != key.shape[1]
    return attention(
        query, key, value, _capped(softcap) if softcap else None, _seen(tree, window), scale=scale, enable_gqa=shared
    )


@cache
def _compiled() -> Callable[..., Any]:
    return torch.compile(flex_attention, dynamic=True)  # each step's tree has another length


@lru_cache(maxsize=4)  # of a step's micro-batch, all layers ask
def _seen(tree: Tree, window: int) -> BlockMask:
    until, position, size = tree.until, tree.positions[0], sum(tree.lengths)

    def sees(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        within = (k <= q) & (q < until[k])
        return within & (position[q] - position[k] < window) if window else within

    return create_block_mask(sees, None, None, size, size, device=str(tree.device), _compile=tree.device.type == "cuda")


@cache
def _capped(softcap: float) -> Callable[..., Tensor]:
    def capped(score: Tensor, batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return softcap * torch.tanh(score / softcap)

    return capped
