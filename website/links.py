"""Links between pages: from where they stand in the repository to where they stand in the site."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^()\s]+)\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)


def relinked(text: str, source: str, target: str, pages: Mapping[str, str]) -> str:
    """The page `source` with its relative links as the page `target` needs them. What the site doesn't have becomes plain text
    with its path. Code blocks stay as they are.

    Example: [log](docs/log.md) in README.md becomes [log](log.md) in index.md."""

    def link(found: re.Match[str]) -> str:
        image, label, address = found.groups()
        if re.match(r"[a-z]+:|#", address):
            return found[0]
        path, hash_, part = address.partition("#")
        there = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        inside = pages.get(there) or (there.removeprefix("docs/") if _is_asset(there) else None)
        if inside is None:
            return f"`{there}`" if label in (there, f"`{there}`") else f"{label} (`{there}`)"
        return f"{image}[{label}]({posixpath.relpath(inside, posixpath.dirname(target) or '.')}{hash_}{part})"

    pieces = _FENCE.split(text)
    return "".join(piece if piece.startswith("```") else _LINK.sub(link, piece) for piece in pieces)


def _is_asset(path: str) -> bool:
    return path.startswith("docs/") and not path.endswith(".md")
