"""A small network that sees a vector and chooses among a few actions."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

PRESETS: dict[str, tuple[int, ...]] = {"mlp": (64, 64)}
"""Hidden layers by name. 64, 64 with tanh is what PPO's paper has for control (arXiv:1707.06347, §6.1)."""

CONFIG, WEIGHTS = "config.json", "model.safetensors"


class MLP(nn.Module):
    """Layers with tanh between (`trunk`), and a linear one on top (`head`): [..., inputs] → [..., outputs].

    Orthogonal weights; the last layer's are small, so that an untrained policy favours no action (arXiv:2006.05990, §3.2)."""

    def __init__(self, inputs: int, hidden: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.shape = {"inputs": inputs, "hidden": list(hidden), "outputs": outputs}
        sizes = [inputs, *hidden]
        layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
        self.trunk = nn.Sequential(*[part for layer in layers for part in (layer, nn.Tanh())])
        self.head = nn.Linear(sizes[-1], outputs)
        for layer in [*layers, self.head]:
            nn.init.orthogonal_(layer.weight, 0.01 if layer is self.head else sqrt(2))
            nn.init.zeros_(layer.bias)

    def forward(self, observation: Tensor) -> Tensor:
        return self.head(self.trunk(observation))


@dataclass(frozen=True)
class ControlPolicy:
    """A network, in the place of a language model. There is nothing to tokenize."""

    model: MLP
    tokenizer: None = None

    def save(self, folder: Path) -> None:
        """model.safetensors, and config.json with the network's shape."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: v.contiguous() for k, v in self.model.state_dict().items()}, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps({"model_type": "quintet-mlp", **self.model.shape}, indent=1), encoding="utf-8")

    def keep(self, folder: Path) -> None:
        """What a resumed run needs to have the same bits: a folder `model`."""
        self.save(folder / "model")


def load(name: str, task: Any, seed: int = 0) -> ControlPolicy:
    """`preset:mlp` with random weights for the task's environment, or what `ControlPolicy.save` left in a folder.

    Raises ValueError where there is no such network, or it doesn't fit the environment."""
    inputs, outputs = task.spaces()
    preset = name.removeprefix("preset:")
    if name.startswith("preset:"):
        if preset not in PRESETS:
            raise ValueError(
                f"{task.name} is played by a small network. Take one of {', '.join('preset:' + p for p in PRESETS)}."
            )
        torch.manual_seed(seed)
        return ControlPolicy(MLP(inputs, PRESETS[preset], outputs))
    try:
        shape = json.loads((Path(name) / CONFIG).read_text(encoding="utf-8"))
        if shape.pop("model_type", None) != "quintet-mlp":
            raise ValueError("it is no network for control.")
        model = MLP(**shape)
        model.load_state_dict(load_file(Path(name) / WEIGHTS))
    except (OSError, ValueError, TypeError, RuntimeError, SafetensorError) as error:
        raise ValueError(
            f"No network could be loaded from {name!r}: {str(error).strip().splitlines()[0]} "
            f"Give preset:mlp, or the model folder that a run of {task.name} left."
        ) from error
    if (model.shape["inputs"], model.shape["outputs"]) != (inputs, outputs):
        raise ValueError(
            f"The network in {name!r} sees {model.shape['inputs']} numbers and has {model.shape['outputs']} actions; "
            f"{task.name} shows {inputs} and wants {outputs}. Choose one that was trained on this task."
        )
    return ControlPolicy(model)


def scalar_model(policy: MLP, of_steps: bool = False) -> MLP:
    """A network with a copy of the policy's trunk and a head that says 0 to everything, for now. It draws no random numbers
    that a resumed run would miss."""
    made = copy.deepcopy(policy)
    made.head = value_head(policy)
    return made


def value_head(policy: MLP) -> nn.Linear:
    """A head for the policy's own trunk that says 0 to everything, for now."""
    with torch.random.fork_rng(devices=[]):
        made = nn.Linear(policy.head.in_features, 1)
    nn.init.zeros_(made.weight)
    nn.init.zeros_(made.bias)
    return made.to(policy.head.weight.device)
