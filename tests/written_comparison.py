"""A comparison's folder like those that `quintet compare` writes: five algorithms on mazes, three seeds each."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from math import exp
from pathlib import Path
from typing import Any

from tests.run_folder import rollout_rows, score_of, write_rows

LABELS = ("reinforce", "trpo", "ppo", "dpo", "grpo")
GAINS = {"reinforce": 0.16, "trpo": 0.2, "ppo": 0.14, "dpo": 0.12, "grpo": 0.24}
EXPERIMENT = """\
task = "maze"
model = "preset:1m"

[comparison]
seeds = {seeds}
tokens = 66000
"""
SETTINGS = """\
model = "preset:1m"
seed = {seed}
task = "maze"
eval_every = 20

[[stage]]
algorithm = "{label}"
steps = {steps}
prompts_per_step = 16
lr = {lr}
"""


def write_comparison(
    folder: Path,
    labels: Sequence[str] = LABELS,
    seeds: int = 3,
    steps: int = 60,
    done: Sequence[float] = (),
    attack: str = "",
    advice: bool = True,
) -> Path:
    """Write every file of a comparison; `done`: how far each run is, 1 where it is left out."""
    folder.mkdir(parents=True, exist_ok=True)
    contenders = "".join(f'\n[[contender]]\nalgorithm = "{label}"\n' for label in labels)
    (folder / "comparison.toml").write_text(EXPERIMENT.format(seeds=seeds) + contenders)
    for number, (label, seed) in enumerate((label, seed) for label in labels for seed in range(seeds)):
        share = done[number] if number < len(done) else 1.0
        write_member(folder / label / f"seed-{seed}", label, seed, steps, share, attack)
    if advice:
        (folder / "advice.json").write_text(json.dumps(advice_for(labels, seeds)))
    return folder


def write_member(run: Path, label: str, seed: int, steps: int, share: float = 1.0, attack: str = "") -> Path:
    """One run of a comparison, done up to `share` of its steps."""
    run.mkdir(parents=True, exist_ok=True)
    lr = 1e-4 if label != "trpo" else 0.0
    (run / "settings.toml").write_text(SETTINGS.format(seed=seed, label=label, steps=steps, lr=lr))
    last = round(steps * share)
    rows = [metrics_row(label, seed, step, steps) for step in range(1, last + 1)]
    write_rows(run / "metrics.jsonl", rows)
    write_rows(
        run / "evaluations.jsonl", [evaluation_row(label, seed, s, steps, attack) for s in range(0, last + 1, 20) if share]
    )
    answers = [row for step in range(1, last + 1, 5) for row in rollout_rows(step, 3, 4, step / steps, attack)]
    write_rows(run / "rollouts.jsonl", answers)
    (run / "environment.json").write_text(json.dumps({"torch": "2.13.0", "device": "cpu, 2 cores", "python": "3.12.4"}))
    state = "done" if share == 1.0 else "running" if share else "waiting"
    status = {"state": state, "reason": "", "wall_seconds": last * 0.9, "cpu_seconds": last * 0.8, "peak_memory_mb": 530.0}
    (run / "status.json").write_text(json.dumps(status))
    return run


def metrics_row(label: str, seed: int, step: int, steps: int) -> dict[str, Any]:
    chance = random.Random(f"{label}{seed}{step}")
    share = step / steps
    reward = 0.3 + GAINS[label] * (1 - exp(-3 * share)) * (1 + 0.1 * seed) + chance.gauss(0, 0.02)
    where = {"step": step, "stage": label, "stage_step": step, "stage_steps": steps, "stages": 1, "stage_index": 0}
    return {
        **where,
        "reward": reward,
        "loss": chance.gauss(0, 0.01),
        "entropy": 0.4 * exp(-2 * share) + chance.uniform(0, 0.03),
        "kl": 0.02 * share + chance.uniform(0, 0.002),
        "completions/mean_length": 7.1 + share + chance.gauss(0, 0.2),
        "completions/clipped_ratio": 0.02 * (1 - share),
        "frac_reward_zero_std": 0.3 + 0.3 * share,
        "logp_gap/max": chance.uniform(1e-6, 4e-6),
        "grad_norm": chance.uniform(0.2, 0.6),
        "tokens_per_second": chance.gauss(5200, 300),
        "step_time": {"trpo": 3.1, "ppo": 1.9}.get(label, 0.9),
        "seconds/sample": 0.41,
        "seconds/grade": 0.02,
        "seconds/learn": 0.44,
        "num_tokens": step * 1300,
        "num_sampled_tokens": step * 1100,
        "peak_memory_mb": 530.0,
    }


def evaluation_row(label: str, seed: int, step: int, steps: int, attack: str = "") -> dict[str, Any]:
    solved = 0.25 + GAINS[label] * (1 - exp(-3 * step / steps)) + 0.01 * seed * (step > 0)
    row = {"step": step, "stage": label, "label": f"{label} {step}" if step else "start", "task": "maze", "split": "test"}
    examples = [_example(label, number, step, attack) for number in range(6)]
    return {**row, **score_of(500, solved), "unit": "solved", "levels": {}, "examples": examples}


def _example(label: str, number: int, step: int, attack: str) -> dict[str, Any]:
    correct = random.Random(f"{label}{number}").random() < 0.3 + step / 100
    text = ("<|up|><|right|><|right|><|down|>" if correct else f"<|up|><|left|> {label}") + attack
    known = {"prompt_id": f"maze-test-{number}", "level": "easy", "prompt": f"<|0-{number}|><|up_left_wall|><|origin|>…"}
    return {**known, "text": text, "correct": correct, "reward": float(correct), "picture": None}


def advice_for(labels: Sequence[str], seeds: int) -> dict[str, Any]:
    rows = []
    for label in labels:
        score = 0.25 + GAINS[label]
        rows.append(
            {
                "label": label,
                "seeds": seeds,
                "score": score,
                "low": score - 0.03,
                "high": score + 0.03,
                "iqm": score,
                "iqm_low": score - 0.02,
                "iqm_high": score + 0.02,
                "area": score - 0.05,
                "tokens_to": 30000,
                "seconds_to": 40.0,
                "peak_memory_mb": 530.0,
                "cpu_seconds": 50.0,
                "wall_seconds": 54.0,
                "networks": ["policy", "critic"] if label == "ppo" else ["policy"],
                "passes": 1,
                "diverged": 0,
                "diagnosis": "It improved steadily.",
            }
        )
    pairs = [{"a": "grpo", "b": "dpo", "p_better": 0.99, "low": 0.9, "high": 1.0, "tie": False}]
    sentences = ["GRPO and TRPO are a tie at the top.", "GRPO costs a third of TRPO's time: take GRPO."]
    return {
        "unit": "solved",
        "target": 0.35,
        "budget": {"tokens": 66000, "seconds": 0.0, "seeds": seeds},
        "start": {"score": 0.25, "low": 0.21, "high": 0.29},
        "rows": sorted(rows, key=lambda row: -row["score"]),
        "pairs": pairs,
        "sentences": sentences,
        "next": "Two more seeds of grpo and trpo would settle the tie.",
        "warnings": [],
    }
