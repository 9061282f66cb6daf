"""Prompts and answers as tokens. Training and sampling encode them here and nowhere else."""

from __future__ import annotations

from transformers import PreTrainedTokenizerBase

from quintet.data import Prompt


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """The prompt's tokens: plain text as the tokenizer encodes it, messages through the chat template; then
    the answer that it has begun.

    Raises ValueError for messages where the tokenizer has no template, and for a prompt without a token."""
    if prompt.messages is None:
        tokens = tokenizer.encode(prompt.text or "")
    elif not tokenizer.chat_template:
        raise ValueError(
            f"Prompt {prompt.id} is a list of chat messages, but this model's tokenizer has no chat template. "
            "Use plain text prompts, or a chat model."
        )
    else:
        messages = [dict(m) for m in prompt.messages]
        tokens = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
    if not tokens:
        raise ValueError(f"Prompt {prompt.id} is empty: a model needs at least one token to begin from. Give it a text.")
    begun = tokenizer.encode(prompt.begun, add_special_tokens=False) if prompt.begun else []
    return [*tokens, *begun]  # type: ignore[list-item]


def encode_answer(tokenizer: PreTrainedTokenizerBase, text: str) -> list[int]:
    """A demonstrated answer's tokens, the end-of-text token last."""
    end = tokenizer.eos_token_id
    return [*tokenizer.encode(text, add_special_tokens=False), *([end] if isinstance(end, int) else [])]


def tokens_until(tokenizer: PreTrainedTokenizerBase, tokens: list[int], characters: int) -> int:
    """How many of `tokens` it takes to write the first `characters` characters of their text; all where they write fewer."""
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        written = len(str(tokenizer.decode(tokens[:middle], skip_special_tokens=True)))
        low, high = (middle + 1, high) if written < characters else (low, middle)
    return low
