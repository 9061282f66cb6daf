"""A rule for single steps of a worked solution: the equations that it writes down must hold."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise

from quintet.data import step_ends

LONGEST = 200
"""Characters of a stretch of numbers and signs that is worked out; a longer one with an equals sign in it counts as wrong."""
TALLEST = 64
"""Signs and parentheses one inside another, likewise."""

_NUMBER = r"(?:[0-9]{1,12}(?:,[0-9]{3})*(?:\.[0-9]{1,12})?|\.[0-9]{1,12})"
_SIDE = rf"[-+(\s$−–]*{_NUMBER}[%\s)]*(?:(?:[-+*/×÷−–][-+(\s$−–]*|x[(\s$]*){_NUMBER}[%\s)]*)*"
_EQUATIONS = re.compile(rf"{_SIDE}(?:={_SIDE})+")
_STRETCH = re.compile(r"[-0-9.,+*/x×÷−–()=$%\s]+")
_CUT_BEFORE = re.compile(r"(?:[-+*/xX×÷−–=^(:√]\s*|[\w.,)]|[0-9]\s+)$")
_CUT_BEHIND = re.compile(r"\s*[-+*/×÷−–^=(:]|\s*[xX]\b|\w|\s+[0-9]")
_TOKEN = re.compile(rf"\s*({_NUMBER}|[-+*/()%])")
_SIGNS = str.maketrans({"×": "*", "÷": "/", "−": "-", "–": "-", "x": "*", "$": None, ",": None})


def judged_lines(text: str, correct: bool, final: Callable[[str], bool]) -> tuple[tuple[int, float], ...]:
    """For each line: (characters up to its end, its new line included; 1 if it is right, else 0). A line that is `final`, which
    has the final answer, is right if the answer is `correct`; any other one, if all its equations hold.

    Example: a text of "2 * 3 = 6 apples\\nThat's 6+1=8" gives ((17, 1.0), (29, 0.0))
    """
    ends = step_ends(text)
    found = []
    for start, end in zip((0, *ends), ends, strict=False):
        line = text[start:end]
        found.append((end, float(holds(line) and (correct or not final(line)))))
    return tuple(found)


def holds(line: str) -> bool:
    """Whether every equation of plain numbers in a line is true; a line without any has nothing false in it.

    Numbers are worked out exactly; a side that is one number with decimals is right if the other rounds to it. Dollar signs are
    passed over; 20% is 20 or a fifth. What goes on in letters (`3 fish / 2 = 5`, `4 * x = 8`), mixed numbers (`1 1/2`) and
    times of day are no equations of plain numbers.
    Example: holds("(3+4) x 2 = 14, so 14/3 = 4.67") and not holds("3 + 4 * 2 = 14")
    """
    for stretch in _STRETCH.finditer(line):
        if "=" not in stretch[0]:
            continue
        if len(stretch[0].strip()) > LONGEST:
            return False
        for found in _EQUATIONS.finditer(line, stretch.start(), stretch.end()):
            if not _is_cut(line, found) and not _true(found[0].split("=")):
                return False
    return True


def _is_cut(line: str, found: re.Match[str]) -> bool:
    """Whether what was found is only a part of something longer that isn't plain."""
    start, end = found.start() + len(found[0]) - len(found[0].lstrip()), found.start() + len(found[0].rstrip())
    before = line[max(0, start - LONGEST) : start]
    between = not before[-1:].isspace() or line[start + 1].isspace()  # `x - 5`, and not `is -5`
    signed = line[start] in "+-−–" and between and before.rstrip()[-1:].isalnum()
    return signed or bool(_CUT_BEFORE.search(before) or _CUT_BEHIND.match(line, end))


def _true(sides: list[str]) -> bool:
    return all(_equal(left, right) for left, right in pairwise(sides))


def _equal(left: str, right: str) -> bool:
    grain = max(_grain(left), _grain(right))
    some, others = ([worked_out(side), worked_out(side, hundredths=True)] for side in (left, right))
    return any(abs(a - b) <= grain / 2 for a in some for b in others if a is not None and b is not None)


def _grain(side: str) -> Fraction:
    """The last decimal place of a side that is one number with decimals; 0 of any other, which must be exact."""
    found = re.fullmatch(rf"[-−–$\s]*({_NUMBER})[%\s]*", side)
    decimals = found[1].partition(".")[2] if found else ""
    return Fraction(1, 10 ** len(decimals)) if decimals else Fraction(0)


def worked_out(text: str, hundredths: bool = False) -> Fraction | None:
    """What numbers with + - * / and parentheses come to, exactly; None where the text is nothing of the kind or divides by 0.
    Signs of per cent divide by 100 (`hundredths`) or do nothing.

    Example: worked_out("(1,000 - 4) / 3") == 332
    """
    text = text.translate(_SIGNS)
    tokens = _TOKEN.findall(text)
    if len(text) > LONGEST or "".join(tokens) != re.sub(r"\s", "", text):
        return None
    tokens = [part for token in tokens for part in (("/", "100") if token == "%" else (token,)) if hundredths or token != "%"]
    try:
        value, rest = _sum(tokens, TALLEST)
    except (IndexError, ZeroDivisionError, ValueError):
        return None
    return None if rest else value


def _sum(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    value, tokens = _product(tokens, depth)
    while tokens and tokens[0] in "+-":
        sign = 1 if tokens[0] == "+" else -1
        term, tokens = _product(tokens[1:], depth)
        value += sign * term
    return value, tokens


def _product(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    value, tokens = _factor(tokens, depth)
    while tokens and tokens[0] in "*/":
        by = tokens[0]
        factor, tokens = _factor(tokens[1:], depth)
        value = value * factor if by == "*" else value / factor
    return value, tokens


def _factor(tokens: list[str], depth: int) -> tuple[Fraction, list[str]]:
    if depth == 0:
        raise ValueError("too many signs or parentheses one inside another")
    if tokens[0] in "+-":
        value, rest = _factor(tokens[1:], depth - 1)
        return (value if tokens[0] == "+" else -value), rest
    if tokens[0] == "(":
        value, rest = _sum(tokens[1:], depth - 1)
        if rest[0] != ")":
            raise ValueError("a parenthesis that is not closed")
        return value, rest[1:]
    return Fraction(tokens[0]), tokens[1:]
