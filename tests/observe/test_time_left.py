from __future__ import annotations

import pytest

from quintet.observe.time_left import Stage, TimeLeft


def test_nothing_is_known_before_the_first_step() -> None:
    assert TimeLeft([Stage("sft", 10)]).seconds(0) is None


def test_the_current_stage_goes_on_at_its_pace() -> None:
    left = TimeLeft([Stage("sft", 20)])
    for seconds in (1.0, 3.0):
        left.step(0, seconds)
    assert left.seconds(2) == (36.0, False)


def test_only_recent_steps_set_the_pace() -> None:
    left = TimeLeft([Stage("grpo", 100)], window=4)
    for seconds in (50.0, 2.0, 2.0, 2.0, 2.0):
        left.step(0, seconds)
    assert left.seconds(5) == (190.0, False)


def test_a_stage_without_an_expectation_makes_it_a_lower_bound() -> None:
    left = TimeLeft([Stage("sft", 10), Stage("grpo", 10)])
    left.step(0, 2.0)
    assert left.seconds(1) == (18.0, True)


def test_later_stages_are_as_wrong_as_the_current_one() -> None:
    left = TimeLeft([Stage("sft", 20, 20.0), Stage("grpo", 10, 60.0)])
    left.step(0, 2.0)
    seconds, lower_bound = left.seconds(10) or (0.0, True)
    assert seconds == pytest.approx(10 * 2.0 + 2 * 60.0)
    assert not lower_bound


def test_a_new_stage_forgets_the_pace_of_the_last_one() -> None:
    left = TimeLeft([Stage("sft", 10, 5.0), Stage("grpo", 10)])
    left.step(0, 0.5)
    left.step(1, 3.0)
    assert left.seconds(1) == (27.0, False)
