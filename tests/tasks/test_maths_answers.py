from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.tasks.maths_answers import Form, boxes, commits, final_answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"So \boxed{4}.", "4"),
        (r"\boxed{4}, no, \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\left\{ x \right.}", r"\left\{ x \right."),  # an escaped brace has no other half
        (r"\boxed{\boxed{5}}", "5"),
        (r"\fbox{7}", "7"),
        (r"\boxed {8}", "8"),
        (r"$\boxed 9$", "9"),
        (r"{ \boxed{5}", "5"),
        (r"} \boxed{5}", "5"),
        (r"\boxed{5} and then \boxed{6", "5"),  # cut off: the last one that is whole
        (r"\boxed{ $5$ }", "5"),
        (r"\boxed{\$5}", r"\$5"),
        (r"\boxed{}", None),
        (r"\boxed{5", None),
        (r"\\boxed{5}", None),  # a line break and a word
        ("boxed{5}", None),
        ("5", None),
        ("", None),
    ],
)
def test_box_is_the_last_whole_one_and_its_braces_balance(text: str, answer: str | None):
    assert final_answer(text, "boxed") == answer
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("4+4=8\n#### 8", "8"),
        ("####8", "8"),
        ("#### 8\n#### 9", "9"),
        ("#### 8 #### 9", "9"),
        ("#### 8.\nQuestion: what else?", "8"),
        ("#### $1,000", "$1,000"),
        (r"#### \boxed{5}", "5"),
        ("#### ", None),
        ("### 8", None),
        ("##### 8", "8"),
    ],
)
def test_answer_behind_hashes_ends_with_its_line(text: str, answer: str | None):
    assert final_answer(text, "hashes") == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("<answer>8</answer>", "8"),
        ("<answer>7</answer> <answer>\n8\n</answer>", "8"),
        ("<answer><answer>8</answer>", "8"),
        ("<answer>8</answer> <answer>9", "8"),
        ("<answer>8</answer> 9</answer>", "8"),
        (r"<answer>\boxed{8}</answer>", "8"),
        (r"<answer>\(8\)</answer>", "8"),
        (r"<answer>\boxed{5} or \boxed{6}</answer>", r"\boxed{5} or \boxed{6}"),
        ("</answer>8<answer>", None),
        ("<Answer>8</Answer>", None),
    ],
)
def test_answer_in_tags_stands_between_the_last_pair(text: str, answer: str | None):
    assert final_answer(text, "tags") == answer


def test_any_takes_the_mark_that_begins_last():
    assert final_answer(r"\boxed{1} <answer>2</answer> #### 3") == "3"
    assert final_answer(r"#### 3" + "\n" + r"<answer>2</answer> \boxed{1}") == "1"
    assert final_answer(r"\boxed{1}" + "\n#### 3\n<answer>2</answer>") == "2"


@pytest.mark.parametrize(("form", "answer"), [("boxed", "1"), ("tags", "2"), ("hashes", "3")])
def test_form_that_was_asked_for_is_the_only_one_read(form: Form, answer: str):
    text = r"\boxed{1} <answer>2</answer> #### 3"
    assert final_answer(text, form) == answer
    assert final_answer("1 2 3", form) is None


def test_text_commits_to_one_answer_however_often_it_is_marked():
    assert commits(r"\boxed{5}, again \boxed{ 5 }")
    assert commits("#### \\boxed{5}")
    assert not commits(r"\boxed{5}, or \boxed{6}")
    assert not commits(r"\boxed{}")
    assert not commits("5")
    assert not commits("#### 5", "boxed")


@given(
    st.text() | st.lists(st.sampled_from(["\\boxed{", "}", "{", "\\", "5", "####", "\n", "<answer>", "</answer>"])).map("".join)
)
def test_any_text_has_an_answer_or_none(text: str):
    found = final_answer(text)
    assert found is None or (found and found in text)


@pytest.mark.parametrize(("piece", "answer"), [("\\boxed{", None), ("{", None), ("<answer>", None), ("#### ", None)])
def test_text_of_nothing_but_beginnings_is_read_in_one_pass(piece: str, answer: str | None):
    """A megabyte of them: a second look at each from each other one would not end today."""
    assert final_answer(piece * (1_000_000 // len(piece))) == answer


def test_inner_box_of_many_is_the_last():
    assert max(boxes("\\boxed{" * 1000 + "5" + "}" * 1000)) == (999 * 7, "5")
