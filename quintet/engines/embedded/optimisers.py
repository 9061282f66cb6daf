"""Optimisers, as an update's settings ask for them."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from quintet.engines.embedded.muon import Muon
from quintet.protocols import State
from quintet.updates import FirstOrder


class Optimiser:
    """AdamW for every parameter; or Muon for the hidden weight matrices and AdamW for the rest, as its author advises
    (Jordan 2024): embeddings, output and scalar heads, norms and biases. Or Adafactor for every parameter."""

    def __init__(self, modules: Sequence[torch.nn.Module], settings: FirstOrder) -> None:
        model, *others = modules
        trained = [p for module in modules for p in module.parameters() if p.requires_grad]
        outer = {id(p) for m in (_embedding(model), *_heads(model), *others) if m is not None for p in m.parameters()}
        if settings.optimiser == "adafactor":
            self.parts: list[torch.optim.Optimizer] = [
                torch.optim.Adafactor(trained, lr=settings.lr, weight_decay=settings.weight_decay)
            ]
            return
        hidden = [p for p in trained if p.dim() == 2 and id(p) not in outer] if settings.optimiser == "muon" else []
        ours = {id(p) for p in hidden}
        rest = [p for p in trained if id(p) not in ours]
        decay = settings.weight_decay
        self.parts = [torch.optim.AdamW(rest, lr=settings.lr, betas=settings.betas, weight_decay=decay)]
        if hidden:
            self.parts += [Muon(hidden, settings.lr, decay)]

    def step(self, rate: float) -> None:
        """One step at learning rate `rate`."""
        for part in self.parts:
            for group in part.param_groups:
                group["lr"] = rate
            part.step()

    def state(self) -> list[State]:
        return [part.state_dict() for part in self.parts]

    def restore(self, states: list[State]) -> None:
        for part, state in zip(self.parts, states, strict=True):
            part.load_state_dict(state)


def _embedding(model: torch.nn.Module) -> torch.nn.Module | None:
    return model.get_input_embeddings() if hasattr(model, "get_input_embeddings") else None  # type: ignore[operator]


def _heads(model: torch.nn.Module) -> list[torch.nn.Module | None]:
    output = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None  # type: ignore[operator]
    return [output, getattr(model, "score", None)]
