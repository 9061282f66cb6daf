"""Word problems of graded length with their solutions, step by step: DeepSeekMath's setting, small enough for a tiny model."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Annotated

from annotated_types import Ge, Le

from quintet.data import Prompt, Rollout, Verdict, step_ends
from quintet.knobs import Fraction

Steps = Annotated[int, Ge(1), Le(4)]
Largest = Annotated[int, Ge(10), Le(99)]

NAMES = ("Ann", "Ben", "Eva", "Tom")
THINGS = ("apples", "books", "coins", "pens")
VERBS = {
    "+": ("buys", "finds", "gets", "wins"),
    "-": ("sells", "loses", "gives away", "breaks"),
    "*": ("multiplies this by",),
    "/": ("keeps one part of",),
}
"""What happens to a number of things, by the operation that it asks for."""
OPERATIONS = ("+", "+", "-", "-", "*", "/")
"""Drawn with the same probability each; one that would leave the range from 1 to `largest` is drawn again."""
ATTEMPTS = 10_000

_EQUATION = re.compile(r"([0-9]{1,4})([+\-*/])([0-9]{1,4})=([0-9]{1,4})")
_FINAL = re.compile(r"#### ([0-9]{1,4})")


@dataclass(frozen=True)
class Event:
    """One step of a story: what happens, to which number, and what comes of it."""

    before: int
    operation: str
    amount: int
    verb: str
    aside: str = ""
    """A sentence after it that has nothing to do with the question; empty in most."""

    @property
    def after(self) -> int:
        """What it comes to.  Example: Event(23, "-", 9, "sells").after == 14"""
        return apply(self.before, self.operation, self.amount)


@dataclass(frozen=True)
class WordProblems:
    """Follow a number of things through a story: the answer has an equation a line, then `#### 42`.

    A story has `min_steps` to `max_steps` events, each one operation on what there was before (plus, minus, times, divided by),
    and perhaps sentences about others that don't matter. Problem number i of a split depends on the settings and (split, i)
    alone; a problem belongs to train or test by the hash of its text. Train draws the number of steps at random, test takes
    them in turn. Each step of an answer is judged: 1 if its line is an equation that holds and comes to what the story comes to
    there, or is the right final line.
    """

    name = "word-problems"
    judges_steps = True

    min_steps: Steps = 1
    """Fewest events of a story, 1 to 4."""
    max_steps: Steps = 3
    """Most events of a story, 1 to 4."""
    largest: Largest = 50
    """No number in a story or its solution is above it."""
    asides: Fraction = 0.2
    """Share of sentences that are followed by one about somebody else's things, which doesn't matter."""
    demo_mistakes: Fraction = 0.0
    """Share of the steps of demonstrations in which a careless teacher slips: a number up to 3 off, or plus for minus. What
    follows goes on from there."""
    test_share: Fraction = 0.1
    """Share of all problems, by hash, that is kept for `test`."""
    task_seed: int = 0
    """Which problems are drawn. The split of a given problem doesn't depend on it."""

    def __post_init__(self) -> None:
        if self.min_steps > self.max_steps:
            raise ValueError(
                f"A story has min_steps={self.min_steps} to max_steps={self.max_steps} steps. Put the smaller number first."
            )

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` or `test` from number `start` on, both endless. `truth` is {answer, values}: the values that the
        steps come to, in order."""
        self._check(split)
        return (self._prompt(split, "prompt", number)[0] for number in count(start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        """Prompts with a solution each, from number `start` on, endless; other draws from the same split than `prompts`."""
        self._check(split)
        for number in count(start):
            prompt, story = self._prompt(split, "demonstration", number)
            yield prompt, solution(story, Random(f"{self.task_seed}/{split}/careless/{number}"), self.demo_mistakes)

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        """Prompts with the right solution and one with a slip each, from number `start` on, endless."""
        self._check(split)
        for number in count(start):
            prompt, story = self._prompt(split, "preference", number)
            yield prompt, solution(story), solution(story, Random(f"{self.task_seed}/{split}/wrong/{number}"), 1.0)

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout: 1 if its final line has the right number, else 0; and one for each of its steps."""
        return [_verdict(rollout.prompt.truth, rollout.text) for rollout in rollouts]

    def answer_of(self, text: str) -> str | None:
        """The final number of an answer, for counting votes; None where it has none."""
        found = read_final(text)
        return None if found is None else str(found)

    def pieces(self) -> list[str]:
        """Phrases, signs and digits that write every prompt and every demonstration, each to be one token."""
        verbs = [f" {verb} " for some in VERBS.values() for verb in some]
        words = [*NAMES, *(f" {thing}" for thing in THINGS), *verbs, " has ", ". ", "How many"]
        return [*words, "?\n", "\n", "#### ", *"0123456789+-*/="]

    def longest_answer(self) -> int:
        """No solution has more tokens of `pieces()`, the end of text included.  Example: 3 lines of 9, a final one of 3, 1."""
        return 9 * self.max_steps + 4

    # ---- problems ------------------------------------------------------------------------------------------------------

    def _check(self, split: str) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"Word problems have the splits train and test; split={split!r}.")
        if self.test_share == (0 if split == "test" else 1):
            raise ValueError(
                f"test_share={self.test_share} leaves no problems for {split}. Choose one between 0 and 1, such as 0.1."
            )

    def _prompt(self, split: str, stream: str, number: int) -> tuple[Prompt, list[Event]]:
        rng = Random(f"{self.task_seed}/{split}/{stream}/{number}")
        steps = self.min_steps + number % (self.max_steps - self.min_steps + 1)
        if split == "train":
            steps = _between(rng, self.min_steps, self.max_steps)
        for _ in range(ATTEMPTS):
            text, story = draw_story(rng, steps, self.largest, self.asides)
            if _held_out(text, self.test_share) == (split == "test"):
                break
        else:
            raise ValueError(
                f"test_share={self.test_share} leaves {split} no problems of {steps} steps. Choose one such as 0.1."
            )
        truth = {"answer": story[-1].after, "values": [event.after for event in story]}
        name = f"words-{split}-{number}" if stream == "prompt" else f"words-{split}-{stream}-{number}"
        return Prompt(name, text=text, truth=truth, level=f"{steps} step{'s' * (steps > 1)}"), story


def draw_story(rng: Random, steps: int, largest: int, asides: float) -> tuple[str, list[Event]]:
    """A random story as text, and its events."""
    who, thing = _one_of(rng, NAMES), _one_of(rng, THINGS)
    number = _between(rng, 2, largest)
    told = [f"{who} has {number} {thing}. {_aside(rng, who, thing, largest, asides)}"]
    events: list[Event] = []
    for _ in range(steps):
        event = _event(rng, number, largest)
        told.append(f"{who} {event.verb} {event.amount}. {_aside(rng, who, thing, largest, asides)}")
        events.append(event)
        number = event.after
    return "".join(told) + f"How many {thing} has {who}?\n", events


def _event(rng: Random, number: int, largest: int) -> Event:
    while True:
        operation = _one_of(rng, OPERATIONS)
        amount = _between(rng, 2, 5) if operation in "*/" else _between(rng, 1, largest - 1)
        if operation == "/" and number % amount:
            continue
        if 1 <= apply(number, operation, amount) <= largest:
            return Event(number, operation, amount, _one_of(rng, VERBS[operation]))


def _aside(rng: Random, who: str, thing: str, largest: int, share: float) -> str:
    """A sentence about another's other things, or none."""
    if rng.random() >= share:
        return ""
    other, others = (_one_of(rng, [x for x in some if x != but]) for some, but in ((NAMES, who), (THINGS, thing)))
    return f"{other} has {_between(rng, 2, largest)} {others}. "


def apply(a: int, operation: str, b: int) -> int:
    """What a line's left side comes to; a division that leaves a rest, or is by 0, to −1, which no line says.

    Example: apply(12, "/", 4) == 3"""
    if operation == "/":
        return a // b if b and a % b == 0 else -1
    return a + b if operation == "+" else a - b if operation == "-" else a * b


# ---- solutions -------------------------------------------------------------------------------------------------------------


def solution(story: Sequence[Event], rng: Random | None = None, mistakes: float = 0.0) -> str:
    """An equation a line, each on from the last one's result, then the final line. With probability `mistakes` a step slips.

    A careless result is at least 0 and at most 99.
    Example: a story of Event(23, "-", 9, …) gives "23-9=14\\n#### 14"
    """
    lines, number = [], story[0].before
    for event in story:
        operation, off = event.operation, 0
        if rng and rng.random() < mistakes:
            operation, off = _slip(rng, operation)
        result = apply(number, operation, event.amount)
        if result < 0 and operation == "/":
            result = number // event.amount  # after a slip what was to be shared may leave a rest
        result = min(max(0, result + off), 99)
        lines.append(f"{number}{operation}{event.amount}={result}")
        number = result
    return "\n".join([*lines, f"#### {number}"])


def _slip(rng: Random, operation: str) -> tuple[str, int]:
    """Another operation, or the same and a result that is off."""
    if operation in "+-" and rng.random() < 0.5:
        return "-" if operation == "+" else "+", 0
    return operation, _between(rng, 1, 3) * (1 if rng.random() < 0.5 else -1)


def read_final(text: str) -> int | None:
    """The number of the last line, if that is `#### NUMBER`; else None.  Example: read_final("9-2=7\\n#### 7") == 7"""
    found = _FINAL.fullmatch(text.rstrip().rpartition("\n")[2])
    return int(found[1]) if found else None


def judged_lines(values: Sequence[int], text: str) -> tuple[tuple[int, float], ...]:
    """For each line: (characters up to its end, its new line included; 1 if it is right, else 0). The i-th is right if it is an
    equation that holds and comes to the i-th of `values`, or `####` and the last of them.

    Example: judged_lines([14, 28], "23-9=14\\n14*2=29\\n#### 29") == ((8, 1.0), (16, 0.0), (23, 0.0))
    """
    ends = step_ends(text)
    lines = [text[start:end].strip() for start, end in zip((0, *ends), ends, strict=False)]
    return tuple((end, float(_right(values, i, line))) for i, (end, line) in enumerate(zip(ends, lines, strict=True)))


def _right(values: Sequence[int], i: int, line: str) -> bool:
    if final := _FINAL.fullmatch(line):
        return int(final[1]) == values[-1]
    found = _EQUATION.fullmatch(line)
    if not found or i >= len(values):
        return False
    return apply(int(found[1]), found[2], int(found[3])) == int(found[4]) == values[i]


def _verdict(truth: dict, text: str) -> Verdict:
    given = read_final(text)
    solved = float(given == truth["answer"])
    return Verdict(solved, {"solved": solved}, bool(solved), given is not None, steps=judged_lines(truth["values"], text))


def _between(rng: Random, low: int, high: int) -> int:
    """An integer from `low` to `high`. Python promises the same numbers in all its versions for `random()` alone."""
    return low + int(rng.random() * (high - low + 1))


def _one_of(rng: Random, some: Sequence[str]) -> str:
    return some[_between(rng, 0, len(some) - 1)]


def _held_out(problem: str, share: float) -> bool:
    return int.from_bytes(blake2b(problem.encode(), digest_size=8).digest(), "big") < share * 2**64
