"""`make deepseekmath`: RFT, Online RFT, GRPO with outcome and with process supervision, and iterative GRPO, from one supervised
start on word problems, over three seeds. What DeepSeekMath's figures 5 to 7 compare, with a model that a laptop trains.

All runs follow each other in this one process, on one thread. What is done already (runs/deepseekmath) is not done again, and a
run that was stopped goes on. Writes docs/recipes/deepseekmath.json and the page and figure made from it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.deepseekmath_page import figure, page
from quintet import runs
from quintet.config import read_run
from quintet.environment import describe
from quintet.evaluate import evaluate_model
from quintet.observe.records import read_jsonl
from quintet.settings import Run

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "deepseekmath"
DOCS = ROOT / "docs" / "recipes"
DATA, PAGE, FIGURE = (DOCS / f"deepseekmath.{kind}" for kind in ("json", "md", "svg"))
SEEDS = (1, 2, 3)
STEPS, EVERY, PROBLEMS, FINAL = 48, 16, 200, 1000
ROUNDS = 3
K, K_PROBLEMS = 8, 250

HEAD = """
model = "{model}"
task = "word-problems"
seed = {seed}
threads = 1
micro_batch = {micro}
checkpoint_every = {checkpoints}
eval_problems = {problems}
eval_every = {every}
eval_temperature = 1.0
out = "{out}"
[word-problems]
demo_mistakes = 0.25
"""
START = """
[[stage]]
algorithm = "sft"
steps = 800
prompts_per_step = 64
optimiser = "muon"
lr = 2e-3
warmup = 0.05
schedule = "cosine"
weight_decay = 0.1
"""
REWARD = """
[[stage]]
algorithm = "process-reward-model"
name = "reward"
steps = 240
prompts_per_step = 16
group_size = 4
optimiser = "muon"
lr = 1e-3
warmup = 0.05
schedule = "cosine"
"""
"""The reward model that all begin with, trained on answers of the start."""
POLICY = """
[[stage]]
algorithm = "{algorithm}"
steps = {steps}
prompts_per_step = 16
group_size = 8
lr = 1e-4
betas = [0.9, 0.99]
"""
KL = "beta = 0.04\n"
BY_STEPS = 'supervision = "process"\n'
BY_REWARD = 'reward_model = "{reward}"\ntask_reward_weight = 0.0\n'
AGAIN = """
[[stage]]
algorithm = "process-reward-model"
name = "reward"
begin_from = "{reward}"
rounds = {rounds}
replay = 0.1
steps = 8
prompts_per_step = 16
group_size = 4
lr = 1e-4
"""


@dataclass(frozen=True)
class Contender:
    """A way to train on: its stages, as a recipe."""

    title: str
    recipe: str


CONTENDERS = {
    "rft": Contender("RFT", POLICY.format(algorithm="rft", steps=STEPS)),
    "online-rft": Contender("Online RFT", POLICY.format(algorithm="online-rft", steps=STEPS)),
    "grpo-os": Contender("GRPO, outcome", POLICY.format(algorithm="grpo", steps=STEPS) + KL),
    "grpo-ps": Contender("GRPO, process (task's rule)", POLICY.format(algorithm="grpo", steps=STEPS) + KL + BY_STEPS),
    "grpo-ps-model": Contender(
        "GRPO, process (reward model)", POLICY.format(algorithm="grpo", steps=STEPS) + KL + BY_STEPS + BY_REWARD
    ),
    "iterative": Contender(
        f"iterative GRPO, process, {ROUNDS} rounds",
        AGAIN
        + POLICY.format(algorithm="grpo", steps=STEPS // ROUNDS)
        + KL
        + BY_STEPS
        + 'reward_model = "reward"\ntask_reward_weight = 0.0\n'
        + f"rounds = {ROUNDS}\n",
    ),
}


def trained(name: str, recipe: str, model: str, seed: int, every: int, problems: int = PROBLEMS, micro: int = 64) -> Path:
    """The folder of a finished run; what was begun is gone on with."""
    folder = RUNS / name
    if (folder / "report.html").is_file():
        return folder
    if not (folder / "settings.toml").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        RUNS.mkdir(parents=True, exist_ok=True)
        head = HEAD.format(model=model, seed=seed, problems=problems, every=every, out=folder, checkpoints=EVERY, micro=micro)
        text = head + recipe
        (RUNS / f"{name}.toml").write_text(text)
        runs.start(read_run(RUNS / f"{name}.toml"), quiet=True)
    else:
        runs.resume(folder, quiet=True)
    return folder


def measured(folder: Path) -> dict[str, Any]:
    """A run's held-out scores along its policy's steps, and what it cost."""
    rows = list(read_jsonl(folder / "metrics.jsonl"))
    of_policy = [row["step"] for row in rows if row["stage"].partition("-round-")[0] != "reward"]
    curve = {}
    for row in read_jsonl(folder / "evaluations.jsonl"):
        done = sum(step <= row["step"] for step in of_policy)
        curve[done] = {"steps": done, **{key: row[key] for key in ("n", "score", "low", "high")}}
    steps = list(read_jsonl(folder / "step_evaluations.jsonl"))
    return {
        "curve": list(curve.values()),
        "sampled_tokens": rows[-1]["num_sampled_tokens"],
        "seconds": sum(row["step_time"] for row in rows),
        "kl": rows[-1].get("kl"),
        "reward_models": [{key: row[key] for key in ("n", "score", "low", "high", "right")} for row in steps],
    }


def several(model: Path, run: Run, problems: int, k: int) -> dict[str, Any]:
    """A model's score on held-out problems, of k answers each also Pass@K and Maj@K; remembered beside the run."""
    place = model.parent / f"k-{k}-of-{problems}.json"
    if not place.is_file():
        row = evaluate_model(str(model), run.task, replace(run.sampling, temperature=1.0), problems, run.machine, k)
        place.write_text(json.dumps({key: row[key] for key in ("n", "score", "low", "high", "pass", "maj") if key in row}))
    return json.loads(place.read_text())


def measure(seeds: Sequence[int], contenders: Sequence[str], only_done: bool = False) -> dict[str, Any]:
    """Every run, or only those that are done already, and what came of it. Those of the paper's figure 5 come first, seed by
    seed."""
    start = trained("start", START, "preset:1m", 0, 200, 600, 32)
    base = start / "model"
    reward = trained("reward", REWARD, str(base), 0, 0) / "reward"
    found: dict[str, list[Any]] = {name: [] for name in contenders}
    later = ("grpo-ps-model", "iterative")
    order = [(seed, name) for last in (False, True) for seed in seeds for name in contenders if (name in later) == last]
    for seed, name in order:
        if only_done and not (RUNS / f"{name}-{seed}" / f"k-1-of-{FINAL}.json").is_file():
            continue
        recipe = CONTENDERS[name].recipe.replace("{reward}", str(reward)).replace("{rounds}", str(ROUNDS))
        folder = trained(f"{name}-{seed}", recipe, str(base), seed, EVERY)
        run = read_run(folder / "settings.toml")
        last = several(folder / "model", run, FINAL, 1)
        majority = several(folder / "model", run, K_PROBLEMS, K) if seed == 1 and name in ("grpo-os", "grpo-ps") else None
        found[name].append({"seed": seed, **measured(folder), "final": last, "several": majority})
        print(f"{name}-{seed}: {last['score']:.1%} after {found[name][-1]['seconds']:.0f} s of steps", flush=True)
    begun = read_run(start / "settings.toml")
    return {
        "machine": {k: v for k, v in describe().items() if k not in ("command", "started", "gpu")},
        "steps": STEPS,
        "start": {**measured(start), "final": several(base, begun, FINAL, 1), "several": several(base, begun, K_PROBLEMS, K)},
        "reward": measured(RUNS / "reward"),
        "contenders": {name: {"title": CONTENDERS[name].title, "runs": some} for name, some in found.items() if some},
        "unmeasured": [CONTENDERS[name].title for name, some in found.items() if not some],
        "recipes": {
            "all": HEAD.strip(),
            "start": START.strip(),
            "reward": REWARD.strip(),
            **{name: CONTENDERS[name].recipe.strip() for name in CONTENDERS},
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--page", action="store_true", help="only write the page and the figure from the data that are there")
    parser.add_argument("--done", action="store_true", help="train nothing: only what is done already")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds")
    parser.add_argument("--contenders", default=",".join(CONTENDERS), help="names with commas between them")
    options = parser.parse_args()
    DOCS.mkdir(parents=True, exist_ok=True)
    if not options.page:
        found = measure(SEEDS[: options.seeds], options.contenders.split(","), options.done)
        DATA.write_text(json.dumps(found, indent=1) + "\n")
    data = json.loads(DATA.read_text())
    PAGE.write_text(page(data))
    FIGURE.write_text(figure(data))
    print(f"Written: {DATA.relative_to(ROOT)}, {PAGE.relative_to(ROOT)} and {FIGURE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
