from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from quintet.algorithms import family
from quintet.algorithms.supervised import RFT, SFT
from quintet.data import Outputs
from tests.tiny import batch_of


def test_every_token_of_a_demonstration_counts_the_same():
    batch = batch_of([("?", "ab"), ("!", "c")])
    assert SFT().advantage(batch).tolist() == [[0, 1, 1], [0, 1, 0]]
    assert SFT().weight(batch)[batch.action].tolist() == [torch.tensor(1 / 3).item()] * 3


def test_its_loss_is_the_negative_log_likelihood_and_nothing_else():
    logp = torch.tensor([[0, -1.0, -2.0]])
    batch = batch_of([("?", "ab")])
    terms: Any = SFT().loss(Outputs(logp, logp), replace(batch, advantage=SFT().advantage(batch)))
    assert list(terms) == ["policy"]
    assert terms["policy"].tolist() == [[0, 1, 2]]


def test_learns_from_demonstrations():
    assert SFT().needs.source == "demonstrations"


def test_only_right_answers_are_imitated_but_all_are_counted():
    """Two of four answers earned at least .5; each of their tokens weighs 1/(|o|·4)."""
    batch = batch_of([("?", "ab"), ("?", "c"), ("?", "d"), ("?", "e")], [1, 0.5, 0.25, 0])
    algorithm = RFT(accept=0.5)
    batch = replace(batch, advantage=algorithm.advantage(batch))
    assert batch.advantage[:, 1].tolist() == [1, 1, 0, 0]
    assert algorithm.weight(batch).tolist() == [[0, 0.125, 0.125], [0, 0.25, 0], [0, 0, 0], [0, 0, 0]]
    logp = torch.tensor([[0, -1.0, -2.0]] * 4)
    policy: Any = algorithm.loss(Outputs(logp, logp), batch)["policy"]
    assert policy[0].tolist() == [0, 1, 2]


def test_rft_samples_from_its_start_and_online_rft_from_itself():
    assert (RFT().needs.frozen_sampler, family.ONLINE_RFT.needs.frozen_sampler) == (True, False)
