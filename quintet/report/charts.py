"""Charts as inline SVG: no script, no image, sizes that follow the page; each has a title and a description in words.

Widths are percentages, so that letters keep their size on a phone; only the plotted lines are stretched, in an inner
drawing whose strokes don't scale.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import count
from math import ceil, floor, isfinite, log10

from quintet.observe.before_after import ALL, Comparison
from quintet.observe.formats import Unit, interval, percent, score, short
from quintet.report.curves import Curve, Point, Segment, smoothed
from quintet.report.markup import Markup, join, tag

Scale = Callable[[float], float]
"""From a step or a value to the inner drawing's own units."""
PLOT_HEIGHT = 116
PLOT_TOP = 20
AXIS_HEIGHT = 22
LEVEL_HEIGHT = 28
LANE_HEIGHT = 13
WIDTH = 1000.0
"""Width of the inner drawing in its own units; it is stretched to the page."""


def line_chart(curve: Curve, identity: str) -> Markup:
    """A metric over the steps: every value pale, its moving median strong, the beginning of each stage marked.

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
    return _svg(
        identity,
        PLOT_TOP + PLOT_HEIGHT + AXIS_HEIGHT,
        curve.known.title,
        describe(curve),
        _grid(nice_ticks(low, high), y, curve),
        tag("line", x1=0, x2="100%", y1=PLOT_TOP + PLOT_HEIGHT, y2=PLOT_TOP + PLOT_HEIGHT, class_="axis"),
        _stage_marks(starts),
        drawing,
        _text(0, PLOT_TOP + PLOT_HEIGHT + 16, f"step {first:,}", "tick"),
        _text(100, PLOT_TOP + PLOT_HEIGHT + 16, f"{last:,}", "tick end"),
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


def value_range(curve: Curve) -> tuple[float, float, str]:
    """The values worth an axis, and a sentence about those cut off: more than three spreads beyond the middle 98 %."""
    points = curve.points
    means = sorted(p.mean for p in points)
    low, high = min(p.low for p in points), max(p.high for p in points)
    bottom, top = means[len(means) // 100], means[-1 - len(means) // 100]
    spread = top - bottom
    cut: list[Point] = []
    if len(means) >= 20 and spread > 0:
        if high > top + 3 * spread:
            cut.append(max(points, key=lambda p: p.high))
            high = top + spread / 2
        if low < bottom - 3 * spread:
            cut.append(min(points, key=lambda p: p.low))
            low = bottom - spread / 2
    said = [
        f"{curve.known.show(p.high if p.high > high else p.low)} at step {p.first:,}{f'–{p.last:,}' * (p.last > p.first)}"
        for p in cut
    ]
    sentence = f"Beyond the edge: {' and '.join(said)}." if said else ""
    pad = 0.06 * (high - low) if low < high else abs(low) / 2 or 1.0
    return low - pad, high + pad, sentence


def nice_ticks(low: float, high: float) -> list[float]:
    """Two to four round numbers within the range.  Example: nice_ticks(0.03, 0.97) == [0.2, 0.4, 0.6, 0.8]"""
    for step in _round_steps((high - low) / 5):
        first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
        if last - first <= 3:
            return [round(index * step, 12) for index in range(first, last + 1)]
    raise AssertionError("steps grow without end")


def _round_steps(least: float) -> Iterable[float]:
    power = floor(log10(least))
    return (factor * 10.0 ** (power + more) for more in count() for factor in (1, 2, 5))


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
    labels = _tick_labels(ticks, curve)
    for tick, label in zip(ticks, labels, strict=True):
        at = PLOT_TOP + y(tick)
        parts.append(tag("line", x1="0", x2="100%", y1=f"{at:.1f}", y2=f"{at:.1f}", class_="grid"))
        parts.append(_text(0, at + 4, label, "tick end", dx=-8))
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
        parts.append(_text(share, 10, name, "stage end" if at_right else "stage", dx=-4 if at_right else 4 if index else 0))
    return join(*parts)


def _text(x: float, y: float, text: str, class_: str, dx: float | None = None) -> Markup:
    return tag("text", text, x=f"{x:.4g}%", y=f"{y:.4g}", class_=class_, dx=dx)


def _svg(identity: str, height: float, title: str, description: str, *children: Markup, kind: str = "chart") -> Markup:
    return tag(
        "svg",
        tag("title", title, id=f"{identity}-t"),
        tag("desc", description, id=f"{identity}-d"),
        *children,
        role="img",
        aria_labelledby=f"{identity}-t {identity}-d",
        width="100%",
        height=f"{height:.0f}",
        class_=kind,
    )


def dot_plot(comparison: Comparison, identity: str) -> Markup:
    """Scores as dots with their intervals as bars: a row for each level, an offset within it for each evaluation."""
    low, high = _score_range(comparison)

    def x(value: float) -> str:
        return f"{100 * (min(max(value, low), high) - low) / (high - low):.2f}%"

    row_height = LEVEL_HEIGHT + LANE_HEIGHT * len(comparison.labels)
    height = row_height * len(comparison.lines) + AXIS_HEIGHT
    parts = [_score_axis(low, high, comparison, height)]
    for row, line in enumerate(comparison.lines):
        top = row_height * row
        parts.append(tag("line", x1=0, x2="100%", y1=top, y2=top, class_="grid"))
        parts.append(tag("text", line.level, x=0, y=top + 17, class_="level all" if line.level == ALL else "level"))
        for index, cell in enumerate(line.cells):
            if cell is None:
                continue
            at = top + LEVEL_HEIGHT + LANE_HEIGHT * index
            kind = evaluation_class(index, len(line.cells))
            if isfinite(cell.low) and isfinite(cell.high):
                parts.append(tag("line", x1=x(cell.low), x2=x(cell.high), y1=at, y2=at, class_=f"interval {kind}"))
            said = f"{line.level}, {comparison.labels[index]}: {score(cell.score, comparison.unit)}"
            parts.append(tag("circle", tag("title", said), cx=x(cell.score), cy=at, r=4, class_=f"dot {kind}"))
    return _svg(identity, height, f"{comparison.task}: scores by level", describe_scores(comparison), *parts)


def evaluation_class(index: int, of: int) -> str:
    """Colours go back from the last evaluation: e0 is the last one, e1 the one before, e2 all earlier ones."""
    return f"e{min(2, of - 1 - index)}"


def describe_scores(comparison: Comparison) -> str:
    """The plot in words.  Example: "all: after sft 61.0 % (58.0–64.0), after grpo 72.0 % (69.0–75.0)." """
    lines = []
    for line in comparison.lines:
        said = [
            f"{label} {score(cell.score, comparison.unit)} {interval(cell.low, cell.high, comparison.unit)}".rstrip()
            for label, cell in zip(comparison.labels, line.cells, strict=True)
            if cell is not None
        ]
        lines.append(f"{line.level}: {', '.join(said)}.")
    return " ".join(lines)


def _score_range(comparison: Comparison) -> tuple[float, float]:
    if comparison.unit == "solved":
        return 0.0, 1.0
    cells = [cell for line in comparison.lines for cell in line.cells if cell is not None]
    values = [v for cell in cells for v in (cell.score, cell.low, cell.high) if isfinite(v)]
    if not values or min(values) == max(values):
        return (values[0] - 1, values[0] + 1) if values else (0.0, 1.0)
    pad = 0.05 * (max(values) - min(values))
    return min(values) - pad, max(values) + pad


def _score_axis(low: float, high: float, comparison: Comparison, height: float) -> Markup:
    unit: Unit = "solved" if comparison.unit == "solved" else "reward"
    ticks = [0.0, 0.25, 0.5, 0.75, 1.0] if unit == "solved" else nice_ticks(low, high)
    parts = []
    for tick in ticks:
        share = 100 * (tick - low) / (high - low)
        position = f"{share:.2f}%"
        parts.append(tag("line", x1=position, x2=position, y1=0, y2=height - AXIS_HEIGHT, class_="grid"))
        anchor = "tick" if share < 5 else "tick end" if share > 95 else "tick middle"
        parts.append(_text(share, height - 5, percent(tick, 0) if unit == "solved" else short(tick), anchor))
    return join(*parts)


def share_bar(parts: Sequence[tuple[str, float]], identity: str) -> Markup:
    """One bar divided like its parts (name, amount)."""
    whole = sum(amount for _, amount in parts)
    said = ", ".join(f"{name} {percent(amount / whole, 0)}" for name, amount in parts)
    drawn, start = [], 0.0
    for index, (name, amount) in enumerate(parts):
        share = 100 * amount / whole
        block = tag("title", f"{name} {percent(amount / whole)}")
        drawn.append(
            tag("rect", block, x=f"{start:.2f}%", width=f"{share:.2f}%", y=0, height=12, class_=f"part p{min(index, 4)}")
        )
        start += share
    return _svg(identity, 12, "Where the time went", said, *drawn)
