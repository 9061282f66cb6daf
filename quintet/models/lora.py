"""Low-rank adapters (Hu et al. 2021, arXiv:2106.09685) by peft, put into the model as it stands: the class, its attention and
its saved form stay what they were."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import PreTrainedModel

NAME = "default"


def add(model: PreTrainedModel, rank: int, alpha: int, seed: int) -> None:
    """Adapters of that rank on every linear layer but the output, scaled by alpha / rank; nothing else trains from now on.
    They begin at 0: the model says what it said. The same seed gives the same ones."""
    import peft

    config = peft.LoraConfig(r=rank, lora_alpha=alpha, target_modules="all-linear", task_type="CAUSAL_LM")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, model, adapter_name=NAME)
    model.lora_config = config  # type: ignore[assignment]


def is_on(model: nn.Module) -> bool:
    """Whether the model has adapters."""
    return getattr(model, "lora_config", None) is not None


def merged(model: PreTrainedModel) -> PreTrainedModel:
    """A model without adapters that says the same: a copy."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    plain = copy.deepcopy(model)
    adapted = {name: module for name, module in plain.named_modules() if isinstance(module, BaseTunerLayer)}
    for name, module in adapted.items():
        module.merge()
        above, _, own = name.rpartition(".")
        if above not in adapted:  # experts have an adapter around another
            setattr(plain.get_submodule(above), own, module.get_base_layer())
    plain.lora_config = None  # type: ignore[assignment]
    return plain.requires_grad_(True)


def save(model: PreTrainedModel, base: str, folder: Path) -> None:
    """The adapters alone, in peft's layout: `PeftModel.from_pretrained(base model, folder)` puts them back."""
    folder.mkdir(parents=True, exist_ok=True)
    config: Any = copy.copy(model.lora_config)
    config.base_model_name_or_path, config.inference_mode = base, True
    config.save_pretrained(folder)
    save_file({_peft_name(name): p.detach().contiguous() for name, p in _own(model)}, folder / "adapter_model.safetensors")


@torch.no_grad()
def restore(model: PreTrainedModel, folder: Path) -> None:
    """The adapters that `save` wrote, bit for bit, in place of the model's."""
    saved = load_file(folder / "adapter_model.safetensors")
    for name, p in _own(model):
        p.copy_(saved[_peft_name(name)])


def _own(model: nn.Module) -> list[tuple[str, nn.Parameter]]:
    return [(name, p) for name, p in model.named_parameters() if ".lora_" in name]


def _peft_name(name: str) -> str:
    return "base_model.model." + name.replace(f".{NAME}.", ".")
