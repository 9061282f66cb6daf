"""Which algorithms can learn from what a user has: a reward, pairs, demonstrations, judged steps, or none of these."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Given:
    """What a task offers to learn from."""

    reward: bool
    """Answers can be graded."""
    pairs: bool
    """There are prompts with a preferred and a rejected answer."""
    demonstrations: bool
    """There are prompts with a right answer."""
    steps: bool
    """Verdicts judge single steps of an answer."""


@dataclass(frozen=True)
class Applies:
    """Whether an algorithm can learn here."""

    algorithm: str
    how: str
    """yes, no, or later: once a reward model stands in for the reward."""
    why: str


ONLINE = {
    "reinforce": "It needs nothing but a number an answer.",
    "trpo": "Its critic, a second network, learns to foresee the reward.",
    "ppo": "Its critic, a second network, learns to foresee the reward.",
    "grpo": "It compares several answers to a prompt, so the reward must differ between them.",
}


def given_by(task: Any) -> Given:
    """What the task offers, by asking it for the first of each."""
    pairs = getattr(task, "offers_pairs", hasattr(task, "preferences"))
    return Given(
        reward=bool(getattr(task, "has_reward", True)),
        pairs=bool(pairs) and _has_first(lambda: task.preferences("train")),
        demonstrations=hasattr(task, "demonstrations") and _has_first(lambda: task.demonstrations("train")),
        steps=bool(getattr(task, "judges_steps", False)),
    )


def applicable(given: Given) -> list[Applies]:
    """Every algorithm, whether it applies, and why."""
    return [*_online(given), *_dpo(given), *_others(given)]


def advice_for(given: Given) -> list[str]:
    """Two sentences at most: where to begin, and what would open more."""
    if given.reward and given.steps:
        return [
            "Steps are judged: grpo with supervision=process learns from each step's reward, all others from the answer's.",
            "Compare it with grpo on outcomes before trusting that the steps help.",
        ]
    if given.reward:
        return ["Answers can be graded, so all five apply: quintet compare tells which earns its cost here."]
    if given.pairs:
        return [
            "There are pairs and no reward: begin with dpo, which learns from them directly (quintet train dpo --data FILE).",
            "To sample online as well, train a reward model on the pairs (quintet train reward-model) for the others.",
        ]
    if given.demonstrations:
        return [
            "There are only right answers: imitate them with sft; nothing else applies without a reward or pairs.",
            "A function that checks an answer, or pairs of a better and a worse one, would open the rest.",
        ]
    return ["There is nothing to learn from yet: name a reward (--reward FILE.py), or add pairs or completions to the data."]


def _online(given: Given) -> Iterator[Applies]:
    for name, why in ONLINE.items():
        if given.reward:
            steps = " With supervision=process it also learns from each step's." if given.steps and name == "grpo" else ""
            yield Applies(name, "yes", why + steps)
        elif given.pairs:
            yield Applies(name, "later", "It needs a number an answer: train reward-model on the pairs, then --reward-model.")
        else:
            yield Applies(name, "no", "It needs a number an answer: --reward FILE.py, or --reward-model FOLDER.")


def _dpo(given: Given) -> Iterator[Applies]:
    if given.pairs:
        yield Applies("dpo", "yes", "It learns from the pairs as they are (pairs=data).")
    elif given.reward:
        yield Applies("dpo", "yes", "It makes pairs of sampled answers by their reward; only their order counts.")
    else:
        yield Applies("dpo", "no", "It needs pairs, or a reward to make them by.")


def _others(given: Given) -> Iterator[Applies]:
    shown, pairs = given.demonstrations, given.pairs
    why = "It imitates right answers." if shown else "There are no right answers to imitate."
    yield Applies("sft", "yes" if shown else "no", why)
    why = "It learns from the pairs to score answers." if pairs else "It needs pairs of a better and a worse answer."
    yield Applies("reward-model", "yes" if pairs else "no", why)


def _has_first(asked: Any) -> bool:
    """Whether there is one; data that lack it say so by a ValueError."""
    try:
        return next(iter(asked()), None) is not None
    except ValueError:
        return False
