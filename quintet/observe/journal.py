"""The run's files that only grow: one JSON object a line, written as it happens."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any


class Journal:
    """Appends rows to `metrics.jsonl`, `rollouts.jsonl` and `evaluations.jsonl` in a run's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def append(self, name: str, *rows: Mapping[str, Any]) -> None:
        """Write the rows behind what is there. A full disk raises OSError, and what was there stays whole: a cut-off last line
        is all that it can leave, and readers and `rewind` forgive that."""
        text = "".join(json.dumps(_jsonable(row), ensure_ascii=False) + "\n" for row in rows)
        # errors="replace": a model can write half a surrogate pair, which is no character
        with (self.folder / f"{name}.jsonl").open("a", encoding="utf-8", errors="replace") as file:
            file.write(text)

    def lengths(self) -> dict[str, int]:
        """Bytes in each file: what a checkpoint remembers."""
        return {path.stem: path.stat().st_size for path in sorted(self.folder.glob("*.jsonl"))}

    def rewind(self, lengths: Mapping[str, int]) -> None:
        """Cut the files back to `lengths`: the steps behind are about to be repeated, bit for bit."""
        for path in self.folder.glob("*.jsonl"):
            if path.stat().st_size > lengths.get(path.stem, 0):
                os.truncate(path, lengths.get(path.stem, 0))


def _jsonable(value: Any) -> Any:
    """NaN and infinity are no JSON: they become null."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): _jsonable(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(v) for v in value]
    return value
