"""A batch with everything in it, every algorithm in its forms, and the gradient of one on the other."""

from __future__ import annotations

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
from quintet.data import Batch, Needs
from quintet.engines.embedded.learner import EmbeddedLearner
from tests.tiny import (
    batch_of,
    gradient_of,
    learner,
    naive_logp,
    policy,
    prepared,
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
