"""Model text is hostile: it may clear a terminal, forge a line of output or reverse what follows. Here it becomes inert."""

from __future__ import annotations

import re
import unicodedata

_SUSPECT = re.compile(r"[^ -~\n]")
_JOINERS = "\u200c\u200d\u00ad"  # scripts and emoji need the first two, hyphenation the third; none moves other text


def visible(text: str) -> str:
    """The text with every character that acts instead of showing replaced by its code point; newlines stay, tabs become
    four spaces.

    Escape sequences lose their escape and can do nothing; what the model wrote can still be read. So it goes for control
    characters and those that reorder or hide text; halves of a surrogate pair become U+FFFD. The result can be printed and
    encoded everywhere UTF-8 can; it is not HTML yet.
    Example: visible("a\x1b[2Jb") == "a⟨U+001B⟩[2Jb"; visible("\u202e") == "⟨U+202E⟩"
    """
    return _SUSPECT.sub(lambda match: _shown(match[0]), text.replace("\r\n", "\n"))


def _shown(character: str) -> str:
    if character == "\t":
        return "    "
    category = unicodedata.category(character)
    if category == "Cs":
        return "\ufffd"
    if category in ("Cc", "Cf", "Zl", "Zp") and character not in _JOINERS:
        return f"⟨U+{ord(character):04X}⟩"
    return character


def shortened(text: str, limit: int) -> str:
    """At most `limit` characters of the text, and how many more there are.

    Example: shortened("abcdef", 4) == "abcd … (2 more characters)"
    """
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit:,} more characters)"
