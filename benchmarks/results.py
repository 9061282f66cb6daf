"""`make results`: REINFORCE, TRPO, PPO, DPO and GRPO from one supervised start at equal sampled tokens, on held-out mazes and
arithmetic, over three seeds. The step size of each is searched first, equally. Writes docs/results.json and docs/results.md.

Every run is a process of its own (`quintet train` on one thread), so its memory and processor time are its own. What is done
already (runs/results) is not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results_page import page
from quintet.environment import describe

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "results"
DATA, PAGE, MEMORY = ROOT / "docs" / "results.json", ROOT / "docs" / "results.md", ROOT / "docs" / "memory.json"
SEEDS = (1, 2, 3)
SEARCH_SEED = 100
"""The search's prompts and random numbers are others than those of the runs that are reported."""


@dataclass(frozen=True)
class TaskSetting:
    """A task, its supervised start and the budget that every algorithm has."""

    flags: tuple[str, ...]
    supervised: tuple[str, ...]
    steps: int
    tokens: int
    """Tokens that each run samples; `steps` is only an upper bound on the number of its steps."""
    search_tokens: int
    """Tokens that each run of the search samples."""


TASKS = {
    "maze": TaskSetting(
        ("--task", "maze", "--maze.size", "4", "--max-steps", "10", "--demo-mistakes", "0.5"),
        ("--steps", "450"),
        200,
        120_000,
        24_000,
    ),
    "arithmetic": TaskSetting(
        ("--task", "arithmetic", "--min-level", "1", "--max-level", "2", "--demo-mistakes", "0.5"),
        ("--steps", "800"),
        200,
        60_000,
        15_000,
    ),
}
SUPERVISED = ("--optimiser", "muon", "--lr", "2e-3", "--warmup", "0.05", "--schedule", "cosine", "--weight-decay", "0.1")
SAMPLES = ("--prompts-per-step", "32", "--group-size", "8")
ADAM = ("--betas", "0.9,0.99")
COMMON = ("--model", "{start}", "--threads", "1", "--micro-batch", "64", "--checkpoint-every", "0", "--eval-temperature", "1")
EVALUATION = ("--eval-problems", "2000")


@dataclass(frozen=True)
class Contender:
    """An algorithm, its fixed settings, and the one setting that is searched."""

    flags: tuple[str, ...]
    searched: str
    grid: tuple[str, ...]


RATES = ("2e-5", "5e-5", "1e-4", "2e-4")
CONTENDERS = {
    "reinforce": Contender(ADAM, "--lr", RATES),
    "trpo": Contender(("--critic-lr", "5e-4", "--probe", "0.03"), "--max-kl", ("0.003", "0.01", "0.03", "0.1")),
    "ppo": Contender((*ADAM, "--epochs", "2", "--minibatches", "2", "--critic-lr", "5e-4"), "--lr", RATES),
    "dpo": Contender(ADAM, "--lr", RATES),
    "grpo": Contender(ADAM, "--lr", RATES),
}


def train(name: str, arguments: list[str]) -> dict[str, Any]:
    """One run in a process of its own; what it left, with its processor seconds, unless it was done before."""
    folder, summary = RUNS / name, RUNS / f"{name}.json"
    if summary.is_file():
        return json.loads(summary.read_text())
    subprocess.run(["rm", "-rf", str(folder)], check=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "quintet.cli", "train", *arguments, "--out", str(folder), "--json"]
    began = time.monotonic()
    with (folder.parent / f"{folder.name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed; {folder}.log says why.")
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    evaluations = folder / "evaluations.jsonl"  # a run of the search has none
    scores = [json.loads(line) for line in evaluations.read_text().splitlines()] if evaluations.is_file() else []
    learned = sum(row["step_time"] for row in rows)
    found = {
        "steps": rows[-1]["stage_step"],
        "sampled_tokens": rows[-1]["num_sampled_tokens"],
        "train_seconds": learned,
        "process_seconds": time.monotonic() - began,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_memory_mb": usage.ru_maxrss / 1024,
        "rewards": [row.get("reward") for row in rows],
        "approx_kl": max((row.get("approx_kl") or 0.0) for row in rows),
        "scores": [{k: row[k] for k in ("label", "n", "score", "low", "high")} for row in scores],
    }
    summary.write_text(json.dumps(found))
    print(f"{name}: {found['process_seconds']:.0f} s  " + " → ".join(f"{s['score']:.1%}" for s in scores), flush=True)
    return found


def start(task: str) -> Path:
    """The supervised policy that every algorithm begins from."""
    setting = TASKS[task]
    flags = [*setting.flags, "--prompts-per-step", "64", *SUPERVISED, *setting.supervised, "--seed", "0", "--threads", "1"]
    flags += ["--micro-batch", "32", "--checkpoint-every", "0", "--eval-temperature", "1", *EVALUATION]
    train(f"{task}/start", ["sft", *flags])
    return RUNS / task / "start" / "model"


def arguments(task: str, algorithm: str, value: str, seed: int, tokens: int) -> list[str]:
    """The command line of a run that samples so many tokens."""
    setting, contender = TASKS[task], CONTENDERS[algorithm]
    common = [flag.format(start=RUNS / task / "start" / "model") for flag in COMMON]
    budget = ["--token-budget", str(tokens), "--steps", str(setting.steps), "--seed", str(seed)]
    return [algorithm, *setting.flags, *common, *SAMPLES, *budget, *contender.flags, contender.searched, value]


def try_out(one: tuple[str, str, str]) -> dict[str, Any]:
    """A run of the search: task, algorithm and the value to try."""
    budget = TASKS[one[0]].search_tokens
    return train(_name("search", *one), [*arguments(*one, SEARCH_SEED, budget), "--eval-problems", "0"])


def run(one: tuple[str, str, int], value: str) -> dict[str, Any]:
    """A run that is reported: task, algorithm and seed, with the value that the search chose."""
    task, algorithm, seed = one
    return train(_name(*one), [*arguments(task, algorithm, value, seed, TASKS[task].tokens), *EVALUATION])


def late_reward(run: dict[str, Any]) -> float:
    """Mean training reward of a run's last third: what the search goes by, so that it never sees the test split."""
    rewards = run["rewards"][-max(1, len(run["rewards"]) // 3) :]
    return sum(rewards) / len(rewards)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time, one thread each")
    parser.add_argument("--page", action="store_true", help="only write docs/results.md from docs/results.json")
    options = parser.parse_args()
    if not options.page:
        DATA.write_text(json.dumps(measure(options.jobs), indent=1) + "\n")
    memory = json.loads(MEMORY.read_text()) if MEMORY.is_file() else None
    PAGE.write_text(page(json.loads(DATA.read_text()), memory))
    print(f"Written: {DATA.relative_to(ROOT)} and {PAGE.relative_to(ROOT)}")


def measure(jobs: int) -> dict[str, Any]:
    """Every run, and what came of it."""
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(start, TASKS))
        searches = [(t, a, v) for t in TASKS for a, c in CONTENDERS.items() for v in c.grid]
        tried = pool.map(try_out, searches)
        search = {key: late_reward(run) for key, run in zip(searches, tried, strict=True)}
        chosen = {(t, a): max(c.grid, key=lambda v: search[t, a, v]) for t in TASKS for a, c in CONTENDERS.items()}
        finals = [(t, a, seed) for t in TASKS for a in CONTENDERS for seed in SEEDS]
        runs = pool.map(lambda f: run(f, chosen[f[:2]]), finals)
        results = dict(zip(finals, runs, strict=True))
    machine = {k: v for k, v in describe().items() if k not in ("command", "started", "gpu")}
    return {
        "machine": machine,
        "jobs": jobs,
        "seeds": SEEDS,
        "tasks": {
            task: {
                "flags": setting.flags,
                "supervised": ("--prompts-per-step", "64", *SUPERVISED, *setting.supervised),
                "tokens": setting.tokens,
                "search_tokens": setting.search_tokens,
                "start": train(f"{task}/start", []),
                "algorithms": {
                    name: {
                        "flags": (*SAMPLES, *contender.flags),
                        "searched": contender.searched,
                        "search": {value: search[task, name, value] for value in contender.grid},
                        "chosen": chosen[task, name],
                        "runs": [results[task, name, seed] for seed in SEEDS],
                    }
                    for name, contender in CONTENDERS.items()
                },
            }
            for task, setting in TASKS.items()
        },
    }


def _name(*parts: Any) -> str:
    task_first = parts if parts[0] in TASKS else (parts[1], parts[0], *parts[2:])
    return f"{task_first[0]}/{'-'.join(map(str, task_first[1:]))}"


if __name__ == "__main__":
    main()
