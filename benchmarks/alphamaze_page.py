"""docs/recipes/alphamaze.md from docs/recipes/alphamaze.json: pure text, so that a test can hold the page against its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.results_page import mean_and_reach

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
    where = f"Machine: {machine['processor']}, {machine['cores']} cores, each run on one thread; {versions}.\n"
    seeds = data["seeds"]
    samples = [_samples(seed, run) for seed, run in list(seeds.items())[:1]]
    return "\n".join([INTRODUCTION, where, _seeds(seeds), *samples, _targets(data["targets"]), _recipe(data["recipe"])])


def _seeds(seeds: Mapping[str, Any]) -> str:
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
                _interval(row["mazebench"]),
                f"{run['sampled']:.1%}" if last else "",
                str(stage["steps"]),
                f"{stage['seconds'] / 60:.0f} ({stage['quiet'] / 60:.0f})",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        "Sampled: of 1,000 mazes, one answer each at the recipe's own temperature. Minutes: by the clock of a machine that",
        "other runs shared; in brackets, if every step had taken what the quickest tenth did.",
        "",
        *_course(seeds),
        "",
    ]
    return "\n".join(lines)


def _course(seeds: Mapping[str, Any]) -> list[str]:
    """What GRPO gained in the mean, and each seed's score on the way."""
    gains = [100 * (run["scores"][-1]["score"] - _score(run, "after sft")) for run in seeds.values()]
    lines = [f"GRPO gained {', '.join(f'{gain:+.1f}' for gain in gains)} points."]
    if len(gains) > 1:
        mean, reach = mean_and_reach(gains)
        last, _ = mean_and_reach([100 * run["scores"][-1]["score"] for run in seeds.values()])
        reached = f"to {last:.1f} % in the mean; the paper has 93 %"
        lines = [f"GRPO gained {mean:+.1f} ± {reach:.1f} points (Student's t over seeds), {reached}."]
    lines += ["Greedy score of the same 1,000 mazes every hundred steps of it, in percent:", ""]
    for seed, run in seeds.items():
        course = [row["score"] for row in run["scores"] if row["label"].startswith("grpo ")]
        lines.append(f"- seed {seed}: {', '.join(f'{100 * score:.1f}' for score in course)}")
    return lines


def _score(run: Mapping[str, Any], label: str) -> float:
    return next(row["score"] for row in run["scores"] if row["label"] == label)


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
        "demonstrations; the paper's two have as many tokens as `path`, prompts included, and so a fifth to an eighth of the",
        "demonstrations: too few to begin with from random weights. Greedy score on 1,000 mazes.",
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
