"""Iterative GRPO: stages that are repeated, and what they are repeated with."""

from __future__ import annotations

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.process_reward_model import ProcessRewardModel
from quintet.algorithms.supervised import SFT
from quintet.rounds import unrolled
from quintet.settings import Stage

SHOWN, JUDGE = Stage("sft", SFT()), Stage("reward", ProcessRewardModel(replay=0.1), rounds=3)
POLICY = Stage("grpo", GRPO(supervision="process"), reward_model="reward", rounds=3)


def names(stages: list[Stage]) -> list[str]:
    return [stage.name for stage in stages]


def test_neighbours_take_turns():
    found = unrolled([SHOWN, JUDGE, POLICY])
    assert names(found) == ["sft", "reward", "grpo", "reward-round-2", "grpo-round-2", "reward-round-3", "grpo-round-3"]
    assert {stage.rounds for stage in found} == {1}


def test_reward_model_goes_on_from_the_last_rounds_and_replays_from_the_second_on():
    judges = unrolled([JUDGE, POLICY])[::2]
    assert [judge.algorithm.begin_from for judge in judges] == ["", "reward", "reward-round-2"]
    assert [judge.algorithm.replay for judge in judges] == [0.0, 0.1, 0.1]


def test_policy_is_judged_by_the_newest_reward_model():
    assert [s.reward_model for s in unrolled([JUDGE, POLICY])[1::2]] == ["reward", "reward-round-2", "reward-round-3"]


def test_reward_model_that_a_recipe_goes_on_from_is_the_first_rounds():
    first = Stage("first", ProcessRewardModel())
    again = Stage("again", ProcessRewardModel(begin_from="first", replay=0.5), rounds=2)
    judged = Stage("grpo", GRPO(), reward_model="again", rounds=2)
    found = unrolled([first, again, judged])
    assert [s.algorithm.begin_from for s in found if s.name.startswith("again")] == ["first", "again"]
    assert [s.algorithm.replay for s in found if s.name.startswith("again")] == [0.5, 0.5]
    hub = Stage("again", ProcessRewardModel(begin_from="owner/model", replay=0.5), rounds=2)
    assert [(s.algorithm.begin_from, s.algorithm.replay) for s in unrolled([hub])] == [("owner/model", 0.0), ("again", 0.5)]


def test_once_is_as_it_was():
    stages = [SHOWN, Stage("grpo", GRPO())]
    assert unrolled(stages) == stages
