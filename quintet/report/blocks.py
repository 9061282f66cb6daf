"""What the report's sections are built of, and how much of a long run they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from quintet.observe.before_after import outcome
from quintet.observe.formats import short
from quintet.observe.records import number
from quintet.observe.safe_text import shortened, visible
from quintet.report.markup import Markup, tag


@dataclass(frozen=True)
class Limits:
    """How much of a long run the page holds; the page shrinks them when it grows too large."""

    text: int = 1200
    """Characters of each prompt, answer and picture."""
    samples: int = 4
    """Problems shown before and after."""
    groups: int = 2
    """Prompts of a step whose rollouts are shown."""
    answers: int = 8
    """Rollouts of each of them."""
    levels: int = 16
    settings: int = 16_000
    """Characters of the settings, and of the environment."""


def section(identity: str, title: str, *children: Markup | None) -> Markup:
    """A section with its heading, to be linked to and listed by it."""
    return tag("section", tag("h2", title, id=f"{identity}-h"), *children, id=identity, aria_labelledby=f"{identity}-h")


def scrolling(table: Markup, name: str) -> Markup:
    """A wide table scrolls by itself, by keyboard as well, instead of widening the page."""
    return tag("div", table, class_="scrolls", tabindex=0, role="region", aria_label=name)


def block(text: str, limit: int, class_: str) -> Markup:
    """A model's text or a picture, at most `limit` characters; it scrolls by keyboard as well."""
    return tag("pre", shortened(visible(text).rstrip("\n"), limit), class_=class_, tabindex=0)


def folded(summary: str, text: str, limit: int) -> Markup | None:
    """Text that shows on demand; None where there is none."""
    return tag("details", tag("summary", summary), block(text, limit, "text")) if text else None


def badge(row: Mapping[str, Any]) -> Markup:
    """How an answer did: solved or failed, or its reward where a task has no right answers."""
    result = outcome(row)
    if not result:
        return tag("span", f"reward {short(number(row, 'reward'))}", class_="badge")
    return tag("span", f"{'✓' if result == 'solved' else '✗'} {result}", class_=f"badge {result}")
