from __future__ import annotations

from math import nan

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from quintet.equations.advantages import (
    batch_centred,
    batch_deviation,
    group_centred,
    group_deviation,
    group_mean,
    group_standardised,
    groups_without_signal,
    known_minus,
    leave_one_out,
    leave_one_out_to_go,
    on_tokens,
    whitened,
)

ONE = torch.zeros(4, dtype=torch.long)


def same(found: Tensor, expected: list[float]) -> bool:
    return found.tolist() == pytest.approx(expected, abs=1e-5)


# ---- worked by hand ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "ddof", "expected"),
    [
        ([1, 0, 0, 1], 0, [1, -1, -1, 1]),
        ([1, 0, 0, 1], 1, [0.866025, -0.866025, -0.866025, 0.866025]),
        ([1, 0, 0, 0], 0, [1.732051, -0.577350, -0.577350, -0.577350]),
        ([1, 0, 0, 0], 1, [1.5, -0.5, -0.5, -0.5]),
    ],
)
def test_group_z_scores(rewards, ddof, expected):
    assert same(group_standardised(torch.tensor(rewards, dtype=torch.float32), ONE, ddof, 0.0), expected)


def test_guard_is_added_to_the_deviation():
    """1, 0, 0, 1: deviation .57735 with ddof 1; .5 / (.57735 + .1) = .738171."""
    assert same(group_standardised(torch.tensor([1.0, 0, 0, 1]), ONE, 1, 0.1), [0.738171, -0.738171, -0.738171, 0.738171])


@pytest.mark.parametrize("reward", [0.0, 1.0, 0.1, -3.7, 1e-8, 1e6])
@pytest.mark.parametrize("eps", [0.0, 1e-4])
def test_group_of_equal_rewards_has_zero_advantage(reward, eps):
    rewards, groups = torch.full((7,), reward), torch.zeros(7, dtype=torch.long)
    for advantage in (
        group_standardised(rewards, groups, 0, eps),
        group_standardised(rewards, groups, 1, eps),
        group_centred(rewards, groups),
        leave_one_out(rewards, groups),
    ):
        assert advantage.tolist() == [0.0] * 7
    assert float(groups_without_signal(rewards, groups)) == pytest.approx(1)


def test_other_answers_mean_is_the_baseline_of_leave_one_out():
    assert same(leave_one_out(torch.tensor([1.0, 0, 0, 0]), ONE), [1, -1 / 3, -1 / 3, -1 / 3])
    assert same(leave_one_out(torch.tensor([3.0, 5.0]), torch.tensor([0, 0])), [-2, 2])


def test_centred_without_a_deviation():
    assert same(group_centred(torch.tensor([1.0, 0, 0, 0]), ONE), [0.75, -0.25, -0.25, -0.25])
    assert same(batch_centred(torch.tensor([1.0, 0, 0, 1])), [0.5, -0.5, -0.5, 0.5])


def test_groups_do_not_see_each_other():
    rewards, groups = torch.tensor([1.0, 10, 0, 30]), torch.tensor([0, 1, 0, 1])
    assert same(group_mean(rewards, groups), [0.5, 20, 0.5, 20])
    assert same(group_deviation(rewards, groups), [0.707107, 14.142136, 0.707107, 14.142136])
    assert same(group_standardised(rewards, groups, 0, 0.0), [1, -1, -1, 1])


def test_group_of_one_has_no_advantage_and_no_deviation():
    rewards, groups = torch.tensor([5.0]), torch.tensor([0])
    assert group_mean(rewards, groups).tolist() == [5]
    assert group_deviation(rewards, groups).tolist() == [0]
    for advantage in (group_standardised(rewards, groups), group_centred(rewards, groups), leave_one_out(rewards, groups)):
        assert advantage.tolist() == [0]


def test_sample_deviation_and_a_small_guard_by_default():
    """1, 0, 0, 0: deviation ½ with ddof 1; .75/.5001."""
    assert same(group_deviation(torch.tensor([1.0, 0, 0, 0]), ONE), [0.5] * 4)
    assert group_standardised(torch.tensor([1.0, 0, 0, 0]), ONE)[0].item() == pytest.approx(0.75 / 0.5001, abs=1e-6)


def test_baseline_is_taken_off_known_rewards_only():
    assert known_minus(torch.tensor([1.0, nan]), 0.25).tolist() == [0.75, 0]


# ---- over the whole batch --------------------------------------------------------------------------------------------------


def test_whitened_by_hand():
    """1, 2, 3: mean 2, deviation 1 with ddof 1 and √⅔ without."""
    advantage, everywhere = torch.tensor([[1.0, 2, 3]]), torch.tensor([[True, True, True]])
    assert same(whitened(advantage, everywhere)[0], [-1, 0, 1])
    assert same(whitened(advantage, everywhere, 0)[0], [-1.224745, 0, 1.224745])
    assert same(whitened(advantage, everywhere, 1, 1.0)[0], [-0.5, 0, 0.5])
    assert float(batch_deviation(advantage, everywhere)) == 1
    assert float(batch_deviation(advantage, torch.tensor([[True, False, True]]))) == pytest.approx(2**0.5)  # of 1 and 3
    assert float(batch_deviation(advantage, everywhere, 0)) == pytest.approx(0.8164966)


def test_whitening_sees_only_what_is_masked():
    found = whitened(torch.tensor([[9.0, 1, 2], [3, 9, -9]]), torch.tensor([[False, True, True], [True, False, False]]))
    assert same(found.flatten(), [0, -1, 0, 1, 0, 0])


@pytest.mark.parametrize("other", [nan, float("inf"), -float("inf")])
def test_entry_that_is_not_finite_spoils_no_other_and_gets_zero(other):
    """An answer outside the reference's top-p has an infinite KL; the others must still be learned from."""
    found = whitened(torch.tensor([[1.0, 2, 3, other]]), torch.ones(1, 4, dtype=torch.bool))
    assert same(found[0], [-1, 0, 1, 0])


@pytest.mark.parametrize("row", [[0.1] * 7, [0.1, nan, 0.1], [nan, nan], [5.0]])
def test_whitening_does_not_blow_up_equal_entries(row):
    advantage = torch.tensor([row])
    assert whitened(advantage, torch.ones_like(advantage, dtype=torch.bool)).tolist() == [[0.0] * len(row)]


def test_whitening_nothing_is_zero_everywhere():
    assert whitened(torch.tensor([[1.0, 2]]), torch.tensor([[False, False]])).tolist() == [[0, 0]]


def test_small_differences_are_whitened_like_large_ones():
    small = torch.tensor([[1e-3, 2e-3, 3e-3]], dtype=torch.float64)
    assert whitened(small, torch.ones(1, 3, dtype=torch.bool))[0].tolist() == pytest.approx([-1, 0, 1], abs=2e-5)


def test_one_entry_has_no_deviation():
    assert float(batch_deviation(torch.tensor([3.0]), torch.tensor([True]))) == 0


def test_share_of_groups_without_signal_counts_groups_not_answers():
    rewards, groups = torch.tensor([1.0, 1, 1, 1, 0, 1, 0, 0]), torch.tensor([0, 0, 0, 0, 1, 1, 2, 2])
    assert float(groups_without_signal(rewards, groups)) == pytest.approx(2 / 3)
    assert float(groups_without_signal(torch.tensor([]), torch.tensor([], dtype=torch.long))) == 0


def test_advantage_lies_on_the_answers_tokens_only():
    action = torch.tensor([[False, True, True], [False, False, True]])
    assert on_tokens(torch.tensor([2.0, nan]), action & torch.tensor([[True], [False]])).tolist() == [[0, 2, 2], [0, 0, 0]]


# ---- rewards that do not apply ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [nan, float("inf"), -float("inf")])
def test_reward_that_is_not_finite_changes_nobody_elses_advantage(missing):
    with_it, without = torch.tensor([1.0, missing, 0, 0, 1]), torch.tensor([1.0, 0, 0, 1])
    five = torch.zeros(5, dtype=torch.long)
    others = [0, 2, 3, 4]
    for whole, rest in (
        (group_standardised(with_it, five), group_standardised(without, ONE)),
        (group_centred(with_it, five), group_centred(without, ONE)),
        (leave_one_out(with_it, five), leave_one_out(without, ONE)),
        (batch_centred(with_it), batch_centred(without)),
    ):
        assert float(whole[1]) == 0
        assert torch.equal(whole[others], rest)


def test_group_of_unknown_rewards_has_zero_advantage_and_no_signal():
    rewards, groups = torch.tensor([nan, nan, 1.0, 0.0]), torch.tensor([0, 0, 1, 1])
    assert torch.isfinite(group_mean(rewards, groups)).all()
    for advantage in (group_standardised(rewards, groups), group_centred(rewards, groups), leave_one_out(rewards, groups)):
        assert advantage[:2].tolist() == [0, 0]
        assert torch.isfinite(advantage).all()
    assert float(groups_without_signal(rewards, groups)) == 0.5


@pytest.mark.parametrize("reward", [0.1, -0.1])
def test_known_rewards_that_are_equal_teach_nothing_beside_unknown_ones(reward):
    rewards = torch.tensor([reward, nan, reward, reward])
    for advantage in (group_standardised(rewards, ONE), group_centred(rewards, ONE), leave_one_out(rewards, ONE)):
        assert advantage.tolist() == [0.0] * 4
    assert float(groups_without_signal(rewards, ONE)) == pytest.approx(1)


def test_one_known_reward_in_a_group_teaches_nothing():
    rewards = torch.tensor([1.0, nan, nan, nan])
    for advantage in (group_standardised(rewards, ONE), group_centred(rewards, ONE), leave_one_out(rewards, ONE)):
        assert advantage.tolist() == [0.0] * 4


# ---- properties ------------------------------------------------------------------------------------------------------------

rewards_of_three_groups = st.lists(
    st.tuples(st.integers(-4, 4).map(lambda i: i / 4), st.integers(0, 2)), min_size=1, max_size=12
).map(lambda rows: (torch.tensor([r for r, _ in rows], dtype=torch.float64), torch.tensor([g for _, g in rows])))
EVERY = [
    lambda r, g: group_standardised(r, g, 1, 0.0),
    lambda r, g: group_standardised(r, g, 0, 0.0),
    group_centred,
    leave_one_out,
]


@given(rewards_of_three_groups, st.sampled_from(EVERY))
def test_advantages_of_each_group_sum_to_zero(rows, advantage):
    r, g = rows
    found = advantage(r, g)
    for number in g.unique():
        assert float(found[g == number].sum()) == pytest.approx(0, abs=1e-6)


@given(rewards_of_three_groups, st.sampled_from(EVERY), st.randoms())
def test_advantages_follow_their_rows(rows, advantage, random):
    r, g = rows
    order = random.sample(range(len(r)), len(r))
    assert torch.allclose(advantage(r, g)[order], advantage(r[order], g[order]))


@given(rewards_of_three_groups, st.sampled_from([1, 2, 5, 40]))
def test_group_numbers_are_only_names(rows, factor):
    r, g = rows
    assert torch.equal(group_standardised(r, g), group_standardised(r, factor * g + 1))
    assert float(groups_without_signal(r, g)) == pytest.approx(float(groups_without_signal(r, factor * g + 1)))


@given(rewards_of_three_groups, st.sampled_from(EVERY), st.integers(-3, 3))
def test_adding_a_constant_to_every_reward_changes_no_advantage(rows, advantage, constant):
    r, g = rows
    assert torch.allclose(advantage(r + constant, g), advantage(r, g), atol=1e-6)


@given(rewards_of_three_groups, st.floats(0.125, 8))
def test_scale_of_the_rewards_drops_out_of_z_scores_and_stays_in_differences(rows, scale):
    r, g = rows
    assert torch.allclose(group_standardised(scale * r, g, 1, 0.0), group_standardised(r, g, 1, 0.0), atol=1e-6)
    assert torch.allclose(leave_one_out(scale * r, g), scale * leave_one_out(r, g), atol=1e-6)


@given(rewards_of_three_groups)
def test_population_z_scores_have_unit_variance(rows):
    r, g = rows
    assume(float(groups_without_signal(r, g)) == 0)
    found = group_standardised(r, g, 0, 0.0)
    for number in g.unique():
        assert float((found[g == number] ** 2).mean()) == pytest.approx(1, abs=1e-4)


# ---- what is to come -------------------------------------------------------------------------------------------------------


def test_rewards_to_come_are_compared_with_the_siblings_at_the_same_time():
    returns = torch.tensor([[3.0, 2, 1], [1, 0, 0], [7, 7, 7]])
    found = leave_one_out_to_go(returns, torch.tensor([0, 0, 1]), torch.tensor([True] * 3))
    assert found.tolist() == [[2, 2, 1], [-2, -2, -1], [0, 0, 0]]


def test_with_three_siblings_the_known_others_mean_is_taken_off():
    returns, group = torch.tensor([[1.0], [2], [6]]), torch.tensor([0, 0, 0])
    assert leave_one_out_to_go(returns, group, torch.tensor([True] * 3)).tolist() == [[-3], [-1.5], [4.5]]
    returns[1] = nan
    assert leave_one_out_to_go(returns, group, torch.tensor([True, False, True])).tolist() == [[-5], [0], [5]]
