"""The figures of docs/recipes/cargo.md: recipes/cargo.toml's supervised stage once, the other stages from there over seeds, and
what builds, is clean and passes hidden tests before and after, on variations and on families that training never showed.

    python -m benchmarks.cargo_recipe [--seeds 0,1,2] [--problems 150] [--start MODEL]

Every run and every evaluation is a process of its own (`quintet train`, `quintet eval`). What is done already (runs/cargo) is
not done again, and a run that was stopped goes on. Writes docs/recipes/cargo.json. `--start`: a supervised model to start from.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from quintet.environment import describe
from quintet.intervals import wilson
from quintet.observe.records import read_jsonl

ROOT = Path(__file__).parent.parent
RECIPE, RUNS, DATA = ROOT / "recipes" / "cargo.toml", ROOT / "runs" / "cargo", ROOT / "docs" / "recipes" / "cargo.json"
HELD_OUT = ("variations", "families")
PARTS = ("format", "builds", "clippy", "hidden", "own")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--problems", type=int, default=150)
    parser.add_argument("--start", type=Path)
    given = parser.parse_args()
    recipe = tomllib.loads(RECIPE.read_text())
    recipe = {**recipe, "eval_problems": 0}  # they are evaluated below, by both kinds of held-out exercises
    recipe.pop("small", None)
    start = given.start or trained("start", {**recipe, "stage": recipe["stage"][:1]}, recipe["seed"])
    runs: dict[str, Any] = {}
    write(runs | {"start": evaluated("start", start, given.problems)}, recipe)
    for seed in map(int, given.seeds.split(",")):
        model = trained(f"seed-{seed}", {**recipe, "model": str(start), "stage": recipe["stage"][1:]}, seed)
        runs[f"seed {seed}"] = {**evaluated(f"seed-{seed}", model, given.problems), "training": of_training(model.parent)}
        write({"start": evaluated("start", start, given.problems), **runs}, recipe)


def trained(name: str, recipe: dict[str, Any], seed: int) -> Path:
    """The model of a run, which is begun, or gone on with, unless it is done."""
    folder, file = RUNS / name, RUNS / f"{name}.toml"
    if (folder / "model").exists():
        return folder / "model"
    RUNS.mkdir(parents=True, exist_ok=True)
    file.write_text(tomli_w.dumps(recipe))
    begun = any((folder / "checkpoints").glob("step-*"))
    quintet("train", *(["--resume", str(folder)] if begun else ["--recipe", file, "--seed", seed, "--out", folder]))
    return folder / "model"


def evaluated(name: str, model: Path, problems: int) -> dict[str, Any]:
    """Shares of answers at temperature 1, one a problem, by what is held out."""
    found: dict[str, Any] = {}
    for held_out in HELD_OUT:
        file = RUNS / f"{name}-{held_out}-{problems}.json"
        if not file.exists():
            flags = ["--recipe", RECIPE, "--held-out", held_out, "--problems", problems, "--temperature", 1.0, "--threads", 1]
            file.write_text(quintet("eval", model, *flags, "--json"))
        row = json.loads(file.read_text())
        found[held_out] = {part: of_share(row["parts"][part], row["n"], part) for part in PARTS} | {"n": row["n"]}
    return found


def of_share(share: float, n: int, part: str) -> dict[str, float]:
    """With Wilson's 95 % interval where it is a share of answers; `own` is a mean of shares of mutants."""
    if part == "own":
        return {"score": share}
    low, high = wilson(round(share * n), n)
    return {"score": share, "low": low, "high": high}


def of_training(folder: Path) -> dict[str, float]:
    rows = list(read_jsonl(folder / "metrics.jsonl"))
    return {
        "steps": len(rows),
        "seconds": sum(row["step_time"] for row in rows),
        "sampled_tokens": rows[-1]["num_sampled_tokens"],
        "reward_first_5": statistics.fmean(row["reward"] for row in rows[:5]),
        "reward_last_5": statistics.fmean(row["reward"] for row in rows[-5:]),
    }


def write(runs: dict[str, Any], recipe: dict[str, Any]) -> None:
    DATA.parent.mkdir(parents=True, exist_ok=True)
    DATA.write_text(json.dumps({"recipe": recipe, "environment": describe(), "runs": runs}, indent=1) + "\n")
    for held_out in HELD_OUT:
        for name, run in runs.items():
            shares = "  ".join(f"{part} {100 * run[held_out][part]['score']:5.1f} %" for part in PARTS)
            print(f"{held_out:<11} {name:<7} {shares}", flush=True)


def quintet(*arguments: object) -> str:
    """A command of ours; its stdout. Its progress goes to the screen."""
    line = [sys.executable, "-m", "quintet.cli", *map(str, arguments)]
    asked = "--json" in line
    done = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE if asked else None, text=True, check=True)
    return done.stdout or ""


if __name__ == "__main__":
    main()
