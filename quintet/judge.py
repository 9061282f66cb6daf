"""A reward model as a reward: a task whose answers, or their steps, are scored by a model too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import isfinite
from typing import Any

import torch

from quintet.data import Prompt, Rollout, Verdict, step_ends
from quintet.models.heads import judges_steps, load_reward_model, scores, step_scores
from quintet.models.text import encode_answer, encode_prompt, tokens_until
from quintet.protocols import Task


class Judge:
    """Scores answers with a reward model from a transformers folder or hub id, in its own tokenizer's words."""

    def __init__(self, name: str, device: torch.device, rows: int = 64) -> None:
        self.model, self.tokenizer = load_reward_model(name)
        self.model.to(device)  # type: ignore[arg-type]
        self.device, self.rows = device, rows

    @property
    def of_steps(self) -> bool:
        """Whether it is a process reward model."""
        return judges_steps(self.model)

    def scores(self, rollouts: Sequence[Rollout]) -> list[float]:
        """One number for each answer."""
        return [row[0] for row in self._said([question + answer for question, answer in map(self._tokens, rollouts)])]

    def step_scores(self, rollouts: Sequence[Rollout]) -> list[tuple[tuple[int, float], ...]]:
        """For each step of each answer (`data.step_ends`): (characters up to its end, the chance that all is right so far)."""
        encoded = [self._tokens(r) for r in rollouts]
        said = self._said([question + answer for question, answer in encoded])
        found = []
        for rollout, (question, answer), row in zip(rollouts, encoded, said, strict=True):
            ends = step_ends(rollout.text)
            places = [max(tokens_until(self.tokenizer, answer, end), 1) - 1 for end in ends]
            found.append(tuple((end, row[len(question) + place]) for end, place in zip(ends, places, strict=True)))
        return found

    @torch.no_grad()
    def _said(self, encoded: Sequence[list[int]]) -> list[list[float]]:
        """What the model says of each row: one number; of steps, a chance for every token."""
        order = sorted(range(len(encoded)), key=lambda i: len(encoded[i]))  # rows of like length share a pass
        found: list[list[float]] = [[] for _ in encoded]
        for start in range(0, len(order), self.rows):
            some = order[start : start + self.rows]
            width = max(len(encoded[i]) for i in some)
            tokens = torch.tensor([encoded[i] + [0] * (width - len(encoded[i])) for i in some], device=self.device)
            length = torch.tensor([len(encoded[i]) for i in some], device=self.device)
            said = step_scores(self.model, tokens).sigmoid() if self.of_steps else scores(self.model, tokens, length)
            for i, row in zip(some, said.tolist(), strict=True):
                found[i] = row
        return found

    def _tokens(self, rollout: Rollout) -> tuple[list[int], list[int]]:
        """The prompt's and the answer's."""
        answer = encode_answer(self.tokenizer, rollout.text)
        if rollout.stop_reason == "length":  # it was cut off: nobody ended it
            answer = answer[: -1 if answer and answer[-1] == self.tokenizer.eos_token_id else None]
        return encode_prompt(self.tokenizer, rollout.prompt), answer


class Judged:
    """A task, with weight · (a judge's score) added to weight · (its own reward). A reward of its own that does not apply
    counts 0 where its weight is 0, and leaves the answer out otherwise.

    A process reward model's score of an answer is that of its worst step (Math-Shepherd, arXiv:2312.08935, §3.4), 0 where it
    has none; its steps' scores are added to the task's own step by step, with the same weights."""

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
        verdicts = self.task.grade(rollouts)
        if not self.judge.of_steps:
            return [self._sum(v, score) for v, score in zip(verdicts, self.judge.scores(rollouts), strict=True)]
        return [
            replace(self._sum(v, min((s for _, s in steps), default=0.0)), steps=self._steps(v, steps))
            for v, steps in zip(verdicts, self.judge.step_scores(rollouts), strict=True)
        ]

    def _steps(self, verdict: Verdict, scored: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], ...]:
        found = {end: self.judge_weight * score for end, score in scored}
        for end, reward in verdict.steps if self.task_weight else ():
            found[end] = found.get(end, 0.0) + self.task_weight * reward
        return tuple(sorted(found.items()))

    def _sum(self, verdict: Verdict, score: float) -> Verdict:
        own = self.task_weight * verdict.reward if self.task_weight else 0.0
        parts = {**verdict.parts, "reward_model": score}
        if isfinite(verdict.reward):
            parts.setdefault("task", verdict.reward)
        return replace(verdict, reward=own + self.judge_weight * score, parts=parts)
