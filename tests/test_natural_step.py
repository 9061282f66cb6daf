"""TRPO's step: the Fisher products, the system they solve, and the bound on the KL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Outputs, Sampling
from quintet.engines.embedded import EmbeddedLearner
from quintet.equations.divergences import kl_k3
from quintet.equations.natural import conjugate_gradients
from quintet.equations.reduce import token_weights
from quintet.models.load import Policy
from quintet.sources import Online
from quintet.train import train
from quintet.updates import NaturalStep
from tests.tiny import (
    Letter,
    batch_of,
    chance_of_best,
    distance,
    learner,
    naive_logp,
    policy,
    prepared,
    sampler,
    token,
    weights_of,
)

ROWS = [("?", "abc"), ("?", "hD!eb"), ("?", "c"), ("ab cd?", "fEEg"), ("ab cd?", "b"), ("gg!", "abcdefgh"), ("gg!", "hgf")]
REWARDS = [1, 0, 0.5, 1, 0, 0.25, -1]


def the_batch(of: EmbeddedLearner, algorithm: TRPO) -> Batch:
    return prepared(algorithm, of, batch_of(ROWS, REWARDS))


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([t.flatten() for t in tensors])


def kl(of: Policy, batch: Batch) -> Tensor:
    """The mean over tokens of k3 on the old policy's samples: an estimate of KL(old ‖ new), with a graph."""
    weight = token_weights(batch.action, "token")
    return (weight * kl_k3(batch.old_logp, naive_logp(of, batch))).sum()


def directions(found: EmbeddedLearner, batch: Batch, sample: Batch) -> dict[str, list[Tensor]]:
    """What conjugate gradients begin and end with, which are steep; and a random direction, which is flat."""
    found.gradient(TRPO(baseline="group").loss, batch, only="policy")
    gradient = found.direction()
    natural = conjugate_gradients(lambda v: NaturalStep().fisher(found, sample, v), gradient, 10)
    torch.manual_seed(0)
    return {"gradient": gradient, "natural": natural, "random": [torch.randn_like(p) for p in found.parameters]}


@pytest.mark.parametrize("length", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("sharpness", [0.1, 0.4])
@pytest.mark.parametrize("kind", ["qwen3", "llama", "gpt2"])
def test_fisher_product_is_the_second_derivative_of_the_divergence(kind, sharpness, length):
    """Double backward through a small transformer with plain attention, along steep and flat directions of any length."""
    of = policy(kind, sharpness=sharpness, attn_implementation="eager")
    found = learner(of)
    batch = the_batch(found, TRPO(baseline="group"))
    sample = replace(batch, weight=token_weights(batch.action, "token"))
    parameters = list(of.model.parameters())
    for name, v in directions(found, batch, sample).items():
        v = [x * (length / flat(v).norm()) for x in v]
        slopes = torch.autograd.grad(kl(of, batch), parameters, create_graph=True)
        exact = flat(list(torch.autograd.grad(slopes, parameters, grad_outputs=v)))
        product = flat(NaturalStep(damping=0.0).fisher(found, sample, v))
        assert distance(product, exact) < 1e-2, name


def test_damping_is_added_to_the_diagonal():
    of = learner(policy())
    batch = the_batch(of, TRPO(baseline="group"))
    v = [torch.ones_like(p) for p in of.parameters]
    with_, without = (flat(NaturalStep(damping=d).fisher(of, batch, v)) for d in (0.5, 0.0))
    assert torch.allclose(with_ - without, torch.full_like(with_, 0.5), atol=1e-3)


def test_direction_solves_the_fishers_system():
    """The Fisher matrix of 16 parameters, column by column, against torch.linalg.solve."""
    of = policy()
    for name, p in of.model.named_parameters():
        p.requires_grad_(name == "model.norm.weight")
    found = learner(of)
    batch = the_batch(found, TRPO(baseline="group"))
    sample = replace(batch, weight=token_weights(batch.action, "token"))
    step = NaturalStep(damping=0.1)
    columns = [step.fisher(found, sample, [unit])[0] for unit in torch.eye(16)]
    fisher = torch.stack(columns, 1)
    assert torch.allclose(fisher, fisher.T, atol=2e-4)
    target = torch.linspace(-1, 1, 16)
    (solved,) = conjugate_gradients(lambda v: step.fisher(found, sample, v), [target], 30, tolerance=1e-8)
    assert distance(solved, torch.linalg.solve(fisher, target)) < 1e-2


class Measuring:
    """An observer that measures each step's KL anew, from weights and samples, without the learner."""

    def __init__(self, of: Policy) -> None:
        self.of, self.rows = of, []

    def __call__(self, step: int, batch: Batch, stats: dict[str, float]) -> None:
        with torch.no_grad():
            self.rows.append({**stats, "again": float(kl(self.of, batch))})


@pytest.mark.parametrize("baseline", ["critic", "leave-one-out"])
def test_measured_divergence_never_exceeds_its_bound_over_a_whole_run_that_learns(baseline):
    of = policy(sharpness=0.1)
    seen = Measuring(of)
    source = Online(Letter(), sampler(of), Sampling(max_new_tokens=4), 8, 6, seed=1)
    algorithm = TRPO(baseline=baseline, update=NaturalStep(max_kl=0.02, fisher_share=0.5, critic_lr=1e-2))
    before = chance_of_best(of)
    train(algorithm, learner(of), source, [seen], 25)
    accepted = [row for row in seen.rows if row["line_search/accepted"]]
    assert len(accepted) > 15
    assert all(0 < row["approx_kl"] <= 0.02 for row in accepted)
    assert all(row["again"] == pytest.approx(row["approx_kl"], rel=1e-3, abs=1e-6) for row in accepted)
    assert all(row["again"] == 0.0 or row["again"] < 1e-9 for row in seen.rows if not row["line_search/accepted"])
    assert max(row["approx_kl"] for row in accepted) > 0.004  # the bound is used, not merely kept
    assert chance_of_best(of) > before + 0.3


def refused_by(update: NaturalStep, loss: Any) -> tuple[bool, dict[str, float]]:
    """Whether a step left the parameters' bits alone, and its stats."""
    of = learner(policy())
    algorithm = TRPO(baseline="group", update=update)
    batch = the_batch(of, algorithm)
    before = weights_of(of)
    stats = update(of, loss(algorithm), batch)
    return torch.equal(weights_of(of), before), stats


def test_step_that_is_refused_leaves_every_bit():
    """The loss rises wherever one goes: its gradient points somewhere, but no length of step is an improvement."""

    def rising(algorithm: TRPO) -> Any:
        calls: list[int] = []

        def loss(new: Outputs, b: Batch) -> dict[str, Tensor]:
            calls.append(1)
            return {"policy": algorithm.loss(new, b)["policy"] + float(len(calls))}  # type: ignore[operator]

        return loss

    same, stats = refused_by(NaturalStep(), rising)
    assert same
    assert (stats["line_search/accepted"], stats["skipped_updates"], stats["approx_kl"]) == (0.0, 1.0, 0.0)


def test_step_that_is_too_long_without_backtracks_is_refused():
    """A Fisher matrix with a thousandth of the curvature makes steps thirty times too long."""

    class Flat(NaturalStep):
        def fisher(self, learner: Any, batch: Batch, v: list[Tensor]) -> list[Tensor]:
            return [x / 1000 for x in super().fisher(learner, batch, v)]

    same, stats = refused_by(Flat(backtracks=0), lambda algorithm: algorithm.loss)
    assert same
    assert stats["line_search/accepted"] == 0.0
    moved, stats = refused_by(Flat(backtracks=20), lambda algorithm: algorithm.loss)
    assert not moved
    assert stats["line_search/backtracks"] > 2
    assert stats["approx_kl"] <= 0.01


def test_step_that_makes_an_answer_impossible_is_refused():
    """Its infinite KL would be left out of the mean, which would then look small."""

    of = learner(policy())
    algorithm = TRPO(baseline="group")
    batch = the_batch(of, algorithm)
    whole = of.evaluate
    calls: list[int] = []

    def losing(loss: Any, b: Batch, only: Any = None) -> dict[str, float]:
        found = whole(loss, b, only)
        calls.append(1)
        return {**found, "nonfinite_answers": 1.0} if len(calls) == 1 else found

    of.evaluate = losing  # type: ignore[method-assign]
    stats = algorithm.update(of, algorithm.loss, batch)
    assert stats["line_search/accepted"] == 1.0
    assert stats["line_search/backtracks"] >= 1.0


@pytest.mark.parametrize("answers", ["some", "all"])
def test_step_that_makes_answers_impossible_is_refused_although_what_is_left_improves(answers):
    """With a flat Fisher matrix the step is so long that weights overflow. What is not finite is left out of the loss, which is
    above 0 here, and so falls."""

    class Flat(NaturalStep):
        def fisher(self, learner: Any, batch: Batch, v: list[Tensor]) -> list[Tensor]:
            return [x * 1e-30 for x in v]

    def loss(new: Outputs, b: Batch) -> dict[str, Any]:
        return {"policy": TRPO().loss(new, b)["policy"] + 1.0}  # type: ignore[operator]

    of = policy()
    if answers == "some":  # only the embedding of h learns: rows without an h stay as they are
        for p in of.model.parameters():
            p.requires_grad_(False)
        embedding: Any = of.model.get_input_embeddings()
        embedding.weight.requires_grad_(True)
        embedding.weight.register_hook(lambda g: g * (torch.arange(16) == token("h"))[:, None])
    found = learner(of)
    batch = the_batch(found, TRPO(baseline="group"))
    before, seen, whole = weights_of(of), [], found.evaluate

    def watching(*arguments: Any, **how: Any) -> dict[str, float]:
        seen.append(whole(*arguments, **how))
        return seen[-1]

    found.evaluate = watching  # type: ignore[method-assign]
    stats = Flat(backtracks=0, max_kl=1e60)(found, loss, batch)
    assert [row["nonfinite_answers"] for row in seen] == [2 if answers == "some" else 7]
    assert seen[0]["loss"] < stats["loss"]
    assert (stats["line_search/accepted"], stats["skipped_updates"]) == (0.0, 1.0)
    assert torch.equal(weights_of(of), before)


def test_parameters_that_are_accepted_are_bit_for_bit_those_that_were_measured():
    of = learner(policy())
    algorithm = TRPO(baseline="group")
    batch = the_batch(of, algorithm)
    measured: list[Tensor] = []
    whole = of.evaluate

    def watching(*arguments: Any, **how: Any) -> dict[str, float]:
        measured.append(weights_of(of))
        return whole(*arguments, **how)

    of.evaluate = watching  # type: ignore[method-assign]
    before = weights_of(of)
    stats = algorithm.update(of, algorithm.loss, batch)
    assert stats["line_search/accepted"] == 1.0
    assert torch.equal(weights_of(of), measured[-1])
    assert not torch.equal(weights_of(of), before)
    again = whole(algorithm.loss, batch, only="policy")
    assert again["approx_kl"] == stats["approx_kl"]  # the divergence too, to the bit


def test_rewards_that_are_all_equal_move_nothing():
    of = learner(policy())
    algorithm = TRPO(baseline="group")
    batch = prepared(algorithm, of, batch_of(ROWS, [1.0] * len(ROWS)))
    before = weights_of(of)
    stats = algorithm.update(of, algorithm.loss, batch)
    assert torch.equal(weights_of(of), before)
    assert stats["skipped_updates"] == 1.0


def test_critic_learns_beside_the_policy_and_only_its_own_loss():
    of = learner(policy())
    algorithm = TRPO(update=NaturalStep(critic_lr=1e-2, critic_epochs=20, critic_minibatches=1))
    batch = the_batch(of, algorithm)
    before = of.evaluate(algorithm.loss, batch, only="critic")["loss/value"]
    stats = algorithm.update(of, algorithm.loss, batch)
    after = of.evaluate(algorithm.loss, batch, only="critic")["loss/value"]
    assert after < 0.5 * before
    assert {"grad_norm", "grad_norm/critic", "loss/policy", "loss/value"} <= set(stats)
