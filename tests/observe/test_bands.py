"""Several seeds as one curve."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.observe.bands import band, thinned, value_at


def test_mean_lowest_and_highest_at_every_place_that_all_have() -> None:
    assert band([[(0, 1), (2, 3)], [(0, 2), (1, 2), (2, 2)]]) == [(0, 1.5, 1, 2), (1, 2, 2, 2), (2, 2.5, 2, 3)]


def test_nothing_is_said_beyond_the_shortest_curve() -> None:
    assert [point.x for point in band([[(0, 1), (10, 3)], [(0, 2), (4, 2)]])] == [0, 4]


def test_a_seed_without_any_value_does_not_count() -> None:
    assert band([[], [(1, 5)]]) == [(1, 5, 5, 5)]
    assert band([[], []]) == []


def test_many_places_become_few_and_reach_from_end_to_end() -> None:
    found = band([[(float(x), float(x)) for x in range(1000)]], most=11)
    assert (len(found), found[0].x, found[-1].x) == (11, 0, 999)
    assert found[5].mean == pytest.approx(499.5)


def test_between_neighbours_the_line_is_straight() -> None:
    assert [value_at([(0, 1), (2, 3)], x) for x in (0, 0.5, 1, 2)] == [1, 1.5, 2, 3]


def test_thinning_takes_the_mean_of_neighbours() -> None:
    assert thinned([(0, 1), (1, 3), (2, 5), (3, 7)], 2) == [(0.5, 2), (2.5, 6)]
    assert thinned([(0, 1), (1, 3)], 2) == [(0, 1), (1, 3)]


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=200), st.integers(1, 50))
def test_thinning_keeps_within_its_limit_and_within_the_values(values: list[float], most: int) -> None:
    found = thinned([(float(x), y) for x, y in enumerate(values)], most)
    assert 1 <= len(found) <= max(most, 1)
    assert all(min(values) - 1e-6 <= y <= max(values) + 1e-6 for _, y in found)
