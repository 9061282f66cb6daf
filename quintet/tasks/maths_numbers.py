r"""Final answers that are numbers, read exactly and compared in microseconds: `1,000`, `-3/4`, `\frac{1}{2}`, `$18.50`, `12\%`.

What is decided here, because readers of mathematics differ on it:

| right    | answer                    | verdict | why                                                                        |
|----------|---------------------------|---------|----------------------------------------------------------------------------|
| 12       | 6+6, 24/2, \sqrt{144}     | wrong   | work left undone                                                           |
| 12       | 12.0, 012, +12, x = 12    | right   | the same number                                                            |
| 1/2      | 0.5, \frac{2}{4}          | right   | the same number                                                            |
| 1/3      | 0.33                      | wrong   | numbers are compared exactly                                               |
| 1000     | 1,000, 1{,}000, 1e3       | right   | separators, and a power of ten                                             |
| 50, 0.5  | 50\%                      | right   | a sign of per cent is a unit or a hundredth, as the question wants it      |
| 50       | 0.5                       | wrong   | without the sign it is a number like another                               |
| 5        | 5 dollars, \$5, 5\text{ cm} | right | who has the number has it with a unit, too                                 |
| 5        | 5 million, 5 squared, 5 or 6 | wrong | these words make another number of it                                     |
| 5        | 5xy, 5 m                  | wrong   | letters may be variables: a unit has three letters behind a space, is set  |
|          |                           |         | as text, or is a well-known short one (5cm)                                |
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

LONGEST = 1000
"""Characters of a number. Python reads no integers of more than 4,300 digits."""
PLAIN = re.compile(r"-?[0-9]{1,18}")
OTHER_NUMBERS = re.compile(
    r"\b(?:hundreds?|thousands?|millions?|billions?|trillions?|dozens?|half|halves|third|squared|cubed|factorial|pi|sqrt|root"
    r"|and|or|to|plus|minus|times|over|mod|by|divided|sin|cos|tan|log|ln|exp)\b",
    re.IGNORECASE,
)
"""Words behind a number that make another number of it; any other word is a unit."""
SHORT_UNITS = re.compile(r"(?:cm|mm|km|kg|mg|ml|ft|lbs?|oz|hrs?|mi|yd|mph)\b", re.IGNORECASE)
"""Units that are known without a space before them."""
PERCENT = frozenset(["%", "\\%", "percent", "per cent", "\\text{percent}", "\\text{ percent}"])

_SEPARATOR = re.compile(r"(?<=[0-9])(?:\{,\}|,\\! ?|\\,|\\ )(?=[0-9]{3}(?![0-9]))")
_SPACES = re.compile(r"\\[,;:! ]|~|\s+")
_ASSIGNED = re.compile(r"[A-Za-z](?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]*\}))? ?= ?")
_WRAPPED = re.compile(r"\\(?:text|mathrm|mathbf|textbf|mbox|rm|bf)\s*\{([^{}]*)\}")
_BODY = re.compile(
    r"(?P<sign>[-+]? ?)(?:\\?\$|[€£] ?)? ?(?P<inner>[-+]?)"
    r"(?:(?P<whole>[0-9]+)? ?\\[dt]?frac ?(?:\{(?P<top>-?[0-9]+)\} ?\{(?P<bottom>[0-9]+)\}|(?P<short>[0-9][0-9]))"
    r"|(?P<mixed>[0-9]+ )?(?P<over>[0-9]+) ?/ ?(?P<under>[0-9]+)"
    r"|(?P<decimal>[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]*)?|[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[eE](?P<e>[-+]?[0-9]{1,3})(?![0-9])| ?\\(?:times|cdot) ?10\^(?:(?P<ten>[0-9])(?![0-9])|\{(?P<tens>-?[0-9]{1,3})\}))?)"
)
_UNIT = re.compile(r"[A-Za-z][A-Za-z .'’/-]*(?:\^ ?(?:[23]|\{[23]\}))?")
_DEGREES = re.compile(r"\^ ?\{? ?\\circ ?\}?|°")


@dataclass(frozen=True, slots=True)
class Number:
    """A number, exactly, and how it was written."""

    value: Fraction
    percent: bool = False
    quotient: bool = False
    """Written as one integer over another."""

    @property
    def readings(self) -> set[Fraction]:
        """What it may stand for."""
        return {self.value, self.value / 100} if self.percent else {self.value}


def read_number(text: str) -> Number | None:
    """The number that a final answer is; None where it is none, or not worked out.

    Example: read_number(r"\\frac{-6}{4}") == Number(Fraction(-3, 2), quotient=True)
    """
    text = text.strip()
    if PLAIN.fullmatch(text):
        return Number(Fraction(int(text)))
    text = _tidy(text)
    body = _BODY.match(text) if len(text) < LONGEST else None
    if not body or (body["sign"].strip() and body["inner"]):
        return None
    rest = text[body.end() :]
    percent = rest.strip() in PERCENT
    if rest and not percent and not _DEGREES.fullmatch(rest.strip()) and not _is_unit(rest):
        return None
    value = _value(body)
    if value is None:
        return None
    negative = body["sign"].strip() == "-" or body["inner"] == "-"
    quotient = not (body["decimal"] or body["whole"] or body["mixed"])
    return Number(-value if negative else value, percent, quotient)


def same_number(right: Number, given: Number) -> bool:
    """Whether an answer is the right number, and worked out: 24/2 is not, where 12 is right."""
    undone = given.quotient and not right.quotient and right.value.denominator == 1
    return not undone and not right.readings.isdisjoint(given.readings)


def spelled(number: Number) -> str:
    """One spelling for all that get the same verdict.  Example: "1,000.50" and "1000.5" are 2001/2; 24/2 is 12/1, not 12."""
    undone = number.quotient and number.value.denominator == 1
    return f"{number.value}{'/1' if undone else ''}{'%' if number.percent else ''}"


def _tidy(text: str) -> str:
    text = text.replace("−", "-").replace("\\left", "").replace("\\right", "")
    text = _SPACES.sub(" ", _SEPARATOR.sub(",", text)).strip()
    if wrapped := _WRAPPED.fullmatch(text):
        text = wrapped[1].strip()
    if assigned := _ASSIGNED.match(text):
        text = text[assigned.end() :]
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    return text


def _is_unit(rest: str) -> bool:
    """Whether what stands behind a number leaves it the same number."""
    unit = _WRAPPED.sub(r"\1", rest).strip()
    if not _UNIT.fullmatch(unit) or OTHER_NUMBERS.search(unit):
        return False
    set_as_text = _WRAPPED.match(rest.strip()) is not None
    return set_as_text or SHORT_UNITS.match(unit) is not None or re.match(r" [A-Za-z]{3}", rest) is not None


def _value(body: re.Match[str]) -> Fraction | None:
    """The number without its sign; None where it is divided by 0."""
    if body["decimal"]:
        value = Fraction(body["decimal"].replace(",", "").rstrip("."))
        power = int(body["e"] or body["ten"] or body["tens"] or 0)
        return value * Fraction(10) ** power
    top, bottom = (body["short"] or (body["top"] or body["over"], body["bottom"] or body["under"]))[:2]
    if int(bottom) == 0:
        return None
    return int(body["whole"] or body["mixed"] or 0) + Fraction(int(top), int(bottom))
