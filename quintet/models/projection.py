"""From hidden states to what a model says of given tokens, without ever holding all logits: they are made some rows at a time,
and again for the gradient."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from transformers import PreTrainedModel

from quintet.data import Sampling
from quintet.models.logprobs import warp

AT_ONCE = 2**24
"""Logits that exist at a time (float32: 64 MiB, and as much again twice for what is made of them)."""
KEPT = 2**25
"""Logits that are kept for the gradient where a pass has no more (128 MiB); of a larger pass they are computed again, which
takes about a third more time in this layer."""


@dataclass(frozen=True)
class Projection:
    """A language model's last layer: logits are cap · tanh(scale · (W h + b) / cap), without a cap where it is 0."""

    weight: Tensor
    """[V, H]."""
    bias: Tensor | None = None
    """[V]."""
    scale: float = 1.0
    cap: float = 0.0

    @staticmethod
    def of(model: PreTrainedModel) -> Projection:
        """By what transformers' configurations call them; `tree_attention.misfit` looks whether that is all of it."""
        config, layer = model.config.get_text_config(), model.get_output_embeddings()
        assert isinstance(layer, nn.Linear), "the output layer is a linear one"
        scale = getattr(config, "logit_scale", None) or 1 / (getattr(config, "logits_scaling", None) or 1)
        return Projection(layer.weight, layer.bias, float(scale), float(getattr(config, "final_logit_softcapping", None) or 0))

    def to(self, dtype: torch.dtype) -> Projection:
        """The same with its weights in that precision, made once for many calls."""
        return replace(self, weight=self.weight.to(dtype), bias=None if self.bias is None else self.bias.to(dtype))

    def logits(self, hidden: Tensor) -> Tensor:
        """[K, V] float32 from [K, H]."""
        raw = nn.functional.linear(hidden, self.weight.to(hidden), None if self.bias is None else self.bias.to(hidden)).float()
        raw = raw * self.scale if self.scale != 1 else raw
        return torch.tanh(raw / self.cap) * self.cap if self.cap else raw


def project(hidden: Tensor, tokens: Tensor, projection: Projection, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Log-probability of `tokens` [K] and entropy of their distributions, in nats: both [K] float32, from the hidden states
    [K, H] before them. The same numbers as `logprobs.selected` of all logits; no second derivative."""
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    return _Project.apply(hidden, tokens, projection.weight, projection.bias, projection, sampling)  # type: ignore[return-value]


class _Project(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any, hidden: Tensor, tokens: Tensor, weight: Tensor, bias: Tensor | None, layer: Projection, sampling: Sampling
    ) -> tuple[Tensor, Tensor]:
        """log π of the tokens and the entropy, [N] each, in float32, from hidden states [N, d] and tokens [N]."""
        keep = any(ctx.needs_input_grad) and len(hidden) * len(weight) <= KEPT
        ctx.layer, ctx.sampling, ctx.kept = layer, sampling, []
        logp, entropy = (torch.zeros(len(hidden), device=hidden.device) for _ in range(2))
        for rows in _some(hidden, weight):
            logits = layer.logits(hidden[rows])
            of_all = warp(logits, sampling, tokens[rows]).log_softmax(-1)
            logp[rows] = of_all.gather(1, tokens[rows, None])[:, 0]
            entropy[rows] = -(of_all.exp() * _finite(of_all, sampling)).sum(1)
            if keep:
                ctx.kept.append((logits if layer.cap else None, of_all))
        ctx.save_for_backward(hidden, tokens, entropy)
        ctx.set_materialize_grads(False)
        return logp, entropy

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_logp: Tensor | None, of_entropy: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        """∂log π_i/∂logit_j = 1[i = j] − π_j and ∂H/∂logit_j = −π_j (log π_j + H), chunk by chunk, then through the layer."""
        hidden, tokens, entropy = ctx.saved_tensors
        layer, sampling, kept = ctx.layer, ctx.sampling, iter(ctx.kept)
        wanted = zip(ctx.needs_input_grad, (hidden, None, layer.weight, layer.bias), strict=False)
        to_hidden, _, to_weight, to_bias = (torch.zeros_like(x) if needed and x is not None else None for needed, x in wanted)
        weight = layer.weight.to(hidden)
        for rows in _some(hidden, weight):
            logits, logp = next(kept, (None, None))
            if logp is None:
                logits = layer.logits(hidden[rows])
                logp = warp(logits, sampling, tokens[rows]).log_softmax(-1)
            slope = _slope(logp, tokens[rows], _at(of_logp, rows), _at(of_entropy, rows), entropy[rows], sampling)
            slope.mul_(layer.scale / (sampling.temperature or 1.0))
            if layer.cap:
                slope.mul_(1 - (logits / layer.cap) ** 2)
            slope = slope.to(hidden.dtype)
            if to_hidden is not None:
                torch.mm(slope, weight, out=to_hidden[rows])
            if to_weight is not None:
                to_weight.add_(slope.T @ hidden[rows])
            if to_bias is not None:
                to_bias.add_(slope.sum(0))
        return to_hidden, None, to_weight, to_bias, None, None


def _slope(
    logp: Tensor, tokens: Tensor, of_logp: Tensor | None, of_entropy: Tensor | None, entropy: Tensor, sampling: Sampling
) -> Tensor:
    """The gradient of g·log p(token) + h·entropy in the warped logits, [k, V]: g·(1[token] − p) − h·p·(log p + entropy)."""
    p = logp.exp()
    g = torch.zeros_like(entropy) if of_logp is None else of_logp
    if of_entropy is None:
        slope = p.mul_(-g[:, None])
    else:
        slope = p.mul_(-(g[:, None] + of_entropy[:, None] * (_finite(logp, sampling) + entropy[:, None])))
    return slope.scatter_add_(1, tokens[:, None], g[:, None])


def _finite(logp: Tensor, sampling: Sampling) -> Tensor:
    """0 in place of the −inf of tokens that were filtered out: 0 · log 0 is 0."""
    filtered = sampling.top_k or sampling.top_p < 1 or sampling.min_p
    return logp.masked_fill(logp == -torch.inf, 0.0) if filtered else logp


def _some(hidden: Tensor, weight: Tensor) -> Iterator[slice]:
    """Rows in pieces of at most `AT_ONCE` logits."""
    size = max(1, AT_ONCE // len(weight))
    for start in range(0, len(hidden), size):
        yield slice(start, start + size)


def _at(x: Tensor | None, rows: slice) -> Tensor | None:
    return None if x is None else x[rows]
