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

KERNEL: Any = {"BACKEND": "TRITON"}
"""Not the one for decoding, which torch 2.13 would choose for short trees, and which has no configuration for some."""
VARIANTS = 64
"""Of the compiled kernel: with and without gradient, each precision, each network's heads, windows, caps."""


def by_blocks(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, tree: Tree, window: int, softcap: float | None
) -> Tensor:
    """[1, heads, N, d] from query [1, heads, N, d], key and value [1, key heads, N, d]; fewer than `window` positions back
    where it isn't 0, scores capped where there is a `softcap`."""
    on_gpu = query.device.type == "cuda"
    attention, options = (_compiled(flex_attention), KERNEL) if on_gpu else (flex_attention, None)
    cap = _capped(softcap, query.device) if softcap else None
    shared = query.shape[1] != key.shape[1]
    return attention(query, key, value, cap, _seen(tree, window), scale=scale, enable_gqa=shared, kernel_options=options)


@cache
def _compiled(of: Callable[..., Any]) -> Callable[..., Any]:
    """For all lengths, since each step's tree has another; whole, since what isn't would hold all scores at once."""
    torch._dynamo.config.recompile_limit = max(VARIANTS, torch._dynamo.config.recompile_limit)
    return torch.compile(of, dynamic=True, fullgraph=True)


@lru_cache(maxsize=4)  # of a step's micro-batch, all layers ask
@torch.no_grad()
def _seen(tree: Tree, window: int) -> BlockMask:
    until, position, size = tree.until, tree.positions[0], sum(tree.lengths)
    oldest = position - window  # a tensor, not a number: numbers that a kernel is told are compiled into it

    def sees(batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        within = (k <= q) & (q < until[k])
        return within & (position[k] > oldest[q]) if window else within

    made = _compiled(create_block_mask) if tree.device.type == "cuda" else create_block_mask
    with torch.autocast(tree.device.type, enabled=False):
        return made(sees, None, None, size, size, device=str(tree.device))


@cache
def _capped(softcap: float, device: torch.device) -> Callable[..., Tensor]:
    cap = torch.tensor(softcap, device=device)

    def capped(score: Tensor, batch: Tensor, head: Tensor, q: Tensor, k: Tensor) -> Tensor:
        return cap * torch.tanh(score / cap)

    return capped
