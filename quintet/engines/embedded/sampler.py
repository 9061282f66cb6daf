"""Sampling in the trainer's process, on the trainer's own weights: nothing is copied and nothing can be stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from quintet.data import Prompt, Rollout, Sampling
from quintet.engines.embedded import plain_decoder
from quintet.engines.embedded.answers import Answers, stops_in
from quintet.engines.embedded.decoder import Decoder
from quintet.engines.embedded.device import precision
from quintet.models.load import Policy
from quintet.models.randomness import keys
from quintet.models.text import encode_prompt
from quintet.models.tree_attention import misfit


class EmbeddedSampler:
    """`protocols.Sampler` on the learner's own module. `rows` bounds the answers in flight, and so the cache's memory."""

    def __init__(self, policy: Policy, device: torch.device, dtype: str = "float32", rows: int = 256) -> None:
        self.policy, self.device, self.dtype, self.rows, self.version = policy, device, dtype, rows, 0

    def load(self, weights: Mapping[str, Tensor], version: int) -> None:
        """The module is shared, so the weights are here already."""
        self.version = version

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Prompt],
        group_size: int,
        sampling: Sampling,
        seed: int,
        first: int = 0,
        ended: Callable[[Rollout], None] | None = None,
    ) -> list[Rollout]:
        """`group_size` answers to each prompt, siblings side by side; `ended` is given each as soon as it is written."""
        model, tokenizer = self.policy.model.eval(), self.policy.tokenizer
        encoded = [encode_prompt(tokenizer, p) for p in prompts]
        number, sibling = np.divmod(np.arange(len(prompts) * group_size), group_size)
        key = keys(seed, first + number, sibling)
        done: dict[int, Rollout] = {}

        def end(i: int) -> None:
            done[i] = self._rollout(prompts[number[i]], encoded[number[i]], answers, i)
            if ended is not None:
                ended(done[i])

        answers = Answers(key, self.policy.ends, sampling, stops_in(tokenizer, sampling.stop), end)
        with precision(self.device, self.dtype):
            if misfit(model):
                plain_decoder.write(model, encoded, group_size, sampling, answers, self.rows)
            else:
                Decoder(model, encoded, group_size, sampling, answers, self.rows).run()
        return [done[i] for i in range(len(number))]

    def _rollout(self, prompt: Prompt, encoded: list[int], answers: Answers, i: int) -> Rollout:
        tokens, reason = answers.tokens(i), answers.reason(i)
        shown = tokens[:-1] if reason == "eos" else tokens
        return Rollout(
            prompt=prompt,
            tokens=encoded + tokens,
            action=[False] * len(encoded) + [True] * len(tokens),
            behaviour_logp=[0.0] * len(encoded) + answers.logp(i),
            text=str(self.policy.tokenizer.decode(shown, skip_special_tokens=True)),
            stop_reason=reason,
            policy_version=self.version,
        )
