"""Numbers as people read them; the same ones in the terminal and in the report."""

from __future__ import annotations

from math import floor, isfinite, log10
from typing import Literal

Unit = Literal["solved", "reward"]
NARROW = "\u202f"
"""The space between a number and its unit: it doesn't break the line."""


def short(value: float, digits: int = 3) -> str:
    """Three (or `digits`) significant digits, thousands separated, a power of ten where the number is tiny or huge, – for NaN.

    Example: short(0.61234) == "0.612"; short(12345) == "12,345"; short(1.2e-6) == "1.2e−6"; short(3.0) == "3"
    """
    if not isfinite(value):
        return {float("inf"): "∞", float("-inf"): "−∞"}.get(value, "–")
    if value == 0:
        return "0"
    power = floor(log10(abs(value)))
    if power < -3 or power >= 9:
        mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
        return _minus(f"{_trimmed(mantissa)}e{int(exponent)}")
    text = f"{value:,.{max(0, digits - 1 - power)}f}"
    return _minus(_trimmed(text))


def percent(value: float, digits: int = 1) -> str:
    """A share as a percentage.  Example: percent(0.61) == "61.0 %" (with a space that doesn't break)"""
    return f"{value * 100:.{digits}f}{NARROW}%" if isfinite(value) else "–"


def score(value: float, unit: str) -> str:
    """An evaluation's score: a percentage where it counts solved problems, a plain number where it is a mean reward.

    Example: score(0.61, "solved") == "61.0 %"; score(0.61, "reward") == "0.61"
    """
    return percent(value) if unit == "solved" else short(value)


def interval(low: float, high: float, unit: str) -> str:
    """The interval of a score.  Example: interval(0.58, 0.64, "solved") == "(58.0–64.0)" """
    if not (isfinite(low) and isfinite(high)):
        return ""
    low_text, high_text = (f"{100 * x:.1f}" if unit == "solved" else short(x) for x in (low, high))
    return f"({low_text}–{high_text})"


def change(value: float, unit: str) -> str:
    """A difference of two scores with its sign: in points of a percentage, or in reward.

    Example: change(0.113, "solved") == "+11.3"; change(-0.02, "reward") == "−0.02"
    """
    if not isfinite(value):
        return "–"
    return _minus(f"{100 * value:+.1f}") if unit == "solved" else signed(value)


def signed(value: float) -> str:
    """A number with its sign.  Example: signed(0.5) == "+0.5"; signed(0.0) == "0" """
    return f"+{short(value)}" if value > 0 else short(value)


def duration(seconds: float) -> str:
    """Minutes and seconds, or hours, minutes and seconds.  Example: duration(75) == "1:15"; duration(3675) == "1:01:15" """
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration_in_words(seconds: float) -> str:
    """Its two largest units.  Example: duration_in_words(75) == "1 min 15 s"; duration_in_words(3675) == "1 h 1 min" """
    whole = round(seconds)
    units = [(whole // 3600, "h"), (whole // 60 % 60, "min"), (whole % 60, "s")]
    while len(units) > 1 and not units[0][0]:
        units.pop(0)
    return " ".join(f"{count}{NARROW}{unit}" for count, unit in units[:2])


def _trimmed(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _minus(number: str) -> str:
    return number.replace("-", "−")
