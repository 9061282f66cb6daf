from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.protocols import TaskError
from quintet.tasks import maths_workers
from quintet.tasks.maths_grading import LONGEST, Grade, grade_answers, needs_math_verify, plain, same_for_all, settled


def test_what_is_written_the_same_is_right_whatever_it_is():
    assert settled(r"\left( 3, \frac{\pi}{2} \right)", r"(3,\dfrac{\pi}{2})") == Grade(True)
    assert settled("p - q", "$p-q$") == Grade(True)
    assert settled("@!?", "@!?") == Grade(True)
    assert plain(r"\left( 3, \tfrac 12 \right)") == r"(3,\frac12)"
    assert plain(r"\leftarrow") == r"\leftarrow"


@pytest.mark.parametrize(
    ("right", "given_", "reason"),
    [
        ("12", None, "no final answer"),
        ("12", "1" * (LONGEST + 1), "longer than 256 characters"),
        ("12", "6+6", "no number, or not worked out"),
        ("12", "13", ""),
        ("p - q", "p}{q", "its braces don't match"),
        ("p - q", "{p - q", "its braces don't match"),
        ("p - q", "5} + \\boxed{6", "its braces don't match"),
    ],
)
def test_wrong_answers_are_found_without_asking_anyone(right: str, given_: str | None, reason: str):
    assert settled(right, given_) == Grade(False, reason)


@pytest.mark.parametrize(
    ("right", "given_", "correct"),
    [
        (r"\text{Evelyn}", "evelyn", True),
        (r"\text{Evelyn}", r"\text{Evelyn.}", True),
        (r"\text{Evelyn}", "nylevE", False),
        (r"\text{(C)}", "C", True),
        (r"\text{(C)}", "(c)", True),
        (r"\text{(C)}", "(D)", False),
        (r"\text{(C)}", "A, B, C", False),
        ("even", "Even", True),
        ("even", "neve", False),  # as a product of variables they are the same
        ("no", "No", True),
        ("Monday", r"\textbf{Monday}", True),
    ],
)
def test_words_are_compared_letter_by_letter(right: str, given_: str, correct: bool):
    assert settled(right, given_) == Grade(correct)


@pytest.mark.parametrize(
    ("right", "asks"), [("12", False), ("1/2", False), (r"\text{odd}", False), ("xy", True), ("p - q", True)]
)
def test_math_verify_is_needed_for_what_is_neither_number_nor_word(right: str, asks: bool):
    assert needs_math_verify(right) is asks
    assert (settled(right, "z + 1") is None) is asks


def test_votes_for_the_same_number_are_spelled_the_same():
    assert same_for_all("1,000") == same_for_all("$1000.00") == "1000"
    assert same_for_all(r"\left(p - q\right)") == "(p-q)"


@given(st.text(max_size=300), st.text(max_size=300) | st.text("0123456789.,%{}\\", max_size=300))
def test_any_two_texts_are_settled_or_left_to_math_verify(right: str, given_: str):
    grade = settled(right, given_)
    assert (
        (grade is not None)
        if not needs_math_verify(right)
        else (grade is None or not grade.correct or plain(right) == plain(given_))
    )


def test_without_math_verify_numbers_and_words_are_graded_and_the_rest_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(maths_workers, "installed", lambda: False)
    monkeypatch.setattr(maths_workers, "_pool", lambda: maths_workers.Workers(1))
    assert [g.correct for g in grade_answers([("12", "12.0"), ("12", "6+6"), (r"\text{odd}", "odd")])] == [True, False, True]
    with pytest.raises(TaskError, match=r"math-verify, which isn't installed\. Run: pip install 'math-verify"):
        grade_answers([("12", "12"), ("p - q", "q - p")])


# ---- by math-verify --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("right", "given_", "correct"),
    [
        ("p - q", "-q + p", True),
        ("p - q", "q - p", False),
        ("p - q", r"\frac{p^2-q^2}{p+q}", True),
        (r"2\sqrt{3}", r"\sqrt{12}", True),
        (r"2\sqrt{3}", r"x = 2\sqrt{3}", True),
        (r"2\sqrt{3}", "3.4641016", True),  # to six digits
        (r"2\sqrt{3}", "3.46", False),
        (r"\left( 3, \frac{\pi}{2} \right)", r"(3, \pi/2)", True),
        ("1,-2", "-2, 1", True),  # a set
        ("1,-2", "1", False),
        ("1,-2", "1,-2,3", False),
        ("[0,1)", "[0,1]", False),
        ("x > 3", r"x \ge 3", False),
    ],
)
def test_algebra_is_math_verifys(right: str, given_: str, correct: bool):
    pytest.importorskip("math_verify")
    assert grade_answers([(right, given_)]) == [Grade(correct)]


def test_grades_keep_their_order_and_equal_questions_are_asked_once(monkeypatch: pytest.MonkeyPatch):
    asked: list[list[tuple[str, str]]] = []

    def equivalent(questions: list[tuple[str, str]]) -> list[bool | None]:
        asked.append(questions)
        return [True, None]

    monkeypatch.setattr("quintet.tasks.maths_grading.equivalent", equivalent)
    found = grade_answers([("5", "6"), ("a+b", "b+a"), ("5", "5"), ("a+b", "c+d"), ("a+b", "b+a"), ("a+b", None)])
    assert found == [
        Grade(False), Grade(True), Grade(True), Grade(False, "comparing it took too long"), Grade(True),
        Grade(False, "no final answer"),
    ]  # fmt: skip
    assert asked == [[("a+b", "b+a"), ("a+b", "c+d")]]
