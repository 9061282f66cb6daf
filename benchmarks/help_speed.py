"""How long `quintet --help` and its like take, the start of Python included.

    python -m benchmarks.help_speed [repetitions, default 20]

Wall time of whole processes, the median and the slowest; the first line is Python alone.
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

COMMANDS = (["--help"], ["train", "--help"], ["train", "grpo", "--task", "maze", "--help"], ["train", "--temprature", "1"])


def seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return time.perf_counter() - began


def main() -> None:
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for name, command in [
        ("python", ["-c", "pass"]),
        *((f"quintet {' '.join(c)}", ["-m", "quintet.cli", *c]) for c in COMMANDS),
    ]:
        measured = [seconds(command) for _ in range(times)]
        print(f"{name:<48}{median(measured):>8.3f} s{max(measured):>8.3f} s at most")


if __name__ == "__main__":
    main()
