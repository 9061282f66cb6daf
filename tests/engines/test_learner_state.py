"""A policy moved and brought back, a learner saved and restored."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from math import nan
from typing import Any

import pytest
import torch
from torch import Tensor

from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.ppo import PPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.reward_model import RewardModel
from quintet.algorithms.supervised import RFT
from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Needs, Sampling
from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.train import train
from quintet.updates import FirstOrder, NaturalStep
from tests.engines.learning import (
    ROWS,
    the_batch,
)
from tests.tiny import (
    CPU,
    batch_of,
    bigram,
    learner,
    policy,
    token,
    weights_of,
)

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
