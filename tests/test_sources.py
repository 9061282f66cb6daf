from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import nan
from typing import Any

import pytest
import torch

from quintet.data import Batch, Prompt, Rollout, Sampling, Verdict
from quintet.models.randomness import numbered
from quintet.protocols import TaskError
from quintet.sources import Demonstrations, Online, Pairs, Until, collate, grade
from tests.tiny import END, Letter, policy, sampler, token, tokenizer, tokens


class Scripted:
    """A sampler that writes the prompt's and the sibling's numbers."""

    def __init__(self) -> None:
        self.loaded: list[tuple[Any, int]] = []

    def generate(
        self,
        prompts: Sequence[Prompt],
        group_size: int,
        sampling: Sampling,
        seed: int,
        first: int | Sequence[int] = 0,
        ended: Any = None,
    ) -> list[Rollout]:
        numbers = numbered(len(prompts), first).tolist()
        return [
            Rollout(p, [9, number, k], [False, True, True], [0.0, -1.0, -2.0], f"{p.id}/{k}", "eos", len(self.loaded))
            for p, number in zip(prompts, numbers, strict=True)
            for k in range(group_size)
        ]

    def load(self, weights: Mapping[str, Any], version: int) -> None:
        self.loaded.append((weights, version))


class Graded:
    """Prompts are numbered; a verdict is worth what `rewards` says in turn."""

    name = "graded"

    def __init__(self, rewards: Any) -> None:
        self.rewards = rewards

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        assert split == "train"
        return (Prompt(f"p{i}", text="?") for i in range(start, 10**9))

    def grade(self, rollouts: Sequence[Rollout]) -> Any:
        return self.rewards(rollouts)


def ones(rollouts: Sequence[Rollout]) -> list[Verdict]:
    return [Verdict(1.0) for _ in rollouts]


def online(rewards: Any = ones, prompts: int = 2, group_size: int = 3) -> Online:
    return Online(Graded(rewards), Scripted(), Sampling(), prompts, group_size, seed=5)


# ---- online ----------------------------------------------------------------------------------------------------------------


def test_batch_holds_groups_of_siblings_side_by_side():
    (batch,) = islice(online(), 1)
    assert batch.group.tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.tokens.tolist() == [[9, 0, 0], [9, 0, 1], [9, 0, 2], [9, 1, 0], [9, 1, 1], [9, 1, 2]]
    assert [r.text for r in batch.rollouts[:4]] == ["p0/0", "p0/1", "p0/2", "p1/0"]
    assert batch.reward.tolist() == [1.0] * 6
    assert {"seconds/sample", "seconds/grade"} <= set(batch.measured)


def test_cursor_counts_prompts():
    source = online()
    second = list(islice(source, 2))[1]
    assert source.number == 4
    assert [r.prompt.id for r in second.rollouts] == ["p2"] * 3 + ["p3"] * 3
    assert second.tokens[0].tolist() == [9, 2, 0]  # the sampler is told where the prompts stand


def same(a: Batch, b: Batch) -> bool:
    columns = ("tokens", "action", "length", "reward", "group", "behaviour_logp")
    alike = all(torch.equal(getattr(a, c), getattr(b, c)) for c in columns)
    return alike and a.rollouts == b.rollouts


def test_restored_source_goes_on_with_the_same_prompts_and_the_same_answers():
    of = policy(sharpness=0.1)

    def source() -> Online:
        return Online(Letter(), sampler(of), Sampling(max_new_tokens=6), 3, 4, seed=2)

    straight = list(islice(source(), 5))
    before, after = source(), source()
    list(islice(before, 2))
    after.restore(before.state())
    assert all(same(a, b) for a, b in zip(islice(after, 3), straight[2:], strict=True))
    assert not same(straight[1], straight[4])  # else this says nothing


def test_new_weights_reach_the_sampler_with_a_version_and_a_restored_sampler_knows_it():
    class Weights:
        def weights(self) -> dict[str, int]:
            return {"w": 1}

    source, again, learner = online(), online(), Weights()
    source.sync(learner)  # type: ignore[arg-type]
    source.sync(learner)  # type: ignore[arg-type]
    assert source.sampler.loaded == [({"w": 1}, 1), ({"w": 1}, 2)]  # type: ignore[attr-defined]
    again.restore(source.state())
    assert again.sampler.loaded[-1][1] == 2  # type: ignore[attr-defined]
    again.sync(learner)  # type: ignore[arg-type]
    assert again.sampler.loaded[-1][1] == 3  # type: ignore[attr-defined]


def test_numbers_that_the_task_measured_come_along():
    class Measuring(Graded):
        def drain_metrics(self) -> dict[str, float]:
            return {"task/timeouts": 3.0}

    source = Online(Measuring(ones), Scripted(), Sampling(), 1, 1, seed=0)
    assert next(iter(source)).measured["task/timeouts"] == 3


def test_task_without_prompts_is_said_in_a_sentence():
    class Empty(Graded):
        def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
            return iter(())

    with pytest.raises(TaskError, match="graded"):
        next(iter(Online(Empty(ones), Scripted(), Sampling(), 2, 2, seed=0)))


# ---- grading ---------------------------------------------------------------------------------------------------------------


def rollouts(n: int = 2) -> list[Rollout]:
    return Scripted().generate([Prompt("p", text="?")], n, Sampling(), 0)


def test_verdicts_come_with_their_rollouts():
    found = grade(Graded(lambda rs: [Verdict(float(i)) for i, _ in enumerate(rs)]), rollouts(3))
    assert [(r.text, r.verdict and r.verdict.reward) for r in found] == [("p/0", 0), ("p/1", 1), ("p/2", 2)]


def raising(error: Exception) -> Any:
    def grader(rollouts: Sequence[Rollout]) -> list[Verdict]:
        raise error

    return grader


def test_grader_that_raises_is_named_with_its_error():
    with pytest.raises(TaskError, match=r"The task graded could not grade its answers: KeyError: 'answer'") as error:
        grade(Graded(raising(KeyError("answer"))), rollouts())
    assert isinstance(error.value.__cause__, KeyError)


def test_tasks_own_sentence_is_left_as_it_is():
    with pytest.raises(TaskError, match=r"^reward\.py, line 3: no$"):
        grade(Graded(raising(TaskError("reward.py, line 3: no"))), rollouts())


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit()])
def test_interruption_is_no_fault_of_the_task(error):
    with pytest.raises(type(error)):
        grade(Graded(raising(error)), rollouts())


def test_wrong_number_of_verdicts_is_counted():
    with pytest.raises(TaskError, match="graded returned 1 verdicts for 2 answers"):
        grade(Graded(lambda rs: [Verdict(1.0)]), rollouts())


@pytest.mark.parametrize("nothing", [None, 1.0, [1.0, 0.0]])
def test_grader_that_returns_something_else_is_named(nothing):
    """A grader that forgot its `return`, or returns plain numbers."""
    with pytest.raises(TaskError, match="graded"):
        collate(grade(Graded(lambda rs: nothing), rollouts()), [0, 0])


def test_error_in_grading_leaves_the_cursor_where_it_was():
    """The run is saved after it and goes on with the very prompts that could not be graded."""
    broken = online(raising(ValueError("no")))
    with pytest.raises(TaskError):
        next(iter(broken))
    assert broken.state() == online().state()


def test_error_in_grading_what_was_sampled_anew_leaves_the_cursor_where_it_was_too():
    rounds = iter([lambda rs: [Verdict(1.0) for _ in rs], raising(ValueError("no"))])
    broken = online(lambda rs: next(rounds)(rs))
    broken.resample = 3
    with pytest.raises(TaskError):
        next(iter(broken))
    assert broken.state() == online().state()


# ---- side by side ------------------------------------------------------------------------------------------------------------


def row(ids: list[int], answer: int, reward: float) -> Rollout:
    action = [False] * (len(ids) - answer) + [True] * answer
    return Rollout(Prompt("p", text="?"), ids, action, [-float(a) for a in action], "", "eos", 0, Verdict(reward))


def test_rows_are_padded_on_the_right():
    batch = collate([row([5, 6, 7], 1, 1.0), row([5, 8], 1, 0.0)], [0, 0], {"n": 1.0})
    assert batch.tokens.tolist() == [[5, 6, 7], [5, 8, 0]]
    assert batch.action.tolist() == [[False, False, True], [False, True, False]]
    assert batch.length.tolist() == [3, 2]
    assert batch.behaviour_logp.tolist() == [[0, 0, -1], [0, -1, 0]]
    assert (batch.tokens.dtype, batch.action.dtype, batch.reward.dtype) == (torch.int64, torch.bool, torch.float32)
    assert batch.measured == {"n": 1.0}


@pytest.mark.parametrize("missing", [nan, float("inf"), -float("inf")])
def test_row_whose_reward_does_not_apply_keeps_its_place_but_has_nothing_to_learn_from(missing):
    batch = collate([row([5, 6], 1, missing), row([5, 8], 1, 0.0)], [0, 0])
    assert batch.action.tolist() == [[False, False], [False, True]]
    assert len(batch.rollouts) == 2
    assert batch.rollouts[0].action == [False, True]


def test_ungraded_row_has_nothing_to_learn_from():
    batch = collate([replace(row([5, 6], 1, 0.0), verdict=None)], [0])
    assert batch.reward.isnan().tolist() == [True]
    assert not batch.action.any()


# ---- demonstrations ----------------------------------------------------------------------------------------------------------


def test_page_of_demonstrations_is_a_batch_of_groups_of_one_with_reward_one():
    (page,) = islice(Demonstrations(Letter(), tokenizer(), per_step=3), 1)
    assert page.tokens[:, :6].tolist() == [
        [*tokens("?ab"), token(END), 0, 0],
        [*tokens("??ebb"), token(END)],
        tokens("??? bb"),
    ]
    assert page.action.sum(1).tolist() == [2, 3, 4]  # the end of text is learned too
    assert (page.group.tolist(), page.reward.tolist()) == ([0, 1, 2], [1, 1, 1])
    assert [r.text for r in page.rollouts] == ["b", "bb", "bbb"]
    assert page.behaviour_logp is None


def test_restored_demonstrations_go_on_with_the_next_page():
    straight = list(islice(Demonstrations(Letter(), tokenizer(), 4), 4))
    before, after = (Demonstrations(Letter(), tokenizer(), 4) for _ in range(2))
    list(islice(before, 2))
    after.restore(before.state())
    assert [b.rollouts for b in islice(after, 2)] == [b.rollouts for b in straight[2:]]


def test_end_of_the_demonstrations_is_said_in_a_sentence():
    class Few(Letter):
        def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
            return islice(super().demonstrations(split), start, 5)

    source = iter(Demonstrations(Few(), tokenizer(), 4))
    assert [len(next(source).tokens), len(next(source).tokens)] == [4, 1]
    with pytest.raises(TaskError, match=r"letter has no demonstrations left\. Fewer steps, or more data"):
        next(source)


# ---- dynamic sampling, budgets, steps, pairs -------------------------------------------------------------------------------


def tied_except(*numbers: int) -> Callable[[Sequence[Rollout]], list[Verdict]]:
    """All answers to a prompt earn the same, except to the prompts with these numbers."""

    def verdicts(rollouts: Sequence[Rollout]) -> list[Verdict]:
        seen: dict[str, int] = {}
        found = []
        for r in rollouts:
            place = seen[r.prompt.id] = seen.get(r.prompt.id, -1) + 1
            found.append(Verdict(float(place if int(r.prompt.id[1:]) in numbers else 1)))
        return found

    return verdicts


def names(batch: Batch) -> list[str]:
    return list(dict.fromkeys(r.prompt.id for r in batch.rollouts))


def test_groups_without_a_signal_are_dropped_and_others_sampled_in_their_place():
    """Two prompts a step: p0 and p1 are tied, of p2 and p3 one is not, of p4 and p5 both aren't; one too many is dropped."""
    source = online(tied_except(3, 4, 5))
    source.resample = 5
    batch = next(iter(source))
    assert names(batch) == ["p3", "p4"]
    assert source.number == 6
    assert (batch.measured["resampled"], batch.measured["kept_groups"]) == (2, 2)
    assert batch.group.tolist() == [0, 0, 0, 1, 1, 1]


def test_prompts_sampled_anew_are_those_behind():
    """The sampler draws by a prompt's number, and that is its place in the task, whatever the round."""
    source = online(tied_except(3, 4, 5))
    source.resample = 5
    (first, second) = islice(source, 2)
    assert [row[1] for row in first.tokens.tolist()] == [3, 3, 3, 4, 4, 4]
    assert names(second) == ["p6", "p7"]  # they are all tied, and so are the ten behind them
    assert source.number == 18


def test_group_with_one_known_reward_has_no_signal():
    def verdicts(rollouts: Sequence[Rollout]) -> list[Verdict]:
        number = {"p0": (nan, 1.0, nan), "p1": (nan, nan, nan), "p2": (1.0, 0.0, nan)}
        return [Verdict(number.get(r.prompt.id, (1.0,) * 3)[int(r.text[-1])]) for r in rollouts]

    source = online(verdicts)
    source.resample = 1
    batch = next(iter(source))
    assert names(batch) == ["p2"]
    assert (batch.measured["resampled"], batch.measured["kept_groups"]) == (1, 1)


def test_what_was_sampled_and_dropped_is_counted():
    source = online(tied_except(3, 4, 5))
    plain = next(iter(online(tied_except())))
    source.resample = 5
    batch = next(iter(source))
    assert batch.measured["sampled_tokens"] == 3 * plain.measured["sampled_tokens"]
    assert source.sampled_tokens == batch.measured["sampled_tokens"]


def test_resampling_gives_up_and_learns_from_what_it_found():
    source = online(tied_except(3))
    source.resample = 1
    assert names(next(iter(source))) == ["p3"]
    nothing = online(tied_except())
    nothing.resample = 2
    assert names(next(iter(nothing))) == ["p0", "p1"]  # nothing to learn, but a batch all the same
    assert nothing.number == 6


def test_budget_of_tokens_ends_the_stage():
    per_step = int(next(iter(online(tied_except()))).measured["sampled_tokens"])
    for budget, steps in ((per_step, 1), (per_step + 1, 2), (3 * per_step, 3)):
        source = online(tied_except())
        source.token_budget = budget
        assert len(list(source)) == steps
    again = online(tied_except())
    again.token_budget = 3 * per_step
    list(islice(again, 2))
    resumed = online(tied_except())
    resumed.token_budget = 3 * per_step
    resumed.restore(again.state())
    assert len(list(resumed)) == 1


def test_budget_says_which_share_of_it_is_spent():
    per_step = int(next(iter(online(tied_except()))).measured["sampled_tokens"])
    source = online(tied_except())
    source.token_budget = 4 * per_step
    shares = [source.spent() for _ in islice(source, 3)]
    assert shares == [0.25, 0.5, 0.75]
    assert online(tied_except()).spent() == 0.0


def test_clock_ends_a_source_between_two_batches():
    """A batch takes a quarter of the time: four are given, and a resumed source with half of it over gives two."""
    for over, batches in ((0.0, 4), (0.5, 2), (1.0, 0)):
        time = [over]
        source = online(tied_except())
        found = 0
        for _ in Until(source, lambda time=time: time[0]):
            found += 1
            time[0] += 0.25
        assert found == batches
        assert source.number == batches * 2  # nothing was sampled and thrown away


def test_clock_and_tokens_end_a_source_whichever_is_sooner():
    per_step = int(next(iter(online(tied_except()))).measured["sampled_tokens"])
    source = online(tied_except())
    source.token_budget = 2 * per_step
    slow, clock = Until(source, lambda: 0.1), Until(online(tied_except()), lambda: 3.0)
    assert len(list(slow)) == 2
    assert (slow.spent(), clock.spent()) == (1.0, 1.0)
    assert slow.state() == source.state()


def test_steps_end_at_the_token_that_writes_their_last_character():
    """One token a character; the answer is `abcd`, judged after `ab` and at its end, which the end-of-text token follows."""
    tokenizer = policy().tokenizer
    verdict = Verdict(1.0, steps=((2, 1.0), (4, 0.5)))
    told = Rollout(Prompt("p", text="?"), [*tokens("?abcd"), 1], [False] + [True] * 5, [0.0] * 6, "abcd", "eos", 0, verdict)
    silent = replace(told, verdict=Verdict(0.0))
    batch = collate([told, silent], [0, 0], tokenizer=tokenizer)
    places = torch.isfinite(batch.step_reward).nonzero().tolist()
    assert [(row, column, float(batch.step_reward[row, column])) for row, column in places] == [(0, 2, 1.0), (0, 4, 0.5)]
    assert collate([silent], [0], tokenizer=tokenizer).step_reward is None
    assert collate([told], [0]).step_reward is None  # nobody can say where the steps end


def test_steps_that_end_within_one_token_add_up():
    """The first character ends no sooner than the first token that the policy chose, also where no step has any character."""
    made = policy().tokenizer
    verdict = Verdict(1.0, steps=((0, 0.25), (1, 0.5), (9, 1.0)))
    told = Rollout(Prompt("p", text="?"), tokens("?ab"), [False, True, True], [0.0] * 3, "ab", "length", 0, verdict)
    assert collate([told], [0], tokenizer=made).step_reward.nan_to_num(-1).tolist() == [[-1, 0.75, 1.0]]


def test_answer_that_was_never_begun_has_no_token_for_its_steps():
    verdict = Verdict(0.0, steps=((0, 0.0),))
    told = Rollout(Prompt("p", text="?"), tokens("?a"), [False, True], [0.0] * 2, "a", "eos", 0, verdict)
    empty = replace(told, tokens=tokens("?"), action=[False], behaviour_logp=[0.0], text="")
    batch = collate([told, empty], [0, 0], tokenizer=tokenizer())
    assert torch.isfinite(batch.step_reward).tolist() == [[False, True], [False, False]]


def test_answers_that_were_cut_off_are_marked():
    cut = Rollout(Prompt("p", text="?"), [1, 2], [False, True], [0.0, 0.0], "", "length", 0, Verdict(1.0))
    assert collate([cut, replace(cut, stop_reason="eos"), replace(cut, stop_reason="stop")], [0, 0, 0]).truncated.tolist() == [
        True,
        False,
        False,
    ]


class Shown:
    name = "shown"

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        return ((Prompt(f"p{i}", text="?"), "ab"[i % 2], "cd") for i in range(start, 5))


def test_pairs_are_groups_of_two_with_rewards_one_and_zero():
    source = Pairs(Shown(), policy().tokenizer, 2)
    batch = next(iter(source))
    assert [r.text for r in batch.rollouts] == ["a", "cd", "b", "cd"]
    assert (batch.reward.tolist(), batch.group.tolist()) == ([1, 0, 1, 0], [0, 0, 1, 1])
    assert batch.action.sum(1).tolist() == [2, 3, 2, 3]  # the end of text is learned too
    assert batch.behaviour_logp is None
    assert source.number == 2


def test_restored_pairs_go_on_and_say_when_they_end():
    source = Pairs(Shown(), policy().tokenizer, 2)
    source.restore({"number": 4})
    pages = iter(source)
    assert names(next(pages)) == ["p4"]
    with pytest.raises(TaskError, match=r"The task shown has no pairs left\. Fewer steps, or more data\."):
        next(pages)


def test_task_with_a_slow_grader_is_given_each_answer_as_it_is_written():
    class Begun(Graded):
        def __init__(self) -> None:
            super().__init__(ones)
            self.begun: list[Rollout] = []

        def begin(self, rollout: Rollout) -> None:
            self.begun.append(rollout)

    class Telling(Scripted):
        def generate(
            self,
            prompts: Sequence[Prompt],
            group_size: int,
            sampling: Sampling,
            seed: int,
            first: int | Sequence[int] = 0,
            ended: Any = None,
        ) -> list[Rollout]:
            rollouts = super().generate(prompts, group_size, sampling, seed, first)
            for rollout in rollouts:
                ended(rollout)
            return rollouts

    task = Begun()
    batch = next(iter(Online(task, Telling(), Sampling(), 2, 3, seed=5)))
    assert [r.text for r in task.begun] == [r.text for r in batch.rollouts]
