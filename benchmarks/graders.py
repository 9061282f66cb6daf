"""How many answers in Rust are graded in a second, beside the usual way of three cold cargo runs each, on the same programs.

    python -m benchmarks.graders [programs, default 40]

Both grade as many at a time as there are cores. The usual way runs `cargo build`, `cargo clippy` and `cargo test` in new
folders, each with a target folder of its own, and without a sandbox; so it is given only programs of ours. Ours is the whole
strict reward: clippy, hidden tests, own tests and mutants, all sandboxed, nothing remembered. One program in ten is wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from quintet.data import Prompt, Rollout
from quintet.tasks.cargo import Cargo
from quintet.tasks.cargo_answer import read_answer
from quintet.tasks.cargo_toolchain import toolchain

MANIFEST = '[package]\nname = "answer"\nversion = "0.1.0"\nedition = "2021"\n'


def main() -> None:
    programs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    shown = list(islice(Cargo().demonstrations("train"), programs))
    wrong = [(p, a.replace("==", "!=").replace(".sum()", ".count()")) for p, a in shown]
    answers = [pair for two in zip(shown, wrong, strict=True) for pair in two][:programs]
    Cargo().grade([_rollout(*answers[0])])  # the self-test, and the toolchain's files into memory
    ours = _measure("sandboxed, strict, with mutants", answers, _ours)
    usual = _measure("three cold cargo runs, no sandbox", answers, _usual)
    print(f"{ours / usual:.1f} times as many on {os.cpu_count()} cores")


def _measure(name: str, answers: Sequence[tuple[Prompt, str]], grade: Callable[[Sequence[tuple[Prompt, str]]], int]) -> float:
    began = time.perf_counter()
    right = grade(answers)
    seconds = time.perf_counter() - began
    print(f"{name:<40}{len(answers) / seconds:>6.2f} gradings/s  ({right} of {len(answers)} pass)", flush=True)
    return len(answers) / seconds


def _ours(answers: Sequence[tuple[Prompt, str]]) -> int:
    return sum(bool(v.correct) for v in Cargo().grade([_rollout(*pair) for pair in answers]))


def _usual(answers: Sequence[tuple[Prompt, str]]) -> int:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(_three_runs, [read_answer(answer).program for _, answer in answers]))


def _three_runs(program: str) -> bool:
    """Whether build, clippy and test all end with 0."""
    root = toolchain().root / "bin"
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Cargo.toml").write_text(MANIFEST)
        Path(folder, "src").mkdir()
        Path(folder, "src", "lib.rs").write_text(program)
        codes = []
        for number, command in enumerate(("build", "clippy", "test")):
            target = {"CARGO_TARGET_DIR": f"{folder}/target{number}", "PATH": f"{root}:{os.environ['PATH']}"}
            codes.append(
                subprocess.run(
                    [root / "cargo", command, "--quiet", "--offline"], cwd=folder, env=os.environ | target, capture_output=True
                ).returncode
            )
    return not any(codes)


def _rollout(prompt: Prompt, text: str) -> Rollout:
    return Rollout(prompt, [], [], [], text, "eos", 0)


if __name__ == "__main__":
    main()
