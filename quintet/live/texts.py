"""Answers and their differences as the page shows them: model text made visible, cut to a length, never markup."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from math import isfinite, nan
from typing import Any

from quintet.observe.before_after import outcome
from quintet.observe.formats import short, signed
from quintet.observe.records import Row, number
from quintet.observe.rollout_groups import by_group, parts, prompt_text
from quintet.observe.safe_text import visible

MOST_TEXT = 1_500
"""Characters of an answer or prompt before somebody asks for the rest."""
MOST_WHOLE = 400_000
"""Characters of it even then."""
MOST_COMPARED = 4_000
_WORDS = re.compile(r"<\|[^|<>\n]{1,40}\|>|\w+|\s+|.", re.DOTALL)


def cut(text: Any, most: int = MOST_TEXT) -> dict[str, Any]:
    """A text made visible, and how many of its characters are left out."""
    whole = str(text or "")
    return {"text": visible(whole[:most]), "more": max(0, len(whole) - most)}


def answer(row: Mapping[str, Any]) -> dict[str, Any]:
    """One answer with its grade."""
    advantage = number(row, "advantage")
    return {
        "at": row.get("at"),
        "step": row.get("step"),
        "advantage": signed(advantage) if isfinite(advantage) else "",
        "sign": (advantage > 0) - (advantage < 0) if isfinite(advantage) else 0,
        "reward": short(number(row, "reward")),
        "outcome": outcome(row),
        "parts": parts(row),
        "tokens": short(number(row, "tokens")),
        "stop": visible(str(row.get("stop_reason") or "")),
        "picture": visible(str(row["picture"])[:MOST_WHOLE]) if row.get("picture") else None,
        **cut(row.get("text")),
    }


def groups(rows: Sequence[Row], start: int, count: int) -> dict[str, Any]:
    """`count` prompts of a step from number `start` on, each with its answers by advantage, the best first."""
    grouped = by_group(rows)
    shown = list(grouped.items())[start : start + count]
    return {
        "answers": len(rows),
        "groups": len(grouped),
        "start": start,
        "shown": [
            {**prompt(members[0]), "group": group, "answers": [answer(row) for row in members]} for group, members in shown
        ],
    }


def prompt(row: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked."""
    return {
        "prompt_id": visible(str(row.get("prompt_id") or "")),
        "level": visible(str(row.get("level") or "")),
        "prompt": cut(prompt_text(row.get("prompt"))),
    }


def differences(one: Sequence[Row], other: Sequence[Row], start: int, count: int) -> dict[str, Any]:
    """The prompts that both have, each with the best answer of either side and where the two differ.

    Prompts whose outcome differs come first, then those whose mean reward does, otherwise in order.
    """
    ours, theirs = _by_prompt(one), _by_prompt(other)
    both = sorted((key for key in ours if key in theirs), key=lambda key: -_apart(ours[key], theirs[key]))
    return {
        "prompts": [len(ours), len(theirs)],
        "both": len(both),
        "start": start,
        "shown": [_difference(ours[key], theirs[key]) for key in both[start : start + count]],
    }


def _by_prompt(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    found: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        found.setdefault((str(row.get("prompt_id")), prompt_text(row.get("prompt"))), []).append(row)
    return {key: sorted(some, key=lambda row: -_reward(row)) for key, some in found.items()}


def _reward(row: Mapping[str, Any]) -> float:
    value = number(row, "reward")
    return value if isfinite(value) else float("-inf")


def _apart(one: Sequence[Row], other: Sequence[Row]) -> float:
    means = [_mean([number(row, "reward") for row in rows]) for rows in (one, other)]
    gap = abs(means[0] - means[1])
    return (gap if isfinite(gap) else 0.0) + (outcome(one[0]) != outcome(other[0]))


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if isfinite(value)]
    return sum(known) / len(known) if known else nan


def _difference(one: Sequence[Row], other: Sequence[Row]) -> dict[str, Any]:
    texts = [str(rows[0].get("text") or "") for rows in (one, other)]
    marked = marks(*(visible(text[:MOST_COMPARED]) for text in texts))
    sides = [
        {
            **answer(rows[0]),
            "pieces": pieces,
            "more": max(0, len(text) - MOST_COMPARED),
            "count": len(rows),
            "mean": short(_mean([number(row, "reward") for row in rows])),
        }
        for rows, pieces, text in zip((one, other), marked, texts, strict=True)
    ]
    return {**prompt(one[0]), "sides": sides, "same": texts[0] == texts[1]}


def marks(one: str, other: str) -> tuple[list[list[Any]], list[list[Any]]]:
    """Two texts in pieces, each piece with whether the other text lacks it; words and special tokens stay whole.

    Example: marks("go up", "go down") == ([["go ", False], ["up", True]], [["go ", False], ["down", True]])
    """
    words = [_WORDS.findall(text) for text in (one, other)]
    sides: tuple[list[list[Any]], list[list[Any]]] = ([], [])
    for kind, a, b, c, d in SequenceMatcher(None, *words, autojunk=len(words[0]) + len(words[1]) > 2_000).get_opcodes():
        for side, piece in zip(sides, (words[0][a:b], words[1][c:d]), strict=True):
            if piece:
                side.append(["".join(piece), kind != "equal"])
    return sides
