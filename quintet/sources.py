"""Where batches come from: answers sampled and graded on the way, demonstrations, or pairs of answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import nan

import torch
from transformers import PreTrainedTokenizerBase

from quintet.data import ABSENT, Batch, Prompt, Rollout, Sampling, Verdict
from quintet.models.text import encode_answer, encode_prompt, encode_reply, tokens_until
from quintet.protocols import Learner, Preferences, Sampler, Source, State, Task, TaskError, Teacher
from quintet.replay import drawn


class Online:
    """Prompts → answers → rewards, from the policy as it is now (or as the sampler has it). `number` counts prompts from the
    run's beginning: the whole cursor, since task and sampler are functions of it.

    `resample`: how often a step may sample further prompts in place of those whose answers all earned the same (DAPO's dynamic
    sampling). What is left over once a step has its groups is dropped: the next step's policy is another one. `token_budget`:
    no step begins once so many tokens were sampled; 0 sets no bound. `replay`: that share of each step's prompts is taken, with
    their answers, from `past`."""

    def __init__(
        self,
        task: Task,
        sampler: Sampler,
        sampling: Sampling,
        prompts_per_step: int,
        group_size: int,
        seed: int,
        resample: int = 0,
        tokenizer: PreTrainedTokenizerBase | None = None,
        token_budget: int = 0,
        replay: float = 0.0,
        past: Sequence[list[Rollout]] = (),
    ) -> None:
        self.task, self.sampler, self.sampling = task, sampler, sampling
        self.prompts_per_step, self.group_size, self.seed = prompts_per_step, group_size, seed
        self.resample, self.tokenizer, self.token_budget = resample, tokenizer, token_budget
        self.past, self.replayed = past, max(1, round(replay * prompts_per_step)) if replay and past else 0
        self.number, self.version, self.sampled_tokens = 0, 0, 0

    def __iter__(self) -> Iterator[Batch]:
        while not self.token_budget or self.sampled_tokens < self.token_budget:
            work = _Work()
            groups = self._groups(work)
            if self.resample:
                groups = self._with_signal(groups, work)
            if hasattr(self.task, "drain_metrics"):
                work.measured |= self.task.drain_metrics()  # type: ignore[attr-defined]
            self.number += work.prompts
            self.sampled_tokens += int(work.measured["sampled_tokens"])
            if self.replayed:
                groups = groups + drawn(self.past, self.replayed, self.seed, self.number)
                work.measured["replayed_groups"] = float(self.replayed)
            rollouts = [rollout for group in groups for rollout in group]
            numbers = [number for number, group in enumerate(groups) for _ in group]
            batch = collate(rollouts, numbers, work.measured, self.tokenizer)
            yield replace(batch, longest=self.sampling.max_new_tokens)

    def _groups(self, work: _Work) -> list[list[Rollout]]:
        """Answers to the next prompts, graded: one list for each prompt."""
        began = time.perf_counter()
        first = self.number + work.prompts
        prompts = list(islice(self.task.prompts("train", first), self.prompts_per_step - self.replayed))
        if not prompts:
            raise TaskError(f"The task {self.task.name} has no prompts to train on. Give it data, or choose another task.")
        rollouts = sample(self.task, self.sampler, prompts, self.group_size, self.sampling, self.seed, first)
        sampled = time.perf_counter()
        graded = grade(self.task, rollouts)
        work.add("seconds/sample", sampled - began)
        work.add("seconds/grade", time.perf_counter() - sampled)
        work.add("sampled_tokens", sum(sum(r.action) for r in graded))
        work.add("read_tokens", sum(len(r.tokens) for r in graded))
        work.prompts += len(prompts)
        return [graded[i : i + self.group_size] for i in range(0, len(graded), self.group_size)]

    def _with_signal(self, groups: list[list[Rollout]], work: _Work) -> list[list[Rollout]]:
        """Groups whose rewards differ, as many as there are prompts a step, or as were found; all groups where none was."""
        found = [g for g in groups if _differ(g)]
        rounds = 0
        while len(found) < self.prompts_per_step and rounds < self.resample:
            found += [g for g in self._groups(work) if _differ(g)]
            rounds += 1
        work.measured |= {"resampled": float(rounds), "kept_groups": float(min(len(found), self.prompts_per_step))}
        return found[: self.prompts_per_step] or groups

    def spent(self) -> float:
        """Share of the token budget that is used up."""
        return min(1.0, self.sampled_tokens / self.token_budget) if self.token_budget else 0.0

    def sync(self, learner: Learner) -> None:
        """New weights to the sampler."""
        self.version += 1
        self.sampler.load(learner.weights(), self.version)

    def state(self) -> State:
        return {"number": self.number, "version": self.version, "sampled_tokens": self.sampled_tokens}

    def restore(self, state: State) -> None:
        self.number, self.version, self.sampled_tokens = state["number"], state["version"], state["sampled_tokens"]
        self.sampler.load({}, self.version)


@dataclass
class _Work:
    """What a step did so far. The cursor moves only once all of it went well."""

    prompts: int = 0
    measured: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, amount: float) -> None:
        self.measured[name] = self.measured.get(name, 0.0) + amount


def _differ(group: Sequence[Rollout]) -> bool:
    rewards = torch.tensor([r.verdict.reward for r in group if r.verdict])
    known = rewards[torch.isfinite(rewards)]
    return len(known) > 1 and bool(known.max() > known.min())


class Until:
    """A source that begins no further batch once `clock`, the share of the stage's time that is over, says 1."""

    def __init__(self, source: Source, clock: Callable[[], float]) -> None:
        self.source, self.clock = source, clock

    def __iter__(self) -> Iterator[Batch]:
        batches = iter(self.source)
        while self.clock() < 1:
            batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def spent(self) -> float:
        """Share of the budget that is used up, whichever of time and tokens is nearer to its end."""
        return max(min(1.0, self.clock()), getattr(self.source, "spent", lambda: 0.0)())

    def sync(self, learner: Learner) -> None:
        """New weights to the sampler."""
        self.source.sync(learner)

    def state(self) -> State:
        return self.source.state()

    def restore(self, state: State) -> None:
        self.source.restore(state)


class Demonstrations:
    """Pages of a teacher's demonstrations: each one a group of one with reward 1."""

    def __init__(self, teacher: Teacher, tokenizer: PreTrainedTokenizerBase, per_step: int) -> None:
        self.teacher, self.tokenizer, self.per_step, self.number = teacher, tokenizer, per_step, 0

    def __iter__(self) -> Iterator[Batch]:
        demonstrations = self.teacher.demonstrations("train", self.number)
        while True:
            began = time.perf_counter()
            page = [_shown(self.tokenizer, *pair, 1.0) for pair in islice(demonstrations, self.per_step)]
            if not page:
                raise TaskError(f"The task {self.teacher.name} has no demonstrations left. Fewer steps, or more data.")
            self.number += len(page)
            batch = collate(page, range(len(page)), {"seconds/read": time.perf_counter() - began})
            yield replace(batch, behaviour_logp=None)  # nobody sampled these

    def sync(self, learner: Learner) -> None:
        """Nobody samples, so nobody needs new weights."""

    def state(self) -> State:
        return {"number": self.number}

    def restore(self, state: State) -> None:
        self.number = state["number"]


class Pairs:
    """Pages of preferences: each one a group of two, the preferred answer with reward 1 and the rejected one with 0."""

    def __init__(self, task: Preferences, tokenizer: PreTrainedTokenizerBase, per_step: int) -> None:
        self.task, self.tokenizer, self.per_step, self.number = task, tokenizer, per_step, 0

    def __iter__(self) -> Iterator[Batch]:
        preferences = self.task.preferences("train", self.number)
        while True:
            began = time.perf_counter()
            page = list(islice(preferences, self.per_step))
            if not page:
                raise TaskError(f"The task {self.task.name} has no pairs left. Fewer steps, or more data.")
            self.number += len(page)
            yield pairs_batch(page, self.tokenizer, {"seconds/read": time.perf_counter() - began})

    def sync(self, learner: Learner) -> None:
        """Nobody samples, so nobody needs new weights."""

    def state(self) -> State:
        return {"number": self.number}

    def restore(self, state: State) -> None:
        self.number = state["number"]


def pairs_batch(
    page: Sequence[tuple[Prompt, str, str]], tokenizer: PreTrainedTokenizerBase, measured: dict[str, float] | None = None
) -> Batch:
    """Prompts with a preferred and a rejected answer each, as groups of two rows."""
    rows = [
        _shown(tokenizer, prompt, text, reward) for prompt, *both in page for text, reward in zip(both, (1.0, 0.0), strict=True)
    ]
    return replace(collate(rows, [i // 2 for i in range(len(rows))], measured), behaviour_logp=None)


def _shown(tokenizer: PreTrainedTokenizerBase, prompt: Prompt, answer: str | Sequence[str], reward: float) -> Rollout:
    """An answer, or a conversation's turns, that nobody sampled."""
    turns = () if isinstance(answer, str) else tuple(answer)
    tokens = encode_prompt(tokenizer, prompt)
    action = [False] * len(tokens)
    for place, text in enumerate(turns or (str(answer),)):
        replies = place % 2 == 1
        spoken = encode_reply(tokenizer, prompt, turns[:place], text, tokens[-1]) if replies else encode_answer(tokenizer, text)
        tokens, action = tokens + spoken, action + [not replies] * len(spoken)
    return Rollout(
        prompt=prompt,
        tokens=tokens,
        action=action,
        behaviour_logp=[0.0] * len(tokens),
        text="".join(turns) or str(answer),
        stop_reason="eos",
        policy_version=0,
        verdict=Verdict(reward=reward),
        turns=turns,
    )


def sample(
    task: Task, sampler: Sampler, prompts: Sequence[Prompt], group_size: int, sampling: Sampling, seed: int, first: int = 0
) -> list[Rollout]:
    """Answers from the sampler. A task with a slow grader has `begin(rollout)`, and is given each as soon as it is written."""
    begin = getattr(task, "begin", None)
    return sampler.generate(prompts, group_size, sampling, seed, first, **({"ended": begin} if begin else {}))


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


def collate(
    rollouts: Sequence[Rollout],
    groups: Sequence[int],
    measured: dict[str, float] | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Batch:
    """Graded rollouts side by side, padded on the right. A row whose reward is not finite keeps its place but nothing to learn
    from: its `action` is False throughout. The `tokenizer` finds the tokens at which judged steps end."""
    width = max(len(r.tokens) for r in rollouts)
    rewards = [r.verdict.reward if r.verdict else nan for r in rollouts]
    reward = torch.tensor(rewards, dtype=torch.float32)

    def padded(rows: list[list], fill: float) -> torch.Tensor:
        return torch.tensor([row + [fill] * (width - len(row)) for row in rows])

    action = padded([r.action for r in rollouts], False).bool()
    judged = any(r.verdict and r.verdict.steps for r in rollouts)
    return Batch(
        tokens=padded([r.tokens for r in rollouts], 0),
        action=action & torch.isfinite(reward)[:, None],
        length=torch.tensor([len(r.tokens) for r in rollouts]),
        reward=reward,
        group=torch.tensor(list(groups)),
        behaviour_logp=padded([r.behaviour_logp for r in rollouts], 0.0),
        step_reward=padded([_step_rewards(r, tokenizer) for r in rollouts], nan) if tokenizer and judged else ABSENT,
        earned=padded([list(r.earned) for r in rollouts], 0.0) if all(r.earned for r in rollouts) else ABSENT,
        observation=_observations(rollouts, width) if all(r.observations for r in rollouts) else ABSENT,
        truncated=torch.tensor([r.stop_reason == "length" for r in rollouts]),
        rollouts=tuple(rollouts),
        measured=measured or {},
    )


def _observations(rollouts: Sequence[Rollout], width: int) -> torch.Tensor:
    """[B, T, D], padded with 0."""
    seen = [torch.tensor(r.observations, dtype=torch.float32) for r in rollouts]
    return torch.stack([torch.nn.functional.pad(x, (0, 0, 0, width - len(x))) for x in seen])


def _step_rewards(rollout: Rollout, tokenizer: PreTrainedTokenizerBase) -> list[float]:
    """Each step's reward at the token it ends with, NaN elsewhere. Two steps that end within one token add up."""
    found = [nan] * len(rollout.tokens)
    chosen = [t for t, chosen in enumerate(rollout.action) if chosen]
    for end, reward in rollout.verdict.steps if rollout.verdict and chosen else ():
        within = tokens_until(tokenizer, [rollout.tokens[t] for t in chosen], end)
        place = chosen[max(within, 1) - 1]
        found[place] = reward + (0.0 if found[place] != found[place] else found[place])
    return found
