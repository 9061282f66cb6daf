"""Evaluations beside one another: what each level scored before and after, and whether the intervals are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

from quintet.observe.records import number

ALL = "all"
"""The name of the row that counts every problem."""


@dataclass(frozen=True)
class Cell:
    """One score and its interval."""

    score: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Line:
    """One level (or all of them) across the evaluations."""

    level: str
    cells: tuple[Cell | None, ...]
    """One for each evaluation; None where it had no such level."""

    @property
    def change(self) -> float | None:
        """The last score minus the one before; None where one of them is missing."""
        if len(self.cells) < 2 or self.cells[-1] is None or self.cells[-2] is None:
            return None
        return self.cells[-1].score - self.cells[-2].score

    @property
    def apart(self) -> bool | None:
        """Whether the last two intervals have no point in common; None where one of them is missing."""
        if self.change is None:
            return None
        old, new = self.cells[-2], self.cells[-1]
        if old is None or new is None or not all(map(isfinite, (old.low, old.high, new.low, new.high))):
            return None
        return new.low > old.high or new.high < old.low


@dataclass(frozen=True)
class Comparison:
    """All evaluations on one split of one task."""

    task: str
    split: str
    unit: str
    """solved: scores are shares of problems; reward: they are mean rewards."""
    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    """Levels in the order they were first seen, then `all`."""

    @property
    def total(self) -> Line:
        return self.lines[-1]


def comparisons(evaluations: Sequence[Mapping[str, Any]], columns: int = 4) -> list[Comparison]:
    """One comparison for each task and split, in the order first seen; the first evaluation and the latest ones are kept.

    Example: two evaluations of 0.61 (0.58–0.64) and 0.72 (0.69–0.75) give total.change == 0.11, total.apart == True
    """
    kinds: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
    for row in evaluations:
        kind = (str(row.get("task", "")), str(row.get("split", "")), str(row.get("unit", "reward")))
        kinds.setdefault(kind, []).append(row)
    return [_comparison(*kind, kept_columns(rows, columns)) for kind, rows in kinds.items()]


def kept_columns(rows: Sequence[Mapping[str, Any]], columns: int) -> list[Mapping[str, Any]]:
    """The first row and the last ones, `columns` (at least 2) together."""
    return list(rows) if len(rows) <= columns else [rows[0], *rows[1 - columns :]]


def _comparison(task: str, split: str, unit: str, rows: Sequence[Mapping[str, Any]]) -> Comparison:
    by_level = [_levels(row) for row in rows]
    names = list(dict.fromkeys(name for levels in by_level for name in levels))
    lines = [Line(name, tuple(_cell(levels.get(name)) for levels in by_level)) for name in names]
    lines.append(Line(ALL, tuple(_cell(row) for row in rows)))
    labels = tuple(str(row.get("label") or f"step {row.get('step', '?')}") for row in rows)
    return Comparison(task, split, unit, labels, tuple(lines))


def _levels(row: Mapping[str, Any]) -> Mapping[str, Any]:
    levels = row.get("levels")
    return levels if isinstance(levels, Mapping) else {}


def _cell(facts: Any) -> Cell | None:
    if not isinstance(facts, Mapping) or not isfinite(number(facts, "score")):
        return None
    n = number(facts, "n")
    return Cell(number(facts, "score"), number(facts, "low"), number(facts, "high"), int(n) if isfinite(n) else 0)


def outcome(example: Mapping[str, Any]) -> str:
    """solved, failed, or the empty string where a task has no such notion.  Example: outcome({"correct": True}) == "solved" """
    correct = example.get("correct")
    return "" if correct is None else "solved" if correct else "failed"


@dataclass(frozen=True)
class Pair:
    """The same problem answered before and after."""

    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def differs(self) -> bool:
        return outcome(self.before) != outcome(self.after)


def pairs(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Pair]:
    """Problems that both have, matched by prompt id; those whose outcome changed come first, otherwise in order."""
    found = {str(example.get("prompt_id")): example for example in before}
    both = [Pair(found[str(e.get("prompt_id"))], e) for e in after if str(e.get("prompt_id")) in found]
    return sorted(both, key=lambda pair: not pair.differs)


def tally(matched: Sequence[Pair]) -> str:
    """What became of them all, so that a choice of a few deceives nobody.

    Example: "Of 8 examples 3 newly solved, 1 newly failed, 4 as before."
    """
    gained = sum(pair.differs and outcome(pair.after) == "solved" for pair in matched)
    lost = sum(pair.differs for pair in matched) - gained
    return f"Of {len(matched)} examples {gained} newly solved, {lost} newly failed, {len(matched) - gained - lost} as before."
