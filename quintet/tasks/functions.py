"""A user's own task: prompts from a file, rewards from Python functions with TRL's signature."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import blake2b
from itertools import count
from math import nan
from pathlib import Path
from statistics import fmean
from types import SimpleNamespace
from typing import Any

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Fraction
from quintet.protocols import TaskError
from quintet.tasks.rewards import Reward, RewardError, Steps, call_rewards, load_rewards, missing_arguments
from quintet.tasks.rows import Row, read_rows

OFFERED = ("prompts", "completions", "completion_ids", "trainer_state", "log_extra", "log_metric")
"""What a reward function gets beside the columns of the data."""


@dataclass(frozen=True)
class Functions:
    """Prompts from a JSON lines file and rewards from Python functions, as TRL's users write them.

    A row is {"prompt": text or chat messages, any columns…}; "completion" is a right answer, which supervised training learns
    from; "chosen" and "rejected" are a pair, which DPO and reward models learn from. A function is called once a batch with
    keywords: prompts, completions (texts, or message lists for chat prompts), completion_ids, every column as a list,
    trainer_state (global_step), log_extra(column, values) and log_metric(name, value). It returns a list of numbers, or None
    where it doesn't apply; `async def` functions run together. In a number's place there may be a list of pairs (characters,
    reward), for the steps of a completion that end at these characters: it counts as their mean, and supervision=process learns
    from each. A text column "level" is the difficulty class that evaluations
    report. Files are looked up from the current folder.
    """

    name = "functions"

    data: str = ""
    """File of prompts, one JSON object a line."""
    reward: str = ""
    """Python file of rewards: FILE.py (its function `reward`, or all named reward… and …_reward) or FILE.py:NAME,NAME."""
    reward_weights: tuple[float, ...] = ()
    """What each function's number counts in the sum, in their order; empty counts each once, as TRL does."""
    test_share: Fraction = 0.1
    """Share of all prompts, by hash, that is kept for `test`; a share above 0 keeps at least one, if there are two."""
    task_seed: int = 0
    """How each pass over the training prompts is shuffled. The split of a given prompt doesn't depend on it."""

    # ---- what a task offers --------------------------------------------------------------------------------------------

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` (endless, shuffled anew in each pass) or `test` (each once) from number `start` on."""
        return (self._prompt(split, row) for row in self._rows(split, start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        """Prompts with the file's completions, in the same order. TaskError where a row has none."""
        for row in self._rows(split, start):
            if row.completion is None:
                raise TaskError(
                    f'{self.data}:{row.line} has no "completion" to learn from, only {", ".join(["prompt", *row.columns])}. '
                    "Add completions, or choose an algorithm that learns from rewards."
                )
            yield self._prompt(split, row), row.completion

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        """Prompts with the file's chosen and rejected answers, in the same order. TaskError where a row has none."""
        for row in self._rows(split, start):
            if row.pair is None:
                raise TaskError(
                    f'{self.data}:{row.line} has no "chosen" and "rejected" to learn from, only '
                    f"{', '.join(['prompt', *row.columns])}. Add them, or set pairs=sampled and name a reward."
                )
            yield self._prompt(split, row), *row.pair

    @property
    def offers_pairs(self) -> bool:
        """Whether the file has pairs of a chosen and a rejected answer."""
        try:
            return bool(self.data) and any(row.pair for row in self._file[0])
        except ValueError:
            return False

    @property
    def has_reward(self) -> bool:
        """Whether answers can be graded."""
        return bool(self.reward)

    @property
    def judges_steps(self) -> bool:
        """Whether verdicts may have rewards for single steps: only the functions' answers will tell."""
        return self.has_reward

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout: the weighted sum of what the functions say, NaN where none of them applies.

        Raises RewardError where a function does, or returns something else than it should."""
        if not rollouts:
            return []
        if not self.reward:  # a reward model judges, or nobody does
            return [Verdict(nan) for _ in rollouts]
        extras: dict[str, list[Any]] = {}
        said = call_rewards(self._rewards, self._arguments(rollouts, extras), len(rollouts))
        return [
            self._verdict(
                {name: values[i] for name, values in said.items()}, {name: values[i] for name, values in extras.items()}
            )
            for i in range(len(rollouts))
        ]

    def texts(self) -> Iterator[str]:
        """Every training prompt and completion, for making a tokenizer."""
        for row in self._splits["train"]:
            yield from [row.prompt] if isinstance(row.prompt, str) else [m["content"] for m in row.prompt]
            yield from [row.completion] if row.completion else []
            yield from row.pair or ()

    def drain_metrics(self) -> dict[str, float]:
        """The mean of what functions gave to log_metric, by name, since the last call; of training's batches only."""
        means = {f"logged/{name}": fmean(values) for name, values in self._logged.items()}
        self._logged.clear()
        return means

    def check(self) -> list[str]:
        """What is wrong with the settings and both files, in sentences."""
        found: list[str] = []
        if not self.data:
            found.append('No prompts were named. Write --data FILE.jsonl, one {"prompt": …} a line.')
        if found:
            return found
        try:
            found = [*self._file[1]]
        except ValueError as error:
            found.append(str(error))
        if not self.reward:
            return found
        try:
            rewards = self._rewards
        except ValueError as error:
            return [*found, str(error)]
        return found or missing_arguments(rewards, [*OFFERED, *self._columns])

    # ---- the file ------------------------------------------------------------------------------------------------------

    @cached_property
    def _file(self) -> tuple[list[Row], list[str]]:
        return read_rows(Path(self.data))

    @property
    def _all_rows(self) -> list[Row]:
        rows, complaints = self._file
        if complaints:
            raise ValueError(complaints[0])
        return rows

    @cached_property
    def _columns(self) -> list[str]:
        """Every column that any row has, in order of appearance; a row without one has None there."""
        return list(dict.fromkeys(name for row in self._all_rows for name in row.columns))

    @cached_property
    def _splits(self) -> dict[str, list[Row]]:
        places = sorted({row.place for row in self._all_rows})
        border = self.test_share * 2**64
        held = {place for place in places if place < border}
        if self.test_share > 0 and len(places) > 1:  # a handful of prompts may all fall on one side
            held |= {places[0]}
        if self.test_share < 1:
            held -= {places[-1]}
        return {
            "train": [row for row in self._all_rows if row.place not in held],
            "test": [row for row in self._all_rows if row.place in held],
        }

    def _rows(self, split: str, start: int) -> Iterator[Row]:
        if split not in ("train", "test"):
            raise ValueError(f"Prompts have the splits train and test; split={split!r}.")
        rows = self._splits[split]
        if not rows:
            raise ValueError(
                f"test_share={self.test_share} leaves no prompt for {split}: {self.data} has {len(self._all_rows)}. "
                "Choose one between 0 and 1, such as 0.1, and have at least two different prompts"
                + ("; or evaluate nothing: eval_problems=0." if split == "test" else ".")
            )
        if split == "test":
            return iter(rows[start:])
        return (rows[_order(self.task_seed, number // len(rows), len(rows))[number % len(rows)]] for number in count(start))

    def _prompt(self, split: str, row: Row) -> Prompt:
        level = row.columns.get("level")
        plain = isinstance(row.prompt, str)
        return Prompt(
            id=f"{split}-{row.line}",
            text=row.prompt if isinstance(row.prompt, str) else None,
            messages=None if plain else row.prompt,  # type: ignore[arg-type]
            truth=dict(row.columns),
            level=level if isinstance(level, str) else "",
        )

    # ---- the functions -------------------------------------------------------------------------------------------------

    @cached_property
    def _rewards(self) -> dict[str, Reward]:
        rewards = load_rewards(self.reward)
        if self.reward_weights and len(self.reward_weights) != len(rewards):
            raise RewardError(
                f"reward_weights={list(self.reward_weights)} weighs {len(self.reward_weights)} rewards, but {self.reward} has "
                f"{len(rewards)}: {', '.join(rewards)}. Give one weight each, in this order."
            )
        return rewards

    @cached_property
    def _logged(self) -> dict[str, list[float]]:
        return {}

    def _arguments(self, rollouts: Sequence[Rollout], extras: dict[str, list[Any]]) -> dict[str, Any]:
        """What the functions are called with; what they log as columns is put into `extras`."""
        training = rollouts[0].prompt.id.startswith("train-")

        def log_metric(name: str, value: float) -> None:
            if training:  # an evaluation's numbers would be mixed into the next step's
                self._logged.setdefault(str(name), []).append(float(value))

        def log_extra(column: str, values: Sequence[Any]) -> None:
            if len(values) != len(rollouts):
                raise ValueError(f"log_extra({column!r}, …) needs {len(rollouts)} values, one a completion; got {len(values)}")
            extras[str(column)] = [v if v is None or isinstance(v, str | int | float) else str(v) for v in values]

        columns = {name: [r.prompt.truth.get(name) for r in rollouts] for name in self._columns}
        return columns | {
            "prompts": [_as_given(r.prompt) for r in rollouts],
            "completions": [_completion(r) for r in rollouts],
            "completion_ids": [_answer_tokens(r) for r in rollouts],
            "trainer_state": SimpleNamespace(global_step=max(r.policy_version for r in rollouts)),
            "log_extra": log_extra,
            "log_metric": log_metric,
        }

    def _verdict(self, said: Mapping[str, float | Steps | None], logged: Mapping[str, Any]) -> Verdict:
        weights = dict(zip(said, self.reward_weights or (1.0,) * len(said), strict=True))
        parts = {name: _mean(value) if isinstance(value, tuple) else value for name, value in said.items() if value is not None}
        weighted = [weights[name] * value for name, value in parts.items()]
        steps: dict[int, float] = {}  # where several functions judge the same step, their weighted sum
        for name, value in said.items():
            for end, reward in value if isinstance(value, tuple) else ():
                steps[end] = steps.get(end, 0.0) + weights[name] * reward
        return Verdict(sum(weighted) if weighted else nan, parts, logged=logged, steps=tuple(sorted(steps.items())))


def _mean(steps: Steps) -> float:
    """What judged steps count together; 0 where there are none."""
    return fmean(reward for _, reward in steps) if steps else 0.0


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, rows: int) -> list[int]:
    """The order of a pass over the rows: a function of its arguments, whatever the version of Python."""
    return sorted(range(rows), key=lambda i: blake2b(f"{seed}/{epoch}/{i}".encode(), digest_size=8).digest())


def _as_given(prompt: Prompt) -> str | list[dict[str, str]]:
    return prompt.text if prompt.text is not None else [dict(m) for m in prompt.messages or ()]


def _completion(rollout: Rollout) -> str | list[dict[str, str]]:
    return rollout.text if rollout.prompt.text is not None else [{"role": "assistant", "content": rollout.text}]


def _answer_tokens(rollout: Rollout) -> list[int]:
    """The tokens behind the prompt, the end of text included; a tool's output among them, as in TRL."""
    first = rollout.action.index(True) if True in rollout.action else len(rollout.tokens)
    return rollout.tokens[first:]
