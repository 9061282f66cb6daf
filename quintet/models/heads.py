"""Networks that say one number: critics and reward models. Each is a policy's trunk with a scalar head, in transformers' own
layout for sequence classification, or for token classification where a number is asked for at each step of an answer (a process
reward model); so what is saved is loaded by anybody's code."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from quintet.models import lora
from quintet.models.load import tokenizer_of

OF_STEPS = "ForTokenClassification"
"""How the names of process reward models' classes end."""


def scalar_model(policy: PreTrainedModel, of_steps: bool = False) -> PreTrainedModel:
    """A network with a copy of the policy's trunk and a head that says 0 to everything, for now. `of_steps`: a process reward
    model, which is for token classification.

    Raises ValueError where transformers has no such form of the policy's architecture."""
    config = copy.deepcopy(policy.config)
    config.num_labels = 1
    if getattr(config, "pad_token_id", None) is None:  # which token is the last is decided by it
        config.pad_token_id = _first(policy.generation_config.eos_token_id if policy.generation_config else 0)
    try:
        with torch.random.fork_rng(devices=[]):  # random weights, soon replaced: a resumed run must not draw other numbers
            form = AutoModelForTokenClassification if of_steps else AutoModelForSequenceClassification
            made = form.from_config(config, dtype=torch.float32)
        if not _has_head(made):
            raise ValueError(f"{type(made).__name__} has another head than a linear one")
    except ValueError as error:
        raise ValueError(
            f"A critic or reward model needs {type(policy).__name__} in its form for sequence classification (of steps: for "
            "token classification) with a linear head, which transformers doesn't have. Choose an algorithm without one (grpo, "
            "reinforce), or critic=head."
        ) from error
    trunk = lora.merged(policy).base_model if lora.is_on(policy) else policy.base_model
    made.base_model.load_state_dict(trunk.state_dict())
    with torch.no_grad():
        for p in head(made).parameters():
            p.zero_()
    return made.to(policy.device).eval()


def head(model: PreTrainedModel) -> nn.Linear:
    """The layer that says the number."""
    return model.score  # type: ignore[return-value]


def load_reward_model(folder: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A reward model and its tokenizer from a transformers folder or hub id: sequence classification with one label, a linear
    head (`score`) on the last token; or token classification, which makes it a process reward model (`judges_steps`).

    Raises ValueError, in a sentence, where it is none."""
    try:
        tokenizer = tokenizer_of(folder)
        names = AutoConfig.from_pretrained(folder).architectures or [""]
        form = AutoModelForTokenClassification if names[0].endswith(OF_STEPS) else AutoModelForSequenceClassification
        model = form.from_pretrained(folder, dtype=torch.float32)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ValueError(
            f"No reward model could be loaded from {folder!r}: {str(error).strip().splitlines()[0]} "
            "Give a transformers folder for sequence classification, such as what `quintet train reward-model` leaves."
        ) from error
    if model.config.num_labels != 1:
        raise ValueError(f"{folder} sorts texts into {model.config.num_labels} classes; a reward model says one number.")
    if not _has_head(model):
        raise ValueError(
            f"{folder} is a {type(model).__name__}, which has no linear head on the last token of a text. "
            "Choose a reward model made from a causal language model."
        )
    return model.eval(), tokenizer


def judges_steps(model: PreTrainedModel) -> bool:
    """Whether it is a process reward model."""
    return type(model).__name__.endswith(OF_STEPS)


def save_reward_model(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """A transformers folder, whole or absent: written beside its place and renamed."""
    beside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(beside)
    tokenizer.save_pretrained(beside)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(beside, folder)


def hidden(model: PreTrainedModel, **inputs: Any) -> Tensor:
    """The trunk's last hidden states, [B, T, H]: what a head on it reads."""
    return model.base_model(**inputs, use_cache=False).last_hidden_state


def scores(model: PreTrainedModel, tokens: Tensor, length: Tensor) -> Tensor:
    """The number behind the last token of each row: [B, 1], from rows padded on the right."""
    said = head(model)(hidden(model, input_ids=tokens))[..., 0].float()
    return said.gather(1, length[:, None] - 1)


def step_scores(model: PreTrainedModel, tokens: Tensor) -> Tensor:
    """The number behind every token of each row: [B, T], from rows padded on the right."""
    return head(model)(hidden(model, input_ids=tokens))[..., 0].float()


@contextmanager
def head_input(policy: nn.Module) -> Iterator[list[Tensor]]:
    """Within the context, what each forward pass gives to the policy's output layer: [B, K, H] a pass, K the kept logits."""
    seen: list[Tensor] = []
    hook = policy.get_output_embeddings().register_forward_pre_hook(lambda _, given: seen.append(given[0]))  # type: ignore[operator]
    try:
        yield seen
    finally:
        hook.remove()


def value_head(policy: PreTrainedModel) -> nn.Linear:
    """A head for the policy's own trunk that says 0 to everything, for now."""
    with torch.random.fork_rng(devices=[]):
        made = nn.Linear(policy.get_output_embeddings().in_features, 1, bias=False)  # type: ignore[union-attr]
    nn.init.zeros_(made.weight)
    return made.to(policy.device)


def _has_head(model: nn.Module) -> bool:
    return isinstance(getattr(model, "score", None), nn.Linear)


def _first(token: Any) -> int:
    return int(token[0] if isinstance(token, list) else token or 0)
