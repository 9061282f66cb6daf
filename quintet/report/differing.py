"""The settings in which the contenders of a comparison differ, and those they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from quintet.report.blocks import scrolling, section
from quintet.report.markup import Markup, tag

OWN = ("seed", "out", "threads", "steps", "expected_seconds")
"""What runs differ in by their place in the comparison, and steps that only say how long a stage may go on."""


def flat(settings: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Settings by their whole names.  Example: flat({"stage": [{"lr": 1}], "maze": {"size": 5}}) has "lr" and "maze.size" """
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if key == "stage" and isinstance(value, list):
            for index, stage in enumerate(s for s in value if isinstance(s, Mapping)):
                found |= flat(stage, f"stage {index + 1}." if len(value) > 1 else "")
        elif isinstance(value, Mapping):
            found |= flat(value, f"{above}{key}.")
        elif key not in OWN:
            found[f"{above}{key}"] = value
    return found


def differing(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The settings (by label) whose values differ, one value for each label; None where a label has no such setting."""
    by_label = [flat(each) for each in settings.values()]
    keys = dict.fromkeys(key for each in by_label for key in each)
    found = {key: [each.get(key) for each in by_label] for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def settings_that_differ(settings: Mapping[str, Mapping[str, Any]]) -> Markup | None:
    """A table: settings in rows, labels in columns."""
    found = differing(settings)
    if len(settings) < 2 or not found:
        return None
    head = tag("tr", *(tag("th", name, scope="col") for name in ("setting", *settings)))
    rows = [tag("tr", tag("th", key, scope="row"), *(tag("td", _told(value)) for value in found[key])) for key in found]
    table = scrolling(tag("table", tag("thead", head), tag("tbody", *rows)), "Settings that differ")
    note = tag(
        "p", "All other settings are the same for all. – stands for a setting that an algorithm doesn't have.", class_="note"
    )
    return section("differing", "Settings that differ", note, table)


def _told(value: Any) -> str:
    return "–" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)
