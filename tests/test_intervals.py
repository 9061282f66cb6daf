from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.intervals import of_mean, wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (61, 100, 0.5121, 0.6998),
        (50, 100, 0.4038, 0.5962),
        (0, 10, 0.0, 0.2775),  # z²/(n + z²) = 3.8415/13.8415
        (10, 10, 0.7225, 1.0),
        (1, 1, 0.2065, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_interval(successes, trials, low, high):
    assert wilson(successes, trials) == pytest.approx((low, high), abs=1e-4)


def test_a_smaller_confidence_is_a_narrower_interval():
    (low, high), (lower, higher) = wilson(61, 100, 0.8), wilson(61, 100)
    assert lower < low < 0.61 < high < higher


counts = st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_wilson_holds_the_share_and_stays_within_0_and_1(count):
    successes, trials = count
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high


@given(counts)
def test_wilson_is_symmetric_in_successes_and_failures(count):
    successes, trials = count
    low, high = wilson(successes, trials)
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_interval_of_a_mean():
    assert of_mean([0, 1, 0, 1]) == pytest.approx((-0.0658, 1.0658), abs=1e-4)  # 1.95996 · .57735 / 2 = .56579
    assert of_mean([2.0, 2.0, 2.0]) == (2, 2)


@pytest.mark.parametrize("values", [[], [0.7]])
def test_mean_of_less_than_two_values_could_be_anything(values):
    assert of_mean(values) == (-inf, inf)
