"""What a step's numbers are called. Names are TRL's where TRL has one."""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

import torch

from quintet.data import Batch, Rollout
from quintet.equations.advantages import group_deviation, groups_without_signal

TIMINGS = ("step_time", "seconds", "tokens_per_second", "peak_memory_mb", "expected_memory_mb")
"""Metrics (by how their names begin) that say how fast this machine was; all others are the same in every repetition."""


def of_batch(batch: Batch) -> dict[str, float]:
    """Numbers about the answers and their rewards; a page of demonstrations has only lengths."""
    lengths = [sum(r.action) for r in batch.rollouts]
    found = {
        "completions/mean_length": sum(lengths) / len(lengths),
        "completions/min_length": float(min(lengths)),
        "completions/max_length": float(max(lengths)),
    }
    if batch.behaviour_logp is None:
        return found
    known = torch.isfinite(batch.reward)
    cut = [r.stop_reason == "length" for r in batch.rollouts]
    return found | {
        "completions/clipped_ratio": sum(cut) / len(cut),
        "reward": _mean(batch.reward[known].tolist()),
        "reward_std": _mean(group_deviation(batch.reward, batch.group).tolist()),
        "frac_reward_zero_std": float(groups_without_signal(batch.reward, batch.group)),
        "nonfinite_rewards": float((~known).sum()),
        **_parts(batch.rollouts),
    }


def _parts(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Mean and deviation of each named part of the reward, over the answers that have it."""
    values: dict[str, list[float]] = {}
    for rollout in rollouts:
        for name, value in (rollout.verdict.parts if rollout.verdict else {}).items():
            values.setdefault(name, []).append(value)
    finite = {name: [v for v in some if isfinite(v)] for name, some in values.items()}
    return {
        f"rewards/{name}/{what}": number
        for name, some in finite.items()
        for what, number in (("mean", _mean(some)), ("std", _deviation(some)))
    }


def rollout_rows(batch: Batch, where: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every rollout of a step as a line of rollouts.jsonl."""
    return [
        {
            **where,
            "group": int(batch.group[i]),
            "prompt_id": r.prompt.id,
            "prompt": r.prompt.text if r.prompt.text is not None else [dict(m) for m in r.prompt.messages or ()],
            "level": r.prompt.level,
            "text": r.text,
            "reward": r.verdict.reward if r.verdict else None,
            "parts": dict(r.verdict.parts) if r.verdict else {},
            "logged": dict(r.verdict.logged) if r.verdict else {},
            "correct": r.verdict.correct if r.verdict else None,
            **({"steps": [list(step) for step in r.verdict.steps]} if r.verdict and r.verdict.steps else {}),
            "advantage": float(batch.advantage[i][batch.action[i]].mean()) if bool(batch.action[i].any()) else 0.0,
            "stop_reason": r.stop_reason,
            "tokens": sum(r.action),
            "policy_version": r.policy_version,
        }
        for i, r in enumerate(batch.rollouts)
    ]


def peak_memory_mb() -> float:
    """The largest memory this process held: of the GPU where one is used, else resident (MiB)."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 2**20
    unit = 1 if sys.platform == "darwin" else 2**10  # bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def _deviation(values: Sequence[float]) -> float:
    middle = _mean(values)
    return (sum((v - middle) ** 2 for v in values) / max(1, len(values) - 1)) ** 0.5
