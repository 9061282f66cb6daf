from __future__ import annotations

from math import nan

import pytest
import torch

from quintet.equations.steps import process_advantages

STEPS = torch.tensor([[nan, 1.0, nan, 0.0], [nan, nan, 1.0, nan]], dtype=torch.float64)
"""Answer 1 has step rewards (1, 0) that end at tokens 2 and 4, answer 2 has (1) that ends at token 3."""
TOGETHER, ALL = torch.tensor([0, 0]), torch.ones(2, 4, dtype=torch.bool)


def test_process_supervision_by_hand():
    """Rewards 1, 0, 1: mean ⅔, population deviation .471405, z-scores .707107, −1.414214, .707107."""
    found = process_advantages(STEPS, TOGETHER, ALL, ddof=0, eps=0.0)
    assert found[0].tolist() == pytest.approx([-0.707107, -0.707107, -1.414214, -1.414214], abs=1e-6)
    assert found[1].tolist() == pytest.approx([0.707107, 0.707107, 0.707107, 0], abs=1e-6)


def test_sample_deviation_and_its_guard_by_default():
    """Deviation √⅓ = .577350 with ddof 1; ⅓/(.577350 + .0001) = .577250."""
    found = process_advantages(STEPS, TOGETHER, ALL)
    assert found[1].tolist() == pytest.approx([0.577250, 0.577250, 0.577250, 0], abs=1e-6)
    assert found[0, 3].item() == pytest.approx(-1.154501, abs=1e-6)


def test_steps_of_other_groups_are_another_pool():
    apart = process_advantages(STEPS, torch.tensor([0, 1]), ALL, ddof=0, eps=0.0)
    assert apart.tolist() == [[0, 0, -1, -1], [0, 0, 0, 0]]  # ±1 in the first group; one step alone has no advantage


def test_tokens_that_the_policy_did_not_choose_have_no_advantage_and_end_no_step():
    action = torch.tensor([[False, True, False, True], [True, True, False, True]])
    steps = torch.tensor([[nan, 1.0, nan, 0.0], [nan, nan, 100.0, nan]], dtype=torch.float64)
    assert process_advantages(steps, TOGETHER, action, ddof=0, eps=0.0).tolist() == [[0, 0, 0, -1], [0, 0, 0, 0]]


def test_equal_steps_teach_nothing():
    assert process_advantages(torch.where(STEPS.isnan(), nan, 1.0), TOGETHER, ALL).tolist() == [[0.0] * 4] * 2
