"""Conversations: an answer, what the task replies, the next answer, and so on, as one rollout. Replies are tokens that the
policy did not choose, so everything behind the sampler takes a conversation for one long answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from quintet.data import Prompt, Rollout, Sampling
from quintet.models.randomness import keys, numbered
from quintet.models.text import encode_reply
from quintet.protocols import Conversation, Sampler, TaskError

if TYPE_CHECKING:
    from torch import Tensor

SIBLINGS = 2**20
"""More than any group has: prompt number and place in the group make one number, by which later turns are drawn."""


def with_turns(sampler: Sampler, task: Any, tokenizer: PreTrainedTokenizerBase) -> Sampler:
    """The sampler itself, or one that holds conversations where the task replies."""
    return Turns(sampler, task, tokenizer) if hasattr(task, "reply") else sampler


class Turns:
    """`protocols.Sampler` on top of another one. A turn goes on from the tokens of those before, none of which is encoded
    again; it depends on (seed, prompt number, place in the group, turn). `max_new_tokens` bounds all answers of a
    conversation together."""

    def __init__(self, sampler: Sampler, task: Conversation, tokenizer: PreTrainedTokenizerBase) -> None:
        self.sampler, self.task, self.tokenizer = sampler, task, tokenizer

    def load(self, weights: Mapping[str, Tensor], version: int) -> None:
        """New weights to the sampler below."""
        self.sampler.load(weights, version)

    def generate(
        self,
        prompts: Sequence[Prompt],
        group_size: int,
        sampling: Sampling,
        seed: int,
        first: int | Sequence[int] = 0,
        ended: Callable[[Rollout], None] | None = None,
    ) -> list[Rollout]:
        """`group_size` conversations on each prompt, siblings side by side."""
        opened = self.sampler.generate(prompts, group_size, sampling, seed, first)
        talks = [replace(talk, turns=(talk.text,)) for talk in opened]
        number, sibling = np.divmod(np.arange(len(talks)), group_size)
        drawn_by = numbered(len(prompts), first)[number] * SIBLINGS + sibling
        turn, going = 0, self._replied(talks, range(len(talks)), sampling)
        while going:
            turn += 1
            room = [_room(talks[i], sampling) for i in going]
            said = self.sampler.generate(
                [Prompt(talks[i].prompt.id, tokens=tuple(talks[i].tokens)) for i in going],
                1,
                replace(sampling, max_new_tokens=max(room)),
                int(keys(seed, np.array([turn]), np.array([0]))[0]),
                drawn_by[going].tolist(),
            )
            for i, answer, most in zip(going, said, room, strict=True):
                talks[i] = _joined(talks[i], self._cut(answer, most))
            going = self._replied(talks, going, sampling)
        for talk in talks if ended else ():
            ended(talk)  # type: ignore[misc]
        return talks

    def _replied(self, talks: list[Rollout], going: Iterable[int], sampling: Sampling) -> list[int]:
        """The conversations that go on, to which the task's reply is added in place. One that would go on without a token left
        counts as cut off."""
        on = []
        for i in going:
            talk = talks[i]
            reply = None if talk.stop_reason == "length" else self._ask(talk)
            if reply is None:
                continue
            if not _room(talk, sampling):
                talks[i] = replace(talk, stop_reason="length")
                continue
            tokens = encode_reply(self.tokenizer, talk.prompt, talk.turns, reply, talk.tokens[-1])
            talks[i] = replace(
                talk,
                tokens=talk.tokens + tokens,
                action=talk.action + [False] * len(tokens),
                behaviour_logp=talk.behaviour_logp + [0.0] * len(tokens),
                text=talk.text + reply,
                turns=(*talk.turns, reply),
            )
            on.append(i)
        return on

    def _ask(self, talk: Rollout) -> str | None:
        try:
            return self.task.reply(talk)
        except TaskError:
            raise
        except Exception as error:
            name = self.task.name
            raise TaskError(f"The task {name} could not reply to an answer: {type(error).__name__}: {error}") from error

    def _cut(self, answer: Rollout, most: int) -> Rollout:
        """The answer to its first `most` tokens: all were sampled as if the fewest left had been the most left."""
        over = sum(answer.action) - most
        if over <= 0:
            return answer
        tokens, action = answer.tokens[:-over], answer.action[:-over]
        said = [token for token, chosen in zip(tokens, action, strict=True) if chosen]
        text = str(self.tokenizer.decode(said, skip_special_tokens=True))
        logp = answer.behaviour_logp[:-over]
        return replace(answer, tokens=tokens, action=action, behaviour_logp=logp, text=text, stop_reason="length")


def _room(talk: Rollout, sampling: Sampling) -> int:
    """Tokens that its answers have left."""
    return sampling.max_new_tokens - sum(talk.action)


def _joined(talk: Rollout, answer: Rollout) -> Rollout:
    """The conversation with an answer behind it, whose prompt was the conversation itself."""
    new = len(talk.tokens)
    return replace(
        talk,
        tokens=answer.tokens,
        action=talk.action + answer.action[new:],
        behaviour_logp=talk.behaviour_logp + answer.behaviour_logp[new:],
        text=talk.text + answer.text,
        turns=(*talk.turns, answer.text),
        stop_reason=answer.stop_reason,
    )
