from __future__ import annotations

import pytest
import torch

from quintet.equations.shaping import adapted, soft_overlong


def test_soft_overlong_penalty_grows_over_the_buffer():
    """Maximum 100, buffer 20: 90 tokens lose a half."""
    length = torch.tensor([1.0, 80, 85, 90, 100, 130])
    assert soft_overlong(length, 100, 20).tolist() == [0, 0, -0.25, -0.5, -1, -1]


@pytest.mark.parametrize(
    ("divergence", "coefficient"),
    [(9, 0.204), (6.6, 0.202), (6, 0.2), (5.4, 0.198), (3, 0.196), (-1, 0.196), (600, 0.204)],
)
def test_coefficient_follows_the_divergence_at_most_two_percent_a_step(divergence, coefficient):
    """.2 · (1 + .1 · clip(9/6 − 1, ±.2)) = .2 · 1.02"""
    assert adapted(0.2, divergence, 6) == pytest.approx(coefficient, abs=1e-12)


def test_rate_of_adaptation():
    assert adapted(0.2, 9, 6, rate=0.5) == pytest.approx(0.22)
