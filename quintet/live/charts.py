"""Every curve of every run as the page draws them: few points, round ticks, seeds of a label together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import isfinite
from typing import Any

from quintet.live.watched import WatchedRun
from quintet.observe.bands import band, thinned
from quintet.observe.formats import percent
from quintet.observe.history import Axis
from quintet.report.axes import nice_ticks
from quintet.report.curves import KNOWN, Known, trend

SCORE = Known("score", "Held-out score", "On problems that training never saw.")
SHORT_AXIS = {"steps": "steps", "tokens": "sampled tokens", "seconds": "seconds of training"}
POINTS_LARGE, POINTS_SMALL = 160, 50
ENDED = ("done", "failed", "stopped")
Piece = list[tuple[float, float]]


@dataclass(frozen=True)
class Drawn:
    """One label's curve: a run's, or its seeds' together."""

    label: str
    raw: list[Piece]
    """Every seed (or stage) by itself, thinned."""
    strong: list[Piece]
    """The trend of a single run; the mean of several seeds as far as all have come that don't just begin."""
    band: list[tuple[float, float, float]]
    """Place, lowest and highest seed; empty for a single run."""


def metrics_of(runs: Iterable[WatchedRun]) -> list[Known]:
    """The metrics that any of the runs has, in reading order: the score, those the report knows, others."""
    runs = list(runs)
    keys = dict.fromkeys(
        key for run in runs for key, column in run.history.columns.items() if any(map(isfinite, column[-400:]))
    )
    parts = [
        Known(key, f"Reward part: {key[8:-5]}", "Mean over all answers, before weighting.")
        for key in keys
        if key.startswith("rewards/") and key.endswith("/mean")
    ]
    known = [metric for metric in KNOWN if metric.key in keys]
    named = {metric.key for metric in (*known, *parts)}
    left_out = ("step", "stage", "num_", "seconds/", "peak_", "rewards/")
    others = [Known(key, key, "") for key in keys if key not in named and not key.startswith(left_out)]
    return [*([SCORE] if any(run.history.evaluations for run in runs) else []), *known[:1], *parts, *known[1:], *others]


def chart(runs: dict[str, list[WatchedRun]], metric: Known, axis: Axis, large: bool) -> dict[str, Any]:
    """One metric of all runs (by label), ready to be drawn."""
    points = POINTS_LARGE if large else POINTS_SMALL
    drawn = [_drawn(label, seeds, metric, axis, points) for label, seeds in runs.items()]
    low, high = _range([y for d in drawn for y in _strong_values(d)], [y for d in drawn for p in d.raw for _, y in p])
    unit = "percent" if _is_share(runs, metric) else "number"
    ticks = nice_ticks(low, high)
    return {
        "key": metric.key,
        "title": metric.title,
        "note": f"{metric.note} {_reading(runs, metric)}".strip() if large else "",
        "unit": unit,
        "low": low,
        "high": high,
        "ticks": [[tick, name] for tick, name in zip(ticks, _names(ticks, unit, metric.show), strict=True)],
        "lines": [_told(d, large) for d in drawn],
    }


def x_axis(runs: dict[str, list[WatchedRun]], axis: Axis) -> dict[str, Any]:
    """How far the axis goes, its ticks, and where the stages of a single run begin."""
    last = max((run.history.axis(axis)[-1] for seeds in runs.values() for run in seeds if len(run.history)), default=0.0)
    high = last or 1.0
    only = next(iter(runs.values()))[0] if len(runs) == 1 and len(next(iter(runs.values()))) == 1 else None
    places = only.history.axis(axis) if only else []
    stages = [[places[index], name] for name, index in only.history.stages] if only and len(only.history.stages) > 1 else []
    return {
        "kind": axis,
        "title": SHORT_AXIS[axis],
        "low": 0.0,
        "high": high,
        "ticks": [[tick, f"{tick:,.0f}" if tick == round(tick) else f"{tick:g}"] for tick in nice_ticks(0.0, high)],
        "stages": stages,
    }


def _reading(runs: dict[str, list[WatchedRun]], metric: Known) -> str:
    """How the lines are to be read."""
    if any(len(seeds) > 1 for seeds in runs.values()):
        return "Strong: the mean of the seeds, as far as all have come. Thin: each seed. Band: from the lowest to the highest."
    return "Band: its 95 % interval." if metric is SCORE else "Pale: every value. Strong: the trend."


def _drawn(label: str, seeds: Sequence[WatchedRun], metric: Known, axis: Axis, points: int) -> Drawn:
    if metric is SCORE:
        series = [run.history.scores(axis) for run in seeds]
        if len(seeds) == 1:
            low, high = seeds[0].history.scores(axis, "low"), seeds[0].history.scores(axis, "high")
            return Drawn(label, [], series, [(x, a, b) for (x, a), (_, b) in zip(low, high, strict=False)])
    else:
        series = [thinned(run.history.series(metric.key, axis), points) for run in seeds]
    if len(seeds) == 1:
        pieces = [thinned(piece, points) for piece in _by_stage(seeds[0], metric.key, axis)] if metric is not SCORE else series
        return Drawn(label, pieces, [_trend(piece) for piece in pieces], [])
    counted = [piece for run, piece in zip(seeds, series, strict=True) if not _has_just_begun(run, seeds)]
    together = band([_trend(piece) if metric is not SCORE else piece for piece in counted], points)
    return Drawn(label, series, [[(p.x, p.mean) for p in together]], [(p.x, p.low, p.high) for p in together])


def _has_just_begun(run: WatchedRun, seeds: Sequence[WatchedRun]) -> bool:
    """Whether a seed is under way and not half as far as the farthest: the mean would reach no farther than it."""
    return run.state.state not in ENDED and 2 * run.state.step < max(other.state.step for other in seeds)


def _by_stage(run: WatchedRun, key: str, axis: Axis) -> list[Piece]:
    """A curve in pieces: stages are never joined, their losses are different quantities."""
    places, values = run.history.axis(axis), run.history.columns.get(key, ())
    bounds = [index for _, index in run.history.stages] + [len(places)]
    pieces = []
    for start, stop in pairwise(bounds):
        pairs = zip(places[start:stop], values[start:stop], strict=False)
        pieces.append([(x, y) for x, y in pairs if isfinite(x) and isfinite(y)])
    return [piece for piece in pieces if piece]


def _trend(piece: Piece) -> Piece:
    places = [x for x, _ in piece]
    return list(zip(places, trend(places, [y for _, y in piece]), strict=True))


def _strong_values(drawn: Drawn) -> list[float]:
    return [y for piece in drawn.strong for _, y in piece] + [y for _, low, high in drawn.band for y in (low, high)]


def _range(strong: Sequence[float], raw: Sequence[float]) -> tuple[float, float]:
    """The values worth the axis: the trends whole, single values as far as they lie within as much again on either side."""
    if not (strong or raw):
        return 0.0, 1.0
    least, most = min(strong or raw), max(strong or raw)
    spread = most - least
    near = [y for y in raw if least - spread <= y <= most + spread]
    low, high = min([least, *near]), max([most, *near])
    pad = 0.06 * (high - low) if low < high else abs(low) / 2 or 1.0
    return low - pad, high + pad


def _is_share(runs: dict[str, list[WatchedRun]], metric: Known) -> bool:
    if metric is SCORE:
        return any(
            run.history.evaluations[-1].get("unit") == "solved" for s in runs.values() for run in s if run.history.evaluations
        )
    return metric.show is percent


def _names(ticks: Sequence[float], unit: str, show: Callable[[float], str]) -> list[str]:
    if unit != "percent":
        return [show(tick) for tick in ticks]
    whole = all(abs(100 * tick - round(100 * tick)) < 1e-6 for tick in ticks)
    return [percent(tick, 0 if whole else 1) for tick in ticks]


def _told(drawn: Drawn, large: bool) -> dict[str, Any]:
    """What the page needs of it; the small charts do without single seeds and values."""
    return {
        "label": drawn.label,
        "raw": [_rounded(piece) for piece in drawn.raw] if large else [],
        "strong": [_rounded(piece) for piece in drawn.strong],
        "band": _rounded(drawn.band),
    }


def _rounded(points: Sequence[tuple[float, ...]]) -> list[list[float]]:
    return [[float(f"{value:.6g}") for value in point] for point in points]
