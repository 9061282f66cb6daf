"""What every gradient must keep: each of these has been broken in a well-known trainer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.supervised import SFT
from quintet.config import registry
from quintet.data import Batch, Needs, Outputs
from quintet.engines.embedded import EmbeddedLearner, forward, memory
from quintet.updates import FirstOrder
from tests.engines.learning import (
    ALGORITHMS,
    ROWS,
    completed,
    every_algorithm,
    gradient,
    moved_reference,
    moved_values,
    reordered,
    the_batch,
)
from tests.tiny import (
    ARCHITECTURES,
    batch_of,
    bigram,
    distance,
    gradient_of,
    learner,
    naive_gradient,
    naive_logp,
    policy,
    prepared,
    token,
)


def test_every_algorithm_that_has_a_name_is_held_to_what_follows():
    assert {name for name in registry.ALGORITHMS if ".py:" not in name} <= set(ALGORITHMS)


# ---- the gradient is that of the formula, however it is computed ---------------------------------------------------------


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("micro_batch", [0, 1, 3])
def test_gradient_is_that_of_each_row_by_itself(kind, micro_batch):
    dropout: dict[str, Any] = {"resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0} if kind == "gpt2" else {}
    of = policy(kind, **dropout)
    found = learner(of, micro_batch=micro_batch)
    batch = prepared(Reinforce(), found, the_batch())
    found.gradient(Reinforce().loss, batch)
    assert distance(gradient_of(found), naive_gradient(of, batch, batch.weight * batch.advantage)) < 1e-5


@every_algorithm
def test_gradient_does_not_depend_on_micro_batch_size(algorithm):
    whole = gradient(algorithm, the_batch())
    for size in (1, 2, 3, 5):
        assert distance(gradient(algorithm, the_batch(), size), whole) < 1e-5


@every_algorithm
def test_gradient_does_not_depend_on_how_many_tokens_pay(monkeypatch, algorithm):
    whole = gradient(algorithm, the_batch())
    monkeypatch.setattr(memory, "ENOUGH", 7)
    seen: list[int] = []
    forward = EmbeddedLearner._forward
    monkeypatch.setattr(EmbeddedLearner, "_forward", lambda of, b, only: (seen.append(len(b.tokens)), forward(of, b, only))[1])
    assert distance(gradient(algorithm, the_batch()), whole) < 1e-5
    assert max(seen) < len(the_batch().tokens)


@every_algorithm
def test_gradient_does_not_depend_on_padding(algorithm):
    assert distance(gradient(algorithm, the_batch(extra=9)), gradient(algorithm, the_batch())) < 1e-5
    padded_with_letters = the_batch(extra=2, padding=token("c"))
    assert torch.equal(gradient(algorithm, padded_with_letters), gradient(algorithm, the_batch(extra=2)))


@every_algorithm
@pytest.mark.parametrize(
    "order", [[2, 1, 0, 4, 3, 6, 5], [5, 6, 0, 1, 2, 3, 4], [6, 0, 3, 1, 5, 4, 2]], ids=["siblings", "groups", "shuffled"]
)
@pytest.mark.parametrize("micro_batch", [0, 2])
def test_gradient_does_not_depend_on_row_order(algorithm, order, micro_batch):
    assert distance(gradient(algorithm, reordered(the_batch(), order), micro_batch), gradient(algorithm, the_batch())) < 1e-5


def test_two_groups_with_the_same_prompt_and_one_group_with_two_prompts_are_read_right():
    rows = [("?", "ab"), ("?", "c"), ("!", "ab"), ("!!", "ab"), ("!!", "h")]
    batch = batch_of(rows, [1, 0, 2, -1, 3], groups=[0, 1, 2, 2, 2])
    of = policy()
    found = learner(of)
    batch = prepared(Reinforce(baseline="none"), found, batch)
    found.gradient(Reinforce().loss, batch)
    assert distance(gradient_of(found), naive_gradient(of, batch, batch.weight * batch.advantage)) < 1e-5


@pytest.mark.parametrize("rows", [[("?", "a"), ("?", "b")], [("?", "a")], [("ab", "c"), ("ab", "d"), ("?", "e"), ("?", "f")]])
def test_answers_of_one_token_are_learned_from(rows):
    """A policy that ends at once, or max_new_tokens = 1."""
    of = policy()
    found = learner(of)
    batch = prepared(Reinforce(baseline="none"), found, batch_of(rows, range(1, len(rows) + 1)))
    found.gradient(Reinforce().loss, batch)
    assert distance(gradient_of(found), naive_gradient(of, batch, batch.weight * batch.advantage)) < 1e-5


def test_log_probabilities_speak_about_the_token_in_their_own_column():
    of = policy()
    batch = learner(of).annotate(the_batch(extra=2), Needs(old=True))
    expected = naive_logp(of, batch).detach()
    assert torch.allclose(batch.old_logp[batch.action], expected[batch.action], atol=1e-5)
    known = bigram(torch.arange(256.0).view(16, 16).sin() * 2)
    batch = learner(known).annotate(batch_of([("?", "ab")]), Needs(old=True))
    table = (torch.arange(256.0).view(16, 16).sin() * 2).log_softmax(-1)
    expected = [0, float(table[token("?"), token("a")]), float(table[token("a"), token("b")])]
    assert batch.old_logp[0].tolist() == pytest.approx(expected, abs=1e-5)


def test_dropout_of_a_loaded_model_does_not_reach_the_gradient():
    """Answers are drawn without dropout, so the policy that learns must be that one: gpt2 has dropout .1 by default."""
    of = learner(policy("gpt2"))
    batch = prepared(Reinforce(), of, the_batch())
    batch = replace(batch, behaviour_logp=of.annotate(batch, Needs(old=True)).old_logp)
    stats = of.gradient(Reinforce().loss, batch)
    assert stats["logp_gap/mean"] < 1e-5


# ---- on-policy -------------------------------------------------------------------------------------------------------------


@every_algorithm
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_ratio_of_the_first_pass_is_exactly_one_and_nothing_is_clipped(algorithm, dtype):
    """To the bit, and in bfloat16, where passes over the same rows in other company differ by 1e-3: old log-probabilities come
    from the same micro-batches as new ones."""
    of = learner(policy(), micro_batch=3, dtype=dtype)
    batch = prepared(algorithm, of, the_batch())
    ratios: list[bool] = []

    def spying(new: Outputs, part: Batch) -> Any:
        if new.logp is not None:
            ratios.append(bool((new.logp == part.old_logp)[part.action & (part.weight != 0)].all()))
        return algorithm.loss(new, part)

    stats = of.gradient(spying, batch)
    assert algorithm.needs.score or ratios
    assert all(ratios)
    assert all(stats.get(f"clip_ratio/{side}_mean", 0.0) == 0 for side in ("low", "high", "region"))


def test_ratio_of_one_on_policy_pass_is_exactly_one():
    seen = []

    def spying(new: Outputs, batch: Batch) -> Any:
        seen.append(torch.equal(new.logp, batch.old_logp) and not batch.old_logp.requires_grad)
        return GRPO().loss(new, batch)

    of = learner(policy(), micro_batch=3)
    stats = of.gradient(spying, prepared(GRPO(), of, the_batch()))
    assert seen == [True, True]  # six of the seven answers have an advantage
    assert stats["clip_ratio/low_mean"] == stats["clip_ratio/high_mean"] == stats["clip_ratio/region_mean"] == 0


def test_on_policy_gradient_of_grpo_is_that_of_reinforce_with_the_same_advantage():
    of = learner(policy())
    batch = prepared(GRPO(), of, the_batch())
    of.gradient(GRPO().loss, batch)
    grpo = gradient_of(of)
    of.gradient(Reinforce().loss, batch)
    assert distance(grpo, gradient_of(of)) < 1e-6


def test_clipping_shows_in_the_metrics_once_the_policy_has_moved():
    of = learner(policy())
    algorithm = GRPO(update=FirstOrder(lr=0.02, epochs=2))
    batch = prepared(algorithm, of, the_batch())
    first = of.gradient(algorithm.loss, batch)
    of.apply(algorithm.update, 0.5)
    second = of.gradient(algorithm.loss, batch)
    assert first["clip_ratio/region_mean"] == 0
    assert 0 < second["clip_ratio/region_mean"] <= 1
    assert second["clip_ratio/region_mean"] == pytest.approx(second["clip_ratio/low_mean"] + second["clip_ratio/high_mean"])


# ---- whose tokens are learned from -------------------------------------------------------------------------------------------


@pytest.fixture
def readings(monkeypatch):
    """What the heads were given in each pass (of a policy or a critic, a row for each token spoken of; of a reward model, for
    each answer), with a gradient once there is one; and which tokens those are."""
    caught: list[tuple[Tensor, list[int]]] = []
    read = forward._read

    def catch(model: Any, packed: Any, places: Tensor) -> Tensor:
        said = read(model, packed, places)
        if said.requires_grad:
            said.retain_grad()
            caught.append((said, packed.column.tolist()))
        return said

    monkeypatch.setattr(forward, "_read", catch)
    return caught


def pulled(said: Tensor) -> list[bool]:
    assert said.grad is not None
    return (said.grad.abs().sum(-1) > 0).tolist()


@every_algorithm
def test_only_chosen_tokens_get_a_gradient_of_their_own(algorithm, readings):
    of: Any = learner(policy())
    moved_reference(of)
    of.prepare(algorithm.needs)
    moved_values(of)
    rows = completed(
        batch_of([("?", "cDEf"), ("!", "ab")], [1, 0.5], groups=[0, 0], extra=3), ((0, 4, 1.0), (1, 2, 0.0)), cut=5
    )
    batch = prepared(algorithm, of, rows)
    of.gradient(algorithm.loss, batch)
    chosen = batch.action[:, :5].flatten().tolist()  # the rest is padding, which a pass leaves out
    assert len(readings) == (2 if of.critic else 1)
    for said, columns in readings:
        if of.score and not algorithm.needs.of_steps:
            assert said.shape[0] == 2
            continue
        assert any(pulled(said))
        assert all(chosen[c] for c, reached in zip(columns, pulled(said), strict=True) if reached)


def test_prompts_and_tools_outputs_get_no_gradient_of_their_own(readings):
    of = learner(policy())
    of.gradient(SFT().loss, prepared(SFT(), of, batch_of([("ab?", "cDEf")])))
    ((said, columns),) = readings
    assert columns == [3, 4, 5, 6]  # c, D, E and f
    assert pulled(said) == [True, False, False, True]


def test_prompts_and_tools_outputs_get_no_gradient_of_their_own_where_siblings_share_their_prompt(readings):
    of = learner(policy())
    of.gradient(SFT().loss, prepared(SFT(), of, batch_of([("ab?", "cDEf"), ("ab?", "cd")])))
    ((said, columns),) = readings
    assert columns == [3, 4, 5, 6, 7 + 3, 7 + 4]
    assert pulled(said) == [True, False, False, True, True, True]


@pytest.mark.parametrize("algorithm", [a for a in ALGORITHMS.values() if not a.needs.score])  # a score reads the whole answer
def test_token_behind_the_last_chosen_one_changes_nothing(algorithm):
    rows = [("?", "abE"), ("?", "hC"), ("?", "cdHG")]
    other = [("?", "abA"), ("?", "hG"), ("?", "cdBE")]
    steps = ((0, 1, 1.0), (0, 2, 0.0), (1, 1, 1.0))
    ours, theirs = (gradient(algorithm, completed(batch_of(r, [1, 0, 0]), steps, cut=2)) for r in (rows, other))
    assert distance(theirs, ours) < 1e-6


def test_a_tools_output_is_read_by_what_comes_after_it():
    ours, theirs = (gradient(SFT(), batch_of([("?", answer)])) for answer in ("aEb", "aFb"))
    assert distance(theirs, ours) > 1e-3


# ---- other passes ------------------------------------------------------------------------------------------------------------


@every_algorithm
def test_evaluate_gives_the_same_sums_and_leaves_the_gradient_alone(algorithm):
    of = learner(policy(), micro_batch=2)
    batch = prepared(algorithm, of, the_batch())
    with_gradient = of.gradient(algorithm.loss, batch)
    before = gradient_of(of)
    without = of.evaluate(algorithm.loss, batch)
    assert without == pytest.approx(with_gradient, abs=1e-6)
    assert torch.equal(gradient_of(of), before)


def test_loss_metrics_are_weighted_sums_and_means_over_the_visited_tokens():
    """Bigram policy with even odds over 16 tokens: every −log π is log 16, every entropy too."""
    of = learner(bigram(torch.zeros(16, 16)), micro_batch=2)
    batch = prepared(SFT(), of, batch_of(ROWS))
    stats = of.evaluate(SFT().loss, replace(batch, behaviour_logp=torch.full(batch.tokens.shape, -3.0)))
    assert stats["loss"] == stats["loss/policy"] == pytest.approx(2.7725887, abs=1e-5)
    assert stats["entropy"] == pytest.approx(2.7725887, abs=1e-5)
    assert stats["logp_gap/mean"] == pytest.approx(3 - 2.7725887, abs=1e-5)


def test_divergence_from_the_reference_is_zero_at_the_start_and_positive_after_a_step():
    algorithm = GRPO(beta=0.04)
    of = learner(policy(), micro_batch=3)
    batch = prepared(algorithm, of, the_batch())
    assert of.gradient(algorithm.loss, batch)["kl"] == pytest.approx(0, abs=1e-9)
    of.apply(FirstOrder(lr=0.02), 0.5)
    again = prepared(algorithm, of, the_batch())
    assert torch.equal(again.ref_logp, batch.ref_logp)
    assert of.evaluate(algorithm.loss, again)["kl"] > 1e-4


def test_reference_is_kept_only_where_it_is_asked_for():
    of = learner(policy())
    prepared(GRPO(), of, the_batch())
    assert of.reference is None
    assert of.annotate(the_batch(), Needs()).ref_logp is None


@pytest.mark.parametrize("algorithm", [Reinforce(), GRPO(beta=0.04)], ids=["reinforce", "grpo"])
def test_bfloat16_passes_point_where_float32_ones_do(algorithm):
    of = learner(policy(), dtype="bfloat16")
    batch = prepared(algorithm, of, the_batch())
    of.gradient(algorithm.loss, batch)
    found, exact = gradient_of(of), gradient(algorithm, the_batch())
    if algorithm == Reinforce():
        assert float(torch.cosine_similarity(found, exact, dim=0)) > 0.99
    assert of.apply(FirstOrder(lr=0.01), 0.5)["skipped_updates"] == 0
    assert {p.dtype for p in of.parameters} == {torch.float32}
