"""Quintet's own learner on tables: only the forward pass is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from parity.sample import Learned, Sample
from quintet.data import Batch, Needs, Outputs
from quintet.engines.embedded.learner import EmbeddedLearner


class TableLearner(EmbeddedLearner):
    """Annotates a batch, splits it, weighs it and adds it up exactly as in training."""

    def __init__(self, sample: Sample, micro_batch: int) -> None:
        self.model: Any = sample.old
        self.reference: Any = sample.reference
        self.entropy = sample.entropy
        self.device, self.micro_batch, self.needs, self.notes = torch.device("cpu"), micro_batch, Needs(), {}
        self.critic = self.score = self.head = None
        self.networks: Any = {"policy": SimpleNamespace(forget_gradient=lambda: None)}

    def _policy(self, model: Any, batch: Batch, head: Any = None) -> Outputs:
        return Outputs(logp=model[batch.tokens], entropy=self.entropy[batch.tokens])


def batch_of(sample: Sample) -> Batch:
    """What `sources.collate` would make of it."""
    rows = [p + a for p, a in zip(sample.prompts, sample.answers, strict=True)]
    action = [[False] * len(p) + c for p, c in zip(sample.prompts, sample.chosen, strict=True)]
    width = max(map(len, rows))
    reward = torch.tensor(sample.reward)
    tokens = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    return Batch(
        tokens=tokens,
        action=torch.tensor([row + [False] * (width - len(row)) for row in action]) & torch.isfinite(reward)[:, None],
        length=torch.tensor([len(row) for row in rows]),
        reward=reward,
        group=torch.arange(len(rows)) // sample.group_size,
        behaviour_logp=sample.behaviour[tokens],
        truncated=torch.tensor(sample.truncated),
        longest=sample.longest,
    )


def prepared(algorithm: Any, sample: Sample, micro_batch: int = 0) -> tuple[TableLearner, Batch]:
    """The batch with the columns that `train.train` adds, reckoned by the old policy."""
    learner = TableLearner(sample, micro_batch)
    batch = learner.annotate(batch_of(sample), algorithm.needs)
    batch = replace(batch, advantage=algorithm.advantage(batch))
    return learner, replace(batch, weight=algorithm.weight(batch))


def learn(algorithm: Any, sample: Sample, micro_batch: int = 0) -> Learned:
    """One pass of the learner over the sample, with the new policy."""
    learner, batch = prepared(algorithm, sample, micro_batch)
    return _visit(learner, algorithm, batch, sample)


def learn_in_parts(algorithm: Any, sample: Sample) -> Iterator[tuple[list[int], Learned]]:
    """The rows of each minibatch, and what one step on it learns."""
    learner, batch = prepared(algorithm, sample)
    for part in algorithm.update.parts(batch):
        first_tokens = part.tokens[part.action & (part.action.cumsum(1) == 1)].tolist()
        yield [[a[0] for a in sample.answers].index(t) for t in first_tokens], _visit(learner, algorithm, part, sample)


def of_answers(advantage: Tensor, batch: Batch) -> Tensor:
    """An advantage that is the same on all tokens of an answer: [B, T] to [B]."""
    return torch.where(batch.action, advantage, 0.0).sum(1) / batch.action.sum(1).clamp(min=1)


def _visit(learner: TableLearner, algorithm: Any, batch: Batch, sample: Sample) -> Learned:
    learner.model = sample.new.clone().requires_grad_()
    stats = learner.gradient(algorithm.loss, batch)
    return Learned(of_answers(batch.advantage, batch), stats["loss"], learner.model.grad, stats)
