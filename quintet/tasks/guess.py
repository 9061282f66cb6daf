"""Guess a number from "higher" and "lower": the smallest conversation in which an answer's worth shows many turns later."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Any, Literal

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Count, Fraction, Whole

HIGHER, LOWER, NO_NUMBER = " higher\n", " lower\n", " no number\n"
INSTRUCTIONS = """\
I think of a whole number from {low} to {high}. Guess it: answer with one number and nothing else. I say whether mine is higher
or lower, and you guess again. You have {guesses} guesses.\
"""
ATTEMPTS = 100_000
"""Games drawn before saying that a split has none."""

_NUMBER = re.compile(r"\s*([0-9]{1,9})\s*")


@dataclass(frozen=True)
class Guess:
    """Find a secret number: `12 to 40`, `26`, ` lower`, `18`, ` higher`, `22`.

    A game has as many guesses as bisection needs for the worst secret, one for every halving, so only who bisects wins always;
    there is a reward of 1 at the end for who won. A guess that is no number is lost. Game number i of a split depends on the
    settings and (split, i) alone. A game (range and secret) belongs to train or test by its hash. Levels are named after the
    guesses.
    """

    name = "guess"

    highest: Count = 63
    """The highest number there is; the lowest is 0."""
    min_numbers: Count = 7
    """The fewest numbers that a game's range may have."""
    max_numbers: Count = 31
    """The most numbers that a game's range may have. 31 take five guesses."""
    spare: Whole = 0
    """Guesses beyond those that bisection needs."""
    teacher: Literal["sound", "bisect"] = "sound"
    """Who plays the demonstrations: sound guesses any number that is still possible, and often loses; bisect the middle one."""
    instructions: bool = False
    """False: the prompt is the range alone, for a model trained from nothing. True: a chat message explains the game."""
    test_share: Fraction = 0.1
    """Share of all games, by hash, that is kept for `test`."""
    task_seed: int = 0
    """Which games are drawn. The split of a given game doesn't depend on it."""

    def __post_init__(self) -> None:
        if not self.min_numbers <= self.max_numbers <= self.highest + 1:
            raise ValueError(
                f"min_numbers={self.min_numbers}, max_numbers={self.max_numbers} and highest={self.highest} don't go together: "
                "a range has at least min_numbers and at most max_numbers of the numbers 0 to highest."
            )

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Games of `train` or `test` from number `start` on, both endless. `truth` is {low, high, secret, guesses}."""
        self._check(split)
        return (self._game(split, "prompt", number)[0] for number in count(start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, Sequence[str]]]:
        """Games with the turns of the teacher's play, from number `start` on, endless; other draws than `prompts`."""
        self._check(split)
        return (self._demonstration(split, number) for number in count(start))

    def reply(self, transcript: Rollout) -> str | None:
        """Whether the secret is higher or lower than the last guess; None once it is found or there is no guess left."""
        truth, guesses = transcript.prompt.truth, transcript.turns[::2]
        last = read_guess(guesses[-1])
        if last == truth["secret"] or len(guesses) >= truth["guesses"]:
            return None
        if last is None:
            return NO_NUMBER
        return HIGHER if truth["secret"] > last else LOWER

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """1 for a game that was won, else 0."""
        return [_verdict(r.prompt.truth, (r.turns or (r.text,))[::2]) for r in rollouts]

    def pieces(self) -> list[str]:
        """Texts that write every prompt without instructions and every demonstration, each to be one token."""
        return [*map(str, range(self.highest + 1)), HIGHER, LOWER, NO_NUMBER, " to ", "\n"]

    def longest_answer(self) -> int:
        """Tokens of `pieces()` in the longest game's guesses, each with its end.  Example: 10 for five guesses."""
        return 2 * self._guesses(self.max_numbers)

    def _guesses(self, numbers: int) -> int:
        return numbers.bit_length() + self.spare  # g halvings find one of 2^g − 1 numbers

    def _check(self, split: str) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"Guessing games have the splits train and test; split={split!r}.")
        if self.test_share == (0 if split == "test" else 1):
            raise ValueError(
                f"test_share={self.test_share} leaves no games for {split}. Choose one between 0 and 1, such as 0.1."
            )

    def _game(self, split: str, stream: str, number: int) -> tuple[Prompt, Random]:
        rng = Random(f"{self.task_seed}/{split}/{stream}/{number}")
        for _ in range(ATTEMPTS):
            numbers = rng.randint(self.min_numbers, self.max_numbers)
            low = rng.randint(0, self.highest + 1 - numbers)
            high = low + numbers - 1
            secret = rng.randint(low, high)
            if _held_out(f"{low}/{high}/{secret}", self.test_share) == (split == "test"):
                break
        else:
            raise ValueError(f"These settings leave no games for {split}. Widen the range of min_numbers to max_numbers.")
        truth = {"low": low, "high": high, "secret": secret, "guesses": self._guesses(numbers)}
        name = f"guess-{split}-{number}" if stream == "prompt" else f"guess-{split}-{stream}-{number}"
        level = f"{truth['guesses']} guesses"
        if self.instructions:
            message = {"role": "user", "content": INSTRUCTIONS.format(**truth)}
            return Prompt(name, messages=(message,), truth=truth, level=level), rng
        return Prompt(name, text=f"{low} to {high}\n", truth=truth, level=level), rng

    def _demonstration(self, split: str, number: int) -> tuple[Prompt, Sequence[str]]:
        prompt, rng = self._game(split, "demonstration", number)
        low, high, secret = (prompt.truth[k] for k in ("low", "high", "secret"))
        turns: list[str] = []
        for left in reversed(range(prompt.truth["guesses"])):
            guess = (low + high) // 2 if self.teacher == "bisect" else rng.randint(low, high)
            turns.append(str(guess))
            if guess == secret or not left:
                break
            turns.append(HIGHER if secret > guess else LOWER)
            low, high = (guess + 1, high) if secret > guess else (low, guess - 1)
        return prompt, turns


def read_guess(text: str) -> int | None:
    """The number that an answer is; None where it is anything else.  Example: read_guess("26 ") == 26"""
    found = _NUMBER.fullmatch(text)
    return int(found[1]) if found else None


def _verdict(truth: Any, answers: Sequence[str]) -> Verdict:
    guesses = [read_guess(answer) for answer in answers[: truth["guesses"]]]
    won = truth["secret"] in guesses
    return Verdict(float(won), {"won": float(won)}, won, parsed=None not in guesses)


def _held_out(game: str, share: float) -> bool:
    return int.from_bytes(blake2b(game.encode(), digest_size=8).digest()) < share * 2**64
