"""The time below which no GRPO step can come on this machine: its matrix products alone, each prompt read once for its group,
nothing padded. `python -m benchmarks.versus.floor FOLDER THREADS`"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch

from benchmarks.versus import settings


def main(folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    setting = settings.read(folder)
    dtype = torch.bfloat16 if setting.size.dtype == "bfloat16" else torch.float32
    shapes = linear_layers(setting)
    answer = setting.answer // 3 if setting.ragged else setting.answer  # where ragged, the mean length
    prompt = setting.prompt * 5 // 8 if setting.ragged else setting.prompt
    read, written = setting.prompts * prompt, setting.answers * answer
    # the prompts are read at once, the answers token by token, all in flight
    writing = forward(shapes, read, dtype) + answer * forward(shapes, setting.answers, dtype)
    learning = 3 * forward(shapes, read + written, dtype)  # as many products again for each of the two gradients
    print("RESULT " + json.dumps({"writing_seconds": writing, "learning_seconds": learning}))


def linear_layers(setting: settings.Setting) -> list[tuple[int, int, int]]:
    """(inputs, outputs, how many there are) of every kind of linear layer, the output layer included."""
    shape = setting.size.shape
    width, inner, layers = shape["hidden_size"], shape["intermediate_size"], shape["num_hidden_layers"]
    keys = width * shape["num_key_value_heads"] // shape["num_attention_heads"]
    return [
        (width, width, 2 * layers),
        (width, keys, 2 * layers),
        (width, inner, 2 * layers),
        (inner, width, layers),
        (width, setting.size.vocabulary, 1),
    ]


def forward(shapes: list[tuple[int, int, int]], rows: int, dtype: torch.dtype) -> float:
    """Seconds of all layers' products with so many rows."""
    total = 0.0
    for inputs, outputs, count in shapes:
        x, weight = torch.randn(rows, inputs).to(dtype), torch.randn(outputs, inputs).to(dtype)
        total += count * seconds(lambda x=x, weight=weight: torch.nn.functional.linear(x, weight))
    return total


def seconds(work: Callable[[], object]) -> float:
    """The middle of some runs that take a fifth of a second together."""
    work()
    found: list[float] = []
    while sum(found) < 0.2 or len(found) < 5:
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return median(found)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
