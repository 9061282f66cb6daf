"""What is not finite spoils nothing else, and what has no signal is left out."""

from __future__ import annotations

from dataclasses import replace
from math import nan

import pytest
import torch

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.trpo import TRPO
from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.equations.reduce import token_weights
from quintet.updates import FirstOrder
from tests.engines.learning import (
    ROWS,
    every_algorithm,
    gradient,
    reordered,
    the_batch,
)
from tests.tiny import (
    batch_of,
    distance,
    gradient_of,
    learner,
    policy,
    prepared,
    token,
    weights_of,
)

# ---- what is not finite ----------------------------------------------------------------------------------------------------


def poisoned(letter: str = "h") -> EmbeddedLearner:
    """A learner whose embedding of one token is NaN: what follows that token has no log-probability."""
    of = policy()
    with torch.no_grad():
        of.model.get_input_embeddings().weight[token(letter)] = nan  # type: ignore[union-attr]
    return learner(of)


@every_algorithm
@pytest.mark.parametrize("micro_batch", [0, 2])
def test_answers_that_are_not_finite_are_counted_and_spoil_no_other(algorithm, micro_batch):
    """What follows an h has no log-probability, no value and no score: rows 1 and 6, and row 5, which ends with it, has no
    score. Where siblings are compared their groups go with them."""
    of = poisoned()
    of.micro_batch = micro_batch
    of.prepare(algorithm.needs)
    batch = prepared(algorithm, of, replace(the_batch(), reward=torch.tensor([1, 0.75, 0.5, 1, 0, 0.25, -1])))
    visited, needs = (batch.weight != 0).any(1), algorithm.needs
    bad = torch.tensor([False, True, False, False, False, needs.score, True])
    annotated = needs.old or needs.entropy or needs.reference or needs.critic != "none"  # then it shows without a visit
    noticed = bad & (visited | annotated)
    if needs.pairs:
        noticed |= visited & torch.isin(batch.group, batch.group[bad & visited])
    stats = of.gradient(algorithm.loss, batch)
    found = gradient_of(of)
    assert stats["nonfinite_answers"] == int(noticed.sum()) > 0
    of.gradient(algorithm.loss, replace(batch, weight=batch.weight * ~noticed[:, None]))
    assert torch.isfinite(found).all()
    assert found.any()
    assert distance(found, gradient_of(of)) < 1e-5


@every_algorithm
@pytest.mark.parametrize("bad", [0, 2, 4, 6])
def test_answer_without_a_reward_counts_nowhere(algorithm, bad):
    """As if it had not been sampled: in no mean, no deviation, no pair and no denominator. As `sources.collate` has it, such an
    answer has no chosen token."""
    whole = the_batch()
    missing = torch.arange(len(ROWS)) == bad
    with_it = replace(whole, reward=torch.where(missing, nan, whole.reward), action=whole.action & ~missing[:, None])
    without = reordered(whole, [i for i in range(len(ROWS)) if i != bad])
    assert distance(gradient(algorithm, with_it, 3), gradient(algorithm, without)) < 1e-5


@pytest.mark.parametrize("whiten", [True, False])
def test_row_whose_old_value_is_not_finite_does_not_spoil_the_others(whiten):
    algorithm = TRPO(whiten=whiten)
    of = learner(policy())
    batch = of.annotate(the_batch(), algorithm.needs)
    spoilt = batch.value.clone()
    spoilt[3, 6] = nan
    batch = replace(batch, value=spoilt)
    batch = replace(batch, advantage=algorithm.advantage(batch), weight=algorithm.weight(batch))
    stats = of.gradient(algorithm.loss, batch, only="policy")
    assert stats["nonfinite_answers"] == 1
    assert torch.isfinite(gradient_of(of)).all()
    assert gradient_of(of).any()


@pytest.mark.parametrize("micro_batch", [0, 1, 2])
def test_row_without_finite_log_probabilities_is_counted_and_does_not_spoil_the_others(micro_batch):
    rows = [("?", "ab"), ("?", "ahb"), ("?", "c"), ("ah?", "b"), ("!", "de"), ("!", "e")]
    of = poisoned()
    of.micro_batch = micro_batch
    batch = prepared(Reinforce(baseline="none"), of, batch_of(rows, [1, 2, 3, 4, 5, 6]))
    stats = of.gradient(Reinforce().loss, batch)
    assert stats["nonfinite_answers"] == 2
    assert stats["loss"] == pytest.approx(stats["loss/policy"])
    found = gradient_of(of)
    sound = torch.tensor([True, False, True, False, True, True])
    of.gradient(Reinforce().loss, replace(batch, weight=batch.weight * sound[:, None]))
    assert torch.isfinite(found).all()
    assert distance(found, gradient_of(of)) < 1e-5


def test_batch_of_nothing_but_bad_rows_is_no_step():
    of = poisoned()
    batch = prepared(Reinforce(baseline="none"), of, batch_of([("?", "ahb"), ("!", "hb")]))
    stats = of.gradient(Reinforce().loss, batch) | of.apply(FirstOrder(), 0.5)
    assert (stats["nonfinite_answers"], stats["skipped_updates"], stats["grad_norm"]) == (2, 1, 0)


@pytest.mark.parametrize("missing", [nan, float("inf")])
@pytest.mark.parametrize("column", ["ref_logp", "old_logp"])
def test_row_whose_column_is_not_finite_does_not_spoil_the_others(column, missing):
    """The reference or the old policy may be the one that has no log-probability for an answer."""
    algorithm = GRPO(beta=0.04, update=FirstOrder(epochs=2))
    of = learner(policy())
    batch = prepared(algorithm, of, the_batch())
    spoilt = getattr(batch, column).clone()
    spoilt[3, 6] = missing
    stats = of.gradient(algorithm.loss, replace(batch, **{column: spoilt}))
    found = gradient_of(of)
    of.gradient(algorithm.loss, replace(batch, weight=batch.weight * (torch.arange(7) != 3)[:, None]))
    assert stats["nonfinite_answers"] == 1
    assert distance(found, gradient_of(of)) < 1e-5


@pytest.mark.parametrize("baseline", ["none", "batch", "leave-one-out", "moving"])
def test_row_without_a_reward_counts_nowhere(baseline):
    algorithm = Reinforce(baseline=baseline)
    rows, rewards = [("?", "ab"), ("?", "ahb"), ("?", "c")], [1.0, nan, 0.0]
    with_it = batch_of(rows, rewards)
    with_it = replace(with_it, action=with_it.action & torch.isfinite(with_it.reward)[:, None])  # as collate has it
    without = batch_of([rows[0], rows[2]], [1.0, 0.0])
    assert distance(gradient(algorithm, with_it), gradient(algorithm, without)) < 1e-5


@pytest.mark.parametrize("bad", [nan, float("inf"), -float("inf")])
def test_gradient_that_is_not_finite_is_no_step_and_is_counted(bad):
    of = learner(policy())
    algorithm = Reinforce()
    settings = FirstOrder(lr=0.01)
    of.gradient(algorithm.loss, prepared(algorithm, of, the_batch()))
    of.apply(settings, 0.5)
    before, moments = weights_of(of), of.networks["policy"].optimiser.state()[0]["state"][0]["exp_avg"].clone()  # type: ignore[union-attr]
    of.gradient(algorithm.loss, prepared(algorithm, of, the_batch()))
    of.parameters[1].grad.view(-1)[0] = bad  # type: ignore[union-attr]
    stats = of.apply(settings, 0.5)
    assert stats["skipped_updates"] == 1
    assert torch.equal(weights_of(of), before)
    assert torch.equal(of.networks["policy"].optimiser.state()[0]["state"][0]["exp_avg"], moments)  # type: ignore[union-attr]
    of.gradient(algorithm.loss, prepared(algorithm, of, the_batch()))
    assert of.apply(settings, 0.5)["skipped_updates"] == 0
    assert torch.isfinite(weights_of(of)).all()


# ---- rows that are left out --------------------------------------------------------------------------------------------------


def test_leaving_out_rows_of_advantage_zero_changes_no_gradient():
    batch = batch_of(ROWS, [1, 0, 0.5, 1, 1, 0.25, 0.25])  # only the first group has a signal; its third answer has A = 0
    of = learner(policy())
    lean = prepared(GRPO(), of, batch)
    assert (lean.weight != 0).any(1).tolist() == [True, True, False, False, False, False, False]
    of.gradient(GRPO().loss, lean)
    found = gradient_of(of)
    of.gradient(GRPO().loss, replace(lean, weight=token_weights(lean.action, "answer")))
    assert distance(found, gradient_of(of)) < 1e-5


def test_batch_without_any_signal_is_no_step():
    of = learner(policy())
    before = weights_of(of)
    batch = prepared(GRPO(), of, batch_of(ROWS, [1] * 7))
    stats = GRPO(update=FirstOrder(lr=0.1, weight_decay=0.1)).update(of, GRPO().loss, batch)
    assert stats["skipped_updates"] == 1
    assert torch.equal(weights_of(of), before)
