"""Values against the types and ranges of their settings."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from quintet.config.describe import Field, Kind
from quintet.config.draft import Given
from quintet.config.problems import did_you_mean

if TYPE_CHECKING:
    from pydantic import TypeAdapter

WORDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}


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
    from pydantic import ValidationError

    try:
        return _checker(kind).validate_python(value)
    except ValidationError as error:
        raise ValueError("too large" if error.errors()[0]["type"] == "int_parsing_size" else "") from None


@cache
def _checker(kind: Kind) -> TypeAdapter[Any]:
    """pydantic's check of a kind, without conversions: "1" is no number and 1.0 no whole number. It is imported here because
    help and misspelt names need no values."""
    from pydantic import TypeAdapter

    return TypeAdapter(_annotation(kind))


def _annotation(kind: Kind) -> Any:
    """The kind as a type that pydantic reads."""
    from pydantic import Field

    bounds: dict[str, Any] = dict(kind.bounds)
    match kind.base:
        case "tuple":
            items = tuple(_annotation(item) for item in kind.items)
            return tuple[(items[0], ...)] if kind.endless else tuple[items]
        case "choice":
            return Literal[kind.choices]
        case "float":
            return Annotated[float, Field(strict=True, allow_inf_nan=False, **bounds)]
    return Annotated[{"int": int, "str": str, "bool": bool}[kind.base], Field(strict=True, **bounds)]
