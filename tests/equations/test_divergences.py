from __future__ import annotations

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quintet.equations.divergences import DIVERGENCES, kl_k1, kl_k2, kl_k3

nats = st.floats(-8, 0)


@pytest.mark.parametrize(("ratio", "expected"), [(2.0, 0.3068528), (0.5, 0.1931472), (1.0, 0.0)])
def test_k3_at_known_ratios_of_reference_to_policy(ratio, expected):
    assert float(kl_k3(torch.tensor(0.0), torch.tensor(log(ratio)))) == pytest.approx(expected, abs=1e-6)


def test_k1_and_k2_at_a_half_against_a_quarter():
    new, old = torch.tensor(log(0.5)), torch.tensor(log(0.25))
    assert float(kl_k1(new, old)) == pytest.approx(0.6931472)
    assert float(kl_k2(new, old)) == pytest.approx(0.2402265)


@pytest.mark.parametrize("estimate", [kl_k1, kl_k3])
def test_k1_and_k3_are_unbiased(estimate):
    """π = (.5, .5), π_ref = (.75, .25): the exact KL(π ‖ π_ref) is .1438410."""
    new, old = torch.tensor([0.5, 0.5]), torch.tensor([0.75, 0.25])
    assert float((new * estimate(new.log(), old.log())).sum()) == pytest.approx(0.1438410, abs=1e-6)


def test_gradient_of_k2_in_expectation_is_that_of_the_exact_divergence():
    theta = torch.tensor([0.2, -0.4, 0.5], dtype=torch.float64, requires_grad=True)
    old = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64).log()
    logp = theta.log_softmax(0)
    (exact,) = torch.autograd.grad((logp.exp() * (logp - old)).sum(), theta, retain_graph=True)
    (estimated,) = torch.autograd.grad((logp.detach().exp() * kl_k2(logp, old)).sum(), theta)
    assert torch.allclose(exact, estimated, atol=1e-12)


@given(nats, nats)
def test_k2_and_k3_are_never_negative(new, old):
    assert float(kl_k2(torch.tensor(new), torch.tensor(old))) >= 0
    assert float(kl_k3(torch.tensor(new, dtype=torch.float64), torch.tensor(old, dtype=torch.float64))) >= -1e-15


@given(nats)
def test_every_estimate_is_zero_between_equals(x):
    same = torch.tensor(x)
    assert float(kl_k1(same, same)) == float(kl_k2(same, same)) == float(kl_k3(same, same)) == 0


def test_k3_weighs_by_policy_to_reference_in_its_gradient():
    """d k3 / d log π = 1 − π_ref/π: GRPO's coefficient β(π_ref/π − 1) with the sign of a loss."""
    new = torch.tensor(log(0.25), requires_grad=True)
    kl_k3(new, torch.tensor(log(0.5))).backward()
    assert new.grad is not None
    assert float(new.grad) == pytest.approx(-1.0)


def test_estimates_have_the_names_that_settings_use():
    assert {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3} == DIVERGENCES
