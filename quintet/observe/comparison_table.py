"""Before and after as tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from quintet.observe.before_after import ALL, Cell, Comparison, Line, outcome, pairs, tally
from quintet.observe.formats import change, interval, score, short
from quintet.observe.records import number
from quintet.observe.safe_text import shortened, visible

MOST_TEXT = 600
"""Characters shown of an answer that has no picture."""


def comparison_table(comparison: Comparison) -> Table:
    """Levels and all problems in rows, evaluations in columns, and the change between the last two."""
    what = "problems solved" if comparison.unit == "solved" else "mean reward"
    table = Table(
        title=Text(visible(f"{comparison.task} ({comparison.split}): {what}"), style="bold"),
        title_justify="left",
        caption=Text("In brackets: 95 % intervals. ▲ ▼ apart; ≈ overlapping, call it a tie.", style="dim"),
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    table.add_column("level")
    for label in comparison.labels:
        table.add_column(Text(visible(label)), justify="right")
    if len(comparison.labels) > 1:
        table.add_column("change", justify="right")
    for line in comparison.lines:
        if line.level == ALL and len(comparison.lines) > 1:
            table.add_section()
        table.add_row(*_cells(line, comparison), style="bold" if line.level == ALL else "")
    return table


def _cells(line: Line, comparison: Comparison) -> list[Text]:
    cells = [Text(visible(line.level)), *(_cell(cell, comparison.unit) for cell in line.cells)]
    if len(comparison.labels) > 1:
        cells.append(_change(line, comparison.unit))
    return cells


def _cell(cell: Cell | None, unit: str) -> Text:
    if cell is None:
        return Text("–", style="dim")
    text = Text(score(cell.score, unit))
    return text.append(f" {interval(cell.low, cell.high, unit)}", style="dim not bold")


def _change(line: Line, unit: str) -> Text:
    if line.change is None:
        return Text("–", style="dim")
    text = Text(change(line.change, unit))
    if line.apart:
        return text.append(" ▲" if line.change > 0 else " ▼", style="green" if line.change > 0 else "red")
    return text.append(" ≈", style="dim not bold") if line.apart is False else text


def picture_table(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], limit: int) -> Group | None:
    """Up to `limit` problems in rows, before on the left, after on the right; None where no problem is in both."""
    matched = pairs(before, after)
    if not matched:
        return None
    grid = Table(box=box.SIMPLE, show_edge=False, pad_edge=False, show_lines=True, padding=(0, 2, 0, 0))
    grid.add_column("before", overflow="fold")
    grid.add_column("after", overflow="fold")
    for pair in matched[:limit]:
        grid.add_row(_drawn(pair.before), _drawn(pair.after))
    return Group(grid, Padding(Text(tally(matched), style="dim"), (1, 0, 0, 0)))


def _drawn(example: Mapping[str, Any]) -> Group:
    marks = {"solved": Text("✓ solved", style="green"), "failed": Text("✗ failed", style="red")}
    mark = marks.get(outcome(example), Text(f"reward {short(number(example, 'reward'))}"))
    if example.get("level"):
        mark.append(f"  {visible(str(example['level']))}", style="dim")
    picture = example.get("picture")
    if picture:
        return Group(mark, Text(visible(str(picture)).rstrip("\n"), no_wrap=True, overflow="crop"))
    return Group(mark, Text(shortened(visible(str(example.get("text", ""))), MOST_TEXT)))
