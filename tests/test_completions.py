"""Steps judged by how their completions end (Math-Shepherd)."""

from __future__ import annotations

from typing import Any

from quintet.completions import Completed
from quintet.data import Prompt, Rollout, Sampling, Verdict
from quintet.models.text import encode_prompt
from tests.tiny import Letter, chain, sampler, tokenizer


class Told:
    """A sampler that completes each begun answer with what it was told, in turn."""

    def __init__(self, *said: str) -> None:
        self.said, self.asked = said, []

    def generate(
        self, prompts: Any, group_size: int, sampling: Any, seed: int, first: Any = 0, ended: Any = None
    ) -> list[Rollout]:
        self.asked += [prompt.begun for prompt in prompts]
        return [Rollout(p, [], [], [], self.said[i], "eos", 0) for p in prompts for i in range(group_size)]

    def load(self, weights: Any, version: int) -> None: ...


class Ends(Letter):
    """Right is what ends with b."""

    def grade(self, rollouts: Any) -> list[Verdict]:
        return [Verdict(float(r.text.endswith("b")), correct=r.text.endswith("b")) for r in rollouts]


def answer(text: str, stop: Any = "eos") -> Rollout:
    return Rollout(Prompt("p", text="?"), [], [], [], text, stop, 0)


def test_step_is_worth_the_share_of_its_completions_that_are_right():
    told = Told("b", "a", "cb", "d")
    (verdict,) = Completed(Ends(), told, Sampling(), 4, 0).grade([answer("a\nc\nb")])
    assert verdict.steps == ((2, 0.5), (4, 0.5), (5, 1.0))  # the last is as right as the answer
    assert told.asked == ["a\n", "a\nc\n"]


def test_answer_that_was_cut_off_is_completed_at_its_end_too():
    told = Told("b")
    first, second = Completed(Ends(), told, Sampling(), 1, 0).grade([answer("a\nc", "length"), answer("a")])
    assert first.steps == ((2, 1.0), (3, 1.0))
    assert second.steps == ((1, 0.0),)
    assert told.asked == ["a\n", "a\nc"]


def test_answers_without_steps_have_none():
    assert Completed(Ends(), Told(), Sampling(), 2, 0).grade([answer("")])[0].steps == ()


def test_policy_goes_on_from_what_is_begun():
    prompt = Prompt("p", text="?", begun="ab")
    assert encode_prompt(tokenizer(), prompt) == encode_prompt(tokenizer(), Prompt("p", text="?ab"))
    (written,) = sampler(chain("abc")).generate([prompt], 1, Sampling(max_new_tokens=3), seed=0)
    assert written.text == "cab"


def test_tokens_of_completions_are_counted_until_they_are_taken():
    completed = Completed(Ends(), sampler(chain("ab")), Sampling(max_new_tokens=3), 2, 0)
    completed.grade([answer("ab", "length")])
    assert completed.drain_metrics() == {"completion_tokens": 2 * 3}
    assert completed.drain_metrics() == {"completion_tokens": 0}


def test_the_task_is_still_itself():
    completed = Completed(Ends(), Told(), Sampling(), 2, 0)
    assert (completed.name, completed.best) == ("letter", "b")
    assert next(completed.prompts("train")) == next(Ends().prompts("train"))
