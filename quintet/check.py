"""A reward and a model, looked at before anything is trained: are there differences to learn from, and what will it cost?"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from math import isfinite
from statistics import fmean, median, pstdev
from typing import Any

import torch

from quintet.data import Batch, Rollout, Verdict
from quintet.engines.embedded import EmbeddedLearner, EmbeddedSampler
from quintet.engines.embedded.device import pick
from quintet.environment import usable_cores
from quintet.intervals import wilson
from quintet.judge import Judge, Judged
from quintet.models.load import Policy, load
from quintet.observe.metrics import peak_memory_mb
from quintet.observe.verdicts import verdicts
from quintet.protocols import Stats, Task, TaskError
from quintet.settings import Run, Stage
from quintet.sources import Online, grade
from quintet.train import train

EXAMPLES = 2
"""Best and worst answers that are kept, each."""


def examine(run: Run, prompts: int, measured_steps: int, memory: int | None = None) -> dict[str, Any]:
    """Everything `quintet check` tells of the run's first stage that samples answers, as one JSON-able record.

    `prompts`: training prompts whose answers (group_size each) are scored. `measured_steps`: real steps that are then timed;
    the weights they change are thrown away. `memory`: bytes there are, if known. Nothing is written.
    Raises ValueError where no stage samples, or the model can't be loaded."""
    stage = next((stage for stage in run.stages if stage.samples), None)
    if stage is None:
        names = ", ".join(stage.name for stage in run.stages)
        raise ValueError(
            f"{names} learns from what it is shown, so no answers are scored. Check an algorithm that samples: grpo."
        )
    device = pick(run.machine.device)
    torch.set_num_threads(run.machine.threads or usable_cores())
    policy = load(run.machine.model, run.task, run.machine.seed)
    policy.model.to(device)  # type: ignore[arg-type]
    sampler = EmbeddedSampler(policy, device, run.machine.dtype)
    task = _judged(run, stage, device)
    began = time.perf_counter()
    drawn = list(islice(task.prompts("train"), prompts))
    answers = sampler.generate(drawn, stage.group_size, run.sampling, run.machine.seed)
    sampled = time.perf_counter() - began
    graded, calls = _graded(task, answers, stage.group_size)
    found: dict[str, Any] = {
        "task": task.name,
        "model": run.machine.model,
        "parameters": policy.model.num_parameters(),
        "algorithm": stage.name,
        "group_size": stage.group_size,
        "temperature": run.sampling.temperature,
        "max_new_tokens": run.sampling.max_new_tokens,
        "prompts": len(drawn),
        "sample_seconds": sampled,
        "calls": calls,
        **scored(graded, stage.group_size),
    }
    found["estimate"] = (
        _estimate(run, stage, policy, sampler, measured_steps, memory, found) if measured_steps and graded else None
    )
    return {**found, "verdicts": verdicts(found)}


def _judged(run: Run, stage: Stage, device: torch.device) -> Task:
    """The task as the stage sees it; a reward model that an earlier stage would train isn't there yet."""
    if not stage.reward_model:
        return run.task
    if stage.reward_model in {s.name for s in run.stages}:
        raise ValueError(
            f"{stage.name} is judged by reward_model={stage.reward_model}, which an earlier stage trains: there is nothing to "
            "check yet. Train that stage, then name the folder it made: --reward-model FOLDER."
        )
    judge = Judge(stage.reward_model, device)
    return Judged(run.task, judge, stage.reward_model_weight, stage.task_reward_weight)  # type: ignore[return-value]


# ---- rewards ---------------------------------------------------------------------------------------------------------------


def _graded(task: Task, answers: Sequence[Rollout], size: int) -> tuple[list[Rollout], dict[str, Any]]:
    """The answers whose grading went well, and what it took: the reward is called once for each prompt."""
    graded: list[Rollout] = []
    seconds: list[float] = []
    failures: list[str] = []
    for start in range(0, len(answers), size):
        began = time.perf_counter()
        try:
            graded += grade(task, answers[start : start + size])
        except TaskError as error:  # the others may be fine, and the share of failures says something
            failures.append(str(error))
        seconds.append(time.perf_counter() - began)
    calls = {"number": len(seconds), "answers": size, "median": median(seconds), "slowest": max(seconds), "total": sum(seconds)}
    return graded, {**calls, "failed": len(failures), "failures": list(dict.fromkeys(failures))[:3]}


def scored(answers: Sequence[Rollout], size: int) -> dict[str, Any]:
    """What the rewards of some groups of `size` answers look like; siblings are neighbours.

    Example: rewards (0, 1) and (1, 1) of two groups give a mean of .75 and a signal in one of two."""
    groups = [answers[start : start + size] for start in range(0, len(answers), size)]
    rewards = [_reward(a) for a in answers]
    known = sorted(r for r in rewards if isfinite(r))
    signal = sum(_spread(group) > 0 for group in groups)
    low, high = wilson(signal, len(groups))
    lengths = [sum(a.action) for a in answers]
    ranked = sorted((a for a in answers if isfinite(_reward(a))), key=_reward, reverse=True)
    return {
        "answers": len(answers),
        "groups": len(groups),
        "reward": {
            "mean": fmean(known) if known else None,
            "std": pstdev(known) if known else None,
            **{name: known[round(q * (len(known) - 1))] if known else None for name, q in QUANTILES.items()},
        },
        "values": _values(known),
        "parts": _parts(answers),
        "groups_with_signal": signal,
        "signal_low": low,
        "signal_high": high,
        "without_reward": len(rewards) - len(known),
        "cut_off": sum(a.stop_reason == "length" for a in answers),
        "unparsed": sum(not (a.verdict and a.verdict.parsed) for a in answers),
        "empty": sum(not a.text.strip() for a in answers),
        "mean_length": fmean(lengths) if lengths else None,
        "longest": max(lengths, default=None),
        "best": [_example(a) for a in ranked[:EXAMPLES]],
        "worst": [_example(a) for a in ranked[::-1][: min(EXAMPLES, max(0, len(ranked) - EXAMPLES))]],
    }


QUANTILES = {"lowest": 0.0, "quarter": 0.25, "middle": 0.5, "three_quarters": 0.75, "highest": 1.0}
BINS = 8


def _values(known: Sequence[float]) -> list[dict[str, float]]:
    """How often rewards fall where: each value that occurs, or, where those are many, bins of equal width."""
    different = sorted(set(known))
    if len(different) <= BINS:
        return [{"from": value, "to": value, "count": known.count(value)} for value in different]
    low, width = known[0], (known[-1] - known[0]) / BINS
    counts = [0] * BINS
    for reward in known:
        counts[min(BINS - 1, int((reward - low) / width))] += 1
    return [{"from": low + i * width, "to": low + (i + 1) * width, "count": n} for i, n in enumerate(counts)]


def _parts(answers: Sequence[Rollout]) -> dict[str, dict[str, float]]:
    """Mean and share of answers of each named part of the reward."""
    values: dict[str, list[float]] = {}
    for answer in answers:
        for name, value in (answer.verdict.parts if answer.verdict else {}).items():
            values.setdefault(name, []).append(value)
    finite = {name: [v for v in some if isfinite(v)] for name, some in values.items()}
    return {name: {"mean": fmean(some), "share": len(some) / len(answers)} for name, some in finite.items() if some}


def _reward(answer: Rollout) -> float:
    return answer.verdict.reward if answer.verdict else float("nan")


def _spread(group: Sequence[Rollout]) -> float:
    known = [r for r in map(_reward, group) if isfinite(r)]
    return max(known) - min(known) if known else 0.0


def _example(answer: Rollout) -> dict[str, Any]:
    prompt = answer.prompt
    return {
        "prompt": prompt.text if prompt.text is not None else [dict(m) for m in prompt.messages or ()],
        "text": answer.text,
        "reward": _reward(answer),
        "parts": dict(answer.verdict.parts) if answer.verdict else {},
        "stop_reason": answer.stop_reason,
    }


# ---- time and memory -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Alternating:
    """The task with rewards 0 and 1 by turns: a step costs most where every group has something to learn from."""

    task: Task

    @property
    def name(self) -> str:
        return self.task.name

    def prompts(self, split: str, start: int = 0) -> Any:
        return self.task.prompts(split, start)

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        return [Verdict(float(number % 2)) for number in range(len(rollouts))]


def _estimate(
    run: Run, stage: Stage, policy: Policy, sampler: EmbeddedSampler, steps: int, memory: int | None, found: dict[str, Any]
) -> dict[str, Any]:
    """The run's time and memory from a few steps of it, whose rewards alternate so that all of a step is done."""
    machine, needs = run.machine, replace(stage.algorithm.needs, resample=0)
    learner = EmbeddedLearner(policy, sampler.device, run.sampling, machine.micro_batch, machine.dtype)
    learner.prepare(needs)
    task: Any = Alternating(run.task)
    source = Online(task, sampler, run.sampling, stage.prompts_per_step, stage.group_size, machine.seed, 0, policy.tokenizer)
    times = [time.perf_counter()]

    def observe(step: int, batch: Batch, stats: Stats) -> None:
        times.append(time.perf_counter())

    train(stage.algorithm, learner, source, [observe], steps)
    seconds = [b - a for a, b in pairwise(times)]
    graded = found["calls"]["total"] / found["calls"]["number"] * stage.prompts_per_step
    step = seconds[-1] + graded  # the first one also warms up
    looks = _evaluations(run)
    each = found["sample_seconds"] / (found["prompts"] * stage.group_size) * machine.eval_problems
    return {
        "measured_steps": steps,
        "step_seconds": step,
        "grade_seconds": graded,
        "steps": stage.steps,
        "evaluations": looks,
        "evaluation_seconds": each,
        "seconds": stage.steps * step + looks * each,
        "seconds_if_longest": stage.steps * ((step - graded) * _growth(run, found) + graded)
        + looks * each * _growth(run, found),
        "peak_memory_mb": peak_memory_mb(),
        "memory_mb": memory / 2**20 if memory else None,
        "sampled_tokens": stage.steps * stage.prompts_per_step * stage.group_size * (found["mean_length"] or 0.0),
    }


def _growth(run: Run, found: dict[str, Any]) -> float:
    """How many times as long answers can become."""
    return run.sampling.max_new_tokens / max(1.0, found["mean_length"])


def _evaluations(run: Run) -> int:
    """How often the stages' evaluations look: at the start, after each stage, on the way."""
    if not run.machine.eval_problems or not getattr(run.task, "has_reward", True):
        return 0
    on_the_way = sum((stage.steps - 1) // run.machine.eval_every for stage in run.stages) if run.machine.eval_every else 0
    return 1 + len(run.stages) + on_the_way
