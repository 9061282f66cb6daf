"""Which pages there are, and in which order they are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
ASSETS = ("images", "results.json", "recipes/deepseekmath.svg")
"""What pages show or link to, in docs/."""
Nav = list[dict[str, Any]]

HOME = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
"""Pages that stand outside docs/, and where the site has them."""

ORDER: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Begin",
        (
            ("Quintet", "index.md"),
            ("The first ten minutes", "first-ten-minutes.md"),
            ("Which algorithm?", "which-algorithm.md"),
        ),
    ),
    (
        "Guides",
        (
            ("Writing a reward", "rewards.md"),
            ("Tasks", "tasks.md"),
            ("Recipes", "recipes.md"),
            ("Adding an algorithm", "adding-an-algorithm.md"),
        ),
    ),
    (
        "Reference",
        (("Every setting", "settings.md"), ("Every metric", "metrics.md"), ("Architecture", "architecture.md")),
    ),
    ("Measured", (("Five algorithms", "results.md"), ("Parity", "parity.md"), ("Log of experiments", "log.md"))),
    ("Project", (("Contributing", "contributing.md"), ("Changelog", "changelog.md"))),
)
"""Titles and pages by section. A page that isn't there is left out; one that isn't named here is put with its kind."""
HOMES = (("tasks", "Guides"), ("recipes", "Guides"), ("api", "API"), ("decisions", "Decisions"))
"""Where a page goes that `ORDER` doesn't name, by how its path begins."""


def sources() -> dict[str, str]:
    """Every page of the repository: its path there, and its path in the site."""
    inside = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return {**HOME, **{path: path.removeprefix("docs/") for path in inside}}


def nav(pages: Sequence[str]) -> Nav:
    """The navigation over the pages there are, each once."""
    left = sorted(set(pages))
    sections: dict[str, list[dict[str, str]]] = {}
    for section, entries in ORDER:
        for title, page in entries:
            if page in left:
                left.remove(page)
                sections.setdefault(section, []).append({title: page})
    for page in left:
        home = next((name for start, name in HOMES if page.startswith(start)), "Project")
        sections.setdefault(home, []).append({title_of(page): page})
    return [{name: entries} for name, entries in sections.items()]


def title_of(page: str) -> str:
    """Example: title_of("decisions/0005-a-pair-is-a-group.md") == "0005 a pair is a group" """
    name = Path(page).stem.replace("-", " ")
    return name if name[:1].isdigit() else name[:1].upper() + name[1:]
