"""A run folder like those that training writes: a maze solver taught by examples, then by reward."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from itertools import pairwise
from math import exp, sqrt
from pathlib import Path
from typing import Any

LEVELS = {"easy": (500, (0.02, 0.86, 0.93)), "medium": (400, (0.0, 0.44, 0.61)), "hard": (100, (0.0, 0.14, 0.19))}
LABELS = ("start", "after sft", "after grpo")
ATTACK = (
    "<script>document.title='owned'</script><img src='http://example.invalid/x.png' onerror='document.title=1'>"
    "[bold red]markup[/] \x1b[2J\x1b]0;owned\x07 \u202eevil\u202c \ud800 </pre></details></main> & \x00 end"
)
ACTING = "[red]\x1b[2J\x07\x00\u202e\ud800"
"""The same in little, for narrow columns."""
SETTINGS = """\
[task]
name = "maze"
size = 5

[machine]
model = "preset:1m"
seed = 7
device = "auto"

[sampling]
temperature = 1.0
max_new_tokens = 24

[[stages]]
name = "sft"
steps = {0}
learning_rate = 1e-3

[[stages]]
name = "grpo"
steps = {1}
prompts_per_step = 16
group_size = 8
clip = [0.2, 0.2]
"""


def write_run(folder: Path, sft: int = 120, grpo: int = 180, attack: str = "", rollouts_every: int = 20) -> Path:
    """Write every file of a run; `attack` is put into every text a model wrote."""
    chance = random.Random(7)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "settings.toml").write_text(SETTINGS.format(sft, grpo))
    metrics = [*_sft_rows(chance, sft, grpo), *_grpo_rows(chance, sft, grpo)]
    write_rows(folder / "metrics.jsonl", metrics)
    write_rows(folder / "evaluations.jsonl", evaluation_rows((0, sft, sft + grpo), attack))
    steps = sorted({1, grpo, *range(rollouts_every, grpo, rollouts_every)})
    write_rows(folder / "rollouts.jsonl", [row for s in steps for row in rollout_rows(sft + s, 4, 8, s / grpo, attack)])
    facts = {
        "command": "quintet train sft,grpo --task maze --model preset:1m --seed 7",
        "quintet": "0.1.0",
        "python": "3.12.4",
        "torch": "2.13.0",
        "device": "cpu, 2 cores",
        "started": "2026-03-01 10:12",
    }
    (folder / "environment.json").write_text(json.dumps(facts))
    return folder


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def metrics_row(step: int, stage: str, stage_step: int, stage_steps: int, **metrics: Any) -> dict[str, Any]:
    place = {"step": step, "stage": stage, "stage_step": stage_step, "stage_steps": stage_steps, "stages": 2}
    return {**place, "stage_index": 0 if stage == "sft" else 1, **metrics}


def _sft_rows(chance: random.Random, sft: int, grpo: int) -> list[dict[str, Any]]:
    rows = []
    for step in range(1, sft + 1):
        loss = 0.11 + 2.4 * exp(-step / (sft / 7)) * chance.uniform(0.9, 1.1)
        metrics = {"loss": loss, "loss/nll": loss, "grad_norm": 0.3 + loss * chance.uniform(0.5, 1.5), "step_time": 0.21}
        speed = {"tokens_per_second": chance.gauss(21000, 900), "seconds/learn": 0.2, "peak_memory_mb": 412.0}
        more = {"learning_rate": 1e-3 * (1 - step / sft), "num_tokens": step * 4600}
        rows.append(metrics_row(step, "sft", step, sft, **metrics, **speed, **more))
    return rows


def _grpo_rows(chance: random.Random, sft: int, grpo: int) -> list[dict[str, Any]]:
    rows = []
    for step in range(1, grpo + 1):
        share = step / grpo
        reward = 0.58 + 0.15 * (1 - exp(-3 * share)) + chance.gauss(0, 0.03)
        metrics: dict[str, Any] = {
            "loss": chance.gauss(0, 0.01),
            "loss/policy": chance.gauss(0, 0.01),
            "reward": reward,
            "reward_std": 0.3,
            "frac_reward_zero_std": min(1.0, 0.3 + 0.3 * share + chance.uniform(0, 0.1)),
            "rewards/reached/mean": reward - 0.1,
            "rewards/form/mean": 0.97 + 0.02 * share,
            "kl": 0.02 * share + chance.uniform(0, 0.002),
            "entropy": None if step == 40 else 0.4 * exp(-2 * share) + chance.uniform(0, 0.03),
            "clip_ratio/region_mean": 0.0,
            "completions/mean_length": 7.1 + share + chance.gauss(0, 0.2),
            "completions/min_length": 2,
            "completions/max_length": 14 + chance.randrange(6),
            "completions/clipped_ratio": 0.02 * (1 - share),
            "grad_norm": 40.0 if step == 77 else chance.uniform(0.2, 0.6),
            "logp_gap/mean": 2e-7,
            "logp_gap/max": chance.uniform(1e-6, 4e-6),
        }
        speed = {"step_time": 0.9, "seconds/sample": 0.41, "seconds/grade": 0.02, "seconds/learn": 0.44}
        more = {"tokens_per_second": chance.gauss(5200, 300), "peak_memory_mb": 530.0, "learning_rate": 1e-4}
        more["num_tokens"] = sft * 4600 + step * 1100
        rows.append(metrics_row(sft + step, "grpo", step, grpo, **metrics, **speed, **more))
    return rows


def evaluation_rows(steps: Sequence[int], attack: str = "") -> list[dict[str, Any]]:
    rows = []
    for index, (step, label) in enumerate(zip(steps, LABELS, strict=True)):
        levels = {name: score_of(n, scores[index]) for name, (n, scores) in LEVELS.items()}
        solved = sum(level["score"] * level["n"] for level in levels.values()) / 1000
        row = {"step": step, "stage": ("sft", "sft", "grpo")[index], "label": label, "task": "maze", "split": "test"}
        row |= {**score_of(1000, solved), "unit": "solved", "levels": levels, "sampling": {"temperature": 0.0}}
        rows.append({**row, "examples": [_example(number, index, attack) for number in range(6)]})
    return rows


def score_of(n: int, score: float) -> dict[str, Any]:
    half = 1.96 * sqrt(max(score * (1 - score), 0.002) / n)
    return {"n": n, "score": score, "low": max(0.0, score - half), "high": min(1.0, score + half)}


def _example(number: int, index: int, attack: str) -> dict[str, Any]:
    level = list(LEVELS)[number // 2]
    correct = index == 2 or (index == 1 and number in (0, 1, 3))
    picture, moves = maze_drawing(number, solved=correct, steps=0 if index == 0 else 20)
    text = ("<|up|><|up|>" if index == 0 else moves) + attack
    known = {"prompt_id": f"maze-test-{number}", "level": level, "prompt": "<|0-0|><|up_left_wall|><|origin|>…"}
    return {**known, "text": text, "correct": correct, "reward": float(correct), "picture": picture}


def rollout_rows(step: int, groups: int, size: int, share: float, attack: str = "") -> list[dict[str, Any]]:
    chance = random.Random(step)
    rows = []
    for group in range(groups):
        rewards = [float(chance.random() < 0.3 + 0.4 * share) for _ in range(size)]
        mean = sum(rewards) / size
        for reward in rewards:
            _, moves = maze_drawing(group, solved=bool(reward), steps=20)
            place = {"step": step, "stage": "grpo", "group": group, "prompt_id": f"maze-{step}-{group}", "level": "easy"}
            grade = {"reward": reward, "parts": {"reached": reward, "form": 1.0}, "correct": reward > 0}
            more = {"advantage": (reward - mean) / 0.5, "stop_reason": "eos", "tokens": 9, "policy_version": step}
            rows.append({**place, "prompt": "<|0-0|><|up_left_wall|><|origin|>…", "text": moves + attack, **grade, **more})
    return rows


def maze_drawing(seed: int, solved: bool, steps: int, size: int = 5) -> tuple[str, str]:
    """A depth-first maze with the way walked so far, as text, and the moves."""
    chance = random.Random(seed)
    doors: dict[tuple[int, int], set[tuple[int, int]]] = {(0, 0): set()}
    trail, way = [(0, 0)], [(0, 0)]
    target = (size - 1, size - 1)
    while trail:
        row, column = trail[-1]
        near = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
        fresh = [c for c in near if c not in doors and min(c) >= 0 and max(c) < size]
        if not fresh:
            trail.pop()
            continue
        chosen = chance.choice(fresh)
        doors.setdefault(chosen, set()).add((row, column))
        doors[row, column].add(chosen)
        trail.append(chosen)
        if chosen == target:
            way = list(trail)
    walked = way if solved else way[: min(steps, len(way) // 2)]
    names = {(0, 1): "<|right|>", (0, -1): "<|left|>", (1, 0): "<|down|>", (-1, 0): "<|up|>"}
    moves = "".join(names[b[0] - a[0], b[1] - a[1]] for a, b in pairwise(walked))
    return _picture(doors, walked, target, size), moves


def _picture(doors: dict[tuple[int, int], set[tuple[int, int]]], walked: list[Any], target: Any, size: int) -> str:
    lines = []
    for row in range(size):
        top = "".join("┼" + ("   " if (row - 1, c) in doors[row, c] else "───") for c in range(size)) + "┼"
        middle = ""
        for c in range(size):
            mark = "O" if (row, c) == (0, 0) else "T" if (row, c) == target else "•" if (row, c) in walked else " "
            middle += (" " if (row, c - 1) in doors[row, c] else "│") + f" {mark} "
        lines += [top, middle + "│"]
    return "\n".join([*lines, "┼" + "───┼" * size])
