"""docs/recipes/cargo.json and the page made from it: recipes/cargo.toml's supervised stage once, its GRPO stage from there over
seeds, and what builds, is clean and passes hidden tests before and after, on variations and on families that training never
showed. With `--ways grpo online-rft` also Online RFT from the same start, with a sixth of the answers.

    python -m benchmarks.cargo_recipe [--seeds 0 1 2] [--ways grpo online-rft] [--problems 200]

Every run and every evaluation is a process of its own (`quintet train`, `quintet eval`). What is done already (runs/cargo) is
not done again, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from benchmarks.cargo_page import HELD_OUT, PARTS, page
from quintet.environment import describe
from quintet.intervals import wilson
from quintet.observe.records import read_jsonl

ROOT = Path(__file__).parent.parent
RECIPE, RUNS = ROOT / "recipes" / "cargo.toml", ROOT / "runs" / "cargo"
DATA, PAGE = ROOT / "docs" / "recipes" / "cargo.json", ROOT / "docs" / "recipes" / "cargo.md"
ONLINE_RFT = {
    "algorithm": "online-rft",
    "steps": 10,
    "prompts_per_step": 8,
    "group_size": 8,
    "accept": 0.79,  # all but its own tests: well-formed, builds, clean, hidden tests pass
    "optimiser": "muon",
    "lr": 5e-4,
    "epochs": 2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="*", default=["grpo"], choices=["grpo", "online-rft"])
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--page", action="store_true", help="only write the page from its data")
    given = parser.parse_args()
    if not given.page:
        DATA.write_text(json.dumps(gather(given.seeds, given.ways, given.problems), indent=1) + "\n")
    PAGE.write_text(page(json.loads(DATA.read_text())))
    print(f"Written: {PAGE.relative_to(ROOT)}")


def gather(seeds: list[int], ways: list[str], problems: int) -> dict[str, Any]:
    """Every run that is asked for, one after the other: the grader wants all cores."""
    text = RECIPE.read_text()
    recipe = {**tomllib.loads(text), "eval_problems": 0}  # evaluated below, by both kinds of held-out exercises
    recipe.pop("small", None)
    supervised, grpo = recipe["stage"]
    model = trained("start", {**recipe, "stage": [supervised]}, recipe["seed"])
    start = {**evaluated("start", model, problems), "training": of_training(model.parent)}
    found: dict[str, Any] = {way: {} for way in ways}
    for seed in seeds:
        for way, stage in (("grpo", grpo), ("online-rft", ONLINE_RFT)):
            if way in ways:
                name = f"{way}-{seed}"
                done = trained(name, {**recipe, "model": str(model), "stage": [stage]}, seed)
                found[way][str(seed)] = {**evaluated(name, done, problems), "training": of_training(done.parent)}
    machine = {k: v for k, v in describe().items() if k not in ("command", "started", "gpu")}
    return {"recipe": text, "online-rft": ONLINE_RFT, "problems": problems, "machine": machine, "start": start, "ways": found}


def trained(name: str, recipe: dict[str, Any], seed: int) -> Path:
    """The model of a run, which is begun, or gone on with, unless it is done."""
    folder, file = RUNS / name, RUNS / f"{name}.toml"
    if not (folder / "model" / "config.json").is_file():  # it is written at a run's end
        RUNS.mkdir(parents=True, exist_ok=True)
        file.write_text(tomli_w.dumps(recipe))
        begun = any((folder / "checkpoints").glob("step-*"))
        quintet("train", *(["--resume", folder] if begun else ["--recipe", file, "--seed", seed, "--out", folder]))
    return folder / "model"


def evaluated(name: str, model: Path, problems: int) -> dict[str, Any]:
    """What answers at temperature 1, one a problem, are worth, by what is held out."""
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


def of_training(folder: Path) -> dict[str, Any]:
    rows = list(read_jsonl(folder / "metrics.jsonl"))
    return {
        "steps": len(rows),
        "seconds": sum(row["step_time"] for row in rows),
        "sampled_tokens": rows[-1]["num_sampled_tokens"],
        "rewards": [round(row["reward"], 3) for row in rows if "reward" in row],
    }


def quintet(*arguments: object) -> str:
    """A command of ours; its stdout. Its progress goes to the screen."""
    line = [sys.executable, "-m", "quintet.cli", *map(str, arguments)]
    asked = "--json" in line
    done = subprocess.run(line, cwd=ROOT, stdout=subprocess.PIPE if asked else None, text=True, check=True)
    return done.stdout or ""


if __name__ == "__main__":
    main()
