from __future__ import annotations

import pytest
import torch

from quintet.engines.embedded import ENGINE
from quintet.engines.embedded.device import pick, precision
from quintet.settings import Machine
from tests.tiny import policy


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


@pytest.mark.parametrize(("chosen", "told"), [({}, 0), ({"dtype": "bfloat16"}, 1), ({"sampling_dtype": "bfloat16"}, 1)])
def test_a_processor_that_only_imitates_bfloat16_is_told_of(monkeypatch, chosen, told):
    cpu = torch.device("cpu")
    for there in (False, True):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda there=there: there)
        said = list(ENGINE.remarks(policy(), cpu, Machine(**chosen)))
        assert len(said) == (0 if there else told)
        assert all('Set dtype = "float32"' in sentence for sentence in said)
