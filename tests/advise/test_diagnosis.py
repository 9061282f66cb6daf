from __future__ import annotations

from typing import Any

import pytest

from quintet.advise.diagnosis import Diagnosis
from quintet.advise.diagnosis import diagnosis_of as examined


def diagnosis_of(*arguments: Any) -> Diagnosis:
    """The same with ordinary spaces before per cent signs."""
    found = examined(*arguments)
    return Diagnosis(found.diverged, found.sentence.replace("\u202f", " "))


def at(score: float, reach: float = 0.02) -> dict[str, Any]:
    return {"score": score, "low": score - reach, "high": score + reach, "unit": "solved"}


def steps(**changes: Any) -> list[dict[str, Any]]:
    row = {"loss": 0.1, "grad_norm": 1.0, "reward": 0.5, "frac_reward_zero_std": 0.3, "completions/mean_length": 8.0}
    return [{**row, **changes} for _ in range(30)]


def test_better_with_intervals_apart_is_an_improvement():
    found = diagnosis_of(steps(), at(0.2), at(0.4))
    assert (found.diverged, found.sentence) == (False, "Improved from 20.0 % to 40.0 %.")


def test_reward_that_still_rises_is_told():
    rising = [{**row, "reward": i / 30} for i, row in enumerate(steps())]
    assert diagnosis_of(rising, at(0.2), at(0.4)).sentence.endswith("and training reward was still rising at the end.")
    assert "rising" not in diagnosis_of(steps(), at(0.2), at(0.4)).sentence


def test_overlapping_intervals_are_no_change():
    found = diagnosis_of(steps(), at(0.2), at(0.22))
    assert not found.diverged
    assert "no change" in found.sentence


def test_worse_with_intervals_apart_has_diverged():
    found = diagnosis_of(steps(), at(0.4), at(0.2))
    assert found.diverged
    assert found.sentence.startswith("Fell from 40.0 % to 20.0 %.")
    assert "smaller learning rate" in found.sentence


@pytest.mark.parametrize("changes", [{"loss": None}, {"grad_norm": None}, {"grad_norm/critic": None}])
def test_numbers_that_break_down_are_a_divergence(changes: dict[str, Any]):
    assert diagnosis_of(steps(**changes), at(0.2), at(0.4)).diverged


def test_updates_skipped_because_all_answers_tied_are_no_divergence():
    found = diagnosis_of(steps(skipped_updates=1.0, grad_norm=0.0, frac_reward_zero_std=1.0), at(0.2), at(0.2))
    assert not found.diverged
    assert "100 % of its groups all answers earned the same" in found.sentence


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"completions/clipped_ratio": 0.5}, "50 % of its answers were cut off"),
        ({"line_search/accepted": 0.1}, "refused 90 % of the steps"),
        ({"approx_kl": 0.5}, "lower lr"),
        ({"frac_reward_zero_std": 0.9}, "90 % of its groups"),
    ],
)
def test_what_held_a_run_back_is_named(changes: dict[str, Any], told: str):
    assert told in diagnosis_of(steps(**changes), at(0.2), at(0.2)).sentence
    assert told not in diagnosis_of(steps(), at(0.2), at(0.2)).sentence


def test_answers_that_explode_are_named():
    growing = [{**row, "completions/mean_length": 5.0 + 10 * (i > 15)} for i, row in enumerate(steps())]
    assert "grew from 5 to 15 tokens" in diagnosis_of(growing, at(0.2), at(0.4)).sentence


def test_an_episode_may_last_to_its_times_end_and_grow():
    longer = [
        {**row, "completions/mean_length": 20.0 + 15 * i, "completions/clipped_ratio": 0.9} for i, row in enumerate(steps())
    ]
    assert diagnosis_of(longer, at(0.2), {**at(0.4), "engine": "control"}).sentence == "Improved from 20.0 % to 40.0 %."
    told = diagnosis_of(longer, at(0.2), {**at(0.4), "engine": "embedded"}).sentence
    assert "cut off" in told
    assert "look for a cheat" in told
