"""What a user has, and which algorithms can learn from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quintet import cli
from quintet.advise import Given, advice_for, applicable, given_by
from quintet.config.resolve import load_record

NOTHING = Given(reward=False, pairs=False, demonstrations=False, steps=False)


def how(given: Given) -> dict[str, str]:
    return {one.algorithm: one.how for one in applicable(given)}


def test_a_reward_opens_all_five():
    found = how(Given(reward=True, pairs=False, demonstrations=False, steps=False))
    assert [found[name] for name in ("reinforce", "trpo", "ppo", "dpo", "grpo")] == ["yes"] * 5
    assert (found["sft"], found["reward-model"]) == ("no", "no")


def test_pairs_alone_open_dpo_now_and_the_others_behind_a_reward_model():
    given = Given(reward=False, pairs=True, demonstrations=False, steps=False)
    found = how(given)
    assert (found["dpo"], found["reward-model"], found["ppo"], found["grpo"]) == ("yes", "yes", "later", "later")
    assert "begin with dpo" in advice_for(given)[0]


def test_judged_steps_are_for_grpo():
    given = Given(reward=True, pairs=False, demonstrations=False, steps=True)
    told = {one.algorithm: one.why for one in applicable(given)}
    assert "supervision=process" in told["grpo"]
    assert "supervision=process" not in told["ppo"]
    assert "supervision=process" in advice_for(given)[0]


def test_right_answers_alone_open_imitation():
    assert how(Given(reward=False, pairs=False, demonstrations=True, steps=False))["sft"] == "yes"
    assert set(how(NOTHING).values()) == {"no"}
    assert "nothing to learn from" in advice_for(NOTHING)[0]


@pytest.mark.parametrize(("target", "steps"), [("direct", False), ("steps", True)])
def test_tasks_say_what_they_offer(target: str, steps: bool):
    arithmetic = load_record("quintet.tasks.arithmetic:Arithmetic")(target=target)
    assert given_by(arithmetic) == Given(reward=True, pairs=True, demonstrations=True, steps=steps)


def test_advise_reads_a_users_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    row = {"prompt": "1+1=", "chosen": "2", "rejected": "3"}
    Path("pairs.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "prompt": "1+2="}) + "\n")
    assert cli.main(["advise", "--data", "pairs.jsonl", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["given"] == {"reward": False, "pairs": True, "demonstrations": False, "steps": False}
    assert cli.main(["advise", "--data", "pairs.jsonl"]) == 0
    assert "begin with dpo" in capsys.readouterr().out
    assert cli.main(["advise", "--data", "pears.jsonl"]) == 2
