from __future__ import annotations

from math import isnan, nan
from pathlib import Path
from typing import Any

import pytest
import torch

from quintet.data import Prompt, Rollout, Verdict
from quintet.judge import Judge, Judged
from quintet.models import heads
from tests.tiny import CPU, Letter, batch_of, policy, tokenizer


def answer(text: str, stop_reason: Any = "eos", prompt: str = "?") -> Rollout:
    return Rollout(Prompt("train-0", text=prompt), [], [], [], text, stop_reason, policy_version=0)


@pytest.fixture
def folder(tmp_path: Path) -> str:
    made = heads.scalar_model(policy().model)
    torch.manual_seed(0)
    torch.nn.init.normal_(heads.head(made).weight)
    heads.save_reward_model(made, tokenizer(), tmp_path / "rm")
    return str(tmp_path / "rm")


def test_score_is_the_models_of_prompt_and_answer_with_its_end(folder: str):
    judge = Judge(folder, CPU)
    batch = batch_of([("?", "ab"), ("?", "ab")])
    ended = torch.tensor([[*batch.tokens[0].tolist(), 1]])
    model, _ = heads.load_reward_model(folder)
    with torch.no_grad():
        expected = float(heads.scores(model, ended, torch.tensor([4])))
        cut = float(heads.scores(model, ended[:, :3], torch.tensor([3])))
    some = [answer("ab"), answer("ab", "stop"), answer("ab", "length")]
    assert judge.scores(some) == pytest.approx([expected, expected, cut], abs=1e-5)
    assert abs(expected - cut) > 1e-3


def test_scores_do_not_depend_on_company_or_order(folder: str):
    answers = [answer("abcdefgh"), answer("a"), answer("cc", prompt="?!"), answer("")]
    together = Judge(folder, CPU).scores(answers)
    one_by_one = [Judge(folder, CPU, rows=1).scores([a])[0] for a in answers]
    assert together == pytest.approx(one_by_one, abs=1e-5)


def test_judge_reads_answers_in_its_own_words(tmp_path: Path):
    """Its tokenizer has a chat template, so messages become what that makes of them, whatever the policy's tokens were."""
    made = heads.scalar_model(policy().model)
    torch.manual_seed(0)
    torch.nn.init.normal_(heads.head(made).weight)
    heads.save_reward_model(made, tokenizer(chat=True), tmp_path)
    judge = Judge(str(tmp_path), CPU)
    chat = Prompt("p", messages=({"role": "user", "content": "de"},))
    asked = Rollout(chat, [7, 7, 7], [False, True, True], [0.0] * 3, "ab", "length", policy_version=0)
    plain = answer("ab", "length", prompt="de!?")
    assert judge.scores([asked]) == pytest.approx(judge.scores([plain]), abs=1e-6)
    assert judge.scores([asked]) != pytest.approx(judge.scores([answer("ab", "length", prompt="de")]), abs=1e-3)


def test_judge_that_is_not_there_is_said_in_a_sentence(tmp_path: Path, folder: str):
    with pytest.raises(ValueError, match=r"No reward model could be loaded from .*nowhere"):
        Judge(str(tmp_path / "nowhere"), CPU)
    for path in Path(folder).glob("tokenizer*"):
        path.unlink()
    with pytest.raises(ValueError, match=r"No reward model could be loaded from .*rm"):
        Judge(folder, CPU)


class Fixed:
    """A judge that says what it was told to."""

    of_steps = False

    def __init__(self, *said: float) -> None:
        self.said = list(said)

    def scores(self, rollouts: Any) -> list[float]:
        return self.said


def judged(task: Any, *said: float, judge: float = 1.0, own: float = 1.0) -> Judged:
    return Judged(task, Fixed(*said), judge, own)  # type: ignore[arg-type]


def test_reward_is_the_weighted_sum_and_both_are_parts_of_it():
    right, wrong = judged(Letter(), 0.5, -2.0, judge=0.1, own=2.0).grade([answer("b"), answer("a")])
    assert (right.reward, wrong.reward) == (pytest.approx(2.05), pytest.approx(-0.2))
    assert right.parts == {"right": 1.0, "reward_model": 0.5, "task": 1.0}
    assert (right.correct, wrong.correct) == (True, False)


def test_judge_alone_needs_no_reward_of_the_task():
    class Silent(Letter):
        def grade(self, rollouts: Any) -> list[Verdict]:
            return [Verdict(nan) for _ in rollouts]

    (alone,) = judged(Silent(), 0.5, own=0.0).grade([answer("b")])
    assert (alone.reward, alone.parts) == (0.5, {"reward_model": 0.5})
    (both,) = judged(Silent(), 0.5).grade([answer("b")])
    assert isnan(both.reward)  # a task's reward that doesn't apply leaves the answer out


def test_part_that_the_task_calls_its_own_stays_the_tasks():
    class Named(Letter):
        def grade(self, rollouts: Any) -> list[Verdict]:
            return [Verdict(3.0, {"task": 0.25}, logged={"note": "x"}, steps=((1, 1.0),)) for _ in rollouts]

    (verdict,) = judged(Named(), 0.5).grade([answer("b")])
    assert verdict == Verdict(3.5, {"task": 0.25, "reward_model": 0.5}, logged={"note": "x"}, steps=((1, 1.0),))


def test_judged_task_can_do_what_the_task_can():
    task = Letter()
    assert judged(task).name == "letter"
    assert next(judged(task).prompts("train", 3)) == next(task.prompts("train", 3))
    assert judged(task).best == "b"
    assert not hasattr(judged(task), "drain_metrics")
