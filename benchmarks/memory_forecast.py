"""What `quintet train` expects to need against what it then needs: `python -m benchmarks.memory_forecast [PRESET ALGORITHM …]`,
one process for each; the page docs/performance.md has a table of it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.memory import ROOT, make_data

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
    wanted = list(zip(sys.argv[1::2], sys.argv[2::2], strict=True)) or CASES
    with tempfile.TemporaryDirectory() as folder:
        print("| preset | algorithm | expected MiB | measured MiB | ratio |\n|---|---|---|---|---|")
        for preset, algorithm in wanted:
            expected, measured = measure(preset, algorithm, Path(folder))
            print(f"| {preset} | {algorithm} | {expected:,.0f} | {measured:,.0f} | {expected / measured:.2f} |", flush=True)


if __name__ == "__main__":
    main()
