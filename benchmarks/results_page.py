"""docs/results.md from docs/results.json and docs/memory.json: pure text, so that a test can hold the page against its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

T_95 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Student's t for a two-sided 95 % interval of a mean of so many numbers."""

INTRODUCTION = """\
# Five algorithms on two tasks

What REINFORCE, TRPO, PPO, DPO (online: pairs made from sampled groups by the task's reward) and GRPO make of the same
supervised start with the same number of sampled tokens. `make results` repeats all of it; [results.json](results.json) has
every number.

- **Start.** A Qwen3-shaped model of 1.4 million parameters, trained from random weights on a *careless teacher's*
  demonstrations (half of them wrong), so that there is something to gain by reward alone.
- **Budget.** Each run stops once it has sampled the task's number of tokens: 32 prompts a step, 8 answers each.
- **Search.** The one setting that matters most (the learning rate, or TRPO's bound on the KL) is searched over four values,
  each with a part of the budget, another seed, and training reward as the judge: the held-out problems take no part in it.
- **Score.** The share of 2,000 held-out problems solved by one answer sampled at temperature 1. In brackets after a seed's
  score: its 95 % Wilson interval. Mean and gain: over three seeds, with a 95 % interval by Student's t.
"""


def page(data: Mapping[str, Any], memory: Mapping[str, Any] | None) -> str:
    """The whole page."""
    machine = data["machine"]
    parts = [INTRODUCTION]
    versions = ", ".join(f"{name} {machine[name.lower()]}" for name in ("Python", "torch", "transformers", "Quintet"))
    parts.append(
        f"Machine: {machine['processor']}, {machine['cores']} cores, one thread a run and {data['jobs']} runs at a time; "
        f"{versions}. The machine was shared, so seconds are a\nprocess's own processor seconds, imports and both evaluations "
        "included.\n"
    )
    parts += [_task(name, task, data["seeds"]) for name, task in data["tasks"].items()]
    if memory is not None:
        parts.append(_memory(memory))
    parts.append(_settings(data))
    return "\n".join(parts)


def _task(name: str, task: Mapping[str, Any], seeds: Sequence[int]) -> str:
    before = task["start"]["scores"][-1]
    lines = [
        f"## {name.capitalize()}, {task['tokens']:,} sampled tokens",
        "",
        f"Supervised start: {_score(before)}.",
        "",
        f"| algorithm | {' | '.join(f'seed {s}' for s in seeds)} | mean | gain | steps | CPU seconds | peak MB |",
        f"|---|{'---|' * (len(seeds) + 5)}",
    ]
    for algorithm, found in task["algorithms"].items():
        runs = found["runs"]
        after = [run["scores"][-1] for run in runs]
        mean, reach = mean_and_reach([s["score"] for s in after])
        gain, gain_reach = mean_and_reach([s["score"] - run["scores"][0]["score"] for s, run in zip(after, runs, strict=True)])
        cells = [
            algorithm,
            *map(_score, after),
            f"**{mean:.1%}** ± {reach * 100:.1f}",
            f"{gain * 100:+.1f} ± {gain_reach * 100:.1f}",
            _span([run["steps"] for run in runs]),
            _span([run["cpu_seconds"] for run in runs]),
            _span([run["peak_memory_mb"] for run in runs]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", improvement(task), "", *_search(task), ""]
    return "\n".join(lines)


def improvement(task: Mapping[str, Any]) -> str:
    """Which algorithms improved: every seed's interval lies above the start's, and so does the gain's interval above 0."""
    high = task["start"]["scores"][-1]["high"]
    improved = [name for name, found in task["algorithms"].items() if _improved(found["runs"], high)]
    others = [name for name in task["algorithms"] if name not in improved]
    said = f"Outside the intervals (every seed's above the start's, and the gain's above 0): {', '.join(improved) or 'none'}."
    return said + (f" Not so: {', '.join(others)}." if others else "")


def _improved(runs: Sequence[Mapping[str, Any]], high: float) -> bool:
    gain, reach = mean_and_reach([run["scores"][-1]["score"] - run["scores"][0]["score"] for run in runs])
    return gain - reach > 0 and all(run["scores"][-1]["low"] > high for run in runs)


def _search(task: Mapping[str, Any]) -> list[str]:
    said = (
        f"The search ({task['search_tokens']:,} sampled tokens each; mean training reward in the last third; chosen in bold):"
    )
    lines = [said, ""]
    for algorithm, found in task["algorithms"].items():
        values = [f"**{v}: {r:.3f}**" if v == found["chosen"] else f"{v}: {r:.3f}" for v, r in found["search"].items()]
        lines.append(f"- {algorithm}, `{found['searched']}`: {', '.join(values)}")
    return lines


def _memory(memory: Mapping[str, Any]) -> str:
    rows = memory["algorithms"]
    net = {name: row["peak_memory_mb"] - memory["imports_mb"] for name, row in rows.items()}
    lines = [
        "## Peak memory",
        "",
        f"One process each, {memory['parameters'] / 1e6:.0f} million parameters in float32, AdamW, {memory['answers']} answers "
        f"a step of {memory['tokens']} prompt and answer tokens,\nmicro-batches of {memory['micro_batch']}, no KL term; "
        f"`python -m benchmarks.memory`. Python and its libraries alone hold {memory['imports_mb']:.0f} MB.",
        "",
        "| algorithm | networks held | peak MB | less the libraries | against PPO |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        share = f"{net[name] / net['ppo'] - 1:+.0%}" if name != "ppo" else "–"
        lines.append(f"| {name} | {row['networks']} | {row['peak_memory_mb']:,.0f} | {net[name]:,.0f} | {share} |")
    whole, own = 1 - rows["grpo"]["peak_memory_mb"] / rows["ppo"]["peak_memory_mb"], 1 - net["grpo"] / net["ppo"]
    lines += [
        "",
        f"Without a critic GRPO needs {whole:.0%} less than PPO with a separate one, {own:.0%} less "
        "without counting the libraries.",
        "",
    ]
    return "\n".join(lines)


def _settings(data: Mapping[str, Any]) -> str:
    lines = ["## Settings", "", "Everything that is not a default (`quintet train ALGORITHM --help` lists those):", ""]
    for name, task in data["tasks"].items():
        lines.append(f"- {name}: `{' '.join(task['flags'])}`; start: `{' '.join(task['supervised'])}`")
    first = next(iter(data["tasks"].values()))
    for name, found in first["algorithms"].items():
        lines.append(f"- {name}: `{' '.join(found['flags'])}`")
    return "\n".join(lines) + "\n"


def mean_and_reach(numbers: Sequence[float]) -> tuple[float, float]:
    """A mean, and how far its 95 % interval reaches to either side (Student's t).  Example: 1, 2, 3 give 2 and 2.484."""
    mean = sum(numbers) / len(numbers)
    deviation = sqrt(sum((x - mean) ** 2 for x in numbers) / (len(numbers) - 1))
    return mean, T_95[len(numbers)] * deviation / sqrt(len(numbers))


def _score(row: Mapping[str, Any]) -> str:
    return f"{row['score'] * 100:.1f} ({row['low'] * 100:.1f}–{row['high'] * 100:.1f})"


def _span(numbers: Sequence[float]) -> str:
    low, high = round(min(numbers)), round(max(numbers))
    return f"{low:,}" if low == high else f"{low:,}–{high:,}"
