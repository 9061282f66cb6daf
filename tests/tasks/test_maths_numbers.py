from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.tasks.maths_numbers import read_number, same_number, spelled


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", "12"),
        (" 12 ", "12"),
        ("012", "12"),
        ("+12", "12"),
        ("-12", "-12"),
        ("−12", "-12"),
        ("- 12", "-12"),
        ("-0", "0"),
        ("12.0", "12"),
        ("12.", "12"),
        ("12.50", "25/2"),
        (".5", "1/2"),
        ("1,000", "1000"),
        ("1,234,567.5", "2469135/2"),
        ("1{,}000", "1000"),
        (r"1\,000", "1000"),
        (r"1,\!000", "1000"),
        (r"11,\! 111,\! 100", "11111100"),
        ("1e3", "1000"),
        ("1.5E-2", "3/200"),
        (r"1.5\times 10^3", "1500"),
        (r"1.5 \cdot 10^{-3}", "3/2000"),
        ("3/4", "3/4"),
        ("-3/4", "-3/4"),
        (r"\frac{3}{4}", "3/4"),
        (r"\dfrac{-6}{4}", "-3/2"),
        (r"-\frac34", "-3/4"),
        (r"\frac 34", "3/4"),
        (r"1\frac{1}{2}", "3/2"),
        (r"-1\frac{1}{2}", "-3/2"),
        ("1 1/2", "3/2"),
        ("$18.50", "37/2"),
        (r"\$18", "18"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("€ 5", "5"),
        ("x = 12", "12"),
        ("x_1=12", "12"),
        ("(12)", "12"),
        (r"\left(12\right)", "12"),
        (r"\text{12}", "12"),
        ("5 dollars", "5"),
        (r"5\text{ dollars}", "5"),
        (r"864 \mbox{ inches}^2", "864"),
        ("5 cm^2", "5"),
        ("5cm", "5"),
        (r"5\text{ m}", "5"),
        ("5 apples per day", "5"),
        ("5/6 cups", "5/6"),
        (r"90^\circ", "90"),
        ("90°", "90"),
    ],
)
def test_number_is_read_exactly(text: str, number: str):
    found = read_number(text)
    assert found is not None
    assert found.value == Fraction(number)


@pytest.mark.parametrize(
    "text",
    [
        "", "-", ".", "$", "miles", "x", "--5", "+-5", "5-3", "6+6", "2*6", "5!", "2^3", r"\sqrt{144}", r"5\pi", "5 pi", "3:30",
        "1,2", "1,23", "1234,567", "1,0000", "1{,}0000", "1_000", "٣", "0x5", "5x", "5xy", "5 xy", "5 m", "1 000",
        "3/0", r"\frac{1}{0}",
        "5 million", "5 squared", "5 or 6", "5 or more", "5 plus x", "5 dollars and 3 cents", "1e9999", "1e", "nan", "inf",
        r"\frac{1}{x}", "(1, 2)", "5 > 3", "10_2",
    ],
)  # fmt: skip
def test_what_is_no_number_or_not_worked_out_is_not_read(text: str):
    assert read_number(text) is None


@pytest.mark.parametrize(
    ("right", "given", "same"),
    [
        ("12", "12.0", True),
        ("12", "13", False),
        ("12", "-12", False),
        ("1000", "1,000", True),
        ("1000", "1e3", True),
        ("1/2", "0.5", True),
        ("1/2", "2/4", True),
        ("0.5", r"\frac{1}{2}", True),
        ("1/3", "0.333", False),
        ("12", "24/2", False),  # a division that nobody did
        ("12", r"\frac{24}{2}", False),
        ("24/2", "24/2", True),
        ("50", r"50\%", True),
        ("0.5", "50%", True),
        ("50%", "50", True),
        ("50%", "0.5", True),
        ("50%", "50 percent", True),
        ("50", "0.5", False),
        ("50", r"5000\%", True),
        ("50", "0.5%", False),
        ("5", "5 dollars", True),
        ("5 dollars", "$5.00", True),
    ],
)
def test_numbers_are_compared_as_it_was_decided(right: str, given: str, same: bool):
    first, second = read_number(right), read_number(given)
    assert first is not None
    assert second is not None
    assert same_number(first, second) is same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1,000.50", "1000.5", True),
        ("$5", "5 dollars", True),
        ("24/2", "12", False),
        ("50%", "50", False),
        ("1/2", "0.5", True),
    ],
)
def test_numbers_are_spelled_the_same_if_they_get_the_same_verdict(one: str, other: str, same: bool):
    first, second = read_number(one), read_number(other)
    assert first is not None
    assert second is not None
    assert (spelled(first) == spelled(second)) is same


def test_number_longer_than_python_reads_is_none():
    assert read_number("1" * 10_000) is None
    assert read_number(f"{'1' * 900}.5") is not None


@given(st.integers(), st.sampled_from(["{}", "${:,}", "{:,}", "{}.0", "{} apples", "({})"]))
def test_every_integer_is_read_however_it_is_written(number: int, written: str):
    found = read_number(written.format(number))
    assert found is not None
    assert found.value == number


@given(st.text(max_size=256) | st.text("0123456789,.-+$%\\frac{}/ ^eE", max_size=256))
def test_any_text_is_a_number_or_none(text: str):
    found = read_number(text)
    assert found is None or same_number(found, found)
