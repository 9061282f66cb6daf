"""Every curve of every run as the page draws them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from quintet.live.watched import WatchedRun
from quintet.observe.history import Axis
from quintet.report.axes import nice_ticks
from quintet.report.curves import Known
from quintet.report.label_curves import AXIS_TITLES, SCORE, LabelCurve, is_share, label_curve, shared_range, tick_names

POINTS_LARGE, POINTS_SMALL = 160, 50
ENDED = ("done", "failed", "stopped")
Runs = dict[str, list[WatchedRun]]
"""By label."""


def chart(runs: Runs, metric: Known, axis: Axis, large: bool) -> dict[str, Any]:
    """One metric of all runs, ready to be drawn."""
    points = POINTS_LARGE if large else POINTS_SMALL
    drawn = [_drawn(label, seeds, metric, axis, points) for label, seeds in runs.items()]
    share = is_share(metric, (run.history for seeds in runs.values() for run in seeds))
    low, high = shared_range(drawn, share)
    ticks = nice_ticks(low, high)
    return {
        "key": metric.key,
        "title": metric.title,
        "note": f"{metric.note} {_reading(runs, metric)}".strip() if large else "",
        "unit": "percent" if share else "number",
        "low": low,
        "high": high,
        "ticks": list(zip(ticks, tick_names(ticks, metric, share), strict=True)),
        "lines": [_told(curve, large) for curve in drawn],
    }


def x_axis(runs: Runs, axis: Axis) -> dict[str, Any]:
    """How far the axis goes, its ticks, and where the stages of a single run begin."""
    everyone = [run for seeds in runs.values() for run in seeds]
    high = max((run.history.axis(axis)[-1] for run in everyone if len(run.history)), default=0.0) or 1.0
    stages = everyone[0].history.stages if len(everyone) == 1 else []
    places = everyone[0].history.axis(axis)
    return {
        "kind": axis,
        "title": AXIS_TITLES[axis],
        "low": 0.0,
        "high": high,
        "ticks": [(tick, f"{tick:,.0f}" if tick == round(tick) else f"{tick:g}") for tick in nice_ticks(0.0, high)],
        "stages": [(places[index], name) for name, index in stages] if len(stages) > 1 else [],
    }


def _drawn(label: str, seeds: Sequence[WatchedRun], metric: Known, axis: Axis, points: int) -> LabelCurve:
    """A label's curve. Seeds under way that are not half as far as the farthest are drawn but don't count: the mean would reach
    no farther than they do."""
    states = [(run.history, run.state) for run in seeds]
    farthest = max(state.step for _, state in states)
    counted = [history for history, state in states if state.state in ENDED or 2 * state.step >= farthest]
    begun = [history for history, _ in states if history not in counted]
    return label_curve(label, counted, metric, axis, points, begun)


def _reading(runs: Runs, metric: Known) -> str:
    """How the lines are to be read."""
    if any(len(seeds) > 1 for seeds in runs.values()):
        return "Strong: the mean of the seeds, as far as all have come. Thin: each seed. Band: from the lowest to the highest."
    return "Band: its 95 % interval." if metric is SCORE else "Pale: every value. Strong: the trend."


def _told(curve: LabelCurve, large: bool) -> dict[str, Any]:
    """What the page needs of it; the small charts do without single seeds and values."""
    return {
        "label": curve.label,
        "raw": [_rounded(piece) for piece in curve.raw] if large else [],
        "strong": [_rounded(piece) for piece in curve.strong],
        "band": _rounded(curve.band),
    }


def _rounded(points: Sequence[tuple[float, ...]]) -> list[list[float]]:
    return [[float(f"{value:.6g}") for value in point] for point in points]
