"""Where batches come from: answers sampled and graded on the way, or demonstrations."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import torch
from transformers import PreTrainedTokenizerBase

from quintet.data import Batch, Rollout, Sampling, Verdict
from quintet.models.text import encode_answer, encode_prompt
from quintet.protocols import Learner, Sampler, State, Task, TaskError, Teacher


class Online:
    """Prompts → answers → rewards, from the policy as it is now. `number` counts prompts from the run's beginning: the whole
    cursor, since task and sampler are functions of it."""

    def __init__(
        self, task: Task, sampler: Sampler, sampling: Sampling, prompts_per_step: int, group_size: int, seed: int
    ) -> None:
        self.task, self.sampler, self.sampling = task, sampler, sampling
        self.prompts_per_step, self.group_size, self.seed = prompts_per_step, group_size, seed
        self.number, self.version = 0, 0
        self.reward_mean: float | None = None

    def __iter__(self) -> Iterator[Batch]:
        while True:
            began = time.perf_counter()
            prompts = list(islice(self.task.prompts("train", self.number), self.prompts_per_step))
            if not prompts:
                raise TaskError(f"The task {self.task.name} has no prompts to train on. Give it data, or choose another task.")
            rollouts = self.sampler.generate(prompts, self.group_size, self.sampling, self.seed, self.number)
            sampled = time.perf_counter()
            graded = grade(self.task, rollouts)
            measured = {
                "seconds/sample": sampled - began,
                "seconds/grade": time.perf_counter() - sampled,
                **(self.task.drain_metrics() if hasattr(self.task, "drain_metrics") else {}),  # type: ignore[attr-defined]
            }
            groups = [i // self.group_size for i in range(len(graded))]
            batch = collate(graded, groups, measured)
            step = replace(batch, longest=self.sampling.max_new_tokens, reward_mean=self.reward_mean or 0.0)
            self._look_back(batch.reward)
            self.number += len(prompts)
            yield step

    def _look_back(self, reward: torch.Tensor) -> None:
        """The moving mean of steps' mean rewards; it begins with the first step that has any."""
        known = reward[torch.isfinite(reward)]
        if len(known):
            mean = float(known.mean())
            self.reward_mean = mean if self.reward_mean is None else 0.9 * self.reward_mean + 0.1 * mean

    def sync(self, learner: Learner) -> None:
        """New weights to the sampler."""
        self.version += 1
        self.sampler.load(learner.weights(), self.version)

    def state(self) -> State:
        return {"number": self.number, "version": self.version, "reward_mean": self.reward_mean}

    def restore(self, state: State) -> None:
        self.number, self.version, self.reward_mean = state["number"], state["version"], state["reward_mean"]
        self.sampler.load({}, self.version)


class Demonstrations:
    """Pages of a teacher's demonstrations: each one a group of one with reward 1."""

    def __init__(self, teacher: Teacher, tokenizer: PreTrainedTokenizerBase, per_step: int) -> None:
        self.teacher, self.tokenizer, self.per_step, self.number = teacher, tokenizer, per_step, 0

    def __iter__(self) -> Iterator[Batch]:
        demonstrations = self.teacher.demonstrations("train", self.number)
        while True:
            began = time.perf_counter()
            page = [self._rollout(prompt, answer) for prompt, answer in islice(demonstrations, self.per_step)]
            if not page:
                raise TaskError(f"The task {self.teacher.name} has no demonstrations left. Fewer steps, or more data.")
            self.number += len(page)
            batch = collate(page, range(len(page)), {"seconds/read": time.perf_counter() - began})
            yield replace(batch, behaviour_logp=None)  # nobody sampled these

    def _rollout(self, prompt, answer: str) -> Rollout:
        question, reply = encode_prompt(self.tokenizer, prompt), encode_answer(self.tokenizer, answer)
        return Rollout(
            prompt=prompt,
            tokens=question + reply,
            action=[False] * len(question) + [True] * len(reply),
            behaviour_logp=[0.0] * (len(question) + len(reply)),
            text=answer,
            stop_reason="eos",
            policy_version=0,
            verdict=Verdict(reward=1.0),
        )

    def sync(self, learner: Learner) -> None:
        """Nobody samples, so nobody needs new weights."""

    def state(self) -> State:
        return {"number": self.number}

    def restore(self, state: State) -> None:
        self.number = state["number"]


def grade(task: Task, rollouts: Sequence[Rollout]) -> list[Rollout]:
    """The rollouts with their verdicts. Raises TaskError, in a sentence, where the task's own code fails."""
    try:
        verdicts = task.grade(rollouts)
    except TaskError:
        raise
    except Exception as error:
        raise TaskError(f"The task {task.name} could not grade its answers: {type(error).__name__}: {error}") from error
    if not isinstance(verdicts, Sequence) or not all(isinstance(v, Verdict) for v in verdicts):
        kind = type(verdicts).__name__
        raise TaskError(
            f"The task {task.name} returned a {kind} that is no list of verdicts; grade() must return a list of Verdict."
        )
    if len(verdicts) != len(rollouts):
        raise TaskError(f"The task {task.name} returned {len(verdicts)} verdicts for {len(rollouts)} answers.")
    return [replace(rollout, verdict=verdict) for rollout, verdict in zip(rollouts, verdicts, strict=True)]


def collate(rollouts: Sequence[Rollout], groups: Sequence[int], measured: dict[str, float] | None = None) -> Batch:
    """Graded rollouts side by side, padded on the right. A row whose reward is not finite keeps its place but nothing to learn
    from: its `action` is False throughout."""
    width = max(len(r.tokens) for r in rollouts)
    rewards = [r.verdict.reward if r.verdict else float("nan") for r in rollouts]
    reward = torch.tensor(rewards, dtype=torch.float32)

    def padded(rows: list[list], fill: float) -> torch.Tensor:
        return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

    action = padded([r.action for r in rollouts], False).bool()
    return Batch(
        tokens=padded([r.tokens for r in rollouts], 0),
        action=action & torch.isfinite(reward)[:, None],
        length=torch.tensor([len(r.tokens) for r in rollouts]),
        reward=reward,
        group=torch.tensor(list(groups)),
        behaviour_logp=padded([r.behaviour_logp for r in rollouts], 0.0),
        rollouts=tuple(rollouts),
        measured=measured or {},
    )
