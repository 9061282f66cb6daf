"""Balance a pole on a cart: a classic control task, through Gymnasium. What an action is worth shows many steps later."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import count
from typing import Any

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Count

ENVIRONMENT = "CartPole-v1"
SUITS = {
    "lr": 3e-3,
    "critic_lr": 1e-2,
    "critic_epochs": 10,
    "prompts_per_step": 8,
    "group_size": 4,
    "gamma": 0.99,
    "value_clip": 0.0,
    "credit": "to-go",
}
"""A network of 5,000 weights learns at a thousand times a language model's rate, and values run up to 100."""


@dataclass(frozen=True)
class CartPole:
    """Keep a pole upright by pushing its cart left (0) or right (1): 1 for each step, at most `episode_steps`. Gymnasium's
    CartPole-v1 (Barto, Sutton and Anderson 1983).

    A prompt is the seed that the environment is reset with, so a group's episodes begin alike. An answer is an episode, a token
    an action; a small network (`preset:mlp`) sees the cart's place and speed and the pole's angle and speed. Test seeds are
    odd, train seeds even. Where nobody sets them, stages have settings that suit such a network (`--dry-run` shows them).
    """

    name = "cartpole"
    engine = "control"
    preset = "preset:mlp"
    """The model of a run that names none."""
    suits = SUITS
    """Settings of a stage where nobody sets them."""

    episode_steps: Count = 500
    """An episode ends after this many steps at the latest. CartPole-v1: 500."""
    task_seed: int = 0
    """Which seeds the environments are reset with."""

    def check(self) -> Iterator[str]:
        """What is missing on this machine."""
        if find_spec("gymnasium") is None:
            yield "The task cartpole needs Gymnasium, which isn't installed. Run: pip install gymnasium"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Starts of `train` or `test` from number `start` on, both endless. `truth` is {environment, seed}."""
        if split not in ("train", "test"):
            raise ValueError(f"cartpole has the splits train and test; split={split!r}.")
        return (self._prompt(split, number) for number in count(start))

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """An episode's return: the sum of what it earned."""
        return [Verdict(sum(r.earned), {"return": sum(r.earned)}) for r in rollouts]

    def longest_answer(self) -> int:
        """Steps of the longest episode."""
        return self.episode_steps

    def spaces(self) -> tuple[int, int]:
        """How many numbers an observation has, and how many actions there are."""
        import gymnasium

        environment: Any = gymnasium.make(ENVIRONMENT)
        return environment.observation_space.shape[0], int(environment.action_space.n)

    def _prompt(self, split: str, number: int) -> Prompt:
        seed = 2 * (self.task_seed * 10_000_000 + number) + (split == "test")
        return Prompt(
            f"{self.name}-{split}-{number}",
            text=f"{ENVIRONMENT}, reset with seed {seed}",
            truth={"environment": ENVIRONMENT, "seed": seed},
        )
