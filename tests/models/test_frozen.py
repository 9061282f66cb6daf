from __future__ import annotations

import pytest
import torch

from quintet.models.frozen import Frozen


def layer() -> torch.nn.Linear:
    made = torch.nn.Linear(2, 1)
    made.bias.requires_grad_(False)
    with torch.no_grad():
        made.weight.fill_(1.0)
    return made


def test_model_is_what_it_was_within_the_context_and_what_it_is_afterwards():
    of = layer()
    then, place = Frozen(of), of.weight.data_ptr()
    with torch.no_grad():
        of.weight.fill_(2.0)
    with then.in_place():
        assert of.weight.tolist() == [[1.0, 1.0]]
    assert of.weight.tolist() == [[2.0, 2.0]]
    assert of.weight.data_ptr() == place
    assert set(then.weights) == {"weight"}  # what isn't trained isn't copied


def test_model_comes_back_from_an_error_within_the_context():
    of = layer()
    then = Frozen(of)
    with torch.no_grad():
        of.weight.fill_(2.0)
    context = then.in_place()
    with pytest.raises(RuntimeError), context:
        of(torch.ones(1, 3))
    assert of.weight.tolist() == [[2.0, 2.0]]


def test_weights_that_were_kept_elsewhere_are_taken_over():
    of = layer()
    then = Frozen(of)
    then.restore({"weight": torch.full((1, 2), 5.0)})
    with then.in_place():
        assert of.weight.tolist() == [[5.0, 5.0]]
