"""From a batch to what networks say of each of its tokens. Column t of a result speaks about token t: here and in `packing`,
and only there, outputs are shifted by one.

Two ways, the same numbers to float error: `packed` reads each prompt once for all its answers and no padding, by an attention
function of ours (models/tree_attention.py), and never holds all logits; `plain` reads padded rows whole with the model as it
is, for models that ours does not fit.
"""

from __future__ import annotations

from torch import Tensor, nn
from transformers import PreTrainedModel

from quintet.data import Batch, Outputs, Sampling
from quintet.engines.embedded.packing import Packed, first_action, pack
from quintet.models import heads
from quintet.models.logprobs import selected
from quintet.models.projection import Projection, project
from quintet.models.tree_attention import misfit, tree_attention


def outputs(model: PreTrainedModel, batch: Batch, sampling: Sampling, head: nn.Linear | None = None) -> Outputs:
    """Log-probabilities and entropies, [B, T], of the tokens behind each row's prompt, and values where there is a `head` on
    the trunk; elsewhere they mean nothing."""
    if misfit(model):
        return _plain_outputs(model, batch, sampling, head)
    packed = pack(batch)
    hidden = _read(model, packed, packed.before)
    said = project(hidden, batch.tokens.flatten()[packed.column], Projection.of(model), sampling)
    values = () if head is None else (head(hidden)[:, 0].float(),)
    return Outputs(*(packed.unpack(x, batch) for x in (*said, *values)))


def values(model: PreTrainedModel, batch: Batch) -> Tensor:
    """A critic's [B, T]: what it expects before it has seen token t, behind each row's prompt."""
    if misfit(model):
        hidden = heads.hidden(model, input_ids=batch.tokens[:, :-1])
        return _shifted(heads.head(model)(hidden)[..., 0].float())
    packed = pack(batch)
    return packed.unpack(heads.head(model)(_read(model, packed, packed.before))[:, 0].float(), batch)


def scores(model: PreTrainedModel, batch: Batch) -> Tensor:
    """A reward model's [B, 1], of each whole row."""
    if misfit(model):
        return heads.scores(model, batch.tokens, batch.length)
    packed = pack(batch, whole=True)
    return heads.head(model)(_read(model, packed, packed.last)).float()


def step_scores(model: PreTrainedModel, batch: Batch) -> Tensor:
    """A process reward model's [B, T]: of the row up to token t, itself included, behind each row's prompt."""
    if misfit(model):
        return heads.step_scores(model, batch.tokens)
    packed = pack(batch, whole=True)
    return packed.unpack(heads.head(model)(_read(model, packed, packed.itself))[:, 0].float(), batch)


def _read(model: PreTrainedModel, packed: Packed, places: Tensor) -> Tensor:
    """Hidden states [K, H] behind the tokens at some places of the row. By `index_select`: the gradient of plain indexing adds
    up siblings in whatever order the threads come, and a resumed run would not repeat the bits."""
    with tree_attention(model):
        hidden = heads.hidden(model, input_ids=packed.tokens, position_ids=packed.tree.positions, tree=packed.tree)
    return hidden[0].index_select(0, places)


def _plain_outputs(model: PreTrainedModel, batch: Batch, sampling: Sampling, head: nn.Linear | None) -> Outputs:
    """Each row whole. Padding is on the right and attention is causal, so no token sees it and no mask is needed. Logits are
    computed from the earliest answer's column on."""
    kept = batch.tokens.shape[1] - int(first_action(batch).min())
    with heads.head_input(model) as seen:
        logits = model(input_ids=batch.tokens[:, :-1], use_cache=False, logits_to_keep=kept).logits[:, -kept:]
    said = selected(logits, batch.tokens[:, -kept:], sampling)
    values = () if head is None else (head(seen[0][:, -kept:])[..., 0].float(),)
    return Outputs(*(nn.functional.pad(x, (batch.tokens.shape[1] - kept, 0)) for x in (*said, *values)))


def _shifted(x: Tensor) -> Tensor:
    return nn.functional.pad(x, (1, 0))
