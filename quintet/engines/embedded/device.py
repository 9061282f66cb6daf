"""Where tensors live, and in which precision a pass is computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn


def pick(device: str) -> torch.device:
    """The device of that name; `auto` is cuda, then mps, then cpu. Raises ValueError where this machine hasn't got it."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if device == "auto":
        return torch.device(next(name for name, there in present.items() if there))
    if not present[device]:
        raise ValueError(
            f'This machine has no {device} device. Set device = "auto", or run `quintet doctor` to see what it has.'
        )
    return torch.device(device)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether products of bfloat16 are computed as such; a processor without instructions for them takes a hundred times as
    long as for float32."""
    return device.type != "cpu" or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def precision(device: torch.device, dtype: str) -> AbstractContextManager[object]:
    """The context in which forward passes run: autocast to bfloat16, or nothing for float32."""
    return torch.autocast(device.type, torch.bfloat16) if dtype == "bfloat16" else nullcontext()


@contextmanager
def rounded_once(model: nn.Module, device: torch.device) -> Iterator[None]:
    """Within the context, and within autocast, the model's linear layers hold weights that are rounded already: the same
    numbers as autocast's, which would round them again for every token. Afterwards they are the tensors that they were."""
    if not torch.is_autocast_enabled(device.type):
        yield
        return
    dtype = torch.get_autocast_dtype(device.type)
    weights = {m.weight for m in model.modules() if isinstance(m, nn.Linear)}
    shared = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    whole = [(w, w.data) for w in weights if id(w) not in shared]
    try:
        for weight, data in whole:
            weight.data = data.to(dtype)
        yield
    finally:
        for weight, data in whole:
            weight.data = data
