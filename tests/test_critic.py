"""PPO's critic: what it says, how it is taught, and that a policy's step stops in time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch

from quintet.algorithms.ppo import PPO
from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Needs, Prompt, Rollout, Sampling, Verdict
from quintet.engines.embedded import forward
from quintet.models import heads
from quintet.sources import Online
from quintet.train import train
from quintet.updates import FirstOrder, NaturalStep
from tests.tiny import ARCHITECTURES, batch_of, learner, policy, prepared, sampler, weights_of

ROWS = [("?", "abc"), ("?", "hD!eb"), ("?", "c"), ("ab cd?", "fEEg"), ("ab cd?", "b"), ("gg!", "abcdefgh"), ("gg!", "hgf")]
REWARDS = [1, 0, 0.5, 1, 0, 0.25, -1]
KINDS: list[Any] = ["separate", "head"]


def moved(of: Any) -> Any:
    """The learner, with a critic that says something."""
    torch.manual_seed(3)
    with torch.no_grad():
        for p in (of.head or of.critic.score).parameters():
            p.normal_()
    return of


@pytest.mark.parametrize("critic", KINDS)
def test_new_critic_expects_nothing(critic):
    batch = learner(policy()).annotate(batch_of(ROWS, REWARDS), Needs(critic=critic))
    assert torch.equal(batch.value, torch.zeros(batch.tokens.shape))


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_value_of_a_token_is_read_behind_the_one_before_it(kind):
    of: Any = learner(policy(kind))
    of.prepare(Needs(critic="separate"))
    moved(of)
    batch = of.annotate(batch_of(ROWS, REWARDS), Needs(critic="separate"))
    for row, length in enumerate(batch.length.tolist()):
        hidden = of.critic.base_model(input_ids=batch.tokens[row : row + 1, :length]).last_hidden_state[0]
        said = of.critic.score(hidden)[:, 0]
        chosen = batch.action[row, :length].nonzero()[:, 0]
        assert torch.allclose(batch.value[row, chosen], said[chosen - 1], atol=1e-5)


@pytest.mark.parametrize("critic", KINDS)
def test_values_do_not_depend_on_siblings_and_micro_batches(critic):
    def values(micro_batch: int, batch: Batch) -> torch.Tensor:
        of = learner(policy(), micro_batch=micro_batch)
        of.prepare(Needs(critic=critic))
        return torch.where(batch.action, moved(of).annotate(batch, Needs(critic=critic)).value, 0.0)

    together = batch_of(ROWS, REWARDS)
    alone = replace(together, group=torch.arange(len(ROWS)))
    assert torch.allclose(values(0, together), values(1, alone), atol=1e-5)
    assert torch.allclose(values(0, together), values(3, together), atol=1e-5)
    assert float(values(0, together).abs().max()) > 0.1


def test_hook_for_a_head_is_gone_after_the_pass():
    of: Any = learner(policy())
    of.prepare(Needs(critic="head"))
    of.annotate(batch_of(ROWS, REWARDS), Needs(critic="head"))
    assert not of.model.get_output_embeddings()._forward_pre_hooks
    with pytest.raises(RuntimeError), heads.head_input(of.model):
        raise RuntimeError
    assert not of.model.get_output_embeddings()._forward_pre_hooks


def test_policys_log_probabilities_are_the_same_with_and_without_a_head():
    of = learner(policy())
    batch = batch_of(ROWS, REWARDS)
    plain = forward.outputs(of.model, batch, Sampling())
    with_head = forward.outputs(of.model, batch, Sampling(), heads.value_head(of.model))
    assert torch.equal(plain.logp, with_head.logp)


@dataclass
class Fate:
    """Prompts of two kinds: whatever one answers, `a` earns 1 and `b` 0. So the value of a prompt can be known."""

    name: str = "fate"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        number = start
        while True:
            yield Prompt(id=f"{split}-{number}", text="ab"[(number * 7 % 5) % 2] + "?")
            number += 1

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        return [Verdict(float((r.prompt.text or "").startswith("a"))) for r in rollouts]


TEACHERS: dict[str, Any] = {
    "ppo": PPO(update=FirstOrder(lr=1e-4, critic_lr=1e-2, epochs=2, minibatches=2)),
    "ppo with a head": PPO(critic="head", update=FirstOrder(lr=3e-3, epochs=2, minibatches=2)),
    "trpo": TRPO(update=NaturalStep(critic_lr=1e-2)),
}


@pytest.mark.parametrize("algorithm", TEACHERS.values(), ids=TEACHERS)
def test_explained_variance_rises_where_the_value_can_be_known(algorithm):
    of, seen = policy(sharpness=0.2), []
    source = Online(Fate(), sampler(of), Sampling(max_new_tokens=3), 8, 4, seed=0)
    train(algorithm, learner(of), source, [lambda step, batch, stats: seen.append(stats["explained_variance"])], 25)
    assert abs(seen[0]) < 1e-6
    assert sum(seen[-3:]) / 3 > 0.7


def test_policy_and_critic_have_a_norm_and_a_rate_of_their_own():
    of: Any = learner(policy())
    algorithm = PPO(update=FirstOrder(lr=1e-3, critic_lr=1e-2))
    batch = prepared(algorithm, of, batch_of(ROWS, REWARDS))
    before = weights_of(of)
    stats = algorithm.update(of, algorithm.loss, batch)
    assert (stats["learning_rate"], stats["learning_rate/critic"]) == (1e-3, 1e-2)
    assert stats["grad_norm"] > 0
    assert stats["grad_norm/critic"] > 0
    assert not torch.equal(weights_of(of), before)
    assert float(of.critic.score.weight.abs().max()) == pytest.approx(1e-2, rel=1e-3)  # AdamW's first step is the rate


def test_critics_error_does_not_reach_the_policy():
    of = learner(policy())
    algorithm = PPO()
    batch = prepared(algorithm, of, batch_of(ROWS, REWARDS))
    of.gradient(lambda new, b: {"value": algorithm.loss(new, b)["value"]}, batch)
    assert all(not bool(g.any()) for g in of.direction())
    assert any(bool(g.any()) for g in of.networks["critic"].gradient())


def test_epochs_stop_once_the_policy_has_moved_far_enough():
    def updates(target_kl: float) -> float:
        of = learner(policy())
        algorithm = PPO(update=FirstOrder(lr=1e-2, epochs=6, minibatches=1, target_kl=target_kl))
        return algorithm.update(of, algorithm.loss, prepared(algorithm, of, batch_of(ROWS, REWARDS)))["num_updates"]

    assert updates(0.0) == 6
    assert 1 <= updates(1e-3) < 6
    assert updates(1e9) == 6


def test_network_alone_runs_alone():
    of = learner(policy())
    algorithm = TRPO()
    batch = prepared(algorithm, of, batch_of(ROWS, REWARDS))
    of.gradient(algorithm.loss, batch, only="critic")
    assert all(p.grad is None for p in of.parameters)
    of.gradient(algorithm.loss, batch, only="policy")
    assert all(p.grad is None for p in of.networks["critic"].parameters)


@pytest.mark.parametrize(
    ("algorithm", "answers"),
    [
        (PPO(update=FirstOrder(epochs=2, minibatches=1)), 2 * 2 * 7),  # two passes of seven answers through two networks
        (PPO(critic="head", update=FirstOrder(epochs=3, minibatches=1)), 3 * 7),
        (TRPO(baseline="leave-one-out", update=NaturalStep(cg_iterations=2, fisher_share=1.0)), 7 + 2 * 3 * 7),
        (
            TRPO(update=NaturalStep(cg_iterations=1, fisher_share=1.0, critic_epochs=2, critic_minibatches=1)),
            7 + 2 * 2 * 7 + 2 * 7,
        ),
    ],
)
def test_answers_that_are_differentiated_are_counted_once_for_each_network(algorithm: Any, answers: int):
    """A natural step differentiates the batch once, and twice for each Fisher product: one an iteration, one for the length."""
    of = learner(policy())
    algorithm.update(of, algorithm.loss, prepared(algorithm, of, batch_of(ROWS, REWARDS)))
    assert of.backward_answers == answers
