"""How long a run of several stages will still take, and how sure that is."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple


class Stage(NamedTuple):
    """A stretch of training as the progress display knows it."""

    name: str
    steps: int
    expected_seconds: float | None = None
    """What the whole stage is thought to take; None: nobody knows before it has begun."""


class TimeLeft:
    """The current stage goes on at the mean pace of its recent steps. A stage not begun takes what was expected of it, times
    how wrong the expectation of the current stage turned out to be; without an expectation it counts nothing and `seconds`
    says "at least"."""

    def __init__(self, stages: Sequence[Stage], window: int = 50) -> None:
        self._stages = stages
        self._recent: deque[float] = deque(maxlen=window)
        self._stage = -1

    def step(self, stage: int, seconds: float) -> None:
        """A step of stage number `stage` (from 0) took so many seconds."""
        if stage != self._stage:
            self._recent.clear()
            self._stage = stage
        self._recent.append(seconds)

    def seconds(self, steps_done: int) -> tuple[float, bool] | None:
        """Seconds left after `steps_done` of the current stage, and whether they are only a lower bound; None before any step.

        Example: 10 of 20 steps at 2 s, then a stage expected to take 60 s: (80.0, False), if this one was expected to take 40
        """
        if not self._recent:
            return None
        pace = sum(self._recent) / len(self._recent)
        current = self._stages[self._stage]
        later = self._stages[self._stage + 1 :]
        wrong = pace * current.steps / current.expected_seconds if current.expected_seconds else 1.0
        left = pace * max(0, current.steps - steps_done) + sum(wrong * (stage.expected_seconds or 0.0) for stage in later)
        return left, any(stage.expected_seconds is None for stage in later)
