"""docs/recipes/cargo.md from docs/recipes/cargo.json: pure text, so that a test can hold the page against its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.results_page import mean_and_reach

HELD_OUT = ("variations", "families")
PARTS = {
    "format": "keeps to the form",
    "builds": "builds",
    "clippy": "clean for clippy",
    "hidden": "hidden tests pass",
    "own": "mutants that its own tests notice",
}
INTRODUCTION = """\
# Rust with cargo's feedback

A weak supervised start, then GRPO with the sandboxed grader ([tasks-cargo.md](../tasks-cargo.md)), on a model of 1.4 million
parameters from random weights. The published work this is after (Oxen-AI/GRPO-With-Cargo-Feedback, Qwen2.5-Coder-1.5B-Instruct)
went from 61.6 to 80.8 % that build, 61.2 to 80.2 % clean for clippy and 22.2 to 37.0 % whose own tests pass.

<!-- not run: minutes to hours -->
```console
$ quintet train --recipe recipes/cargo.toml                 # both stages, one seed
$ quintet train grpo --recipe recipes/cargo.toml --small    # whether everything fits together; it learns nothing
$ python -m benchmarks.cargo_recipe                         # this page
$ quintet train --recipe recipes/cargo-qwen.toml            # the real model with the published settings; not run by us
```
"""
WAYS = {"grpo": "GRPO", "online-rft": "Online RFT"}
OUTLOOK = """\
A model of this size has seen 56 kinds of function and can't write a new one: held-out families are out of its reach, before and
after. Its own tests rarely hold, because it can't work out what a function gives, so their expected values are wrong; the
published figure of tests is of such own ones. That is where a real model's start differs. [The log](../log.md) has what else
was tried.
"""


def page(data: Mapping[str, Any]) -> str:
    """The whole page."""
    tables = [_table(data, way, held_out) for way in WAYS if data["ways"].get(way) for held_out in HELD_OUT]
    return "\n".join([INTRODUCTION, _setting(data), *tables, _training(data), OUTLOOK, _recipe(data["recipe"])])


def _setting(data: Mapping[str, Any]) -> str:
    machine, start = data["machine"], data["start"]["training"]
    took = f"{start['steps']} steps of demonstrations, {start['seconds'] / 60:.0f} minutes"
    versions = ", ".join(f"{name} {machine[name.lower()]}" for name in ("Python", "torch", "transformers", "Quintet"))
    return (
        f"## Measured\n\n{data['problems']} held-out problems of each kind, one answer each at temperature 1, in percent with\n"
        "95 % intervals (Wilson). Variations are numbers and names that training never showed; families are kinds of function\n"
        f"that it never showed. All seeds begin from one start: {took}.\n"
        "Changes are means over seeds, their intervals Student's t over seeds. Machine readable: [cargo.json](cargo.json).\n\n"
        f"Machine: {machine['processor']}, {machine['cores']} cores that other runs shared; {versions}.\n"
    )


def _table(data: Mapping[str, Any], way: str, held_out: str) -> str:
    runs = data["ways"][way]
    heads = ["", "start", *(f"seed {seed}" for seed in runs), "change"]
    lines = [f"### {WAYS[way]}: {held_out}", "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for part, said in PARTS.items():
        before, after = data["start"][held_out][part], [run[held_out][part] for run in runs.values()]
        cells = [said, _share(before), *map(_share, after), _change(before["score"], [a["score"] for a in after])]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _share(row: Mapping[str, float]) -> str:
    interval = f" ({row['low'] * 100:.1f}–{row['high'] * 100:.1f})" if "low" in row else ""
    return f"{row['score'] * 100:.1f}{interval}"


def _change(before: float, after: Sequence[float]) -> str:
    changes = [100 * (a - before) for a in after]
    if len(changes) < 2:
        return f"{changes[0]:+.1f}"
    mean, reach = mean_and_reach(changes)
    return f"**{mean:+.1f}** ± {reach:.1f}"


def _training(data: Mapping[str, Any]) -> str:
    lines = ["## On the way", ""]
    for way, runs in data["ways"].items():
        for seed, run in runs.items():
            of = run["training"]
            rewards = ", ".join(f"{sum(some) / len(some):.2f}" for some in _fives(of["rewards"]))
            told = f"{of['steps']} steps, {of['sampled_tokens']:,} tokens, {of['seconds'] / 60:.0f} minutes"
            lines.append(f"- {WAYS[way]}, seed {seed}: {told}. Mean reward of every five steps: {rewards}.")
    return "\n".join([*lines, ""])


def _fives(rewards: Sequence[float]) -> list[Sequence[float]]:
    return [rewards[i : i + 5] for i in range(0, len(rewards), 5)]


def _recipe(recipe: str) -> str:
    return f"## The recipe\n\n```toml\n{recipe}```\n"
