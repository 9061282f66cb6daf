"""A comparison's runs as a table that follows them: live in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from math import isfinite
from pathlib import Path
from typing import IO

import rich.console
from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from quintet.observe.comparison_folder import RunAt, is_comparison, name_of, runs_of, start_of
from quintet.observe.formats import NARROW, duration, interval, percent, score, short
from quintet.observe.history import History
from quintet.observe.run_state import RunState, settings_of, state_of
from quintet.observe.safe_text import visible

EVERY_SECONDS = 1.0
PLAIN_EVERY_SECONDS = 30.0
STYLES = {"running": "cyan", "done": "green", "failed": "red", "stopped": "yellow", "quiet": "yellow", "waiting": "dim"}
ENDED = ("done", "failed", "stopped")
Standing = list[tuple[RunAt, RunState]]


class Runs:
    """A comparison's runs with what each has written; `look` reads what is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._histories: dict[Path, History] = {}

    def look(self) -> Standing:
        """Every run and how it stands now."""
        standing = []
        start = start_of(self.folder)
        for run in [*([start] if start else []), *runs_of(self.folder)]:
            history = self._histories.setdefault(run.folder, History(run.folder))
            while history.look():
                pass
            standing.append((run, state_of(run, history, settings_of(run))))
        return standing


def watch(
    folder: Path,
    once: bool = False,
    file: IO[str] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Show the runs of the comparison in `folder` until all have ended; `once`: as they are, and be done.

    In a terminal the table is drawn again every second. Elsewhere a line is printed for each run whose state changed and,
    every half minute, for each that runs. Reads files only, so it may come and go as it likes.
    Raises ValueError where the folder holds no comparison; Ctrl-C ends it.
    """
    if not is_comparison(folder):
        raise ValueError(f"{folder} holds no comparison: it has no comparison.toml. Name a folder that `quintet compare` made.")
    runs, out = Runs(folder), rich.console.Console(file=file or sys.stdout, highlight=False, markup=False, emoji=False)
    if once:
        return out.print(table(folder.name, runs.look()))
    if out.is_terminal and not out.is_dumb_terminal:
        with Live(console=out, auto_refresh=False) as live:
            while live.update(table(folder.name, standing := runs.look()), refresh=True) or not _over(standing):
                sleep(EVERY_SECONDS)
        return None
    return _lines(runs, out, sleep)


def _lines(runs: Runs, out: rich.console.Console, sleep: Callable[[float], None]) -> None:
    said: dict[str, str] = {}
    for tick in range(sys.maxsize):
        standing = runs.look()
        now_and_then = tick % round(PLAIN_EVERY_SECONDS / EVERY_SECONDS) == 0
        for run, state in standing:
            if said.get(name_of(run)) != state.state or (now_and_then and state.state == "running"):
                said[name_of(run)] = state.state
                out.print(Text(line(run, state)), soft_wrap=True)
        if _over(standing):
            return
        sleep(EVERY_SECONDS)


def _over(standing: Standing) -> bool:
    return bool(standing) and all(state.state in ENDED for _, state in standing)


def table(name: str, standing: Standing) -> Table:
    """The runs in rows: label, seed, state, step, reward, held-out score, speed and time left."""
    ended = sum(state.state in ENDED for _, state in standing)
    drawn = Table(
        title=Text(visible(f"{name}: {ended} of {len(standing)} runs ended"), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),  # all of it fits into 80 columns
    )
    for heading in ("run", "seed", "state"):
        # a long label is the only thing that may need two lines
        drawn.add_column(heading, justify="right" if heading == "seed" else "left", no_wrap=heading != "run", overflow="fold")
    for heading in ("step", "reward", "held out", "tok/s", "time left"):
        drawn.add_column(heading, justify="right", no_wrap=True)
    before = None
    for run, state in standing:
        if before is not None and run.label != before:
            drawn.add_section()
        cells = [Text(visible(run.label)) if run.label != before else Text(""), Text(str(run.seed) if run.seed >= 0 else "")]
        drawn.add_row(*cells, Text(state.state, style=STYLES.get(state.state, "")), *map(Text, _numbers(state)))
        before = run.label
    for run, state in standing:
        if state.reason:
            drawn.caption = _with(drawn.caption, f"{name_of(run)}: {state.reason}")
    drawn.caption_justify = "left"
    return drawn


def _with(caption: object, sentence: str) -> Text:
    told = caption if isinstance(caption, Text) else Text()
    return (told.append("\n") if told else told).append(visible(sentence), style="yellow")


def line(run: RunAt, state: RunState) -> str:
    """A run as one line.  Example: "grpo · seed 1  running  40/120  reward 0.61  61.0 % (58.0–64.0)  1:10 left" """
    step, reward, held_out, speed, left = _numbers(state)
    facts = [step, reward and f"reward {reward}", held_out, speed and f"{speed} tok/s", left and f"{left} left", state.reason]
    return visible("  ".join([name_of(run), state.state, *filter(None, facts)])).replace(NARROW, " ")


def _numbers(state: RunState) -> Sequence[str]:
    share = percent(state.share, 0) if isfinite(state.share) and state.step else ""
    step = f"{state.step:,}/{state.steps:,}" if state.steps else f"{state.step:,} {share}".strip()
    held_out = f"{score(state.score, state.unit)} {interval(state.low, state.high, state.unit)}".strip()
    return (
        step,
        short(state.reward) if isfinite(state.reward) else "",
        held_out if isfinite(state.score) else "",
        f"{state.tokens_per_second:,.0f}" if isfinite(state.tokens_per_second) and state.state == "running" else "",
        duration(state.seconds_left) if isfinite(state.seconds_left) else "",
    )
