"""A tiny random model of each architecture that users bring."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as t
from transformers import PreTrainedModel

VOCABULARY = 61
_SHAPE: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
_HEADS: dict[str, Any] = {"head_dim": 8}
_GPT2: dict[str, Any] = {"vocab_size": VOCABULARY, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
_GPT2 |= {"bos_token_id": 2, "eos_token_id": 1}
_NEOX: dict[str, Any] = {k: v for k, v in _SHAPE.items() if k != "num_key_value_heads"}

MADE: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": lambda: t.LlamaForCausalLM(t.LlamaConfig(**_SHAPE)),
    "qwen2": lambda: t.Qwen2ForCausalLM(t.Qwen2Config(**_SHAPE)),
    "qwen3": lambda: t.Qwen3ForCausalLM(t.Qwen3Config(**_SHAPE, **_HEADS)),
    "mistral, sliding window": lambda: t.MistralForCausalLM(t.MistralConfig(**_SHAPE, sliding_window=5)),
    "gemma2, capped, local layers": lambda: t.Gemma2ForCausalLM(
        t.Gemma2Config(**_SHAPE, **_HEADS, sliding_window=4, query_pre_attn_scalar=8)
    ),
    "gemma3, local layers": lambda: t.Gemma3ForCausalLM(t.Gemma3TextConfig(**_SHAPE, **_HEADS, sliding_window=4)),
    "phi3": lambda: t.Phi3ForCausalLM(t.Phi3Config(**_SHAPE)),
    "olmo2": lambda: t.Olmo2ForCausalLM(t.Olmo2Config(**_SHAPE)),
    "smollm3": lambda: t.SmolLM3ForCausalLM(t.SmolLM3Config(**_SHAPE)),
    "gpt-neox": lambda: t.GPTNeoXForCausalLM(t.GPTNeoXConfig(**_NEOX)),
    "gpt2": lambda: t.GPT2LMHeadModel(t.GPT2Config(**_GPT2)),
    "cohere, scaled logits": lambda: t.CohereForCausalLM(t.CohereConfig(**_SHAPE)),
    "granite, scaled logits": lambda: t.GraniteForCausalLM(t.GraniteConfig(**_SHAPE, logits_scaling=3.0)),
    "qwen3-moe": lambda: t.Qwen3MoeForCausalLM(
        t.Qwen3MoeConfig(**_SHAPE, **_HEADS, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32)
    ),
    "mixtral": lambda: t.MixtralForCausalLM(t.MixtralConfig(**_SHAPE, num_local_experts=4)),
}


def made(name: str) -> PreTrainedModel:
    torch.manual_seed(0)
    return MADE[name]().eval()


def with_sinks() -> PreTrainedModel:
    """gpt-oss: its attention has a learned sink, which ours has not."""
    config = t.GptOssConfig(
        **_SHAPE,
        **_HEADS,
        num_local_experts=4,
        num_experts_per_tok=2,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    torch.manual_seed(0)
    return t.GptOssForCausalLM(config).eval()


def without_position_ids() -> PreTrainedModel:
    """Bloom: its positions come from a mask (ALiBi), and its attention takes no function from outside."""
    torch.manual_seed(0)
    return t.BloomForCausalLM(t.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=2, n_head=4)).eval()
