"""A policy's score on held-out problems, with its interval, by level; from several answers a problem, Pass@K and Maj@K too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import islice
from math import isfinite
from statistics import fmean
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from quintet.data import Needs, Rollout, Sampling
from quintet.intervals import of_mean, wilson
from quintet.pass_at_k import maj_at_k, mean_with_interval, pass_at_k, sizes
from quintet.protocols import Preferences, Sampler, Task
from quintet.settings import Machine
from quintet.sources import collate, grade, pairs_batch, sample

EXAMPLES_PER_LEVEL = 6
SEED = 20240205  # the same for every evaluation, so that two models answer the same problems with the same random numbers


def evaluate(task: Task, sampler: Sampler, sampling: Sampling, problems: int, k: int = 1) -> dict[str, Any]:
    """`k` answers to each of the first `problems` of the test split, scored: a JSON-able record.

    Where the task says which answers are correct the score is their share (`unit`: solved), with Wilson's 95 % interval or, of
    several answers a problem, the bootstrap's over problems. Elsewhere it is the mean reward with a normal interval (`unit`:
    reward). With k > 1 there are `k` and, where it can be told, `pass` and `maj`: {"1": {score, low, high}, "2": …} for as many
    answers as `pass_at_k.sizes` says. Pass@j is estimated from all k answers; Maj@j counts the votes of the first j.
    `outcomes`: each problem's own score, by level, in the split's order: two models are compared problem by problem."""
    prompts = list(islice(task.prompts("test"), problems))
    answers = grade(task, sample(task, sampler, prompts, k, sampling, SEED))
    groups = [answers[start : start + k] for start in range(0, len(answers), k)]
    levels = sorted({p.level for p in prompts} - {""}, key=[p.level for p in prompts].index)
    by_level = {level: [g for g in groups if g[0].prompt.level == level] for level in levels}
    return {
        "task": task.name,
        "split": "test",
        "engine": getattr(task, "engine", "embedded"),
        **({"k": k} if k > 1 else {}),
        **_scores(task, groups, k),
        "parts": _parts(answers),
        "levels": {level: _scores(task, some, k) for level, some in by_level.items()},
        "outcomes": {level: [_outcome(g) for g in some] for level, some in (by_level or {"": groups}).items()},
        "sampling": asdict(sampling),
        "examples": [_example(task, g[0]) for some in (by_level or {"": groups}).values() for g in some[:EXAMPLES_PER_LEVEL]],
    }


def evaluate_model(model: str, task: Task, sampling: Sampling, problems: int, machine: Machine, k: int = 1) -> dict[str, Any]:
    """The same for a model by its name: a folder, a hub id, or a preset with its random weights."""
    from quintet.engines import engine_of
    from quintet.engines.embedded.device import pick
    from quintet.turns import with_turns

    device, engine = pick(machine.device), engine_of(task)
    policy = engine.load(model, task, machine.seed)
    policy.model.to(device)
    sampler = with_turns(engine.sampler(policy, device, machine.sampled_in), task, policy.tokenizer)
    return {"model": model, **evaluate(task, sampler, sampling, problems, k)}


@torch.no_grad()
def evaluate_pairs(task: Preferences, learner: Any, tokenizer: PreTrainedTokenizerBase, pairs: int) -> dict[str, Any]:
    """How many of the first `pairs` of the test split a learner's reward model ranks right, with a 95 % Wilson interval."""
    right, number = 0, 0
    for start in range(0, pairs, 64):
        page = list(islice(task.preferences("test", start), min(64, pairs - start)))
        if not page:
            break
        batch = learner.annotate(pairs_batch(page, tokenizer), Needs(score=True, pairs=True))
        said = learner.scores(batch)
        right += int((said[0::2] > said[1::2]).sum())
        number += len(page)
    low, high = wilson(right, number)
    return {"task": task.name, "split": "test", "n": number, "score": right / max(1, number), "low": low, "high": high}


@torch.no_grad()
def evaluate_steps(
    task: Task, sampler: Sampler, sampling: Sampling, learner: Any, tokenizer: PreTrainedTokenizerBase, problems: int
) -> dict[str, Any]:
    """How many steps of the policy's answers to the first `problems` of the test split a learner's process reward model puts on
    the side of ½ that the task says, with a 95 % Wilson interval; and which share of them is `right`."""
    right, good, number = 0, 0, 0
    answers = grade(task, sampler.generate(list(islice(task.prompts("test"), problems)), 1, sampling, SEED))
    for start in range(0, len(answers), 64):
        page = answers[start : start + 64]
        batch = learner.annotate(collate(page, range(len(page)), tokenizer=tokenizer), Needs(score=True, of_steps=True))
        if batch.step_reward is None:
            continue
        ends = torch.isfinite(batch.step_reward) & batch.action
        truth = batch.step_reward[ends] > 0.5
        right += int(((learner.scores(batch)[ends] > 0) == truth).sum())
        good, number = good + int(truth.sum()), number + len(truth)
    low, high = wilson(right, number)
    share = {"score": right / max(1, number), "low": low, "high": high, "right": good / max(1, number)}
    return {"task": task.name, "split": "test", "n": number, **share}


def _scores(task: Any, groups: Sequence[Sequence[Rollout]], k: int) -> dict[str, Any]:
    """The score of some problems with k answers each."""
    answers = [answer for group in groups for answer in group]
    if k == 1:
        return _score(answers)
    if all(a.verdict is None or a.verdict.correct is None for a in answers):
        return _of_rewards([[a.verdict.reward for a in g if a.verdict and isfinite(a.verdict.reward)] for g in groups])
    right = [[bool(a.verdict and a.verdict.correct) for a in group] for group in groups]
    passes = {str(j): _measured([pass_at_k(k, sum(some), j) for some in right]) for j in sizes(k)}
    scores = {"n": len(groups), **passes["1"], "unit": "solved", "pass": passes}
    if not hasattr(task, "answer_of"):
        return scores
    votes = [[task.answer_of(a.text) for a in group] for group in groups]
    both = list(zip(votes, right, strict=True))
    return {**scores, "maj": {str(j): _measured([maj_at_k(*problem, j) for problem in both]) for j in sizes(k)}}


def _measured(values: Sequence[float]) -> dict[str, float]:
    return dict(zip(("score", "low", "high"), mean_with_interval(values), strict=True))


def _score(answers: Sequence[Rollout]) -> dict[str, Any]:
    verdicts = [a.verdict for a in answers if a.verdict is not None]
    judged = [v.correct for v in verdicts if v.correct is not None]
    if judged:
        low, high = wilson(sum(judged), len(judged))
        return {"n": len(judged), "score": fmean(judged), "low": low, "high": high, "unit": "solved"}
    return _of_rewards([[v.reward] for v in verdicts if isfinite(v.reward)])


def _of_rewards(groups: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The mean reward; answers to one problem resemble each other, so each problem counts as one number, its mean."""
    means = [fmean(rewards) for rewards in groups if rewards]
    low, high = of_mean(means)
    return {"n": len(means), "score": fmean(means) if means else None, "low": low, "high": high, "unit": "reward"}


def _outcome(group: Sequence[Rollout]) -> float | None:
    """What a problem's answers scored on average; None where none of them was judged."""
    verdicts = [a.verdict for a in group if a.verdict is not None]
    scores = [float(v.reward if v.correct is None else v.correct) for v in verdicts]
    known = [score for score in scores if isfinite(score)]
    if not known:
        return None
    mean = fmean(known)
    return int(mean) if mean.is_integer() else mean


def _parts(answers: Sequence[Rollout]) -> dict[str, float]:
    """The mean of each named component of the reward, over the answers that have it."""
    found = [a.verdict.parts for a in answers if a.verdict]
    return {name: fmean(p[name] for p in found if name in p) for name in dict.fromkeys(n for p in found for n in p)}


def _example(task: Any, answer: Rollout) -> dict[str, Any]:
    prompt, verdict = answer.prompt, answer.verdict
    return {
        "prompt_id": prompt.id,
        "level": prompt.level,
        "prompt": prompt.text if prompt.text is not None else [dict(m) for m in prompt.messages or ()],
        "text": answer.text,
        "correct": verdict.correct if verdict else None,
        "reward": verdict.reward if verdict else None,
        "picture": task.picture(prompt, answer.text) if hasattr(task, "picture") else None,
    }
