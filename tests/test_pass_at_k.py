from __future__ import annotations

from itertools import combinations
from math import isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.intervals import wilson
from quintet.pass_at_k import maj_at_k, mean_with_interval, pass_at_k, sizes


@pytest.mark.parametrize(
    ("answers", "right", "k", "chance"),
    [
        (4, 1, 2, 0.5),  # 1 − 3/6
        (4, 2, 2, 5 / 6),  # 1 − 1/6
        (10, 3, 5, 1 - 21 / 252),
        (4, 3, 2, 1.0),
        (8, 1, 8, 1.0),
        (8, 0, 8, 0.0),
        (8, 2, 1, 0.25),
        (1, 1, 1, 1.0),
    ],
)
def test_pass_at_k_is_the_chance_of_drawing_a_right_answer(answers: int, right: int, k: int, chance: float):
    assert pass_at_k(answers, right, k) == pytest.approx(chance, abs=1e-12)


@given(st.lists(st.booleans(), min_size=1, max_size=7), st.data())
def test_pass_at_k_is_the_share_of_all_draws_that_hold_a_right_answer(right: list[bool], data: st.DataObject):
    k = data.draw(st.integers(1, len(right)))
    draws = [any(draw) for draw in combinations(right, k)]
    assert pass_at_k(len(right), sum(right), k) == pytest.approx(sum(draws) / len(draws))


def test_more_answers_than_there_are_cannot_be_asked_for():
    with pytest.raises(AssertionError):
        pass_at_k(4, 1, 5)


@pytest.mark.parametrize(
    ("votes", "right", "k", "won"),
    [
        (["7", "8", "8"], [True, False, False], 3, 0),
        (["7", "8", "8"], [False, True, True], 3, 1),
        (["7", "8", "8"], [True, False, False], 2, 1),  # a tie: 7 was there first
        (["7", "8", "8"], [True, False, False], 1, 1),
        (["7", "8", "8", "7"], [False, True, True, False], 4, 0),  # again
        ([None, None, "7"], [False, False, True], 3, 1),  # who says nothing doesn't vote
        ([None, None, "7"], [False, False, True], 2, 0),
        (["a", "b", "c", "b"], [False, True, False, True], 4, 1),
    ],
)
def test_majority_is_right_if_what_most_said_is(votes: list[str | None], right: list[bool], k: int, won: int):
    assert maj_at_k(votes, right, k) == won


@pytest.mark.parametrize(("k", "found"), [(1, [1]), (2, [1, 2]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])])
def test_curves_are_drawn_at_the_powers_of_two(k: int, found: list[int]):
    assert sizes(k) == found


def test_interval_of_zeros_and_ones_is_wilsons():
    assert mean_with_interval([1.0] * 61 + [0.0] * 39) == (0.61, *wilson(61, 100))
    assert mean_with_interval([0.0] * 10) == (0.0, *wilson(0, 10))


def test_interval_of_shares_is_near_the_normal_one():
    """Of 400 problems solved 0, 1/2 and 1 times in equal parts, the mean's deviation is √(1/6 / 400) = 0.0204."""
    values = [0.0, 0.5, 1.0, 0.5] * 100  # variance 1/8: deviation 0.01768
    mean, low, high = mean_with_interval(values)
    assert mean == 0.5
    assert (low, high) == (pytest.approx(0.5 - 1.96 * 0.01768, abs=0.004), pytest.approx(0.5 + 1.96 * 0.01768, abs=0.004))
    assert mean_with_interval(values) == (mean, low, high)


def test_interval_covers_the_truth_as_often_as_it_says():
    """Problems of eight answers each, right with a chance that is uniform from 0 to 1: the mean is 1/2."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        values = (rng.binomial(8, rng.random(60)) / 8).tolist()
        _, low, high = mean_with_interval(values)
        covered += low <= 0.5 <= high
    assert 87 <= covered <= 100  # 95, less four standard deviations


def test_one_problem_says_nothing_of_others_and_none_says_nothing_at_all():
    assert mean_with_interval([0.5]) == (0.5, 0.0, 1.0)
    mean, low, high = mean_with_interval([])
    assert isnan(mean)
    assert (low, high) == (0.0, 1.0)
