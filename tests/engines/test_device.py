from __future__ import annotations

import pytest
import torch

from quintet.engines.embedded.device import pick, precision


def test_auto_is_the_fastest_there_is():
    best = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    assert pick("auto").type == best
    assert pick("cpu").type == "cpu"


def test_missing_device_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r'This machine has no cuda device\. Set device = "auto"'):
        pick("cuda")


def test_bfloat16_is_the_arithmetic_of_products_only_where_it_is_asked_for():
    a = torch.ones(2, 2)
    with precision(torch.device("cpu"), "bfloat16"):
        assert (a @ a).dtype == torch.bfloat16
    with precision(torch.device("cpu"), "float32"):
        assert (a @ a).dtype == torch.float32
