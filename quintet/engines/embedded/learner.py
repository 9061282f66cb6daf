"""The learner: gradients in micro-batches, one optimiser, float32 master weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor

from quintet.data import Batch, Needs, Outputs, Sampling, select
from quintet.engines.embedded.device import precision
from quintet.engines.embedded.forward import outputs
from quintet.engines.embedded.optimisers import Optimiser
from quintet.equations.divergences import kl_k3
from quintet.equations.reduce import Means, scale_to_norm, weighted_sum
from quintet.models.load import Policy
from quintet.protocols import Loss, State, Stats
from quintet.updates import FirstOrder


class EmbeddedLearner:
    """`protocols.Learner` on a transformers module in this process.

    `sampling` is the distribution that log-probabilities speak about; `micro_batch` bounds the answers in one pass (0: all).
    """

    def __init__(
        self, policy: Policy, device: torch.device, sampling: Sampling, micro_batch: int = 0, dtype: str = "float32"
    ) -> None:
        self.model = policy.model.to(device)  # type: ignore[arg-type]
        self.device, self.sampling, self.micro_batch, self.dtype = device, sampling, micro_batch, dtype
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.reference: torch.nn.Module | None = None
        self.optimiser: Optimiser | None = None

    # ---- columns -------------------------------------------------------------------------------------------------------

    def annotate(self, batch: Batch, needs: Needs) -> Batch:
        """The batch on this device, with the columns that `needs` names."""
        if needs.critic or needs.pairs:
            missing = "holds no critic" if needs.critic else "keeps no pairs together"
            raise ValueError(f"The embedded engine {missing} yet; choose an algorithm that needs none: reinforce or grpo.")
        moved = {f.name: getattr(batch, f.name) for f in fields(batch)}
        batch = replace(batch, **{k: v.to(self.device) for k, v in moved.items() if isinstance(v, Tensor)})
        if needs.reference and self.reference is None:
            self.reference = copy.deepcopy(self.model).requires_grad_(False)
        if needs.old:
            batch = replace(batch, old_logp=self._logp(self.model, batch))
        if needs.reference and self.reference is not None:
            batch = replace(batch, ref_logp=self._logp(self.reference, batch))
        return batch

    @torch.no_grad()
    def _logp(self, model: torch.nn.Module, batch: Batch) -> Tensor:
        model.eval()
        logp = torch.zeros(batch.tokens.shape, device=self.device)
        for rows in self._micro_batches(torch.arange(len(batch.tokens), device=self.device)):
            part = select(batch, rows)
            logp[rows, : part.tokens.shape[1]] = self._forward(model, part).logp
        return logp

    # ---- passes --------------------------------------------------------------------------------------------------------

    def gradient(self, loss: Loss, batch: Batch) -> Stats:
        """Set `.grad` to that of Σ weight · (sum of the loss's terms); the terms' sums and what was seen on the way."""
        for p in self.parameters:
            p.grad = None
        self.model.eval()  # no dropout: the policy that learns must be the one that sampled
        return self._visit(loss, batch, backward=True)

    @torch.no_grad()
    def evaluate(self, loss: Loss, batch: Batch) -> Stats:
        """The same sums, without a gradient."""
        self.model.eval()
        return self._visit(loss, batch, backward=False)

    def _visit(self, loss: Loss, batch: Batch, backward: bool) -> Stats:
        """Add up the loss over micro-batches. Rows of no weight are not visited: they could add nothing."""
        sums: dict[str, float] = {"loss": 0.0, "nonfinite_answers": 0.0}
        means = Means()
        for rows in self._micro_batches(_by_length(batch, (batch.weight != 0).any(1).nonzero()[:, 0])):
            part, new = self._finite(select(batch, rows))
            sums["nonfinite_answers"] += len(rows) - len(part.tokens)
            if len(part.tokens) == 0:
                continue
            if part.old_logp is None:  # on-policy: this pass is the old policy's, and the ratio is exactly 1
                part = replace(part, old_logp=new.logp.detach())
            seen = part.action & (part.weight != 0)
            value = torch.zeros((), device=self.device)
            for name, term in loss(new, part).items():
                if term.dtype == torch.bool:
                    means.add(name, term.double(), seen)
                else:
                    summed = weighted_sum(term, part.weight)
                    value = value + summed
                    sums[f"loss/{name}"] = sums.get(f"loss/{name}", 0.0) + float(summed.detach())
            if backward:
                value.backward()
            sums["loss"] += float(value.detach())
            _watch(means, new, part, seen)
        return sums | means.result()

    def _finite(self, part: Batch) -> tuple[Batch, Outputs]:
        """A forward pass over the rows whose log-probabilities are finite: one bad answer must not spoil the others."""
        new = self._forward(self.model, part)
        columns = (new.logp, part.old_logp, part.ref_logp, part.behaviour_logp)
        fine = torch.stack([torch.isfinite(c) | ~part.action for c in columns if c is not None]).all(0).all(1)
        if bool(fine.all()):
            return part, new
        part = select(part, fine.nonzero()[:, 0]) if bool(fine.any()) else replace(part, tokens=part.tokens[:0])
        return part, (self._forward(self.model, part) if len(part.tokens) else new)

    def _forward(self, model: torch.nn.Module, batch: Batch) -> Outputs:
        with precision(self.device, self.dtype):
            return outputs(model, batch, self.sampling)

    def _micro_batches(self, rows: Tensor) -> Sequence[Tensor]:
        return rows.split(self.micro_batch or max(1, len(rows))) if len(rows) else ()

    # ---- steps ---------------------------------------------------------------------------------------------------------

    def apply(self, settings: FirstOrder, progress: float) -> Stats:
        """Clip the gradient by norm and take one optimiser step; no step where nothing was visited or it is not finite."""
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        rate = settings.learning_rate(progress)
        length = scale_to_norm(gradients, settings.max_grad_norm)
        if not gradients or not torch.isfinite(torch.tensor(length)):
            return {"grad_norm": length, "learning_rate": rate, "skipped_updates": 1.0}
        if self.optimiser is None:
            self.optimiser = Optimiser(self.model, settings)
        self.optimiser.step(rate)
        return {"grad_norm": length, "learning_rate": rate, "skipped_updates": 0.0}

    @contextmanager
    def shifted(self, direction: Sequence[Tensor], scale: float) -> Iterator[None]:
        """Within the context the parameters are θ + scale · direction; afterwards bit for bit what they were."""
        kept = [p.detach().clone() for p in self.parameters]
        try:
            with torch.no_grad():
                for p, d in zip(self.parameters, direction, strict=True):
                    p.add_(d, alpha=scale)
            yield
        finally:
            with torch.no_grad():
                for p, k in zip(self.parameters, kept, strict=True):
                    p.copy_(k)

    # ---- state ---------------------------------------------------------------------------------------------------------

    def weights(self) -> Mapping[str, Tensor]:
        return self.model.state_dict()

    def state(self) -> State:
        """Everything a resumed run needs beside the model's own weights: optimiser and reference."""
        return {
            "optimiser": self.optimiser.state() if self.optimiser else None,
            "reference": self.reference.state_dict() if self.reference else None,
        }

    def restore(self, state: State, settings: FirstOrder) -> None:
        """Go on from `state()`; the model's weights must be the checkpoint's already."""
        if state["optimiser"] is not None:
            self.optimiser = Optimiser(self.model, settings)
            self.optimiser.restore(state["optimiser"])
        if state["reference"] is not None:
            self.reference = copy.deepcopy(self.model).requires_grad_(False)
            self.reference.load_state_dict(state["reference"])


def _by_length(batch: Batch, rows: Tensor) -> Tensor:
    """`rows` so that micro-batches hold rows of like length, and little padding. Siblings stay neighbours: they are moved by
    the longest of their group."""
    groups = torch.zeros(int(batch.group.max()) + 1, dtype=batch.length.dtype, device=batch.length.device)
    longest = groups.scatter_reduce(0, batch.group, batch.length, "amax")[batch.group]
    return rows[longest[rows].argsort(stable=True)]


def _watch(means: Means, new: Outputs, part: Batch, seen: Tensor) -> None:
    """What is worth knowing of every pass, whatever the algorithm."""
    logp = new.logp.detach()
    means.add("entropy", new.entropy.detach(), seen)
    if part.behaviour_logp is not None:
        gap = (logp - part.behaviour_logp).abs()
        means.add("logp_gap/mean", gap, seen)
        means.raise_to("logp_gap/max", gap, seen)
    if part.ref_logp is not None:
        means.add("kl", kl_k3(logp, part.ref_logp), seen)
