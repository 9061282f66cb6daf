"""Sampling in the trainer's process, on the trainer's own weights: nothing is copied and nothing can be stale."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext

import numpy as np
import torch
from torch import Tensor

from quintet.data import Prompt, Rollout, Sampling
from quintet.engines.embedded import plain_decoder
from quintet.engines.embedded.answers import Answers, Watch, stops_in
from quintet.engines.embedded.decoder import Decoder
from quintet.engines.embedded.device import precision, rounded_once
from quintet.engines.embedded.memory import ROWS, until_it_fits
from quintet.models.frozen import Frozen
from quintet.models.load import Policy
from quintet.models.randomness import keys, numbered
from quintet.models.text import encode_prompt
from quintet.models.tree_attention import misfit


class EmbeddedSampler:
    """`protocols.Sampler` on the learner's own module. `rows` bounds the answers in flight, and so the cache's memory;
    `frozen`: it goes on drawing from what the policy was then."""

    def __init__(
        self, policy: Policy, device: torch.device, dtype: str = "float32", rows: int = ROWS, frozen: Frozen | None = None
    ) -> None:
        self.policy, self.device, self.dtype, self.rows, self.frozen = policy, device, dtype, rows, frozen
        self.version = 0
        self.watch: Watch | None = None

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
        first: int | Sequence[int] = 0,
        ended: Callable[[Rollout], None] | None = None,
    ) -> list[Rollout]:
        """`group_size` answers to each prompt, siblings side by side; `ended` is given each as soon as it is written."""
        model, tokenizer = self.policy.model.eval(), self.policy.tokenizer
        encoded = [encode_prompt(tokenizer, p) for p in prompts]
        number, sibling = np.divmod(np.arange(len(prompts) * group_size), group_size)
        key = keys(seed, numbered(len(prompts), first)[number], sibling)
        fits, stopped = not misfit(model), stops_in(tokenizer, sampling.stop)
        done: dict[int, Rollout] = {}

        def write() -> None:
            """All answers, from their first token on: again with fewer in flight where memory ran out."""

            def finish(i: int) -> None:
                known = i in done  # written once already, before the memory ran out
                done[i] = self._rollout(prompts[number[i]], encoded[number[i]], answers, i)
                if ended is not None and not known:
                    ended(done[i])

            answers = Answers(key, self.policy.ends, sampling, stopped, self.watch, finish)
            as_then = self.frozen.in_place() if self.frozen else nullcontext()
            with as_then, precision(self.device, self.dtype), rounded_once(model, self.device):
                if fits:
                    Decoder(model, encoded, group_size, sampling, answers, self.rows).run()
                else:
                    plain_decoder.write(model, encoded, group_size, sampling, answers, self.rows)

        until_it_fits(write, lambda: self._halve(len(key), group_size))
        return [done[i] for i in range(len(number))]

    def _halve(self, answers: int, siblings: int) -> bool:
        """Fewer answers in flight from now on, if there can be; their tokens don't depend on it."""
        now = min(self.rows, answers)
        self.rows = max(siblings, now // 2)
        return self.rows < now

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
