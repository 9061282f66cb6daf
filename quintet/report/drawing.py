"""Inline SVG: no script, no image, a title and a description in words for each drawing.

Widths are percentages, so that letters keep their size on a phone; only plotted lines are stretched, in an inner drawing
whose strokes don't scale.
"""

from __future__ import annotations

from collections.abc import Sequence

from quintet.observe.formats import percent
from quintet.report.markup import Markup, tag

AXIS_HEIGHT = 22
"""Room for the names of values below a drawing, in pixels."""


def svg(identity: str, height: float, title: str, description: str, *children: Markup, kind: str = "chart") -> Markup:
    """A drawing as wide as the page lets it be, `height` pixels high, read out as its title and description."""
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


def label(x: float, y: float, text: str, class_: str, dx: float | None = None) -> Markup:
    """A word in a drawing: x in percent of its width, y and dx in pixels."""
    return tag("text", text, x=f"{x:.4g}%", y=f"{y:.4g}", class_=class_, dx=dx)


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
    return svg(identity, 12, "Where the time went", said, *drawn)
