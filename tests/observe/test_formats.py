from __future__ import annotations

from math import inf, nan

import pytest

from quintet.observe.formats import change, duration, duration_in_words, interval, percent, score, short, signed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.61234, "0.612"),
        (12345.6, "12,346"),
        (999.9, "1,000"),
        (1.2e-6, "1.2e−6"),
        (-0.0203, "−0.0203"),
        (3.0, "3"),
        (100.0, "100"),
        (0.0, "0"),
        (-0.0, "0"),
        (2.5e12, "2.5e12"),
        (nan, "–"),
        (-inf, "−∞"),
    ],
)
def test_numbers_keep_three_digits(value: float, text: str) -> None:
    assert short(value) == text


def test_scores_are_percentages_where_problems_are_solved_and_numbers_where_rewards_are_averaged() -> None:
    assert score(0.61, "solved").replace("\u202f", " ") == "61.0 %"
    assert score(0.61, "reward") == "0.61"
    assert interval(0.58, 0.64, "solved") == "(58.0–64.0)"
    assert interval(0.58, 0.64, "reward") == "(0.58–0.64)"
    assert interval(nan, 0.64, "reward") == ""
    assert percent(nan) == "–"


def test_changes_carry_their_sign() -> None:
    assert change(0.113, "solved") == "+11.3"
    assert change(-0.02, "solved") == "−2.0"
    assert change(-0.02, "reward") == "−0.02"
    assert change(0.02, "reward") == "+0.02"
    assert change(nan, "reward") == "–"


def test_signed_numbers_carry_a_plus() -> None:
    assert [signed(value) for value in (0.5, 0.0, -0.5)] == ["+0.5", "0", "−0.5"]


def test_durations_are_minutes_and_hours() -> None:
    assert (duration(0.4), duration(75), duration(3675)) == ("0:00", "1:15", "1:01:15")
    words = [duration_in_words(seconds).replace("\u202f", " ") for seconds in (7, 75, 3675)]
    assert words == ["7 s", "1 min 15 s", "1 h 1 min"]
