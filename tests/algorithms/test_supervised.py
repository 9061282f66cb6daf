from __future__ import annotations

from dataclasses import replace

import torch

from quintet.algorithms.supervised import SFT
from quintet.data import Outputs
from tests.tiny import batch_of


def test_every_token_of_a_demonstration_counts_the_same():
    batch = batch_of([("?", "ab"), ("!", "c")])
    assert SFT().advantage(batch).tolist() == [[0, 1, 1], [0, 1, 0]]
    assert SFT().weight(batch)[batch.action].tolist() == [torch.tensor(1 / 3).item()] * 3


def test_its_loss_is_the_negative_log_likelihood_and_nothing_else():
    logp = torch.tensor([[0, -1.0, -2.0]])
    batch = batch_of([("?", "ab")])
    terms = SFT().loss(Outputs(logp, logp), replace(batch, advantage=SFT().advantage(batch)))
    assert list(terms) == ["policy"]
    assert terms["policy"].tolist() == [[0, 1, 2]]


def test_learns_from_demonstrations():
    assert SFT().needs.demonstrations
