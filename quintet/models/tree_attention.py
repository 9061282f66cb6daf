"""Attention over a tree of texts (models/tree.py), as a function of transformers' attention interface.

Each token attends to its own piece and, in one call for all that is under it, to each piece above. A softmax over several parts
is the mean of the parts' outputs, weighted by the parts' sums of exponentials (Milakov & Gimelshein 2018, arXiv:1805.02867);
its gradient is each part's own, taken at the whole's output and logarithm of the sum. So prompts are never copied to their
answers, forward or backward, and no mask is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import AttentionInterface, PreTrainedModel

from quintet.models.projection import Projection
from quintet.models.tree import Tree
from quintet.models.tree_blocks import by_blocks
from quintet.models.tree_cache import TreeCache, same_precision

NAME = "quintet_tree"


@contextmanager
def tree_attention(model: PreTrainedModel) -> Iterator[None]:
    """Within the context `model(…, tree=…)` attends over that tree; afterwards it is the model's own attention again."""
    own = model.config._attn_implementation
    model.config._attn_implementation = NAME
    try:
        yield
    finally:
        model.config._attn_implementation = own


def misfit(model: PreTrainedModel) -> str:
    """Why this attention, or what is taken to be the model's last layer, is not the model's own; empty where it is. Found by
    trying, once for each model: three tokens with two continuations against the same texts read whole."""
    if model not in _misfits:
        with torch.autocast(model.device.type, enabled=False):  # rounding is not what is looked for
            _misfits[model] = _try(model)
    return _misfits[model]


_misfits: WeakKeyDictionary[PreTrainedModel, str] = WeakKeyDictionary()


@torch.no_grad()
def _try(model: PreTrainedModel) -> str:
    tokens = torch.arange(1, 9, device=model.device)[None] % model.config.get_text_config().vocab_size
    training = model.training
    try:
        model.eval()
        language = model.get_output_embeddings() is not None
        trained, written = (Projection.of(model).logits(x) if language else x for x in _both_ways(model, tokens))
        for text in ([0, 1, 2, 3, 4], [0, 1, 2, 5, 6, 7]):
            whole = (model if language else model.base_model)(input_ids=tokens[:, text], use_cache=False)[0][0].float()
            near = 1e-3 * float(whole.abs().max())
            if not all(torch.allclose(x[text], whole, rtol=0, atol=near) for x in (trained, written)):
                return "its results differ from the model's own"
        if model.device.type == "cuda":  # gradients are another kernel's there
            _differentiate(model)
    except Exception as error:  # whatever another model's code says to arguments that it does not know
        return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
    finally:
        model.train(training)
    return ""


@torch.enable_grad()
def _differentiate(model: PreTrainedModel) -> None:
    """A gradient through a tree of more than one block."""
    tree = Tree((130, 2, 3), (-1, 0, 0), model.device)
    tokens = torch.arange(135, device=model.device)[None] % model.config.get_text_config().vocab_size
    with tree_attention(model):
        said = model.base_model(input_ids=tokens, position_ids=tree.positions, use_cache=False, tree=tree)[0]
    torch.autograd.grad(said.float().sum(), [p for p in model.parameters() if p.requires_grad], allow_unused=True)


def _both_ways(model: PreTrainedModel, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Hidden states behind a beginning of three tokens and continuations of two and three: all read at once, and the
    continuations written token by token."""
    tree, beginning = Tree((3, 2, 3), (-1, 0, 0), model.device), Tree((3,), (-1,), model.device)
    cache = TreeCache(rows=2, blocks=1, siblings=2, device=model.device)
    cache.admit(beginning)
    with tree_attention(model):
        at_once = model.base_model(input_ids=tokens, position_ids=tree.positions, use_cache=False, tree=tree)[0][0]
        written = torch.zeros_like(at_once)
        told = {"position_ids": beginning.positions, "tree": beginning, "cache": cache}
        written[:3] = model.base_model(input_ids=tokens[:, :3], use_cache=False, **told)[0][0]
        for places in ([3, 5], [4, 6], [7]):
            if len(places) == 1:
                cache.leave(np.array([False, True]), np.array([False]))
            cache.begin()
            written[places] = model.base_model(
                input_ids=tokens[:, places], position_ids=cache.one_more(), use_cache=False, cache=cache
            )[0][0]
    return at_once, written


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    *,
    tree: Tree | None = None,
    cache: TreeCache | None = None,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """[1, N, heads, d] from query [1, heads, N, d], key and value [1, key heads, N, d]. With a tree and a cache: its beginnings
    are kept there; with a cache alone: one token of each answer in flight."""
    if s_aux is not None or dropout or query.shape[0] != 1:
        raise NotImplementedError("attention sinks, dropout and several rows are not what this attention is for")
    query, key, value = same_precision(query, key, value)
    if tree is None:
        assert cache is not None, "this attention needs to know who sees whom"
        number: int = module.layer_idx  # type: ignore[assignment]
        return cache.attend(number, query, key, value, scaling, sliding_window or 0, softcap), None
    if cache is not None:
        cache.keep(module.layer_idx, key, value, tree)  # type: ignore[arg-type]
    window = sliding_window if sliding_window and sliding_window < tree.longest else 0
    if query.device.type == "cuda":
        return by_blocks(query, key, value, scaling, tree, window, softcap).transpose(1, 2), None
    if softcap or window or not _by_parts(query, value):
        return _by_roots(query, key, value, scaling, tree, window, softcap).transpose(1, 2), None
    return _Parts.apply(query, key, value, scaling, tree).transpose(1, 2), None  # type: ignore[union-attr]


# in transformers' other register, that of masks, this name is not: it then makes none, and the tree says who sees whom
AttentionInterface.register(NAME, attend)


# ---- parts -----------------------------------------------------------------------------------------------------------------

_forward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def _by_parts(query: Tensor, value: Tensor) -> bool:
    """Whether torch's kernel, which also gives the sums of exponentials, can be had here."""
    return query.device.type == "cpu" and query.shape[-1] == value.shape[-1]


class _Parts(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float | None, tree: Tree) -> Tensor:  # type: ignore[override]
        """[1, heads, N, d]: each piece's attention to itself, then joined with that to the pieces above it by the logarithms of
        both sums of exponentials."""
        out = torch.empty_like(query.transpose(1, 2)).transpose(1, 2)
        log_sum = torch.empty(query.shape[:3], dtype=torch.float32, device=query.device)
        for alike in tree.alike:
            q, k, v = (_side_by_side(x, alike.places) for x in (query, key, value))
            o, s = _forward(q, k, v, 0.0, True, scale=scale)
            out[0].index_copy_(1, alike.flat, o.transpose(0, 1)[:, alike.real])
            log_sum[0].index_copy_(1, alike.flat, s.transpose(0, 1)[:, alike.real])
        for part in tree.above:
            o, s = _forward(query[:, :, part.below], key[:, :, part.piece], value[:, :, part.piece], 0.0, False, scale=scale)
            before = log_sum[:, :, part.below]
            both = torch.logaddexp(before, s)
            here = out[:, :, part.below]
            here.mul_((before - both).exp_()[..., None]).add_(o * (s - both).exp_()[..., None])
            log_sum[:, :, part.below] = both
        ctx.save_for_backward(query, key, value, out, log_sum)
        ctx.scale, ctx.tree = scale, tree
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """The gradients of query, key and value: of each piece by itself and of each with those above it, added up."""
        query, key, value, out, log_sum = ctx.saved_tensors
        of = [torch.zeros_like(x) for x in (query, key, value)]
        for alike in ctx.tree.alike:
            g, q, k, v, o = (_side_by_side(x, alike.places) for x in (grad, query, key, value, out))
            g = g.masked_fill(~alike.real[:, None, :, None], 0.0)
            s = _side_by_side(log_sum[..., None], alike.places)[..., 0]
            for total, found in zip(of, _backward(g, q, k, v, o, s, 0.0, True, scale=ctx.scale), strict=True):
                total[0].index_add_(1, alike.flat, found.transpose(0, 1)[:, alike.real])
        for part in ctx.tree.above:
            g, q, o = (x[:, :, part.below] for x in (grad, query, out))
            k, v = (x[:, :, part.piece] for x in (key, value))
            places = (part.below, part.piece, part.piece)
            found = _backward(g, q, k, v, o, log_sum[:, :, part.below], 0.0, False, scale=ctx.scale)
            for total, place, more in zip(of, places, found, strict=True):
                total[:, :, place] += more
        return (*of, None, None)


def _side_by_side(x: Tensor, places: Tensor) -> Tensor:
    """[n, heads, L, d] from a row [1, heads, N, d]."""
    taken = x[0].index_select(1, places.flatten())
    return taken.unflatten(1, places.shape).transpose(0, 1)


# ---- roots -----------------------------------------------------------------------------------------------------------------


def _by_roots(
    query: Tensor, key: Tensor, value: Tensor, scale: float | None, tree: Tree, window: int, softcap: float | None
) -> Tensor:
    """The same with a mask for each beginning and all that continues it: for sliding windows and capped scores."""
    repeat = query.shape[1] // key.shape[1]
    outs = []
    for root in tree.roots():
        q = query[:, :, root]
        k, v = (x[:, :, root].repeat_interleave(repeat, 1) for x in (key, value))
        mask = tree.sees(root, window)
        if softcap:
            scores = (q @ k.transpose(2, 3)) * (scale if scale is not None else q.shape[-1] ** -0.5)
            scores = softcap * torch.tanh(scores / softcap)
            outs.append(scores.masked_fill(~mask, -torch.inf).float().softmax(-1).to(v.dtype) @ v)
        else:
            outs.append(nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale))
    return torch.cat(outs, 2)
