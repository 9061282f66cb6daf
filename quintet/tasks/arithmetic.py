"""Sums, differences and products of graded difficulty: a task that needs no data and that a tiny model can learn."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Annotated, Literal

from annotated_types import Ge, Le

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Fraction

Level = Annotated[int, Ge(1), Le(5)]
Expression = int | tuple[str, "Expression", "Expression"]
"""A number, or (operator, left, right) with one of the operators + - *."""

FORMS = {
    "direct": "Answer with the number alone.",
    "steps": "Go one step at a time, with an equals sign before each. The last number is your answer.",
}
ATTEMPTS = 100_000
"""Problems drawn before saying that a split has none: about a second."""
LONGEST = {"direct": (2, 3, 3, 3, 4), "steps": (7, 17, 17, 42, 53)}
"""Characters of the longest demonstration at each level, found by going through all problems."""

_ANSWER = re.compile(r"[+\-−]?[0-9]{1,18}")
_EXPRESSION = re.compile(r"[0-9+\-*()]{1,64}")
_SIGNS: dict[type, str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_MIXED: tuple[Callable[[int, int, int, int], Expression], ...] = (
    lambda a, b, c, d: ("+", a, ("*", b, c)),
    lambda a, b, c, d: ("-", a, ("*", b, c)),
    lambda a, b, c, d: ("*", ("+", a, b), c),
    lambda a, b, c, d: ("*", a, ("-", b, c)),
    lambda a, b, c, d: ("*", ("-", a, b), ("+", c, d)),
    lambda a, b, c, d: ("+", ("*", a, b), ("*", c, d)),
    lambda a, b, c, d: ("-", ("*", a, b), ("*", c, d)),
)


@dataclass(frozen=True)
class Arithmetic:
    """Work out an integer: the prompt is `47+38=`, the answer `85`.

    Level 1: sums of two or three digits. 2: sums of two two-digit numbers. 3: differences of two two-digit numbers, which may
    be negative. 4: a digit times a number below 100. 5: two or three operations on digits, with precedence and parentheses.
    Problem number i of a split depends on the settings and (split, i) alone. A problem belongs to train or test by the hash of
    its text, so `3+5` and `5+3` may be on different sides. Train draws levels at random, test takes them in turn. Level 1 has
    1,100 problems, so its prompts come again.
    """

    name = "arithmetic"

    min_level: Level = 1
    """Easiest level, 1 to 5."""
    max_level: Level = 3
    """Hardest level, 1 to 5."""
    target: Literal["direct", "steps"] = "direct"
    """What demonstrations show: the number alone, or one operation after another, as in `47+30+8=77+8=85`."""
    demo_mistakes: Fraction = 0.0
    """Share of demonstrations by a careless teacher, whose number is up to 10 off. With target=direct."""
    instructions: bool = False
    """False: the prompt is the problem and an equals sign, for a model trained from nothing. True: a chat message."""
    test_share: Fraction = 0.1
    """Share of all problems, by hash, that is kept for `test`."""
    task_seed: int = 0
    """Which problems are drawn. The split of a given problem doesn't depend on it."""

    def __post_init__(self) -> None:
        if not 1 <= self.min_level <= self.max_level <= 5:
            raise ValueError(
                f"Arithmetic has levels 1 to 5; min_level={self.min_level}, max_level={self.max_level}. "
                f"Choose both in this range, the smaller one first."
            )
        if self.demo_mistakes and self.target == "steps":
            raise ValueError("A careless teacher gives numbers, not steps: demo_mistakes goes with target=direct.")

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` or `test` from number `start` on, both endless. `truth` is {problem, answer}."""
        self._check(split)
        return (self._prompt(split, "prompt", number)[0] for number in count(start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        """Prompts with a right answer each, from number `start` on, endless; other draws from the same split than `prompts`."""
        self._check(split)
        return (self._demonstration(split, number) for number in count(start))

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        """Prompts with the right number and a wrong one near it each, from number `start` on, endless."""
        self._check(split)
        return (self._preference(split, number) for number in count(start))

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout: 1 if `read_answer` finds the right number in its text, else 0. With target=steps each
        step is judged too: 1 if it still comes to the right number."""
        verdicts = [_verdict(rollout.prompt.truth["answer"], rollout.text) for rollout in rollouts]
        if not self.judges_steps:
            return verdicts
        return [
            replace(verdict, steps=judged_steps(rollout.prompt.truth["answer"], rollout.text))
            for verdict, rollout in zip(verdicts, rollouts, strict=True)
        ]

    def answer_of(self, text: str) -> str | None:
        """The final number of an answer, for counting votes; None where it has none."""
        found = read_answer(text)
        return None if found is None else str(found)

    @property
    def judges_steps(self) -> bool:
        """Whether verdicts have rewards for single steps."""
        return self.target == "steps"

    def pieces(self) -> list[str]:
        """Characters that write every prompt without instructions and every demonstration, each to be one token."""
        return list("0123456789+-*()=")

    def longest_answer(self) -> int:
        """No demonstration has more tokens of `pieces()`, the end of text included.  Example: 4 for levels 1 to 3, direct."""
        return max(LONGEST[self.target][self.min_level - 1 : self.max_level]) + 1

    def _check(self, split: str) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"Arithmetic has the splits train and test; split={split!r}.")
        if self.test_share == (0 if split == "test" else 1):
            raise ValueError(
                f"test_share={self.test_share} leaves no problems for {split}. Choose one between 0 and 1, such as 0.1."
            )

    def _demonstration(self, split: str, number: int) -> tuple[Prompt, str]:
        prompt, problem = self._prompt(split, "demonstration", number)
        if self.target == "steps":
            return prompt, working(problem)
        rng = Random(f"{self.task_seed}/{split}/careless/{number}")
        careless = self.demo_mistakes > 0 and rng.random() < self.demo_mistakes
        return prompt, str(_near(value(problem), rng) if careless else value(problem))

    def _preference(self, split: str, number: int) -> tuple[Prompt, str, str]:
        prompt, problem = self._prompt(split, "preference", number)
        return prompt, str(value(problem)), str(_near(value(problem), Random(f"{self.task_seed}/{split}/wrong/{number}")))

    def _prompt(self, split: str, stream: str, number: int) -> tuple[Prompt, Expression]:
        rng = Random(f"{self.task_seed}/{split}/{stream}/{number}")
        level = self.min_level + number % (self.max_level - self.min_level + 1)
        if split == "train":
            level = _between(rng, self.min_level, self.max_level)
        for _ in range(ATTEMPTS):
            problem = draw_problem(rng, level)
            text = write(problem)
            if _held_out(text, self.test_share) == (split == "test"):
                break
        else:
            raise ValueError(
                f"test_share={self.test_share} leaves {split} no problems of level {level}. Choose one such as 0.1."
            )
        truth = {"problem": text, "answer": value(problem)}
        name = f"arithmetic-{split}-{number}" if stream == "prompt" else f"arithmetic-{split}-{stream}-{number}"
        if not self.instructions:
            return Prompt(name, text=f"{text}=", truth=truth, level=f"level {level}"), problem
        message = {"role": "user", "content": f"Work out {text}\n{FORMS[self.target]}"}
        return Prompt(name, messages=(message,), truth=truth, level=f"level {level}"), problem


def draw_problem(rng: Random, level: int) -> Expression:
    """A random problem of a level from 1 to 5, with the same probability for each choice of numbers."""
    match level:
        case 1:
            two = ("+", _between(rng, 0, 9), _between(rng, 0, 9))
            return two if _between(rng, 2, 3) == 2 else ("+", two, _between(rng, 0, 9))
        case 2 | 3:
            return ("+" if level == 2 else "-", _between(rng, 10, 99), _between(rng, 10, 99))
        case 4:
            return ("*", _between(rng, 2, 9), _between(rng, 2, 99))
        case _:
            return _MIXED[_between(rng, 1, len(_MIXED)) - 1](*(_between(rng, 1, 9) for _ in range(4)))


def _between(rng: Random, low: int, high: int) -> int:
    """An integer from `low` to `high`. Python promises the same numbers in all its versions for `random()` alone."""
    return low + int(rng.random() * (high - low + 1))


def _near(number: int, rng: Random) -> int:
    """Another number, at most 10 away."""
    return number + _between(rng, 1, 10) * (1 if rng.random() < 0.5 else -1)


def value(problem: Expression) -> int:
    """What the problem comes to.  Example: value(("-", 3, ("*", 2, 4))) == -5"""
    if isinstance(problem, int):
        return problem
    operator, left, right = problem
    a, b = value(left), value(right)
    return a + b if operator == "+" else a - b if operator == "-" else a * b


def write(problem: Expression) -> str:
    """The problem as text, with parentheses only where they are needed.

    Example: write(("*", ("-", 3, 8), -4)) == "(3-8)*(-4)"
    """
    if isinstance(problem, int):
        return str(problem)
    operator, left, right = problem
    return _operand(left, operator, False) + operator + _operand(right, operator, True)


def _operand(problem: Expression, outer: str, on_the_right: bool) -> str:
    text = write(problem)
    bare = isinstance(problem, int) or problem[0] == "*" or (outer == "+" or (outer == "-" and not on_the_right))
    return text if bare and not (on_the_right and text.startswith("-")) else f"({text})"


def working(problem: Expression) -> str:
    """The way to the answer, one operation at a time from the left, joined with equals signs, without the problem itself.

    Numbers beyond one digit are added, subtracted and multiplied digit by digit, the first digit first.
    Example: working(("*", 7, 86)) == "7*80+7*6=560+7*6=560+42=560+40+2=600+2=602"
    """
    steps = []
    while not isinstance(problem, int):
        problem = _step(*problem)
        steps.append(write(problem))
    return "=".join(steps)


def _step(operator: str, left: Expression, right: Expression) -> Expression:
    if not isinstance(left, int):
        return operator, _step(*left), right
    if not isinstance(right, int):
        return operator, left, _step(*right)
    first, rest = _first_digit(right)
    if operator == "*":
        if rest:
            return "+", ("*", left, first), ("*", left, rest)
        first, rest = _first_digit(left)
        if rest:
            return "+", ("*", first, right), ("*", rest, right)
    elif rest and right > 0 and abs(left) >= 10:
        return operator, (operator, left, first), rest
    return value((operator, left, right))


def _first_digit(number: int) -> tuple[int, int]:
    """The number as first digit and rest: 142 is (100, 42), 30 is (30, 0), −27 is (−20, −7)."""
    place = 10 ** (len(str(abs(number))) - 1)
    first = abs(number) // place * place * (1 if number > 0 else -1)
    return first, number - first


def read_answer(text: str) -> int | None:
    """The integer after the last equals sign, or the whole text where there is none; None where that is no integer.

    Accepted: white space around it, one sign (+, - or the minus sign U+2212) right before the digits, leading zeros, -0.
    Refused: anything else beside it, decimals (`85.0`), separators (`1,000`), other scripts' digits, more than 18 digits.
    Example: read_answer("47+30+8=77+8= 85") == 85
    """
    last = text.rpartition("=")[2].strip()
    return int(last.replace("−", "-")) if _ANSWER.fullmatch(last) else None


def judged_steps(answer: int, text: str) -> tuple[tuple[int, float], ...]:
    """For each part between equals signs: (characters up to its end, the sign included; 1 if it comes to `answer`, else 0).

    Example: judged_steps(85, "47+30+8=77+9=86") == ((8, 1.0), (13, 0.0), (15, 0.0))
    """
    ends, found = 0, []
    parts = text.split("=")
    for number, part in enumerate(parts, 1):
        ends += len(part) + (number < len(parts))
        found.append((ends, float(_comes_to(part) == answer)))
    return tuple(found)


def _comes_to(text: str) -> int | None:
    """What an expression in digits, + - * and parentheses comes to; None where the text is none."""
    if not _EXPRESSION.fullmatch(text):
        return None
    try:
        return _of_tree(ast.parse(text, mode="eval").body)
    except (SyntaxError, ValueError):
        return None


def _of_tree(node: ast.AST) -> int:
    match node:
        case ast.Constant(value=int(number)):
            return number
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_of_tree(operand)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() as operator, right=right):
            return value((_SIGNS[type(operator)], _of_tree(left), _of_tree(right)))
    raise ValueError("no operation of arithmetic")


def _verdict(answer: int, text: str) -> Verdict:
    given = read_answer(text)
    solved = float(given == answer)
    return Verdict(solved, {"solved": solved}, given == answer, given is not None)


def _held_out(problem: str, share: float) -> bool:
    return int.from_bytes(blake2b(problem.encode(), digest_size=8).digest(), "big") < share * 2**64
