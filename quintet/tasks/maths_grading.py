r"""Whether a final answer is the right one: by rules of our own where they suffice, by math-verify where they don't.

1. An answer of more than LONGEST characters, or whose braces don't match, is wrong.
2. What is written the same, white space and typography aside, is right.
3. Where the right answer is a number, the given one must be that number (`maths_numbers`); nobody else is asked, so verdicts
   on such problems don't depend on what is installed.
4. Where it is words (`\text{Evelyn}`, `\text{(C)}`, `even`), letters and digits are compared, in whatever case: math-verify
   would take them for a product of variables, and `neve` for the same as `even`.
5. Everything else (`p - q`, `3\sqrt{13}`, `[0, 1)`) goes to math-verify, in processes that can be killed. A question that takes
   too long is answered with no.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from quintet.tasks.maths_numbers import read_number, same_number, spelled
from quintet.tasks.maths_workers import equivalent

LONGEST = 256
"""Characters of a final answer; the longest of MATH-500 has 53."""

_WORDS = re.compile(r"\\(?:text|textbf|textit|mbox|mathrm)\s*\{([^{}]*)\}")
_BARE_WORDS = re.compile(r"(?:no|[a-z]{3,})(?: [a-z]+)*", re.IGNORECASE)
_TYPOGRAPHY = re.compile(r"\\(?:left|right)(?![A-Za-z])|\\[,;:! ]|\$|\s+")
_FRACTION = re.compile(r"\\[dt]frac(?![A-Za-z])")


@dataclass(frozen=True)
class Grade:
    """What became of one final answer."""

    correct: bool
    reason: str = ""
    """Why it is wrong, where that isn't plain."""


def grade_answers(pairs: Sequence[tuple[str, str | None]]) -> list[Grade]:
    """The grades of (right answer, given answer or None) pairs, in order. Equal pairs are asked once.

    Raises TaskError where math-verify is needed and isn't installed."""
    grades = {pair: settled(*pair) for pair in pairs}
    open_ones = [(right, given) for (right, given), grade in grades.items() if grade is None and given is not None]
    for pair, equal in zip(open_ones, equivalent(open_ones), strict=True):
        grades[pair] = Grade(equal is True, "comparing it took too long" if equal is None else "")
    return [grade for pair in pairs if (grade := grades[pair]) is not None]


def settled(right: str, given: str | None) -> Grade | None:
    """The grade, where the rules of our own give one."""
    if given is None:
        return Grade(False, "no final answer")
    if len(given) > LONGEST:
        return Grade(False, f"longer than {LONGEST} characters")
    if plain(given) == plain(right):
        return Grade(True)
    if (number := read_number(right)) is not None:
        other = read_number(given)
        return Grade(other is not None and same_number(number, other), "" if other else "no number, or not worked out")
    if (words := _words(right)) is not None:
        return Grade(_letters(given) == words)
    return None if _balanced(given) else Grade(False, "its braces don't match")


def needs_math_verify(right: str) -> bool:
    """Whether answers to a problem with this right answer may have to be compared by math-verify."""
    return read_number(right) is None and _words(right) is None


def same_for_all(given: str) -> str:
    """One spelling for answers that are plainly the same, to count votes by.  Example: "1,000" and "$1000" are "1000" """
    number = read_number(given)
    return spelled(number) if number else plain(given)


def plain(answer: str) -> str:
    r"""The answer without white space and typography.  Example: plain(r"\left( 3, \dfrac12 \right)") == r"(3,\frac12)" """
    return _FRACTION.sub(r"\\frac", _TYPOGRAPHY.sub("", answer))


def _words(answer: str) -> str | None:
    """The letters of an answer that is set as text, or is words of three letters and more; None for one that isn't."""
    found = _WORDS.fullmatch(answer.strip()) or _BARE_WORDS.fullmatch(answer.strip())
    return _letters(found[0]) or None if found else None


def _letters(answer: str) -> str:
    words = _WORDS.sub(r"\1", answer)
    return "".join(c for c in words.casefold() if c.isalnum())


def _balanced(answer: str) -> bool:
    """Whether every brace has its other half: math-verify reads the inside of a box, which must not end early."""
    depth = 0
    for brace in re.findall(r"\\.|[{}]", answer, re.DOTALL):
        depth += {"{": 1, "}": -1}.get(brace, 0)
        if depth < 0:
            return False
    return depth == 0
