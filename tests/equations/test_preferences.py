from __future__ import annotations

from math import inf, log, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quintet.equations.preferences import hinge, ipo, on_pairs, preference_sign, ranked_pairs, robust, sigmoid


def pairs(rewards: list[float], groups: list[int] | None = None) -> list[tuple[int, int]]:
    group = torch.tensor(groups or [0] * len(rewards), dtype=torch.long)
    chosen, rejected = ranked_pairs(torch.tensor(rewards, dtype=torch.float64), group)
    assert chosen.dtype == rejected.dtype == torch.int64
    return list(zip(chosen.tolist(), rejected.tolist(), strict=True))


# ---- who is compared with whom ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([1, 0], [(0, 1)]),
        ([0, 1], [(1, 0)]),
        ([0, 1, 0, 0], [(1, 3)]),  # the other two are tied
        ([1, 1, 0, 0], [(0, 3), (1, 2)]),
        ([0.1, 0.4, 0.3, 0.2], [(1, 0), (2, 3)]),
        ([0, 1, 0.5], [(1, 0)]),  # the middle one of three is left over
        ([2, 1, 0, 3, 1], [(3, 2), (0, 4)]),
        ([1, 1, 1], []),
        ([1], []),
    ],
)
def test_best_is_paired_with_worst_while_there_is_a_difference(rewards, expected):
    assert pairs(rewards) == expected


@pytest.mark.parametrize("missing", [nan, inf, -inf])
def test_reward_that_is_not_finite_is_in_no_pair(missing):
    assert pairs([missing, 1, 0]) == [(1, 2)]
    assert pairs([1, missing]) == []
    assert pairs([0, missing, 1, missing, 0.5, missing]) == [(2, 0)]


def test_pairs_are_made_within_groups():
    assert pairs([1, 5, 0, 7], [3, 8, 3, 8]) == [(0, 2), (3, 1)]


def test_no_rows_make_no_pairs():
    assert pairs([]) == []


grouped_rewards = st.lists(st.tuples(st.sampled_from([0.0, 0.25, 0.5, 1.0, nan]), st.integers(0, 2)), min_size=1, max_size=14)


@given(grouped_rewards)
def test_rows_of_no_pair_may_be_left_out_without_changing_the_pairs(rows):
    """A learner visits only rows whose weight is not 0, and finds the pairs again among them."""
    reward, group = torch.tensor([r for r, _ in rows], dtype=torch.float64), torch.tensor([g for _, g in rows])
    chosen, rejected = ranked_pairs(reward, group)
    kept = (preference_sign(reward, group) != 0).nonzero()[:, 0]
    again, against = ranked_pairs(reward[kept], group[kept])
    assert kept[again].tolist() == chosen.tolist()
    assert kept[against].tolist() == rejected.tolist()


@given(grouped_rewards)
def test_preferred_answer_earned_more_and_nobody_is_in_two_pairs(rows):
    reward, group = torch.tensor([r for r, _ in rows], dtype=torch.float64), torch.tensor([g for _, g in rows])
    chosen, rejected = ranked_pairs(reward, group)
    assert bool((reward[chosen] > reward[rejected]).all())
    assert torch.equal(group[chosen], group[rejected])
    assert len({*chosen.tolist(), *rejected.tolist()}) == 2 * len(chosen)


def test_sign_says_which_side_of_a_pair_a_row_is_on():
    assert preference_sign(torch.tensor([0.0, 1, 0.5]), torch.tensor([0, 0, 0])).tolist() == [-1, 1, 0]
    assert preference_sign(torch.tensor([1.0, 1]), torch.tensor([0, 0])).tolist() == [0, 0]


def test_number_of_a_pair_stands_on_both_of_its_answers():
    found = on_pairs(torch.tensor([2.0, 3.0]), torch.tensor([1, 4]), torch.tensor([0, 2]), rows=5)
    assert found.tolist() == [[2], [2], [3], [0], [3]]


def test_gradient_of_a_pairs_number_comes_from_both_places():
    loss = torch.tensor([2.0], requires_grad=True)
    on_pairs(loss, torch.tensor([1]), torch.tensor([0]), rows=3).sum().backward()
    assert loss.grad is not None
    assert loss.grad.tolist() == [2]


# ---- losses of a margin -----------------------------------------------------------------------------------------------------

MARGINS = torch.tensor([log(3.0), -log(3.0)], dtype=torch.float64)
"""σ = ¾ and ¼."""


@pytest.mark.parametrize("loss", [sigmoid, robust])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
def test_undecided_pair_costs_log_two_whatever_the_smoothing(loss, smoothing):
    assert float(loss(torch.tensor(0.0), smoothing)) == pytest.approx(0.6931472)


def test_sigmoid_loss_is_the_negative_log_of_the_chance_to_be_preferred():
    assert sigmoid(MARGINS).tolist() == pytest.approx([log(4 / 3), log(4)])


def test_smoothed_sigmoid_mixes_in_the_other_way_round():
    """.9·log(4/3) + .1·log 4"""
    assert sigmoid(MARGINS, 0.1).tolist() == pytest.approx([0.397543, 1.276434], abs=1e-6)


def test_robust_loss_takes_the_other_way_round_off():
    """(.9·log(4/3) − .1·log 4)/.8"""
    assert robust(MARGINS, 0.1).tolist() == pytest.approx([0.150356, 1.523621], abs=1e-6)
    assert robust(MARGINS).tolist() == pytest.approx(sigmoid(MARGINS).tolist())


@given(st.floats(-4, 4), st.floats(0, 0.45))
def test_robust_loss_is_unbiased_under_flipped_labels(margin, flipped):
    m = torch.tensor(margin, dtype=torch.float64)
    noisy = (1 - flipped) * robust(m, flipped) + flipped * robust(-m, flipped)
    assert float(noisy) == pytest.approx(float(sigmoid(m)), abs=1e-9)


def test_hinge_wants_a_margin_of_one():
    assert hinge(torch.tensor([0.25, 1.0, 3.0, -1.0])).tolist() == [0.75, 0, 0, 2]


def test_ipo_is_least_at_its_margin():
    """β = .1 wants 1/(2β) = 5: h = 3 costs 4, and so does 7."""
    assert ipo(torch.tensor([3.0, 5.0, 7.0, 0.0]), 0.1).tolist() == pytest.approx([4, 0, 4, 25])
