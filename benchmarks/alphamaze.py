"""`make alphamaze`: recipes/alphamaze.toml over three seeds, and a supervised stage with each kind of demonstration.
Writes docs/recipes/alphamaze.json and docs/recipes/alphamaze.md.

Each run is a process of its own, on one thread. What is finished (runs/alphamaze) is not done again, and what was interrupted
goes on from its last checkpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.alphamaze_page import page
from quintet.environment import describe
from quintet.intervals import wilson

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "alphamaze"
RECIPE = ROOT / "recipes" / "alphamaze.toml"
DATA, PAGE = ROOT / "docs" / "recipes" / "alphamaze.json", ROOT / "docs" / "recipes" / "alphamaze.md"
SEEDS = (1, 2, 3)
MAZEBENCH = {"easy": 50, "medium": 40, "hard": 10}
"""The first 100 prompts of the test split. The recipe's own evaluations take the first 1,000."""
TEMPERATURE = 0.7
"""The recipe's, at which GRPO samples."""
SUPERVISED = (
    *("--prompts-per-step", "64", "--optimiser", "muon", "--lr", "2e-3", "--warmup", "0.05", "--schedule", "cosine"),
    *("--weight-decay", "0.1", "--eval-problems", "1000", "--threads", "1", "--seed", "0"),
)
TARGETS = {"direct": 300, "path": 300, "walk": 300, "steps": 57, "reset": 38}
"""Steps for each kind of demonstration: the first three have as many demonstrations, the paper's two as many tokens as path."""


def train(name: str, arguments: list[str]) -> dict[str, Any]:
    """One run, begun or gone on with, and what it left."""
    folder = RUNS / name
    if not (folder / "model" / "config.json").is_file():  # it is written at a run's end
        if any((folder / "checkpoints").glob("step-*")):
            arguments = ["--resume", str(folder)]
        else:
            shutil.rmtree(folder, ignore_errors=True)
            arguments = [*arguments, "--out", str(folder)]
        _command(name, ["train", *arguments, "--json"])
    rows, scores = (_lines(folder / file) for file in ("metrics.jsonl", "evaluations.jsonl"))
    stages = {row["stage"]: [r for r in rows if r["stage"] == row["stage"]] for row in rows}
    return {
        "tokens": rows[-1]["num_tokens"],
        "stages": {
            stage: {
                "steps": len(some),
                "seconds": sum(row["step_time"] for row in some),
                "quiet": len(some) * sorted(row["step_time"] for row in some)[len(some) // 10],
                "rewards": [round(row["reward"], 4) for row in some if "reward" in row],
            }
            for stage, some in stages.items()
        },
        "scores": [
            {k: row[k] for k in ("label", "n", "score", "low", "high", "levels")} | {"mazebench": _mazebench(row["outcomes"])}
            for row in scores
        ],
        "pictures": _pictures(scores[-1]["examples"]),
    }


def _pictures(examples: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A solved maze and a failed one of each level, where there are."""
    found = {(e["level"], e["correct"]): {k: e[k] for k in ("level", "correct", "picture")} for e in reversed(examples)}
    return [found[key] for key in sorted(found, key=lambda key: (["easy", "medium", "hard"].index(key[0]), not key[1]))]


def _mazebench(outcomes: dict[str, list[int]]) -> dict[str, float]:
    """The share of MazeBench's hundred that was solved, by what came of each maze of a level, in the order of the prompts."""
    solved = sum(sum(outcomes[level][:number]) for level, number in MAZEBENCH.items())
    low, high = wilson(solved, 100)
    return {"score": solved / 100, "low": low, "high": high}


def sampled(name: str) -> float:
    """The share of the first 1,000 held-out mazes that a finished run's model solves at the recipe's own temperature."""
    file = RUNS / f"{name}.sampled.json"
    if not file.is_file():
        model = ["eval", str(RUNS / name / "model"), "--recipe", str(RUNS / name / "settings.toml"), "--threads", "1"]
        told = [*model, "--problems", "1000", "--temperature", str(TEMPERATURE), "--json"]
        file.write_text(_command(f"{name}.eval", told))
    return json.loads(file.read_text())["score"]


def _command(name: str, arguments: list[str]) -> str:
    """Run Quintet's command line in a process of its own; what it prints."""
    RUNS.mkdir(parents=True, exist_ok=True)
    with (RUNS / f"{name}.log").open("w") as log, (RUNS / f"{name}.out").open("w+") as out:
        command = [sys.executable, "-m", "quintet.cli", *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        if subprocess.run(command, stdout=out, stderr=log, cwd=ROOT, env=environment, check=False).returncode:
            raise SystemExit(f"{' '.join(command)} failed; {RUNS / name}.log says why.")
        out.seek(0)
        return out.read()


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.is_file() else []


def full_path(seed: int) -> dict[str, Any]:
    """The recipe with one seed: its own evaluations, and its last model as it samples."""
    name = f"seed-{seed}"
    run = train(name, ["--recipe", str(RECIPE), "--seed", str(seed), "--threads", "1"])
    return {"seed": seed, **run, "sampled": sampled(name)}


def one_target(target: str) -> dict[str, Any]:
    """The supervised stage alone, on one kind of demonstration."""
    steps = TARGETS[target]
    run = train(target, ["sft", "--task", "maze", "--target", target, "--steps", str(steps), *SUPERVISED])
    return {"steps": steps, **run}


def gather(seeds: list[int], targets: list[str], jobs: int) -> dict[str, Any]:
    """Every run that is asked for, so many at a time, and what is known of the others by what was written before."""
    with ThreadPoolExecutor(jobs) as pool:
        paths, alone = pool.map(full_path, seeds), pool.map(one_target, targets)
        found = {str(seed): run for seed, run in zip(seeds, paths, strict=True)}
        shown = dict(zip(targets, alone, strict=True))
    known = json.loads(DATA.read_text()) if DATA.is_file() else {"seeds": {}, "targets": {}}
    machine = {k: v for k, v in describe().items() if k not in ("command", "started", "gpu")}
    return {
        "machine": machine,
        "recipe": RECIPE.read_text(),
        "supervised": SUPERVISED,
        "seeds": known["seeds"] | found,
        "targets": known["targets"] | shown,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS))
    parser.add_argument("--targets", nargs="*", default=list(TARGETS), choices=list(TARGETS))
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="runs at a time, one thread each")
    parser.add_argument("--page", action="store_true", help="only write the page from its data")
    options = parser.parse_args()
    if not options.page:
        DATA.parent.mkdir(parents=True, exist_ok=True)
        DATA.write_text(json.dumps(gather(options.seeds, options.targets, options.jobs), indent=1) + "\n")
    PAGE.write_text(page(json.loads(DATA.read_text())))
    print(f"Written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
