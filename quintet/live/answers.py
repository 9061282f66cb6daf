"""The answers of a run by step, read from where they stand in the file: however many gigabytes, a page costs a page."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from quintet.observe.records import Row
from quintet.observe.rollout_groups import prompt_text
from quintet.observe.tail import Tail, parsed

_STEP = re.compile(rb'\{"step": ?(\d+)[,}]')
"""How Quintet's own lines begin; others are read whole."""
MOST_SEARCHED = 32 * 2**20
"""Bytes that one search reads before it answers."""


class Answers:
    """rollouts.jsonl of the run in `folder`, which need not exist yet."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "rollouts.jsonl"
        self._tail = Tail(self.path)
        self._spans: dict[int, tuple[int, int]] = {}
        """First and last byte of each step; a step that a resumed run wrote again counts as it was written last."""
        self.steps: list[int] = []
        """Those with answers, rising."""

    @property
    def read(self) -> float:
        """How much of the file is known, from 0 to 1."""
        return self._tail.at / self._tail.size if self._tail.size else 1.0

    def look(self) -> bool:
        """Find out where the answers added since the last look stand; whether there were any."""
        begun = self._tail.begun
        lines = self._tail.lines()
        if self._tail.begun != begun:
            self._spans = {}
        for line in lines:
            step = _step(line.raw)
            if step is None:
                continue
            start, end = self._spans.get(step, (line.start, line.start))
            self._spans[step] = (start if end == line.start else line.start, line.start + len(line.raw) + 1)
        if lines or self._tail.begun != begun:
            self.steps = sorted(self._spans)
        return bool(lines)

    def nearest(self, step: int) -> int | None:
        """The step with answers that is nearest; None where there is none."""
        return min(self.steps, key=lambda at: (abs(at - step), at), default=None)

    def beside(self, step: int) -> tuple[int | None, int | None]:
        """The steps with answers before and after one that has some."""
        at = bisect_left(self.steps, step)
        after = at + 1 if at < len(self.steps) and self.steps[at] == step else at
        return (self.steps[at - 1] if at else None), (self.steps[after] if after < len(self.steps) else None)

    def of_step(self, step: int) -> list[Row]:
        """A step's answers, each with the byte at which its line begins (`at`); ValueError where there are none."""
        if step not in self._spans:
            raise ValueError(f"Step {step} has no answers.")
        return [{**row, "at": at} for at, row in _rows(self.path, *self._spans[step])]

    def one(self, at: int) -> Row:
        """The answer whose line begins at a byte; ValueError where none does."""
        with self.path.open("rb") as file:
            file.seek(max(0, at - 1))
            whole_line = at == 0 or file.read(1) == b"\n"
            row = parsed(file.readline()) if whole_line else None
        if row is None:
            raise ValueError(f"No answer begins at byte {at}.")
        return row


class Found(NamedTuple):
    """What a search has found so far."""

    rows: list[Row]
    """Each with its `at`."""
    next: int | None
    """The byte to go on from; None where the file ended."""


def search(path: Path, wanted: str, start: int = 0, most: int = 20) -> Found:
    """The answers whose text or prompt holds `wanted` (upper or lower case alike), from a byte of the file on."""
    plain = json.dumps(wanted)[1:-1].encode().lower() if wanted.isascii() else b""
    found: list[Row] = []
    if not path.is_file():
        return Found([], None)
    with path.open("rb") as file:
        file.seek(start)
        at = start
        for raw in file:
            if plain in raw.lower() and (row := parsed(raw)) is not None and _holds(row, wanted):
                found.append({**row, "at": at})
            at += len(raw)
            if len(found) >= most or at - start >= MOST_SEARCHED:
                return Found(found, at)
    return Found(found, None)


def _holds(row: Row, wanted: str) -> bool:
    low = wanted.lower()
    return low in str(row.get("text", "")).lower() or low in prompt_text(row.get("prompt")).lower()


def _rows(path: Path, start: int, end: int) -> Iterator[tuple[int, Row]]:
    with path.open("rb") as file:
        file.seek(start)
        at = start
        while at < end and (raw := file.readline()):
            if (row := parsed(raw)) is not None:
                yield at, row
            at += len(raw)


def _step(raw: bytes) -> int | None:
    if match := _STEP.match(raw):
        return int(match[1])
    row: dict[str, Any] = parsed(raw) or {}
    step = row.get("step")
    return step if isinstance(step, int) and not isinstance(step, bool) else None
