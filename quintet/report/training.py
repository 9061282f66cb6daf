"""Every metric over the steps, and where the time went."""

from __future__ import annotations

from collections.abc import Sequence

from quintet.observe.formats import duration_in_words, percent
from quintet.report.axes import value_range
from quintet.report.blocks import scrolling, section
from quintet.report.charts import ends, line_chart
from quintet.report.curves import Curve, curves, seconds_by_part
from quintet.report.drawing import share_bar
from quintet.report.facts import Facts
from quintet.report.markup import Markup, tag

TABLE_ROWS = 24
"""Rows in the table behind a curve."""


def curve_section(facts: Facts) -> Markup | None:
    """Every metric over the steps."""
    known, others = curves(facts.steps)
    if not known and not others:
        return None
    drawn = [c for c in known if not c.is_constant]
    still = [c for c in (*known, *others) if c.is_constant]
    rest = [c for c in others if not c.is_constant]
    note = (
        "Beside each name: the mean over the first and the last tenth of the steps. Pale: every value (or the lowest and "
        "highest of neighbouring steps). Strong: the trend."
    )
    return section(
        "curves",
        "Training",
        _time_spent(facts),
        tag("p", note, class_="note") if drawn or rest else None,
        tag("div", *(_figure(c, f"c{index}") for index, c in enumerate(drawn)), class_="charts"),
        _constants(still),
        _more(rest),
    )


def _figure(curve: Curve, identity: str) -> Markup:
    title = tag("h3", tag("span", curve.known.title), tag("span", ends(curve), class_="ends"))
    said = f"{curve.known.note} {value_range(curve)[2]}".strip()
    note = tag("p", said, class_="note") if said else None
    return tag("figure", tag("figcaption", title, note), line_chart(curve, identity), _curve_table(curve))


def _curve_table(curve: Curve) -> Markup:
    """The numbers behind a curve, a row for each stretch of steps."""
    show = curve.known.show
    points = [(segment.stage, point) for segment in curve.segments for point in segment.points]
    every = -(-len(points) // TABLE_ROWS)
    rows = []
    for start in range(0, len(points), every):
        some = points[start : start + every]
        mean = sum(p.mean for _, p in some) / len(some)
        ends = some[0][1].first, some[-1][1].last
        steps = f"{ends[0]:,}" if ends[0] == ends[1] else f"{ends[0]:,}–{ends[1]:,}"
        values = (show(mean), show(min(p.low for _, p in some)), show(max(p.high for _, p in some)))
        stage = " → ".join(dict.fromkeys(name for name, _ in some))
        rows.append(tag("tr", tag("th", steps, scope="row"), *(tag("td", value) for value in (stage, *values))))
    head = tag("tr", *(tag("th", name, scope="col") for name in ("steps", "stage", "mean", "lowest", "highest")))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers")
    name = f"{curve.known.title} in numbers"
    return tag(
        "details",
        tag("summary", "Numbers", tag("span", f" behind {curve.known.title}", class_="unseen")),
        scrolling(table, name),
    )


def _time_spent(facts: Facts) -> Markup | None:
    spent = [(name, seconds) for name, seconds in seconds_by_part(facts.steps) if seconds > 0][:5]
    whole = sum(seconds for _, seconds in spent)
    if not spent:
        return None
    items = [
        tag(
            "li",
            tag("span", class_=f"swatch p{min(index, 4)}"),
            f"{name} {percent(seconds / whole, 0)}",
            tag("small", f" {duration_in_words(seconds)}"),
        )
        for index, (name, seconds) in enumerate(spent)
    ]
    legend = tag("ul", *items, class_="legend")
    return tag("figure", tag("figcaption", tag("h3", "Where the time went"), legend), share_bar(spent, "time"), class_="time")


def _constants(still: Sequence[Curve]) -> Markup | None:
    if not still:
        return None
    told = ", ".join(f"{curve.known.title} {curve.known.show(curve.points[0].mean)}" for curve in still)
    return tag("p", f"The same at every step: {told}.", class_="note")


def _more(rest: Sequence[Curve]) -> Markup | None:
    if not rest:
        return None
    figures = (_figure(curve, f"o{index}") for index, curve in enumerate(rest))
    return tag("details", tag("summary", f"{len(rest)} more metrics"), tag("div", *figures, class_="charts"), class_="more")
