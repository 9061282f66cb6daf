from __future__ import annotations

from collections.abc import Callable
from math import inf, log, nan, sqrt
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from quintet.data import Sampling
from quintet.models.logprobs import draw, selected, warp
from quintet.models.randomness import keys, uniforms

P = [0.05, 0.4, 0.15, 0.3, 0.1]
"""Probabilities of five tokens; by likelihood 1, 3, 2, 4, 0."""


def logits_of(p: list[float]) -> Tensor:
    return torch.tensor(p).log() + 3.0  # a constant in the logits must not show


def probabilities(sampling: Sampling, p: list[float] = P) -> list[float]:
    return warp(logits_of(p), sampling).softmax(-1).tolist()


# ---- which distribution --------------------------------------------------------------------------------------------------


def test_temperature_divides_the_logits():
    squared = np.array(P) ** 2
    assert probabilities(Sampling(temperature=0.5)) == pytest.approx(list(squared / squared.sum()), abs=1e-6)


@pytest.mark.parametrize(
    ("sampling", "kept"),
    [
        (Sampling(), {0, 1, 2, 3, 4}),
        (Sampling(top_k=2), {1, 3}),
        (Sampling(top_k=99), {0, 1, 2, 3, 4}),
        (Sampling(top_p=0.39), {1}),
        (Sampling(top_p=0.41), {1, 3}),  # the token that crosses the threshold stays
        (Sampling(top_p=0.69), {1, 3}),
        (Sampling(top_p=0.71), {1, 2, 3}),
        (Sampling(top_p=0.01), {1}),
        (Sampling(min_p=0.3), {1, 2, 3}),  # at least .12
        (Sampling(min_p=0.99), {1}),
        (Sampling(top_k=3, top_p=0.8), {1, 3}),  # .4 and .3 of the .85 that top-k leaves are .82
        (Sampling(top_k=4, top_p=0.8), {1, 2, 3}),  # of .95 they are .74
        (Sampling(top_p=0.8, min_p=0.5), {1, 3}),
        (Sampling(temperature=0.5, top_p=0.8), {1, 3}),  # squares .16, .09 of .275 are .91
        (Sampling(temperature=2.0, min_p=0.6), {1, 2, 3}),  # roots .632 .548 .387 .316 .224
    ],
)
def test_filters_keep_what_they_should(sampling, kept):
    found = probabilities(sampling)
    assert {i for i, p in enumerate(found) if p > 0} == kept
    heat = [p ** (1 / sampling.temperature) if i in kept else 0 for i, p in enumerate(P)]
    assert found == pytest.approx([h / sum(heat) for h in heat], abs=1e-6)


def test_top_k_breaks_a_tie_by_the_tokens_number():
    assert probabilities(Sampling(top_k=2), [0.25, 0.25, 0.25, 0.25]) == [0.5, 0.5, 0, 0]


def test_taken_token_is_kept_whatever_the_filters_say():
    warped = warp(logits_of(P), Sampling(top_k=1), torch.tensor(0)).softmax(-1)
    assert warped.tolist() == pytest.approx([0.05 / 0.45, 0.4 / 0.45, 0, 0, 0])


def test_temperature_zero_speaks_of_the_model_at_temperature_one():
    assert probabilities(Sampling(temperature=0)) == pytest.approx(P)


@given(
    st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=9),
    st.floats(0.3, 3),
    st.integers(0, 9),
    st.floats(0.05, 1),
    st.floats(0, 0.99),
)
def test_filters_always_leave_the_likeliest_token_and_a_whole_distribution(logits, temperature, top_k, top_p, min_p):
    given_ = torch.tensor(logits)
    p = warp(given_, Sampling(temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)).softmax(-1)
    assert float(p.sum()) == pytest.approx(1, abs=1e-5)
    assert float(p[given_.argmax()]) > 0
    assert int((p > 0).sum()) <= (top_k or len(logits))
    assert bool((p[given_ < given_[p > 0].min()] == 0).all())  # nothing is kept that is less likely than what is dropped


# ---- log-probability and entropy -------------------------------------------------------------------------------------------


def test_selected_gives_log_probability_and_entropy():
    logp, entropy = selected(logits_of(P)[None], torch.tensor([2]), Sampling())
    assert float(logp) == pytest.approx(log(0.15), abs=1e-6)
    assert float(entropy) == pytest.approx(-sum(p * log(p) for p in P), abs=1e-6)
    logp, entropy = selected(logits_of(P)[None], torch.tensor([3]), Sampling(top_k=2))
    assert float(logp) == pytest.approx(log(3 / 7), abs=1e-6)
    assert float(entropy) == pytest.approx(-(3 / 7 * log(3 / 7) + 4 / 7 * log(4 / 7)), abs=1e-6)


def test_gradient_of_a_log_probability_is_one_hot_minus_probabilities_over_temperature():
    logits = logits_of(P).requires_grad_()
    selected(logits, torch.tensor(3), Sampling(temperature=2.0, top_k=2))[0].backward()
    roots = sqrt(0.4), sqrt(0.3)
    off = roots[0] / sum(roots) / 2
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx([0, -off, 0, off, 0], abs=1e-6)


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(top_k=2), Sampling(top_p=0.5, temperature=0.7)])
def test_gradient_of_the_entropy_is_finite_and_right(sampling):
    """dH/dz_i = −p_i (log p_i + H) / temperature: an entropy bonus must be usable with filtered sampling too."""
    logits = logits_of(P).requires_grad_()
    _, entropy = selected(logits, torch.tensor(1), sampling)
    entropy.backward()
    p = torch.tensor(probabilities(sampling))
    expected = -p * (torch.where(p > 0, p.log(), 0.0) + entropy.detach()) / sampling.temperature
    assert logits.grad is not None
    assert logits.grad.tolist() == pytest.approx(expected.tolist(), abs=1e-6)


def test_bfloat16_logits_are_read_in_float32():
    logp, entropy = selected(logits_of(P).bfloat16()[None], torch.tensor([1]), Sampling())
    assert logp.dtype == entropy.dtype == torch.float32


# ---- drawing -----------------------------------------------------------------------------------------------------------------


def test_draw_inverts_the_distribution_function():
    logits = torch.tensor([[0.2, 0.3, 0.5]]).log().expand(6, 3)
    uniform = torch.tensor([0.0, 0.19, 0.4, 0.49, 0.51, 1 - 2**-24])
    token, logp = draw(logits, uniform, Sampling())
    assert token.tolist() == [0, 0, 1, 1, 2, 2]
    assert logp.exp().tolist() == pytest.approx([0.2, 0.2, 0.3, 0.3, 0.5, 0.5])


def test_draw_at_temperature_zero_is_the_likeliest_token_with_its_probability_at_one():
    token, logp = draw(logits_of(P)[None], torch.tensor([0.99]), Sampling(temperature=0))
    assert token.tolist() == [1]
    assert float(logp) == pytest.approx(log(0.4))


@pytest.mark.parametrize("p", [[0.0, 0.0, 1.0, 0.0], [0.5, 0.0, 0.5, 0.0], [0.0, 1 / 3, 1 / 3, 1 / 3]])
def test_impossible_token_is_not_reached_at_the_ends_of_the_unit_interval(p):
    for u in (0.0, 2**-24, 0.5, 1 - 2**-24):
        token, logp = draw(torch.tensor([p]).log(), torch.tensor([u], dtype=torch.float32), Sampling())
        assert p[int(token)] > 0
        assert float(logp) > -inf


@settings(max_examples=200)
@given(
    st.lists(st.floats(-30, 30, width=32), min_size=1, max_size=40),
    st.integers(0, 2**24 - 1),
    st.sampled_from([Sampling(), Sampling(top_k=3), Sampling(top_p=0.9), Sampling(min_p=0.1), Sampling(temperature=0.3)]),
)
def test_whatever_is_drawn_is_possible_and_its_log_probability_is_the_learners(logits, u, sampling):
    row = torch.tensor([logits])
    token, logp = draw(row, torch.tensor([u * 2.0**-24], dtype=torch.float32), sampling)
    assert torch.equal(logp, selected(row, token, sampling)[0])
    assert float(logp) > -inf


def test_row_that_is_not_finite_is_drawn_from_without_an_error_and_has_no_log_probability():
    """One broken row must not stop the others; its answer is then left out, counted and named by the learner."""
    logits = torch.stack([torch.full((5,), nan), logits_of(P)])
    token, logp = draw(logits, torch.tensor([0.5, 0.5]), Sampling())
    assert 0 <= int(token[0]) < 5
    assert torch.isnan(logp).tolist() == [True, False]


def quantile(degrees: int) -> float:
    """χ² that chance exceeds once in 10 000.  Source: Wilson and Hilferty 1931."""
    spread = 2 / (9 * degrees)
    return degrees * (1 - spread + 3.719 * sqrt(spread)) ** 3


N = 120_000


def only_top_p(p: np.ndarray) -> np.ndarray:
    order = np.argsort(-p)
    kept = order[: int(np.searchsorted(np.cumsum(p[order]), 0.8)) + 1]
    return np.isin(np.arange(len(p)), kept)


CASES: dict[str, tuple[Sampling, Callable[[np.ndarray], Any]]] = {
    "plain": (Sampling(), lambda p: p),
    "temperature": (Sampling(temperature=0.7), lambda p: p ** (1 / 0.7)),
    "top_k": (Sampling(top_k=5), lambda p: p * (p >= np.sort(p)[-5])),
    "top_p": (Sampling(top_p=0.8), lambda p: p * only_top_p(p)),
    "min_p": (Sampling(min_p=0.2), lambda p: p * (p >= 0.2 * p.max())),
}


@pytest.mark.parametrize("case", CASES)
def test_draws_follow_the_distribution(case):
    sampling, reshaped = CASES[case]
    p = np.exp(np.sin(np.arange(12) * 1.7) * 1.5)
    p /= p.sum()
    expected = reshaped(p)
    expected = expected / expected.sum()
    uniform = torch.from_numpy(uniforms(keys(7, np.arange(N), np.zeros(N, int)), 3))
    token, _ = draw(torch.from_numpy(p).log().float().expand(N, 12), uniform, sampling)
    counts = np.bincount(token.numpy(), minlength=12)
    assert not counts[expected == 0].any()
    possible = expected > 0
    statistic = float(((counts - N * expected)[possible] ** 2 / (N * expected)[possible]).sum())
    assert statistic < quantile(int(possible.sum()) - 1)
    assert possible.sum() > 2
