from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quintet.equations.reduce import (
    Means,
    answer_sums,
    dot,
    group_sums,
    masked_mean,
    norm,
    scale_to_norm,
    token_weights,
    top_share,
    total,
    weighted_sum,
)

TWO_AND_FOUR = torch.tensor([[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]], dtype=torch.bool)
SIDES = TWO_AND_FOUR * torch.tensor([[1.0], [-1.0]])
"""Advantage 1 on an answer of two tokens, −1 on one of four; with a ratio of 1 that is what each token adds to J."""


def test_mean_per_answer_weighs_tokens_by_their_answer():
    weights = token_weights(TWO_AND_FOUR, "answer")
    assert weights.tolist() == [[0, 0.25, 0.25, 0, 0], [0, 0.125, 0.125, 0.125, 0.125]]


def test_mean_per_token_weighs_every_token_alike():
    assert token_weights(TWO_AND_FOUR, "token")[TWO_AND_FOUR].tolist() == pytest.approx([1 / 6] * 6)


def test_constant_denominator_divides_by_answers_times_longest():
    assert token_weights(TWO_AND_FOUR, "constant", 10)[TWO_AND_FOUR].tolist() == pytest.approx([0.05] * 6)


def test_sum_over_each_answers_tokens_is_averaged_over_answers():
    assert token_weights(TWO_AND_FOUR, "sum")[TWO_AND_FOUR].tolist() == [0.5] * 6


@pytest.mark.parametrize(("per", "weight"), [("answer", 1), ("token", 1), ("constant", 1), ("sum", 1)])
def test_only_token_of_the_batch_weighs_one(per, weight):
    assert token_weights(torch.tensor([[False, True]]), per).tolist() == [[0, weight]]


def test_mean_per_answer_unless_told_otherwise():
    assert torch.equal(token_weights(TWO_AND_FOUR), token_weights(TWO_AND_FOUR, "answer"))


def test_opposite_answers_of_unequal_length_cancel_per_answer_but_not_per_token():
    assert float(weighted_sum(SIDES, token_weights(TWO_AND_FOUR, "answer"))) == 0
    assert float(weighted_sum(SIDES, token_weights(TWO_AND_FOUR, "token"))) == pytest.approx(-1 / 3)


def test_constant_denominator_without_a_length_is_the_longest_answer_of_the_batch():
    assert torch.equal(token_weights(TWO_AND_FOUR, "constant"), token_weights(TWO_AND_FOUR, "constant", 4))


@pytest.mark.parametrize("per", ["answer", "token", "constant", "sum"])
def test_answer_without_a_token_leaves_the_mean(per):
    three = torch.cat([TWO_AND_FOUR, torch.zeros(1, 5, dtype=torch.bool)])
    assert torch.equal(token_weights(three, per, 4)[:2], token_weights(TWO_AND_FOUR, per, 4))
    assert token_weights(three, per, 4)[2].tolist() == [0.0] * 5


@pytest.mark.parametrize("per", ["answer", "token", "constant", "sum"])
def test_batch_without_any_action_has_no_weights(per):
    assert token_weights(torch.zeros(2, 3, dtype=torch.bool), per, 3).tolist() == [[0.0] * 3] * 2
    assert token_weights(torch.zeros(2, 3, dtype=torch.bool), per).tolist() == [[0.0] * 3] * 2


masks = st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=6).map(torch.tensor)


@given(masks, st.sampled_from(["answer", "token"]))
def test_weights_sum_to_one_where_there_is_an_action(action, per):
    weights = token_weights(action, per)
    assert float(weights.sum()) == pytest.approx(1.0 if action.any() else 0.0, abs=1e-6)
    assert not weights[~action].any()


@given(masks, st.sampled_from(["answer", "token", "constant", "sum"]), st.randoms())
def test_weights_follow_their_rows(action, per, random):
    order = random.sample(range(len(action)), len(action))
    assert torch.allclose(token_weights(action, per, 5)[order], token_weights(action[order], per, 5))


@given(masks, st.sampled_from(["answer", "token", "constant", "sum"]), st.integers(1, 4))
def test_weights_know_nothing_of_padding(action, per, extra):
    wider = torch.nn.functional.pad(action, (0, extra))
    assert torch.equal(token_weights(wider, per, 5)[:, :5], token_weights(action, per, 5))


def test_a_position_of_no_weight_adds_nothing_even_if_it_is_not_finite():
    term = torch.tensor([2.0, float("nan"), float("inf"), -float("inf")], requires_grad=True)
    added = weighted_sum(term, torch.tensor([0.5, 0.0, 0.0, 0.0]))
    added.backward()
    assert float(added.detach()) == 1.0
    assert term.grad is not None
    assert term.grad.tolist() == [0.5, 0, 0, 0]


def test_total_is_added_up_in_double_precision():
    x = torch.cat([torch.tensor([2.0**25]), torch.ones(4)])
    assert total(x).dtype == torch.float64
    assert float(total(x)) == 2.0**25 + 4


def test_masked_mean_leaves_the_others_out():
    assert float(masked_mean(torch.tensor([4.0, 9.0]), torch.tensor([True, False]))) == 4
    assert float(masked_mean(torch.tensor([1.0, 5.0, float("nan")]), torch.tensor([True, True, False]))) == 3
    assert float(masked_mean(torch.tensor([1.0]), torch.tensor([False]))) == 0


def test_answers_are_summed_over_their_chosen_tokens():
    x, action = torch.tensor([[1.0, 2, 3], [float("nan"), 2, 3]]), torch.tensor([[0, 1, 1], [0, 0, 1]]).bool()
    assert answer_sums(x, action).tolist() == [5, 3]


# ---- the largest ---------------------------------------------------------------------------------------------------------


def chosen(x: list[float], share: float, mask: list[int] | None = None) -> list[float]:
    values = torch.tensor(x)
    found = top_share(values, torch.tensor(mask or [1] * len(x)).bool(), share)
    assert found.dtype == torch.bool
    return values[found].tolist()


def test_top_share_keeps_the_largest_where_they_stand():
    assert chosen([1, 3, 2, 4], 0.5) == [3, 4]
    assert chosen([1, 3, 2, 4], 0.25) == [4]
    assert chosen([1, 3, 2, 4], 1.0) == [1, 3, 2, 4]


def test_top_share_keeps_one_at_least():
    assert chosen([1, 3, 2, 4], 0.01) == [4]


def test_top_share_keeps_ties_at_its_border():
    assert chosen([1, 3, 3, 3], 0.5) == [3, 3, 3]


def test_top_share_is_one_of_the_masked_entries():
    assert chosen([9, 1, 3, 2, 4], 0.5, [0, 1, 1, 1, 1]) == [3, 4]
    assert chosen([9, 1], 0.5, [0, 0]) == []


def test_top_share_never_holds_what_is_no_number():
    assert chosen([float("nan"), 1, 3, 2, 4], 0.5) == [3, 4]


def test_group_sums_come_back_to_each_row():
    assert group_sums(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([1, 0, 1])).tolist() == [5, 2, 5]
    assert group_sums(torch.tensor([]), torch.tensor([], dtype=torch.long)).tolist() == []


def test_dot_and_norm_take_a_list_as_one_vector():
    assert dot([torch.tensor([1.0, 2.0]), torch.tensor([[3.0]])], [torch.tensor([4.0, 5.0]), torch.tensor([[6.0]])]) == 32
    assert norm([torch.tensor([3.0]), torch.tensor([[4.0]])]) == 5
    assert norm([]) == 0


def test_dot_of_unequal_lists_is_refused():
    with pytest.raises(ValueError, match="zip"):
        dot([torch.ones(1)], [])


def test_longer_gradient_is_shrunk_and_a_shorter_one_left_alone():
    long, short = [torch.tensor([3.0]), torch.tensor([4.0])], [torch.tensor([0.3]), torch.tensor([0.4])]
    assert scale_to_norm(long, 1.0) == 5
    assert [float(t) for t in long] == pytest.approx([0.6, 0.8])
    assert scale_to_norm(short, 1.0) == pytest.approx(0.5)
    assert [float(t) for t in short] == pytest.approx([0.3, 0.4])


def test_means_of_pieces_are_the_mean_of_the_whole():
    means = Means()
    means.add("a", torch.tensor([1.0, 2.0, 9.0]), torch.tensor([True, True, False]))
    means.add("a", torch.tensor([6.0]), torch.tensor([True]))
    means.add("b", torch.tensor([float("nan")]), torch.tensor([False]))
    assert means.result() == {"a": 3.0, "b": 0.0}
    means.add("c", torch.tensor([7.0, 9.0]), torch.tensor([True, False]))
    assert means.result()["c"] == 7.0


def test_largest_entry_is_kept_beside_the_means():
    means = Means()
    means.raise_to("gap", torch.tensor([0.5, 9.0]), torch.tensor([True, False]))
    means.raise_to("gap", torch.tensor([0.25, 0.125]), torch.tensor([True, True]))
    assert means.result() == {"gap": 0.5}


def test_largest_entry_is_zero_at_least():
    means = Means()
    means.raise_to("gap", torch.tensor([-2.0]), torch.tensor([True]))
    assert means.result() == {"gap": 0.0}
