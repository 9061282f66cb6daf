"""Scores with their intervals, level by level."""

from __future__ import annotations

from math import isfinite

from quintet.observe.before_after import ALL, Comparison
from quintet.observe.formats import Unit, interval, percent, score, short
from quintet.report.axes import nice_ticks
from quintet.report.drawing import AXIS_HEIGHT, label, svg
from quintet.report.markup import Markup, join, tag

LEVEL_HEIGHT = 28
LANE_HEIGHT = 13


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
    return svg(identity, height, f"{comparison.task}: scores by level", describe_scores(comparison), *parts)


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
        parts.append(label(share, height - 5, percent(tick, 0) if unit == "solved" else short(tick), anchor))
    return join(*parts)
