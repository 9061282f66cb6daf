"""On which line of a TOML file each key stands. tomllib reads the values but doesn't say."""

from __future__ import annotations

import re
import tomllib
from collections import Counter

Path = tuple[str | int, ...]
"""Keys from the top: ("stage", 1, "lr") is lr in the second [[stage]]."""

_SKIPPED = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_HEADER = re.compile(r"\[\[?([^\n]*?)\]\]?[ \t\r]*(?=[#\n]|$)")
_KEY = re.compile(r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[^="'\n])*""")
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[{]|[\]}]|\n|[^"\'#\[\]{}\n]+',
    re.DOTALL,
)


def line_numbers(text: str) -> dict[Path, int]:
    """The line (from 1) of every key and table of `text`, which must be valid TOML.

    Keys in an inline table or array have none of their own: take their parent's (`line_of`).
    Example: line_numbers("[[stage]]\\nlr = 1") == {("stage",): 1, ("stage", 0): 1, ("stage", 0, "lr"): 2}
    """
    found: dict[Path, int] = {}
    seen: Counter[Path] = Counter()
    table: Path = ()
    at = _skip(text, 0)
    while at < len(text):
        line = text.count("\n", 0, at) + 1
        if text[at] == "[":
            header = _HEADER.match(text, at)
            assert header, "valid TOML closes its headers"
            table = _table(_keys(header[1]), text.startswith("[[", at), seen, found, line)
            at = header.end()
        else:
            key = _KEY.match(text, at)
            assert key, "valid TOML has a key before each equals sign"
            path = table
            for part in _keys(key[0]):
                path = (*path, part)
                found.setdefault(path, line)
            at = _after_value(text, key.end())
        at = _skip(text, at)
    return found


def line_of(path: Path, lines: dict[Path, int]) -> int:
    """The line of a key, or else of the nearest table around it; 1 where there is none."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


def _table(keys: list[str], in_array: bool, seen: Counter[Path], found: dict[Path, int], line: int) -> Path:
    """The path that a header opens; a name that is an array of tables stands for its last member."""
    path: Path = ()
    for number, key in enumerate(keys):
        path = (*path, key)
        found.setdefault(path, line)
        if in_array and number == len(keys) - 1:
            path = (*path, seen[path])
            seen[path[:-1]] += 1
            found.setdefault(path, line)
        elif seen[path]:
            path = (*path, seen[path] - 1)
    return path


def _keys(dotted: str) -> list[str]:
    """The parts of a key.  Example: _keys('a."b.c"') == ["a", "b.c"]"""
    parts: list[str] = []
    value = tomllib.loads(f"{dotted.strip()} = 0")
    while isinstance(value, dict):
        ((key, value),) = value.items()
        parts.append(key)
    return parts


def _skip(text: str, at: int) -> int:
    found = _SKIPPED.match(text, at)
    return found.end() if found else at


def _after_value(text: str, at: int) -> int:
    """The end of the line on which the value that begins at `at` ends."""
    depth = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        assert piece, "valid TOML closes its strings"
        at = piece.end()
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(piece[0], 0)
        if piece[0] == "\n" and depth == 0:
            break
    return at
