"""The advice of a comparison: the table, which differences are ties, what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from quintet.observe.formats import NARROW, duration_in_words, interval, percent, score, short
from quintet.observe.records import number
from quintet.report.blocks import scrolling, section
from quintet.report.markup import Markup, join, tag

Row = Mapping[str, Any]


def verdict(advice: Row, name: str) -> Markup | None:
    """The advice as `quintet advise` wrote it; a sentence on how to get it where nobody has asked for it yet."""
    rows = _rows(advice, "rows")
    if not rows:
        told = f"There is no advice yet. It is written when the comparison ends, or by: quintet advise {name}"
        return section("advice", "Which one?", tag("p", told, class_="note"))
    warnings = [tag("p", str(w), class_="warning") for w in advice.get("warnings") or []]
    sentences = [tag("p", str(s)) for s in advice.get("sentences") or []]
    following = tag("p", tag("b", "Next: "), str(advice["next"])) if advice.get("next") else None
    return section(
        "advice",
        "Which one?",
        tag("div", *warnings, *sentences, following, class_="advice"),
        scrolling(_table(rows, _scores(str(advice.get("unit", "reward")))), "What each algorithm scored"),
        tag("p", _note(advice), class_="note"),
        tag("h3", "What each cost"),
        scrolling(_table(rows, _COSTS), "What each algorithm cost"),
        _diagnoses(rows),
        _pairs(_rows(advice, "pairs")),
    )


def _note(advice: Row) -> str:
    """What the columns are."""
    target, unit = number(advice, "target"), str(advice.get("unit", "reward"))
    reached = f" Tokens and seconds to it: until a run reached {score(target, unit)}." if isfinite(target) else ""
    return (
        "Score: held out, at the end; IQM: interquartile mean over seeds and problems; in brackets 95 % intervals. Where "
        f"intervals overlap, call it a tie. Area: mean score on the way.{reached}"
    )


Column = tuple[str, Callable[[Row], Sequence[Markup | str]]]


def _scores(unit: str) -> list[Column]:
    return [
        ("seeds", lambda row: [_plain(row, "seeds")]),
        ("score", lambda row: _measured(row, "score", "low", "high", unit)),
        ("IQM", lambda row: _measured(row, "iqm", "iqm_low", "iqm_high", unit)),
        ("area", lambda row: [score(number(row, "area"), unit)]),
        ("tokens to it", lambda row: [_plain(row, "tokens_to")]),
        ("seconds to it", lambda row: [_plain(row, "seconds_to")]),
        ("diverged", lambda row: [_plain(row, "diverged")]),
    ]


_COSTS: list[Column] = [
    ("wall time", lambda row: [_time(row, "wall_seconds")]),
    ("CPU time", lambda row: [_time(row, "cpu_seconds")]),
    ("peak memory", lambda row: [_megabytes(row)]),
    ("networks held", lambda row: [_plain(row, "networks")]),
    ("passes an update", lambda row: [_plain(row, "passes")]),
]


def _table(rows: Sequence[Row], columns: Sequence[Column]) -> Markup:
    head = tag("tr", *(tag("th", name, scope="col") for name in ("algorithm", *(name for name, _ in columns))))
    body = [
        tag("tr", tag("th", str(row.get("label", "")), scope="row"), *(tag("td", *cell(row)) for _, cell in columns))
        for row in rows
    ]
    return tag("table", tag("thead", head), tag("tbody", *body), class_="numbers")


def _megabytes(row: Row) -> str:
    megabytes = number(row, "peak_memory_mb")
    return f"{megabytes:,.0f}{NARROW}MB" if isfinite(megabytes) else "–"


def _measured(row: Row, value: str, low: str, high: str, unit: str) -> list[Markup | str]:
    around = interval(number(row, low), number(row, high), unit)
    return [score(number(row, value), unit), " ", tag("small", around)] if around else [score(number(row, value), unit)]


def _plain(row: Row, key: str) -> str:
    """A number; yes and no for a truth, names one after another, – for nothing."""
    value = row.get(key)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    return ("yes" if value else "no") if isinstance(value, bool) else short(number(row, key), 4)


def _time(row: Row, key: str) -> str:
    return duration_in_words(number(row, key)) if isfinite(number(row, key)) else "–"


def _diagnoses(rows: Sequence[Row]) -> Markup | None:
    told = [(str(row.get("label", "")), str(row["diagnosis"])) for row in rows if row.get("diagnosis")]
    items = (tag("div", tag("dt", name), tag("dd", sentence)) for name, sentence in told)
    return join(tag("h3", "How each went"), tag("dl", *items, class_="diagnoses")) if told else None


def _pairs(pairs: Sequence[Row]) -> Markup | None:
    """How likely one is better than another: the probability that a run of the first beats a run of the second."""
    if not pairs:
        return None
    rows = [
        tag(
            "tr",
            tag("th", f"{pair.get('a', '')} over {pair.get('b', '')}", scope="row"),
            tag("td", percent(number(pair, "p_better"), 0), " ", tag("small", _range(pair))),
            tag("td", "≈ a tie" if pair.get("tie") else "apart"),
        )
        for pair in pairs
    ]
    head = tag("tr", *(tag("th", name, scope="col") for name in ("pair", "probability of improvement", "")))
    table = tag("table", tag("thead", head), tag("tbody", *rows), class_="numbers")
    summary = tag("summary", "One against the other")
    return tag("details", summary, scrolling(table, "Pairs"), class_="more")


def _range(pair: Row) -> str:
    return interval(number(pair, "low"), number(pair, "high"), "solved")


def _rows(advice: Row, key: str) -> list[Row]:
    found = advice.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []
