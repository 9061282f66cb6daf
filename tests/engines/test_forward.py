from __future__ import annotations

from itertools import islice

import torch

from quintet.data import Sampling, select
from quintet.engines.embedded import EmbeddedSampler
from quintet.engines.embedded.forward import outputs
from quintet.models.load import load
from quintet.sources import collate, grade
from quintet.tasks.maze import MazeTask


def test_gradient_of_shared_prompts_has_the_same_bits_every_time_on_two_threads():
    """Groups of unequal size, so that the border between two threads falls within a group."""
    task, sampling = MazeTask(size=4), Sampling(max_new_tokens=9)
    policy = load("preset:1m", task)
    sampler = EmbeddedSampler(policy, torch.device("cpu"))
    rollouts = grade(task, sampler.generate(list(islice(task.prompts("train"), 7)), 8, sampling, seed=0))
    batch = collate(rollouts, [i // 8 for i in range(56)])
    batch = select(batch, torch.tensor([i for i in range(56) if i % 3][:33]))
    gradients = set()
    torch.set_num_threads(2)
    try:
        for _ in range(30):
            policy.model.zero_grad()
            (outputs(policy.model, batch, sampling).logp * batch.action).sum().backward()
            found = torch.cat([p.grad.flatten() for p in policy.model.parameters() if p.grad is not None])
            gradients.add(found.numpy().tobytes())
    finally:
        torch.set_num_threads(1)
    assert len(gradients) == 1
