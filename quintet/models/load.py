"""Where a policy comes from: a transformers folder, a hub id, or a preset made from nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)
from transformers.utils import logging as transformers_logging

from quintet.models import lora

transformers_logging.disable_progress_bar()  # a bar for each of a run's checkpoints would bury the run's own

END, PAD = "<|end|>", "<|pad|>"

PRESETS: dict[str, dict[str, Any]] = {
    "1m": {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 6, "num_attention_heads": 4},
    "5m": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 4},
    "50m": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12, "num_attention_heads": 8},
}
"""Qwen-style shapes by their approximate number of parameters, embeddings of a small vocabulary included."""


@dataclass(frozen=True)
class Policy:
    """A model with float32 weights, and the tokenizer that belongs to it."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str = ""
    """What it was loaded from."""

    @property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end an answer, by the model's generation settings and the tokenizer."""
        configured = self.model.generation_config.eos_token_id if self.model.generation_config else None
        listed = configured if isinstance(configured, list) else [configured]
        return tuple(sorted({t for t in [*listed, self.tokenizer.eos_token_id] if isinstance(t, int)}))

    def save(self, folder: Path) -> None:
        """A transformers folder: safetensors, configuration, generation settings, tokenizer. Adapters are merged into it."""
        (lora.merged(self.model) if lora.is_on(self.model) else self.model).save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def keep(self, folder: Path) -> None:
        """What a resumed run needs to have the same bits: a folder `model`; or `adapter`, where nothing else has changed."""
        if lora.is_on(self.model):
            lora.save(self.model, self.name, folder / "adapter")
        else:
            self.save(folder / "model")


def load(name: str, task: Any, seed: int = 0) -> Policy:
    """The policy called `name`: `preset:SIZE` for `task`, a local folder, or a hub id. The same seed gives the same preset.

    Raises ValueError where there is no such model, or it is no causal language model."""
    if name.startswith("preset:"):
        return from_nothing(name.removeprefix("preset:"), tokenizer_for(task), seed)
    try:
        tokenizer = tokenizer_of(name)
        model = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0]
        if "/" in name and not Path(name).exists() and name.count("/") != 1:
            reason = "there is no such folder."
        end = "" if reason.endswith((".", "!", "?")) else "."
        raise ValueError(
            f"No causal language model could be loaded from {name!r}: {reason}{end} "
            f"Give a transformers folder, a hub id, or one of {', '.join('preset:' + p for p in PRESETS)}."
        ) from error
    return Policy(model, tokenizer, name)


def tokenizer_of(name: str) -> PreTrainedTokenizerBase:
    """The tokenizer in a transformers folder or of a hub id, with a token for padding. ValueError where there is none."""
    tokenizer = AutoTokenizer.from_pretrained(name)
    if not tokenizer.encode("a", add_special_tokens=False):
        raise ValueError("it has no tokenizer.")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def from_nothing(size: str, tokenizer: PreTrainedTokenizerBase, seed: int) -> Policy:
    """A Qwen3-shaped model with random weights: `size` is one of `PRESETS`."""
    if size not in PRESETS:
        raise ValueError(f"There is no preset {size!r}; there are {', '.join(PRESETS)}.")
    shape = PRESETS[size]
    special: dict[str, Any] = {"eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    torch.manual_seed(seed)
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        **shape,
        num_key_value_heads=shape["num_attention_heads"],
        head_dim=shape["hidden_size"] // shape["num_attention_heads"],
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        attention_dropout=0.0,
        bos_token_id=None,
        **special,
    )
    model = Qwen3ForCausalLM(config)
    model.generation_config = GenerationConfig(**special)
    return Policy(model, tokenizer, f"preset:{size}")


def tokenizer_for(task: Any) -> PreTrainedTokenizerBase:
    """A tokenizer made for `task`: its own pieces as one token each, or a byte-level BPE of its texts. Every text can be
    encoded (unknown characters as bytes) and decodes to itself."""
    pieces = task.pieces() if hasattr(task, "pieces") else None
    if pieces is not None:
        return _finished(_of_pieces(pieces))
    if hasattr(task, "texts"):
        return _finished(_of_texts(task.texts()))
    raise ValueError(
        f"The task {task.name} names neither the pieces of its texts nor the texts, so no tokenizer can be made for a preset. "
        "Start from a model that has one: --model FOLDER."
    )


def _of_pieces(pieces: Iterable[str]) -> Tokenizer:
    """One token for each piece, the longest first; every other character as its bytes."""
    vocab = {f"<0x{byte:02X}>": byte for byte in range(256)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_tokens([AddedToken(piece, normalized=False) for piece in pieces])
    return tokenizer


def _of_texts(texts: Iterable[str], size: int = 2048) -> Tokenizer:
    """A byte-level BPE of at most `size` tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def _finished(tokenizer: Tokenizer) -> PreTrainedTokenizerBase:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False, padding_side="left"
    )
