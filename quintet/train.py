"""The loop. It never learns which algorithm, task or engine it runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from quintet.protocols import Algorithm, Learner, Observer, Source


def train(
    algorithm: Algorithm, learner: Learner, source: Source, observers: Sequence[Observer], steps: int, first: int = 0
) -> None:
    """Steps `first` to `steps` of a stage that is `steps` long. Schedules follow the steps, or the source's budget where that
    is nearer to its end."""
    spent = getattr(source, "spent", lambda: 0.0)
    share = spent()
    notes_of = getattr(algorithm, "notes", lambda batch: {})
    for step, batch in zip(range(first, steps), source):  # noqa: B905 (a source may be endless)
        batch = learner.annotate(replace(batch, progress=max(step / steps, share)), algorithm.needs)
        batch = replace(batch, advantage=algorithm.advantage(batch))
        batch = replace(batch, weight=algorithm.weight(batch))
        stats = algorithm.update(learner, algorithm.loss, batch)
        learner.notes = notes_of(batch)
        source.sync(learner)
        for observe in observers:
            observe(step, batch, {**stats, **learner.notes})
        share = spent()
