"""Sampling with a key/value cache: each prompt is read once, then its group is drawn together, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from transformers import DynamicCache

from quintet.data import Prompt, Rollout, Sampling, StopReason
from quintet.engines.embedded.device import precision
from quintet.models.load import Policy
from quintet.models.logprobs import draw
from quintet.models.randomness import keys, uniforms
from quintet.models.text import encode_prompt


@dataclass
class _Answer:
    tokens: list[int] = field(default_factory=list)
    logp: list[float] = field(default_factory=list)
    stop_reason: StopReason | None = None


class EmbeddedSampler:
    """`protocols.Sampler` on the learner's own module. `rows` bounds the answers in flight, and so the cache's memory."""

    def __init__(self, policy: Policy, device: torch.device, dtype: str = "float32", rows: int = 1024) -> None:
        self.policy, self.device, self.dtype, self.rows, self.version = policy, device, dtype, rows, 0

    def load(self, weights: Mapping[str, Tensor], version: int) -> None:
        """The module is shared, so the weights are here already."""
        self.version = version

    @torch.no_grad()
    def generate(
        self, prompts: Sequence[Prompt], group_size: int, sampling: Sampling, seed: int, first: int = 0
    ) -> list[Rollout]:
        """`group_size` answers to each prompt, siblings side by side."""
        self.policy.model.eval()
        at_once = max(1, self.rows // group_size)
        rollouts: list[Rollout] = []
        for start in range(0, len(prompts), at_once):
            some = prompts[start : start + at_once]
            encoded = [encode_prompt(self.policy.tokenizer, p) for p in some]
            number = np.repeat(np.arange(first + start, first + start + len(some)), group_size)
            key = keys(seed, number, np.tile(np.arange(group_size), len(some)))
            with precision(self.device, self.dtype):
                answers = self._decode(encoded, group_size, sampling, key)
            rollouts += [
                self._rollout(some[i // group_size], encoded[i // group_size], answer) for i, answer in enumerate(answers)
            ]
        return rollouts

    def _decode(self, encoded: list[list[int]], group_size: int, sampling: Sampling, key: np.ndarray) -> list[_Answer]:
        tokens, mask = self._padded(encoded)
        cache = DynamicCache(config=self.policy.model.config)
        logits = self._forward(tokens, mask, cache)
        if group_size > 1:
            cache.batch_repeat_interleave(group_size)
            logits, mask = (x.repeat_interleave(group_size, 0) for x in (logits, mask))
        answers = [_Answer() for _ in key]
        live = np.arange(len(key))  # the answers still being written, in the order of the cache's rows
        for position in range(sampling.max_new_tokens):
            uniform = torch.from_numpy(uniforms(key[live], position)).to(self.device)
            token, logp = draw(logits, uniform, sampling)
            self._extend(answers, live, token.tolist(), logp.tolist(), sampling)
            going = np.array([answers[i].stop_reason is None for i in live])
            if not going.any() or position == sampling.max_new_tokens - 1:
                break
            if not going.all():  # an answer that has ended leaves the cache, so no one waits for the longest
                rows = torch.from_numpy(going.nonzero()[0]).to(self.device)
                cache.batch_select_indices(rows)
                token, mask, live = token[rows], mask[rows], live[going]
            mask = torch.cat([mask, mask.new_ones(len(mask), 1)], 1)
            logits = self._forward(token[:, None], mask, cache)
        return answers

    def _padded(self, encoded: list[list[int]]) -> tuple[Tensor, Tensor]:
        """Prompts padded on the left, so that all answers begin in the same column: tokens and mask, [P, T] each."""
        width = max(map(len, encoded))
        tokens = [[self.policy.tokenizer.pad_token_id or 0] * (width - len(e)) + e for e in encoded]
        mask = [[0] * (width - len(e)) + [1] * len(e) for e in encoded]
        return torch.tensor(tokens, device=self.device), torch.tensor(mask, device=self.device)

    def _forward(self, tokens: Tensor, mask: Tensor, cache: DynamicCache) -> Tensor:
        """Logits of the next token, [rows, V]; `mask` covers the cache and `tokens`."""
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        out = self.policy.model(
            input_ids=tokens,
            attention_mask=None if bool(mask.all()) else mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return out.logits[:, -1].float()

    def _extend(
        self, answers: list[_Answer], live: np.ndarray, token: list[int], logp: list[float], sampling: Sampling
    ) -> None:
        ends = self.policy.ends
        for i, t, lp in zip(live, token, logp, strict=True):
            answer = answers[i]
            answer.tokens.append(t)
            answer.logp.append(lp)
            if t in ends:
                answer.stop_reason = "eos"
            elif sampling.stop and self._stopped(answer.tokens, sampling.stop):
                answer.stop_reason = "stop"

    def _stopped(self, tokens: list[int], stop: tuple[str, ...]) -> bool:
        # a token is at least one byte of text, so the stop string lies within as many last tokens as it has bytes
        longest = max(len(s.encode()) for s in stop)
        tail = self.policy.tokenizer.decode(tokens[-longest - 1 :])
        return any(s in tail for s in stop)  # type: ignore[operator]

    def _rollout(self, prompt: Prompt, encoded: list[int], answer: _Answer) -> Rollout:
        shown = answer.tokens[:-1] if answer.stop_reason == "eos" else answer.tokens
        return Rollout(
            prompt=prompt,
            tokens=encoded + answer.tokens,
            action=[False] * len(encoded) + [True] * len(answer.tokens),
            behaviour_logp=[0.0] * len(encoded) + answer.logp,
            text=str(self.policy.tokenizer.decode(shown, skip_special_tokens=True)),
            stop_reason=answer.stop_reason or "length",
            policy_version=self.version,
        )
