"""A policy's score on held-out problems, with its interval, by level."""

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
from quintet.protocols import Preferences, Sampler, Task
from quintet.settings import Machine
from quintet.sources import grade, pairs_batch

EXAMPLES_PER_LEVEL = 6
SEED = 20240205  # the same for every evaluation, so that two models answer the same problems with the same random numbers


def evaluate(task: Task, sampler: Sampler, sampling: Sampling, problems: int) -> dict[str, Any]:
    """One answer to each of the first `problems` of the test split, scored: a JSON-able record.

    Where the task says which answers are correct the score is their share, with a 95 % Wilson interval (`unit`: solved);
    elsewhere it is the mean reward with a 95 % normal interval (`unit`: reward)."""
    prompts = list(islice(task.prompts("test"), problems))
    answers = grade(task, sampler.generate(prompts, 1, sampling, SEED))
    levels = sorted({p.level for p in prompts} - {""}, key=[p.level for p in prompts].index)
    by_level = {level: [a for a in answers if a.prompt.level == level] for level in levels}
    return {
        "task": task.name,
        "split": "test",
        **_score(answers),
        "levels": {level: _score(some) for level, some in by_level.items()},
        "sampling": asdict(sampling),
        "examples": [_example(task, a) for some in (by_level or {"": answers}).values() for a in some[:EXAMPLES_PER_LEVEL]],
    }


def evaluate_model(model: str, task: Task, sampling: Sampling, problems: int, machine: Machine) -> dict[str, Any]:
    """The same for a model by its name: a transformers folder, a hub id, or a preset with its random weights."""
    from quintet.engines.embedded import EmbeddedSampler
    from quintet.engines.embedded.device import pick
    from quintet.models.load import load

    device = pick(machine.device)
    policy = load(model, task, machine.seed)
    policy.model.to(device)  # type: ignore[arg-type]
    return {"model": model, **evaluate(task, EmbeddedSampler(policy, device, machine.dtype), sampling, problems)}


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


def _score(answers: Sequence[Rollout]) -> dict[str, Any]:
    verdicts = [a.verdict for a in answers if a.verdict is not None]
    judged = [v.correct for v in verdicts if v.correct is not None]
    if judged:
        low, high = wilson(sum(judged), len(judged))
        return {"n": len(judged), "score": fmean(judged), "low": low, "high": high, "unit": "solved"}
    rewards = [v.reward for v in verdicts if isfinite(v.reward)]
    low, high = of_mean(rewards)
    return {"n": len(rewards), "score": fmean(rewards) if rewards else None, "low": low, "high": high, "unit": "reward"}


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
