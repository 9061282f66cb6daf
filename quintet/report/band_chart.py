"""Several labels' curves in one drawing: the mean of the seeds strong, from the lowest to the highest as a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from quintet.observe.bands import value_at
from quintet.observe.formats import percent, short
from quintet.observe.history import Axis, History
from quintet.report.axes import nice_ticks
from quintet.report.blocks import scrolling
from quintet.report.curves import Known
from quintet.report.drawing import AXIS_HEIGHT, label, svg
from quintet.report.label_curves import AXIS_TITLES, SCORE, LabelCurve, is_share, label_curve, shared_range, tick_names
from quintet.report.markup import Markup, join, tag

WIDTH = 1000.0
TABLE_ROWS = 10
COLOURS = 8


@dataclass(frozen=True)
class Chart:
    """One metric of all labels over one axis."""

    metric: Known
    axis: Axis
    curves: tuple[LabelCurve, ...]
    share: bool
    """Whether values are shown in percent."""

    @property
    def last(self) -> float:
        """How far the axis goes."""
        return max((x for c in self.curves for piece in (*c.strong, *c.raw) for x, _ in piece), default=1.0) or 1.0

    def show(self, value: float) -> str:
        """A value in words."""
        return percent(value) if self.share else self.metric.show(value)


def chart_of(seeds: dict[str, list[History]], metric: Known, axis: Axis, points: int = 40) -> Chart | None:
    """The chart of a metric; None where no run has it."""
    curves = tuple(label_curve(name, runs, metric, axis, points) for name, runs in seeds.items())
    if not any(curve.values for curve in curves):
        return None
    return Chart(metric, axis, curves, is_share(metric, (run for runs in seeds.values() for run in runs)))


def band_chart(chart: Chart, identity: str, height: int = 150) -> Markup:
    """The drawing. Evaluations are dots; other metrics are lines alone, and of the seeds only the band is drawn."""
    low, high = shared_range(chart.curves, chart.share)
    last = chart.last
    ticks = nice_ticks(low, high)
    names = tick_names(ticks, chart.metric, chart.share)
    inner = [_curve(curve, index, low, high, last, height) for index, curve in enumerate(chart.curves)]
    dots = [
        tag("circle", cx=f"{100 * x / last:.2f}%", cy=f"{_y(y, low, high, height):.1f}", r=3, class_=f"dot c{index % COLOURS}")
        for index, curve in enumerate(chart.curves)
        for piece in (curve.strong if chart.metric is SCORE else [])
        for x, y in piece
    ]
    return svg(
        identity,
        height + AXIS_HEIGHT,
        f"{chart.metric.title} over {AXIS_TITLES[chart.axis]}",
        describe(chart),
        *(_tick(_y(tick, low, high, height), name) for tick, name in zip(ticks, names, strict=True)),
        tag("line", x1=0, x2="100%", y1=height, y2=height, class_="axis"),
        tag("svg", *inner, width="100%", height=height, viewBox=f"0 0 {WIDTH:.0f} {height}", preserveAspectRatio="none"),
        *dots,
        *(label(100 * x / last, height + 16, f"{x:,.6g}", "tick middle") for x in nice_ticks(0, last) if 0 < x < 0.7 * last),
        label(0, height + 16, "0", "tick"),
        label(100, height + 16, f"{last:,.0f} {chart.axis}", "tick end"),
        kind="chart curve",
    )


def describe(chart: Chart) -> str:
    """The chart in words.  Example: "grpo: 25.0 % to 49.0 %. dpo: 25.0 % to 37.0 %." """
    told = [(curve.label, curve.strong[0]) for curve in chart.curves if curve.strong and curve.strong[0]]
    return " ".join(f"{name}: {chart.show(points[0][1])} to {chart.show(points[-1][1])}." for name, points in told)


def figure(chart: Chart, identity: str, height: int = 150) -> Markup:
    """The drawing with its name, its note and its table."""
    title = tag("h3", chart.metric.title, tag("small", f"over {AXIS_TITLES[chart.axis]}"))
    note = tag("p", chart.metric.note, class_="note") if chart.metric.note else None
    return tag("figure", tag("figcaption", title, note), band_chart(chart, identity, height), _table(chart))


def legend(labels: Sequence[str]) -> Markup:
    """Which colour is whose."""
    items = (
        tag("li", tag("span", class_=f"swatch c{index % COLOURS}"), name, class_="key") for index, name in enumerate(labels)
    )
    return tag("ul", *items, class_="legend")


def _y(value: float, low: float, high: float, height: int) -> float:
    return height * (1 - (min(max(value, low), high) - low) / (high - low))


def _curve(curve: LabelCurve, index: int, low: float, high: float, last: float, height: int) -> Markup:
    def path(points: Sequence[tuple[float, float]]) -> str:
        steps = [f"{WIDTH * x / last:.0f} {_y(y, low, high, height):.1f}" for x, y in points]
        return "M" + "L".join(steps if len(steps) > 1 else steps * 2)

    kind = f"c{index % COLOURS}"
    edges = [(x, top) for x, _, top in curve.band] + [(x, bottom) for x, bottom, _ in reversed(curve.band)]
    band = tag("path", d=path(edges) + "Z", class_=f"band {kind}") if len(curve.band) > 1 else None
    return join(band, *(tag("path", d=path(piece), class_=f"line {kind}") for piece in curve.strong if piece))


def _tick(y: float, name: str) -> Markup:
    line = tag("line", x1=0, x2="100%", y1=f"{y:.1f}", y2=f"{y:.1f}", class_="grid")
    return join(line, label(0, y + 4, name, "tick end", dx=-8))


def _table(chart: Chart) -> Markup:
    """The numbers behind it: the mean, and in brackets the lowest and highest seed, at places that all labels share."""
    places = sorted({x for curve in chart.curves for piece in curve.strong for x, _ in piece})
    every = -(-len(places) // TABLE_ROWS)
    shown = [x for index, x in enumerate(places) if index % max(1, every) == 0 or index == len(places) - 1]
    head = tag("tr", *(tag("th", name, scope="col") for name in (AXIS_TITLES[chart.axis], *(c.label for c in chart.curves))))
    rows = [
        tag("tr", tag("th", short(x, 6), scope="row"), *(tag("td", *_cell(chart, curve, x)) for curve in chart.curves))
        for x in shown
    ]
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers")
    name = f"{chart.metric.title} over {AXIS_TITLES[chart.axis]}"
    summary = tag("summary", "Numbers", tag("span", f" behind {name}", class_="unseen"))
    return tag("details", summary, scrolling(table, f"{name} in numbers"))


def _cell(chart: Chart, curve: LabelCurve, x: float) -> list[Markup | str]:
    for piece in curve.strong:
        if piece and piece[0][0] <= x <= piece[-1][0]:
            low, high = (value_at([(at, edge[side]) for at, *edge in curve.band], x) if curve.band else None for side in (0, 1))
            around = f" ({chart.show(low)} to {chart.show(high)})" if low is not None and high is not None else ""
            return [chart.show(value_at(piece, x)), tag("small", around)]
    return ["–"]
