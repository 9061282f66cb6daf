"""What `quintet check` found, as a page in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import rich.console
from rich import box
from rich.table import Table
from rich.text import Text

from quintet.observe.formats import NARROW, duration_in_words, percent, short
from quintet.observe.rollout_groups import prompt_text
from quintet.observe.safe_text import shortened, visible
from quintet.observe.verdicts import NOTE, Found

MOST_TEXT = 400
BAR = 30
"""Characters of the longest bar."""


def show_check(found: Found, console: rich.console.Console | None = None) -> None:
    """Rewards, answers, examples, the estimate, and what to change."""
    out = console or rich.console.Console(highlight=False)
    out.print(Text(_head(found), style="bold"))
    for line in _facts(found):
        out.print(Text(line), soft_wrap=True)
    if found["values"]:
        out.print(_histogram(found["values"]))
    for name in ("best", "worst"):
        if found[name]:
            out.print(_examples(name, found[name]))
    if found["estimate"]:
        for line in _estimate(found["estimate"]):
            out.print(Text(line), soft_wrap=True)
        out.print()
    for sentence in found["verdicts"]:
        style = "green" if sentence.startswith("Ready") else "" if sentence.startswith(NOTE) else "yellow"
        out.print(Text(visible(f"• {sentence}"), style=style), soft_wrap=True)


def _head(found: Found) -> str:
    answers = found["prompts"] * found["group_size"]
    return visible(
        f"{found['model']} on {found['task']}: {answers} answers to {found['prompts']} prompts at temperature "
        f"{short(found['temperature'])}, {found['sample_seconds']:.1f} s"
    )


def _facts(found: Found) -> Iterator[str]:
    answers, calls, reward = found["answers"], found["calls"], found["reward"]
    if reward["mean"] is not None:
        spread = ", ".join(f"{name.replace('_', ' ')} {short(reward[name])}" for name in QUANTILES)
        yield f"reward      mean {short(reward['mean'])} ± {short(reward['std'])} ({spread})"
    for name, part in found["parts"].items():
        share = "" if part["share"] == 1 else f" (of {percent(part['share'], 0)} of the answers)"
        yield visible(f"  {name}  mean {short(part['mean'])}{share}")
    low, high = percent(found["signal_low"], 0), percent(found["signal_high"], 0)
    groups = f"{found['groups_with_signal']} of {found['groups']} groups"
    yield f"signal      in {groups} answers earned different rewards ({low}–{high})"
    if answers:
        shares = {"cut off": found["cut_off"], "not readable": found["unparsed"], "empty": found["empty"]}
        told = ", ".join(f"{percent(n / answers, 0)} {name}" for name, n in shares.items())
        yield f"answers     {short(found['mean_length'])} tokens in the mean, {found['longest']} the longest; {told}"
    times = f"{_seconds(calls['median'])} in the middle, {_seconds(calls['slowest'])} the slowest"
    yield f"reward call {times}, for {calls['answers']} answers; {calls['failed']} of {calls['number']} failed"


QUANTILES = ("lowest", "middle", "highest")


def _histogram(values: Sequence[Mapping[str, float]]) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    most = max(v["count"] for v in values)
    table.add_column(justify="right")
    table.add_column()
    table.add_column(justify="right")
    for value in values:
        same = value["from"] == value["to"]
        span = short(value["from"]) if same else f"{short(value['from'])} to {short(value['to'])}"
        bar = "█" * max(round(BAR * value["count"] / most), 1 if value["count"] else 0)
        table.add_row(f"  {span}", Text(bar, style="cyan"), f"{value['count']:.0f}")
    return table


def _examples(name: str, examples: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(title=f"the {name} answers", title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("reward", justify="right", no_wrap=True)
    table.add_column("prompt", overflow="fold", ratio=1)
    table.add_column("answer", overflow="fold", ratio=1)
    for example in examples:
        prompt, text = (shortened(visible(t), MOST_TEXT) for t in (prompt_text(example["prompt"]), example["text"]))
        ended = " … (cut off)" if example["stop_reason"] == "length" else ""
        table.add_row(Text(short(example["reward"])), Text(prompt), Text(text + ended))
    return table


def _estimate(estimate: Mapping[str, Any]) -> Iterator[str]:
    """Measured on a few steps, so it is said to be an estimate."""
    whole, longest = duration_in_words(estimate["seconds"]), duration_in_words(estimate["seconds_if_longest"])
    yield (
        f"time        about {whole}, an estimate: {estimate['steps']} steps of {estimate['step_seconds']:.2g} s (the last of "
        f"{estimate['measured_steps']} that were measured) and {estimate['evaluations']} evaluations of "
        f"{estimate['evaluation_seconds']:.2g} s; about {longest} if every answer became as long as it may"
    )
    there = f" of {estimate['memory_mb']:,.0f}" if estimate["memory_mb"] else ""
    yield f"memory      {estimate['peak_memory_mb']:,.0f}{there} MiB at the highest in these steps; longer answers take more"
    yield f"tokens      about {short(estimate['sampled_tokens'], 2)} sampled in the whole run"


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.2g}{NARROW}ms" if seconds < 1 else f"{seconds:.3g}{NARROW}s"
