from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quintet.equations.surrogates import clipped, clipped_surrogate, log_likelihood


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
