"""Several tokens of each answer in flight, one after the other, before anyone looks which answers have ended.

To look means to wait for a GPU, and to call each of a layer's small kernels from Python costs more than the kernels. So there
the first pass is made as usual, the second is recorded (CUDA graphs), and the rest are the record played again.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""From the newest tokens [n] and a random number for each [n] to the next tokens and their log-probabilities."""
Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Takes down what a function does on the device, without doing it; the result does it."""
AHEAD = 16
"""Tokens on a GPU. An answer that ended is written on to the next look: half as many tokens are lost, on average."""


def write(step: Step, newest: Tensor, uniform: Tensor, record: Record | None = None) -> tuple[Tensor, Tensor]:
    """Tokens [K, n] int64 and their log-probabilities [K, n] float32 behind `newest` [n], drawn with `uniform` [K, n]."""
    tokens = torch.empty(uniform.shape, dtype=torch.int64, device=uniform.device)
    logps = torch.empty(uniform.shape, dtype=torch.float32, device=uniform.device)
    newest, number = newest.clone(), torch.zeros(1, dtype=torch.int64, device=uniform.device)

    def once() -> None:
        """All that it changes is changed in place, so that it can be played again."""
        token, logp = step(newest, uniform.index_select(0, number)[0])
        newest.copy_(token)
        tokens.index_copy_(0, number, token[None])
        logps.index_copy_(0, number, logp[None])
        number.add_(1)

    once()
    again = record(once) if record is not None and len(uniform) > 2 else once
    for _ in range(len(uniform) - 1):
        again()
    return tokens, logps


class Graphs:
    """`Record` of CUDA, on a stream and in memory of its own. Where the model does something that can't be taken down, such as
    to wait for the GPU, it says so once, and from then on each pass is made by its calls."""

    def __init__(self) -> None:
        self.stream, self.memory, self.refused = torch.cuda.Stream(), torch.cuda.MemPool(), False

    def __call__(self, work: Callable[[], None]) -> Callable[[], None]:
        if self.refused:
            return work
        made = torch.cuda.CUDAGraph()
        self.stream.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(self.stream):
                made.capture_begin(pool=self.memory.id, capture_error_mode="thread_local")  # type: ignore[arg-type]
                try:
                    work()
                finally:
                    made.capture_end()
        except RuntimeError as error:
            self.refused = True
            warnings.warn(f"Each token's pass is made call by call, which is slower: {error}", stacklevel=2)
            return work
        return made.replay
