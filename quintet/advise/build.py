"""A comparison's advice as plain data: what the table, the report and the live page show."""

from __future__ import annotations

import json
from itertools import combinations
from math import isfinite, nan
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np

from quintet import comparisons, statistics
from quintet.advise import words
from quintet.advise.collect import Finished, collect, outcomes
from quintet.comparisons import RunAt
from quintet.config import read_run
from quintet.observe.records import number
from quintet.statistics import Array, Estimate

Advice = dict[str, Any]


def advise(folder: Path, target: float | None = None, write: bool = True) -> Advice:
    """The advice, also written to the comparison's advice.json.

    `target`: the score that tokens and seconds are counted to; without one, half of the way from the start to the best.
    Raises ValueError where the folder holds no comparison or no run of it has ended."""
    settings = comparisons.settings_of(folder)
    runs, finished = collect(folder)
    if not any(finished.values()):
        reasons = [run.status["reason"] for run in runs if run.status["state"] == "failed"]
        what = f"every run that ended has failed, the first one so: {reasons[0]}" if reasons else "no run has ended yet."
        raise ValueError(f"{folder}: {what} Go on with: quintet compare --resume {folder}")
    scores, strata, left_out = outcomes(finished)
    start = _start(max(finished.values(), key=len), settings)
    estimates = {label: statistics.mean_score(some, strata) for label, some in scores.items()}
    target = _target(start["score"], estimates) if target is None else target
    axis = _axis(finished)
    rows = [_row(label, finished[label], scores[label], strata, estimates[label], target, axis) for label in scores]
    rows.sort(key=lambda row: -row["score"])
    advice: Advice = {
        "unit": str(next(f for some in finished.values() for f in some).last.get("unit", "reward")),
        "task": str(settings.get("task", "")),
        "problems": len(strata),
        "budget": {key: settings["comparison"][key] for key in ("tokens", "seconds", "seeds", "parallel")},
        "start": start,
        "target": target,
        "axis": axis,
        "rows": rows,
        "pairs": [_pair(a["label"], b["label"], scores, strata, estimates) for a, b in combinations(rows, 2)],
        "warnings": words.warnings(runs, rows, left_out, settings),
    }
    advice["sentences"] = words.sentences(advice)
    advice["next"] = words.next_step(advice, folder)
    advice = _finite(advice)
    if write:
        comparisons.write_whole(folder / comparisons.ADVICE, json.dumps(advice, indent=1) + "\n")
    return advice


def _start(runs: list[Finished], settings: dict[str, Any]) -> Advice:
    """What every contender began from, by the runs of one of them. All scored it, on the same problems with the same random
    numbers; random weights are each seed's own, and then it is their mean, between the lowest and the highest limits."""
    stages = [str(stage.get("name", stage["algorithm"])) for stage in settings.get("start", [])]
    score, low, high = ([number(run.evaluations[0], key) for run in runs] for key in ("score", "low", "high"))
    return {"model": settings["model"], "stages": stages, "score": fmean(score), "low": min(low), "high": max(high)}


def _target(start: float, estimates: dict[str, Estimate]) -> float:
    """Half of the way from the start to the best; NaN where none got anywhere."""
    gained = max(e.value for e in estimates.values()) - start
    return start + gained / 2 if gained > 0 else nan


def _axis(finished: dict[str, list[Finished]]) -> str:
    """Curves are drawn over sampled tokens; over all tokens read where some contender samples none."""
    samples = all(f.curve("num_sampled_tokens")[-1] > 0 for some in finished.values() for f in some)
    return "num_sampled_tokens" if samples else "num_tokens"


def _row(label: str, runs: list[Finished], scores: Array, strata: Array, mean: Estimate, target: float, axis: str) -> Advice:
    robust = statistics.robust_score(scores, strata)
    statuses = [run.at.status for run in runs]
    reached = {key: _reached(runs, key, target) for key in (axis, "seconds")}
    return {
        "label": label,
        "seeds": len(runs),
        "score": mean.value,
        "low": mean.low,
        "high": mean.high,
        "iqm": robust.value,
        "iqm_low": robust.low,
        "iqm_high": robust.high,
        "area": _mean([statistics.area_under(run.curve(axis), run.curve("score")) for run in runs]),
        "tokens_to": reached[axis],
        "seconds_to": reached["seconds"],
        "tokens": _mean([number(run.last, axis) for run in runs]),
        "train_seconds": _mean([number(run.last, "seconds") for run in runs]),
        "peak_memory_mb": max(status["peak_memory_mb"] for status in statuses),
        "cpu_seconds": _mean([status["cpu_seconds"] for status in statuses]),
        "wall_seconds": _mean([status["wall_seconds"] for status in statuses]),
        "networks": networks_of(runs[0].at),
        "passes": _mean([run.passes for run in runs]),
        "diverged": sum(run.diagnosis.diverged for run in runs),
        "diagnosis": words.of_runs([(run.at.seed, run.diagnosis.sentence) for run in runs]),
        "runs": [
            {
                "seed": run.at.seed,
                **{key: number(run.last, key) for key in ("score", "low", "high")},
                "diverged": run.diagnosis.diverged,
                "diagnosis": run.diagnosis.sentence,
            }
            for run in runs
        ],
    }


def networks_of(run: RunAt) -> list[str]:
    """The networks that the run holds: its policy and what its algorithm needs beside it."""
    stage = read_run(run.folder / "settings.toml").stages[-1]
    needs = stage.algorithm.needs
    critic = {"none": [], "separate": ["critic"], "head": ["value head"]}[needs.critic]
    reference = ["reference"] if needs.reference or needs.frozen_sampler else []
    return ["policy", *reference, *critic, *(["reward model"] if stage.reward_model else [])]


def _reached(runs: list[Finished], key: str, target: float) -> float:
    """Where the middle one of the runs first reached the target; inf where half of them didn't."""
    return median(statistics.first_reaching(run.curve(key), run.curve("score"), target) for run in runs)


def _pair(a: str, b: str, scores: dict[str, Array], strata: Array, estimates: dict[str, Estimate]) -> Advice:
    """How likely a run of a beats one of b, and whether the table can tell them apart at all."""
    better = statistics.probability_of_improvement(scores[a].mean(1), scores[b].mean(1))
    gap = statistics.difference(scores[a], scores[b], strata)
    undecided = gap.low <= 0 <= gap.high
    tie = undecided or not statistics.apart(estimates[a], estimates[b])
    return {
        "a": a,
        "b": b,
        "p_better": better.value,
        "low": better.low,
        "high": better.high,
        "difference": gap.value,
        "difference_low": gap.low,
        "difference_high": gap.high,
        "tie": tie,
        "seeds_to_settle": statistics.seeds_to_settle(scores[a], scores[b], strata) if tie else None,
    }


def _mean(values: list[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return fmean(known) if known else float("nan")


def _finite(value: Any) -> Any:
    """JSON that every reader reads: what isn't finite or known is null."""
    if isinstance(value, dict):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not isfinite(value) else value
