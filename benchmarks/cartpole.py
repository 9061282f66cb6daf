"""CartPole by every algorithm that can learn it, three seeds each, with equally many steps of the environment.

    python -m benchmarks.cartpole [FOLDER]

Runs go to FOLDER (default runs/cartpole), those that are there already are not repeated; the table goes to stdout.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

ALGORITHMS = ("reinforce", "trpo", "ppo", "dpo", "grpo")
SEEDS = (0, 1, 2)
BUDGET = 150_000
"""Steps of the environment that each run may take; a step of training that has begun is finished."""
SOLVED = 475.0
"""Mean return at which Gymnasium calls CartPole-v1 solved."""


def train(algorithm: str, seed: int, folder: Path) -> dict[str, Any]:
    """A run, if it isn't there: its last evaluation, when its training episodes first reached `SOLVED`, its seconds."""
    run = folder / f"{algorithm}-{seed}"
    if not (run / "model").exists():
        command = [sys.executable, "-m", "quintet.cli", "train", algorithm, "--task", "cartpole", "--seed", str(seed)]
        command += ["--steps", "1000", "--token-budget", str(BUDGET), "--threads", "1", "--checkpoint-every", "0"]
        subprocess.run([*command, "--eval-problems", "100", "--out", str(run), "--json"], check=True, stdout=subprocess.DEVNULL)
    metrics, evaluations = (
        [json.loads(line) for line in (run / name).read_text(encoding="utf-8").splitlines()]
        for name in ("metrics.jsonl", "evaluations.jsonl")
    )
    when = next((row["num_sampled_tokens"] for row in metrics if row["reward"] >= SOLVED), None)
    return {**evaluations[-1], "when": when, "steps": len(metrics), "seconds": sum(row["step_time"] for row in metrics)}


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/cartpole")
    print("| algorithm | return of 100 held-out episodes, by seed | mean | steps to 475 in training | seconds |")
    print("|---|---|---|---|---|")
    for algorithm in ALGORITHMS:
        found = [train(algorithm, seed, folder) for seed in SEEDS]
        scores = ", ".join(f"{row['score']:.0f} ({row['low']:.0f}–{row['high']:.0f})" for row in found)
        when = ", ".join("never" if row["when"] is None else f"{row['when']:,}" for row in found)
        seconds = ", ".join(f"{row['seconds']:.0f}" for row in found)
        print(f"| {algorithm} | {scores} | {fmean(row['score'] for row in found):.0f} | {when} | {seconds} |", flush=True)


if __name__ == "__main__":
    main()
