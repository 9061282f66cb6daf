"""The first step of reinforcement learning, examined: what would keep it from learning anything, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from quintet.observe.formats import short


def diagnose(
    rewards: Sequence[float],
    groups: Sequence[int],
    parsed: Sequence[bool],
    stop_reasons: Sequence[str],
    lengths: Sequence[int],
    max_new_tokens: int,
) -> list[str]:
    """Sentences (what, why, what next) about a first step that can teach nothing; empty when nothing is wrong.

    One entry for each answer in every sequence, siblings with the same number in `groups`; `lengths` in sampled tokens, the
    one that ends the text included. Causes come before the equal rewards that follow from them. A group with one answer is
    nobody's fault: algorithms that compare siblings refuse it earlier.
    Raises ValueError when the sequences differ in length.
    Example: diagnose([0.0, 1.0], [0, 0], [True, True], ["eos", "eos"], [5, 7], 128) == []
    """
    facts = (rewards, groups, parsed, stop_reasons, lengths)
    if len({len(column) for column in facts}) != 1:
        raise ValueError(f"One entry for each answer was expected; got {[len(column) for column in facts]} entries.")
    if not rewards:
        return []
    causes = [*_not_numbers(rewards), *_empty(stop_reasons, lengths)]
    causes += [*_truncated(stop_reasons, max_new_tokens)]
    if not all(_is_empty(*answer) for answer in zip(stop_reasons, lengths, strict=True)):
        causes += _unparsed(parsed)
    return causes + _equal(rewards, groups, explained=bool(causes))


def _not_numbers(rewards: Sequence[float]) -> list[str]:
    bad = sum(not isfinite(reward) for reward in rewards)
    if not bad:
        return []
    which = f"All {bad} rewards are" if bad == len(rewards) else f"{bad} of {len(rewards)} rewards are"
    return [
        f"{which} not a finite number (NaN or infinite): those answers are left out of training. "
        "A reward function returns None or NaN only where it doesn't apply; let it return 0.0 for an answer it can't read, "
        "and look for a division by zero."
    ]


def _is_empty(stop_reason: str, length: int) -> bool:
    return length == 0 or (length == 1 and stop_reason == "eos")


def _empty(stop_reasons: Sequence[str], lengths: Sequence[int]) -> list[str]:
    if not all(_is_empty(*answer) for answer in zip(stop_reasons, lengths, strict=True)):
        return []
    return [
        f"All {len(lengths)} answers are empty: the model ends its text at once. Check that the prompt doesn't already end "
        "with the end-of-text token and that the chat template adds the generation prompt; a model that has never seen this "
        "form of prompt needs a supervised stage (sft) first."
    ]


def _truncated(stop_reasons: Sequence[str], max_new_tokens: int) -> list[str]:
    if not all(reason == "length" for reason in stop_reasons):
        return []
    return [
        f"All {len(stop_reasons)} answers were cut off at max_new_tokens={max_new_tokens}, most likely before they said their "
        f"result. Set max_new_tokens={2 * max_new_tokens}; if answers still never end, the model doesn't know its "
        "end-of-text token: name a string to stop at, or train a supervised stage (sft) first."
    ]


def _unparsed(parsed: Sequence[bool]) -> list[str]:
    if any(parsed):
        return []
    return [
        f"None of {len(parsed)} answers is in the form the grader reads, so none can be told to be right. Read some with "
        "`quintet rollouts RUN --step 1`, show the form in the prompt by an example, or train a supervised stage (sft) first."
    ]


def _equal(rewards: Sequence[float], groups: Sequence[int], explained: bool) -> list[str]:
    finite: dict[int, list[float]] = {}
    for reward, group in zip(rewards, groups, strict=True):
        if isfinite(reward):
            finite.setdefault(group, []).append(reward)
    everything = [reward for members in finite.values() for reward in members]
    if len(everything) >= 2 and min(everything) == max(everything):
        what = f"All {len(everything)} rewards are {short(everything[0])}, so no answer is better than another and this step "
        if explained:
            return [what + "teaches nothing. Mend what is named above first."]
        return [
            what + "teaches nothing. If they should differ, call the reward function on an answer you know to be right; if the "
            "task is too hard or too easy as it is, choose other prompts, give credit for parts of an answer, or train a "
            "supervised stage (sft) first."
        ]
    compared = [members for members in finite.values() if len(members) >= 2]
    if compared and all(min(members) == max(members) for members in compared):
        return [
            f"In each of {len(compared)} groups all answers earn the same reward (from {short(min(everything))} to "
            f"{short(max(everything))} between groups), so siblings can't be told apart and group-relative advantages are 0. "
            "Raise temperature or group_size, or choose prompts that the model solves sometimes but not always."
        ]
    return []
