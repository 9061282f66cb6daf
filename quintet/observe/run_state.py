"""How a run stands: its state, its place, its score and the time left. One table in the terminal and on the live page."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Mapping, Sequence
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
    """Steps it is to make; 0 where nobody knows, or where a budget ends it."""
    share: float
    """How much of it is done, from 0 to 1, by steps or by the budget that ends it; NaN where nobody knows."""
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
        steps=0 if any(_budgets(stage) for stage in stages) else sum(_whole(stage, "steps") for stage in stages),
        share=1.0 if state == "done" else _share(history, stages),
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


def _budgets(stage: Mapping[str, Any]) -> dict[str, float]:
    """What a stage may use before it ends, whatever steps are left: sampled tokens, seconds of training."""
    found = {"num_sampled_tokens": number(stage, "token_budget"), "seconds": number(stage, "seconds_budget")}
    return {name: amount for name, amount in found.items() if amount > 0}


def _share_of_stage(history: History, stage: Mapping[str, Any]) -> float:
    """How much of the stage under way is done: by its steps, or by the budget that will end it earlier."""
    begin = len(history) - history.stage_length
    tokens = history.columns.get("num_sampled_tokens", array("d"))
    used = {
        "num_sampled_tokens": (tokens[-1] - (tokens[begin - 1] if begin else 0.0)) if tokens else nan,
        "seconds": sum(value for value in history.columns.get("step_time", ())[begin:] if isfinite(value)),
    }
    shares = [used[name] / amount for name, amount in _budgets(stage).items()]
    shares.append(number(history.last, "stage_step") / number(history.last, "stage_steps"))
    return min(1.0, max((share for share in shares if isfinite(share)), default=nan))


def _stage_of(history: History, stages: Sequence[Mapping[str, Any]]) -> tuple[int, Mapping[str, Any]]:
    index = number(history.last, "stage_index")
    place = int(index) if isfinite(index) else len(history.stages) - 1
    return place, stages[place] if 0 <= place < len(stages) else {}


def _share(history: History, stages: Sequence[Mapping[str, Any]]) -> float:
    """How much of the run is done; stages count by their steps, and alike where budgets end them."""
    if not len(history):
        return 0.0
    place, stage = _stage_of(history, stages)
    alike = any(_budgets(each) for each in stages)
    weights = [1 if alike else _whole(each, "steps") for each in stages] or [1]
    done = sum(weights[:place]) + weights[min(place, len(weights) - 1)] * _share_of_stage(history, stage)
    return done / (sum(weights) or 1)


def _seconds_left(history: History, stages: Sequence[Mapping[str, Any]]) -> float:
    """What the stage under way still takes, at the pace of its last steps."""
    if not len(history):
        return nan
    share = _share_of_stage(history, _stage_of(history, stages)[1])
    steps = history.stage_length * (1 - share) / share if share > 0 else nan
    return history.recent("step_time", 50) * steps
