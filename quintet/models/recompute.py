"""Activation checkpointing (Chen et al. 2016, arXiv:1604.06174): a layer keeps its input alone, and is computed again for its
gradient. A third more time, and memory for one layer's inside instead of all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_layers import GradientCheckpointingLayer


@contextmanager
def recomputed(model: PreTrainedModel) -> Iterator[None]:
    """Within the context the model's layers keep only their inputs. They are told that they train, which is when transformers
    does it; what is inside them is not, and drops nothing out."""
    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    again = partial(checkpoint, use_reentrant=False, context_fn=lambda: (nullcontext(), _attention_as_now(model)))
    for layer in layers:
        layer.gradient_checkpointing, layer.training = True, True
        layer._gradient_checkpointing_func = again  # type: ignore[assignment]
    try:
        yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing, layer.training = False, False


def _attention_as_now(model: PreTrainedModel) -> AbstractContextManager[None]:
    """For the second time, which comes when whoever chose the attention has gone."""
    chosen = model.config._attn_implementation

    @contextmanager
    def again() -> Iterator[None]:
        """The attention that was chosen in the first pass."""
        own = model.config._attn_implementation
        model.config._attn_implementation = chosen
        try:
            yield
        finally:
            model.config._attn_implementation = own

    return again()
