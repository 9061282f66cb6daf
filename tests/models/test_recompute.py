from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch

from quintet.data import Sampling
from quintet.engines.embedded import forward
from quintet.engines.embedded.memory import held_per_token
from quintet.models.recompute import recomputed
from tests.models.architectures import MADE, made, with_sinks
from tests.tiny import batch_of


def gradient(model, within) -> torch.Tensor:
    batch = batch_of([("ab?", "cde"), ("ab?", "fg"), ("h!", "gg")], [1, 0, 0], groups=[0, 0, 1])
    model.zero_grad()
    with within(model):
        said = forward.outputs(model, batch, Sampling())
    (said.logp * batch.action).sum().backward()  # behind the context, as a learner does it
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("name", MADE)
def test_gradient_is_the_same_and_less_is_kept_for_it(name):
    model = made(name)
    whole = gradient(model, lambda _: nullcontext())
    again = gradient(model, recomputed)
    assert torch.allclose(again, whole, atol=1e-6 * float(whole.abs().max()))
    assert held_per_token(model, recomputed) < 0.5 * held_per_token(model, lambda _: nullcontext())
    assert not any(m.training for m in model.modules())


def test_gradient_of_the_plain_way_is_the_same():
    model = with_sinks()
    whole = gradient(model, lambda _: nullcontext())
    assert torch.allclose(gradient(model, recomputed), whole, atol=1e-6)
