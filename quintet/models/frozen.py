"""A policy as it was, without a second model: the reference of a KL penalty, the sampler of offline algorithms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Frozen:
    """Copies of the weights that are trained; what isn't trained is the same now as then. With adapters that is next to
    nothing, and before their first step it is the model with the adapters off."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the context the model is what it was; afterwards it holds the very tensors that it held."""
        now = {name: p.data for name, p in self.model.named_parameters() if name in self.weights}
        self._give(self.weights)
        try:
            yield
        finally:
            self._give(now)

    @torch.no_grad()
    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Take over weights that were kept elsewhere."""
        for name, mine in self.weights.items():
            mine.copy_(weights[name])

    def _give(self, weights: Mapping[str, Tensor]) -> None:
        parameters = dict(self.model.named_parameters())
        for name, data in weights.items():
            parameters[name].data = data
