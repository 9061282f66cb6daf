from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.observe.safe_text import shortened, visible


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x1b[2Jb", "a⟨U+001B⟩[2Jb"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("a\rb\r\nc\nd", "a⟨U+000D⟩b\nc\nd"),
        ("\t|", "    |"),
        ("\x00\x07\x7f", "⟨U+0000⟩⟨U+0007⟩⟨U+007F⟩"),
        ("\u202eevil\u2066", "⟨U+202E⟩evil⟨U+2066⟩"),
        ("\u2028", "⟨U+2028⟩"),
        ("\ud800", "\ufffd"),
        ("┼─ • → é 日本 👩\u200d🚀", "┼─ • → é 日本 👩\u200d🚀"),
    ],
)
def test_what_acts_becomes_visible_and_the_rest_stays(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(st.text(alphabet=st.characters(), max_size=200))
def test_no_text_keeps_a_character_that_acts(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") and c != "\n"]
    assert visible(shown) == shown


def test_long_text_is_shortened_and_says_so() -> None:
    assert shortened("abcdef", 4) == "abcd … (2 more characters)"
    assert shortened("abcd", 4) == "abcd"
