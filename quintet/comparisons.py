"""A comparison's folder: which runs it holds and where each of them is.

`comparison.toml` (the resolved experiment; its presence makes the folder a comparison), `start/` (the run that trained the
common start, if one did), `LABEL/seed-K/` (one ordinary run each, with `recipe.toml`, `log.txt` and `status.json` beside its
own files) and `advice.json`.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SETTINGS, STATUS, ADVICE, START = "comparison.toml", "status.json", "advice.json", "start"
_SEED = re.compile(r"seed-(\d+)")
WAITING: dict[str, Any] = {
    "state": "waiting",
    "reason": "",
    "wall_seconds": 0.0,
    "cpu_seconds": 0.0,
    "peak_memory_mb": 0.0,
    "attempts": 0,
    "unmeasured": 0,
    "started": "",
    "ended": "",
}
"""What is known of a run before it begins. `state`: waiting, running, done, failed or stopped; seconds are summed over its
`attempts`, memory is the largest; `unmeasured`: attempts that ended without anybody there to read what they had used."""


@dataclass(frozen=True)
class RunAt:
    """One run of a comparison."""

    label: str
    """The algorithm's name, or the user's for a variant."""
    seed: int
    """Below 0 where there is only one run of that label: the common start, or a run that is no comparison's."""
    folder: Path
    status: dict[str, Any]


def is_comparison(folder: Path) -> bool:
    """Whether the folder is one that `quintet compare` made."""
    return (folder / SETTINGS).is_file()


def runs_of(folder: Path) -> list[RunAt]:
    """Every run there is a folder for: contenders in the comparison's order, each by seed."""
    order = _labels(folder)
    found = [
        RunAt(path.parent.name, int(match[1]), path, read_status(path))
        for path in folder.glob("*/seed-*")
        if path.is_dir() and (match := _SEED.fullmatch(path.name))
    ]
    place = {label: number for number, label in enumerate(order)}
    return sorted(found, key=lambda run: (place.get(run.label, len(order)), run.label, run.seed))


def folder_of(folder: Path, label: str, seed: int) -> Path:
    """Where a contender's run with that seed is."""
    return folder / label / f"seed-{seed}"


def read_status(run: Path) -> dict[str, Any]:
    """What a run's status.json says; of one that has none, or one that can't be read, that it is waiting."""
    try:
        told = json.loads((run / STATUS).read_bytes())
    except (FileNotFoundError, ValueError):
        told = {}
    return {**WAITING, **(told if isinstance(told, dict) else {})}


def write_status(run: Path, **changes: Any) -> dict[str, Any]:
    """Change a run's status.json, which readers find whole at every moment; what it says now."""
    status = {**read_status(run), **changes}
    write_whole(run / STATUS, json.dumps(status, indent=1))
    return status


def write_whole(path: Path, text: str) -> None:
    """Write a file beside its place and rename it: a reader, or a kill, finds the old text or the new one."""
    beside = path.with_name(f".{path.name}.partial")
    beside.write_text(text, encoding="utf-8")
    os.replace(beside, path)


def settings_of(folder: Path) -> dict[str, Any]:
    """comparison.toml as read; ValueError, in a sentence, where the folder is no comparison."""
    if not is_comparison(folder):
        what = f"holds no {SETTINGS}" if folder.is_dir() else "is not a folder"
        raise ValueError(f"{folder} {what}. Name a folder that `quintet compare` has written, such as runs/compare-maze-….")
    return tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))


def _labels(folder: Path) -> list[str]:
    if not is_comparison(folder):
        return []
    contenders = settings_of(folder).get("contender", [])
    return [str(c.get("label", c.get("algorithm", ""))) for c in contenders]
