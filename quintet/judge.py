"""A reward model as a reward: a task whose answers are scored by a model too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import torch

from quintet.data import Prompt, Rollout, Verdict
from quintet.models.heads import load_reward_model, scores
from quintet.models.text import encode_answer, encode_prompt
from quintet.protocols import Task


class Judge:
    """Scores answers with a reward model from a transformers folder or hub id, in its own tokenizer's words."""

    def __init__(self, name: str, device: torch.device, rows: int = 64) -> None:
        self.model, self.tokenizer = load_reward_model(name)
        self.model.to(device)  # type: ignore[arg-type]
        self.device, self.rows = device, rows

    @torch.no_grad()
    def scores(self, rollouts: Sequence[Rollout]) -> list[float]:
        """One number for each answer."""
        encoded = [self._tokens(r) for r in rollouts]
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))  # rows of like length share a pass
        found = [0.0] * len(encoded)
        for start in range(0, len(order), self.rows):
            some = order[start : start + self.rows]
            width = max(len(encoded[i]) for i in some)
            tokens = torch.tensor([encoded[i] + [0] * (width - len(encoded[i])) for i in some], device=self.device)
            length = torch.tensor([len(encoded[i]) for i in some], device=self.device)
            for i, score in zip(some, scores(self.model, tokens, length)[:, 0].tolist(), strict=True):
                found[i] = score
        return found

    def _tokens(self, rollout: Rollout) -> list[int]:
        answer = encode_answer(self.tokenizer, rollout.text)
        if rollout.stop_reason == "length":  # it was cut off: nobody ended it
            answer = answer[: -1 if answer and answer[-1] == self.tokenizer.eos_token_id else None]
        return encode_prompt(self.tokenizer, rollout.prompt) + answer


class Judged:
    """A task, with weight · (a judge's score) added to weight · (its own reward). A reward of its own that does not apply
    counts 0 where its weight is 0, and leaves the answer out otherwise."""

    def __init__(self, task: Task, judge: Judge, judge_weight: float, task_weight: float) -> None:
        self.task, self.judge, self.judge_weight, self.task_weight = task, judge, judge_weight, task_weight

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)  # pictures, metrics: whatever else the task can do

    @property
    def name(self) -> str:
        return self.task.name

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return self.task.prompts(split, start)

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """The task's verdicts with the sum as reward and both as parts; `correct` stays the task's own."""
        scored = zip(self.task.grade(rollouts), self.judge.scores(rollouts), strict=True)
        return [self._sum(verdict, score) for verdict, score in scored]

    def _sum(self, verdict: Verdict, score: float) -> Verdict:
        own = self.task_weight * verdict.reward if self.task_weight else 0.0
        parts = {**verdict.parts, "reward_model": score}
        if isfinite(verdict.reward):
            parts.setdefault("task", verdict.reward)
        return replace(verdict, reward=own + self.judge_weight * score, parts=parts)
