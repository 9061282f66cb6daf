"""What a report needs of a run, read once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from quintet.observe import records
from quintet.observe.records import Row, number
from quintet.report.curves import stages


@dataclass(frozen=True)
class Facts:
    """The files of a run's folder, each empty where there is none."""

    name: str
    """The folder's name."""
    steps: list[Row]
    evaluations: list[Row]
    first_rollouts: list[Row]
    """Those of the first step that sampled any."""
    last_rollouts: list[Row]
    settings_text: str
    settings: Row
    environment: Row

    @property
    def task(self) -> str:
        """The task's name, from the evaluations or else the settings; empty where neither says."""
        if self.evaluations:
            return str(self.evaluations[-1].get("task", ""))
        return named(self.settings.get("task")) or ""

    @property
    def model(self) -> str:
        """The model the run started from; empty where the settings don't say."""
        machine = self.settings.get("machine")
        inner = machine.get("model") if isinstance(machine, Mapping) else None
        return named(self.settings.get("model")) or named(inner) or named(self.environment.get("model")) or ""

    @property
    def stages(self) -> list[tuple[str, int]]:
        """Name and number of steps done, in order."""
        return [(name, len(rows)) for name, rows in stages(self.steps)]

    def total(self, key: str) -> float:
        """The sum of a metric over all steps; NaN where no step has it."""
        values = [v for row in self.steps if isfinite(v := number(row, key))]
        return sum(values) if values else float("nan")

    def largest(self, key: str) -> float:
        """The largest value of a metric; NaN where no step has it."""
        return max((v for row in self.steps if isfinite(v := number(row, key))), default=float("nan"))


def named(value: Any) -> str | None:
    """A name, or the name in a table of settings.  Example: named({"name": "maze"}) == "maze" == named("maze")"""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return next((value[key] for key in ("name", "model", "path", "id") if isinstance(value.get(key), str)), None)
    return None


def read_facts(run: Path) -> Facts:
    """Everything the report shows. ValueError where the folder is no run or a file in it can't be read."""
    records.require_run(run)
    first, last = records.first_and_last_rollouts(run)
    text, settings = records.settings(run)
    return Facts(
        run.resolve().name,
        records.steps(run),
        records.evaluations(run),
        first,
        last,
        text,
        settings,
        records.environment(run),
    )
