r"""Where an answer's final answer stands: in a \boxed{}, behind ####, or between <answer> and </answer>."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import Literal

Form = Literal["any", "boxed", "hashes", "tags"]
Mark = tuple[int, str]
"""Where a marked answer begins, in characters, and what it says."""

_BRACES = re.compile(r"\\(?:boxed|fbox)\s*\{|\\.|[{}]", re.DOTALL)
_BARE_BOX = re.compile(r"\\(?:boxed|fbox)\s+([^\s{}$\\]+)")
_HASHES = re.compile(r"####(?!#)((?:(?!####)[^\n])*)")
_TAG = re.compile(r"<(/?)answer>")
_STOP = re.compile(r"(?<!\\right)(?<!\\left)(?<!\s)\s?\.$")
_DOLLARS = re.compile(r"\$\$?([^$]+)\$\$?")


def final_answer(text: str, form: Form = "any") -> str | None:
    r"""The last marked answer, without the white space, dollar signs and full stop around it; None where there is none.

    `any` takes whichever mark begins last. A box or tag that is never closed marks nothing.
    Example: final_answer(r"So \boxed{4}, no, \boxed{\frac{1}{2}}.") == r"\frac{1}{2}"
    """
    found = max(_marks(text, form), default=None)
    return (bare(found[1]) or None) if found else None


def commits(text: str, form: Form = "any") -> bool:
    """Whether something is marked, and all that is marked is the same."""
    said = {bare(content) for _, content in _marks(text, form)}
    return len(said) == 1 and "" not in said


def _marks(text: str, form: Form) -> list[Mark]:
    finders = FINDERS.values() if form == "any" else [FINDERS[form]]
    return [mark for find in finders for mark in find(text)]


def boxes(text: str) -> list[Mark]:
    r"""Every \boxed{…} whose braces balance, in one pass: a text of nothing but open boxes takes no longer than another."""
    found: list[Mark] = []
    if "boxed" not in text and "fbox" not in text:
        return found
    opened: list[tuple[bool, int, int]] = []  # is it a box, where it begins, where its content does
    for token in _BRACES.finditer(text):
        if token[0] == "}":
            box, start, content = opened.pop() if opened else (False, 0, 0)
            if box:
                found.append((start, text[content : token.start()]))
        elif token[0][-1] == "{" and (token[0] == "{" or len(token[0]) > 2):  # not the escaped brace of a set
            opened.append((token[0] != "{", token.start(), token.end()))
    return found + [(m.start(), m[1]) for m in _BARE_BOX.finditer(text)]


def hashes(text: str) -> list[Mark]:
    """What follows each #### on its line."""
    return [(m.start(), m[1]) for m in _HASHES.finditer(text)] if "####" in text else []


def tags(text: str) -> list[Mark]:
    """What stands between <answer> and the next </answer>."""
    found: list[Mark] = []
    opened: re.Match[str] | None = None
    for tag in _TAG.finditer(text):
        if not tag[1]:
            opened = tag
        elif opened:
            found.append((opened.start(), text[opened.end() : tag.start()]))
            opened = None
    return found


FINDERS: MappingProxyType[str, Callable[[str], list[Mark]]] = MappingProxyType({"boxed": boxes, "hashes": hashes, "tags": tags})


def bare(answer: str) -> str:
    """The answer without what is only typography around it."""
    answer = _STOP.sub("", answer.strip())
    for start, content in boxes(answer):  # `#### \boxed{5}` and `<answer>\boxed{5}</answer>` say 5
        if start == 0 and len(answer) <= len(content) + len(r"\boxed{}"):
            answer = content.strip()
            break
    for left, right in ((r"\(", r"\)"), (r"\[", r"\]")):
        if answer.startswith(left) and answer.endswith(right):
            answer = answer[2:-2].strip()
    dollars = _DOLLARS.fullmatch(answer)
    return _STOP.sub("", (dollars[1] if dollars else answer).strip())
