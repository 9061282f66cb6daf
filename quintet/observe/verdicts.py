"""What `quintet check` found, in sentences: what would keep training from learning, and what to change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from quintet.observe.formats import duration_in_words, percent, short

Found = Mapping[str, Any]
"""The record of `quintet.check.examine`."""


def verdicts(found: Found) -> list[str]:
    """Sentences, what stops a run first; a single one that begins with "Ready" where nothing does.

    Example: 16 of 16 groups with a signal, no answer cut off, no failure: one sentence, "Ready: …"
    """
    said = [*_failures(found), *_rewards(found), *_answers(found), *_costs(found)]
    return said if any(map(_is_bad, said)) else [_ready(found), *said]


NOTE = "Note: "
"""How a sentence begins that asks for nothing."""


def _is_bad(sentence: str) -> bool:
    return not sentence.startswith(NOTE)


def _ready(found: Found) -> str:
    return (
        f"Ready: {_groups(found)} have answers that earned different rewards, so {found['algorithm']} has something to learn "
        "from."
    )


def _groups(found: Found) -> str:
    low, high = percent(found["signal_low"], 0), percent(found["signal_high"], 0)
    return f"{found['groups_with_signal']} of {found['groups']} groups (95 % interval {low} to {high})"


def _failures(found: Found) -> Iterator[str]:
    calls = found["calls"]
    if calls["failed"]:
        first = calls["failures"][0]
        yield f"{calls['failed']} of {calls['number']} reward calls failed, and the first that fails ends a run. {first}"


def _rewards(found: Found) -> Iterator[str]:
    """Whether siblings differ, and if not, why."""
    answers = found["answers"]
    if not answers:
        return
    without, reward = found["without_reward"], found["reward"]
    if without == answers:
        yield (
            f"None of {answers} answers has a reward: all are None or NaN. Let the function return 0.0 for what it can't read."
        )
        return
    if without:
        yield (
            f"{NOTE}{without} of {answers} answers have no reward (None or NaN) and are left out of training. That is right "
            "only where the function does not apply to them."
        )
    share = found["groups_with_signal"] / max(1, found["groups"])
    if found["group_size"] < 2:
        if reward["std"] == 0:
            yield f"All {answers} rewards are {short(reward['mean'])}: no answer is better than another. {_otherwise(found)}"
        return
    if share >= 0.25:
        if share < 0.5:
            yield (
                f"{NOTE}in {percent(1 - share, 0)} of the groups all answers earned the same; that sampling is paid for and "
                "teaches nothing. dapo samples others in their place."
            )
        return
    if reward["std"] == 0:
        yield (
            f"All {answers - without} rewards are {short(reward['mean'])}: no answer is better than another, so nothing can be "
            f"learned. {_otherwise(found)}"
        )
    elif share == 0:
        yield (
            f"Within each of {found['groups']} groups all answers earned the same (between groups from "
            f"{short(reward['lowest'])} to {short(reward['highest'])}), so siblings can't be compared. Raise temperature or "
            "group_size, or give credit for parts of an answer."
        )
    else:
        yield (
            f"Only {_groups(found)} have a signal, so most of the sampling teaches nothing. {_otherwise(found)} dapo samples "
            "other prompts in place of those without a signal."
        )


def _otherwise(found: Found) -> str:
    """What to do where rewards hardly differ, by what else was seen."""
    answers = found["answers"]
    if found["empty"] == answers:
        return "All answers are empty: the model ends its text at once. Train a supervised stage (sft) first."
    if found["cut_off"] > 0.5 * answers:
        return f"Most answers were cut off: set max_new_tokens={2 * found['max_new_tokens']} first."
    if found["unparsed"] > 0.5 * answers:
        return (
            "Most answers are not in the form that is read: show the form in the prompt, or train a supervised stage (sft) "
            "first."
        )
    return (
        "Call the reward on an answer that you know to be right; if it says so, choose easier (or harder) prompts, give credit "
        "for parts of an answer, or train a supervised stage (sft) first."
    )


def _answers(found: Found) -> Iterator[str]:
    answers = found["answers"]
    if answers and found["cut_off"] >= 0.1 * answers:
        yield (
            f"{percent(found['cut_off'] / answers, 0)} of the answers were cut off at "
            f"max_new_tokens={found['max_new_tokens']}, and are judged by what they had said by then. Set "
            f"max_new_tokens={2 * found['max_new_tokens']}, or reward an early end."
        )
    if answers and found["unparsed"] >= 0.5 * answers:
        yield (
            f"{percent(found['unparsed'] / answers, 0)} of the answers are not in the form that the grader reads. Show the "
            "form in the prompt by an example, or train a supervised stage (sft) first."
        )


def _costs(found: Found) -> Iterator[str]:
    calls, estimate = found["calls"], found["estimate"]
    if calls["slowest"] > 1.0 and calls["slowest"] > 5 * calls["median"]:
        yield (
            f"The slowest reward call took {duration_in_words(calls['slowest'])} for {calls['answers']} answers, the usual one "
            f"{short(calls['median'])} s: a step waits for the slowest. Give it a deadline, or make it `async def`."
        )
    if not estimate:
        return
    if estimate["grade_seconds"] > 0.3 * estimate["step_seconds"] and estimate["grade_seconds"] > 0.5:
        yield (
            f"The reward takes {percent(estimate['grade_seconds'] / estimate['step_seconds'], 0)} of a step "
            f"({short(estimate['grade_seconds'])} s). Functions that wait for something run together if they are `async def`."
        )
    if estimate["memory_mb"] and estimate["peak_memory_mb"] > 0.8 * estimate["memory_mb"]:
        yield (
            f"The measured steps took {estimate['peak_memory_mb']:,.0f} of {estimate['memory_mb']:,.0f} MiB, and longer "
            "answers take more. Set micro_batch=8: it changes nothing but memory and time."
        )
