from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from quintet.data import Sampling
from quintet.models import projection
from quintet.models.logprobs import selected
from quintet.models.projection import Projection, project

KINDS = {
    "plain": Projection(torch.empty(0)),
    "bias": Projection(torch.empty(0), torch.empty(0)),
    "scaled": Projection(torch.empty(0), scale=0.5),
    "capped": Projection(torch.empty(0), cap=1.5),
    "all of it": Projection(torch.empty(0), torch.empty(0), scale=2.0, cap=3.0),
}
SAMPLINGS = {
    "plain": Sampling(),
    "temperature": Sampling(temperature=0.6),
    "greedy": Sampling(temperature=0.0),
    "filters": Sampling(temperature=1.2, top_k=9, top_p=0.9, min_p=0.02),
}


def numbers(kind: str) -> tuple[Tensor, Tensor, Projection]:
    """Hidden states [10, 6], tokens [10], and a projection to 13 tokens; leaves that want a gradient."""
    torch.manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, requires_grad=True) for shape in ((10, 6), (13, 6), (13,)))
    layer = replace(KINDS[kind], weight=weight, bias=bias if KINDS[kind].bias is not None else None)
    return hidden, torch.randint(13, (10,)), layer


def gradients(said: tuple[Tensor, Tensor], of: tuple[Tensor, ...], pulls: tuple[int, int] = (1, 1)) -> list[Tensor]:
    logp, entropy = said
    towards = torch.linspace(-1, 2, len(logp))
    return list(torch.autograd.grad(pulls[0] * (logp * towards).sum() + pulls[1] * (entropy * towards**2).sum(), of))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
@pytest.mark.parametrize(("at_once", "kept"), [(10**6, 10**6), (30, 10**6), (30, 0), (1, 0)])
def test_some_rows_at_a_time_are_the_same_as_all_logits(monkeypatch, kind, sampling, at_once, kept):
    monkeypatch.setattr(projection, "AT_ONCE", at_once)
    monkeypatch.setattr(projection, "KEPT", kept)
    hidden, tokens, layer = numbers(kind)
    of = tuple(x for x in (hidden, layer.weight, layer.bias) if x is not None)
    ours, theirs = project(hidden, tokens, layer, sampling), selected(layer.logits(hidden), tokens, sampling)
    for found, right in zip(ours, theirs, strict=True):
        assert torch.allclose(found, right, atol=1e-5)
    for pulls in ((1, 0), (0, 1), (1, 1)):
        expected = gradients(selected(layer.logits(hidden), tokens, sampling), of, pulls)
        for found, right in zip(gradients(project(hidden, tokens, layer, sampling), of, pulls), expected, strict=True):
            assert torch.allclose(found, right, atol=1e-5)


def test_logits_by_hand():
    layer = Projection(torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([0.0, 1.0]), scale=0.5, cap=2.0)
    found = layer.logits(torch.tensor([[4.0, 1.0]]))  # 4 and 3, half of it 2 and 1.5, 2·tanh(1) and 2·tanh(.75)
    assert found.tolist() == [pytest.approx([1.523188, 1.270298], abs=1e-5)]


def test_frozen_weights_get_no_gradient_and_hidden_states_do():
    hidden, tokens, layer = numbers("bias")
    assert layer.bias is not None
    layer.weight.requires_grad_(False)
    layer.bias.requires_grad_(False)
    logp, _ = project(hidden, tokens, layer, Sampling())
    logp.sum().backward()
    assert hidden.grad is not None
    assert layer.weight.grad is None


def test_no_tokens_are_no_numbers():
    _, _, layer = numbers("plain")
    logp, entropy = project(torch.zeros(0, 6), torch.zeros(0, dtype=torch.int64), layer, Sampling())
    assert logp.shape == entropy.shape == (0,)


def test_bfloat16_passes_give_float32_numbers_near_the_exact_ones():
    hidden, tokens, layer = numbers("plain")
    exact, _ = project(hidden, tokens, layer, Sampling())
    with torch.autocast("cpu", torch.bfloat16):
        logp, _ = project(hidden, tokens, layer, Sampling())
    assert logp.dtype == torch.float32
    assert torch.allclose(logp, exact, atol=0.1)
    (found,), (right,) = (torch.autograd.grad(x.sum(), hidden) for x in (logp, exact))
    assert torch.allclose(found, right, atol=0.1)
