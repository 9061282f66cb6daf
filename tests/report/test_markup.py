from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from quintet.observe.safe_text import visible
from quintet.report.markup import join, tag


def test_text_is_escaped_and_elements_are_not() -> None:
    assert tag("p", "a < b & c", tag("b", "d"), class_="note") == '<p class="note">a &lt; b &amp; c<b>d</b></p>'


def test_attributes_are_quoted_and_renamed() -> None:
    assert tag("i", title='"><script>', aria_label="x") == '<i title="&quot;&gt;&lt;script&gt;" aria-label="x"></i>'
    assert tag("i", open=True, hidden=False, id=None, x=0) == '<i open x="0"></i>'


def test_void_elements_have_no_end() -> None:
    assert tag("meta", charset="utf-8") == '<meta charset="utf-8">'


def test_none_is_left_out_and_numbers_are_written() -> None:
    assert join("a", None, 3, tag("b")) == "a3<b></b>"


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.title: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.title = dict(attrs).get("title")

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(alphabet=st.characters(), max_size=60))
def test_any_text_comes_out_of_a_parser_as_text(text: str) -> None:
    reader = Reader()
    reader.feed(tag("p", text, title=text))
    reader.close()
    assert reader.tags == ["p"]
    assert reader.text == visible(text)
    assert reader.title == visible(text)
