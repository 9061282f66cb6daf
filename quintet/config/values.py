"""Values against the types and ranges of their settings."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from typing import Any

from quintet.config.describe import Field, Kind
from quintet.config.draft import Given
from quintet.config.problems import did_you_mean

WORDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
HOLDS = {
    "ge": lambda v, n: v >= n,
    "gt": lambda v, n: v > n,
    "le": lambda v, n: v <= n,
    "lt": lambda v, n: v < n,
}


def read_value(given: Given, field: Field) -> Any:
    """The value in its setting's type; ValueError, in a sentence for users, where it hasn't got that type and range."""
    try:
        value = _from_text(given.value, field.kind) if given.text else given.value
        return _typed(value, field.kind)
    except ValueError as error:
        near = did_you_mean(str(given.value), map(str, field.kind.choices)) if field.kind.base == "choice" else ""
        more = f" ({error})" if str(error) else ""
        raise ValueError(f"{field.name} must be {wanted(field.kind)}, not {shown(given)}{more}.{near}") from None


def wanted(kind: Kind, several: bool = False) -> str:
    """What a value must be, in words.  Example: "a number from 0 to 1" """
    range_ = in_words(kind)
    match kind.base:
        case "bool":
            return "true or false"
        case "choice":
            return " or ".join(
                [", ".join(map(str, kind.choices[:-1])), str(kind.choices[-1])] if kind.choices[1:] else kind.choices
            )
        case "tuple" if kind.endless:
            return f"a list of {wanted(kind.items[0], several=True)}"
        case "tuple":
            return f"a list of {len(kind.items)} {wanted(kind.items[0], several=True)}"
    noun = {"int": "whole number", "float": "number", "str": "text"}[kind.base]
    noun = f"{noun}s" if several else f"a {noun}"
    return f"{noun} {'of ' if range_.startswith('at ') else ''}{range_}".strip()


def in_words(kind: Kind) -> str:
    """A range in words.  Example: "at least 1", "above 0", "from 0 to 1"; empty where there is none."""
    bounds = dict(kind.bounds)
    if "ge" in bounds and "le" in bounds:
        return f"from {bounds['ge']} to {bounds['le']}"
    return " and ".join(f"{WORDS[name]} {number}" for name, number in kind.bounds)


def shown(given: Given) -> str:
    """A value as it was written, or nearly so."""
    value = given.value
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    return f'"{value}"' if isinstance(value, str) else str(value)


def _from_text(text: str | bool, kind: Kind) -> Any:
    """A flag's text as TOML would have given it."""
    if isinstance(text, bool):
        return text
    match kind.base:
        case "int" | "float":
            return _number_from_text(text, int if kind.base == "int" else float)
        case "bool":
            return {"true": True, "false": False}[text] if text in ("true", "false") else text
        case "choice":
            return next((c for c in kind.choices if str(c) == text), text)
        case "tuple":
            return _list_from_text(text, kind)
    return text


def _number_from_text(text: str, read: Callable[[str], int | float]) -> int | float | str:
    """The number, or the text itself where it is none: the check that follows says what was wanted."""
    try:
        return read(text)
    except ValueError:
        return text


def _list_from_text(text: str, kind: Kind) -> list[Any]:
    """`0.2,0.28`, or a TOML array where a text has a comma or an escape in it."""
    if text.startswith("["):
        try:
            return tomllib.loads(f"list = {text}")["list"]
        except tomllib.TOMLDecodeError:
            raise ValueError("an array that is no TOML") from None
    item = kind.items[0]
    return [_from_text(part.strip() if item.base != "str" else part, item) for part in text.split(",")] if text else []


def _typed(value: Any, kind: Kind) -> Any:
    match kind.base:
        case "tuple":
            if not isinstance(value, list | tuple) or not (kind.endless or len(value) == len(kind.items)):
                raise ValueError
            kinds = kind.items * len(value) if kind.endless else kind.items
            return tuple(_typed(v, k) for v, k in zip(value, kinds, strict=True))
        case "choice" if value not in kind.choices or isinstance(value, bool) is not isinstance(kind.choices[0], bool):
            raise ValueError
        case "bool" if not isinstance(value, bool):
            raise ValueError
        case "str" if not isinstance(value, str):
            raise ValueError
        case "int" | "float":
            return _number(value, kind)
    return value


def _number(value: Any, kind: Kind) -> int | float:
    accepted = int if kind.base == "int" else (int, float)
    if isinstance(value, bool) or not isinstance(value, accepted):
        raise ValueError
    try:
        number = value if kind.base == "int" else float(value)
    except OverflowError:
        raise ValueError("too large") from None
    if not math.isfinite(number) or not all(HOLDS[name](number, bound) for name, bound in kind.bounds):
        raise ValueError
    return number
