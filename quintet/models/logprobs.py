"""The one definition of a token's log-probability. Sampler and learner both use it, so they speak of the same distribution."""

from __future__ import annotations

import torch
from torch import Tensor

from quintet.data import Sampling


def warp(logits: Tensor, sampling: Sampling, taken: Tensor | None = None) -> Tensor:
    """Logits of the distribution that is really sampled from: [..., V] float32, −inf for tokens that are filtered out.

    Temperature first, then top-k, then top-p (the token that crosses the threshold stays), then min-p. `taken` [...] names a
    token that is kept whatever the filters say: weights that moved since the sample must not make it impossible.
    """
    logits = logits.float()
    if sampling.temperature not in (0, 1):
        logits = logits / sampling.temperature
    if not (sampling.top_k or sampling.top_p < 1 or sampling.min_p):
        return logits
    keep = _kept(logits.detach(), sampling)
    if taken is not None:
        keep = keep.scatter(-1, taken[..., None], True)
    return logits.masked_fill(~keep, -torch.inf)


def _kept(logits: Tensor, sampling: Sampling) -> Tensor:
    """Which tokens survive the filters: [..., V] bool."""
    ordered, place = logits.sort(dim=-1, descending=True, stable=True)
    rank = torch.arange(logits.shape[-1], device=logits.device)
    if sampling.top_k:
        ordered = ordered.masked_fill(rank >= sampling.top_k, -torch.inf)
    if sampling.top_p < 1:
        p = ordered.softmax(-1)
        ordered = ordered.masked_fill((p.cumsum(-1) - p >= sampling.top_p) & (rank > 0), -torch.inf)
    if sampling.min_p:
        p = ordered.softmax(-1)
        ordered = ordered.masked_fill(p < sampling.min_p * p[..., :1], -torch.inf)
    return torch.zeros_like(logits, dtype=torch.bool).scatter(-1, place, ordered > -torch.inf)


def selected(logits: Tensor, tokens: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Log-probability of `tokens` [...] and entropy of their distributions, in nats: both [...], from logits [..., V]."""
    logits = warp(logits, sampling, tokens)
    logp = logits.log_softmax(-1)
    # 0 · log 0 is 0, and so is its gradient: the infinity must be gone before the product
    entropy = -(logp.exp() * logp.masked_fill(logp == -torch.inf, 0.0)).sum(-1)
    return logp.gather(-1, tokens[..., None])[..., 0], entropy


def draw(logits: Tensor, uniform: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """One token for each row by inverting the distribution function at `uniform` [N] ∈ [0, 1), and its log-probability in
    nats under the distribution it was drawn from: [N] int64 and [N] float32, from logits [N, V]. Logits that are not finite
    give a log-probability of NaN.

    At temperature 0 it is the likeliest token, with its log-probability at temperature 1.
    Example: with probabilities .2, .3, .5 a uniform number of .4 draws token 1.
    """
    logp = warp(logits, sampling).log_softmax(-1)
    if sampling.temperature == 0:
        best = logp.max(-1)
        return best.indices, best.values
    cumulative = logp.exp().cumsum(-1)
    mass = cumulative[:, -1:]
    # strictly below the mass: a token of probability 0 behind the last possible one must not be reached by rounding
    aim = torch.minimum(uniform[:, None].to(mass) * mass, torch.nextafter(mass, torch.zeros_like(mass)))
    # a row of NaNs has no token that it could mean; the last one then stands with a log-probability of NaN
    token = torch.searchsorted(cumulative, aim, right=True).clamp(max=logp.shape[-1] - 1)
    return token[:, 0], logp.gather(-1, token)[:, 0]
