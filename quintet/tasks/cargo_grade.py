"""What an answer in Rust is worth, found out by compiling and running it in the sandbox.

Strict: rules over its words first (`cargo_answer`); then clippy; then one test program with the answer, hidden tests and the
answer's mutants; then its hidden tests; then its own tests against itself and its mutants. What fails early is not run further.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from quintet.tasks.cargo_answer import Answer, read_answer
from quintet.tasks.cargo_compat import compat_parts
from quintet.tasks.cargo_harness import Harness, harness, outcomes, without
from quintet.tasks.cargo_toolchain import run_tests, toolchain
from quintet.tasks.sandbox import Result

RUN_SECONDS = 2.0
"""Longest run of a test program whose tests take microseconds."""
STRICT = ("format", "builds", "clippy", "hidden", "own")
COMPAT = ("build", "clippy", "own_tests", "code_lines", "test_block", "asserts")


@dataclass(frozen=True)
class Grade:
    """Parts by name, and why the worst of them is what it is, for humans."""

    parts: Mapping[str, float]
    reason: str = ""
    parsed: bool = True


@dataclass(frozen=True)
class Budget:
    """The time one answer may take, compiling and running."""

    until: float

    def left(self, most: float = 60.0) -> float:
        return max(0.05, min(most, self.until - time.monotonic()))


def strict(text: str, hidden: str, signature: str, seconds: float) -> Grade:
    """format: one fence, a commented function, tests with asserts, nothing but what they need. builds: the function compiles.
    clippy: no warning in it or its tests. hidden: all hidden tests pass (absent where there are none). own: the share of the
    answer's mutants that its own tests notice; 0 unless they pass for the answer itself."""
    answer, budget = read_answer(text), Budget(time.monotonic() + seconds)
    parts = {name: 0.0 for name in STRICT if name != "hidden" or hidden}
    if not answer.functions or answer.refused:
        why = f"not run: it has {', '.join(answer.refused)}" if answer.refused else "there is no function in it"
        return Grade(parts, why, bool(answer.functions))
    parts["format"] = float(answer.in_form)
    with_tests, said = _lint(answer, budget, parts)
    if not parts["builds"]:
        return Grade(parts, said)
    crate, program, complaint = _built(answer, hidden, signature, with_tests, budget)
    if not program:
        return Grade(parts, complaint or said)
    if hidden:
        ran = run_tests(program, f"{crate.hidden}::", budget.left(RUN_SECONDS))
        parts["hidden"] = float(_all_passed(ran, crate.hidden, crate.hidden_tests))
        said = said or ("" if parts["hidden"] else _failure(ran, "hidden tests"))
        if ran.timed_out:  # its own tests would hang as well
            return Grade(parts, said)
    if with_tests and answer.tests:
        parts["own"] = _killed(crate, answer, program, budget)
        said = said or ("" if parts["own"] else "its own tests fail, or notice nothing")
    return Grade(parts, said)


def compat(text: str, seconds: float) -> Grade:
    """The published rewards, with what they can be fooled by; only the sandbox is ours."""
    answer, budget = read_answer(text), Budget(time.monotonic() + seconds)
    parts = dict.fromkeys(COMPAT, 0.0) | compat_parts(answer)
    if not answer.program:
        return Grade(dict.fromkeys(COMPAT, 0.0), "there is no code in it", False)
    linted = toolchain().lint(answer.program, budget.left(), tests=False, strict=False)
    broken = [d for d in diagnostics(linted) if d.level == "error"]
    parts["build"] = float(linted.returncode == 0 or (bool(broken) and all(d.lint for d in broken)))
    parts["clippy"] = float(linted.returncode == 0)
    if parts["build"] and answer.test_code:
        built = toolchain().build_tests({"answer.rs": answer.program}, "answer.rs", budget.left(), strict=False)
        parts["own_tests"] = float(
            built.returncode == 0 and run_tests(built.stdout_bytes, "", budget.left(RUN_SECONDS)).returncode == 0
        )
    return Grade(parts, broken[0].text if broken else "")


# ---- the steps ----


@dataclass(frozen=True)
class Diagnostic:
    """One thing the compiler or clippy said."""

    level: str
    lint: bool
    """A lint, not an error of the language."""
    text: str
    files: tuple[str, ...]


def diagnostics(result: Result) -> Iterator[Diagnostic]:
    """What stands in a compiler's stderr."""
    for line in result.stderr.splitlines():
        try:
            said = json.loads(line)
            code = (said["code"] or {}).get("code", "")
            files = tuple(dict.fromkeys(span["file_name"] for span in said["spans"]))
        except (ValueError, KeyError, TypeError):
            continue
        if said["level"] in ("error", "warning") and (code or files):
            yield Diagnostic(said["level"], bool(code) and not code.startswith("E0"), said["message"], files)


def _lint(answer: Answer, budget: Budget, parts: dict[str, float]) -> tuple[bool, str]:
    """Fill in builds and clippy. Whether the tests compile too, and what was said first."""
    linted = toolchain().lint(answer.body + answer.test_code, budget.left(), tests=True, strict=True)
    said = [*diagnostics(linted)]
    first = said[0].text if said else _failure(linted, "clippy")
    if linted.returncode == 0:
        parts |= {"builds": 1.0, "clippy": float(not said)}
        return True, first if said else ""
    if any(d.level == "error" and d.lint for d in said):  # only what is forbidden is an error: it is not run
        return False, first
    alone = toolchain().lint(answer.body, budget.left(), tests=False, strict=True)
    parts["builds"] = float(alone.returncode == 0)
    return False, first


def _built(answer: Answer, hidden: str, signature: str, with_tests: bool, budget: Budget) -> tuple[Harness, bytes, str]:
    """The test program, and what was said where there is none. Mutants that don't compile are left out."""
    crate = harness(answer, hidden, signature, with_tests=with_tests)
    for _ in range(3):
        built = toolchain().build_tests(crate.files, crate.main, budget.left(), strict=True)
        if built.returncode == 0:
            return crate, built.stdout_bytes, ""
        errors = [d for d in diagnostics(built) if d.level == "error"]
        blamed = {name for d in errors for file in d.files for name in crate.wrong if file == f"{name}.rs"}
        if not blamed:
            return crate, b"", errors[0].text if errors else _failure(built, "rustc")
        crate = without(crate, sorted(blamed))
    return crate, b"", "its mutants do not compile"


def _all_passed(ran: Result, module: str, expected: Sequence[str]) -> bool:
    """Whether exactly those tests ran in the module, and passed. An exit code of 0 alone could be the program's own."""
    found = outcomes(ran.stdout)
    inside = all(path.startswith(f"{module}::") and outcome == "ok" for path, outcome in found.items())
    names = sorted(path.rpartition("::")[2] for path in found)  # they may stand in modules of their own
    return ran.returncode == 0 and bool(expected) and inside and names == sorted(expected)


def _killed(crate: Harness, answer: Answer, program: bytes, budget: Budget) -> float:
    """The share of mutants that the answer's own tests notice."""
    together = run_tests(program, crate.common, budget.left(RUN_SECONDS))
    if together.returncode in (0, 101):
        found = outcomes(together.stdout)
    else:  # a mutant hung or crashed, and took the others' results with it
        found = {}
        for module in (crate.own, *crate.wrong):
            alone = run_tests(program, f"{module}::", budget.left(RUN_SECONDS / 2))
            found |= outcomes(alone.stdout) if alone.returncode in (0, 101) else _fails(module, answer)
    passed = [found.get(f"{crate.own}::{answer.module}::{test}") == "ok" for test in answer.tests]
    if not all(passed) or not crate.wrong:
        return 0.0
    of_own = [path for path in found if path.startswith(f"{crate.own}::")]
    if len(of_own) != len(answer.tests):
        return 0.0
    killed = [any(path.startswith(f"{m}::") and o == "FAILED" for path, o in found.items()) for m in crate.wrong]
    return sum(killed) / len(killed)


def _fails(module: str, answer: Answer) -> dict[str, str]:
    return {f"{module}::{answer.module}::{test}": "FAILED" for test in answer.tests}


def _failure(result: Result, what: str) -> str:
    if result.timed_out:
        return f"{what}: not done after {result.seconds:.1f} s"
    return f"{what}: failed ({result.returncode})"
