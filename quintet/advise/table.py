"""A comparison's advice in a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import IO, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from quintet.advise.applicable import Applies
from quintet.observe.formats import duration_in_words, interval, percent, score, short
from quintet.observe.safe_text import visible

Row = dict[str, Any]


def show(advice: dict[str, Any], file: IO[str] | None = None) -> None:
    """What each bought and what it cost, what ties, and what follows."""
    out = Console(file=file, highlight=False, markup=False, emoji=False)
    out.print(Text(_head(advice), style="bold"))
    out.print(_bought(advice))
    out.print(_cost(advice))
    if advice["pairs"]:
        out.print(_against(advice))
    for row in advice["rows"]:
        for run in row["runs"]:
            out.print(Text(visible(f"{row['label']} seed {run['seed']}: {run['diagnosis']}"), style="dim"))
    out.print()
    for warning in advice["warnings"]:
        out.print(Text(visible(f"Note: {warning}"), style="yellow"))
    out.print(Text(visible(" ".join(advice["sentences"])), style="bold"))
    out.print(Text(visible(f"Next: {advice['next']}")))


def show_applicable(found: Sequence[Applies], advice: Sequence[str], file: IO[str] | None = None) -> None:
    """Which algorithms apply, and why."""
    out = Console(file=file, highlight=False, markup=False, emoji=False)
    table = _table("algorithm", "applies", "why")
    for one in found:
        table.add_row(one.algorithm, one.how, one.why)
    out.print(table)
    out.print(Text(" ".join(advice), style="bold"))


def _head(advice: dict[str, Any]) -> str:
    budget, start = advice["budget"], advice["start"]
    parts = [f"{budget['tokens']:,} sampled tokens"] if budget["tokens"] else []
    parts += [f"{duration_in_words(budget['seconds'])} of training"] if budget["seconds"] else []
    what = "problems solved" if advice["unit"] == "solved" else "mean reward"
    begun = f"start {score(_number(start['score']), advice['unit'])}"
    return f"{advice['task']}: {what} of {advice['problems']:,} held-out, {begun}; {' and '.join(parts)} a run"


def _bought(advice: dict[str, Any]) -> Table:
    unit, target = advice["unit"], score(_number(advice["target"]), advice["unit"])
    table = _table("", "score (95 %)", "middle half", "area", f"tokens to {target}", f"seconds to {target}", "seeds")
    table.columns[1].no_wrap = True
    for row in advice["rows"]:
        table.add_row(
            visible(row["label"]),
            _estimate(row, ("score", "low", "high"), unit),
            score(_number(row["iqm"]), unit),
            score(_number(row["area"]), unit),
            _count(row["tokens_to"]),
            short(_number(row["seconds_to"])),
            str(row["seeds"]),
        )
    return table


def _cost(advice: dict[str, Any]) -> Table:
    table = _table("", "CPU seconds", "wall seconds", "peak MB", "extra networks", "backward passes", "diverged")
    for row in advice["rows"]:
        table.add_row(
            visible(row["label"]),
            short(_number(row["cpu_seconds"])),
            short(_number(row["wall_seconds"])),
            _count(row["peak_memory_mb"]),
            "\n".join(row["networks"][1:]) or "none",
            short(_number(row["passes"]), 2),
            f"{row['diverged']} of {row['seeds']}" if row["diverged"] else "no",
        )
    return table


def _against(advice: dict[str, Any]) -> Table:
    table = _table("", "difference (95 %)", "P(better) (95 %)", "verdict")
    for pair in advice["pairs"]:
        better = f"{percent(pair['p_better'], 0)} {interval(pair['low'], pair['high'], 'solved')}"
        verdict = "≈ tie" if pair["tie"] else "apart"
        gap = _estimate(pair, ("difference", "difference_low", "difference_high"), advice["unit"])
        table.add_row(visible(f"{pair['a']} − {pair['b']}"), gap, better, verdict)
    return table


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for number, name in enumerate(columns):
        left = number == 0 or name in ("why", "verdict", "applies")
        table.add_column(name, justify="left" if left else "right", no_wrap=number == 0)  # a label is never cut
    return table


def _estimate(row: Row, keys: tuple[str, str, str], unit: str) -> str:
    value, low, high = (_number(row[key]) for key in keys)
    return f"{score(value, unit)} {interval(low, high, unit)}".rstrip()


def _count(value: Any) -> str:
    return f"{value:,.0f}" if isfinite(_number(value)) else "–"


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
