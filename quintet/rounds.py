"""Rounds: stages that are repeated together, written out as the stages they are. What makes GRPO iterative (DeepSeekMath's
Algorithm 1) follows by itself: each stage begins with a fresh reference, and one after another trains the reward model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from quintet.settings import Stage


def unrolled(stages: Iterable[Stage]) -> list[Stage]:
    """Neighbours with the same `rounds` > 1, repeated together so many times: NAME, NAME-round-2, …

    In a later round a stage that trains a reward model goes on with the last round's, and a stage that is judged by one is
    judged by the newest. A reward model that no earlier stage trained has nothing to replay."""
    found: list[Stage] = []
    newest: dict[str, str] = {}
    for rounds, block in groupby(stages, lambda stage: stage.rounds):
        repeated = list(block)
        for number in range(1, rounds + 1):
            for stage in repeated:
                name = stage.name if number == 1 else f"{stage.name}-round-{number}"
                found.append(_of_round(stage, name, newest, {s.name for s in found}))
                newest[stage.name] = name
    return found


def _of_round(stage: Stage, name: str, newest: dict[str, str], earlier: set[str]) -> Stage:
    algorithm = stage.algorithm
    if algorithm.needs.score:
        named = algorithm.begin_from
        before = newest.get(stage.name) or newest.get(named, named)  # this stage's last round, or what the recipe names
        algorithm = replace(algorithm, begin_from=before, replay=algorithm.replay if before in earlier else 0.0)
    judge = newest.get(stage.reward_model, stage.reward_model)
    return replace(stage, name=name, algorithm=algorithm, reward_model=judge, rounds=1)
