from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.ppo import PPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Needs, Rollout, Sampling, select
from quintet.engines import engine_of
from quintet.engines.control import ControlLearner, ControlSampler
from quintet.engines.control.policy import MLP, ControlPolicy, load
from quintet.sources import Online, collate, grade
from quintet.tasks.cartpole import CartPole
from quintet.tasks.maze import MazeTask
from quintet.train import train
from quintet.updates import FirstOrder, NaturalStep
from tests.tiny import CPU, distance, gradient_of, prepared, weights_of

TASK = CartPole()
STEPS = Sampling(max_new_tokens=500)


def policy(seed: int = 0) -> ControlPolicy:
    """One that has opinions: weights as they are made, but for a larger last layer."""
    made = load("preset:mlp", TASK, seed)
    with torch.no_grad():
        made.model.head.weight.mul_(100)
    return made


def episodes(of: ControlPolicy, prompts: int = 2, group_size: int = 3, sampling: Sampling = STEPS, **how: Any) -> list[Rollout]:
    first = how.get("first", 0)
    return ControlSampler(of, CPU).generate(list(islice(TASK.prompts("train", first), prompts)), group_size, sampling, 1, **how)


def learner(of: ControlPolicy, **how: Any) -> ControlLearner:
    return ControlLearner(of, CPU, how.pop("sampling", STEPS), **how)  # type: ignore[arg-type]


def batch_of(found: Sequence[Rollout], group_size: int = 3) -> Batch:
    return collate(grade(TASK, found), [i // group_size for i in range(len(found))])


# ---- episodes --------------------------------------------------------------------------------------------------------------


def test_episode_is_what_the_environment_does_with_its_actions():
    for episode in episodes(policy()):
        environment = gymnasium.make("CartPole-v1")
        observation, _ = environment.reset(seed=episode.prompt.truth["seed"])
        for place, action in enumerate(episode.tokens):
            assert episode.observations[place] == pytest.approx(observation.tolist())
            observation, reward, ended, cut, _ = environment.step(action)
            assert episode.earned[place] == reward
            assert (ended or cut) == (place == len(episode.tokens) - 1)
        assert episode.stop_reason == "eos"
        assert episode.action == [True] * len(episode.tokens)


def test_siblings_begin_alike_and_go_their_own_ways():
    one, two, three, other, *_ = episodes(policy())
    assert one.observations[0] == two.observations[0] == three.observations[0] != other.observations[0]
    assert len({tuple(e.tokens) for e in (one, two, three)}) == 3


def test_episode_depends_on_its_number_and_place_alone():
    of = policy()
    together, alone = episodes(of, 2, 4, first=3), episodes(of, 1, 2, first=4)
    assert [e.tokens for e in together[4:6]] == [e.tokens for e in alone]
    assert [e.tokens for e in together] == [e.tokens for e in episodes(of, 2, 4, first=3)]


def test_long_episode_is_cut_where_the_longest_answer_ends():
    found = episodes(policy(), sampling=Sampling(max_new_tokens=5))
    assert [(len(e.tokens), e.stop_reason) for e in found] == [(5, "length")] * 6


@pytest.mark.parametrize("sampling", [STEPS, replace(STEPS, temperature=0.5), replace(STEPS, temperature=2.0, min_p=0.2)])
def test_log_probabilities_of_sampler_and_learner_agree(sampling: Sampling):
    of = policy()
    seen = learner(of, sampling=sampling).annotate(batch_of(episodes(of, sampling=sampling)), Needs(old=True))
    assert torch.allclose(seen.old_logp[seen.action], seen.behaviour_logp[seen.action], atol=1e-5)
    assert float(seen.behaviour_logp[seen.action].std()) > 0.05


def test_batch_carries_observations_and_what_was_earned():
    found = episodes(policy())
    batch = batch_of(found)
    assert batch.observation.shape == (*batch.tokens.shape, 4)
    assert batch.observation[1, 2].tolist() == pytest.approx(list(found[1].observations[2]))
    assert torch.equal(batch.earned.sum(1), batch.reward)
    shortest = batch.length.argmin()[None]
    assert select(batch, shortest).observation.shape == (1, int(batch.length.min()), 4)


# ---- gradients -------------------------------------------------------------------------------------------------------------

ALGORITHMS: dict[str, Any] = {
    "reinforce": Reinforce(credit="to-go"),
    "trpo": TRPO(gamma=0.99),
    "ppo": PPO(gamma=0.99, entropy_weight=0.01),
    "ppo with a head and kl": PPO(critic="head", beta=0.1),
    "dpo": DPO(),
    "grpo": GRPO(beta=0.04),
}


def gradient(algorithm: Any, batch: Batch, **how: Any) -> torch.Tensor:
    of: Any = learner(policy(), **how)
    of.prepare(algorithm.needs)
    with torch.no_grad():  # critics say 0 at first
        for head in filter(None, (of.critic and of.critic.head, of.head)):
            head.weight.copy_(torch.linspace(-1, 1, 64)[None])
    of.gradient(algorithm.loss, prepared(algorithm, of, batch))
    return gradient_of(of)


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)
def test_gradient_does_not_depend_on_micro_batches_order_or_padding(algorithm: Any):
    found = episodes(policy())
    whole = gradient(algorithm, batch_of(found))
    assert float(whole.norm()) > 0
    assert distance(gradient(algorithm, batch_of(found), micro_batch=2), whole) < 1e-5
    batch = batch_of(found)
    assert distance(gradient(algorithm, select(batch, torch.tensor([3, 4, 5, 0, 1, 2]))), whole) < 1e-5
    wide = {
        name: torch.nn.functional.pad(getattr(batch, name), (0, 7)) for name in ("tokens", "action", "behaviour_logp", "earned")
    }
    padded = replace(batch, **wide, observation=torch.nn.functional.pad(batch.observation, (0, 0, 0, 7), value=3.0))
    assert distance(gradient(algorithm, padded), whole) < 1e-5


def test_reinforce_gradient_is_williams():
    """−∇ Σ_t (R_t − siblings' R_t)·log π(a_t | s_t) / episodes, each step by itself."""
    of = policy()
    found = episodes(of)
    whole = gradient(Reinforce(credit="to-go", per="sum"), batch_of(found))
    loss = torch.zeros(())
    for i, episode in enumerate(found):
        siblings = [e for j, e in enumerate(found) if j // 3 == i // 3 and j != i]
        for t, (seen, action) in enumerate(zip(episode.observations, episode.tokens, strict=True)):
            advantage = len(episode.tokens) - t - sum(max(0, len(e.tokens) - t) for e in siblings) / 2
            loss = loss - advantage * of.model(torch.tensor(seen)).log_softmax(-1)[action] / len(found)
    wanted = torch.cat([g.flatten() for g in torch.autograd.grad(loss, list(of.model.parameters()))])
    assert distance(whole, wanted) < 1e-5


def test_critic_begins_from_the_policys_trunk_says_nothing_and_draws_no_random_numbers():
    of: Any = learner(policy())
    state = torch.get_rng_state()
    of.prepare(Needs(critic="separate"))
    of.prepare(Needs(critic="head"))
    assert torch.equal(torch.get_rng_state(), state)
    batch = batch_of(episodes(policy()))
    assert of.critic is not None
    assert bool((of._values(batch) == 0).all())
    assert torch.equal(of.critic.trunk[0].weight, of.model.trunk[0].weight)
    assert of.critic.trunk[0].weight is not of.model.trunk[0].weight


def test_reward_model_is_refused():
    with pytest.raises(ValueError, match="A reward model reads texts"):
        learner(policy()).prepare(Needs(score=True))


# ---- learning --------------------------------------------------------------------------------------------------------------


def source(of: ControlPolicy, seed: int) -> Online:
    return Online(TASK, ControlSampler(of, CPU), replace(STEPS, max_new_tokens=80), 8, 4, seed)


@pytest.mark.parametrize(
    "algorithm",
    [
        Reinforce(credit="to-go", update=FirstOrder(lr=1e-2)),
        PPO(gamma=0.99, value_clip=0.0, update=FirstOrder(lr=3e-3, critic_lr=1e-2, epochs=4, minibatches=4)),
        TRPO(gamma=0.99, update=NaturalStep(critic_lr=1e-2, critic_epochs=4)),
        GRPO(update=FirstOrder(lr=1e-2)),
    ],
    ids=["reinforce", "ppo", "trpo", "grpo"],
)
def test_pole_stays_up_twice_as_long_after_a_few_steps(algorithm: Any):
    """Episodes of at most 80 steps; an untrained policy's last about 22. The middle of three seeds."""

    def grown(seed: int) -> float:
        of, rewards = load("preset:mlp", TASK, seed), []
        torch.manual_seed(seed)
        watch = lambda step, batch, stats: rewards.append(float(batch.reward.mean()))  # noqa: E731
        train(algorithm, learner(of), source(of, seed), [watch], steps=7)
        return rewards[-1] / rewards[0]

    assert median(grown(seed) for seed in range(3)) > 2


def test_critic_foresees_returns():
    of, seen = load("preset:mlp", TASK, 0), []
    torch.manual_seed(0)
    update = FirstOrder(lr=3e-3, critic_lr=1e-2, epochs=4, minibatches=4)
    watch = lambda step, batch, stats: seen.append(stats["explained_variance"])  # noqa: E731
    train(PPO(gamma=0.99, value_clip=0.0, update=update), learner(of), source(of, 0), [watch], steps=8)
    assert seen[0] < 0.05
    assert max(seen) > 0.5


def test_learner_goes_on_from_its_state_bit_for_bit():
    algorithm = PPO(gamma=0.99, beta=0.01, update=FirstOrder(lr=3e-3, epochs=2))
    of = policy()
    one, batch = learner(of), batch_of(episodes(policy()))
    algorithm.update(one, algorithm.loss, prepared(algorithm, one, batch))
    written = io.BytesIO()
    torch.save(one.state(), written)
    twin = ControlPolicy(MLP(4, (64, 64), 2))
    twin.model.load_state_dict(of.model.state_dict())
    other = learner(twin)
    other.restore(torch.load(io.BytesIO(written.getvalue()), weights_only=True), algorithm.needs)
    for each in (one, other):
        algorithm.update(each, algorithm.loss, prepared(algorithm, each, batch))
    assert torch.equal(weights_of(one), weights_of(other))


# ---- policies --------------------------------------------------------------------------------------------------------------


def test_engine_follows_the_task():
    assert engine_of(TASK).learner is ControlLearner
    assert engine_of(MazeTask()).learner.__name__ == "EmbeddedLearner"


def test_saved_policy_is_loaded_with_the_same_bits(tmp_path: Path):
    of = policy()
    of.save(tmp_path / "model")
    again = load(str(tmp_path / "model"), TASK)
    assert torch.equal(weights_of(again), weights_of(of))  # type: ignore[arg-type]
    assert json.loads((tmp_path / "model" / "config.json").read_text())["hidden"] == [64, 64]


def test_same_seed_gives_the_same_network_and_an_untrained_one_favours_no_action():
    one, same, other = (load("preset:mlp", TASK, seed) for seed in (0, 0, 1))
    assert torch.equal(weights_of(one), weights_of(same))  # type: ignore[arg-type]
    assert not torch.equal(weights_of(one), weights_of(other))  # type: ignore[arg-type]
    chance = one.model(torch.from_numpy(np.eye(4, dtype=np.float32))).softmax(-1).detach()
    assert float((chance - 0.5).abs().max()) < 0.02


def test_folders_that_hold_no_fitting_network_are_refused_in_a_sentence(tmp_path: Path):
    ControlPolicy(MLP(3, (8,), 2)).save(tmp_path / "other")
    with pytest.raises(ValueError, match="sees 3 numbers and has 2 actions; cartpole shows 4 and wants 2"):
        load(str(tmp_path / "other"), TASK)
    (tmp_path / "language").mkdir()
    (tmp_path / "language" / "config.json").write_text('{"model_type": "qwen3"}')
    for name in ("language", "absent"):
        with pytest.raises(ValueError, match="No network could be loaded"):
            load(str(tmp_path / name), TASK)
    with pytest.raises(ValueError, match="preset:mlp"):
        load("preset:1m", TASK)
