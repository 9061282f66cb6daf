"""Compile and grade the reference solution of every family of Rust exercises, with each of its numbers k.

    python -m benchmarks.verify_exercises [draws of each, default 1]

Each must earn the full strict reward: it builds, clippy has nothing to say, hidden tests pass, and its own tests notice
some of its mutants. Ends with 1 and a list where one doesn't.
"""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from random import Random

from quintet.tasks.cargo_grade import Grade, strict
from quintet.tasks.rust_exercises import FAMILIES, Exercise, exercise


def main() -> None:
    draws = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    single = [replace(f, ks=(k,) if k is not None else ()) for f in FAMILIES for k in (f.ks or (None,))]
    made = [exercise(f, Random(f"{f.name}/{f.ks}/{draw}")) for f in single for draw in range(draws)]
    began = time.monotonic()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        grades = list(pool.map(graded, made))
    bad = [(e, g) for e, g in zip(made, grades, strict=True) if not good(g)]
    for one, grade in bad:
        print(f"{one.family}: {dict(grade.parts)} {grade.reason}\n{one.answer}\n{one.hidden}\n")
    own = sum(g.parts["own"] for g in grades) / len(grades)
    print(
        f"{len(FAMILIES)} families, {len(made)} exercises in {time.monotonic() - began:.0f} s: {len(made) - len(bad)} good, "
        f"{len(bad)} not; their tests notice {100 * own:.0f} % of mutants"
    )
    sys.exit(bool(bad))


def graded(one: Exercise) -> Grade:
    return strict(one.answer, one.hidden, one.signature, 60.0)


def good(grade: Grade) -> bool:
    return all(grade.parts[name] == 1 for name in ("format", "builds", "clippy", "hidden")) and grade.parts["own"] > 0


if __name__ == "__main__":
    main()
