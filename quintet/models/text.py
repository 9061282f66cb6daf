"""Prompts and answers as tokens. Training and sampling encode them here and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from quintet.data import Prompt


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Prompt) -> list[int]:
    """The prompt's tokens: plain text as the tokenizer encodes it, messages through the chat template; then
    the answer that it has begun.

    Raises ValueError for messages where the tokenizer has no template, and for a prompt without a token."""
    if prompt.tokens is not None:
        tokens = prompt.tokens
    elif prompt.messages is None:
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


def encode_reply(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, turns: Sequence[str], reply: str, last: int) -> list[int]:
    """The tokens between an answer and the next one: a task's reply, with all that the chat template puts around it where the
    prompt is a list of messages. `turns` came before, the last of them an answer that ends with the token `last`. What the
    policy wrote is not encoded again: the template is shown a mark in its place.

    Raises ValueError for a chat template that doesn't show what an assistant said."""
    if prompt.messages is None:
        return list(tokenizer.encode(reply, add_special_tokens=False))
    spoken = [{"role": ("assistant", "user")[i % 2], "content": text} for i, text in enumerate([*turns[:-1], "", reply])]
    messages: list[dict[str, Any]] = [*map(dict, prompt.messages), *spoken]
    mark = "answer"
    while any(mark in str(m["content"]) for m in messages):
        mark += "."
    messages[-2]["content"] = mark
    written = str(tokenizer.apply_chat_template(messages, add_generation_prompt=True, tokenize=False))
    _, found, behind = written.partition(mark)
    if not found:
        raise ValueError(
            "This model's chat template leaves out what the assistant said, so no conversation can go on in it. "
            "Choose another chat model, or a task that doesn't reply."
        )
    tokens = list(tokenizer.encode(behind, add_special_tokens=False))
    return tokens[1:] if tokens[:1] == [last] else tokens  # the end of its turn was written by the policy itself


def tokens_until(tokenizer: PreTrainedTokenizerBase, tokens: list[int], characters: int) -> int:
    """How many of `tokens` it takes to write the first `characters` characters of their text; all where they write fewer."""
    low, high = 0, len(tokens)
    while low < high:
        middle = (low + high) // 2
        written = len(str(tokenizer.decode(tokens[:middle], skip_special_tokens=True)))
        low, high = (middle + 1, high) if written < characters else (low, middle)
    return low
