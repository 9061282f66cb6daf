"""Checkpoints: one transaction each. A folder is written beside its place, forced to disk and renamed, so a checkpoint either
exists and is whole, or does not exist; a manifest of digests tells a damaged one."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError

from quintet.models.load import Policy

KEPT = 2  # the one before the last survives, in case a disk damages the last


class DamagedCheckpoint(ValueError):
    """The files are not those that were written."""


def save(folder: Path, step: int, policy: Policy, state: dict[str, Any]) -> Path:
    """Write `checkpoints/step-000123`: the model (a transformers folder, or adapters alone) and `state` (tensors and plain
    values)."""
    place = folder / "checkpoints" / f"step-{step:06d}"
    beside = place.with_name(f".{place.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        policy.keep(beside)
        torch.save({**state, "random": _random_state()}, beside / "state.pt")
    except (RuntimeError, SafetensorError) as error:  # how torch and safetensors say that the disk is full
        raise OSError(errno.EIO, f"{error} (is the disk full?)", str(beside)) from error
    (beside / "manifest.json").write_text(json.dumps({str(p.relative_to(beside)): _digest(p) for p in _files(beside)}))
    for path in [*beside.rglob("*"), beside]:
        _to_disk(path)
    if place.exists():  # the same step again, after a resume: the old one is as good, but only one can have the name
        shutil.rmtree(place)
    os.replace(beside, place)
    _to_disk(place.parent)
    for old in sorted(_whole_names(folder))[:-KEPT]:
        shutil.rmtree(old)
    return place


def newest(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint whose files are what was written, and a sentence about each newer one that is not.

    Raises DamagedCheckpoint where there are checkpoints but none is whole."""
    complaints: list[str] = []
    for place in sorted(_whole_names(folder), reverse=True):
        try:
            _verify(place)
            return place, complaints
        except DamagedCheckpoint as damage:
            complaints.append(str(damage))
    if complaints:
        raise DamagedCheckpoint(
            " ".join(complaints) + " No older one is left: start the run again in another folder, with the same settings.toml."
        )
    return None, complaints


def read(place: Path) -> dict[str, Any]:
    """The `state` that was saved; torch's, Python's and NumPy's random generators are set back to what they were then."""
    state = torch.load(place / "state.pt", weights_only=True)
    _restore_random(state.pop("random"))
    return state


def _verify(place: Path) -> None:
    try:
        manifest = json.loads((place / "manifest.json").read_text())
        wrong = [name for name, digest in manifest.items() if _digest(place / name) != digest]
    except (OSError, ValueError) as error:
        raise DamagedCheckpoint(f"Checkpoint {place.name} is damaged: {error}.") from error
    if wrong:
        raise DamagedCheckpoint(f"Checkpoint {place.name} is damaged: {', '.join(wrong)} changed since it was written.")


def _whole_names(folder: Path) -> list[Path]:
    return list((folder / "checkpoints").glob("step-*"))


def _files(folder: Path) -> Iterator[Path]:
    return (p for p in sorted(folder.rglob("*")) if p.is_file())


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _random_state() -> dict[str, Any]:
    version, numbers, gauss = random.getstate()
    name, words, place, has_gauss, cached = np.random.get_state()  # user code (a reward, say) may draw from it
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": [version, list(numbers), gauss],
        "numpy": [name, [int(w) for w in words], int(place), int(has_gauss), float(cached)],  # type: ignore[union-attr]
    }


def _restore_random(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    name, words, *rest = state["numpy"]
    np.random.set_state((name, np.array(words, dtype=np.uint32), *rest))
