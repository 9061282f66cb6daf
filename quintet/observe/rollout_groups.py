"""The answers of one step beside their siblings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan
from typing import Any

from quintet.observe.formats import short
from quintet.observe.records import Row, number
from quintet.observe.safe_text import visible


def by_group(rows: Sequence[Row]) -> dict[int, list[Row]]:
    """The answers to each prompt, groups in order, best advantage first; answers without one (NaN) last."""
    groups: dict[int, list[Row]] = {}
    for row in rows:
        index = number(row, "group")
        groups.setdefault(-1 if isnan(index) else int(index), []).append(row)
    return {group: sorted(groups[group], key=_rank) for group in sorted(groups)}


def prompt_text(prompt: Any) -> str:
    """A prompt as one text: as it is, or its messages one after another.

    Example: prompt_text([{"role": "user", "content": "2 + 2?"}]) == "user: 2 + 2?"
    """
    if isinstance(prompt, str):
        return prompt
    if isinstance(prompt, Sequence) and all(isinstance(message, Mapping) for message in prompt):
        return "\n\n".join(f"{message.get('role', '')}: {message.get('content', '')}" for message in prompt)
    return "" if prompt is None else str(prompt)


def parts(row: Mapping[str, Any]) -> list[str]:
    """The reward's components.  Example: {"parts": {"form": 1.0, "answer": 0.0}} gives ["form 1", "answer 0"]"""
    found = row.get("parts")
    if not isinstance(found, Mapping):
        return []
    return [f"{visible(str(name))} {short(number(found, name))}" for name in found]


def _rank(row: Row) -> tuple[float, float]:
    advantage, reward = number(row, "advantage"), number(row, "reward")
    return (float("inf") if isnan(advantage) else -advantage, float("inf") if isnan(reward) else -reward)
