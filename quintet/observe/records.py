"""Reading a run's folder. A run may have been killed while it wrote, so the last line of any file may be cut off."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from math import isfinite, nan
from pathlib import Path
from typing import Any

Row = dict[str, Any]
FILES = ("metrics.jsonl", "evaluations.jsonl", "rollouts.jsonl", "settings.toml")


def read_jsonl(path: Path) -> Iterator[Row]:
    """The objects of a file, one a line, in order, without holding them all; nothing where there is no file.

    A last line that was cut off (it has no newline and can't be read) is left out silently; empty lines are skipped.
    Raises ValueError with file and line for any other line that isn't a JSON object.
    """
    if not path.exists():
        return
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise ValueError(f"a JSON object was expected, not {type(row).__name__}")
            except ValueError as problem:
                if not line.endswith(b"\n"):
                    return
                raise ValueError(
                    f"{path}:{number}: this line can't be read ({problem}). "
                    "Only a last line that was cut off is forgiven; mend or delete this one."
                ) from problem
            yield row


def require_run(run: Path) -> Path:
    """The folder itself, if it holds anything a run writes; ValueError if not."""
    if not any((run / name).is_file() for name in FILES):
        what = "holds none of " + ", ".join(FILES) if run.is_dir() else "is not a folder"
        raise ValueError(f"{run} {what}. Name a folder that `quintet train` has written, such as runs/last.")
    return run


def steps(run: Path) -> list[Row]:
    """The metrics of every step, in order. A resumed run may have written a step twice: the later row counts."""
    rows = {row["step"]: row for row in read_jsonl(run / "metrics.jsonl") if isinstance(row.get("step"), int)}
    return [rows[step] for step in sorted(rows)]


def evaluations(run: Path) -> list[Row]:
    """Every evaluation, in order. The same one (task, split, label, step) written twice counts once, the later."""
    rows = {
        tuple(row.get(key) for key in ("task", "split", "label", "step")): row for row in read_jsonl(run / "evaluations.jsonl")
    }
    return list(rows.values())


def rollouts(run: Path, step: int | None = None) -> list[Row]:
    """The rollouts of one step (None: of the last one that has any), as written.

    Raises ValueError, naming the steps there are, when that step has none. Where a resumed run went back and wrote a step
    again, the later ones count.
    """
    kept: list[Row] = []
    seen: set[int] = set()
    before = None
    for row in read_jsonl(run / "rollouts.jsonl"):
        at = row.get("step")
        if not isinstance(at, int):
            continue
        seen.add(at)
        if at != before and (step is None or at == step):
            kept = []
        if step is None or at == step:
            kept.append(row)
        before = at
    if kept:
        return kept
    if not seen:
        raise ValueError(f"{run} holds no rollouts. Only stages that sample answers write rollouts.jsonl.")
    raise ValueError(
        f"Step {step} of {run} has no rollouts. Steps that have some lie between {min(seen)} and {max(seen)} "
        f"({len(seen)} of them); stages that learn from a data set have none."
    )


def first_and_last_rollouts(run: Path) -> tuple[list[Row], list[Row]]:
    """The rollouts of the first and of the last step that has any, in one pass; the same list twice where there is one."""
    first: list[Row] = []
    last: list[Row] = []
    for row in read_jsonl(run / "rollouts.jsonl"):
        if not isinstance(row.get("step"), int):
            continue
        if not last or row["step"] != last[0]["step"]:
            last = []
            if not first or row["step"] <= first[0]["step"]:
                first = last
        last.append(row)
    return first, last


def settings(run: Path) -> tuple[str, Row]:
    """settings.toml as it stands and as read; the empty string and {} where there is none. ValueError if it isn't TOML."""
    path = run / "settings.toml"
    if not path.is_file():
        return "", {}
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        return text, tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        raise ValueError(f"{path} is not TOML: {problem}. It is written by the run; restore it or delete it.") from problem


def environment(run: Path) -> Row:
    """environment.json: where and how the run was made; {} where there is none. ValueError if it isn't a JSON object."""
    path = run / "environment.json"
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_bytes())
    except ValueError as problem:
        raise ValueError(f"{path} is not JSON: {problem}. It is written by the run; restore it or delete it.") from problem
    if not isinstance(facts, dict):
        raise ValueError(f"{path} holds {type(facts).__name__}; an object of names and values was expected.")
    return facts


def number(row: Mapping[str, Any], key: str) -> float:
    """A row's number, NaN where it is missing, null or not a finite number.  Example: number({"kl": None}, "kl") is NaN"""
    value = row.get(key)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
        return float(value)
    return nan
