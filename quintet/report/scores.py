"""Before and after: what each level scored in each evaluation."""

from __future__ import annotations

from quintet.observe.before_after import ALL, Cell, Comparison, Line, comparisons
from quintet.observe.formats import change, interval, score
from quintet.report.blocks import Limits, scrolling, section
from quintet.report.facts import Facts
from quintet.report.markup import Markup, join, tag
from quintet.report.score_plot import dot_plot, evaluation_class


def before_after(facts: Facts, limits: Limits) -> Markup | None:
    """Dots with intervals, and the same numbers as a table."""
    found = [_trimmed(comparison, limits.levels) for comparison in comparisons(facts.evaluations)][:4]
    if not found:
        return None
    blocks = []
    for index, comparison in enumerate(found):
        heading = f"{comparison.task} ({comparison.split})" if len(found) > 1 else None
        blocks.append(
            join(
                tag("h3", heading) if heading else None,
                tag("figure", _legend(comparison), dot_plot(comparison, f"scores-{index}"), class_="scores"),
                _score_table(comparison),
            )
        )
    note = "Bars are intervals. Where the bars of two evaluations overlap, the difference may be chance: call it a tie."
    return section("before-after", "Before and after", tag("p", note, class_="note"), *blocks)


def _trimmed(comparison: Comparison, levels: int) -> Comparison:
    if len(comparison.lines) <= levels:
        return comparison
    lines = (*comparison.lines[: levels - 1], comparison.total)
    return Comparison(comparison.task, comparison.split, comparison.unit, comparison.labels, lines)


def _legend(comparison: Comparison) -> Markup:
    of = len(comparison.labels)
    items = [
        tag("li", tag("span", class_=f"swatch {evaluation_class(index, of)}"), label)
        for index, label in enumerate(comparison.labels)
    ]
    return tag("ul", *items, class_="legend")


def _score_table(comparison: Comparison) -> Markup:
    compared = len(comparison.labels) > 1
    names = ["level", *comparison.labels, *(["change"] if compared else [])]
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    rows = []
    for line in comparison.lines:
        cells = [tag("td", *_cell(cell, comparison.unit)) for cell in line.cells]
        cells += [_change(line, comparison.unit)] if compared else []
        rows.append(tag("tr", tag("th", line.level, scope="row"), *cells, class_="total" if line.level == ALL else None))
    return scrolling(tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers"), "Scores by level")


def _cell(cell: Cell | None, unit: str) -> list[Markup | str]:
    if cell is None:
        return ["–"]
    return [score(cell.score, unit), " ", tag("small", interval(cell.low, cell.high, unit))]


def _change(line: Line, unit: str) -> Markup:
    if line.change is None:
        return tag("td", "–")
    if line.apart is None:
        return tag("td", change(line.change, unit))
    mark, kind = ("▲", "better") if line.change > 0 else ("▼", "worse")
    verdict = tag("small", f"{mark} apart", class_=kind) if line.apart else tag("small", "≈ overlap")
    return tag("td", change(line.change, unit), " ", verdict)
