"""A network that is being trained: its parameters, its optimiser, one step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from quintet.data import Network
from quintet.engines.embedded.optimisers import Optimiser
from quintet.equations.reduce import scale_to_norm
from quintet.protocols import State, Stats
from quintet.updates import FirstOrder


class Trained:
    """`modules`: the network, and perhaps a head on its trunk. Gradients are clipped by the norm of all of it."""

    def __init__(self, name: Network, *modules: nn.Module) -> None:
        self.name, self.modules = name, modules
        self.parameters = [p for module in modules for p in module.parameters() if p.requires_grad]
        self.optimiser: Optimiser | None = None
        self._waiting: list[State] | None = None
        """The optimiser's state as it was restored, until the first step says which optimiser it is."""

    def forget_gradient(self) -> None:
        for p in self.parameters:
            p.grad = None

    def gradient(self) -> list[Tensor]:
        """A tensor for each parameter; 0 where nothing reached it."""
        return [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in self.parameters]

    def step(self, settings: FirstOrder, progress: float) -> Stats:
        """Clip the gradient by norm and take one optimiser step; no step where there is no gradient or it is not finite."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        rate = settings.learning_rate(progress, critic=self.name == "critic")
        length = scale_to_norm(gradients, settings.max_grad_norm)
        suffix = "/critic" if self.name == "critic" else ""
        stats = {f"grad_norm{suffix}": length, f"learning_rate{suffix}": rate}
        if not gradients or not torch.isfinite(torch.tensor(length)):
            return stats | {"skipped_updates": 1.0}
        if self.optimiser is None:
            self.optimiser = Optimiser(self.modules, settings)
            if self._waiting is not None:
                self.optimiser.restore(self._waiting)
                self._waiting = None
        self.optimiser.step(rate)
        return stats | {"skipped_updates": 0.0}

    def state(self) -> list[State] | None:
        """The optimiser's."""
        return self.optimiser.state() if self.optimiser else self._waiting

    def restore(self, state: list[State] | None) -> None:
        self._waiting, self.optimiser = state, None


def count(networks: Iterable[nn.Module | None]) -> int:
    """Parameters that some networks hold together, each tensor once."""
    return sum({id(p): p.numel() for n in networks if n is not None for p in n.parameters()}.values())
