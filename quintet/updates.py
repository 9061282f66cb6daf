"""How a batch becomes a step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt, Le

from quintet.data import Batch, Outputs, select
from quintet.equations.divergences import kl_k3
from quintet.equations.natural import Vector, add, conjugate_gradients, longest_step
from quintet.equations.reduce import dot, norm, token_weights
from quintet.knobs import Count, Fraction, NonNegative, Positive, Whole
from quintet.protocols import Learner, Loss, Stats, Terms

COUNTS = ("nonfinite_answers", "skipped_updates", "num_updates")
"""Stats that are numbers of things, and are added up over the parts of a batch."""


@dataclass(frozen=True)
class FirstOrder:
    """Gradient steps: `epochs` passes over the batch, each in `minibatches` parts with one optimiser step a part."""

    lr: Annotated[float, Gt(0), Le(1)] = 1e-5
    """Peak learning rate: by how much AdamW may change a weight in a step. About 1e-6 for a pretrained model
    trained whole, 1e-5 with adapters, 1e-4 to 1e-3 for a small model from random weights."""
    optimiser: Literal["adamw", "muon", "adafactor"] = "adamw"
    """adamw; or muon for the weight matrices (orthogonalised momentum, Jordan 2024) and AdamW for the rest: it learned
    mazes from random weights in half the steps (docs/log.md); or adafactor (Shazeer & Stern 2018), which remembers next to
    nothing of a matrix where AdamW remembers twice its size, and whose steps are relative to the weights' own size: take
    some thirty times AdamW's `lr`."""
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
    target_kl: NonNegative = 0.0
    """No further steps on a batch once the policy has moved this far on it: the estimate of KL(old ‖ new) in nats a token. It
    matters with several epochs or minibatches; 0 sets no end."""
    critic_lr: NonNegative = 0.0
    """Learning rate of a critic that is a network of its own; 0 takes `lr`."""

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

    def learning_rate(self, progress: float, critic: bool = False) -> float:
        """The rate at `progress` ∈ [0, 1] of the stage.  Example: lr=1, warmup=.1 gives .5 at progress .05."""
        peak = (critic and self.critic_lr) or self.lr
        if progress < self.warmup:
            return peak * progress / self.warmup
        if self.schedule == "constant" or self.warmup >= 1:
            return peak
        along = (progress - self.warmup) / (1 - self.warmup)
        return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * along)))

    def __call__(self, learner: Learner, loss: Loss, batch: Batch) -> Stats:
        """Learn from `batch`; the mean of every part's stats, the sum of what they counted."""
        parts: list[Stats] = []
        for part in self.parts(batch):
            stats = learner.gradient(loss, part)
            if self.target_kl and stats.get("approx_kl", 0.0) > self.target_kl:
                parts.append({"approx_kl": stats["approx_kl"]})
                break
            parts.append({**stats, **learner.apply(self, batch.progress), "num_updates": 1.0})
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


@dataclass(frozen=True)
class NaturalStep:
    """The longest step along the natural gradient that keeps KL(old ‖ new) ≤ δ; then first-order steps for the critic, if there
    is one.  Source: TRPO, arXiv:1502.05477, §6 and app. C."""

    max_kl: Positive = 0.01
    """δ: the mean over the batch's tokens of KL(old ‖ new), in nats, that a step may cost. It is measured, never exceeded."""
    cg_iterations: Count = 10
    """Iterations of conjugate gradients, each two backward passes over the Fisher's share of the batch."""
    damping: NonNegative = 0.1
    """Added to the Fisher matrix's diagonal."""
    fisher_share: Fraction = 0.2
    """Share of the batch's groups, drawn at random, that the Fisher matrix is estimated on; one group at least."""
    probe: Positive = 1e-3
    """Length, in parameter space, of the shift by which its products with vectors are measured (central differences). Ten times
    as long, and the steep directions that conjugate gradients ask for bend; a tenth, and float32 rounds the flat ones away."""
    backtracks: Whole = 10
    """How often a step is shortened until the surrogate improves and the KL is within δ; after that no step is taken."""
    shrink: Fraction = 0.5
    """The factor by which it is shortened."""
    critic_lr: Positive = 1e-4
    """Learning rate of the critic, which learns by AdamW."""
    critic_epochs: Count = 2
    """Passes of the critic over each batch."""
    critic_minibatches: Count = 4
    """Its optimiser steps in each pass."""

    @property
    def critic(self) -> FirstOrder:
        """The critic's own update."""
        return FirstOrder(lr=self.critic_lr, epochs=self.critic_epochs, minibatches=self.critic_minibatches)

    def __call__(self, learner: Learner, loss: Loss, batch: Batch) -> Stats:
        """One step of the policy, or none, and the critic's."""
        stats = learner.gradient(loss, batch, only="policy")
        ascent = [-g for g in learner.direction()]
        stats["grad_norm"] = norm(ascent)
        stats |= self._step(learner, loss, batch, ascent, stats)
        if batch.value is not None:
            stats |= self._teach_critic(learner, loss, batch)
        return stats

    def _step(self, learner: Learner, loss: Loss, batch: Batch, ascent: Vector, before: Stats) -> Stats:
        """Direction by conjugate gradients, length by the Fisher's curvature, then backtracking."""
        refused = {"line_search/accepted": 0.0, "line_search/backtracks": float(self.backtracks), "approx_kl": 0.0}
        if not 0 < before["grad_norm"] < math.inf:
            return refused | {"skipped_updates": 1.0}
        sample = self._subsample(batch)
        direction = conjugate_gradients(lambda v: self.fisher(learner, sample, v), ascent, self.cg_iterations)
        curvature = dot(direction, self.fisher(learner, sample, direction)) if norm(direction) else 0.0
        length = longest_step(curvature, self.max_kl)
        for backtracks in range(self.backtracks + 1 if length else 0):
            scale = length * self.shrink**backtracks
            with learner.shifted(direction, scale):
                found = learner.evaluate(loss, batch, only="policy")
            lost = found["nonfinite_answers"] > before["nonfinite_answers"]  # a KL that leaves out answers is no bound
            if not lost and found["loss"] < before["loss"] and found["approx_kl"] <= self.max_kl:
                learner.move(direction, scale)
                return {
                    "line_search/accepted": 1.0,
                    "line_search/backtracks": float(backtracks),
                    "line_search/improvement": before["loss"] - found["loss"],
                    "step_length": scale * norm(direction),
                    "approx_kl": found["approx_kl"],
                    "skipped_updates": 0.0,
                }
        return refused | {"skipped_updates": 1.0}

    def fisher(self, learner: Learner, batch: Batch, v: Vector) -> Vector:
        """(F + damping)·v by central differences: [∇KL(θ + hv) − ∇KL(θ − hv)] / 2h.

        On samples of the old policy k3 estimates KL(old ‖ new); at θ_old its gradient is 0 and its Hessian the sampled Fisher
        matrix. Two ordinary backward passes; no second derivative."""
        h = self.probe / norm(v)
        gradients = []
        for side in (h, -h):
            with learner.shifted(v, side):
                learner.gradient(_divergence, batch, only="policy")
            gradients.append(learner.direction())
        product, down = gradients
        add(product, down, -1.0)
        for x in product:
            x.div_(2 * h)
        add(product, v, self.damping)
        return product

    def _subsample(self, batch: Batch) -> Batch:
        """A random share of the groups, each token weighing the same."""
        groups = batch.group.unique().cpu()
        chosen = groups[torch.randperm(len(groups))[: max(1, round(self.fisher_share * len(groups)))]]
        part = select(batch, torch.isin(batch.group, chosen.to(batch.group.device)).nonzero()[:, 0])
        return replace(part, weight=token_weights(part.action, "token"))

    def _teach_critic(self, learner: Learner, loss: Loss, batch: Batch) -> Stats:
        parts = [
            learner.gradient(loss, part, only="critic") | learner.apply(self.critic, batch.progress)
            for part in self.critic.parts(batch)
        ]
        names = ("loss/value", "grad_norm/critic", "learning_rate/critic")
        return {name: sum(p.get(name, 0.0) for p in parts) / len(parts) for name in names}


def _divergence(new: Outputs, batch: Batch) -> Terms:
    return {"kl": kl_k3(batch.old_logp, new.logp)}
