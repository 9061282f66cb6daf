"""Which values an axis covers, and which of them it names."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from math import ceil, floor, log10

from quintet.report.curves import Curve, Point


def value_range(curve: Curve) -> tuple[float, float, str]:
    """The values worth an axis, and a sentence about those cut off: up to one point in fifty at either side, where they lie
    more than three times the spread of the others away.

    Example: 99 values around 1 and one of 40 give a range around 1 and "Beyond the edge: 40 at step 7."
    """
    show, points = curve.known.show, curve.points
    lowest, highest = sorted(points, key=lambda p: p.low), sorted(points, key=lambda p: p.high)
    low, high = lowest[0].low, highest[-1].high
    few = max(1, len(points) // 50)
    if len(points) < 20 or (spread := highest[-1 - few].high - lowest[few].low) <= 0:
        return *_padded(low, high), ""
    said = []
    if low < lowest[few].low - 3 * spread:
        low = lowest[few].low - spread / 2
        said.append(f"{show(lowest[0].low)} at {_steps(lowest[0])}")
    if high > highest[-1 - few].high + 3 * spread:
        high = highest[-1 - few].high + spread / 2
        said.append(f"{show(highest[-1].high)} at {_steps(highest[-1])}")
    return *_padded(low, high), f"Beyond the edge: {' and '.join(said)}." if said else ""


def _steps(point: Point) -> str:
    return f"step {point.first:,}" if point.first == point.last else f"steps {point.first:,}–{point.last:,}"


def _padded(low: float, high: float) -> tuple[float, float]:
    pad = 0.06 * (high - low) if low < high else abs(low) / 2 or 1.0
    return low - pad, high + pad


def nice_ticks(low: float, high: float) -> list[float]:
    """Two to four round numbers within the range.  Example: nice_ticks(0.03, 0.97) == [0.2, 0.4, 0.6, 0.8]"""
    for step in _round_steps((high - low) / 5):
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last - first <= 3:
            return [float(f"{index * step:.12g}") for index in range(first, last + 1)]
    raise AssertionError("steps grow without end")


def _round_steps(least: float) -> Iterable[float]:
    power = floor(log10(least))
    return (factor * 10.0 ** (power + more) for more in count() for factor in (1, 2, 5))
