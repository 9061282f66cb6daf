"""An evaluation with several answers a problem, for a terminal: Pass@K and Maj@K by level, and how both grow with K."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO, Any

import rich.console
from rich import box
from rich.table import Table
from rich.text import Text

from quintet.observe.formats import interval, score
from quintet.observe.records import number
from quintet.observe.safe_text import visible

NAMES = {"pass": "Pass", "maj": "Maj"}
MEANING = "Pass: one of K answers is right. Maj: their majority is. In brackets: 95 % intervals."
WITHOUT = {
    "pass": "This task says of no answer whether it is correct, so there is no Pass@K and no Maj@K.",
    "maj": "This task doesn't say which answers are the same (answer_of), so there is no Maj@K.",
}


def show_k(row: Mapping[str, Any], file: IO[str] | None = None) -> None:
    """Print the tables of `evaluate(…, k)`, k above 1."""
    out = rich.console.Console(file=file or sys.stdout, highlight=False, markup=False, emoji=False)
    out.print(by_level(row))
    missing = next((said for key, said in WITHOUT.items() if key not in row), None)
    if "pass" in row:
        out.print(by_k(row))
    out.print(Text(f"{missing or MEANING} Temperature {row['sampling']['temperature']:g}.", style="dim"))


def by_level(row: Mapping[str, Any]) -> Table:
    """Levels and all problems in rows; the score of one answer, Pass@K and Maj@K in columns."""
    k, kinds = str(row["k"]), [kind for kind in NAMES if kind in row]
    table = _table(f"{row['task']} ({row['split']}): {row['n']} problems, {k} answers each")
    for title in ("level", "n", "one answer", *(f"{NAMES[kind]}@{k}" for kind in kinds)):
        table.add_column(title, justify="left" if title == "level" else "right")
    for level, facts in [*row["levels"].items(), ("all", row)]:
        if level == "all" and row["levels"]:
            table.add_section()
        cells = [_cell(facts, facts["unit"]), *(_cell(facts[kind][k], facts["unit"]) for kind in kinds if kind in facts)]
        table.add_row(Text(visible(level)), str(facts["n"]), *cells, style="bold" if level == "all" else "")
    return table


def by_k(row: Mapping[str, Any]) -> Table:
    """Pass@K and Maj@K of all problems, for each K."""
    kinds = [kind for kind in NAMES if kind in row]
    table = _table("all problems, by K")
    for title in ("K", *(NAMES[kind] for kind in kinds)):
        table.add_column(title, justify="right")
    for k in row["pass"]:
        table.add_row(k, *(_cell(row[kind][k], "solved") for kind in kinds))
    return table


def _table(title: str) -> Table:
    return Table(title=Text(visible(title), style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)


def _cell(facts: Mapping[str, Any], unit: str) -> Text:
    low, high = number(facts, "low"), number(facts, "high")
    return Text(score(number(facts, "score"), unit)).append(f" {interval(low, high, unit)}", style="dim not bold")
