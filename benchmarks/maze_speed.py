"""How many mazes one core makes and solves, and how many prompts it makes and grades, in a second.

    python -m benchmarks.maze_speed [seconds per line, default 2]

CPU seconds of this process; the last line is the wall time of a process of its own, its start and imports included.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from itertools import islice
from random import Random

from quintet.data import Prompt, Rollout
from quintet.tasks.maze import MazeTask
from quintet.tasks.maze_format import direct_target
from quintet.tasks.mazes import random_maze, shortest_path

BATCH = 200
WHOLE = 100


def make_and_solve(rng: Random, size: int) -> None:
    for _ in range(BATCH):
        assert shortest_path(random_maze(rng, size))


def prompt_and_grade(task: MazeTask, split: str, start: int = 0) -> None:
    prompts = list(islice(task.prompts(split, start), BATCH))
    verdicts = task.grade([_right(prompt) for prompt in prompts])
    assert all(verdict.correct for verdict in verdicts)


def _right(prompt: Prompt) -> Rollout:
    return Rollout(prompt, [], [], [], f"<think></think>{direct_target(prompt.truth['moves'])}", "eos", policy_version=0)


def whole() -> None:
    """What the last line times: WHOLE batches of training prompts, each graded."""
    for batch in range(WHOLE):
        prompt_and_grade(MazeTask(), "train", batch * BATCH)


def measure(name: str, batch: Callable[[], None], seconds: float) -> None:
    """Repeat a batch for that long and print mazes a second."""
    batch()  # tables of walls and moves are made once
    start, batches, spent = time.process_time(), 0, 0.0
    while spent < seconds:
        batch()
        batches += 1
        spent = time.process_time() - start
    _show(name, batches, spent)


def _show(name: str, batches: int, seconds: float) -> None:
    mazes = batches * BATCH
    print(f"{name:<48}{mazes / seconds:>9,.0f} mazes/s/core{1e6 * seconds / mazes:>9.1f} µs each")


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    rng, strict, compat = Random(0), MazeTask(), MazeTask(scorer="compat", reward="alphamaze")
    measure("3×3: generator and solution", lambda: make_and_solve(rng, 3), seconds)
    measure("5×5: generator and solution", lambda: make_and_solve(rng, 5), seconds)
    measure("10×10: generator and solution", lambda: make_and_solve(rng, 10), seconds)
    measure("5×5: train prompts, strict grade", lambda: prompt_and_grade(strict, "train"), seconds)
    measure("5×5: train prompts, compat grade, alphamaze", lambda: prompt_and_grade(compat, "train"), seconds)
    measure("5×5: test prompts, strict grade", lambda: prompt_and_grade(strict, "test"), seconds)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", "from benchmarks.maze_speed import whole; whole()"], check=True)
    _show(f"whole process: {WHOLE * BATCH:,} train prompts, graded", WHOLE, time.perf_counter() - start)


if __name__ == "__main__":
    main()
