"""Where the runs of a comparison are: `comparison.toml` beside start/ (what all of them begin from, where that is trained) and
LABEL/seed-K/, an ordinary run's folder each."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

SETTINGS, STATUS, ADVICE, START = "comparison.toml", "status.json", "advice.json", "start"
_SEED = re.compile(r"seed-(\d+)")


class RunAt(NamedTuple):
    """One run of a comparison."""

    label: str
    """The algorithm's name, or the user's for a variant."""
    seed: int
    """Below 0 where there is only one run of that label: the common start, or a run that is no comparison's."""
    folder: Path
    status: dict[str, Any]
    """status.json: state (waiting, running, done, failed, stopped), reason, wall_seconds, …; {} before it was written."""


def name_of(run: RunAt) -> str:
    """Example: name_of(RunAt("grpo", 0, folder, {})) == "grpo · seed 0" """
    return run.label if run.seed < 0 else f"{run.label} · seed {run.seed}"


def is_comparison(folder: Path) -> bool:
    """Whether a comparison was begun in this folder."""
    return (folder / SETTINGS).is_file()


def runs_of(folder: Path) -> list[RunAt]:
    """A comparison's runs that have folders: contenders in the comparison's own order, each by seed."""
    order = _labels(folder)
    found = [
        RunAt(inner.parent.name, int(seed[1]), inner, status_of(inner))
        for inner in folder.glob("*/seed-*")
        if inner.is_dir() and (seed := _SEED.fullmatch(inner.name))
    ]
    place = {label: index for index, label in enumerate(order)}
    return sorted(found, key=lambda run: (place.get(run.label, len(order)), run.label, run.seed))


def start_of(folder: Path) -> RunAt | None:
    """The run that trains what all others begin from; None where there is none."""
    place = folder / START
    return RunAt(START, -1, place, status_of(place)) if place.is_dir() else None


def status_of(folder: Path) -> dict[str, Any]:
    """The comparison's word about a run; {} where it said none (yet)."""
    return _object(folder / STATUS)


def advice_of(folder: Path) -> dict[str, Any]:
    """advice.json, written when a comparison ends; {} before."""
    return _object(folder / ADVICE)


def experiment_of(folder: Path) -> dict[str, Any]:
    """comparison.toml as read; {} where it can't be."""
    try:
        return tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        return {}


def _labels(folder: Path) -> list[str]:
    contenders = experiment_of(folder).get("contender")
    some = [each for each in contenders if isinstance(each, dict)] if isinstance(contenders, list) else []
    return [str(each.get("label", each.get("algorithm", ""))) for each in some]


def _object(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}
