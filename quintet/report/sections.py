"""The report's sections below the headline; each is None where the run has nothing to show in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quintet.observe.before_after import (
    ALL,
    Cell,
    Comparison,
    Line,
    comparisons,
    kept_columns,
    outcome,
    pairs,
    tally,
)
from quintet.observe.formats import change, duration_in_words, interval, percent, score, short
from quintet.observe.records import Row, number
from quintet.observe.rollout_table import by_group, parts, signed
from quintet.observe.safe_text import shortened, visible
from quintet.report.charts import dot_plot, ends, evaluation_class, line_chart, share_bar, value_range
from quintet.report.curves import Curve, curves, seconds_by_part
from quintet.report.facts import Facts
from quintet.report.markup import Markup, join, tag

TABLE_ROWS = 24
"""Rows in the table behind a curve."""


@dataclass(frozen=True)
class Limits:
    """How much of a long run the page holds; the page shrinks them when it grows too large."""

    text: int = 1200
    """Characters of each prompt, answer and picture."""
    samples: int = 4
    """Problems shown before and after."""
    groups: int = 2
    """Prompts of a step whose rollouts are shown."""
    answers: int = 8
    """Rollouts of each of them."""
    levels: int = 16
    settings: int = 16_000
    """Characters of the settings, and of the environment."""


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
    return _section("before-after", "Before and after", tag("p", note, class_="note"), *blocks)


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
    return _scrolling(tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers"), "Scores by level")


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
    return _section(
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
        _scrolling(table, name),
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


def samples(facts: Facts, limits: Limits) -> Markup | None:
    """The same held-out problems answered by each evaluation's model, with their pictures."""
    with_examples = [row for row in facts.evaluations if _examples(row)]
    if with_examples:
        last = with_examples[-1]
        with_examples = [r for r in with_examples if (r.get("task"), r.get("split")) == (last.get("task"), last.get("split"))]
    columns = kept_columns(with_examples, 3)
    if not columns:
        return None
    latest = _examples(columns[-1])
    note = None
    if len(columns) > 1:
        matched = pairs(_examples(columns[-2]), latest)
        latest = [pair.after for pair in matched]
        note = tag("p", f"{tally(matched)} Problems whose outcome changed come first.", class_="note")
    cards = [_sample(example, columns, limits) for example in latest[: limits.samples]]
    return _section("samples", "The same problems, before and after", note, *cards) if cards else None


def _examples(evaluation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    examples = evaluation.get("examples")
    return [e for e in examples if isinstance(e, Mapping)] if isinstance(examples, list) else []


def _sample(example: Mapping[str, Any], columns: Sequence[Mapping[str, Any]], limits: Limits) -> Markup:
    answers = []
    for row in columns:
        same = [e for e in _examples(row) if e.get("prompt_id") == example.get("prompt_id")]
        if same:
            answers.append(_answer(str(row.get("label") or row.get("step", "")), same[0], limits))
    return tag(
        "article",
        tag("h3", str(example.get("prompt_id", "")), " ", tag("small", str(example.get("level") or ""))),
        tag("div", *answers, class_="side-by-side"),
        _folded("Prompt", str(example.get("prompt", "")), limits.text),
        class_="sample",
    )


def _answer(label: str, example: Mapping[str, Any], limits: Limits) -> Markup:
    picture = example.get("picture")
    text = str(example.get("text", ""))
    shown = _block(str(picture), limits.text, "picture") if picture else _block(text, limits.text, "text")
    return tag("div", tag("h4", label, " ", _badge(example)), shown, _folded("Answer", text, limits.text) if picture else None)


def _badge(row: Mapping[str, Any]) -> Markup:
    result = outcome(row)
    if not result:
        return tag("span", f"reward {short(number(row, 'reward'))}", class_="badge")
    return tag("span", f"{'✓' if result == 'solved' else '✗'} {result}", class_=f"badge {result}")


def _block(text: str, limit: int, class_: str) -> Markup:
    return tag("pre", shortened(visible(text).rstrip("\n"), limit), class_=class_, tabindex=0)


def _folded(summary: str, text: str, limit: int) -> Markup | None:
    return tag("details", tag("summary", summary), _block(text, limit, "text")) if text else None


def rollout_section(facts: Facts, limits: Limits) -> Markup | None:
    """A few answers of the first and of the last step that sampled any, best advantage first."""
    if not facts.first_rollouts:
        return None
    steps = [("First step with rollouts", facts.first_rollouts)]
    if facts.last_rollouts is not facts.first_rollouts:
        steps.append(("Last step", facts.last_rollouts))
    blocks = [_rollout_step(title, rows, limits) for title, rows in steps]
    note = (
        "A few prompts of one step; the answers to each sorted by advantage (the signed number), the best first. "
        "Equal answers are shown once."
    )
    return _section("rollouts", "Rollouts", tag("p", note, class_="note"), *blocks)


def _rollout_step(title: str, rows: Sequence[Row], limits: Limits) -> Markup:
    groups = by_group(rows)
    telling = sorted(groups.values(), key=_is_tied)[: limits.groups]
    articles = [_rollout_group(members, limits) for members in telling]
    where = f"step {rows[0]['step']:,}, {rows[0].get('stage', '')}; {len(telling)} of {len(groups)} prompts"
    return join(tag("h3", title, " ", tag("small", where)), *articles)


def _is_tied(rows: Sequence[Row]) -> bool:
    return len({number(row, "reward") for row in rows}) < 2


def _rollout_group(rows: Sequence[Row], limits: Limits) -> Markup:
    merged = _merged(rows)
    shown = _ends(merged, limits.answers)
    prompt = str(rows[0].get("prompt", ""))
    left_out = len(rows) - sum(times for _, times in shown)
    return tag(
        "article",
        tag("h4", str(rows[0].get("prompt_id", "")), " ", tag("small", str(rows[0].get("level") or ""))),
        _folded("Prompt", prompt, limits.text),
        tag("ol", *(_rollout(row, times, limits) for row, times in shown), class_="rollouts"),
        tag("p", f"{left_out} answers in between are left out.", class_="note") if left_out else None,
    )


def _merged(rows: Sequence[Row]) -> list[tuple[Row, int]]:
    """Siblings that say the same and earned the same, once, with their number."""
    times: dict[tuple[str, float, float], list[Row]] = {}
    for row in rows:
        times.setdefault((str(row.get("text", "")), number(row, "reward"), number(row, "advantage")), []).append(row)
    return [(same[0], len(same)) for same in times.values()]


def _ends(rows: Sequence[tuple[Row, int]], most: int) -> Sequence[tuple[Row, int]]:
    """The best and the worst, in order.  Example: _ends([1, 2, 3, 4, 5], 3) == [1, 2, 5]"""
    return rows if len(rows) <= most else [*rows[: most - most // 2], *rows[len(rows) - most // 2 :]]


def _rollout(row: Row, times: int, limits: Limits) -> Markup:
    advantage = number(row, "advantage")
    sign = "better" if advantage > 0 else "worse" if advantage < 0 else None
    small = [f"reward {short(number(row, 'reward'))}", *parts(row)]
    small.append(f"{short(number(row, 'tokens'))} tokens, {row.get('stop_reason', '')}")
    about = tag(
        "div",
        tag("b", signed(advantage), class_=sign, title="advantage"),
        _badge(row) if outcome(row) else None,
        tag("span", f"×{times}", class_="badge") if times > 1 else None,
        tag("small", " · ".join(small)),
        class_="about",
    )
    return tag("li", about, _block(str(row.get("text", "")), limits.text, "text"))


def settings(facts: Facts, limits: Limits) -> Markup | None:
    """How to get the same run again: the command, the settings, the machine."""
    environment = {key: value for key, value in facts.environment.items() if key != "command"}
    command = facts.environment.get("command")
    if isinstance(command, list):
        command = " ".join(map(str, command))
    blocks = []
    if command:
        blocks.append(join(tag("h3", "Command"), _block(str(command), limits.settings, "text")))
    if facts.settings_text:
        blocks.append(join(tag("h3", "Settings"), _block(facts.settings_text, limits.settings, "text")))
    if environment:
        rows, left = [], limits.settings
        for key, value in environment.items():
            told = shortened(str(value), max(0, left))
            left -= len(told)
            rows.append(tag("div", tag("dt", shortened(key, 80)), tag("dd", told)))
        blocks.append(join(tag("h3", "Environment"), tag("dl", *rows[:100], class_="environment")))
    return _section("again", "To reproduce it", *blocks) if blocks else None


def _section(identity: str, title: str, *children: Markup | None) -> Markup:
    return tag("section", tag("h2", title, id=f"{identity}-h"), *children, id=identity, aria_labelledby=f"{identity}-h")


def _scrolling(table: Markup, name: str) -> Markup:
    """A wide table scrolls by itself, by keyboard as well, instead of widening the page."""
    return tag("div", table, class_="scrolls", tabindex=0, role="region", aria_label=name)
