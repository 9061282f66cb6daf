"""Episodes: many environments side by side, one pass of the network for a step of all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import gymnasium
import numpy as np
import torch
from torch import Tensor

from quintet.data import Prompt, Rollout, Sampling
from quintet.engines.control.policy import ControlPolicy
from quintet.engines.embedded.device import precision
from quintet.models.frozen import Frozen
from quintet.models.logprobs import draw
from quintet.models.randomness import keys, numbered, uniforms


class ControlSampler:
    """`protocols.Sampler` on the learner's own network. A prompt's `truth` names the environment and the seed that it is reset
    with, so siblings begin alike."""

    def __init__(
        self, policy: ControlPolicy, device: torch.device, dtype: str = "float32", frozen: Frozen | None = None
    ) -> None:
        self.policy, self.device, self.dtype, self.frozen, self.version = policy, device, dtype, frozen, 0
        self.watch: Callable[[int, int, int], None] | None = None

    def load(self, weights: Mapping[str, Tensor], version: int) -> None:
        """The module is shared, so the weights are here already."""
        self.version = version

    @torch.no_grad()
    def generate(
        self,
        prompts: Sequence[Prompt],
        group_size: int,
        sampling: Sampling,
        seed: int,
        first: int | Sequence[int] = 0,
        ended: Callable[[Rollout], None] | None = None,
    ) -> list[Rollout]:
        """`group_size` episodes from each prompt's start, siblings side by side."""
        number, sibling = np.divmod(np.arange(len(prompts) * group_size), group_size)
        key = keys(seed, numbered(len(prompts), first)[number], sibling)
        starts = [int(prompts[n].truth["seed"]) for n in number]
        environments = _environments(prompts[0].truth["environment"], len(starts), sampling.max_new_tokens)
        try:
            with self.frozen.in_place() if self.frozen else nullcontext():
                episodes = self._play(environments, starts, key, sampling)
        finally:
            environments.close()
        played = [self._rollout(prompts[n], episodes, i) for i, n in enumerate(number)]
        for rollout in played if ended else ():
            ended(rollout)  # type: ignore[misc]
        return played

    def _play(self, environments: Any, starts: list[int], key: np.ndarray, sampling: Sampling) -> _Episodes:
        """Every environment to the end of its episode. Those that have ended play on unrecorded until all have."""
        episodes, going = _Episodes(len(starts)), np.ones(len(starts), dtype=bool)
        observation, _ = environments.reset(seed=starts)
        while going.any():
            seen = torch.from_numpy(np.asarray(observation, dtype=np.float32)).to(self.device)
            with precision(self.device, self.dtype):
                logits = self.policy.model(seen).float()
            uniform = torch.from_numpy(uniforms(key, len(episodes.token))).to(self.device)
            token, logp = (x.cpu().numpy() for x in draw(logits, uniform, sampling))
            next_observation, earned, ended, cut, _ = environments.step(token)
            episodes.add(going, observation, token, logp, earned, ended)
            observation, going = next_observation, going & ~(ended | cut)
            if self.watch:
                self.watch(int((~going).sum()), len(starts), int(episodes.length.sum()))
        return episodes

    def _rollout(self, prompt: Prompt, episodes: _Episodes, i: int) -> Rollout:
        n = int(episodes.length[i])
        tokens = [int(step[i]) for step in episodes.token[:n]]
        return Rollout(
            prompt=prompt,
            tokens=tokens,
            action=[True] * n,
            behaviour_logp=[float(step[i]) for step in episodes.logp[:n]],
            text=" ".join(map(str, tokens)),
            stop_reason="eos" if episodes.ended[i] else "length",
            policy_version=self.version,
            observations=[step[i].tolist() for step in episodes.observation[:n]],
            earned=[float(step[i]) for step in episodes.earned[:n]],
        )


class _Episodes:
    """What happened, step by step: a list of arrays [N, …] for each thing."""

    def __init__(self, count: int) -> None:
        self.length, self.ended = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=bool)
        self.observation: list[np.ndarray] = []
        self.token: list[np.ndarray] = []
        self.logp: list[np.ndarray] = []
        self.earned: list[np.ndarray] = []

    def add(self, going: np.ndarray, observation: Any, token: np.ndarray, logp: np.ndarray, earned: Any, ended: Any) -> None:
        """One more step of those episodes that go on."""
        self.observation.append(observation)
        self.token.append(token)
        self.logp.append(logp)
        self.earned.append(earned)
        self.length += going
        self.ended |= going & ended


def _environments(name: str, count: int, steps: int) -> Any:
    """`count` of them, which end an episode after `steps` at the latest."""
    made = {"disable_env_checker": True, "max_episode_steps": steps}
    return gymnasium.vector.SyncVectorEnv([lambda: gymnasium.make(name, **made)] * count)
