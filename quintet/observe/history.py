"""What a run has written so far, read as it grows and kept as columns of numbers: a long run stays small."""

from __future__ import annotations

from array import array
from itertools import accumulate, islice
from math import isfinite, nan
from pathlib import Path
from typing import Literal

from quintet.observe.records import Row, number
from quintet.observe.tail import Tail, parsed

Axis = Literal["steps", "tokens", "seconds"]
RECENT = 10
"""Steps whose mean stands for "now", and for "when the stage began"."""
BULKY = ("examples", "outcomes", "problems")
"""What an evaluation's row holds for each problem; it stays in the file until somebody asks."""


class History:
    """The metrics and evaluations of the run in `folder`, which need not exist yet. `look` reads what was added."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.evaluations: list[Row] = []
        """Each evaluation without its examples, and where its line begins (`at`)."""
        self._metrics, self._evaluated = Tail(folder / "metrics.jsonl"), Tail(folder / "evaluations.jsonl")
        self._forget()

    def _forget(self) -> None:
        self.columns: dict[str, array[float]] = {}
        self.stages: list[tuple[str, int]] = []
        """Name of each stage and the index of its first step."""
        self.last: Row = {}
        """The newest row of metrics."""

    def __len__(self) -> int:
        return len(self.columns.get("step", ()))

    @property
    def stage_length(self) -> int:
        """Steps done in the stage under way."""
        return len(self) - self.stages[-1][1] if self.stages else 0

    def look(self) -> bool:
        """Read what was added; whether there was anything."""
        begun, at = self._metrics.begun, self._metrics.at
        rows = list(self._metrics.rows())
        if self._metrics.begun != begun:
            self._forget()
        for row in rows:
            self._add(row)
        begun_evaluations = self._evaluated.begun
        lines = self._evaluated.lines()
        if self._evaluated.begun != begun_evaluations:
            self.evaluations = []
        for line in lines:
            if (row := parsed(line.raw)) is not None:
                self._evaluate({**{k: v for k, v in row.items() if k not in BULKY}, "at": line.start})
        return bool(rows or lines) or self._metrics.begun != begun or self._metrics.at != at

    def _add(self, row: Row) -> None:
        length, stage = len(self), str(row.get("stage", ""))
        if not isfinite(number(row, "step")):
            return
        if not self.stages or self.stages[-1][0] != stage or number(row, "stage_step") == 1:
            self.stages.append((stage, length))
        for key, value in row.items():
            if key not in self.columns and (value is None or (isinstance(value, int | float) and not isinstance(value, bool))):
                self.columns[key] = array("d", [nan]) * length
        for key, column in self.columns.items():
            column.append(number(row, key))
        self.last = row

    def _evaluate(self, row: Row) -> None:
        """Add it; the same one (task, split, label, step) written again counts once, the later."""
        same = tuple(row.get(key) for key in ("task", "split", "label", "step"))
        kept = [r for r in self.evaluations if tuple(r.get(key) for key in ("task", "split", "label", "step")) != same]
        self.evaluations = [*kept, row]

    # ---- what others draw ------------------------------------------------------------------------------------------

    def axis(self, kind: Axis) -> list[float]:
        """Where each step lies: its number, the tokens sampled until then, or the seconds of training (evaluations left out).

        Example: steps of 2, 3 and 2 seconds lie at 2, 5 and 7
        """
        if kind == "seconds":
            return list(accumulate(value if isfinite(value) else 0.0 for value in self.columns.get("step_time", ())))
        return list(self.columns.get("num_sampled_tokens" if kind == "tokens" else "step", ()))

    def series(self, key: str, kind: Axis) -> list[tuple[float, float]]:
        """The finite values of a metric at their places on an axis."""
        values = self.columns.get(key, ())
        return [(x, y) for x, y in zip(self.axis(kind), values, strict=False) if isfinite(x) and isfinite(y)]

    def scores(self, kind: Axis, what: str = "score") -> list[tuple[float, float]]:
        """The held-out scores of the last evaluation's task and split at their places on an axis."""
        if not self.evaluations:
            return []
        task = self.evaluations[-1].get("task"), self.evaluations[-1].get("split")
        places = dict(zip(self.columns.get("step", ()), self.axis(kind), strict=False)) | {0.0: 0.0}
        own = {"steps": "step", "tokens": "num_sampled_tokens", "seconds": "seconds"}[kind]
        rows = [row for row in self.evaluations if (row.get("task"), row.get("split")) == task]
        told = [(number(r, own) if own in r else places.get(number(r, "step"), nan), number(r, what)) for r in rows]
        return sorted((x, y) for x, y in told if isfinite(x) and isfinite(y))

    def recent(self, key: str, steps: int = RECENT) -> float:
        """The mean of the metric's last finite values in the stage under way; NaN where there is none."""
        some = list(islice(filter(isfinite, reversed(self._stage(key))), steps))
        return sum(some) / len(some) if some else nan

    def first(self, key: str, steps: int = RECENT) -> float:
        """The mean of its first finite values in the stage under way; NaN where there is none."""
        some = list(islice(filter(isfinite, self._stage(key)), steps))
        return sum(some) / len(some) if some else nan

    def _stage(self, key: str) -> array[float]:
        """The metric's values in the stage under way."""
        return self.columns.get(key, array("d"))[len(self) - self.stage_length :]

    def seconds_by_part(self) -> list[tuple[str, float]]:
        """Where the time of all steps went, longest first; `other` is what no part claims."""
        sums = {key[8:]: _sum(column) for key, column in self.columns.items() if key.startswith("seconds/")}
        other = _sum(self.columns.get("step_time", array("d"))) - sum(sums.values())
        parts = sorted(((name, seconds) for name, seconds in sums.items() if seconds > 0), key=lambda part: -part[1])
        return [*parts, ("other", other)] if parts and other > 0.01 * (other + sum(sums.values())) else parts


def _sum(column: array[float]) -> float:
    return sum(value for value in column if isfinite(value))
