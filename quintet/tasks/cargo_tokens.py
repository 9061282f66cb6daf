"""Rust's words: enough of its lexical rules to know what is code and what is a comment or a text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["space", "comment", "text", "number", "lifetime", "word", "sign"]


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a program."""

    kind: Kind
    text: str
    start: int
    """Its place in the program, in characters."""

    @property
    def end(self) -> int:
        return self.start + len(self.text)


_PATTERN = re.compile(
    r"""(?P<space>\s+)
    |(?P<comment>//[^\n]*|/\*)
    |(?P<text>(?:br|cr|r)(?P<hashes>\#*)"[\s\S]*?"(?P=hashes)|[bc]?"(?:\\[\s\S]|[^"\\])*"
        |b?'(?:\\(?:u\{[^}]*\}|x..|[\s\S])|[^'\\\n])')
    |(?P<lifetime>'[A-Za-z_]\w*)
    |(?P<number>\d[\d_]*(?:\.\d[\d_]*)?(?:[eE][+-]?\d+)?\w*)
    |(?P<word>(?:r\#)?[^\W\d]\w*)
    |(?P<sign>::|->|=>|&&|\|\||<<=|>>=|[=!<>+\-*/%&|^]=|\.\.=|\.\.|[\s\S])""",
    re.VERBOSE,
)
_COMMENT_ENDS = re.compile(r"/\*|\*/")


def tokens(program: str) -> list[Token]:
    """All of the program as tokens, in order; joined they are the program. Never fails: what is no Rust becomes signs."""
    found: list[Token] = []
    place = 0
    while place < len(program):
        match = _PATTERN.match(program, place)
        assert match is not None
        kind = match.lastgroup if match.lastgroup != "hashes" else "text"
        end = _comment_end(program, place) if match.group() == "/*" else match.end()
        found.append(Token(kind, program[place:end], place))  # type: ignore[arg-type]
        place = end
    return found


def code(program: str) -> list[Token]:
    """Its tokens without spaces and comments."""
    return [t for t in tokens(program) if t.kind not in ("space", "comment")]


def closing(words: Sequence[Token], opening: int) -> int | None:
    """The place of the bracket that closes the one at `opening`; None where none does."""
    depth = 0
    for place in range(opening, len(words)):
        text = words[place].text if words[place].kind == "sign" else ""
        depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
        if depth == 0:
            return place
    return None


def _comment_end(program: str, start: int) -> int:
    """Block comments nest."""
    depth = 0
    for match in _COMMENT_ENDS.finditer(program, start):
        depth += 1 if match.group() == "/*" else -1
        if depth == 0:
            return match.end()
    return len(program)
