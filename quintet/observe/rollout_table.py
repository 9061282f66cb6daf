"""The answers of one step, as `quintet rollouts RUN --step N` shows them: by prompt, best advantage first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import rich.console
from rich import box
from rich.table import Table
from rich.text import Text

from quintet.observe.before_after import outcome
from quintet.observe.formats import short, signed
from quintet.observe.records import Row, number, require_run, rollouts
from quintet.observe.rollout_groups import by_group, parts, prompt_text
from quintet.observe.safe_text import shortened, visible

MOST_TEXT = 800
"""Characters shown of each prompt and answer."""


def show(
    run: Path,
    step: int | None = None,
    group: int | None = None,
    limit: int = 4,
    console: rich.console.Console | None = None,
) -> None:
    """Print a step's answers (None: of the last step that has any), a table for each prompt, at most `limit` prompts.

    Raises ValueError when the step has no rollouts or the group isn't in it.
    """
    console = console or rich.console.Console()
    grouped = by_group(rollouts(require_run(Path(run)), step))
    at = next(iter(grouped.values()))[0]
    if group is not None and group not in grouped:
        raise ValueError(f"Step {at['step']} has no group {group}; its groups are {_ranges(sorted(grouped))}.")
    chosen = {group: grouped[group]} if group is not None else dict(list(grouped.items())[:limit])
    answers = sum(map(len, grouped.values()))
    console.print(
        Text(f"Step {at['step']} ({visible(str(at.get('stage', '')))}): {answers} answers to {len(grouped)} prompts"),
        style="bold",
    )
    for number_, rows in chosen.items():
        console.print()
        console.print(_heading(number_, rows[0]))
        console.print(_table(rows))
    if group is None and len(chosen) < len(grouped):
        console.print(
            Text(
                f"{len(chosen)} of {len(grouped)} prompts shown: --limit {len(grouped)} shows all, --group N one.", style="dim"
            )
        )


def _heading(group: int, row: Row) -> Text:
    text = Text(f"group {group}", style="bold cyan")
    text.append(f"  {visible(str(row.get('prompt_id', '')))}", style="default")
    if row.get("level"):
        text.append(f"  {visible(str(row['level']))}", style="dim not bold")
    prompt = shortened(visible(prompt_text(row.get("prompt"))), MOST_TEXT)
    return text.append(f"\n{prompt}", style="not bold default") if prompt else text


def _table(rows: Sequence[Row]) -> Table:
    with_parts = any(row.get("parts") for row in rows)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("advantage", "reward"):
        table.add_column(name, justify="right", no_wrap=True)
    if with_parts:
        table.add_column("parts", max_width=24)
    table.add_column("tokens", justify="right", no_wrap=True)
    table.add_column("answer", overflow="fold")
    for row in rows:
        mark = {"solved": "✓ ", "failed": "✗ "}.get(outcome(row), "")
        cells = [signed(number(row, "advantage")), mark + short(number(row, "reward"))]
        cells += ["\n".join(parts(row))] if with_parts else []
        cells.append(f"{short(number(row, 'tokens'))} {visible(str(row.get('stop_reason', '')))}")
        cells.append(shortened(visible(str(row.get("text", ""))), MOST_TEXT))
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _ranges(numbers: Sequence[int]) -> str:
    """Example: _ranges([0, 1, 2, 5]) == "0–2, 5" """
    runs: list[list[int]] = []
    for value in numbers:
        if runs and value == runs[-1][1] + 1:
            runs[-1][1] = value
        else:
            runs.append([value, value])
    return ", ".join(str(low) if low == high else f"{low}–{high}" for low, high in runs)
