"""What those who show a comparison read of its folder, beside what `quintet.comparisons` tells. It may change while they read,
or be damaged: what can't be read is empty."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from quintet.comparisons import ADVICE, SETTINGS, START, RunAt, is_comparison, read_status, runs_of

__all__ = ["START", "RunAt", "advice_of", "experiment_of", "is_comparison", "name_of", "runs_of", "start_of"]


def name_of(run: RunAt) -> str:
    """Example: name_of(RunAt("grpo", 0, folder, {})) == "grpo · seed 0" """
    return run.label if run.seed < 0 else f"{run.label} · seed {run.seed}"


def start_of(folder: Path) -> RunAt | None:
    """The run that trains what all others begin from; None where there is none."""
    place = folder / START
    return RunAt(START, -1, place, read_status(place)) if place.is_dir() else None


def advice_of(folder: Path) -> dict[str, Any]:
    """advice.json, written when a comparison ends; {} before."""
    try:
        told = json.loads((folder / ADVICE).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def experiment_of(folder: Path) -> dict[str, Any]:
    """comparison.toml as read; {} where it can't be."""
    try:
        return tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        return {}
