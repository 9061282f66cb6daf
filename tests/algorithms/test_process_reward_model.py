"""A process reward model: labels at the ends of steps, and a planted error that it must find."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log, nan
from pathlib import Path

import pytest
import torch

from quintet.algorithms.process_reward_model import ProcessRewardModel
from quintet.data import Outputs, Prompt, Rollout, Verdict
from quintet.equations.steps import step_error
from quintet.judge import Judge, Judged
from quintet.models import heads
from quintet.sources import collate
from quintet.train import train
from quintet.updates import FirstOrder
from tests.tiny import CPU, batch_of, learner, policy, prepared, tokenizer, tokens

ENDS = torch.tensor([[nan, nan, 1.0, nan, 0.0], [nan, nan, nan, 0.5, nan]])
"""Prompts of a token; answers of four and three, in which steps end at tokens 3 and 5, and at 4."""


def the_batch():
    return replace(batch_of([("?", "abcd"), ("?", "abc")]), step_reward=ENDS)


def test_error_by_hand():
    score = torch.tensor([[0.0, 0.0, log(3), 0.0, log(3)], [0.0, 0.0, 0.0, 0.0, 9.0]])
    found = step_error(score, ENDS)
    assert found[0].tolist() == pytest.approx([0, 0, 0.287682, 0, 1.386294], abs=1e-6)  # −log ¾, −log ¼
    assert found[1].tolist() == pytest.approx([0, 0, 0, 0.693147, 0], abs=1e-6)


def test_every_step_weighs_the_same_and_nothing_else_does():
    batch = prepared(ProcessRewardModel(), learner(policy()), the_batch())
    third = pytest.approx(1 / 3)
    assert batch.weight.tolist() == [[0, 0, third, 0, third], [0, 0, 0, third, 0]]


def test_new_model_says_one_half_and_its_loss_is_log_2():
    of = learner(policy())
    stats = of.gradient(ProcessRewardModel().loss, prepared(ProcessRewardModel(), of, the_batch()))
    assert stats["loss"] == pytest.approx(log(2), abs=1e-6)
    assert stats["right_steps"] == pytest.approx(1 / 3)


def test_answers_without_steps_teach_nothing():
    batch = prepared(ProcessRewardModel(), learner(policy()), batch_of([("?", "abcd")]))
    assert batch.weight.tolist() == [[0.0] * 5]


def test_accuracy_is_on_which_side_of_one_half_each_step_is():
    terms = ProcessRewardModel().loss(Outputs(score=torch.tensor([[0.0, 0, 2, 0, 2], [0, 0, 0, -1, 0]])), the_batch())
    assert terms["accuracy"][0, [2, 4]].tolist() == [True, False]  # type: ignore[index]
    assert terms["accuracy"][1, 3]  # type: ignore[index]


def test_scores_of_tokens_are_those_behind_them_and_do_not_depend_on_padding_or_siblings():
    of = learner(policy())
    of.prepare(ProcessRewardModel().needs)
    assert of.score
    torch.nn.init.normal_(heads.head(of.score).weight)
    together = of.scores(batch_of([("?a", "abcd"), ("?a", "bc")], extra=2)).detach()
    alone = of.scores(batch_of([("?a", "bc")])).detach()
    assert together[1, 2:4].tolist() == pytest.approx(alone[0, 2:4].tolist(), abs=1e-5)
    plain = heads.step_scores(of.score, torch.tensor([tokens("?aabcd")])).detach()
    assert together[0, 2:6].tolist() == pytest.approx(plain[0, 2:].tolist(), abs=1e-5)


@dataclass
class Planted:
    """Answers of three lines; a line with an h in it is an error, and so is every line from there on."""

    name: str = "planted"
    judges_steps: bool = True

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return iter([Prompt(f"{split}-{start}", text="?")])

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        return [Verdict(1.0, steps=judged(rollout.text)) for rollout in rollouts]


def judged(text: str) -> tuple[tuple[int, float], ...]:
    return tuple((end, float("h" not in text[:end])) for end in (3, 6, 8))


def answers(seed: int, number: int) -> list[Rollout]:
    """Three lines of two letters each, a tenth of which are h."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for _ in range(number):
        letters = ["abcdefgh"[min(int(x), 7)] for x in torch.rand(6, generator=generator) * 7.8]
        text = "".join(letters[:2]) + "\n" + "".join(letters[2:4]) + "\n" + "".join(letters[4:])
        row = [*tokens("?" + text), 1]
        verdict = Verdict(1.0, steps=judged(text))
        action = [False] + [True] * (len(row) - 1)
        found.append(Rollout(Prompt("p", text="?"), row, action, [0.0] * len(row), text, "eos", 0, verdict))
    return found


class Pages:
    """Batches of such answers, other ones in each step."""

    def __iter__(self) -> Iterator:
        for step in range(1000):
            page = answers(step, 32)
            yield collate(page, range(len(page)), tokenizer=tokenizer())

    def sync(self, learner: object) -> None: ...


def test_planted_error_is_found_at_its_step_and_judges_answers(tmp_path: Path):
    algorithm = ProcessRewardModel(labels="task", update=FirstOrder(lr=1e-2))
    of = learner(policy(sharpness=0.2))
    train(algorithm, of, Pages(), [], 60)  # type: ignore[arg-type]
    assert of.score
    heads.save_reward_model(of.score, tokenizer(), tmp_path / "reward")
    judge = Judge(str(tmp_path / "reward"), CPU)
    assert judge.of_steps
    fresh = answers(5000, 200)
    pairs = [
        (chance > 0.5, right > 0.5)
        for scored, rollout in zip(judge.step_scores(fresh), fresh, strict=True)
        for (_, chance), (_, right) in zip(scored, judged(rollout.text), strict=True)
    ]
    assert sum(a == b for a, b in pairs) / len(pairs) > 0.95
    assert 0.3 < sum(right for _, right in pairs) / len(pairs) < 0.9  # and always saying one thing would not do
    (verdict,) = Judged(Planted(), judge, 2.0, 0.0).grade(fresh[:1])
    chances = [chance for _, chance in judge.step_scores(fresh[:1])[0]]
    assert [end for end, _ in verdict.steps] == [3, 6, 8]
    assert [reward for _, reward in verdict.steps] == pytest.approx([2 * c for c in chances])
    assert verdict.reward == pytest.approx(2 * min(chances))


def test_judges_and_tasks_step_rewards_are_added_up(tmp_path: Path):
    of = learner(policy())
    of.prepare(ProcessRewardModel().needs)
    assert of.score
    heads.save_reward_model(of.score, tokenizer(), tmp_path)
    (rollout,) = answers(0, 1)
    (verdict,) = Judged(Planted(), Judge(str(tmp_path), CPU), 1.0, 3.0).grade([rollout])  # it says ½ of everything
    assert [reward for _, reward in verdict.steps] == pytest.approx([0.5 + 3 * right for _, right in judged(rollout.text)])
    assert verdict.reward == pytest.approx(3.5)


def test_saved_process_reward_model_is_transformers_own_for_tokens(tmp_path: Path):
    made = heads.scalar_model(policy().model, of_steps=True)
    torch.nn.init.normal_(heads.head(made).weight)
    heads.save_reward_model(made, tokenizer(), tmp_path)
    loaded, _ = heads.load_reward_model(str(tmp_path))
    assert type(loaded).__name__ == "Qwen3ForTokenClassification"
    row = torch.tensor([tokens("?abc")])
    assert loaded(input_ids=row).logits[..., 0].tolist() == heads.step_scores(made, row).tolist()
    assert (heads.judges_steps(loaded), heads.judges_steps(heads.scalar_model(policy().model))) == (True, False)


def test_labels_choose_what_is_asked_of_the_policy():
    assert ProcessRewardModel(labels="task").needs.completions == 0
    assert ProcessRewardModel(completions=5).needs.completions == 5
    assert ProcessRewardModel(begin_from="a", replay=0.1).needs.begin_from == "a"
