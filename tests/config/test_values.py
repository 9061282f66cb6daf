from __future__ import annotations

import pytest

from quintet.config.describe import Field, Kind
from quintet.config.draft import Given
from quintet.config.values import read_value, wanted

COUNT = Kind("int", (("ge", 1),))
POSITIVE = Kind("float", (("gt", 0),))
SHARE = Kind("float", (("ge", 0), ("le", 1)))
PAIR = Kind("tuple", items=(SHARE, SHARE))
WORDS = Kind("tuple", items=(Kind("str"),), endless=True)
CHOICE = Kind("choice", choices=("constant", "cosine"))


def read(value: object, kind: Kind, text: bool = False) -> object:
    return read_value(Given(value, "here", text), Field("knob", kind, None, ""))


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (3, COUNT, 3),
        (1, POSITIVE, 1.0),
        (1, SHARE, 1.0),
        ([0, 0.5], PAIR, (0.0, 0.5)),
        ([], WORDS, ()),
        (["a,b"], WORDS, ("a,b",)),
        ("cosine", CHOICE, "cosine"),
        (True, Kind("bool"), True),
    ],
)
def test_value_of_a_recipe_is_read_in_its_settings_type(value: object, kind: Kind, result: object):
    found = read(value, kind)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("text", "kind", "result"),
    [
        ("3", COUNT, 3),
        ("1e-3", POSITIVE, 1e-3),
        ("0.2,0.28", PAIR, (0.2, 0.28)),
        ("[0.2, 1]", PAIR, (0.2, 1.0)),
        ("a,b", WORDS, ("a", "b")),
        ('["a,b", "\\n"]', WORDS, ("a,b", "\n")),
        ("", WORDS, ()),
        ("1", Kind("str"), "1"),
        ("true", Kind("bool"), True),
        (False, Kind("bool"), False),
    ],
)
def test_text_of_a_flag_is_read_in_its_settings_type(text: object, kind: Kind, result: object):
    found = read(text, kind, text=True)
    assert found == result
    assert type(found) is type(result)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (0, COUNT),
        (True, COUNT),
        (1.0, COUNT),
        ("1", COUNT),
        (0, POSITIVE),
        (float("nan"), POSITIVE),
        (float("inf"), POSITIVE),
        (10**400, POSITIVE),
        (1.01, SHARE),
        (1.0, Kind("float", (("lt", 1),))),
        ([0.1], PAIR),
        ([0.1, 2], PAIR),
        (0.1, PAIR),
        ("word", WORDS),
        ([1], WORDS),
        (1, Kind("str")),
        (1, Kind("bool")),
        ("x", CHOICE),
        ({"a": 1}, COUNT),
    ],
)
def test_value_of_another_type_or_beyond_its_range_is_refused(value: object, kind: Kind):
    with pytest.raises(ValueError, match="knob must be"):
        read(value, kind)


@pytest.mark.parametrize(
    ("text", "kind"), [("1.5", COUNT), ("fast", POSITIVE), ("0.1,x", PAIR), ("[0.1", PAIR), ("yes", Kind("bool"))]
)
def test_text_that_is_no_such_value_is_refused(text: str, kind: Kind):
    with pytest.raises(ValueError, match="knob must be"):
        read(text, kind, text=True)


def test_complaint_says_what_was_wanted_and_what_came():
    with pytest.raises(ValueError, match=r'^knob must be a number above 0, not "fast"\.$'):
        read("fast", POSITIVE, text=True)


def test_nearest_choice_is_offered():
    with pytest.raises(ValueError, match=r'constant or cosine, not "cosin"\. Did you mean "cosine"\?'):
        read("cosin", CHOICE)


def test_ranges_in_words():
    assert wanted(COUNT) == "a whole number of at least 1"
    assert wanted(SHARE) == "a number from 0 to 1"
    assert wanted(Kind("float", (("gt", 0), ("le", 1)))) == "a number above 0 and at most 1"
    assert wanted(PAIR) == "a list of 2 numbers from 0 to 1"
    assert wanted(WORDS) == "a list of texts"
    assert wanted(Kind("choice", choices=("a", "b", "c"))) == "a, b or c"
    assert wanted(Kind("choice", choices=("a",))) == "a"
