"""How a batch becomes a step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch

from quintet.data import Batch, select
from quintet.knobs import Count, Fraction, NonNegative, Positive
from quintet.protocols import Learner, Loss, Stats

COUNTS = ("nonfinite_answers", "skipped_updates")
"""Stats that are numbers of things, and are added up over the parts of a batch."""


@dataclass(frozen=True)
class FirstOrder:
    """Gradient steps: `epochs` passes over the batch, each in `minibatches` parts with one optimiser step a part."""

    lr: Positive = 1e-5
    """Peak learning rate. About 1e-6 for a pretrained model trained whole, 1e-5 with adapters, 1e-4 to 1e-3 for a small
    model from random weights."""
    optimiser: Literal["adamw", "muon"] = "adamw"
    """adamw; or muon for the weight matrices (orthogonalised momentum, Jordan 2024) and AdamW for the rest: it learned
    mazes from random weights in half the steps (docs/log.md)."""
    betas: tuple[Fraction, Fraction] = (0.9, 0.95)
    """Decay of AdamW's running means of the gradient and of its square."""
    weight_decay: NonNegative = 0.0
    """Decoupled decay of the weights, per unit of learning rate."""
    max_grad_norm: Positive = 1.0
    """A longer gradient is shrunk to this norm."""
    schedule: Literal["constant", "cosine"] = "constant"
    """After the warm-up the learning rate stays, or falls along a half cosine to a tenth of its peak."""
    warmup: Fraction = 0.0
    """Share of the stage in which the learning rate rises from 0 to its peak."""
    epochs: Count = 1
    """Passes over each batch (μ in DeepSeekMath's Algorithm 1)."""
    minibatches: Count = 1
    """Optimiser steps in each pass."""

    def check(self, stage: Any) -> list[str]:
        """What does not fit in a stage (`settings.Stage`), in sentences."""
        if self.minibatches <= stage.prompts_per_step:
            return []
        return [
            f"A step's {stage.prompts_per_step} prompts, whose answers stay together, can't be split into "
            f"minibatches={self.minibatches}. Set minibatches={stage.prompts_per_step} or less, or raise prompts_per_step."
        ]

    @property
    def visits_once(self) -> bool:
        """Whether the policy that learns is the one that sampled: then the old log-probabilities are the pass's own."""
        return self.epochs == self.minibatches == 1

    def learning_rate(self, progress: float) -> float:
        """The rate at `progress` ∈ [0, 1] of the stage.  Example: lr=1, warmup=.1 gives .5 at progress .05."""
        if progress < self.warmup:
            return self.lr * progress / self.warmup
        if self.schedule == "constant" or self.warmup >= 1:
            return self.lr
        along = (progress - self.warmup) / (1 - self.warmup)
        return self.lr * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * along)))

    def __call__(self, learner: Learner, loss: Loss, batch: Batch) -> Stats:
        """Learn from `batch`; the mean of every part's stats, the sum of what they counted."""
        parts = [learner.gradient(loss, part) | learner.apply(self, batch.progress) for part in self.parts(batch)]
        keys = dict.fromkeys(key for part in parts for key in part)
        found = {key: [part[key] for part in parts if key in part] for key in keys}  # a part without signal has few stats
        return {key: sum(values) / (1 if key in COUNTS else len(values)) for key, values in found.items()}

    def parts(self, batch: Batch) -> Iterator[Batch]:
        """Shuffled minibatches. A part's weights are scaled up by the number of parts, so that its gradient is an
        unbiased estimate of the whole batch's and a token counts the same whichever part it falls into."""
        if self.minibatches == 1:
            yield from (batch for _ in range(self.epochs))
            return
        groups = batch.group.unique().cpu()  # siblings stay together: a pair must not be separated
        for _ in range(self.epochs):
            for chosen in groups[torch.randperm(len(groups))].chunk(self.minibatches):
                rows = torch.isin(batch.group, chosen.to(batch.group.device)).nonzero()[:, 0]
                part = select(batch, rows)
                yield replace(part, weight=part.weight * (len(groups) / len(chosen)))
