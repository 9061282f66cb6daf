"""How fast and how faithfully final answers are graded: GSM8K and MATH-500 against themselves, and answers made to hang.

    python -m benchmarks.graders_maths [folder with gsm8k/ and math500/, default ../shared/data] [seconds per line, default 2]

Grades a second are per core, in CPU seconds of this process; what math-verify does happens in processes of its own and is given
in wall time. "wrong" counts right answers that aren't found right against themselves; there must be none.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from quintet.data import Prompt, Rollout
from quintet.tasks.maths import Maths
from quintet.tasks.maths_data import Problem, read_splits
from quintet.tasks.maths_grading import needs_math_verify
from quintet.tasks.maths_workers import equivalent

POISON = {
    "9^{9^{9^{9}}}": "9^{9^{9^{9}}}",
    "binom(10⁶, 5·10⁵)": r"\binom{1000000}{500000}",
    "a sum of 10⁷ terms": r"\sum_{k=1}^{10000000} k^{-2}",
    "120 nested parentheses": "(" * 120 + "1" + ")" * 120,
    "3,000 nested parentheses": "(" * 3000 + "1" + ")" * 3000,
    "(10⁷)!": "10000000!",
}
RIGHT, SAME = r"2\sqrt{3}", r"\sqrt{12}"


def answers(problems: Sequence[Problem], text: Callable[[Problem], str]) -> list[Rollout]:
    return [Rollout(Prompt("p", text="", truth={"answer": p.answer}), [], [], [], text(p), "eos", 0) for p in problems]


def throughput(name: str, rollouts: list[Rollout], seconds: float) -> None:
    """Grade the same answers for that long, and print how many a core grades in a second."""
    task, batches = Maths(), 0
    wrong = sum(not verdict.correct for verdict in task.grade(rollouts))
    start = time.process_time()
    while (spent := time.process_time() - start) < seconds:
        task.grade(rollouts)
        batches += 1
    graded = batches * len(rollouts)
    rate = f"{graded / spent:>9,.0f} grades/s/core{1e6 * spent / graded:>9.1f} µs each"
    print(f"{name:<48}{rate}{wrong:>6} of {len(rollouts):,} wrong")


def by_math_verify(problems: Sequence[Problem]) -> None:
    """All right answers against themselves by math-verify alone, numbers and words as well."""
    equivalent([("x", "x+0")] * 8)  # its processes are started once
    start = time.perf_counter()
    found = equivalent([(p.answer, p.answer) for p in problems])
    spent = time.perf_counter() - start
    name = f"MATH-500 by math-verify alone, {sum(needs_math_verify(p.answer) for p in problems)} need it"
    rate = f"{len(found) / spent:>9,.0f} questions/s{1e6 * spent / len(found):>11,.0f} µs each"
    print(f"{name:<48}{rate}{sum(right is not True for right in found):>6} of {len(found)} wrong")


def poison() -> None:
    """Each poisonous answer alone, and all of them among answers that are right."""
    task, prompt = Maths(), Prompt("p", text="", truth={"answer": RIGHT})
    for name, text in POISON.items():
        start = time.perf_counter()
        (verdict,) = task.grade([Rollout(prompt, [], [], [], f"<answer>{text}</answer>", "eos", 0)])
        reason = verdict.logged.get("reason", "")
        print(f"poison: {name:<40}{time.perf_counter() - start:>9.3f} s      {reason}")
    texts = [f"<answer>{text}</answer>" for text in [SAME] * 50 + list(POISON.values()) + [SAME] * 50]
    start = time.perf_counter()
    verdicts = task.grade([Rollout(prompt, [], [], [], text, "eos", 0) for text in texts])
    right = sum(bool(v.correct) for v in verdicts)
    print(f"{'all of them among 100 right answers':<48}{time.perf_counter() - start:>9.3f} s      {right} of 100 found right")


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "../shared/data")
    seconds = float(sys.argv[2]) if len(sys.argv) > 2 else 2.0
    gsm8k, math500 = (
        [problem for split in read_splits(str(folder / name), 0.1).values() for problem in split]
        for name in ("gsm8k", "math500")
    )
    for name, problems in (("GSM8K", gsm8k), ("MATH-500", math500)):
        throughput(f"{name}: right answers in boxes", answers(problems, lambda p: f"\\boxed{{{p.answer}}}"), seconds)
        throughput(f"{name}: worked solutions", answers(problems, lambda p: p.solution or ""), seconds)
    throughput("GSM8K: written as $1,234.00", answers(gsm8k, _dollars), seconds)
    by_math_verify(math500)
    poison()


def _dollars(problem: Problem) -> str:
    return f"#### ${int(problem.answer.replace(',', '')):,}.00"


if __name__ == "__main__":
    main()
