from __future__ import annotations

from itertools import islice

import pytest

from quintet.data import Rollout
from quintet.tasks.cartpole import CartPole


def test_starts_are_numbered_and_test_has_none_of_trains():
    train, test = ({p.truth["seed"] for p in islice(CartPole().prompts(split), 200)} for split in ("train", "test"))
    assert len(train) == len(test) == 200
    assert not train & test
    assert list(islice(CartPole().prompts("train", 3), 2)) == list(islice(CartPole().prompts("train"), 5))[3:]
    assert next(CartPole(task_seed=1).prompts("train")).truth["seed"] not in train


def test_return_is_the_sum_of_what_was_earned():
    prompt = next(CartPole().prompts("train"))
    (verdict,) = CartPole().grade([Rollout(prompt, [0, 1], [True] * 2, [0.0] * 2, "0 1", "eos", 0, earned=[1.0, 1.0])])
    assert (verdict.reward, verdict.parts, verdict.correct) == (2, {"return": 2}, None)


def test_environment_shows_four_numbers_and_has_two_actions():
    assert CartPole().spaces() == (4, 2)
    assert list(CartPole().check()) == []


def test_missing_gymnasium_is_said_before_anything_starts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("quintet.tasks.cartpole.find_spec", lambda name: None)
    assert "pip install gymnasium" in next(CartPole().check())


def test_unknown_split_is_refused():
    with pytest.raises(ValueError, match="splits train and test"):
        CartPole().prompts("dev")
