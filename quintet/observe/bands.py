"""Several seeds of one curve as one: their mean, and how far they lie apart."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import NamedTuple

Series = Sequence[tuple[float, float]]
"""Places on an axis, rising, each with a value."""


class BandPoint(NamedTuple):
    """The curves at one place."""

    x: float
    mean: float
    low: float
    """The lowest of the seeds."""
    high: float


def band(many: Sequence[Series], most: int = 100) -> list[BandPoint]:
    """Mean, lowest and highest of several curves wherever all of them have values, between which lines are straight.

    Beyond the shortest curve nothing is said: a mean over fewer seeds would jump where one ends. At most `most` places.
    Example: band([[(0, 1), (2, 3)], [(0, 2), (1, 2), (2, 2)]]) has the means 1.5, 2 and 2.5 at 0, 1 and 2
    """
    some = [series for series in many if series]
    if not some:
        return []
    first, last = max(series[0][0] for series in some), min(series[-1][0] for series in some)
    places = sorted({x for series in some for x, _ in series if first <= x <= last})
    if len(places) > most:
        places = [first + (last - first) * index / (most - 1) for index in range(most)]
    points = []
    for x in places:
        values = [value_at(series, x) for series in some]
        points.append(BandPoint(x, sum(values) / len(values), min(values), max(values)))
    return points


def value_at(series: Series, x: float) -> float:
    """The value at a place between the first and the last, on a straight line between neighbours.

    Example: value_at([(0, 1), (2, 3)], 1) == 2
    """
    after = min(bisect_left(series, x, key=lambda point: point[0]), len(series) - 1)
    right, value = series[after]
    if right <= x or after == 0:
        return value
    left, before = series[after - 1]
    return before + (value - before) * (x - left) / (right - left)


def thinned(series: Series, most: int) -> list[tuple[float, float]]:
    """At most `most` points, each the mean of neighbours; a short series as it is.

    Example: thinned([(0, 1), (1, 3), (2, 5), (3, 7)], 2) == [(0.5, 2), (2.5, 6)]
    """
    if len(series) <= most:
        return list(series)
    each = ceil(len(series) / most)
    count = ceil(len(series) / each)
    bounds = [index * len(series) // count for index in range(count + 1)]
    return [
        (sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part))
        for start, stop in pairwise(bounds)
        if (part := series[start:stop])
    ]
