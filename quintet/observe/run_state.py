"""How a run stands: its state, its place, its score and the time left. One table in the terminal and on the live page."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil, isfinite, nan
from typing import Any

from quintet.observe import records
from quintet.observe.comparison_folder import RunAt
from quintet.observe.history import History
from quintet.observe.records import number

QUIET_SECONDS = 60.0
"""A run that has written nothing for so long, or for ten of its steps, is called quiet."""


@dataclass(frozen=True)
class RunState:
    """What is known of a run now; NaN stands for what isn't."""

    state: str
    """waiting, running, quiet (no news for a while), done, failed or stopped."""
    reason: str
    """Why it failed or stopped, or how long it has been quiet; empty otherwise."""
    stage: str
    step: int
    """Steps done in the whole run."""
    steps: int
    """Steps it is to make; 0 where nobody knows."""
    reward: float
    """Mean over the last ten steps."""
    score: float
    """Held out, newest evaluation, with its 95 % interval."""
    low: float
    high: float
    unit: str
    """solved or reward."""
    tokens_per_second: float
    seconds: float
    """Seconds of training so far."""
    seconds_left: float
    """At the pace of the last steps; later stages, which nobody has timed, are not counted."""


def state_of(run: RunAt, history: History, settings: Mapping[str, Any], clock: Callable[[], float] = time.time) -> RunState:
    """How a run stands by what it has written; `settings` as in its settings.toml."""
    stages = _stages(settings)
    state, reason = _state(run, history, clock())
    newest = history.evaluations[-1] if history.evaluations else {}
    step, last = number(history.last, "step"), history.last
    return RunState(
        state=state,
        reason=reason,
        stage=str(last.get("stage", "")),
        step=int(step) if isfinite(step) else 0,
        steps=sum(_whole(stage, "steps") for stage in stages),
        reward=history.recent("reward"),
        score=number(newest, "score"),
        low=number(newest, "low"),
        high=number(newest, "high"),
        unit=str(newest.get("unit", "reward")),
        tokens_per_second=history.recent("tokens_per_second"),
        seconds=sum(value for value in history.columns.get("step_time", ()) if isfinite(value)),
        seconds_left=_seconds_left(history, stages) if state == "running" else nan,
    )


def settings_of(run: RunAt) -> Mapping[str, Any]:
    """The run's settings; {} while there are none that can be read."""
    try:
        return records.settings(run.folder)[1]
    except ValueError:
        return {}


def _state(run: RunAt, history: History, now: float) -> tuple[str, str]:
    """The comparison's word, or else what the folder's files tell."""
    told = str(run.status.get("state", ""))
    if told:
        return told, str(run.status.get("reason") or "")
    if (run.folder / "model").is_dir() and not _is_newer(run, "metrics.jsonl", "model"):
        return "done", ""
    if not len(history) and not history.evaluations:
        return "waiting", ""
    silent = now - max((file.stat().st_mtime for file in run.folder.glob("*.jsonl")), default=now)
    pace = history.recent("step_time", 50)
    if silent > max(QUIET_SECONDS, 10 * pace if isfinite(pace) else 0.0):
        return "quiet", f"no news for {ceil(silent / 60)} min"
    return "running", ""


def _is_newer(run: RunAt, one: str, other: str) -> bool:
    path = run.folder / one
    return path.is_file() and path.stat().st_mtime > (run.folder / other).stat().st_mtime


def _stages(settings: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = settings.get("stage")
    return [stage for stage in found if isinstance(stage, Mapping)] if isinstance(found, list) else []


def _whole(facts: Mapping[str, Any], key: str) -> int:
    value = number(facts, key)
    return int(value) if isfinite(value) else 0


def _seconds_left(history: History, stages: list[Mapping[str, Any]]) -> float:
    """What the stage under way still takes: the steps it has left, or the tokens it may still sample if those end earlier."""
    pace = history.recent("step_time", 50)
    steps = number(history.last, "stage_steps") - number(history.last, "stage_step")
    index = number(history.last, "stage_index")
    stage = stages[int(index)] if isfinite(index) and 0 <= index < len(stages) else {}
    budget, sampled = number(stage, "token_budget"), history.columns.get("num_sampled_tokens")
    if budget > 0 and sampled:
        begin = history.stages[-1][1]
        before = sampled[begin - 1] if begin else 0.0
        done = len(history) - begin
        rate = (sampled[-1] - before) / done if done else nan
        if isfinite(rate) and rate > 0:
            steps = min(steps, max(0.0, budget - (sampled[-1] - before)) / rate)
    return pace * steps
