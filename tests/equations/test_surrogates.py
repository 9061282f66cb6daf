from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quintet.equations.surrogates import (
    answer_log_ratio,
    clipped,
    clipped_surrogate,
    clipped_weight,
    importance_weighted,
    log_likelihood,
    truncated_importance,
    value_error,
)


@pytest.mark.parametrize(("ratio", "advantage", "maximised"), [(1.5, 1, 1.2), (1.5, -1, -1.5), (0.5, 1, 0.5), (0.5, -1, -0.8)])
def test_clipped_surrogate_at_the_four_corners(ratio, advantage, maximised):
    loss = clipped_surrogate(torch.tensor(log(ratio)), torch.tensor(float(advantage)))
    assert float(loss) == pytest.approx(-maximised, abs=1e-6)


@pytest.mark.parametrize(
    ("ratio", "advantage", "slope"), [(1.5, 1, 0), (1.5, -1, 1.5), (0.5, 1, -0.5), (0.5, -1, 0), (1.1, 2, -2.2)]
)
def test_gradient_stops_only_where_the_clip_is_at_work(ratio, advantage, slope):
    log_ratio = torch.tensor(log(ratio), requires_grad=True)
    a = torch.tensor(float(advantage))
    clipped_surrogate(log_ratio, a).backward()
    assert log_ratio.grad is not None
    assert float(log_ratio.grad) == pytest.approx(slope, abs=1e-6)
    low, high = clipped(log_ratio.detach(), a)
    assert bool(low | high) == (slope == 0)
    assert bool(low) == (ratio < 0.8 and advantage < 0)


def test_clip_range_may_be_asymmetric():
    log_ratio, clip = torch.tensor([0.85, 1.25]).log(), (0.1, 0.3)
    assert clipped_surrogate(log_ratio, torch.tensor([-1.0, 1.0]), clip).tolist() == pytest.approx([0.9, -1.25])
    low, high = clipped(log_ratio, torch.tensor([-1.0, 1.0]), clip)
    assert (low.tolist(), high.tolist()) == ([True, False], [False, False])


def test_advantage_zero_has_no_gradient_and_is_not_counted_as_clipped():
    log_ratio = torch.tensor([-1.0, 0.0, 1.0], requires_grad=True)
    clipped_surrogate(log_ratio, torch.zeros(3)).sum().backward()
    assert log_ratio.grad is not None
    assert log_ratio.grad.tolist() == [0, 0, 0]
    assert not any(x.any() for x in clipped(log_ratio.detach(), torch.zeros(3)))


@given(st.floats(-5, 5), st.floats(-3, 3))
def test_clipping_never_promises_more_than_the_ratio(log_ratio, advantage):
    x, a = torch.tensor(log_ratio, dtype=torch.float64), torch.tensor(advantage, dtype=torch.float64)
    assert float(clipped_surrogate(x, a)) >= float(-x.exp() * a) - 1e-9


@given(st.floats(-3, 3, width=16))
def test_at_ratio_one_the_surrogate_pulls_like_the_likelihood(advantage):
    a = torch.tensor(advantage, dtype=torch.float64)
    new = torch.tensor(-1.3, dtype=torch.float64, requires_grad=True)
    (surrogate,) = torch.autograd.grad(clipped_surrogate(new - new.detach(), a), new)
    (likelihood,) = torch.autograd.grad(log_likelihood(new, a), new)
    assert float(surrogate) == float(likelihood) == -advantage


def test_log_likelihood_of_a_half():
    assert float(log_likelihood(torch.tensor(log(0.5)), torch.tensor(1.0))) == pytest.approx(0.6931472)
    assert float(log_likelihood(torch.tensor(log(0.5)), torch.tensor(-2.0))) == pytest.approx(-1.3862944)


def test_importance_weighted_surrogate_has_no_clip():
    """ρ = 1.5 with A = 2: −3, and so is its slope in log ρ."""
    log_ratio = torch.tensor(log(1.5), requires_grad=True)
    loss = importance_weighted(log_ratio, torch.tensor(2.0))
    loss.backward()
    assert log_ratio.grad is not None
    assert [float(loss.detach()), float(log_ratio.grad)] == pytest.approx([-3, -3])


# ---- two-sided clip --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [(9, -1, 4, 0), (3, -1, 3, 3), (9, 1, -1.2, 0), (0.5, -1, 0.8, 0), (0.5, 1, -0.5, -0.5)],
)
def test_ratio_counts_as_at_most_delta_where_the_advantage_is_negative(ratio, advantage, loss, slope):
    log_ratio = torch.tensor(log(ratio), requires_grad=True)
    found = clipped_surrogate(log_ratio, torch.tensor(float(advantage)), delta=4.0)
    found.backward()
    assert log_ratio.grad is not None
    assert [float(found.detach()), float(log_ratio.grad)] == pytest.approx([loss, slope])
    low, high = clipped(log_ratio.detach(), torch.tensor(float(advantage)), delta=4.0)
    assert bool(low | high) == (slope == 0)
    assert bool(high) == (ratio == 9)


def test_without_delta_a_negative_advantage_is_not_bounded_above():
    log_ratio, advantage = torch.tensor(log(9.0)), torch.tensor(-1.0)
    assert float(clipped_surrogate(log_ratio, advantage)) == pytest.approx(9)
    assert not any(bool(x) for x in clipped(log_ratio, advantage))


@pytest.mark.parametrize("advantage", [-1.0, 0.0, 1.0])
def test_ratio_on_the_border_is_not_clipped(advantage):
    low, high = clipped(torch.tensor(0.0), torch.tensor(advantage), clip=(0.0, 0.0), delta=1.0)
    assert (bool(low), bool(high)) == (False, False)


def test_advantage_zero_is_not_counted_as_clipped_by_delta():
    assert not any(bool(x) for x in clipped(torch.tensor(3.0), torch.tensor(0.0), delta=4.0))


# ---- other weights ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ratio", "weight"), [(8, 6), (6.5, 6), (2, 2), (0.01, 0.01)])
def test_bounded_weight_never_stops_the_gradient(ratio, weight):
    """CISPO: ρ = 8, A = 1, log π = −½ with a bound of 6 give 3, and a slope of −6 in log π; none through the ratio."""
    log_ratio, new = torch.tensor(log(ratio), requires_grad=True), torch.tensor(-0.5, requires_grad=True)
    for advantage in (1.0, -2.0):
        new.grad = None
        loss = clipped_weight(log_ratio, new, torch.tensor(advantage), highest=6)
        loss.backward()
        assert new.grad is not None
        assert [float(loss.detach()), float(new.grad)] == pytest.approx([weight * advantage * 0.5, -weight * advantage])
        assert log_ratio.grad is None


def test_ratio_of_an_answer_is_the_geometric_mean_of_its_tokens_ratios():
    log_ratio = torch.tensor([[9.0, log(4), 9.0, log(1), 9.0], [9.0, 0.5, 9.0, 9.0, 9.0], [9.0] * 5])
    action = torch.tensor([[0, 1, 0, 1, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 0]]).bool()
    found = answer_log_ratio(log_ratio, action)
    assert found.shape == (3, 1)
    assert found[:, 0].tolist() == pytest.approx([log(2), 0.5, 0])


def test_importance_is_truncated_above_only_and_passes_no_gradient():
    old = torch.tensor([log(0.5), log(0.5), log(0.1)], requires_grad=True)
    found = truncated_importance(old, torch.tensor([log(0.2), log(0.4), log(0.4)]), cap=2)
    assert found.tolist() == pytest.approx([2, 1.25, 0.25])
    assert not found.requires_grad


# ---- values ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "returns", "old", "clip", "error"),
    [
        (1, 0, 0, 0.0, 0.5),
        (3, 1, 0, 0.0, 2),
        (1, 0, 0, 0.2, 0.5),  # the larger of 1 and .04
        (0.5, 0.5, 0, 0.2, 0.045),  # as if it were .2, which misses by .3
        (-0.5, -0.5, 0, 0.2, 0.045),
        (0.1, 0.5, 0, 0.2, 0.08),  # within the clip
        (2, 1, 1.5, 0.2, 0.5),  # the larger of 1 and .49
    ],
)
def test_value_error_by_hand(new, returns, old, clip, error):
    found = value_error(*(torch.tensor(float(x)) for x in (new, returns, old)), clip=clip)
    assert float(found) == pytest.approx(error)


def test_value_that_moved_beyond_the_clip_towards_its_return_is_pulled_no_further():
    new = torch.tensor([0.5, 0.1], requires_grad=True)
    value_error(new, torch.tensor([1.0, 1.0]), torch.zeros(2), clip=0.2).sum().backward()
    assert new.grad is not None
    assert new.grad.tolist() == pytest.approx([0, -0.9])


def test_values_are_not_clipped_unless_asked_for():
    assert float(value_error(torch.tensor(5.0), torch.tensor(10.0), torch.tensor(0.0))) == pytest.approx(12.5)
