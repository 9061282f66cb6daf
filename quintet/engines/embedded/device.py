"""Where tensors live, and in which precision a pass is computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


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


def precision(device: torch.device, dtype: str) -> AbstractContextManager[object]:
    """The context in which forward passes run: autocast to bfloat16, or nothing for float32."""
    return torch.autocast(device.type, torch.bfloat16) if dtype == "bfloat16" else nullcontext()
