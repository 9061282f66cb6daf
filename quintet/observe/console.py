"""What a run looks like in a terminal, and in the plain log of one that isn't."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from types import TracebackType
from typing import IO, Any

import rich.console
from rich.live import Live
from rich.text import Text

from quintet.observe.before_after import comparisons
from quintet.observe.comparison_table import comparison_table, picture_table
from quintet.observe.formats import NARROW, duration, percent, short
from quintet.observe.records import number
from quintet.observe.safe_text import visible
from quintet.observe.time_left import Stage, TimeLeft

PLAIN_EVERY_SECONDS = 10.0
Fact = tuple[str, str, Callable[[float], str]]
_ONLINE: tuple[Fact, ...] = (
    ("reward", "reward {}", short),
    ("completions/mean_length", "length {}", lambda tokens: short(tokens, 2)),
    ("frac_reward_zero_std", "tied {}", lambda share: percent(share, 0)),
    ("entropy", "entropy {}", lambda nats: short(nats, 2)),
    ("kl", "kl {}", lambda nats: short(nats, 2)),
    ("explained_variance", "foreseen {}", lambda share: percent(share, 0)),
    ("logp_gap/max", "gap {}", lambda nats: short(nats, 2)),
)
_SUPERVISED: tuple[Fact, ...] = (
    ("loss", "loss {}", short),
    ("accuracy", "accuracy {}", percent),
    ("margin", "margin {}", short),
)
_SPEED: tuple[Fact, ...] = (("tokens_per_second", "{} tok/s", lambda rate: f"{rate:,.0f}"),)


class Console:
    """Progress of a run: a live line in a terminal, now and then a plain line elsewhere. Use it as a context manager.

    `stages`: (name, steps) or (name, steps, expected seconds of the whole stage) in order; the expectations only serve the
    time left. Text is printed as it is: neither markup nor escape sequences in it do anything.
    """

    def __init__(
        self,
        stages: Sequence[tuple[str, int] | tuple[str, int, float | None]],
        file: IO[str] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        file = file or sys.stdout
        if callable(reconfigure := getattr(file, "reconfigure", None)):
            reconfigure(errors="replace")  # a log in Latin-1 must not end a run because of a maze's box drawing
        self._out = rich.console.Console(file=file, highlight=False, markup=False, emoji=False)
        self._stages = [Stage(stage[0], stage[1], stage[2] if len(stage) == 3 else None) for stage in stages]
        self._clock = clock
        self._began = self._last_tick = clock()
        self._last_line = -float("inf")
        self._time_left = TimeLeft(self._stages)
        self._row: Mapping[str, Any] | None = None
        self._place = (-1, -1)
        self._printed = True
        self._live: Live | None = None
        self._writing: float | None = None
        """When the answers that are being written were begun."""
        self._written = ""

    def __enter__(self) -> Console:
        self._began = self._last_tick = self._clock()
        if self._out.is_terminal and not self._out.is_dumb_terminal:
            self._live = Live(get_renderable=self._live_line, console=self._out, refresh_per_second=4, transient=True)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        live, self._live = self._live, None
        if live is not None:
            live.stop()
        if not self._printed:
            self._print_line()

    def step(self, row: Mapping[str, Any]) -> None:
        """A step is done; `row` is its row of metrics."""
        now = self._clock()
        stage, done = self._stage_of(row), _whole(row, "stage_step")
        seconds = number(row, "step_time")
        if self._place == (stage, done - 1) or not isfinite(seconds):  # the whole interval: observers take time as well
            seconds = now - self._last_tick
        self._time_left.step(stage, seconds)
        first = self._row is None
        self._row, self._place, self._last_tick, self._printed = row, (stage, done), now, False
        last_of_stage = done >= self._stages[stage].steps
        if last_of_stage or (self._live is None and (first or now - self._last_line >= PLAIN_EVERY_SECONDS)):
            self._print_line()

    def answers(self, ended: int, of: int, tokens: int) -> None:
        """While answers are written: how many have ended, and the tokens so far."""
        now = self._clock()
        if self._writing is None:
            self._writing = now
        self._written = f"answers {ended:,}/{of:,}  {tokens / max(1e-3, now - self._writing):,.0f} tok/s"
        if self._live is None and now - max(self._last_line, self._writing) >= PLAIN_EVERY_SECONDS:
            self._last_line = now
            self._out.print(Text(self._written), soft_wrap=True)
        if ended == of:
            self._writing, self._written = None, ""

    def say(self, text: str, style: str = "") -> None:
        """Print a line of text (above the live line); `style` as rich names it, such as "bold" or "yellow"."""
        self._out.print(Text(visible(text), style=style), soft_wrap=True)

    def table(self, evaluations: Sequence[Mapping[str, Any]]) -> None:
        """Print one table of what each level scored in each evaluation, and whether the last two intervals are apart.

        Takes rows of evaluations.jsonl. A run on several tasks or splits gets one table for each.
        """
        for comparison in comparisons(evaluations):
            self._out.print()
            self._out.print(comparison_table(comparison))

    def pictures(self, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], limit: int = 3) -> None:
        """Print up to `limit` problems answered before and after, side by side; those whose outcome changed come first.

        Takes the `examples` of two evaluations; without a picture an answer's text is shown.
        """
        if (table := picture_table(before, after, limit)) is not None:
            self._out.print()
            self._out.print(table)

    def _stage_of(self, row: Mapping[str, Any]) -> int:
        """The stage that begins where this row's stage began: names may repeat, so the count of earlier steps decides."""
        offset = _whole(row, "step") - _whole(row, "stage_step")
        begins = 0
        for index, stage in enumerate(self._stages):
            if begins == offset and stage.name == row.get("stage"):
                return index
            begins += stage.steps
        names = [stage.name for stage in self._stages]
        if row.get("stage") not in names:
            raise ValueError(f"Step {row.get('step')} belongs to stage {row.get('stage')!r}; this run's stages are {names}.")
        return names.index(row["stage"])

    def _print_line(self) -> None:
        assert self._row is not None
        self._last_line = self._clock()
        self._printed = True
        index, done = self._place
        stage = self._stages[index]
        head = f"{stage.name} {done}/{stage.steps}"
        times = f"{duration(self._clock() - self._began)} elapsed{self._left(', ')}"
        self._out.print(Text("  ".join([visible(head), *_facts(self._row), times])), soft_wrap=True)

    def _live_line(self) -> Text:
        elapsed = f"{duration(self._clock() - self._began)} elapsed"
        if self._row is None:
            return Text("  ".join(filter(None, ("starting", elapsed, self._written))), "dim", no_wrap=True, overflow="ellipsis")
        index, done = self._place
        stage = self._stages[index]
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(visible(stage.name), style="bold cyan")
        if len(self._stages) > 1:
            line.append(f" {index + 1} of {len(self._stages)}", style="dim")
        line.append(" ").append_text(_bar(done / stage.steps)).append(f" {done}/{stage.steps}")
        line.append(f"  {elapsed}{self._left(', ')}", style="dim")
        return _with_facts(line, [*filter(None, (self._written,)), *_facts(self._row)], self._out.width)

    def _left(self, before: str) -> str:
        estimate = self._time_left.seconds(self._place[1])
        if estimate is None:
            return ""
        seconds, lower_bound = estimate
        seconds = max(0.0, seconds - (self._clock() - self._last_tick))
        return f"{before}{'at least ' if lower_bound else ''}{duration(seconds)} left"


def _whole(row: Mapping[str, Any], key: str) -> int:
    value = number(row, key)
    if not isfinite(value):
        raise ValueError(f"A row of metrics needs a whole number {key!r}; got {row.get(key)!r}.")
    return int(value)


def _facts(row: Mapping[str, Any]) -> list[str]:
    """The few numbers worth watching, most telling first; what a stage doesn't have is left out.

    length: tokens of an answer; tied: share of groups whose answers all earned the same; foreseen: share of the returns'
    variance that the critic explains; gap: the largest difference between the sampler's and the
    learner's log-probabilities.
    """
    wanted = _ONLINE if "reward" in row else _SUPERVISED
    return [form.format(show(number(row, key))).replace(NARROW, " ") for key, form, show in (*wanted, *_SPEED) if key in row]


def _bar(share: float, width: int = 20) -> Text:
    full = round(width * min(1.0, max(0.0, share)))
    return Text("━" * full, style="cyan").append("━" * (width - full), style="bright_black")


def _with_facts(line: Text, facts: Sequence[str], width: int) -> Text:
    """The line with all facts behind it, or, in a narrow terminal, as many as fit in a second line."""
    if line.cell_len + len("  ".join(["", *facts])) < width:
        return line.append("  ".join(["", *facts]))
    while facts and len("  ".join(["", *facts])) >= width:
        facts = facts[:-1]
    return line.append("\n" + "  ".join(["", *facts])) if facts else line
