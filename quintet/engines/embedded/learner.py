"""The learner: gradients in micro-batches, one optimiser a network, float32 master weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import fields, replace

import torch
from torch import Tensor
from transformers import PreTrainedModel

from quintet.data import Batch, Fact, Needs, Network, Outputs, Sampling, select
from quintet.engines.embedded import forward
from quintet.engines.embedded.device import precision
from quintet.engines.embedded.memory import paying, until_it_fits
from quintet.engines.embedded.networks import Trained
from quintet.engines.embedded.packing import num_tokens
from quintet.equations.divergences import kl_k3
from quintet.equations.reduce import Means, weighted_sum
from quintet.models.frozen import Frozen
from quintet.models.heads import judges_steps, scalar_model, value_head
from quintet.models.load import Policy
from quintet.models.recompute import recomputed
from quintet.protocols import Loss, State, Stats
from quintet.updates import FirstOrder


class EmbeddedLearner:
    """`protocols.Learner` on transformers modules in this process: the policy and, once an algorithm asked for them, a frozen
    reference (its own earlier weights), a critic (a network, or a head on the policy) or a reward model (`score`).

    `sampling` is the distribution that log-probabilities speak about; `micro_batch` bounds the answers in one pass (0: all that
    pay).
    """

    scalar_model, value_head = staticmethod(scalar_model), staticmethod(value_head)

    def __init__(
        self,
        policy: Policy,
        device: torch.device,
        sampling: Sampling,
        micro_batch: int = 0,
        dtype: str = "float32",
        recompute: bool = False,
    ) -> None:
        self.model: PreTrainedModel = policy.model.to(device)  # type: ignore[arg-type]
        self.device, self.sampling, self.micro_batch, self.dtype = device, sampling, micro_batch, dtype
        self.recompute, self.small_passes = recompute, device.type == "cpu" and not micro_batch
        self._shared = 0
        """Answers that shared a pass at last."""
        self.networks: dict[Network, Trained] = {"policy": Trained("policy", self.model)}
        self.reference: Frozen | None = None
        self.critic: PreTrainedModel | None = None
        self.score: PreTrainedModel | None = None
        self.head: torch.nn.Linear | None = None
        self.notes: Mapping[str, float] = {}
        self.needs = Needs()
        self.backward_answers = 0
        """Answers that were differentiated so far, counted once for each network and pass."""

    @property
    def parameters(self) -> list[torch.nn.Parameter]:
        """The policy's, and those of a head on its trunk."""
        return self.networks["policy"].parameters

    @property
    def trained(self) -> list[PreTrainedModel]:
        """The models that get a gradient."""
        held: dict[Network, PreTrainedModel | None] = {"policy": self.model, "critic": self.critic, "score": self.score}
        return [model for name in self.networks if (model := held[name]) is not None]

    def prepare(self, needs: Needs, score: PreTrainedModel | None = None) -> None:
        """Make the networks that are needed and not there yet, each from the policy as it is now; or take the `score` that is
        to be trained on."""
        self.needs = needs
        if (needs.reference or needs.frozen_sampler) and self.reference is None:
            self.reference = Frozen(self.model)
        if needs.critic == "separate" and self.critic is None:
            self.critic = self.scalar_model(self.model)
            self.networks["critic"] = Trained("critic", self.critic)
        if needs.critic == "head" and self.head is None:
            self.head = self.value_head(self.model)
            self.networks["policy"] = Trained("policy", self.model, self.head)
        if needs.score and self.score is None:
            self.score = (score or self.scalar_model(self.model, needs.of_steps)).to(self.device)  # type: ignore[arg-type]
            self.networks = {"score": Trained("score", self.score)}

    # ---- columns -------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def annotate(self, batch: Batch, needs: Needs) -> Batch:
        """The batch on this device, with the notes and the columns that `needs` names: 0 in rows without a chosen token."""
        self.prepare(needs)
        return until_it_fits(lambda: self._annotated(batch, needs), lambda: self._halve(batch))

    def _annotated(self, batch: Batch, needs: Needs) -> Batch:
        moved = {f.name: getattr(batch, f.name) for f in fields(batch)}
        batch = replace(batch, **{k: v.to(self.device) for k, v in moved.items() if isinstance(v, Tensor)}, notes=self.notes)
        names = {
            "old_logp": needs.old,
            "entropy": needs.entropy,
            "value": needs.critic != "none",
            "ref_logp": needs.reference,
        }
        columns = {name: torch.zeros(batch.tokens.shape, device=self.device) for name, wanted in names.items() if wanted}
        learnable = _by_length(batch, batch.action.any(1).nonzero()[:, 0])  # in `_visit`'s order: ratios begin at exactly 1
        for rows in self._micro_batches(learnable, batch) if columns else ():
            part = select(batch, rows)
            for name, column in self._columns(part, needs).items():
                columns[name][rows, : part.tokens.shape[1]] = column
        return replace(batch, **columns)

    def _columns(self, part: Batch, needs: Needs) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        if needs.old or needs.entropy or self.head is not None:
            now = self._policy(self.model, part, self.head)
            found |= {"old_logp": now.logp} if needs.old else {}
            found |= {"entropy": now.entropy} if needs.entropy else {}
            found |= {"value": now.value} if self.head is not None else {}
        if self.critic is not None:
            found["value"] = self._values(part)
        if needs.reference and self.reference is not None:
            with self.reference.in_place():
                found["ref_logp"] = self._policy(self.model, part).logp
        return found

    # ---- passes --------------------------------------------------------------------------------------------------------

    def gradient(self, loss: Loss, batch: Batch, only: Network | None = None) -> Stats:
        """Set `.grad` to that of Σ weight · (sum of the loss's terms); the terms' sums and what was seen on the way."""

        def work() -> Stats:
            for network in self.networks.values():
                network.forget_gradient()
            return self._visit(loss, batch, only, backward=True)

        return until_it_fits(work, lambda: self._halve(batch))

    @torch.no_grad()
    def evaluate(self, loss: Loss, batch: Batch, only: Network | None = None) -> Stats:
        """The same sums, without a gradient."""
        return until_it_fits(lambda: self._visit(loss, batch, only, backward=False), lambda: self._halve(batch))

    def _halve(self, batch: Batch) -> bool:
        """Fewer answers in a pass from now on, if there can be."""
        now = min(self.micro_batch or len(batch.tokens), len(batch.tokens), self._shared or len(batch.tokens))
        if now == 1:
            return False
        self.micro_batch = now // 2
        return True

    def _visit(self, loss: Loss, batch: Batch, only: Network | None, backward: bool) -> Stats:
        """Add up the loss over micro-batches. Rows of no weight are not visited: they could add nothing."""
        visited = (batch.weight != 0).any(1)
        unseen = ~visited & ~_finite_rows(batch, batch.old_logp, batch.ref_logp, batch.value, batch.entropy)
        sums: dict[str, float] = {"loss": 0.0, "nonfinite_answers": float(unseen.sum())}
        means = Means()
        for rows in self._micro_batches(_by_length(batch, visited.nonzero()[:, 0]), batch):
            part, new = self._finite(select(batch, rows), only)
            sums["nonfinite_answers"] += len(rows) - len(part.tokens)
            if len(part.tokens) == 0:
                continue
            on_policy = part.old_logp is None and new.logp is not None
            if on_policy:  # this pass is the old policy's, and the ratio is exactly 1
                part = replace(part, old_logp=new.logp.detach())
            seen = part.action & (part.weight != 0)
            value = torch.zeros((), device=self.device)
            for name, term in loss(new, part).items():
                fact = term.value if isinstance(term, Fact) else term.double() if term.dtype == torch.bool else None
                if fact is not None:
                    means.add(name, fact.detach(), seen if fact.shape[1] == seen.shape[1] else seen.any(1, keepdim=True))
                else:
                    summed = weighted_sum(term, part.weight)  # type: ignore[arg-type]
                    value = value + summed
                    sums[f"loss/{name}"] = sums.get(f"loss/{name}", 0.0) + float(summed.detach())
            if backward and value.requires_grad:
                value.backward()
                self.backward_answers += len(part.tokens) * (1 if only else len(self.networks))
            sums["loss"] += float(value.detach())
            if new.logp is not None:
                _watch(means, new, part, seen, on_policy)
        return sums | means.result()

    def _finite(self, part: Batch, only: Network | None) -> tuple[Batch, Outputs]:
        """A forward pass over the rows whose numbers are finite: one bad answer must not spoil the others. Where siblings are
        compared, its group goes with it."""
        new = self._forward(part, only)
        old = (part.old_logp, part.ref_logp, part.behaviour_logp, part.value)
        fine = _finite_rows(part, new.logp, new.value, new.score, *old)
        if self.needs.pairs:
            fine &= ~torch.isin(part.group, part.group[~fine])
        if bool(fine.all()):
            return part, new
        part = select(part, fine.nonzero()[:, 0]) if bool(fine.any()) else replace(part, tokens=part.tokens[:0])
        return part, (self._forward(part, only) if len(part.tokens) else new)

    def _forward(self, batch: Batch, only: Network | None) -> Outputs:
        """The networks that are trained, or the one that is wanted. No dropout: the policy that learns must be the one that
        sampled."""
        wanted = [only] if only else list(self.networks)
        new = self._policy(self.model, batch, self.head) if "policy" in wanted else Outputs()
        if "critic" in wanted and self.critic is not None:
            new = replace(new, value=self._values(batch))
        return replace(new, score=self.scores(batch)) if "score" in wanted else new

    def scores(self, batch: Batch) -> Tensor:
        """The reward model's, [B, 1]; a process reward model's, [B, T]."""
        assert self.score is not None
        said = forward.step_scores if judges_steps(self.score) else forward.scores
        with self.within(self.score):
            return said(self.score, batch)

    def _policy(self, model: PreTrainedModel, batch: Batch, head: torch.nn.Linear | None = None) -> Outputs:
        with self.within(model):
            return forward.outputs(model, batch, self.sampling, head)

    def _values(self, batch: Batch) -> Tensor:
        assert self.critic is not None
        with self.within(self.critic):
            return forward.values(self.critic, batch)

    def within(self, model: PreTrainedModel) -> AbstractContextManager[object]:
        """What a pass runs in: its precision, nothing dropped out, and layers that keep only their inputs if so wished."""
        contexts = ExitStack()
        contexts.enter_context(precision(self.device, self.dtype))
        model.eval()
        if self.recompute and torch.is_grad_enabled():
            contexts.enter_context(recomputed(model))
        return contexts

    def _micro_batches(self, rows: Tensor, batch: Batch) -> Sequence[Tensor]:
        """`rows` in passes of at most `micro_batch`, and no more than pay; where siblings are compared, of whole groups, one at
        least."""
        if len(rows) == 0:
            return ()
        groups, most = batch.group[rows], self.micro_batch or len(rows)
        if self.small_passes:
            most = min(most, paying(len(rows), num_tokens(batch, rows), len(rows) // len(groups.unique())))
        self._shared = most
        if not self.needs.pairs or most >= len(rows):
            return rows.split(most)
        passes: list[list[int]] = []
        for number in dict.fromkeys(groups.tolist()):
            siblings = rows[groups == number].tolist()
            if not passes or len(passes[-1]) + len(siblings) > most:
                passes.append([])
            passes[-1] += siblings
        return [torch.tensor(p, device=rows.device) for p in passes]

    # ---- steps ---------------------------------------------------------------------------------------------------------

    def apply(self, settings: FirstOrder, progress: float) -> Stats:
        """One step of each network that has a gradient; of one that should have and hasn't, a skipped step is counted."""
        asked = [n for n in self.networks.values() if any(p.grad is not None for p in n.parameters)]
        stats = [n.step(settings, progress) for n in asked or self.networks.values()]
        skipped = max(s["skipped_updates"] for s in stats)
        return {key: value for s in stats for key, value in s.items()} | {"skipped_updates": skipped}

    def direction(self) -> list[Tensor]:
        """The policy's gradient, one tensor a parameter, as the last `gradient` set it."""
        return self.networks["policy"].gradient()

    @contextmanager
    def shifted(self, direction: Sequence[Tensor], scale: float) -> Iterator[None]:
        """Within the context the policy's parameters are θ + scale · direction; afterwards bit for bit what they were."""
        kept = [p.detach().clone() for p in self.parameters]
        try:
            self.move(direction, scale)
            yield
        finally:
            with torch.no_grad():
                for p, k in zip(self.parameters, kept, strict=True):
                    p.copy_(k)

    @torch.no_grad()
    def move(self, direction: Sequence[Tensor], scale: float) -> None:
        """The policy's parameters become θ + scale · direction."""
        for p, d in zip(self.parameters, direction, strict=True):
            p.add_(d, alpha=scale)

    # ---- state ---------------------------------------------------------------------------------------------------------

    def weights(self) -> Mapping[str, Tensor]:
        return self.model.state_dict()

    def state(self) -> State:
        """Everything a resumed run needs beside the policy's own weights: the other networks, optimisers, notes."""
        held = {"critic": self.critic, "score": self.score, "head": self.head}
        return {
            "networks": {name: module.state_dict() for name, module in held.items() if module is not None},
            "reference": self.reference.weights if self.reference else None,
            "optimisers": {name: network.state() for name, network in self.networks.items()},
            "notes": dict(self.notes),
            "micro_batch": self.micro_batch,  # sums are split where they were: the same bits
        }

    def restore(self, state: State, needs: Needs) -> None:
        """Go on from `state()`; the policy's weights must be the checkpoint's already."""
        self.prepare(needs)
        held = {"critic": self.critic, "score": self.score, "head": self.head}
        if self.reference and state["reference"]:
            self.reference.restore(state["reference"])
        for name, weights in state["networks"].items():
            module = held[name]
            assert module is not None, f"{name} was saved and isn't needed"
            module.load_state_dict(weights)
        for name, network in self.networks.items():
            network.restore(state["optimisers"].get(name))
        self.notes, self.micro_batch = dict(state["notes"]), state["micro_batch"]


def _finite_rows(batch: Batch, *columns: Tensor | None) -> Tensor:
    """[B] bool: where the columns that are there, [B, T] or [B, 1], are finite at every chosen token."""
    fine = torch.ones_like(batch.length, dtype=torch.bool)
    for column in columns:
        if column is not None:
            fine &= (torch.isfinite(column) | ~batch.action).all(1)
    return fine


def _by_length(batch: Batch, rows: Tensor) -> Tensor:
    """`rows` so that micro-batches hold rows of like length, and little padding. Siblings stay neighbours: they are moved by
    the longest of their group."""
    groups = torch.zeros(int(batch.group.max()) + 1, dtype=batch.length.dtype, device=batch.length.device)
    longest = groups.scatter_reduce(0, batch.group, batch.length, "amax")[batch.group]
    return rows[longest[rows].argsort(stable=True)]


def _watch(means: Means, new: Outputs, part: Batch, seen: Tensor, on_policy: bool) -> None:
    """What is worth knowing of every pass, whatever the algorithm."""
    logp = new.logp.detach()
    means.add("entropy", new.entropy.detach(), seen)
    if not on_policy:
        means.add("approx_kl", kl_k3(part.old_logp, logp), seen)  # KL(old ‖ new): the samples are the old policy's
    if part.behaviour_logp is not None:
        gap = ((logp if on_policy else part.old_logp) - part.behaviour_logp).abs()
        means.add("logp_gap/mean", gap, seen)
        means.raise_to("logp_gap/max", gap, seen)
    if part.ref_logp is not None:
        means.add("kl", kl_k3(logp, part.ref_logp), seen)
