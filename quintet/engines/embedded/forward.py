"""From a batch to what networks say of each of its tokens. Column t of a result speaks about token t: here, and only here,
outputs are shifted by one.

Two ways, the same numbers to float error: `plain` reads each row whole; `shared` reads each prompt once for all its answers,
forward and backward, through the model's own key/value cache. With 8 answers to a prompt and answers shorter than prompts
that is most of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, PreTrainedModel

from quintet.data import Batch, Outputs, Sampling
from quintet.models import heads
from quintet.models.logprobs import selected

Readings = tuple[Tensor, ...]
"""What a pass says behind each of its tokens, [B, K, …] each."""
Read = Callable[..., Readings]
"""A pass, called with transformers' keywords."""


def outputs(model: PreTrainedModel, batch: Batch, sampling: Sampling, head: nn.Linear | None = None) -> Outputs:
    """Log-probabilities and entropies, [B, T], of the tokens behind each row's prompt, and values where there is a `head` on
    the trunk; elsewhere they mean nothing."""
    read = partial(_logits_and_values, model, head) if head is not None else partial(_logits, model)

    def say(readings: Readings, tokens: Tensor) -> Readings:
        logits, *values = readings
        return (*selected(logits, tokens, sampling), *values)

    logp, entropy, *values = _behind_prompts(read, say, model, batch)
    return Outputs(logp, entropy, *values)


def values(model: PreTrainedModel, batch: Batch) -> Tensor:
    """A critic's [B, T]: what it expects before it has seen token t, behind each row's prompt."""
    (said,) = _behind_prompts(partial(heads.read_scalars, model), lambda readings, _: readings, model, batch)
    return said


def scores(model: PreTrainedModel, batch: Batch) -> Tensor:
    """A reward model's [B, 1], of each whole row."""
    return heads.scores(model, batch.tokens, batch.length)


def _logits(model: PreTrainedModel, **inputs: Any) -> Readings:
    return (model(**inputs).logits,)


def _logits_and_values(model: PreTrainedModel, head: nn.Linear, **inputs: Any) -> Readings:
    with heads.head_input(model) as seen:
        logits = model(**inputs).logits
    return logits, head(seen[0])[..., 0].float()


Say = Callable[[Readings, Tensor], Readings]
"""From what was read behind the tokens before them to what is said of `tokens` [B, K]: [B, K] each."""


def _behind_prompts(read: Read, say: Say, model: PreTrainedModel, batch: Batch) -> Readings:
    first = _first_action(batch)
    leaders = _leaders(batch, first)
    if len(leaders) == len(first):
        return plain(read, say, batch, first)
    return shared(read, say, model, batch, first, leaders)


def plain(read: Read, say: Say, batch: Batch, first: Tensor) -> Readings:
    """Each row whole. Padding is on the right and attention is causal, so no token sees it and no mask is needed. Logits are
    computed from the earliest answer's column on."""
    start = int(first.min())
    kept = batch.tokens.shape[1] - start
    readings = read(input_ids=batch.tokens[:, :-1], use_cache=False, logits_to_keep=kept)
    said = say(tuple(r[:, -kept:] for r in readings), batch.tokens[:, start:])
    return tuple(nn.functional.pad(x, (start, 0)) for x in said)


def shared(read: Read, say: Say, model: PreTrainedModel, batch: Batch, first: Tensor, leaders: Tensor) -> Readings:
    """Each prompt once. `leaders` [P]: the first row of each run of siblings, whose prompt stands for all of them."""
    prompts, mask = _prompts(batch, first, leaders)
    group = torch.bucketize(torch.arange(len(first), device=first.device), leaders, right=True) - 1
    cache = DynamicCache(config=model.config)  # type: ignore[arg-type]
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    opening = read(
        input_ids=prompts, attention_mask=mask, position_ids=positions, past_key_values=cache, logits_to_keep=1
    )  # [P, 1, …] says what the first token of each answer may be
    _give_to(cache, group)

    columns = first[:, None] + torch.arange(int((batch.length - first).max()), device=first.device)
    columns = columns.clamp(max=batch.tokens.shape[1] - 1)
    answers = batch.tokens.gather(1, columns)
    readings: Sequence[Tensor] = [x.index_select(0, group) for x in opening]
    if answers.shape[1] > 1:
        rest = read(
            input_ids=answers[:, :-1],
            attention_mask=torch.cat([mask[group], torch.ones_like(answers[:, :-1])], 1),
            position_ids=columns[:, :-1],
            past_key_values=cache,
        )
        readings = [torch.cat(both, 1) for both in zip(readings, rest, strict=True)]
    said = say(tuple(readings), answers)
    inside = columns < batch.length[:, None]
    inside &= torch.cat(
        [inside.new_ones(len(first), 1), columns[:, 1:] > columns[:, :-1]], 1
    )  # clamped columns repeat the last
    zeros = torch.zeros(batch.tokens.shape, device=said[0].device)
    return tuple(zeros.scatter_add(1, columns, torch.where(inside, x, 0.0)) for x in said)


def _give_to(cache: DynamicCache, group: Tensor) -> None:
    """Each row its prompt's keys and values. By `index_select`: the gradient of plain indexing adds up siblings in whatever
    order the threads come, and a resumed run would not repeat the bits."""
    for layer in cache.layers:
        layer.keys = layer.keys.index_select(0, group)  # type: ignore[union-attr]
        layer.values = layer.values.index_select(0, group)  # type: ignore[union-attr]


def _first_action(batch: Batch) -> Tensor:
    """The column of each row's first chosen token, [B]; its last column where nothing was chosen; at least 1."""
    found = torch.where(batch.action.any(1), batch.action.int().argmax(1), batch.length - 1)
    return found.clamp(min=1)


def _leaders(batch: Batch, first: Tensor) -> Tensor:
    """The first row of each run of neighbours that share group and prompt: [P] int64."""
    width = int(first.max())
    prompts = torch.where(torch.arange(width, device=first.device) < first[:, None], batch.tokens[:, :width], -1)
    same = (batch.group[1:] == batch.group[:-1]) & (prompts[1:] == prompts[:-1]).all(1)
    return torch.cat([same.new_ones(1), ~same]).nonzero()[:, 0]


def _prompts(batch: Batch, first: Tensor, leaders: Tensor) -> tuple[Tensor, Tensor]:
    """The leaders' prompts padded on the left, so that all answers begin in the same column: tokens and mask, [P, W]."""
    length = first[leaders]
    width = int(length.max())
    columns = torch.arange(width, device=first.device) - (width - length[:, None])
    mask = columns >= 0
    return batch.tokens[leaders].gather(1, columns.clamp(min=0)) * mask, mask.long()
