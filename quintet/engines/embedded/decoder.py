"""Writing answers: prompts' keys and values are shared, and rows filled again as answers end (models/tree_cache.py). On a GPU
some tokens are written between two looks at who has ended (ahead.py)."""

from __future__ import annotations

from collections import deque

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel

from quintet.data import Sampling
from quintet.engines.embedded import ahead
from quintet.engines.embedded.answers import Answers
from quintet.models.logprobs import draw
from quintet.models.projection import Projection
from quintet.models.tree import Tree
from quintet.models.tree_attention import tree_attention
from quintet.models.tree_cache import TreeCache

PREFILL = 8192
"""Tokens of prompts that are read in one pass, where there are several."""
REFILL = 0.25
"""New prompts are let in once this share of the rows is free: each time costs a pass."""


class Decoder:
    """One call's work: `encoded` prompts with `siblings` answers each, of which at most `rows` (one prompt's at least) are in
    flight at a time."""

    def __init__(
        self, model: PreTrainedModel, encoded: list[list[int]], siblings: int, sampling: Sampling, answers: Answers, rows: int
    ) -> None:
        self.model, self.encoded, self.siblings, self.sampling, self.answers = model, encoded, siblings, sampling, answers
        on_gpu = model.device.type == "cuda"
        self.ahead = ahead.AHEAD if on_gpu else 1
        self.record: ahead.Record | None = ahead.Graphs() if on_gpu else None
        groups = min(max(1, rows // siblings), len(encoded))
        # twice as many prompts as fill the rows: a prompt stays while one of its answers does
        self.cache = TreeCache(groups * siblings, 2 * groups, siblings, model.device)
        self.projection = Projection.of(model)
        if torch.is_autocast_enabled(model.device.type):
            self.projection = self.projection.to(torch.get_autocast_dtype(model.device.type))
        self.waiting = deque(range(len(encoded)))
        self.which = np.zeros(0, dtype=np.int64)
        """The answers in flight, in the order of the cache's rows."""
        self.there: list[int] = []
        """The prompts of the cache's blocks."""
        self.newest = np.zeros(0, dtype=np.int64)

    @torch.inference_mode()  # cheaper than no_grad: a tensor doesn't count what is done to it
    def run(self) -> None:
        while self.waiting or len(self.which):
            if self._room():
                self._admit()
            else:
                self._write()

    def _room(self) -> bool:
        free = self.cache.rows - len(self.which)
        wanted = max(self.siblings, REFILL * self.cache.rows if len(self.which) else 0)
        return bool(self.waiting) and free >= wanted and len(self.there) < self.cache.blocks

    def _admit(self) -> None:
        """Read prompts, and draw the first token of each of their answers."""
        new: list[int] = []
        tokens, free = 0, (self.cache.rows - len(self.which)) // self.siblings
        while self.waiting and len(new) < min(free, self.cache.blocks - len(self.there)):
            tokens += len(self.encoded[self.waiting[0]])
            if new and tokens > PREFILL:
                break
            new.append(self.waiting.popleft())
        tree = Tree(tuple(len(self.encoded[i]) for i in new), (-1,) * len(new), self.model.device)
        self.cache.admit(tree)
        row = torch.tensor([t for i in new for t in self.encoded[i]], device=self.model.device)[None]
        hidden = self._read(row, tree.positions, tree)
        logits = self.projection.logits(hidden[torch.tensor(tree.starts[1:], device=hidden.device) - 1])
        self.there += new
        which = np.concatenate([np.arange(i * self.siblings, (i + 1) * self.siblings) for i in new])
        old = np.ones(len(self.which), dtype=bool)
        self.which = np.concatenate([self.which, which])
        token, going = self._draw(logits.repeat_interleave(self.siblings, 0), which)
        self.newest = np.concatenate([self.newest, token])
        self._leave(np.concatenate([old, going]))

    def _write(self) -> None:
        """More tokens of each answer in flight, and then a look at which have ended; what stands behind an end is dropped."""
        written = int(self.answers.length[self.which].max())
        count = min(self.ahead, self.answers.longest - written)
        self.cache.begin(count)
        uniform = np.stack([self.answers.uniform(self.which, k) for k in range(count)])
        newest, numbers = (torch.from_numpy(x).to(self.model.device) for x in (self.newest, uniform))
        tokens, logps = (x.cpu().numpy() for x in ahead.write(self._step, newest, numbers, self.record))
        going = np.ones(len(self.which), dtype=bool)
        for token, logp in zip(tokens, logps, strict=True):
            still = going.nonzero()[0]
            going[still] = self.answers.extend(self.which[still], token[still], logp[still])
            if not going.any():
                break
        self.newest = tokens[-1]
        self._leave(going)

    def _step(self, newest: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
        """One more token of each answer in flight: [live] from [live], with its log-probability."""
        hidden = self._read(newest[None], self.cache.one_more())
        return draw(self.projection.logits(hidden), uniform, self.sampling)

    def _read(self, row: Tensor, positions: Tensor, tree: Tree | None = None) -> Tensor:
        with tree_attention(self.model):
            said = self.model.base_model(
                input_ids=row, position_ids=positions, use_cache=False, cache=self.cache, **({"tree": tree} if tree else {})
            )
        return said.last_hidden_state[0].to(self.projection.weight.dtype)

    def _draw(self, logits: Tensor, which: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        uniform = torch.from_numpy(self.answers.uniform(which)).to(logits.device)
        token, logp = (x.cpu().numpy() for x in draw(logits, uniform, self.sampling))
        return token, self.answers.extend(which, token, logp)

    def _leave(self, going: np.ndarray) -> None:
        """Let go of answers that have ended, and of prompts that have none left."""
        if going.all():
            return
        alive = set((self.which[going] // self.siblings).tolist())
        gone = np.array([i not in alive for i in self.there])
        self.cache.leave(going, gone)
        self.which, self.newest = _kept_first(self.which, going), _kept_first(self.newest, going)
        self.there = _kept_first(np.array(self.there), ~gone).tolist()


def _kept_first(x: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """What the cache does with its rows: what is kept at the end moves into the gaps before it."""
    count = int(kept.sum())
    first, holes = x[:count].copy(), (~kept[:count]).nonzero()[0]
    first[holes] = x[count:][kept[count:]]
    return first
