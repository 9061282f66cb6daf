"""Steps judged by what becomes of them: the policy completes each several times, and the share of right completions is the
step's reward.  Source: Math-Shepherd, arXiv:2312.08935, §3.3."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from typing import Any

from quintet.data import Prompt, Rollout, Sampling, Verdict, step_ends
from quintet.protocols import Sampler, Task


class Completed:
    """A task that judges whole answers, made to judge steps. `times`: completions of each step."""

    def __init__(self, task: Task, sampler: Sampler, sampling: Sampling, times: int, seed: int) -> None:
        self.task, self.sampler, self.sampling, self.times, self.seed = task, sampler, sampling, times, seed
        self.tokens = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.task, name)

    @property
    def name(self) -> str:
        return self.task.name

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return self.task.prompts(split, start)

    def drain_metrics(self) -> dict[str, float]:
        """The task's, and the tokens of completions since the last call: no token budget counts them."""
        found = self.task.drain_metrics() if hasattr(self.task, "drain_metrics") else {}  # type: ignore[attr-defined]
        tokens, self.tokens = self.tokens, 0
        return {**found, "completion_tokens": float(tokens)}

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """The task's verdicts, with a reward for each line of an answer. Of an answer that was ended the last step is as right
        as the answer; every other one as right as its completions are on average."""
        verdicts = self.task.grade(rollouts)
        begun: list[tuple[int, int]] = []
        for i, rollout in enumerate(rollouts):
            ends = step_ends(rollout.text)
            begun += [(i, end) for end in (ends if rollout.stop_reason == "length" else ends[:-1])]
        shares = self._shares([replace(rollouts[i].prompt, begun=rollouts[i].text[:end]) for i, end in begun])
        steps: list[list[tuple[int, float]]] = [[] for _ in rollouts]
        for (i, end), share in zip(begun, shares, strict=True):
            steps[i].append((end, share))
        for i, (rollout, verdict) in enumerate(zip(rollouts, verdicts, strict=True)):
            if rollout.stop_reason != "length" and (ends := step_ends(rollout.text)):
                steps[i].append((ends[-1], _rightness(verdict)))
        return [replace(verdict, steps=tuple(some)) for verdict, some in zip(verdicts, steps, strict=True)]

    def _shares(self, prompts: Sequence[Prompt]) -> list[float]:
        """How right the completions of each begun answer are, on average."""
        if not prompts:
            return []
        number = blake2b(f"{prompts[0].id}/{prompts[0].begun}".encode(), digest_size=4).digest()
        written = self.sampler.generate(prompts, self.times, self.sampling, self.seed, int.from_bytes(number, "big"))
        self.tokens += sum(sum(r.action) for r in written)
        whole = [replace(r, text=r.prompt.begun + r.text, prompt=replace(r.prompt, begun="")) for r in written]
        right = [_rightness(verdict) for verdict in self.task.grade(whole)]
        return [sum(right[i : i + self.times]) / self.times for i in range(0, len(right), self.times)]


def _rightness(verdict: Verdict) -> float:
    """1 or 0 where the task says what is correct, else the reward, within 0 and 1."""
    return float(verdict.correct) if verdict.correct is not None else min(max(verdict.reward, 0.0), 1.0)
