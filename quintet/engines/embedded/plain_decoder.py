"""Writing answers with transformers' own cache, for models that ours does not fit: each prompt is read once, padded on the
left, and then its keys and values are copied to its answers."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache, PreTrainedModel

from quintet.data import Sampling
from quintet.engines.embedded.answers import Answers
from quintet.models.logprobs import draw


def write(
    model: PreTrainedModel, encoded: list[list[int]], siblings: int, sampling: Sampling, answers: Answers, rows: int
) -> None:
    """Answers to all prompts, as many prompts at a time as have `rows` answers (one at least)."""
    at_once = max(1, rows // siblings)
    for start in range(0, len(encoded), at_once):
        some = encoded[start : start + at_once]
        _write(model, some, siblings, sampling, answers, np.arange(start * siblings, (start + len(some)) * siblings))


def _write(
    model: PreTrainedModel, encoded: list[list[int]], siblings: int, sampling: Sampling, answers: Answers, which: np.ndarray
) -> None:
    tokens, mask = _padded(encoded, model.device)
    cache = DynamicCache(config=model.config)  # type: ignore[arg-type]
    logits = _read(model, tokens, mask, cache)
    if siblings > 1:
        cache.batch_repeat_interleave(siblings)
        logits, mask = (x.repeat_interleave(siblings, 0) for x in (logits, mask))
    while True:
        token, logp = draw(logits, torch.from_numpy(answers.uniform(which)).to(model.device), sampling)
        going = answers.extend(which, token.cpu().numpy(), logp.cpu().numpy())
        if not going.any():
            return
        if not going.all():  # an answer that has ended leaves the cache, so no one waits for the longest
            rows = torch.from_numpy(going.nonzero()[0]).to(model.device)
            cache.batch_select_indices(rows)
            token, mask, which = token[rows], mask[rows], which[going]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
        logits = _read(model, token[:, None], mask, cache)


def _padded(encoded: list[list[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Prompts padded on the left, so that all answers begin in the same column: tokens and mask, [P, T] each."""
    width = max(map(len, encoded))
    tokens = [[0] * (width - len(e)) + e for e in encoded]
    mask = [[0] * (width - len(e)) + [1] * len(e) for e in encoded]
    return torch.tensor(tokens, device=device), torch.tensor(mask, device=device)


def _read(model: PreTrainedModel, tokens: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
    """Logits of the next token, [rows, V]; `mask` covers the cache and `tokens`."""
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
    out = model(
        input_ids=tokens,
        attention_mask=None if bool(mask.all()) else mask,
        position_ids=positions,
        past_key_values=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    return out.logits[:, -1].float()
