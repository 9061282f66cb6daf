"""An engine builds a policy, a sampler and a learner. `embedded` keeps language models in this process; `control` plays
environments with small networks. Which one a run has is its task's affair: the attribute `engine`, or else `embedded`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Engine:
    """How the parts of a run are made that depend on what kind of policy it trains."""

    load: Callable[..., Any]
    """(name, task, seed) → a policy: it has a `model`, a `tokenizer` (None where there are no texts), `save(folder)`
    and `keep(folder)`, which leaves what a resumed run needs."""
    sampler: Callable[..., Any]
    """(policy, device, dtype, frozen=…) → `protocols.Sampler` of the policy or of what it was; `watch` is told of progress."""
    learner: Callable[..., Any]
    """(policy, device, sampling, micro_batch, dtype, recompute) → `protocols.Learner`."""
    remarks: Callable[..., Iterable[str]]
    """(policy, device, machine settings) → sentences that a user should know before a run."""
    foresee: Callable[..., tuple[int, str]] | None = None
    """(learner, stage, policy, run) → bytes that a stage is expected to need at its peak, and that in a sentence."""


def engine_of(task: Any) -> Engine:
    """The engine that a task's policies run on."""
    return import_module(f"quintet.engines.{getattr(task, 'engine', 'embedded')}").ENGINE
