from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.report.axes import nice_ticks, value_range
from quintet.report.charts import describe
from tests.report.test_charts import made


def test_one_spike_is_cut_off_and_told() -> None:
    values = [1.0 + 0.01 * (i % 10) for i in range(100)]
    values[40] = 1e6
    low, high, told = value_range(made(values))
    assert 0.9 < low < 1.0
    assert 1.09 < high < 1.3
    assert told == "Beyond the edge: 1,000,000 at step 41."
    assert told in describe(made(values))
    assert value_range(made(values[:40]))[2] == ""
    values[60] = -1e6
    assert value_range(made(values))[2] == "Beyond the edge: −1,000,000 at step 61 and 1,000,000 at step 41."


def test_noise_within_shared_points_is_not_cut_off() -> None:
    low, high, told = value_range(made([float(i % 7) for i in range(5000)]))
    assert (low, high, told) == (pytest.approx(-0.36), pytest.approx(6.36), "")


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6))
def test_ticks_are_round_lie_within_and_are_two_to_four(low: float, width: float) -> None:
    high = low + width
    if high - low < 1e-9 * abs(low):
        return
    ticks = nice_ticks(low, high)
    assert 1 <= len(ticks) <= 4
    assert all(low - 1e-6 * width <= tick <= high + 1e-6 * width for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.03, 0.97, [0.2, 0.4, 0.6, 0.8]),
        (-0.1, 2.5, [0.0, 1.0, 2.0]),
        (1.1e-14, 3.9e-14, [2e-14, 3e-14]),
        (96.0, 1010.0, [500.0, 1000.0]),
    ],
)
def test_ticks_of_some_ranges(low: float, high: float, ticks: list[float]) -> None:
    assert nice_ticks(low, high) == ticks
