"""What `quintet train` expects to need against what it then needs: `python -m benchmarks.memory_forecast [PRESET ALGORITHM …]`,
one process for each. Without arguments it measures all and writes benchmarks/results/memory-MACHINE-DATE.json, from which
docs/performance.md has a table."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.memory import ROOT, make_data
from benchmarks.versus_trl import RESULTS, machine

CASES = [
    (preset, algorithm)
    for preset in ("1m", "5m", "50m")
    for algorithm in ("grpo", "ppo", "dpo")
    if (preset, algorithm) != ("50m", "dpo")
]


def measure(preset: str, algorithm: str, folder: Path, *more: str) -> tuple[float, float]:
    """MiB at the peak, expected and measured, of a process that takes three steps on mazes."""
    command = [
        sys.executable,
        "-m",
        "quintet.cli",
        "train",
        algorithm,
        "--model",
        f"preset:{preset}",
        *make_data(folder),
        *more,
    ]
    command += [
        "--steps",
        "3",
        "--eval-problems",
        "0",
        "--checkpoint-every",
        "0",
        "--out",
        str(folder / f"{preset}-{algorithm}"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=1200)
    rows = (folder / f"{preset}-{algorithm}" / "metrics.jsonl").read_text().splitlines()
    last = json.loads(rows[-1])
    return last["expected_memory_mb"], last["peak_memory_mb"]


def main() -> None:
    asked = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        print("| preset | algorithm | expected MiB | measured MiB | ratio |\n|---|---|---|---|---|")
        for preset, algorithm in asked or CASES:
            expected, measured = measure(preset, algorithm, Path(folder))
            print(f"| {preset} | {algorithm} | {expected:,.0f} | {measured:,.0f} | {expected / measured:.2f} |", flush=True)
            cases.append({"preset": preset, "algorithm": algorithm, "expected_mb": expected, "measured_mb": measured})
    if not asked:
        RESULTS.mkdir(exist_ok=True)
        place = RESULTS / f"memory-{platform.machine()}-{os.cpu_count()}-cores-{time.strftime('%Y-%m-%d')}.json"
        place.write_text(json.dumps({"machine": machine(), "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
