"""Statistics against cases worked by hand, and against simulations in which the truth is known."""

from __future__ import annotations

from itertools import combinations
from math import inf, isnan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from quintet import statistics
from quintet.statistics import Estimate, apart, area_under, first_reaching, interquartile_mean, probability_of_improvement

ONE_LEVEL = np.zeros(300)


def array(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)


# ---- by hand ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    [(1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (5, 2.571), (9, 2.262), (30, 2.042), (1e9, 1.960)],
)
def test_quantiles_of_student_are_those_of_the_tables(freedom: float, quantile: float):
    assert statistics.t_quantile(0.975, freedom) == pytest.approx(quantile, rel=2e-3)


def test_quantiles_of_student_fall_with_the_degrees_of_freedom():
    found = [statistics.t_quantile(0.975, freedom) for freedom in (1, 1.5, 2, 2.5, 3, 3.5, 10)]
    assert found == sorted(found, reverse=True)
    assert statistics.t_quantile(0.975, 2.5) == pytest.approx(3.558, rel=0.05)


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        ((0, 1, 2, 3), 1.5),
        ((9, 0, 1, 2), 1.5),  # the order doesn't matter, and the outlier is left out
        ((0, 1, 8), 2.0),  # thirds: a twelfth of the weight, a third, a twelfth
        ((5,), 5.0),
        ((0, 4), 2.0),
        ((0, 0, 1, 1, 1, 1, 9, 9), 1.0),
    ],
)
def test_interquartile_mean_by_hand(values: tuple[float, ...], middle: float):
    assert interquartile_mean(array(*values)) == pytest.approx(middle)


def test_probability_of_improvement_by_hand():
    """3 beats 1 and 2 and ties with 3: 2.5 of 3; 4 and 5 beat all: 8.5 of 9."""
    found = probability_of_improvement(array(3, 4, 5), array(1, 2, 3))
    assert found.value == pytest.approx(8.5 / 9)
    assert 0.4 < found.low < found.value < found.high < 1


def test_three_runs_above_three_others_are_no_certainty():
    sure = probability_of_improvement(array(4, 5, 6), array(1, 2, 3))
    assert (sure.value, sure.high) == (1.0, 1.0)
    assert 0.5 < sure.low < 0.8
    assert probability_of_improvement(np.arange(20.0) + 100, np.arange(20.0)).low > 0.85


def test_probability_of_improvement_of_the_same_runs_is_a_half():
    found = probability_of_improvement(array(1, 2, 3), array(3, 2, 1))
    assert found.value == 0.5
    assert found.low == pytest.approx(1 - found.high)


def test_area_is_the_mean_height_of_the_curve():
    assert area_under(array(0, 1, 3), array(0, 1, 1)) == pytest.approx(2.5 / 3)
    assert isnan(area_under(array(4), array(1)))


def test_score_is_reached_where_the_curve_first_crosses_it():
    assert first_reaching(array(0, 10, 20), array(0, 1, 0), 0.5) == 5
    assert first_reaching(array(0, 10, 20), array(0.2, 0.1, 0.6), 0.35) == 15
    assert first_reaching(array(0, 10), array(0.2, 0.1), 0.3) == inf


def test_one_run_says_nothing_of_other_seeds():
    found = statistics.mean_score(np.ones((1, 4)), np.zeros(4))
    assert found == Estimate(1.0, -inf, inf)
    assert statistics.difference(np.ones((1, 4)), np.zeros((3, 4)), np.zeros(4)) == Estimate(1.0, -inf, inf)


def test_runs_that_solve_nothing_are_as_sure_as_the_number_of_problems():
    few, many = (statistics.mean_score(np.zeros((3, n)), np.zeros(n)) for n in (10, 1000))
    assert (few.value, few.low) == (0.0, 0.0)
    assert few.high == pytest.approx(0.2775, abs=1e-4)  # Wilson's, of 0 of 10
    assert 0 < many.high < 0.005


def test_shares_stay_shares():
    scores = np.zeros((3, 20))
    scores[0, 0] = 1
    found = statistics.mean_score(scores, np.zeros(20))
    assert found.low == 0.0
    assert statistics.mean_score(1 - scores, np.zeros(20)).high == 1.0


def test_rewards_may_lie_below_0():
    scores = np.random.default_rng(0).normal(0, 1, (3, 50))
    assert statistics.mean_score(scores, np.zeros(50)).low < 0


def test_levels_are_drawn_by_themselves():
    """All of one level are solved and none of the other: within a level nothing differs, so drawing again changes nothing."""
    scores = np.tile(np.repeat([0.0, 1.0], 50), (3, 1))
    by_level = statistics.mean_score(scores, np.repeat([0.0, 1.0], 50))
    assert by_level == Estimate(0.5, 0.5, 0.5)
    assert statistics.mean_score(scores, np.zeros(100)).low < 0.45


def test_what_a_problem_does_to_both_is_in_neithers_favour():
    """Both solve the same half: the difference is 0 for sure, however the problems are drawn."""
    scores = np.tile(np.repeat([0.0, 1.0], 50), (3, 1))
    assert statistics.difference(scores, scores, np.zeros(100)) == Estimate(0.0, 0.0, 0.0)
    better = scores.copy()
    better[:, :10] = 1
    found = statistics.difference(better, scores, np.zeros(100))
    assert found.value == pytest.approx(0.1)
    assert found.low > 0.03


def test_the_same_scores_give_the_same_interval():
    scores = draw(np.random.default_rng(3), 3, 0.1)
    assert statistics.mean_score(scores, ONE_LEVEL) == statistics.mean_score(scores, ONE_LEVEL)


def test_intervals_that_touch_are_no_difference():
    assert not apart(Estimate(1, 0, 2), Estimate(3, 2, 4))
    assert apart(Estimate(1, 0, 2), Estimate(3, 2.1, 4))
    assert apart(Estimate(3, 2.1, 4), Estimate(1, 0, 2))


def test_seeds_to_settle_by_hand():
    """Gap .1; each spread .05 (no problem differs): t·.1/√n < .1 from n = 7 on: t(6)/√7 = .925, but t(5)/√6 = 1.05."""
    runs = array(-0.05, 0.0, 0.05)
    a, b = (np.tile((runs + middle)[:, None], (1, 10)) for middle in (0.1, 0.0))
    assert statistics.seeds_to_settle(a, b, np.zeros(10)) == 7
    assert statistics.seeds_to_settle(a, a, np.zeros(10)) is None
    near = np.tile((runs + 0.001)[:, None], (1, 10))
    assert statistics.seeds_to_settle(near, b, np.zeros(10)) is None


def test_no_seeds_settle_what_the_problems_are_too_few_for():
    rng = np.random.default_rng(0)
    problems = (rng.random(20) < 0.5).astype(float)
    a = np.tile(problems, (3, 1))
    b = a.copy()
    b[:, 0] = 1 - b[:, 0]
    assert statistics.seeds_to_settle(a, b, np.zeros(20)) is None


@given(arrays(np.float64, st.tuples(st.integers(2, 5), st.integers(2, 12)), elements=st.floats(-10, 10)))
def test_an_interval_holds_the_score(scores: np.ndarray):
    for found in (
        statistics.mean_score(scores, np.zeros(scores.shape[1])),
        statistics.robust_score(scores, np.zeros(scores.shape[1])),
    ):
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


# ---- by simulation -----------------------------------------------------------------------------------------------------------


def draw(rng: np.random.Generator, seeds: int, spread: float, problems: np.ndarray | None = None) -> np.ndarray:
    """Outcomes [seeds, 300]: each run has its own skill, each problem its own difficulty, each answer its own luck."""
    skill = rng.normal(0, spread, (seeds, 1))
    difficulty = rng.normal(0, 1, 300) if problems is None else problems
    return (rng.random((seeds, 300)) < 1 / (1 + np.exp(0.4 - skill - difficulty))).astype(np.float64)


def expected(spread: float) -> float:
    """The mean score over all seeds and problems there could be."""
    logits = np.random.default_rng(9).normal(0, np.sqrt(1 + spread**2), 1_000_000) - 0.4
    return float((1 / (1 + np.exp(-logits))).mean())


@pytest.mark.parametrize(("seeds", "spread"), [(2, 0.3), (3, 0.0), (3, 0.3), (3, 1.0), (5, 0.3), (10, 0.3)])
def test_the_interval_covers_the_truth_at_least_93_times_of_100(seeds: int, spread: float):
    rng, truth, trials = np.random.default_rng(seeds), expected(spread), 400
    found = [statistics.mean_score(draw(rng, seeds, spread), ONE_LEVEL) for _ in range(trials)]
    assert sum(e.low <= truth <= e.high for e in found) >= 0.93 * trials


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.3), (5, 0.3)])
def test_the_interval_of_the_middle_half_covers_it_too(seeds: int, spread: float):
    """A run's score is all but symmetric about its median here, so mean and interquartile mean have the same truth."""
    rng, truth, trials = np.random.default_rng(seeds), expected(spread), 300
    found = [statistics.robust_score(draw(rng, seeds, spread), ONE_LEVEL) for _ in range(trials)]
    assert sum(e.low <= truth <= e.high for e in found) >= 0.93 * trials


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.0), (3, 0.3), (5, 0.3)])
def test_five_identical_algorithms_are_all_ties_at_least_95_times_of_100(seeds: int, spread: float):
    rng, trials, ties = np.random.default_rng(seeds), 150, 0
    for _ in range(trials):
        problems = rng.normal(0, 1, 300)
        found = [statistics.mean_score(draw(rng, seeds, spread, problems), ONE_LEVEL) for _ in range(5)]
        ties += not any(apart(a, b) for a, b in combinations(found, 2))
    assert ties >= 0.95 * trials


def test_the_difference_of_identical_algorithms_covers_0_at_least_93_times_of_100():
    rng, trials, covered = np.random.default_rng(4), 400, 0
    for _ in range(trials):
        problems = rng.normal(0, 1, 300)
        found = statistics.difference(draw(rng, 3, 0.3, problems), draw(rng, 3, 0.3, problems), ONE_LEVEL)
        covered += found.low <= 0 <= found.high
    assert covered >= 0.93 * trials


def test_algorithms_that_differ_are_told_apart():
    """Else a rule that always says tie would pass."""
    rng, problems = np.random.default_rng(5), np.random.default_rng(6).normal(0, 1, 300)
    weak = statistics.mean_score(draw(rng, 5, 0.05, problems - 1.5), ONE_LEVEL)
    assert apart(weak, statistics.mean_score(draw(rng, 5, 0.05, problems), ONE_LEVEL))
    again = [draw(rng, 5, 0.3, problems) for _ in range(2)]
    assert np.mean([statistics.mean_score(some, ONE_LEVEL).high - some.mean() for some in again]) < 0.3


def test_the_interval_of_the_probability_of_improvement_covers_a_half_for_identical_algorithms():
    rng, trials = np.random.default_rng(7), 1000
    found = [probability_of_improvement(rng.normal(size=3), rng.normal(size=3)) for _ in range(trials)]
    assert sum(e.low <= 0.5 <= e.high for e in found) >= 0.89 * trials  # three against three: 1 in 10 are all in order
