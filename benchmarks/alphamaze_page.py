"""docs/recipes/alphamaze.md from docs/recipes/alphamaze.json: pure text, so that a test can hold the page against its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

INTRODUCTION = """\
# AlphaMaze from random weights on a laptop's processor

AlphaMaze (arXiv:2502.14669) teaches a language model 5×5 mazes in two stages: supervised on answers that think step by step,
then GRPO. Its figures on MazeBench: 0 % before, 86 % after the first stage, 93 % after 1,600 steps of the second. Here is the
same path with a Qwen3-shaped model of 1.4 million parameters and random weights. The recipe
[alphamaze-qwen.toml](../../recipes/alphamaze-qwen.toml) names the paper's own model and settings for the same code; it was not
run, for want of the model and a GPU.

    quintet train --recipe recipes/alphamaze.toml --seed 1        # one seed; --small is the same path in about a minute
    make alphamaze                                                # everything on this page; what was interrupted goes on

- **Benchmark.** MazeBench's format: of every hundred mazes 50 easy (1–4 moves), 40 medium (5–8) and 10 hard (9–13). The
  original hundred are not public, so the scores do not compare with the paper's to the point. Ours are the first 100 of the
  test split, always the same; the first 1,000 give tighter intervals. A maze belongs to training or test by its hash, so none
  is in both.
- **Score.** Greedy answers, judged by the strict scorer: the moves must end at the target. 95 % Wilson intervals.
- **Rewards of GRPO.** The paper's: 0.2 a move for exactly the gold answer, 0.5 for an answer of moves only, 0.125 for each
  think tag.
"""

TARGETS = {
    "direct": "the moves alone",
    "path": "the cells on the way, one token each, then the moves",
    "walk": "places and moves on the way, one token each, then the moves",
    "steps": "AlphaMaze's: the grid drawn again at each step, then the moves",
    "reset": "AlphaMaze's with a false start and a RESET",
}


def page(data: Mapping[str, Any]) -> str:
    """The whole page."""
    machine = data["machine"]
    versions = ", ".join(f"{name} {machine[name.lower()]}" for name in ("Python", "torch", "transformers", "Quintet"))
    where = (
        f"Machine: {machine['processor']}, {machine['cores']} cores, {data['jobs']} runs at a time with one thread\n"
        f"each; {versions}. Minutes are by the clock of a machine that other programs shared.\n"
    )
    seeds = data["seeds"]
    samples = [_samples(seed, run) for seed, run in list(seeds.items())[:1]]
    return "\n".join([INTRODUCTION, where, _seeds(seeds), *samples, _targets(data["targets"]), _recipe(data["recipe"])])


def _seeds(seeds: Mapping[str, Any]) -> str:
    if not seeds:
        first = (
            "Not measured over three seeds yet: `make alphamaze` does. A first, shorter run (one seed, 450 supervised steps\n"
            "in 19 minutes, 100 of GRPO in 26, on a busy machine) solved none of 1,000 mazes at the start, 82.1 % (79.6–84.4)\n"
            "after the supervised stage and 84.2 % (81.8–86.3) after GRPO;\n"
            "the intervals overlap. [The log](../log.md) has its details."
        )
        return f"## Supervised, then GRPO\n\n{first}\n"
    lines = [
        "## Supervised, then GRPO",
        "",
        "| seed | | of 1,000 mazes | easy | medium | hard | MazeBench's 100 | sampled | steps | minutes |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for seed, run in seeds.items():
        after = [row for row in run["scores"] if row["label"].startswith("after")]
        for row, (_, stage) in zip(after, run["stages"].items(), strict=True):
            last = row is after[-1]
            cells = [
                seed if row is after[0] else "",
                row["label"],
                _interval(row),
                *(f"{level['score']:.1%}" for level in row["levels"].values()),
                _interval(run["mazebench"]) if last else "",
                f"{run['sampled']['score']:.1%}" if last else "",
                str(stage["steps"]),
                f"{stage['seconds'] / 60:.0f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Sampled: of 1,000 mazes, one answer each at the recipe's own temperature. Minutes: by the clock.", ""]
    return "\n".join(lines)


def _samples(seed: str, run: Mapping[str, Any]) -> str:
    """Mazes as the report of every run shows them."""
    lines = [
        f"## Mazes of seed {seed}, after GRPO",
        "",
        "`report.html` in a run's folder shows more, before and after.",
    ]
    for sample in run["pictures"]:
        picture = f"{sample['level']}, {'solved' if sample['correct'] else 'failed'}\n{sample['picture']}"
        lines += ["", "```text", picture, "```"]
    return "\n".join([*lines, ""])


def _targets(targets: Mapping[str, Any]) -> str:
    lines = [
        "## What demonstrations should show",
        "",
        "Supervised training alone, float32, temperature 1, one seed. `direct`, `path` and `walk` have equally many",
        "demonstrations; the paper's two have as many tokens as `path`, prompts included. Greedy score on 1,000 mazes.",
        "",
        "| target | | demonstrations | tokens | solved | easy | medium | hard |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, run in targets.items():
        row = run["scores"][-1]
        levels = " | ".join(f"{level['score']:.1%}" for level in row["levels"].values())
        count = f"{64 * run['steps']:,} | {run['tokens']:,}"
        lines.append(f"| `{name}` | {TARGETS[name]} | {count} | {_interval(row)} | {levels} |")
    return "\n".join([*lines, ""])


def _recipe(recipe: str) -> str:
    return f"## The recipe\n\n```toml\n{recipe}```\n"


def _interval(row: Mapping[str, Any]) -> str:
    return f"{row['score']:.1%} ({row['low'] * 100:.1f}–{row['high'] * 100:.1f})"
