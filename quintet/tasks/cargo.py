"""Rust as a task: one function and its tests, graded by compiling and running them in the sandbox."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from itertools import count
from pathlib import Path
from random import Random
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Fraction, Positive
from quintet.protocols import TaskError
from quintet.tasks.cargo_answer import extract
from quintet.tasks.cargo_compat import WEIGHTS
from quintet.tasks.cargo_grade import COMPAT, STRICT, Grade, compat, strict
from quintet.tasks.cargo_project import Project, grade_in, prepared
from quintet.tasks.cargo_toolchain import toolchain
from quintet.tasks.rust_exercises import Exercise, exercise, families
from quintet.tasks.rust_mistakes import careless
from quintet.tasks.rust_pieces import pieces
from quintet.tasks.sandbox import prove

Level = Annotated[int, Ge(1), Le(3)]

STRICT_WEIGHTS = {"format": 0.1, "builds": 0.1, "clippy": 0.1, "hidden": 0.5, "own": 0.2}
CONTRACT = """\
You are a pragmatic Rust programmer who works test-driven. Write one function that needs nothing but the standard library.
Explain your reasoning in comments above it. Below it write a module `#[cfg(test)] mod tests` with `use super::*;` and several
one-line `assert!` or `assert_eq!`. Give everything in exactly one ```rust block, without a main function."""
ATTEMPTS = 400
"""Exercises drawn at most, until one is of the split that is asked for."""
PREPARE_TIMES = 4
"""How much longer than an answer a project may take to show that it is prepared."""
TEXTS = 2000
"""Exercises whose texts a tokenizer is made from."""
MOST_REMEMBERED = 20_000


@dataclass(frozen=True)
class Cargo:
    """Write a function in Rust, with its own tests.

    Problems come from a file of JSON lines, {"instruction": text, "tests": Rust, "signature": Rust}, the last two optional; or,
    without a file, from a generator of graded exercises (`rust_exercises`), whose families are wholly in train or in test. An
    answer is compiled and run in a sandbox; without one nothing is graded.
    """

    name = "cargo"

    data: str = ""
    """File of problems, one JSON object a line; empty: the generator's."""
    project: str = ""
    """Folder of a prepared cargo project, with dependencies and tests; answers replace one of its files, in the sandbox and
    offline, and its tests decide. Goes with `data`, whose rows are the instructions. Empty: answers are single files."""
    project_file: str = "src/lib.rs"
    """The file of the project that answers replace, by its path within it."""
    reward: Literal["strict", "compat"] = "strict"
    """strict: format, builds, clippy, hidden, own; can't be had for less than a right answer. compat: the published rewards
    build, clippy, own_tests, code_lines, test_block, asserts, at most 6.5, to compare with."""
    reward_weights: tuple[float, ...] = ()
    """What each part counts, in the order above; empty: 0.1, 0.1, 0.1, 0.5, 0.2 for strict; 1, 1, 2, 1, 0.5, 1 for compat."""
    easiest: Level = 1
    """Easiest level of generated exercises. 1: one expression, 2: a chain or a loop, 3: an algorithm."""
    hardest: Level = 3
    """Hardest level of generated exercises."""
    instructions: bool = False
    """False: the sentence and the signature alone, for a model trained from nothing. True: chat messages with the contract."""
    seconds: Positive = 15.0
    """Longest time one answer may take to compile and run, in seconds; what is not done by then failed."""
    test_share: Fraction = 0.15
    """Share of families of each level, of variations, or of the file's problems, that is kept for `test`, by hash."""
    held_out: Literal["families", "variations"] = "families"
    """What `test` holds of the generator's exercises. families: kinds of function that training never shows. variations:
    numbers and names that it never shows, of kinds that it does. Training leaves out both, so one model can be
    judged by both."""
    demo_mistakes: Fraction = 0.0
    """Share of generated demonstrations by a careless teacher, with a mistake that cargo, its linter or the tests notice."""
    task_seed: int = 0
    """Which exercises are drawn, or how the file is shuffled. The split doesn't depend on it."""

    def __post_init__(self) -> None:
        if self.project and (not self.data or self.reward == "compat"):
            raise ValueError(
                "A project's tests judge answers to your instructions: project goes with data, and not with reward=compat."
            )
        if self.easiest > self.hardest:
            raise ValueError(f"Exercises have levels 1 to 3; easiest={self.easiest}, hardest={self.hardest}. Swap them.")
        names = COMPAT if self.reward == "compat" else STRICT
        if self.reward_weights and len(self.reward_weights) != len(names):
            raise ValueError(
                f"reward_weights={list(self.reward_weights)} weighs {len(self.reward_weights)} parts, but {self.reward} has "
                f"{len(names)}: {', '.join(names)}. Give one weight each, in this order."
            )

    # ---- what a task offers ------------------------------------------------------------------------------------------------

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` (endless) or `test` (endless from the generator, each once from a file). `truth` has what the
        grader needs: {instruction, tests, signature}."""
        if self.data:
            rows = self._rows(split)
            numbers = range(start, len(rows)) if split == "test" else count(start)
            return (self._of_row(split, rows[n % len(rows)], n) for n in numbers)
        self._families(split)
        return (self._of_exercise(split, "prompt", n)[0] for n in count(start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        """Generated exercises with their reference answers, or careless ones, endless; other draws from the same split than
        `prompts`."""
        if self.data:
            raise TaskError(
                f"{self.data} has problems, but no answers to learn from. Leave data empty to learn from generated exercises."
            )
        self._families(split)
        return (self._demonstration(split, n) for n in count(start))

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout; as many at a time as there are cores, the same answer to the same problem once.

        Raises TaskError where there is no sandbox or no Rust."""
        grades = [self._begun(rollout) for rollout in rollouts]
        verdicts = [self._verdict(grade.result()) for grade in grades]
        if len(self._known) > MOST_REMEMBERED:
            self._known.clear()
        return verdicts

    def begin(self, rollout: Rollout) -> None:
        """Start to grade an answer while others are still being written; `grade` takes what has been begun."""
        self._begun(rollout)

    def _begun(self, rollout: Rollout) -> Future[Grade]:
        toolchain()
        prove()
        key = self._key(rollout)
        if key not in self._known:
            self._known[key] = self._graders.submit(self._grade, rollout)
        return self._known[key]

    def pieces(self) -> list[str] | None:
        """What generated exercises are made of, for a tokenizer; None for a file's."""
        return None if self.data else pieces(self.texts())

    def texts(self) -> Iterator[str]:
        """Prompts and answers of training, for making a tokenizer."""
        for number in range(0 if self.data else TEXTS):
            prompt, made = self._of_exercise("train", "text", number)
            yield prompt.text or ""
            yield made.answer
        for row in self._rows("train") if self.data else []:
            yield row["instruction"]

    def longest_answer(self) -> int:
        """Tokens, the end of text included: with instructions what the published training allowed; without, more than the
        longest of 3,500 references has (358) in a tokenizer made from `texts()`."""
        return 786 if self.instructions else 384

    def check(self) -> list[str]:
        """What is wrong with the settings and the file, in sentences."""
        try:
            if self.data:
                self._rows("train")
            toolchain()
            prove()
            if self.project:
                self._in_project()
        except ValueError as error:
            return [str(error)]
        return []

    # ---- problems ----------------------------------------------------------------------------------------------------------

    def _families(self, split: str) -> tuple[Any, ...]:
        if split not in ("train", "test"):
            raise ValueError(f"Rust exercises have the splits train and test; split={split!r}.")
        side = "test" if split == "test" and self.held_out == "families" else "train"
        found = families(side, self.test_share, tuple(range(self.easiest, self.hardest + 1)))
        if not found:
            raise ValueError(f"test_share={self.test_share} leaves no families for {split}. Choose one such as 0.15.")
        return found

    def _of_exercise(self, split: str, stream: str, number: int) -> tuple[Prompt, Exercise]:
        some = self._families(split)
        rng = Random(f"{self.task_seed}/{split}/{stream}/{number}")
        for attempt in range(ATTEMPTS):  # a test goes through the families, and past those that have no variation left for it
            family = some[(number + attempt // 8) % len(some)] if split == "test" else some[int(rng.random() * len(some))]
            made = exercise(family, rng)
            unseen = _number(made.signature) < self.test_share * 2**64
            if unseen if split == "test" and self.held_out == "variations" else split == "test" or not unseen:
                break
        else:
            raise ValueError(f"test_share={self.test_share} leaves no variations for {split}. Choose one such as 0.15.")
        problem = {"instruction": made.instruction, "tests": made.hidden, "signature": made.signature, "family": made.family}
        prompt = self._prompt(f"cargo-{split}-{'' if stream == 'prompt' else stream + '-'}{number}", problem)
        return Prompt(prompt.id, prompt.text, prompt.messages, prompt.truth, f"level {made.level}"), made

    def _demonstration(self, split: str, number: int) -> tuple[Prompt, str]:
        prompt, made = self._of_exercise(split, "demonstration", number)
        rng = Random(f"{self.task_seed}/{split}/careless/{number}")
        return prompt, careless(made, rng) if rng.random() < self.demo_mistakes else made.answer

    def _of_row(self, split: str, row: Mapping[str, str], number: int) -> Prompt:
        return self._prompt(f"cargo-{split}-{number}", row)

    def _prompt(self, name: str, problem: Mapping[str, str]) -> Prompt:
        signature = problem.get("signature", "")
        if not self.instructions:
            return Prompt(name, text=f"{problem['instruction']}\n{signature}\n", truth=dict(problem))
        asked = f"{problem['instruction']}\nIts signature: `{signature}`" if signature else problem["instruction"]
        messages = ({"role": "system", "content": CONTRACT}, {"role": "user", "content": asked})
        return Prompt(name, messages=messages, truth=dict(problem))

    @cached_property
    def _file(self) -> list[dict[str, str]]:
        path = Path(self.data)
        if not path.is_file():
            raise ValueError(f"There is no file data={path} in {Path.cwd()}. Write one JSON object with an instruction a line.")
        rows: list[dict[str, str]] = []
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            if line.strip():
                rows.append(_row(f"{path}:{number}", line))
        if not rows:
            raise ValueError(
                f'{path} has no rows. Write one JSON object a line, such as {{"instruction": "Write a function …"}}.'
            )
        return rows

    def _rows(self, split: str) -> list[dict[str, str]]:
        """The file's problems of a split, shuffled by the task's seed."""
        if split not in ("train", "test"):
            raise ValueError(f"Problems have the splits train and test; split={split!r}.")
        rows = [r for r in self._file if (_number(r["instruction"]) < self.test_share * 2**64) == (split == "test")]
        if not rows:
            raise ValueError(
                f"test_share={self.test_share} leaves none of the {len(self._file)} problems in {self.data} for {split}. "
                "Choose another share, or have more problems."
            )
        return sorted(rows, key=lambda r: _number(f"{self.task_seed}/{r['instruction']}"))

    # ---- grades --------------------------------------------------------------------------------------------------------------

    @cached_property
    def _known(self) -> dict[bytes, Future[Grade]]:
        """What was graded or is being graded."""
        return {}

    @cached_property
    def _graders(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(os.cpu_count())  # threads: they only wait for compilers

    def _key(self, rollout: Rollout) -> bytes:
        truth = rollout.prompt.truth
        parts = [rollout.text, truth.get("tests", ""), truth.get("signature", "")]
        return blake2b(json.dumps(parts).encode("utf-8", "surrogatepass"), digest_size=16).digest()

    def _grade(self, rollout: Rollout) -> Grade:
        truth = rollout.prompt.truth
        text = rollout.text.encode(errors="replace").decode()  # half a surrogate pair is no text
        if self.project:
            parts, reason = grade_in(self._in_project(), text, self.seconds)
            return Grade(parts, reason, bool(extract(text)[0]))
        if self.reward == "compat":
            return compat(text, self.seconds)
        return strict(text, truth.get("tests") or "", truth.get("signature") or "", self.seconds)

    def _in_project(self) -> Project:
        return prepared(self.project, self.project_file, PREPARE_TIMES * self.seconds)

    def _verdict(self, grade: Grade) -> Verdict:
        default = WEIGHTS if self.reward == "compat" else STRICT_WEIGHTS
        weights = dict(zip(default, self.reward_weights or default.values(), strict=True))
        parts, counted = grade.parts, dict(grade.parts)
        if self.reward == "strict" and parts.get("hidden") == 0:
            counted["own"] = 0.0  # tests that hold a wrong function to its wrong answers are worth nothing
        reward = sum(weights[name] * value for name, value in counted.items())
        correct = None if self.reward == "compat" or "hidden" not in parts else parts["hidden"] == 1
        return Verdict(reward, parts, correct, grade.parsed, {"reason": grade.reason} if grade.reason else {})


def _row(where: str, line: str) -> dict[str, str]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}: this is no JSON: {error.msg} in column {error.colno}.") from None
    if not isinstance(row, dict) or not isinstance(row.get("instruction"), str) or not row["instruction"].strip():
        raise ValueError(f'{where}: a row needs an "instruction", a text.')
    if wrong := [key for key in ("tests", "signature") if not isinstance(row.get(key, ""), str)]:
        raise ValueError(f'{where}: "{wrong[0]}" must be a text of Rust.')
    return {key: row[key] for key in ("instruction", "tests", "signature") if key in row}


def _number(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")
