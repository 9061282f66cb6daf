"""Answers as they are written: tokens, log-probabilities, how each ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from transformers import PreTrainedTokenizerBase

from quintet.data import Sampling, StopReason
from quintet.models.randomness import uniforms

Watch = Callable[[int, int, int], None]
"""Told on the way: how many answers have ended, of how many, and how many tokens were written."""


class Answers:
    """`key` [N] uint64 says what is drawn for each; `ends` are the tokens that end one, `stopped` says of an answer's tokens
    whether a stop string has just been written. `ended` is told the number of each answer as it ends."""

    def __init__(
        self,
        key: np.ndarray,
        ends: Sequence[int],
        sampling: Sampling,
        stopped: Callable[[list[int]], bool] | None,
        watch: Watch | None = None,
        finished: Callable[[int], None] | None = None,
    ) -> None:
        self.key, self.ends, self.stopped = key, np.array(ends, dtype=np.int64), stopped
        self.watch, self.finished, self.over = watch, finished, 0
        self.longest = sampling.max_new_tokens
        self.length = np.zeros(len(key), dtype=np.int64)
        self._tokens = np.zeros((len(key), min(self.longest, 64)), dtype=np.int64)
        self._logp = np.zeros(self._tokens.shape, dtype=np.float32)
        self._reason: list[StopReason] = ["length"] * len(key)

    def uniform(self, which: np.ndarray, ahead: int = 0) -> np.ndarray:
        """A number in [0, 1) for the next token of each of these answers, or for one further on: [n] float32."""
        return uniforms(self.key[which], self.length[which] + ahead)

    def extend(self, which: np.ndarray, token: np.ndarray, logp: np.ndarray) -> np.ndarray:
        """One more token for each of these answers; which of them go on: [n] bool."""
        column = self.length[which]
        if column.max() >= self._tokens.shape[1]:
            room = min(self.longest, 2 * self._tokens.shape[1]) - self._tokens.shape[1]
            self._tokens, self._logp = (np.pad(x, ((0, 0), (0, room))) for x in (self._tokens, self._logp))
        self._tokens[which, column], self._logp[which, column] = token, logp
        self.length[which] += 1
        ended = np.isin(token, self.ends)
        for i in which[ended]:
            self._reason[i] = "eos"
        if self.stopped is not None:
            for n in (~ended).nonzero()[0]:
                if self.stopped(self.tokens(which[n])):
                    self._reason[which[n]] = "stop"
                    ended[n] = True
        going = ~ended & (self.length[which] < self.longest)
        if self.finished is not None:
            for i in which[~going].tolist():
                self.finished(i)
        self.over += int((~going).sum())
        if self.watch:
            self.watch(self.over, len(self.key), int(self.length.sum()))
        return going

    def tokens(self, i: int) -> list[int]:
        return self._tokens[i, : self.length[i]].tolist()

    def logp(self, i: int) -> list[float]:
        return self._logp[i, : self.length[i]].tolist()

    def reason(self, i: int) -> StopReason:
        return self._reason[i]


def stops_in(tokenizer: PreTrainedTokenizerBase, stop: tuple[str, ...]) -> Callable[[list[int]], bool] | None:
    """Whether the text of some tokens ends with one of the strings, or did with its last token but for a few characters."""
    if not stop:
        return None
    # a token is at least one byte of text, so the stop string lies within as many last tokens as it has bytes
    longest = max(len(s.encode()) for s in stop)

    def stopped(tokens: list[int]) -> bool:
        tail = cast(str, tokenizer.decode(tokens[-longest - 1 :]))
        return any(s in tail for s in stop)

    return stopped
