"""A metric over the steps as a line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from quintet.observe.formats import percent
from quintet.report.axes import nice_ticks, value_range
from quintet.report.curves import Curve, Segment, smoothed
from quintet.report.drawing import AXIS_HEIGHT, label, svg
from quintet.report.markup import Markup, join, tag

Scale = Callable[[float], float]
"""From a step or a value to the inner drawing's own units."""
PLOT_HEIGHT = 116
PLOT_TOP = 20
WIDTH = 1000.0
"""Width of the inner drawing in its own units; it is stretched to the page."""


def line_chart(curve: Curve, identity: str) -> Markup:
    """A metric over the steps: every value pale, its trend strong, the beginning of each stage marked.

    A few values far outside are cut off at the edge and named in words, so that a spike doesn't flatten the rest.
    """
    low, high, _ = value_range(curve)
    first, last = curve.points[0].first, curve.points[-1].last

    def x(step: float) -> float:
        return WIDTH * (step - first) / max(1, last - first)

    def y(value: float) -> float:
        return PLOT_HEIGHT * (1 - (min(max(value, low), high) - low) / (high - low))

    drawing = tag(
        "svg",
        *(_segment(segment, x, y) for segment in curve.segments),
        y=PLOT_TOP,
        width="100%",
        height=PLOT_HEIGHT,
        viewBox=f"0 0 {WIDTH:.0f} {PLOT_HEIGHT}",
        preserveAspectRatio="none",
    )
    starts = [(segment.stage, x(segment.points[0].first)) for segment in curve.segments]
    return svg(
        identity,
        PLOT_TOP + PLOT_HEIGHT + AXIS_HEIGHT,
        curve.known.title,
        describe(curve),
        _grid(nice_ticks(low, high), y, curve),
        tag("line", x1=0, x2="100%", y1=PLOT_TOP + PLOT_HEIGHT, y2=PLOT_TOP + PLOT_HEIGHT, class_="axis"),
        _stage_marks(starts),
        drawing,
        label(0, PLOT_TOP + PLOT_HEIGHT + 16, f"step {first:,}", "tick"),
        label(100, PLOT_TOP + PLOT_HEIGHT + 16, f"{last:,}", "tick end"),
        kind="chart curve",
    )


def describe(curve: Curve) -> str:
    """The curve in words, for those who don't see it."""
    show, points = curve.known.show, curve.points
    text = (
        f"{curve.known.title} over steps {points[0].first:,} to {points[-1].last:,}: {ends(curve)} (means of the first and "
        f"the last tenth), lowest {show(min(p.low for p in points))}, highest {show(max(p.high for p in points))}."
    )
    missing = f" {curve.num_missing:,} steps have no value." if curve.num_missing else ""
    return f"{text}{missing} {value_range(curve)[2]}".strip()


def ends(curve: Curve) -> str:
    """Where each stage began and ended.  Example: "sft 2.1 → 0.11 · grpo 0.02 → 0.01"; without names if there is one."""
    show = curve.known.show
    told = [(segment.stage, f"{show(segment.start)} → {show(segment.end)}") for segment in curve.segments]
    if len(told) == 1:
        return told[0][1]
    return " · ".join(f"{stage} {values}" for stage, values in told[-3:])


def _segment(segment: Segment, x: Scale, y: Scale) -> Markup:
    points = segment.points
    strong = smoothed(points)
    line = tag("path", d=_path((x(p.step), y(v)) for p, v in zip(points, strong, strict=True)), class_="line")
    if any(p.high > p.low for p in points):
        upper = [(x(p.step), y(p.high)) for p in points]
        lower = [(x(p.step), y(p.low)) for p in reversed(points)]
        return join(tag("path", d=_path([*upper, *lower]) + "Z", class_="band"), line)
    return join(tag("path", d=_path((x(p.step), y(p.mean)) for p in points), class_="raw"), line)


def _path(pairs: Iterable[tuple[float, float]]) -> str:
    steps = [f"{x:.0f} {y:.1f}" for x, y in pairs]
    return "M" + "L".join(steps if len(steps) > 1 else steps * 2)  # a line to itself shows a lone point as a dot


def _grid(ticks: Sequence[float], y: Scale, curve: Curve) -> Markup:
    parts = []
    for tick, name in zip(ticks, _tick_labels(ticks, curve), strict=True):
        at = PLOT_TOP + y(tick)
        parts.append(tag("line", x1="0", x2="100%", y1=f"{at:.1f}", y2=f"{at:.1f}", class_="grid"))
        parts.append(label(0, at + 4, name, "tick end", dx=-8))
    return join(*parts)


def _tick_labels(ticks: Sequence[float], curve: Curve) -> list[str]:
    if curve.known.show is not percent:
        return [curve.known.show(tick) for tick in ticks]
    whole = all(abs(100 * tick - round(100 * tick)) < 1e-6 for tick in ticks)
    return [percent(tick, 0 if whole else 1) for tick in ticks]


def _stage_marks(starts: Sequence[tuple[str, float]]) -> Markup:
    """The name of each stage where it begins, and a line between stages; nothing where there is only one."""
    parts = []
    for index, (name, at) in enumerate(starts if len(starts) > 1 else []):
        share = 100 * at / WIDTH
        if index:
            position = f"{share:.2f}%"
            parts.append(tag("line", x1=position, x2=position, y1=2, y2=PLOT_TOP + PLOT_HEIGHT, class_="boundary"))
        at_right = share > 80
        parts.append(label(share, 10, name, "stage end" if at_right else "stage", dx=-4 if at_right else 4 if index else 0))
    return join(*parts)
