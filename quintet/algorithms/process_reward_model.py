"""A process reward model: the chance that an answer is right so far, at the end of each of its steps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.reduce import token_weights
from quintet.equations.steps import step_error
from quintet.knobs import Count, Fraction
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class ProcessRewardModel:
    """L = E[−y·log σ(s) − (1 − y)·log(1 − σ(s))] over the ends of steps.  Source: Math-Shepherd, arXiv:2312.08935, eq. 2 and 3.

    It leaves the policy alone: a second network, begun from the policy's weights, learns from answers that the policy
    samples."""

    labels: Literal["task", "completions"] = "completions"
    """Whence it is known which steps are right (y): the task judges them; or the policy completes each step several times, and
    y is the share of completions that are right (Math-Shepherd). Where nobody sets it, a task that judges steps is asked."""
    completions: Count = 8
    """Completions of each step, with labels=completions (Math-Shepherd: 8)."""
    begin_from: str = ""
    """The process reward model that is trained on: a folder, a hub id or an earlier stage's name; empty makes a new one from
    the policy. In later rounds of a stage that is repeated it is the last round's."""
    replay: Fraction = 0.0
    """Share of each step's prompts that is replaced by answers from earlier rounds; 0.1 in DeepSeekMath's Algorithm 1."""
    update: FirstOrder = field(default_factory=lambda: FirstOrder(lr=2e-5))

    @property
    def needs(self) -> Needs:
        completions = self.completions if self.labels == "completions" else 0
        return Needs(score=True, of_steps=True, begin_from=self.begin_from, replay=self.replay, completions=completions)

    def advantage(self, b: Batch) -> Tensor:
        """1 where a step ends: what is learned from. [B, T]"""
        if b.step_reward is None:
            return torch.zeros(b.action.shape, device=b.action.device)
        return (torch.isfinite(b.step_reward) & b.action).to(b.reward.dtype)

    def weight(self, b: Batch) -> Tensor:
        """Every step counts the same."""
        return token_weights(b.advantage > 0, "token")

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """The cross-entropy at the ends of steps, and whether ½ is on the right side of each."""
        return {
            "steps": step_error(new.score, b.step_reward),
            "accuracy": (new.score > 0) == (b.step_reward > 0.5),
            "right_steps": b.step_reward > 0.5,
        }
