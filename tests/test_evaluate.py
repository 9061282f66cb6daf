from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from math import nan
from typing import Any

import pytest
from torch import Tensor

from quintet.data import Batch, Needs, Prompt, Rollout, Sampling, Verdict
from quintet.evaluate import evaluate, evaluate_model, evaluate_pairs
from quintet.observe.journal import Journal
from quintet.settings import Machine
from tests.tiny import Letter, chain, policy, sampler, tokenizer

GREEDY = Sampling(temperature=0, max_new_tokens=2)


class Rewarded:
    """No notion of right and wrong: rewards 0, 1, 2, … and one that does not apply."""

    name = "rewarded"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        assert split == "test"
        return (Prompt(f"p{i}", text="ab") for i in range(start, 6))

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        return [Verdict(nan if i == 2 else float(i)) for i, _ in enumerate(rollouts)]


def test_score_is_the_share_of_solved_problems_with_its_interval_by_level():
    """After `e` comes b, elsewhere not: one kind of prompt in three is solved."""
    found = evaluate(Letter(), sampler(chain("eba ")), GREEDY, 30)
    assert (found["task"], found["split"], found["n"], found["unit"]) == ("letter", "test", 30, "solved")
    assert found["score"] == pytest.approx(1 / 3)
    assert (found["low"], found["high"]) == pytest.approx((0.1923, 0.5122), abs=1e-4)
    assert {level: (s["n"], s["score"]) for level, s in found["levels"].items()} == {"0": (10, 0), "1": (10, 1), "2": (10, 0)}


def test_levels_come_in_the_order_of_the_problems():
    class Later(Letter):
        def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
            return super().prompts(split, start + 2)

    assert list(evaluate(Later(), sampler(policy()), GREEDY, 5)["levels"]) == ["2", "0", "1"]


def test_mean_reward_is_the_score_where_nothing_is_right_or_wrong():
    found = evaluate(Rewarded(), sampler(policy()), GREEDY, 100)
    assert (found["n"], found["unit"], found["levels"]) == (5, "reward", {})
    assert found["score"] == pytest.approx((0 + 1 + 3 + 4 + 5) / 5)
    assert found["low"] < found["score"] < found["high"]


def test_parts_of_the_reward_are_averaged_over_the_answers_that_have_them():
    class Parted(Rewarded):
        def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
            return [
                Verdict(0.0, {"builds": float(i % 2), **({"hidden": 1.0} if i == 0 else {})}) for i, _ in enumerate(rollouts)
            ]

    assert evaluate(Parted(), sampler(policy()), GREEDY, 6)["parts"] == {"builds": 0.5, "hidden": 1.0}


def test_examples_show_some_answers_of_every_level():
    found = evaluate(Letter(), sampler(chain("eba ")), GREEDY, 60)["examples"]
    assert [e["level"] for e in found] == ["0"] * 6 + ["1"] * 6 + ["2"] * 6
    assert (found[6]["prompt"], found[6]["text"], found[6]["correct"], found[6]["reward"]) == ("??e", "ba", True, 1.0)
    assert found[6]["picture"] is None


def test_two_evaluations_of_one_policy_are_equal_also_when_sampled():
    of = policy(sharpness=0.1)
    first, again = (evaluate(Letter(), sampler(of), Sampling(max_new_tokens=4), 20) for _ in range(2))
    assert first == again


@pytest.mark.parametrize(("task", "problems"), [(Letter(), 9), (Rewarded(), 9), (Rewarded(), 1), (Rewarded(), 0)])
def test_record_can_be_written_down_whatever_it_lacks(task: Any, problems, tmp_path):
    """A reward that does not apply, one reward without an interval, no reward at all: null in strict JSON."""

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    found = evaluate(task, sampler(policy()), GREEDY, problems)
    Journal(tmp_path).append("evaluations", found)
    written = json.loads((tmp_path / "evaluations.jsonl").read_text(), parse_constant=refuse)
    assert (written["n"], written["score"]) == (found["n"], found["score"])
    assert (written["low"] is None) == (found["n"] < 2)


def test_each_problems_outcome_is_kept_by_level_in_its_order():
    """After `e` comes b: of the three kinds of prompt that take turns, the one that ends in e is solved."""
    found = evaluate(Letter(), sampler(chain("eba ")), GREEDY, 7)
    flat = [outcome for some in found["outcomes"].values() for outcome in some]
    assert {level: len(some) for level, some in found["outcomes"].items()} == {"0": 3, "1": 2, "2": 2}
    assert sum(flat) / 7 == pytest.approx(found["score"])
    assert {tuple(some) for some in found["outcomes"].values()} == {(0, 0, 0), (1, 1), (0, 0)}


def test_a_model_is_evaluated_by_its_name(tmp_path):
    policy().save(tmp_path)
    found = evaluate_model(str(tmp_path), Letter(), GREEDY, 6, Machine(device="cpu"))
    assert found == {"model": str(tmp_path), **evaluate(Letter(), sampler(policy()), GREEDY, 6)}


def test_only_as_many_problems_as_were_asked_for_are_made():
    class Counting(Letter):
        def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
            return islice(super().prompts(split, start), 7)

    assert evaluate(Counting(), sampler(policy()), GREEDY, 4)["n"] == 4
    assert evaluate(Counting(), sampler(policy()), GREEDY, 400)["n"] == 7


# ---- several answers a problem ---------------------------------------------------------------------------------------------


SAID = {"p0": "7887", "p1": "9999", "p2": "5-4-"}
TRUE = {"p0": "7", "p1": "8", "p2": "4"}


class Told:
    """Three problems of which it is known beforehand what four answers they get."""

    name = "told"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return (Prompt(name, text="a", level="hard" if name == "p2" else "easy") for name in list(SAID)[start:])

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        return [Verdict(float(right), correct=right) for right in (r.text == TRUE[r.prompt.id] for r in rollouts)]

    def answer_of(self, text: str) -> str | None:
        return text if text.isdecimal() else None


class Reciting:
    """A sampler that answers as `Told` foresees."""

    def generate(
        self,
        prompts: Sequence[Prompt],
        group_size: int,
        sampling: Sampling,
        seed: int,
        first: int | Sequence[int] = 0,
        ended: Any = None,
    ) -> list[Rollout]:
        return [Rollout(p, [], [], [], SAID[p.id][i], "eos", 0) for p in prompts for i in range(group_size)]

    def load(self, weights: Any, version: int) -> None: ...


def scores(cells: dict[str, dict[str, float]]) -> dict[str, float]:
    return {k: round(cell["score"], 6) for k, cell in cells.items()}


def test_several_answers_are_scored_by_pass_and_majority():
    """p0: two of 7887 are right, and 7 was there first. p1: none of 9999. p2: one of 5-4-, and 5 was there first."""
    found = evaluate(Told(), Reciting(), Sampling(), 10, k=4)
    assert (found["k"], found["n"], found["unit"]) == (4, 3, "solved")
    assert found["score"] == pytest.approx((2 / 4 + 0 + 1 / 4) / 3)
    assert scores(found["pass"]) == {"1": 0.25, "2": round((5 / 6 + 0 + 1 / 2) / 3, 6), "4": round(2 / 3, 6)}
    assert scores(found["maj"]) == {"1": round(1 / 3, 6), "2": round(1 / 3, 6), "4": round(1 / 3, 6)}
    assert {level: (s["n"], s["pass"]["4"]["score"]) for level, s in found["levels"].items()} == {
        "easy": (2, 0.5),
        "hard": (1, 1),
    }
    assert all(cell["low"] <= cell["score"] <= cell["high"] for kind in ("pass", "maj") for cell in found[kind].values())
    assert [e["text"] for e in found["examples"]] == ["7", "9", "5"]  # the first answer to each problem
    assert json.loads(json.dumps(found)) == {**found, "sampling": {**found["sampling"], "stop": []}}


def test_task_that_cannot_compare_answers_has_no_majority():
    found = evaluate(Letter(), sampler(policy(sharpness=0.1)), Sampling(max_new_tokens=2), 9, k=3)
    assert "maj" not in found
    assert found["pass"]["1"]["score"] == found["score"] <= found["pass"]["3"]["score"]


def test_answers_to_one_problem_count_as_one_where_there_are_only_rewards():
    class Halves(Rewarded):
        def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
            return [Verdict(nan if i == 5 else float(i)) for i, _ in enumerate(rollouts)]

    found = evaluate(Halves(), sampler(policy()), Sampling(max_new_tokens=2), 3, k=2)
    assert (found["n"], found["unit"], "pass" in found) == (3, "reward", False)
    assert found["score"] == pytest.approx((0.5 + 2.5 + 4) / 3)


class Longer:
    """Of each pair one answer is two characters longer; of every third the shorter one is preferred."""

    name = "longer"

    def __init__(self, number: int) -> None:
        self.number = number

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        assert split == "test"
        for i in range(start, self.number):
            better, worse = ("a", "abc") if i % 3 == 0 else ("abc", "a")
            yield Prompt(f"p{i}", text="?"), better, worse


class Lengths:
    """A learner whose reward model says how long an answer is, or the same of all."""

    def __init__(self, tied: bool = False) -> None:
        self.tied, self.asked = tied, []

    def annotate(self, batch: Batch, needs: Needs) -> Batch:
        self.asked.append((len(batch.tokens), needs.score))
        return batch

    def scores(self, batch: Batch) -> Tensor:
        return batch.length * (not self.tied)


def test_pairs_ranked_right_are_counted_page_by_page():
    """100 pairs, 34 of which prefer the shorter answer: 66 are ranked right, with the Wilson interval of 66 in 100."""
    learner = Lengths()
    found = evaluate_pairs(Longer(1000), learner, tokenizer(), 100)
    assert (found["task"], found["split"], found["n"], found["score"]) == ("longer", "test", 100, 0.66)
    assert (found["low"], found["high"]) == pytest.approx((0.5628, 0.7454), abs=1e-4)
    assert learner.asked == [(128, True), (72, True)]


def test_tie_is_not_ranked_right():
    assert evaluate_pairs(Longer(9), Lengths(tied=True), tokenizer(), 9)["score"] == 0


def test_as_many_pairs_as_there_are_are_ranked():
    found = evaluate_pairs(Longer(64), Lengths(), tokenizer(), 500)
    assert (found["n"], found["score"]) == (64, 42 / 64)
    nothing = evaluate_pairs(Longer(0), Lengths(), tokenizer(), 500)
    assert (nothing["n"], nothing["score"], nothing["low"], nothing["high"]) == (0, 0, 0, 1)
