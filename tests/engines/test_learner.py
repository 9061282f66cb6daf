"""What every gradient must keep: each of these has been broken in a well-known trainer."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from math import nan
from typing import Any

import pytest
import torch
from torch import Tensor

from quintet.algorithms import family
from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.ppo import PPO
from quintet.algorithms.process_reward_model import ProcessRewardModel
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.reward_model import RewardModel
from quintet.algorithms.supervised import RFT, SFT
from quintet.algorithms.trpo import TRPO
from quintet.config import registry
from quintet.data import Batch, Needs, Outputs, Sampling
from quintet.engines.embedded import forward
from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.equations.reduce import token_weights
from quintet.train import train
from quintet.updates import FirstOrder, NaturalStep
from tests.tiny import (
    ARCHITECTURES,
    CPU,
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
    weights_of,
)

ROWS = [
    ("?", "abc"),
    ("?", "hD!eb"),  # D and E below: what a tool said
    ("?", "c"),
    ("ab cd?", "fEEg"),
    ("ab cd?", "b"),
    ("gg!", "abcdefgh"),
    ("gg!", "hgf"),
]
REWARDS = [1, 0, 0.5, 1, 0, 0.25, -1]
"""Three groups of 3, 2 and 2 answers to prompts of 1, 6 and 3 tokens."""

ALGORITHMS: dict[str, Any] = {
    "sft": SFT(),
    "reinforce": Reinforce(),
    "reinforce with kl, per token": Reinforce(baseline="batch", beta=0.1, per="token"),
    "grpo": GRPO(),
    "grpo with kl": GRPO(beta=0.04),
    "grpo per token": GRPO(per="token"),
    "grpo, two-sided, corrected, over the batch": GRPO(delta=4.0, correction="token", baseline="batch", scale="batch"),
    "grpo with k1 and high entropy": GRPO(beta=0.04, kl="k1", top_entropy=0.5, correction="answer"),
    "grpo with k2, truncated answers masked": GRPO(beta=0.04, kl="k2", mask_truncated=True),
    "grpo by steps": GRPO(supervision="process"),
    "dr-grpo": family.DR_GRPO,
    "dapo": family.DAPO,
    "gspo": family.GSPO,
    "cispo": family.CISPO,
    "rloo": family.RLOO,
    "reinforce++": family.REINFORCE_PP,
    "rft": RFT(accept=0.5),
    "ppo": PPO(entropy_weight=0.01),
    "ppo with kl and a head": PPO(beta=0.1, critic="head"),
    "trpo": TRPO(),
    "trpo without critic": TRPO(baseline="leave-one-out"),
    "dpo": DPO(),
    "dpo as ipo": DPO(form="ipo"),
    "dpo with a hinge": DPO(form="hinge"),
    "dpo, robust": DPO(form="robust", label_smoothing=0.1),
    "reward-model": RewardModel(centring=0.01),
    "process-reward-model": ProcessRewardModel(),
    "online-rft": replace(family.ONLINE_RFT, accept=0.5),
}
every_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)


def test_every_algorithm_that_has_a_name_is_held_to_what_follows():
    assert {name for name in registry.ALGORITHMS if ".py:" not in name} <= set(ALGORITHMS)


def the_batch(**how: Any) -> Batch:
    """With what a source adds: one answer was cut off, and two of them were judged by steps."""
    steps = ((0, 2, 1.0), (0, 3, 0.0), (1, 5, 1.0), (5, 4, 0.5), (5, 10, 1.0), (6, 5, 0.0))
    return completed(batch_of(ROWS, REWARDS, **how), steps, cut=3)


def completed(batch: Batch, steps: tuple[tuple[int, int, float], ...], cut: int) -> Batch:
    """The batch with rewards of steps (row, column, reward), an answer that was `cut` off, and log-probabilities of a sampler
    that is not quite the learner."""
    step_reward = torch.full(batch.tokens.shape, nan)
    for row, column, reward in steps:
        step_reward[row, column] = reward
    rows, columns = (torch.arange(n, dtype=torch.float32) for n in batch.tokens.shape)
    sampled = naive_logp(policy(), batch).detach() + 0.1 * torch.sin(3 * rows[:, None] + columns)
    truncated = torch.arange(len(batch.tokens)) == cut
    return replace(batch, step_reward=step_reward, truncated=truncated, behaviour_logp=sampled, longest=8)


def moved_reference(of: EmbeddedLearner) -> None:
    """A reference that is not the policy, so that the divergence pulls."""
    of.annotate(the_batch(), Needs(reference=True))
    assert of.reference is not None
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in of.reference.weights.values():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))


def moved_values(of: EmbeddedLearner) -> None:
    """Critic, head and reward model say 0 at first: here they say something, and their trunks get a gradient."""
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for module in filter(None, (of.critic, of.head, of.score)):
            for p in module.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=generator))


def gradient(algorithm: Any, batch: Batch, micro_batch: int = 0, **how: Any) -> Tensor:
    of = learner(policy(**how), micro_batch=micro_batch)
    moved_reference(of)
    of.prepare(algorithm.needs)
    moved_values(of)
    of.gradient(algorithm.loss, prepared(algorithm, of, batch))
    return gradient_of(of)


def reordered(batch: Batch, order: list[int]) -> Batch:
    names = ("tokens", "action", "length", "reward", "group", "step_reward", "truncated", "behaviour_logp")
    rows = {k: getattr(batch, k)[order] for k in names}
    return replace(batch, **rows)


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


# ---- shifted -----------------------------------------------------------------------------------------------------------------


def test_shifted_moves_the_parameters_and_brings_back_every_bit():
    of = learner(policy())
    before = weights_of(of)
    direction = [torch.randn(p.shape, generator=torch.Generator().manual_seed(1)) for p in of.parameters]
    with of.shifted(direction, 1e-3):
        moved = weights_of(of)
    assert torch.allclose(moved - before, 1e-3 * torch.cat([d.flatten() for d in direction]), atol=1e-6)
    assert torch.equal(weights_of(of), before)


@pytest.mark.parametrize("scale", [1e30, nan])
def test_shifted_brings_back_every_bit_when_the_body_raises(scale):
    of = learner(policy())
    before = weights_of(of)
    with pytest.raises(KeyError), of.shifted([torch.ones_like(p) for p in of.parameters], scale):
        raise KeyError
    assert torch.equal(weights_of(of), before)


def test_direction_of_the_wrong_length_is_refused_and_moves_nothing():
    of = learner(policy())
    before = weights_of(of)
    with pytest.raises(ValueError, match="zip"), of.shifted([torch.ones_like(of.parameters[0])], 1.0):
        pass
    assert torch.equal(weights_of(of), before)


# ---- going on ----------------------------------------------------------------------------------------------------------------


class Steps:
    """A source of six batches, or some of them, with rewards of their own. Torch's generator follows from the step."""

    def __init__(self, first: int, last: int = 6) -> None:
        self.steps = range(first, last)

    def __iter__(self) -> Iterator[Batch]:
        for step in self.steps:
            torch.manual_seed(step)
            yield replace(the_batch(), reward=torch.tensor([(step * 7 + i * i) % 5 / 2 for i in range(len(ROWS))]))

    def sync(self, of: Any) -> None:
        """Nobody samples."""


UPDATES = {
    "adamw": FirstOrder(lr=0.01, weight_decay=0.1),
    "muon": FirstOrder(lr=0.01, optimiser="muon", warmup=0.2, schedule="cosine"),
    "adafactor": FirstOrder(lr=0.1, optimiser="adafactor"),
    "epochs and minibatches": FirstOrder(lr=0.01, epochs=2, minibatches=3),
}
RESUMED: dict[str, Any] = {
    **{f"reinforce, {name}": Reinforce(baseline="moving", update=update) for name, update in UPDATES.items()},
    **{f"grpo with kl, {name}": GRPO(beta=0.1, update=update) for name, update in UPDATES.items()},
    "ppo": PPO(beta=0.1, kl_target=0.01, update=FirstOrder(lr=3e-3, critic_lr=0.01, epochs=2, minibatches=2)),
    "ppo with a head": PPO(critic="head", update=FirstOrder(lr=0.01, optimiser="muon", epochs=2)),
    "trpo": TRPO(update=NaturalStep(critic_lr=0.01, cg_iterations=3, critic_minibatches=2)),
    "dpo": DPO(update=FirstOrder(lr=0.01)),
    "rft": RFT(accept=0.5, update=FirstOrder(lr=0.01)),
    "reward-model": RewardModel(update=FirstOrder(lr=0.01)),
}


def everything(of: EmbeddedLearner) -> Tensor:
    """The parameters of all networks as one vector."""
    networks = (of.model, of.critic, of.head, of.score)
    reference = of.reference.weights.values() if of.reference else ()
    held = [*(p for n in networks if n is not None for p in n.parameters()), *reference]
    return torch.cat([p.detach().flatten() for p in held])


@pytest.mark.parametrize("algorithm", RESUMED.values(), ids=RESUMED)
def test_learner_restored_from_its_state_goes_on_with_the_same_bits(algorithm):
    """Policy, reference, critic, head, reward model, their optimisers and the notes, through a file."""
    straight, before = learner(policy()), learner(policy())
    train(algorithm, straight, Steps(0), [], 6)  # type: ignore[arg-type]
    train(algorithm, before, Steps(0, 3), [], 6)  # type: ignore[arg-type]
    assert not torch.equal(everything(before), everything(straight))
    file = io.BytesIO()
    torch.save({"learner": before.state(), "weights": dict(before.weights())}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    after = learner(policy(seed=9))
    after.model.load_state_dict(saved["weights"])
    after.restore(saved["learner"], algorithm.needs)
    assert torch.equal(everything(after), everything(before))
    train(algorithm, after, Steps(3), [], 6, 3)  # type: ignore[arg-type]
    assert torch.equal(everything(after), everything(straight))
    assert after.notes == straight.notes


def test_state_before_the_first_step_can_be_restored():
    of = learner(policy())
    of.restore(learner(policy()).state(), Needs())
    assert (of.networks["policy"].optimiser, of.reference) == (None, None)


def test_learner_of_filtered_sampling_keeps_an_answer_that_the_filters_no_longer_allow():
    """Weights moved since the sample: the token that was taken stays possible, or its gradient would be that of log 0."""
    logits = torch.zeros(16, 16)
    logits[:, token("a")] = 5.0
    of = EmbeddedLearner(bigram(logits), CPU, Sampling(top_k=1))
    batch = of.annotate(batch_of([("?", "ba"), ("?", "aa")]), Needs(old=True))
    assert batch.old_logp[:, 1:].tolist() == [pytest.approx([-5.0067153, 0.0], abs=1e-4), pytest.approx([0.0, 0.0], abs=1e-4)]
