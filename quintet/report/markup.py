"""HTML in which text can't become markup: whatever isn't built here is escaped on its way in."""

from __future__ import annotations

from html import escape
from typing import Final

from quintet.observe.safe_text import visible

_VOID: Final = frozenset({"meta", "br"})


class Markup(str):
    """Finished HTML. Only `tag`, `join` and the stylesheet make it."""

    __slots__ = ()


Child = Markup | str | int | float | None


def tag(name: str, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """An element. Children that aren't Markup are text: control characters made visible, then escaped; None is left out.

    Attribute names lose a last underscore and get hyphens for the others; True gives a bare attribute, None and False none.
    Example: tag("p", "a < b", class_="note") == '<p class="note">a &lt; b</p>'
    """
    names = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{names}>")
    return Markup(f"<{name}{names}>{join(*children)}</{name}>")


def join(*children: Child) -> Markup:
    """Several pieces one after another, text escaped."""
    return Markup("".join(_escaped(child) for child in children if child is not None))


def _escaped(child: Child) -> str:
    return child if isinstance(child, Markup) else escape(visible(str(child)), quote=False)


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(visible(str(value)))}"'
