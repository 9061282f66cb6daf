"""The runs of a comparison as numbers: curves, outcomes problem by problem, and what each run cost."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from pathlib import Path
from typing import Any

import numpy as np

from quintet import comparisons
from quintet.advise.diagnosis import Diagnosis, diagnosis_of
from quintet.comparisons import RunAt
from quintet.observe import records
from quintet.observe.records import Row, number
from quintet.statistics import Array


@dataclass(frozen=True)
class Finished:
    """A run that has ended, and what came of it."""

    at: RunAt
    evaluations: list[Row]
    """From the start's to the last one."""
    diagnosis: Diagnosis
    passes: float
    """Answers differentiated for each answer sampled, once for each network."""

    def curve(self, key: str) -> Array:
        """`score`, `num_sampled_tokens`, `num_tokens` or `seconds` at each evaluation."""
        return np.array([number(row, key) for row in self.evaluations])

    @property
    def last(self) -> Row:
        return self.evaluations[-1]


def collect(folder: Path) -> tuple[list[RunAt], dict[str, list[Finished]]]:
    """Every run, and the finished ones by label. ValueError where a finished run has no held-out score."""
    runs = comparisons.runs_of(folder)
    finished: dict[str, list[Finished]] = {}
    for run in runs:
        finished.setdefault(run.label, [])
        if run.status["state"] == "done":
            finished[run.label].append(_finished(run))
    return runs, finished


def _finished(run: RunAt) -> Finished:
    evaluations = [row for row in records.evaluations(run.folder) if isfinite(number(row, "score"))]
    if len(evaluations) < 2 or "outcomes" not in evaluations[-1]:
        raise ValueError(
            f"{run.folder} has no held-out scores from before and after training, so it can't be compared. Compare with "
            "eval_problems=500 or more, on a task whose answers can be scored."
        )
    steps = records.steps(run.folder)
    passes = [p for p in (number(row, "backward_passes") for row in steps) if isfinite(p)]
    mean = sum(passes) / len(passes) if passes else nan
    return Finished(run, evaluations, diagnosis_of(steps, evaluations[0], evaluations[-1]), mean)


def outcomes(finished: dict[str, list[Finished]]) -> tuple[dict[str, Array], Array, int]:
    """Scores [seeds, problems] by label, the problems' levels [problems], and how many problems were left out because an answer
    of some run to them could not be judged. ValueError where runs answered different problems."""
    rows = {label: [run.last["outcomes"] for run in runs] for label, runs in finished.items() if runs}
    shapes = {tuple((level, len(some)) for level, some in row.items()) for found in rows.values() for row in found}
    if len(shapes) > 1:
        raise ValueError("These runs were scored on different problems, so they can't be compared. Use one eval_problems.")
    strata = np.array([float(i) for i, (_, n) in enumerate(next(iter(shapes))) for _ in range(n)])
    scores = {label: np.array([_flat(row) for row in found]) for label, found in rows.items()}
    known = np.all([np.isfinite(some).all(0) for some in scores.values()], axis=0)
    return {label: some[:, known] for label, some in scores.items()}, strata[known], int((~known).sum())


def _flat(row: dict[str, list[Any]]) -> list[float]:
    return [nan if value is None else float(value) for some in row.values() for value in some]
