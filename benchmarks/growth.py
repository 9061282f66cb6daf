"""How the cost of a GRPO step grows, ours and TRL's: `python -m benchmarks.growth` varies one thing at a time around four
prompts of 128 tokens with eight answers of 64, and writes benchmarks/results/growth-MACHINE-DATE.json. docs/growth.svg is drawn
from it by `python -m benchmarks.performance_page`."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from dataclasses import replace
from typing import Any

from benchmarks.versus.settings import SIZES, Setting
from benchmarks.versus_trl import PEERS, RESULTS, compare, machine

BASE = Setting("growth", replace(SIZES["5m"], steps=1), prompt=128, answer=64)
AXES: dict[str, tuple[Any, ...]] = {
    "group": (2, 4, 8, 16, 32, 64),
    "prompts": (1, 2, 4, 8, 16),
    "prompt": (64, 128, 256, 512),
    "answer": (32, 64, 128, 256),
    "size": ("1m", "5m"),
}
"""What is varied: answers to a prompt, prompts a step, tokens of a prompt, tokens of an answer, and the model."""


def at(axis: str, value: Any) -> Setting:
    """The base with one thing changed.  Example: at("group", 64).group == 64"""
    if axis == "size":
        return replace(BASE, size=replace(SIZES[value], steps=1, dtype="float32"))
    return replace(BASE, **{axis: value})


def main() -> None:
    """Measure each point once, after a step that isn't counted."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("axes", nargs="*", metavar="AXIS", help=f"of {', '.join(AXES)}; default: all")
    parser.add_argument("--peer", choices=list(PEERS), default=next(iter(PEERS)))
    options = parser.parse_args()
    if unknown := set(options.axes) - set(AXES):
        parser.error(f"{' and '.join(sorted(unknown))}: no such axis. Choose from {', '.join(AXES)}.")
    threads = len(os.sched_getaffinity(0))
    RESULTS.mkdir(exist_ok=True)
    place = RESULTS / f"growth-{platform.machine()}-{os.cpu_count()}-cores-{time.strftime('%Y-%m-%d')}.json"
    known = json.loads(place.read_text())["axes"] if place.is_file() else {}
    for axis in options.axes or AXES:
        known[axis] = [point(axis, value, options.peer, threads) for value in AXES[axis]]
        told = {"machine": machine(), "threads": threads, "peer": options.peer, "axes": known}
        place.write_text(json.dumps(told, indent=1) + "\n")


def point(axis: str, value: Any, peer: str, threads: int) -> dict[str, Any]:
    """Seconds and MiB of a step of both sides."""
    found = compare(at(axis, value), 1, threads, only=[peer])["sides"]
    ours, theirs = ({k: found[side][k] for k in ("step_seconds", "peak_mb")} for side in ("quintet", peer))
    print(f"{axis:<8} {value!s:>5}  {ours['step_seconds']:7.2f} s  {theirs['step_seconds']:7.2f} s", flush=True)
    return {axis: value, "quintet": ours, peer: theirs}


if __name__ == "__main__":
    main()
