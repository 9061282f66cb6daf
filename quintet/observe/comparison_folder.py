"""Where the runs of a comparison are: `comparison.toml` beside LABEL/seed-K/, an ordinary run's folder each."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

_SEED = re.compile(r"seed-(\d+)")


class RunAt(NamedTuple):
    """One run of a comparison."""

    label: str
    """The algorithm's name, or the user's for a variant."""
    seed: int
    folder: Path
    status: dict[str, Any]
    """status.json: state (waiting, running, done, failed, stopped), reason, wall_seconds, …; {} before it was written."""

    @property
    def name(self) -> str:
        """Example: "grpo · seed 0" """
        return f"{self.label} · seed {self.seed}"


def is_comparison(folder: Path) -> bool:
    """Whether a comparison was begun in this folder."""
    return (folder / "comparison.toml").is_file()


def runs_of(folder: Path) -> list[RunAt]:
    """A comparison's runs, by label, then by seed, as far as they have folders."""
    found: dict[str, list[RunAt]] = {}
    for inner in sorted(folder.glob("*/seed-*")):
        if inner.is_dir() and (seed := _SEED.fullmatch(inner.name)):
            run = RunAt(inner.parent.name, int(seed[1]), inner, status_of(inner))
            found.setdefault(run.label, []).append(run)
    return [run for label in found for run in sorted(found[label], key=lambda run: run.seed)]


def status_of(folder: Path) -> dict[str, Any]:
    """The comparison's word about a run; {} where it said none (yet)."""
    return _object(folder / "status.json")


def advice_of(folder: Path) -> dict[str, Any]:
    """advice.json, written when a comparison ends; {} before."""
    return _object(folder / "advice.json")


def _object(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
