"""Metrics as curves: which ones there are, what they mean, and few enough points to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, isfinite, isnan
from statistics import linear_regression, median
from typing import Any

from quintet.observe.formats import percent, short
from quintet.observe.records import Row, number

MOST_POINTS = 160
"""Points in a drawn curve; more steps than that share points, which keep their lowest and highest value."""
MOST_OTHERS = 12
"""Curves of metrics this page doesn't know by name."""


@dataclass(frozen=True)
class Known:
    """A metric with its name in words and what a reader should make of it."""

    key: str
    title: str
    note: str
    show: Callable[[float], str] = short


KNOWN = (
    Known("reward", "Reward", "Mean over all answers of a step."),
    Known(
        "loss", "Loss", "What the optimiser lowers. Under reinforcement learning it hovers around 0; watch the reward instead."
    ),
    Known("entropy", "Entropy", "How undecided the model is, in nats a token. Near 0 it has stopped exploring."),
    Known("completions/mean_length", "Answer length", "Tokens, mean over a step's answers."),
    Known("completions/clipped_ratio", "Answers cut off", "Share that reached max_new_tokens before they ended.", percent),
    Known(
        "frac_reward_zero_std",
        "Tied groups",
        "Share of prompts whose answers all earned the same; siblings teach nothing then.",
        percent,
    ),
    Known("kl", "Distance from the reference", "KL divergence, in nats a token."),
    Known("approx_kl", "Step size", "KL(old ‖ new) of a step, in nats a token; TRPO bounds it."),
    Known("clip_ratio/region_mean", "Clipped tokens", "Share where the clip stopped the gradient.", percent),
    Known("logp_gap/max", "Gap between sampler and learner", "Largest difference of log-probabilities, in nats; 0 is right."),
    Known("explained_variance", "Explained variance", "How much of the returns the critic foresees; 1 is all."),
    Known("accuracy", "Preference accuracy", "Share of pairs ranked as their labels say.", percent),
    Known("margin", "Preference margin", "Implicit reward of the chosen answer minus the rejected one's."),
    Known("grad_norm", "Gradient norm", "Before clipping. Spikes are steps to distrust."),
    Known("learning_rate", "Learning rate", "As the optimiser used it."),
    Known("tokens_per_second", "Speed", "Tokens a second, everything included.", lambda rate: f"{rate:,.0f}"),
    Known("step_time", "Step time", "Seconds a step."),
)
_NOT_CURVES = {
    "step",
    "stage_step",
    "stage_steps",
    "stage_index",
    "stages",
    "num_tokens",
    "num_sampled_tokens",
    "peak_memory_mb",
}


@dataclass(frozen=True)
class Point:
    """One step, or neighbouring steps together."""

    first: int
    last: int
    mean: float
    low: float
    high: float

    @property
    def step(self) -> float:
        return (self.first + self.last) / 2


@dataclass(frozen=True)
class Segment:
    """A curve within one stage. Stages are never joined: their losses are different quantities."""

    stage: str
    points: tuple[Point, ...]
    start: float
    """Mean over the first tenth of its steps."""
    end: float
    """Mean over the last tenth of its steps."""


@dataclass(frozen=True)
class Curve:
    """One metric over the run."""

    known: Known
    segments: tuple[Segment, ...]
    num_missing: int
    """Steps that wrote the metric without a finite value."""

    @property
    def points(self) -> list[Point]:
        return [point for segment in self.segments for point in segment.points]

    @property
    def is_constant(self) -> bool:
        return min(p.low for p in self.points) == max(p.high for p in self.points)


def curves(rows: Sequence[Row]) -> tuple[list[Curve], list[Curve]]:
    """The curves this page knows, in reading order (with each part of the reward), and up to `MOST_OTHERS` it doesn't."""
    keys = dict.fromkeys(key for row in rows for key, value in row.items() if _is_metric(key, value))
    named = {known.key for known in KNOWN}
    reward_parts = [key for key in keys if key.startswith("rewards/") and key.endswith("/mean")]
    others = [key for key in keys if key not in named and key not in reward_parts and not key.startswith("seconds/")]
    parts = [Known(key, f"Reward part: {key[8:-5]}", "Mean over all answers, before weighting.") for key in reward_parts]
    wanted = [KNOWN[0], *parts[:MOST_OTHERS], *KNOWN[1:]]
    found = [curve(rows, known) for known in wanted if known.key in keys]
    rest = [curve(rows, Known(key, key, "")) for key in others[:MOST_OTHERS]]
    return [c for c in found if c is not None], [c for c in rest if c is not None]


def _is_metric(key: str, value: Any) -> bool:
    return key not in _NOT_CURVES and (value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)))


def stages(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """The rows of each stage in turn. A stage begins where the count of steps before it changes: names may repeat."""
    found: dict[tuple[str, float], list[Row]] = {}
    for row in rows:
        offset = number(row, "step") - number(row, "stage_step")
        found.setdefault((str(row.get("stage", "")), -1.0 if isnan(offset) else offset), []).append(row)
    return [(name, members) for (name, _), members in found.items()]


def curve(rows: Sequence[Row], known: Known, most: int = MOST_POINTS) -> Curve | None:
    """One metric of rows in the order of their steps; None where it has no finite value at all.

    Example: 5,000 steps become at most 160 points; a single spike stays visible in its point's `high`
    """
    by_stage = [
        (name, [(int(row["step"]), value) for row in members if isfinite(value := number(row, known.key))])
        for name, members in stages(rows)
    ]
    num_values = sum(len(found) for _, found in by_stage)
    if not num_values:
        return None
    per_point = ceil(num_values / most)
    segments = tuple(_segment(name, found, per_point) for name, found in by_stage if found)
    return Curve(known, segments, sum(known.key in row for row in rows) - num_values)


def _segment(stage: str, found: Sequence[tuple[int, float]], per_point: int) -> Segment:
    tenth = max(1, len(found) // 10)
    first, last = (sum(value for _, value in some) / tenth for some in (found[:tenth], found[-tenth:]))
    return Segment(stage, tuple(_points(found, per_point)), first, last)


def _points(found: Sequence[tuple[int, float]], per_point: int) -> list[Point]:
    """As few points as hold `per_point` steps each, and as equal: a last one with fewer would be noisier than the others."""
    num_points = ceil(len(found) / per_point)
    bounds = [index * len(found) // num_points for index in range(num_points + 1)]
    points = []
    for start, stop in pairwise(bounds):
        values = [value for _, value in found[start:stop]]
        points.append(Point(found[start][0], found[stop - 1][0], sum(values) / len(values), min(values), max(values)))
    return points


def smoothed(points: Sequence[Point], share: float = 0.08) -> list[float]:
    """The trend: medians of five, in which a lone spike leaves no trace, then straight lines fitted to a window of `share` of
    the points around each one, which unlike a moving mean don't flatten the ends.

    Example: 100 points on a straight line stay there, but for one spike among them, which is gone
    """
    return trend([point.step for point in points], [point.mean for point in points], share)


def trend(places: Sequence[float], values: Sequence[float], share: float = 0.08) -> list[float]:
    """The same of any values at any rising places."""
    reach = max(1, round(len(values) * share / 2))
    middles = []
    for index in range(len(values)):
        near = min(2, index, len(values) - 1 - index)
        middles.append(median(values[index - near : index + near + 1]))
    return [_fitted(places, middles, index, reach) for index in range(len(values))]


def _fitted(places: Sequence[float], values: Sequence[float], index: int, reach: int) -> float:
    around = slice(max(0, index - reach), index + reach + 1)
    if len(places) == 1 or places[around][0] == places[around][-1]:
        return values[index]
    line = linear_regression(places[around], values[around])
    return line.slope * places[index] + line.intercept


def seconds_by_part(rows: Sequence[Row]) -> list[tuple[str, float]]:
    """Where the time of all steps went, longest first; `other` is what no part claims.

    Example: one step of 1 s with seconds/sample 0.7 gives [("sample", 0.7), ("other", 0.3)]
    """
    sums: dict[str, float] = {}
    whole = 0.0
    for row in rows:
        step_time = number(row, "step_time")
        whole += step_time if isfinite(step_time) else 0.0
        for key in row:
            if key.startswith("seconds/") and isfinite(number(row, key)):
                sums[key[8:]] = sums.get(key[8:], 0.0) + number(row, key)
    if not sums:
        return []
    other = whole - sum(sums.values())
    parts = sorted(sums.items(), key=lambda part: -part[1])
    return [*parts, ("other", other)] if other > 0.01 * whole else parts
