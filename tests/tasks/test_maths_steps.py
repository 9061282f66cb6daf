from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.data import Prompt, Rollout
from quintet.tasks.maths import Maths
from quintet.tasks.maths_steps import holds, judged_lines, worked_out

TRUE = [
    "So 3*4=12 and 12/5 = 2.4",
    "$2 x 9 = $18",
    "80,000+50,000=$130,000",
    "14/3 = 4.67",
    "20% * 50 = 10",
    "16 - 3 - 4 = 9 eggs",
    "2+3=5=10/2",
    "(1 + 2) × 3 − 4 = 5.",
    "-2 - -3 = 1",
    "no equation at all",
    "",
    "x = 5",
    "2x + 3 = 9",
    "x + 278 = 536",
    "100 fish / 2 = 50 blowfish",
    "4 * x + 600 = 10000",
    "so 100 = 5A",
    "86(2)=172",
    "2^3 = 8",
    "3 / 2 = 1 1/2",
    "8 x 1 1/2 = 12",
    "$80 000 x 20/100 = $16 000",
    "11:00-8:00 = 3 hours",
    "20 X 7 = 140",
    "√25=5",
]
FALSE = ["3*4=13", "So 3 * 4 = 12 and 12 + 1 = 12", "14/3 = 4.66", "1=2", "5/0=1", "2+3=5=6", "20% * 50 = 20", "$5 + $5 = $11."]


@pytest.mark.parametrize("line", TRUE)
def test_lines_in_which_nothing_is_false(line: str):
    assert holds(line)


@pytest.mark.parametrize("line", FALSE)
def test_lines_with_a_false_equation(line: str):
    assert not holds(line)


@given(st.integers(-99, 99), st.integers(-99, 99), st.sampled_from("+-*"), st.integers(-3, 3))
def test_equation_of_two_numbers_holds_if_and_only_if_it_is_true(a: int, b: int, sign: str, off: int):
    value = {"+": a + b, "-": a - b, "*": a * b}[sign] + off
    assert holds(f"Then {a} {sign} {b} = {value} of them") == (off == 0)


def test_lines_are_steps_and_the_last_is_as_right_as_the_answer():
    text = "2*3=6 apples\n\nThat's 6+1=8\n#### 8"
    assert judged_lines(text, True, lambda line: "####" in line) == ((14, 1.0), (27, 0.0), (33, 1.0))
    assert judged_lines(text, False, lambda line: "####" in line)[-1] == (33, 0.0)


def test_task_judges_steps_where_it_is_asked_to():
    prompt = Prompt("p", text="", truth={"answer": "7"})
    rollout = Rollout(prompt, [], [], [], "2*3=6\n6+1=8\n#### 7", "eos", policy_version=0)
    (plain,) = Maths().grade([rollout])
    (judged,) = Maths(step_rewards="equations").grade([rollout])
    assert (plain.steps, judged.steps) == ((), ((6, 1.0), (12, 0.0), (18, 1.0)))
    assert (Maths().judges_steps, Maths(step_rewards="equations").judges_steps) == (False, True)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("(1,000 - 4) / 3", 332),
        ("2 + 3 * 4", 14),
        ("-(2)", -2),
        ("2 +", None),
        ("()", None),
        ("1/0", None),
        ("a", None),
        ("(" * 99 + "1", None),
    ],
)
def test_expressions_by_hand(text: str, value: int | None):
    assert worked_out(text) == value


POISON = ["1+" * 5000 + "1=2", "(" * 5000 + "1=1", "1 1 " * 5000 + "=", "$" * 20000 + "=", ("1" + " " * 190 + "= a") * 20]


@pytest.mark.parametrize("line", POISON)
def test_poison_is_wrong_or_passed_over_at_once(line: str):
    began = time.perf_counter()
    holds(line)
    assert time.perf_counter() - began < 20  # it took .2 s; what this catches takes minutes
