from __future__ import annotations

from math import nan
from typing import Any

import pytest

from quintet.observe.diagnosis import diagnose


def run(**changes: Any) -> list[str]:
    """Two groups of two answers with nothing wrong, but for the changes."""
    facts: dict[str, Any] = {
        "rewards": [0.0, 1.0, 1.0, 0.0],
        "groups": [0, 0, 1, 1],
        "parsed": [True, True, False, True],
        "stop_reasons": ["eos", "length", "eos", "stop"],
        "lengths": [5, 128, 1, 9],
        "max_new_tokens": 128,
    }
    return diagnose(**{**facts, **changes})


def test_a_healthy_step_gives_no_sentence() -> None:
    assert run() == []


def test_equal_rewards_everywhere_teach_nothing() -> None:
    (sentence,) = run(rewards=[0.5] * 4)
    assert sentence.startswith("All 4 rewards are 0.5, so no answer is better than another")
    assert "call the reward function on an answer you know to be right" in sentence


def test_groups_equal_within_but_not_between_are_named() -> None:
    (sentence,) = run(rewards=[0.0, 0.0, 1.0, 1.0])
    assert "In each of 2 groups all answers earn the same reward (from 0 to 1 between groups)" in sentence
    assert "Raise temperature or group_size" in sentence


def test_one_group_that_differs_is_enough() -> None:
    assert run(rewards=[0.0, 0.0, 1.0, 0.0]) == []


def test_groups_of_one_answer_are_not_compared() -> None:
    assert run(groups=[0, 1, 2, 3]) == []


def test_truncation_names_the_setting_and_a_number() -> None:
    (sentence,) = run(stop_reasons=["length"] * 4)
    assert "All 4 answers were cut off at max_new_tokens=128" in sentence
    assert "Set max_new_tokens=256" in sentence


def test_unparsed_answers_are_named() -> None:
    (sentence,) = run(parsed=[False] * 4)
    assert sentence.startswith("None of 4 answers is in the form the grader reads")


def test_nan_rewards_are_counted() -> None:
    (sentence,) = run(rewards=[nan, 1.0, 1.0, 0.0])
    assert sentence.startswith("1 of 4 rewards are not a finite number")
    (sentence,) = run(rewards=[nan] * 4)
    assert sentence.startswith("All 4 rewards are not a finite number")


def test_the_rewards_left_beside_nan_are_still_compared() -> None:
    assert len(run(rewards=[nan, 1.0, 1.0, 1.0])) == 2


@pytest.mark.parametrize(("lengths", "reasons"), [([0] * 4, ["stop"] * 4), ([1] * 4, ["eos"] * 4)])
def test_empty_answers_are_named_instead_of_their_lack_of_form(lengths: list[int], reasons: list[str]) -> None:
    sentences = run(lengths=lengths, stop_reasons=reasons, parsed=[False] * 4)
    assert len(sentences) == 1
    assert sentences[0].startswith("All 4 answers are empty")


def test_answers_of_one_token_that_were_stopped_are_not_empty() -> None:
    assert run(lengths=[1] * 4, stop_reasons=["stop"] * 4) == []


def test_causes_come_before_the_equal_rewards_that_follow_from_them() -> None:
    sentences = run(rewards=[0.0] * 4, stop_reasons=["length"] * 4, parsed=[False] * 4)
    assert ["cut off" in sentences[0], "None of 4" in sentences[1]] == [True, True]
    assert sentences[2].endswith("teaches nothing. Mend what is named above first.")


def test_no_answers_give_no_sentence_and_unequal_columns_are_refused() -> None:
    assert diagnose([], [], [], [], [], 128) == []
    with pytest.raises(ValueError, match="One entry for each answer"):
        run(parsed=[True])
