"""Answers that earlier stages of a run sampled, out of its journal, to be learned from again.

DeepSeekMath's Algorithm 1 trains its reward model on with a tenth of historical data in each round (arXiv:2402.03300, §4.1.4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import nan
from random import Random
from typing import Any

from transformers import PreTrainedTokenizerBase

from quintet.data import Prompt, Rollout, Verdict
from quintet.models.text import encode_answer, encode_prompt

REPLAYED = "replayed"
"""What is logged beside an answer that is learned from again, so that it isn't taken for a new one the next time."""


def history(
    rows: Iterable[Mapping[str, Any]], stages: Sequence[str], tokenizer: PreTrainedTokenizerBase
) -> list[list[Rollout]]:
    """The graded answers that these stages sampled, by prompt, in order, from lines of `rollouts.jsonl`. All of them are held
    in memory. An answer is written anew with the tokenizer, so its tokens may be cut otherwise than when it was sampled."""
    groups: dict[tuple[int, int], list[Rollout]] = {}
    for row in rows:
        if row["stage"] in stages and not row["logged"].get(REPLAYED):
            groups.setdefault((row["step"], row["group"]), []).append(_rollout(row, tokenizer))
    return list(groups.values())


def drawn(groups: Sequence[list[Rollout]], count: int, seed: int, number: int) -> list[list[Rollout]]:
    """`count` of the groups, drawn at random with replacement: a function of (seed, number); none where there are none."""
    rng = Random(f"{seed}/replay/{number}")
    return [groups[int(rng.random() * len(groups))] for _ in range(count if groups else 0)]


def _rollout(row: Mapping[str, Any], tokenizer: PreTrainedTokenizerBase) -> Rollout:
    given = row["prompt"]
    plain = isinstance(given, str)
    prompt = Prompt(row["prompt_id"], given if plain else None, None if plain else tuple(given), level=row["level"])
    question, answer = encode_prompt(tokenizer, prompt), encode_answer(tokenizer, row["text"])
    if row["stop_reason"] == "length":  # it was cut off: nobody ended it
        answer = answer[:-1]
    reward = nan if row["reward"] is None else row["reward"]
    steps = tuple((end, nan if value is None else value) for end, value in row.get("steps", ()))
    return Rollout(
        prompt=prompt,
        tokens=question + answer,
        action=[False] * len(question) + [True] * len(answer),
        behaviour_logp=[0.0] * (len(question) + len(answer)),
        text=row["text"],
        stop_reason=row["stop_reason"],
        policy_version=row["policy_version"],
        verdict=Verdict(reward, row["parts"], row["correct"], logged={**row["logged"], REPLAYED: True}, steps=steps),
    )
