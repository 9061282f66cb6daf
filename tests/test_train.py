from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

from quintet.algorithms import family
from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.ppo import PPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.reward_model import RewardModel
from quintet.algorithms.supervised import RFT, SFT
from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Needs, Sampling
from quintet.sources import Demonstrations, Online, Pairs
from quintet.train import train
from quintet.updates import FirstOrder, NaturalStep
from tests.tiny import Letter, batch_of, chance_of_best, learner, policy, sampler, weights_of


@dataclass
class Story:
    """What happened, in order: a learner, a source, an algorithm, its update and an observer that only take notes."""

    events: list[str] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    needs: Any = field(default_factory=lambda: Needs(old=True))

    # source
    def __iter__(self):
        while True:
            self.events.append("batch")
            yield batch_of([("?", "a"), ("?", "b")], [1, 0])

    def sync(self, learner: Any) -> None:
        self.events.append("sync")

    # learner
    def annotate(self, batch: Batch, needs: Needs) -> Batch:
        self.events.append(f"annotate at {batch.progress}")
        assert needs == Needs(old=True)
        return replace(batch, old_logp=torch.full(batch.tokens.shape, -1.0))

    # algorithm
    def advantage(self, batch: Batch) -> Tensor:
        self.events.append("advantage")
        return batch.old_logp * 2

    def weight(self, batch: Batch) -> Tensor:
        self.events.append("weight")
        return batch.advantage * 3

    def loss(self, new: Any, batch: Batch) -> dict[str, Tensor]:
        raise AssertionError("nobody asked")

    def update(self, learner: Any, loss: Any, batch: Batch) -> dict[str, float]:
        self.events.append("update")
        assert learner is self
        assert loss == self.loss
        self.batches.append(batch)
        return {"loss": float(len(self.batches))}

    # observer
    def __call__(self, step: int, batch: Batch, stats: dict[str, float]) -> None:
        self.events.append(f"observe {step}: {stats['loss']}")
        assert batch is self.batches[-1]


def test_a_step_in_order():
    story: Any = Story()
    train(story, story, story, [story, story], steps=1)
    learned = ["batch", "annotate at 0.0", "advantage", "weight", "update", "sync"]
    assert story.events == [*learned, "observe 0: 1.0", "observe 0: 1.0"]


def test_columns_are_made_in_the_order_they_build_on():
    story: Any = Story()
    train(story, story, story, [], steps=1)
    (batch,) = story.batches
    assert [float(x[0, 0]) for x in (batch.old_logp, batch.advantage, batch.weight)] == [-1, -2, -6]


def test_progress_follows_the_sources_budget_where_that_ends_the_stage_sooner():
    """Three steps, but the budget is spent after two: schedules see the end coming."""
    story: Any = Story()
    story.spent = lambda: len(story.batches) / 2
    train(story, story, story, [], steps=3)
    assert [b.progress for b in story.batches] == [0.0, 0.5, 1.0]


def test_progress_is_the_share_of_the_stage_that_is_done_and_a_resumed_stage_goes_on_with_it():
    story: Any = Story()
    train(story, story, story, [], steps=5, first=2)
    assert [b.progress for b in story.batches] == [0.4, 0.6, 0.8]


def test_no_batch_is_made_that_nobody_learns_from():
    story: Any = Story()
    train(story, story, story, [], steps=3)
    assert story.events.count("batch") == 3
    train(story, story, story, [], steps=3, first=3)
    assert story.events.count("batch") == 3


class Pages(list[Batch]):
    """A source that comes to an end."""

    def sync(self, learner: Any) -> None:
        pass


def test_finite_source_ends_the_stage():
    story: Any = Story()
    seen: list[int] = []
    pages: Any = Pages([batch_of([("?", "a"), ("?", "b")], [1, 0])] * 2)
    train(story, story, pages, [lambda step, batch, stats: seen.append(step)], steps=9)
    assert seen == [0, 1]


# ---- the whole of it -------------------------------------------------------------------------------------------------------

UPDATE = FirstOrder(lr=0.01)
LEARNERS: dict[str, Any] = {
    "reinforce": Reinforce(update=UPDATE),
    "reinforce with a moving baseline": Reinforce(baseline="moving", update=UPDATE),
    "grpo": GRPO(update=UPDATE),
    "grpo with kl, epochs and minibatches": GRPO(beta=0.04, update=FirstOrder(lr=0.01, epochs=2, minibatches=2)),
    "dr-grpo": replace(family.DR_GRPO, update=UPDATE),
    "dapo": replace(family.DAPO, update=UPDATE),
    "gspo": replace(family.GSPO, update=FirstOrder(lr=0.01, epochs=2)),
    "cispo": replace(family.CISPO, update=FirstOrder(lr=0.01, epochs=2)),
    "rloo": replace(family.RLOO, update=UPDATE),
    "reinforce++": replace(family.REINFORCE_PP, update=FirstOrder(lr=0.005)),
    "ppo": PPO(update=FirstOrder(lr=3e-3, critic_lr=0.01, epochs=2, minibatches=2)),
    "ppo with a head": PPO(critic="head", value_weight=0.1, update=FirstOrder(lr=5e-3, epochs=2, minibatches=2)),
    "trpo": TRPO(update=NaturalStep(max_kl=0.08, cg_iterations=4, critic_lr=0.01, critic_epochs=1)),
    "trpo without critic": TRPO(baseline="leave-one-out", update=NaturalStep(max_kl=0.08, cg_iterations=4)),
    "dpo": DPO(update=UPDATE),
    "online rft": replace(family.ONLINE_RFT, update=UPDATE),
}


def learned(name: str, seed: int) -> float:
    """The chance of the best answer after forty steps from a start where it is small."""
    torch.manual_seed(seed)
    of, sampling = policy(seed=seed, sharpness=0.2), Sampling(max_new_tokens=3)
    source = Online(Letter(), sampler(of), sampling, prompts_per_step=6, group_size=8, seed=seed)
    source.resample = LEARNERS[name].needs.resample
    assert chance_of_best(of) < 0.2
    train(LEARNERS[name], learner(of, sampling), source, [], steps=40)
    return chance_of_best(of)


@pytest.mark.parametrize("name", LEARNERS)
def test_training_finds_the_best_answer(name):
    # One seed in thirty settles on another answer; which one depends on the rounding of the processor: the middle one of three.
    assert sorted(learned(name, seed) for seed in (0, 1, 2))[1] > 0.8


def test_rejection_fine_tuning_goes_on_sampling_from_its_start():
    of, sampling = policy(sharpness=0.2), Sampling(max_new_tokens=3)
    algorithm = RFT(update=UPDATE)
    learning = learner(of, sampling)
    learning.prepare(algorithm.needs)
    assert learning.reference is not None
    source = Online(Letter(), sampler(of, frozen=learning.reference), sampling, prompts_per_step=6, group_size=8, seed=0)
    before, rewards = chance_of_best(of), []
    train(algorithm, learning, source, [lambda step, batch, stats: rewards.append(float(batch.reward.mean()))], steps=60)
    with learning.reference.in_place():
        assert chance_of_best(of) == before
    assert chance_of_best(of) > 0.8
    assert max(rewards) < 0.4  # what it samples doesn't improve, only what it learned


class Shown:
    """Pairs of an answer that begins with b and one that begins with h."""

    name = "shown"

    def preferences(self, split: str, start: int = 0):
        return ((prompt, "b", "h") for prompt in Letter().prompts(split, start))


@pytest.mark.parametrize("pairs", ["data", "sampled"])
def test_reward_model_learns_what_is_better_and_leaves_the_policy_alone(pairs):
    of, seen = policy(sharpness=0.2), []
    learning, before = learner(of), weights_of(of)
    algorithm = RewardModel(pairs=pairs, update=FirstOrder(lr=5e-3))
    shown: Any = Pairs(Shown(), of.tokenizer, per_step=6)
    sampled = Online(Letter(), sampler(of), Sampling(max_new_tokens=3), prompts_per_step=6, group_size=8, seed=0)
    train(algorithm, learning, sampled if pairs == "sampled" else shown, [lambda step, batch, stats: seen.append(stats)], 40)
    assert (seen[0]["loss"], seen[0]["accuracy"]) == (pytest.approx(0.6931472), 0.0)  # it said 0 of everything
    late = [stats["accuracy"] for stats in seen[-10:]]  # of pairs that no step has learned from yet
    assert sum(late) / 10 > 0.9
    assert torch.equal(weights_of(of), before)


@pytest.mark.parametrize(("form", "at_first"), [("sigmoid", 0.6931472), ("robust", 0.6931472), ("hinge", 1.0), ("ipo", 25.0)])
def test_offline_preferences_are_learned(form, at_first):
    of = policy(sharpness=0.2)
    seen: list[dict[str, float]] = []
    source = Pairs(Shown(), of.tokenizer, per_step=6)
    train(
        DPO(pairs="data", form=form, update=UPDATE),
        learner(of),
        source,
        [lambda step, batch, stats: seen.append(stats)],
        steps=20,
    )
    assert (seen[0]["accuracy"], seen[0]["margin"]) == (0.0, 0.0)  # the policy is its own reference
    assert (seen[-1]["accuracy"], seen[-1]["margin"] > 0.5) == (1.0, True)
    assert seen[0]["loss"] == pytest.approx(at_first)


def test_training_on_demonstrations_finds_the_shown_answer():
    of = policy(sharpness=0.2)
    source = Demonstrations(Letter(), of.tokenizer, per_step=6)
    algorithm: Any = SFT(update=FirstOrder(lr=0.01))
    train(algorithm, learner(of), source, [], steps=40)
    assert chance_of_best(of) > 0.9


def test_same_seed_same_bits():
    def weights() -> list[float]:
        torch.manual_seed(0)
        of, sampling = policy(sharpness=0.2), Sampling(max_new_tokens=3)
        source = Online(Letter(), sampler(of), sampling, prompts_per_step=3, group_size=4, seed=0)
        train(LEARNERS["grpo with kl, epochs and minibatches"], learner(of, sampling), source, [], steps=4)
        return weights_of(of).tolist()

    assert weights() == weights()
