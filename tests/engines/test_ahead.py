from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor

from quintet.engines.embedded import ahead


def counting(newest: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    return newest + 1, uniform * 2


@pytest.mark.parametrize("count", [1, 2, 3, 7])
@pytest.mark.parametrize("recorded", [False, True])
def test_each_token_follows_from_the_one_before_it_and_its_own_number(count, recorded):
    newest, uniform = torch.tensor([10, 20]), torch.rand(count, 2)
    tokens, logps = ahead.write(counting, newest, uniform, (lambda work: work) if recorded else None)
    assert tokens.tolist() == [[10 + k, 20 + k] for k in range(1, count + 1)]
    assert torch.equal(logps, uniform * 2)
    assert newest.tolist() == [10, 20]


def test_a_record_is_played_once_for_each_pass_but_the_first():
    played = 0

    def record(work: Callable[[], None]) -> Callable[[], None]:
        def play() -> None:
            nonlocal played
            played += 1
            work()

        return play

    ahead.write(counting, torch.tensor([1]), torch.rand(6, 1), record)
    assert played == 5


class Recorded:
    """CUDA's graphs without a GPU: what is taken down is not done until it is played, and may be refused at the end."""

    refuses = False

    def capture_begin(self, **_: object) -> None: ...

    def capture_end(self) -> None:
        if self.refuses:
            raise RuntimeError("operation not permitted when stream is capturing")

    def replay(self) -> None: ...


@pytest.fixture
def without_a_gpu(monkeypatch):
    class Stream:
        def wait_stream(self, other: object) -> None: ...

    for name, fake in {"CUDAGraph": Recorded, "Stream": Stream, "MemPool": lambda: SimpleNamespace(id=(0, 1))}.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: nullcontext())


@pytest.mark.usefixtures("without_a_gpu")
def test_a_graph_is_what_is_played():
    again = ahead.Graphs()(lambda: None)
    assert getattr(again, "__self__", None).__class__ is Recorded


@pytest.mark.usefixtures("without_a_gpu")
def test_what_cannot_be_recorded_is_done_call_by_call_and_that_is_said_once(monkeypatch):
    monkeypatch.setattr(Recorded, "refuses", True)
    graphs, done = ahead.Graphs(), []
    with pytest.warns(UserWarning, match="call by call, which is slower: operation not permitted"):
        again = graphs(lambda: done.append(1))
    again()
    assert done == [1, 1]  # the fake does the work while it is taken down
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graphs(lambda: done.append(2))()
    assert done == [1, 1, 2]
