"""One metric of several runs: seeds of a label together, few points, an axis for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import isfinite

from quintet.observe.bands import band, thinned
from quintet.observe.formats import percent
from quintet.observe.history import Axis, History
from quintet.report.curves import KNOWN, Known, trend

SCORE = Known("score", "Held-out score", "On problems that training never saw.")
AXIS_TITLES: Mapping[Axis, str] = {"steps": "steps", "tokens": "sampled tokens", "seconds": "seconds of training"}
Piece = list[tuple[float, float]]


@dataclass(frozen=True)
class LabelCurve:
    """One label's curve: a run's, or its seeds' together."""

    label: str
    raw: list[Piece]
    """Every seed (or stage of a single run) by itself, thinned."""
    strong: list[Piece]
    """The trend of a single run, stage by stage; the mean of several seeds as far as all have come."""
    band: list[tuple[float, float, float]]
    """Place, lowest and highest seed; of a single run's score its interval, of its other metrics nothing."""

    @property
    def values(self) -> list[float]:
        """All that the strong line and its band reach."""
        return [y for piece in self.strong for _, y in piece] + [y for _, low, high in self.band for y in (low, high)]


def label_curve(
    label: str, seeds: Sequence[History], metric: Known, axis: Axis, points: int, beside: Sequence[History] = ()
) -> LabelCurve:
    """The curve of one or several seeds, in about `points` points; those `beside` are drawn but don't count."""
    others = [_series(seed, metric, axis, points) for seed in beside]
    if len(seeds) == 1:
        one = _of_one(label, seeds[0], metric, axis, points)
        return replace(one, raw=[*one.raw, *others])
    series = [_series(seed, metric, axis, points) for seed in seeds]
    together = band(series if metric is SCORE else [_trend(piece) for piece in series], points)
    strong, around = [(p.x, p.mean) for p in together], [(p.x, p.low, p.high) for p in together]
    return LabelCurve(label, [*series, *others], [strong], around)


def _series(seed: History, metric: Known, axis: Axis, points: int) -> Piece:
    return seed.scores(axis) if metric is SCORE else thinned(seed.series(metric.key, axis), points)


def _of_one(label: str, run: History, metric: Known, axis: Axis, points: int) -> LabelCurve:
    if metric is SCORE:
        low, high = run.scores(axis, "low"), run.scores(axis, "high")
        interval = [(x, a, b) for (x, a), (_, b) in zip(low, high, strict=False)]
        return LabelCurve(label, [], [run.scores(axis)], interval)
    pieces = [thinned(piece, points) for piece in _by_stage(run, metric.key, axis)]
    return LabelCurve(label, pieces, [_trend(piece) for piece in pieces], [])


def _by_stage(run: History, key: str, axis: Axis) -> list[Piece]:
    """A curve in pieces: stages are never joined, their losses are different quantities."""
    places, values = run.axis(axis), run.columns.get(key, ())
    bounds = [index for _, index in run.stages] + [len(places)]
    pieces = []
    for start, stop in pairwise(bounds):
        pairs = zip(places[start:stop], values[start:stop], strict=False)
        pieces.append([(x, y) for x, y in pairs if isfinite(x) and isfinite(y)])
    return [piece for piece in pieces if piece]


def _trend(piece: Piece) -> Piece:
    places = [x for x, _ in piece]
    return list(zip(places, trend(places, [y for _, y in piece]), strict=True))


def metrics_of(runs: Iterable[History]) -> list[Known]:
    """The metrics that any of the runs has, in reading order: the score, those the report knows, others."""
    runs = list(runs)
    keys = dict.fromkeys(k for run in runs for k, column in run.columns.items() if any(map(isfinite, column[-400:])))
    parts = [
        Known(key, f"Reward part: {key[8:-5]}", "Mean over all answers, before weighting.")
        for key in keys
        if key.startswith("rewards/") and key.endswith("/mean")
    ]
    known = [metric for metric in KNOWN if metric.key in keys]
    named = {metric.key for metric in (*known, *parts)}
    left_out = ("step", "stage", "num_", "seconds/", "peak_", "rewards/")
    others = [Known(key, key, "") for key in keys if key not in named and not key.startswith(left_out)]
    return [*([SCORE] if any(run.evaluations for run in runs) else []), *known[:1], *parts, *known[1:], *others]


def shared_range(curves: Sequence[LabelCurve], share: bool = False) -> tuple[float, float]:
    """The values worth the axis: the strong lines whole, single values where they lie within as much again on either side.

    Example: of shares that are all 0 it is a little more than from 0 to 10 %
    """
    strong, raw = [y for c in curves for y in c.values], [y for c in curves for piece in c.raw for _, y in piece]
    if not (strong or raw):
        return 0.0, 1.0
    least, most = min(strong or raw), max(strong or raw)
    spread = most - least
    near = [y for y in raw if least - spread <= y <= most + spread]
    low, high = min([least, *near]), max([most, *near])
    if share and low == high:
        return max(-0.01, low - 0.1), min(1.01, high + 0.1)
    pad = 0.06 * (high - low) if low < high else abs(low) / 2 or 1.0
    return low - pad, high + pad


def is_share(metric: Known, runs: Iterable[History]) -> bool:
    """Whether the metric's values are shares, to be shown in percent."""
    if metric is SCORE:
        return any(run.evaluations[-1].get("unit") == "solved" for run in runs if run.evaluations)
    return metric.show is percent


def tick_names(ticks: Sequence[float], metric: Known, share: bool) -> list[str]:
    """What an axis calls its values.  Example: tick_names([.2, .4], SCORE, share=True) == ["20 %", "40 %"]"""
    if not share:
        return [metric.show(tick) for tick in ticks]
    whole = all(abs(100 * tick - round(100 * tick)) < 1e-6 for tick in ticks)
    return [percent(tick, 0 if whole else 1) for tick in ticks]
