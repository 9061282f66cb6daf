"""Families of Rust exercises: one idea each, with a reference solution in Rust and, as its check, one in Python.

A family's texts hold `$k`, a number that varies, and `$a` and `$b`, its arguments' names, which vary too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [
    "red",
    "blue",
    "level",
    "apple",
    "stone",
    "noon",
    "river",
    "Rust",
    "moon",
    "bee",
    "otter",
    "tree",
    "kayak",
    "sun",
    "Cloud",
    "seven",
    "leaf",
    "code",
    "aa",
    "banana",
]
EXTRA = ["", "a1b2", "Hello World", "3 cats", "x", "aAbB", "tab  two", "(a(b))", "10 + 20", "zz top"]


@dataclass(frozen=True)
class Family:
    """One idea."""

    name: str
    """The function's name; may hold `$k`."""
    level: int
    """1: one expression. 2: a chain or a loop. 3: an algorithm."""
    what: str
    """What the function does: "returns …"."""
    takes: str
    """Kinds of its arguments (`KINDS`), one or more words."""
    gives: str
    """The Rust type that it returns."""
    body: str
    """The reference's body in Rust."""
    oracle: Callable[..., Any]
    """The same in Python: called with the arguments, and with k last where there is one."""
    ks: tuple[int, ...] = ()
    """Values of k."""


@dataclass(frozen=True)
class Kind:
    """A kind of argument."""

    type: str
    names: tuple[str, ...]
    """What an argument of that kind may be called."""
    draw: Callable[[Random], Any]


def between(rng: Random, low: int, high: int) -> int:
    """An integer from `low` to `high`. Python promises the same numbers in all its versions for `random()` alone."""
    return low + int(rng.random() * (high - low + 1))


def _list(low: int, high: int, longest: int = 7) -> Callable[[Random], list[int]]:
    return lambda rng: [between(rng, low, high) for _ in range(between(rng, 0, longest))]


def _word(rng: Random) -> str:
    return WORDS[between(rng, 0, len(WORDS) - 1)]


def _text(rng: Random) -> str:
    if rng.random() < 0.3:
        return EXTRA[between(rng, 0, len(EXTRA) - 1)]
    return " ".join(_word(rng) for _ in range(between(rng, 1, 4)))


def _words(rng: Random) -> list[str]:
    return [_word(rng) for _ in range(between(rng, 0, 5))]


def _grid(rng: Random) -> list[list[int]]:
    width = between(rng, 1, 3)
    return [[between(rng, -9, 9) for _ in range(width)] for _ in range(between(rng, 1, 3))]


def _square(rng: Random) -> list[list[int]]:
    width = between(rng, 1, 3)
    return [[between(rng, -9, 9) for _ in range(width)] for _ in range(width)]


def _brackets(rng: Random) -> str:
    if rng.random() < 0.5:
        return ("", "()", "(())", "()()", "(()())", "((()))")[between(rng, 0, 5)]
    return "".join("()"[between(rng, 0, 1)] for _ in range(between(rng, 1, 6)))


NUMBERS, TEXT = ("numbers", "values", "items", "list"), ("text", "input", "s")
KINDS: dict[str, Kind] = {
    "int": Kind("i32", ("n", "x", "number", "value"), lambda rng: between(rng, -1, 10) if rng.random() < 0.5 else between(rng,
    -30, 30)),
    "tiny": Kind("i32", ("base", "n", "x"), lambda rng: between(rng, -5, 5)),
    "nat": Kind("u32", ("n", "number", "limit"), lambda rng: between(rng, 0, 30)),
    "small": Kind("u32", ("n", "steps", "number"), lambda rng: between(rng, 0, 10)),
    "pos": Kind("i32", ("n", "number", "value"), lambda rng: between(rng, 1, 60)),
    "big": Kind("u32", ("n", "number", "value"), lambda rng: between(rng, 0, 9999)),
    "year": Kind("i32", ("year", "y"), lambda rng: 100 * between(rng, 15, 24) + between(rng, 0, 1) * between(rng, 0, 99)),
    "score": Kind("u32", ("score", "points"), lambda rng: 10 * between(rng, 1, 10) - between(rng, 0, 1)),
    "month": Kind("u32", ("month", "m"), lambda rng: between(rng, 0, 13)),
    "ints": Kind("&[i32]", NUMBERS, _list(-12, 12)),
    "repeats": Kind("&[i32]", NUMBERS, _list(0, 3, 8)),
    "sorted": Kind("&[i32]", NUMBERS, lambda rng: sorted(set(_list(-20, 20, 8)(rng)))),
    "some": Kind("&[i32]", NUMBERS, lambda rng: [between(rng, -12, 12), *_list(-12, 12, 5)(rng)]),
    "pairs": Kind("&[(i32, i32)]", ("pairs", "points"), lambda rng: [(a, a - 3) for a in _list(-9, 9, 4)(rng)]),
    "flags": Kind("&[bool]", ("flags", "votes"), lambda rng: [rng.random() < 0.6 for _ in range(between(rng, 0, 5))]),
    "options": Kind(
        "&[Option<i32>]", ("values", "maybe"), lambda rng: [None if v % 3 == 0 else v for v in _list(-9, 9, 5)(rng)]
    ),
    "grid": Kind("&[Vec<i32>]", ("grid", "rows", "matrix"), _grid),
    "square": Kind("&[Vec<i32>]", ("grid", "rows", "matrix"), _square),
    "text": Kind("&str", TEXT, _text),
    "word": Kind("&str", ("word", "name", "s"), _word),
    "words": Kind("&[&str]", ("words", "names", "parts"), _words),
    "char": Kind("char", ("letter", "c", "wanted"), lambda rng: LETTERS[between(rng, 0, 4)]),
    "brackets": Kind("&str", TEXT, _brackets),
    "numeral": Kind(
        "&str", TEXT, lambda rng: ("12", "0", "x", "-4", "", "007", "3 4", "99")[between(rng, 0, 7)]
    ),
    "commas": Kind("&str", TEXT, lambda rng: ",".join(map(str, _list(-9, 20, 4)(rng)))),
}  # fmt: skip
