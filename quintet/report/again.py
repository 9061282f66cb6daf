"""What it takes to make the run again: the command, the settings, the machine."""

from __future__ import annotations

from quintet.observe.safe_text import shortened
from quintet.report.blocks import Limits, block, section
from quintet.report.facts import Facts
from quintet.report.markup import Markup, join, tag


def settings(facts: Facts, limits: Limits) -> Markup | None:
    """How to get the same run again: the command, the settings, the machine."""
    environment = {key: value for key, value in facts.environment.items() if key != "command" and value is not None}
    command = facts.environment.get("command")
    if isinstance(command, list):
        command = " ".join(map(str, command))
    blocks = []
    if command:
        blocks.append(join(tag("h3", "Command"), block(str(command), limits.settings, "text")))
    if facts.settings_text:
        blocks.append(join(tag("h3", "Settings"), block(facts.settings_text, limits.settings, "text")))
    if environment:
        rows, left = [], limits.settings
        for key, value in environment.items():
            told = shortened(str(value), max(0, left))
            left -= len(told)
            rows.append(tag("div", tag("dt", shortened(key, 80)), tag("dd", told)))
        blocks.append(join(tag("h3", "Environment"), tag("dl", *rows[:100], class_="environment")))
    return section("again", "To reproduce it", *blocks) if blocks else None
