from __future__ import annotations

from math import inf, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from quintet.equations.returns import explained_variance, gae, on_last, paid, to_go

THREE = torch.tensor([[True, True, True]])
TOOL = torch.tensor([[False, True, False, True, False]])
"""A prompt's token, one that the policy chose, a tool's, another one that it chose, and padding."""


# ---- sums over what is to come -------------------------------------------------------------------------------------------


def test_rewards_to_come_are_summed_from_each_token_on():
    assert to_go(torch.tensor([[1.0, 2, 3]]), THREE).tolist() == [[6, 5, 3]]


def test_what_stands_on_other_tokens_is_no_part_of_the_sum():
    assert to_go(torch.tensor([[nan, 1.0, nan, 2, 7]]), TOOL).tolist() == [[0, 3, 0, 2, 0]]


def test_reward_stands_on_the_last_chosen_token():
    reward, action = torch.tensor([2.0, 3, 5]), torch.tensor([[0, 1, 1, 0], [1, 0, 1, 0], [0, 0, 0, 0]]).bool()
    assert on_last(reward, action).tolist() == [[0, 0, 2, 0], [0, 0, 3, 0], [0, 0, 0, 0]]


def test_tokens_earn_what_the_environment_paid_or_the_last_one_all_of_it():
    reward, action = torch.tensor([2.0]), torch.tensor([[True, True, False]])
    assert paid(reward, action).tolist() == [[0, 2, 0]]
    assert paid(reward, action, torch.tensor([[1.5, 0.5, nan]])).tolist() == [[1.5, 0.5, 0]]


# ---- generalised advantages ----------------------------------------------------------------------------------------------


def test_gae_of_two_tokens_by_hand():
    """δ₂ = 1 − ½ = ½ and δ₁ = 0 + ½ − ½ = 0, so A₂ = ½ and A₁ = 0 + λ·½."""
    reward, value, both = torch.tensor([[0.0, 1]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[True, True]])
    assert gae(reward, value, both, gamma=1.0, lam=0.5).tolist() == [[0.25, 0.5]]
    assert gae(reward, value, both)[0].tolist() == pytest.approx([0.475, 0.5])  # γ = 1 and λ = .95


def test_gamma_discounts_the_next_value_and_the_next_advantage():
    """γ = λ = ½: δ₁ = ½·½ − ½ = −¼ and A₁ = −¼ + ¼·½ = −⅛."""
    reward, value, both = torch.tensor([[0.0, 1]]), torch.tensor([[0.5, 0.5]]), torch.tensor([[True, True]])
    assert gae(reward, value, both, gamma=0.5, lam=0.5).tolist() == [[-0.125, 0.5]]


def test_lambda_one_is_what_was_earned_less_what_was_expected():
    reward, value = torch.tensor([[1.0, 2, 3]]), torch.tensor([[10.0, 20, 30]])
    assert gae(reward, value, THREE, gamma=1.0, lam=1.0).tolist() == [[-4, -15, -27]]


def test_lambda_zero_looks_one_token_ahead():
    reward, value = torch.tensor([[1.0, 2, 3]]), torch.tensor([[10.0, 20, 30]])
    assert gae(reward, value, THREE, gamma=1.0, lam=0.0).tolist() == [[11, 12, -27]]


def test_gae_passes_over_a_tools_tokens():
    spread = gae(torch.tensor([[nan, 0.0, nan, 1.0, nan]]), torch.tensor([[nan, 0.5, nan, 0.5, nan]]), TOOL, 1.0, 0.5)
    assert spread.tolist() == [[0, 0.25, 0, 0.5, 0]]


def double_sum(reward: Tensor, value: Tensor, action: Tensor, gamma: float, lam: float) -> Tensor:
    """A_t = Σ_l (γλ)^l (r_{t+l} + γ·V_{t+l+1} − V_{t+l}), written out over the chosen tokens of each row."""
    found = torch.zeros_like(value)
    for row in range(len(value)):
        steps = action[row].nonzero()[:, 0].tolist()
        r, v = [float(reward[row, t]) for t in steps], [*(float(value[row, t]) for t in steps), 0.0]
        for k, t in enumerate(steps):
            rest = range(len(steps) - k)
            found[row, t] = sum((gamma * lam) ** n * (r[k + n] + gamma * v[k + n + 1] - v[k + n]) for n in rest)
    return found


numbers = st.floats(-2, 2, width=32)
step = st.tuples(numbers, numbers, st.booleans())
rows_of_steps = st.lists(st.lists(step, min_size=6, max_size=6), min_size=1, max_size=3)


@given(rows_of_steps, st.floats(0, 1), st.floats(0, 1))
def test_gae_is_the_double_sum_whatever_stands_between(rows, gamma, lam):
    reward, value = (torch.tensor([[s[i] for s in row] for row in rows], dtype=torch.float64) for i in (0, 1))
    action = torch.tensor([[s[2] for s in row] for row in rows])
    expected = double_sum(reward, value, action, gamma, lam)
    reward, value = (torch.where(action, x, nan) for x in (reward, value))  # nobody may read the others
    assert torch.allclose(gae(reward, value, action, gamma, lam), expected, atol=1e-9)


# ---- what a critic knows -------------------------------------------------------------------------------------------------

TWO = torch.tensor([[True, True]])


@pytest.mark.parametrize(
    ("values", "explained"),
    [([0.25, 0.75], 0.75), ([0, 1], 1), ([0.5, 0.5], 0), ([7, 7], 0), ([1, 0], -3)],
)
def test_explained_variance_by_hand(values, explained):
    """Returns 0 and 1 have a variance of ¼; what is left of .25, .75 is ∓.25, a variance of 1/16."""
    found = explained_variance(torch.tensor([values], dtype=torch.float32), torch.tensor([[0.0, 1]]), TWO)
    assert float(found) == explained
    assert found.dtype == torch.float64


def test_equal_returns_leave_nothing_to_explain():
    assert float(explained_variance(torch.tensor([[0.0, 3]]), torch.tensor([[2.0, 2]]), TWO)) == 0


@pytest.mark.parametrize("other", [nan, inf])
def test_variance_is_explained_on_chosen_tokens_with_a_known_return(other):
    value, returns = torch.tensor([[9.0, 0.25, other, 0.75]]), torch.tensor([[5.0, 0, other, 1]])
    assert float(explained_variance(value, returns, torch.tensor([[False, True, True, True]]))) == 0.75
