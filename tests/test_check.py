from __future__ import annotations

import json
from pathlib import Path

import pytest

from quintet import cli
from quintet.check import Alternating, scored
from quintet.data import Prompt, Rollout, StopReason, Verdict
from quintet.tasks.arithmetic import Arithmetic


def answer(reward: float, stop: StopReason = "eos", parsed: bool = True, tokens: int = 3, text: str = "x") -> Rollout:
    prompt = Prompt("p", text="?")
    verdict = Verdict(reward, {"right": reward}, parsed=parsed)
    return Rollout(prompt, [0] * tokens, [True] * tokens, [0.0] * tokens, text, stop, 0, verdict)


NAN = float("nan")


def test_rewards_are_described_by_hand():
    found = scored([answer(0.0), answer(1.0, tokens=5), answer(1.0, "length"), answer(1.0, parsed=False, text=" ")], 2)
    assert (found["reward"]["mean"], found["reward"]["lowest"], found["reward"]["highest"]) == (0.75, 0.0, 1.0)
    assert found["reward"]["std"] == pytest.approx(0.4330127)  # √(3/16)
    assert (found["groups"], found["groups_with_signal"]) == (2, 1)
    assert (found["cut_off"], found["unparsed"], found["empty"], found["mean_length"], found["longest"]) == (1, 1, 1, 3.5, 5)
    assert found["values"] == [{"from": 0.0, "to": 0.0, "count": 1}, {"from": 1.0, "to": 1.0, "count": 3}]
    assert found["parts"] == {"right": {"mean": 0.75, "share": 1.0}}
    assert [e["reward"] for e in found["best"]] == [1.0, 1.0]
    assert [e["reward"] for e in found["worst"]] == [0.0, 1.0]


def test_answers_without_a_reward_are_counted_and_left_out():
    found = scored([answer(NAN), answer(0.5), answer(NAN), answer(NAN)], 2)
    assert (found["without_reward"], found["reward"]["mean"], found["groups_with_signal"]) == (3, 0.5, 0)
    assert scored([answer(NAN)], 1)["reward"]["mean"] is None
    assert scored([], 2)["answers"] == 0


def test_many_different_rewards_fall_into_bins_that_hold_them_all():
    found = scored([answer(i / 20) for i in range(21)], 3)
    assert [v["count"] for v in found["values"]] == [3, 2, 3, 2, 3, 2, 3, 3]  # [0, .125), [.125, .25) … [.875, 1]
    assert found["values"][0]["from"] == 0.0
    assert found["values"][-1]["to"] == 1.0


def test_measured_steps_have_a_signal_in_every_group_whatever_the_reward_says():
    task = Alternating(Arithmetic())
    assert task.name == "arithmetic"
    assert next(task.prompts("train", 3)) == next(Arithmetic().prompts("train", 3))
    assert [verdict.reward for verdict in task.grade([answer(0.5)] * 4)] == [0.0, 1.0, 0.0, 1.0]


REWARDS = """
import time

def reward(completions, right, **columns):
    if right[0] == "fails":
        raise ValueError("no such row")
    return [float(len(text) % 2) for text in completions]
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": f"{i} = ", "right": "fails" if i % 2 else "no"} for i in range(40)]
    Path("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("reward.py").write_text(REWARDS)
    return tmp_path


COMMAND = ["check", "prompts.jsonl", "--reward", "reward.py", "--prompts", "4", "--group-size", "4", "--max-new-tokens", "3"]
FAST = ["--threads", "1", "--prompts-per-step", "2", "--eval-problems", "2"]


def test_failing_calls_are_counted_and_the_others_scored(data: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main([*COMMAND, *FAST, "--measure", "1", "--steps", "7", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    failed = found["calls"]["failed"]
    assert found["calls"]["number"] == 4
    assert 0 < failed < 4
    assert found["answers"] == 4 * (4 - failed)
    assert "raised ValueError: no such row" in found["calls"]["failures"][0]
    assert "reward calls failed" in found["verdicts"][0]
    estimate = found["estimate"]
    assert (estimate["steps"], estimate["evaluations"], estimate["measured_steps"]) == (7, 2, 1)
    whole = 7 * estimate["step_seconds"] + 2 * estimate["evaluation_seconds"]
    assert estimate["seconds"] == pytest.approx(whole)
    assert estimate["seconds_if_longest"] >= estimate["seconds"]
    assert sorted(path.name for path in data.iterdir()) == ["__pycache__", "prompts.jsonl", "reward.py"] or sorted(
        path.name for path in data.iterdir()
    ) == ["prompts.jsonl", "reward.py"]


def test_page_is_printed_without_an_estimate_where_none_is_wanted(data: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main([*COMMAND, *FAST, "--measure", "0"]) == 0
    page = capsys.readouterr().out
    assert "16 answers to 4 prompts" in page
    assert "an estimate" not in page


def test_a_step_of_an_algorithm_with_a_critic_is_measured_too(capsys: pytest.CaptureFixture[str]):
    flags = ["--task", "arithmetic", "--max-level", "1", "--prompts", "2", "--group-size", "2", *FAST, "--measure", "1"]
    assert cli.main(["check", "--algorithm", "ppo", *flags, "--minibatches", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["algorithm"] == "ppo"
    assert found["estimate"]["step_seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["check"], "No task was named. Write --task NAME"),
        (["check", "a.jsonl", "b.jsonl", "--reward", "r.py"], "b.jsonl: One file of prompts at a time"),
        (["check", "gone.jsonl", "--reward", "r.py"], "gone.jsonl: The prompts can't be read from data=gone.jsonl"),
        (["check", "--task", "maze", "--prompts", "0"], "--prompts: It must be a whole number of at least 1"),
        (["check", "--task", "maze", "--promts", "3"], '--promts: There is no such flag. Did you mean "--prompts"?'),
    ],
)
def test_wrong_arguments_are_said_before_anything_is_loaded(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(arguments) == 2
    assert complaint in capsys.readouterr().err


def test_what_learns_from_demonstrations_has_nothing_to_check(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["check", "--task", "maze", "--algorithm", "sft"]) == 1
    assert "sft learns from what it is shown, so no answers are scored" in capsys.readouterr().err


def test_help_shows_the_settings_of_training(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["check", "--help"]) == 0
    page = capsys.readouterr().out
    assert "--measure N" in page
    assert "--group-size N" in page
