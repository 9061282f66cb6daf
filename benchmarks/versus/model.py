"""A model with random weights and a tokenizer of numbered words, as a transformers folder that both sides load."""

from __future__ import annotations

from math import log
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    GenerationConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
)

from benchmarks.versus.settings import Setting

CONSTANT = 4.0


@torch.no_grad()
def make(folder: Path, setting: Setting) -> int:
    """The model of the setting in `folder`/model and, for PPO, a reward model of its size in `folder`/score; the number of the
    model's parameters.

    Its first hidden unit is made constant, and the end token reads it: so answers of a fixed length never end early, and ragged
    ones end with the same probability at every token, whatever the random weights say of the others."""
    size = setting.size
    torch.manual_seed(0)
    shape: dict[str, Any] = dict(size.shape)
    config = Qwen3Config(
        **shape,
        head_dim=shape["hidden_size"] // shape["num_attention_heads"],
        vocab_size=size.vocabulary,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        eos_token_id=0,
        pad_token_id=1,
        bos_token_id=None,
        use_sliding_window=False,
    )
    model = Qwen3ForCausalLM(config)
    embeddings = model.model.embed_tokens.weight
    embeddings[:, 0] = CONSTANT
    layers: Any = model.model.layers
    for layer in layers:
        layer.self_attn.o_proj.weight[0] = 0
        layer.mlp.down_proj.weight[0] = 0
    some = torch.randint(2, size.vocabulary, (2, 32))
    constant = float(model.model(some).last_hidden_state[..., 0].mean())
    wanted = log(size.vocabulary * 3 / setting.answer) if setting.ragged else -40.0
    embeddings[0, 0] += wanted / constant
    model.generation_config = GenerationConfig(eos_token_id=0, pad_token_id=1)
    model.save_pretrained(folder / "model")
    _tokenizer(size.vocabulary).save_pretrained(folder / "model")
    if setting.algorithm == "ppo":
        score = Qwen3ForSequenceClassification.from_pretrained(folder / "model", num_labels=1)
        score.save_pretrained(folder / "score")
        _tokenizer(size.vocabulary).save_pretrained(folder / "score")
    return model.num_parameters()


def _tokenizer(words: int) -> PreTrainedTokenizerFast:
    vocabulary = {"<end>": 0, "<pad>": 1, **{f"w{i}": i for i in range(2, words)}}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<pad>", padding_side="left")
