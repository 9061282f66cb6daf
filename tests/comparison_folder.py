"""A comparison's folder as `quintet compare` leaves it, without training anything: outcomes are drawn with a known chance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quintet import compare, comparisons
from quintet.config import new_comparison, render_comparison
from quintet.config.flags import Flag
from quintet.intervals import wilson

PROBLEMS = 200


def write_comparison(
    folder: Path,
    chances: Mapping[str, Sequence[float]],
    start: float = 0.2,
    cpu: Mapping[str, float] | None = None,
    tokens: int = 8_000,
    **metrics: float,
) -> Path:
    """One run of each algorithm for each of its chances to solve a held-out problem; `cpu`: its seconds, 10 where not said;
    `metrics` go into every step's row."""
    seeds = max(len(some) for some in chances.values())
    flags = {"task": "maze", "out": str(folder), "seeds": str(seeds), "tokens": str(tokens), "eval_every": "1"}
    experiment = new_comparison(None, False, list(chances), [Flag(k, v, f"--{k}") for k, v in flags.items()])
    folder.mkdir(parents=True)
    (folder / comparisons.SETTINGS).write_text(render_comparison(experiment))
    compare.prepare(experiment, folder)
    for number, (label, some) in enumerate(chances.items()):
        for seed, chance in enumerate(some, 1):
            run = comparisons.folder_of(folder, label, seed)
            (run / "settings.toml").write_bytes((run / "recipe.toml").read_bytes())
            rows = [
                _evaluation(0, start, 0),
                _evaluation(10, (start + chance) / 2, 1),
                _evaluation(20, chance, 100 * number + seed),
            ]
            write_rows(run / "evaluations.jsonl", [{**row, "num_sampled_tokens": row["step"] * tokens / 20} for row in rows])
            write_rows(run / "metrics.jsonl", [_step(i, chance, **metrics) for i in range(1, 21)])
            used = {"cpu_seconds": (cpu or {}).get(label, 10.0), "wall_seconds": 12.0, "peak_memory_mb": 500.0 + number}
            comparisons.write_status(run, state="done", attempts=1, **used)
    return folder


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _evaluation(step: int, chance: float, seed: int) -> dict[str, Any]:
    solved = (np.random.default_rng(seed).random(PROBLEMS) < chance).astype(int).tolist()
    low, high = wilson(sum(solved), PROBLEMS)
    where = {"step": step, "label": f"{step}", "task": "maze", "split": "test", "num_tokens": step * 900, "seconds": step * 0.5}
    levels = {"easy": solved[:120], "hard": solved[120:]}
    return {
        **where,
        "n": PROBLEMS,
        "score": sum(solved) / PROBLEMS,
        "low": low,
        "high": high,
        "unit": "solved",
        "outcomes": levels,
    }


def _step(step: int, chance: float, **metrics: float) -> dict[str, Any]:
    return {"step": step, "loss": 0.1, "grad_norm": 1.0, "reward": chance, "backward_passes": 1.5, **metrics}
