"""How everything stands, in words and numbers that are ready to be shown."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite, nan
from typing import Any, NamedTuple

from quintet.live.watched import Watched, WatchedRun
from quintet.observe.formats import NARROW, duration_in_words, interval, percent, score, short
from quintet.observe.history import RECENT
from quintet.observe.records import number
from quintet.observe.safe_text import visible
from quintet.report.curves import KNOWN


class Shown(NamedTuple):
    """A number worth watching."""

    key: str
    title: str
    note: str
    show: Callable[[float], str]


NUMBERS = 12
"""How many numbers a run shows."""
_BY_KEY = {known.key: known for known in KNOWN}
_ORDER = (
    "reward",
    "loss",
    "accuracy",
    "entropy",
    "kl",
    "approx_kl",
    "completions/mean_length",
    "completions/clipped_ratio",
    "frac_reward_zero_std",
    "grad_norm",
    "tokens_per_second",
    "peak_memory_mb",
    "logp_gap/max",
    "clip_ratio/region_mean",
    "explained_variance",
    "margin",
    "learning_rate",
    "step_time",
)
"""The most telling first; a run shows the first twelve that it has, its held-out score before them."""
_MEMORY = Shown("peak_memory_mb", "Peak memory", "Largest memory the process held.", lambda mb: f"{mb:,.0f}{NARROW}MB")


def overview(watched: Watched) -> dict[str, Any]:
    """The state of every run; a comparison's advice as well."""
    advice = watched.advice if watched.is_comparison else {}
    with watched.lock:
        runs = [_run(identity, run) for identity, run in watched.runs.items()]
    return {
        "name": watched.folder.resolve().name,
        "kind": "comparison" if watched.is_comparison else "run",
        "version": watched.version,
        "runs": runs,
        "advice": [
            visible(str(s)) for s in [*advice.get("warnings", []), *advice.get("sentences", []), advice.get("next")] if s
        ],
    }


def _run(identity: str, run: WatchedRun) -> dict[str, Any]:
    state, steps = run.state, run.answers.steps
    held_out = f"{score(state.score, state.unit)} {interval(state.low, state.high, state.unit)}".strip()
    return {
        "id": identity,
        "label": visible(run.at.label),
        "name": visible(run.name),
        "state": state.state,
        "reason": visible(state.reason),
        "stage": visible(state.stage),
        "step": state.step,
        "steps": state.steps,
        "share": state.share if isfinite(state.share) else None,
        "reward": short(state.reward) if isfinite(state.reward) else "",
        "score": held_out if isfinite(state.score) else "",
        "speed": f"{state.tokens_per_second:,.0f}" if isfinite(state.tokens_per_second) else "",
        "elapsed": duration_in_words(state.seconds) if state.seconds else "",
        "left": duration_in_words(state.seconds_left) if isfinite(state.seconds_left) else "",
        "numbers": numbers(run),
        "time": _time(run),
        "answers": {"first": steps[0], "last": steps[-1], "count": len(steps)} if steps else None,
        "read": run.answers.read,
        "moments": [
            {"id": f"e{row['at']}", "name": visible(f"held out: {row.get('label') or row.get('step')}")}
            for row in run.history.evaluations
        ],
    }


def numbers(run: WatchedRun) -> list[dict[str, str]]:
    """Up to twelve numbers: what they are now, and what they were when the stage began."""
    history, state = run.history, run.state
    found = []
    if isfinite(state.score):
        first = history.evaluations[0]
        started = score(number(first, "score"), state.unit) if len(history.evaluations) > 1 else ""
        unit = "held-out problems solved" if state.unit == "solved" else "mean reward on held-out problems"
        told = f"{score(state.score, state.unit)}"
        found.append(_number("Held-out score", told, started, f"{unit}, 95 % interval "
                             f"{interval(state.low, state.high, state.unit)}"))  # fmt: skip
    for key in _ORDER:
        known = _MEMORY if key == "peak_memory_mb" else _BY_KEY[key]
        now = history.recent(key)
        if not isfinite(now) or (key == "loss" and isfinite(history.recent("reward"))):
            continue
        begun = history.first(key) if key != "peak_memory_mb" and history.stage_length >= 2 * RECENT else nan
        found.append(_number(known.title, known.show(now), known.show(begun) if isfinite(begun) else "", known.note))
    return found[:NUMBERS]


def _number(title: str, value: str, begun: str, note: str) -> dict[str, str]:
    return {"title": title, "value": value, "begun": begun, "note": note}


def _time(run: WatchedRun) -> list[dict[str, Any]]:
    parts = run.history.seconds_by_part()[:5]
    whole = sum(seconds for _, seconds in parts)
    return [
        {
            "name": visible(name),
            "share": seconds / whole,
            "told": f"{percent(seconds / whole, 0)}, {duration_in_words(seconds)}",
        }
        for name, seconds in parts
    ]
