"""Muon: directions made orthogonal, momentum, and the same steps as torch's own to its bfloat16."""

from __future__ import annotations

import pytest
import torch

from quintet.engines.embedded.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(6, 6), (4, 9), (9, 4)])
def test_every_direction_becomes_about_as_long(shape):
    torch.manual_seed(0)
    flat = orthogonal(torch.randn(2, *shape))
    values = torch.linalg.svdvals(flat)
    assert flat.shape == (2, *shape)
    assert bool(((values > 0.5) & (values < 1.3)).all())


def test_singular_vectors_stay():
    u, _, v = torch.linalg.svd(torch.randn(5, 5, generator=torch.Generator().manual_seed(1)))
    made = orthogonal((u @ torch.diag(torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4])) @ v)[None])[0]
    turned = u.T @ made @ v.T
    assert torch.allclose(turned, torch.diag(turned.diagonal()), atol=1e-5)
    assert bool((turned.diagonal() > 0.5).all())


def test_a_matrix_of_zeros_stays_one():
    assert torch.equal(orthogonal(torch.zeros(1, 3, 4)), torch.zeros(1, 3, 4))


def test_steps_are_those_of_torch_to_the_rounding_of_bfloat16():
    torch.manual_seed(0)
    start = [torch.randn(*shape) for shape in ((8, 12), (12, 8), (8, 12), (5, 5))]
    ours, theirs = ([torch.nn.Parameter(x.clone()) for x in start] for _ in range(2))
    one = Muon(ours, lr=0.01, weight_decay=0.1)
    other = torch.optim.Muon(theirs, lr=0.01, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(3):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = torch.randn(*a.shape)
            b.grad = a.grad.clone()
        one.step()
        other.step()
    for a, b, x in zip(ours, theirs, start, strict=True):
        assert float((a - b).detach().norm()) < 0.03 * float((b - x).detach().norm())
    assert set(one.state_dict()["state"][0]) == set(other.state_dict()["state"][0])


def test_a_matrix_without_a_gradient_does_not_move():
    still, moving = (torch.nn.Parameter(torch.ones(3, 3)) for _ in range(2))
    moving.grad = torch.eye(3)
    Muon([still, moving], lr=0.1, weight_decay=0.5).step()
    assert torch.equal(still.detach(), torch.ones(3, 3))
    assert not torch.equal(moving.detach(), torch.ones(3, 3))
