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


# ---- TRPO's, two-sided, CISPO's, GSPO's, corrections, the critic's --------------------------------------------------------


def logs(*numbers: float) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float64).log()


def test_importance_weighted_is_the_ratio_times_the_advantage():
    assert importance_weighted(logs(1.5, 0.5), torch.tensor([2.0, -1.0])).tolist() == pytest.approx([-3, 0.5])


def test_two_sided_clip_bounds_the_ratio_where_the_advantage_is_negative():
    """ρ = 9 with A = −1 costs 9 without a bound and 4 with one; A > 0 and ratios below the bound are as before."""
    ratio, advantage = logs(9, 9, 3, 1.5), torch.tensor([-1.0, 1.0, -1.0, 1.0])
    assert clipped_surrogate(ratio, advantage).tolist() == pytest.approx([9, -1.2, 3, -1.2])
    assert clipped_surrogate(ratio, advantage, delta=4.0).tolist() == pytest.approx([4, -1.2, 3, -1.2])
    low, high = clipped(ratio, advantage, delta=4.0)
    assert (low.tolist(), high.tolist()) == ([False] * 4, [True, True, False, True])
    assert not bool(clipped(ratio, advantage)[1][0])


def test_clipped_weight_keeps_a_gradient_for_every_token():
    """ρ = 8, A = 1, log π = −.5, at most 6: the loss is 3 and its gradient −6; below the bound the ratio itself counts."""
    new = torch.tensor([-0.5, -0.5], dtype=torch.float64, requires_grad=True)
    loss = clipped_weight(new - new.detach() + logs(8, 2), new, torch.ones(2), 6.0)
    assert loss.tolist() == pytest.approx([3, 1])
    (slope,) = torch.autograd.grad(loss.sum(), new)
    assert slope.tolist() == pytest.approx([-6, -2])  # not more: no gradient passes through the ratio


def test_ratio_of_an_answer_is_the_geometric_mean_of_its_tokens():
    action = torch.tensor([[False, True, True], [False, True, False], [False, False, False]])
    log_ratio = torch.tensor([[9.0, log(4), 0.0], [9.0, log(3), 9.0], [9.0, 9.0, 9.0]])
    assert answer_log_ratio(log_ratio, action)[:, 0].tolist() == pytest.approx([log(2), log(3), 0.0])


def test_truncated_importance_is_capped_from_above_only_and_stops_the_gradient():
    old = logs(0.5, 0.1, 0.2).requires_grad_()
    found = truncated_importance(old, logs(0.2, 0.2, 0.2), 2.0)
    assert found.tolist() == pytest.approx([2, 0.5, 1])
    assert not found.requires_grad


@pytest.mark.parametrize(
    ("new", "old", "clip", "error"),
    [
        (1.0, 0.0, 0.0, 0.5),
        (1.0, 0.0, 0.2, 0.5),  # the larger of ½·1 and ½·.04
        (0.0, 1.0, 0.2, 0.32),  # moved to the return, but further than allowed: ½·.8²
        (0.1, 0.0, 0.2, 0.005),  # within reach: the clip does nothing
        (0.0, -1.0, 0.2, 0.32),
    ],
)
def test_value_error_of_a_return_of_zero(new, old, clip, error):
    new, old = torch.tensor(new), torch.tensor(old)
    assert float(value_error(new, torch.zeros(()), old, clip)) == pytest.approx(error)
