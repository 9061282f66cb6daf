from __future__ import annotations

import json
import math
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from quintet.data import Prompt, Rollout
from quintet.protocols import TaskError
from quintet.tasks.functions import Functions
from quintet.tasks.rewards import RewardError

EXAMPLE = Path(__file__).parents[2] / "examples" / "arithmetic_reward"
ORDER = [f"prompt {i}" for i in (0, 4, 2, 3, 5, 1, 3, 2)]
ZERO = "def reward(completions, **kwargs):\n    return [0.0] * len(completions)\n"


def task(tmp_path: Path, rows: list[dict[str, Any]] | int = 20, reward: str = ZERO, **settings: Any) -> Functions:
    rows = [{"prompt": f"prompt {i}", "answer": i} for i in range(rows)] if isinstance(rows, int) else rows
    (tmp_path / "p.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "r.py").write_text(reward)
    return Functions(data=str(tmp_path / "p.jsonl"), reward=str(tmp_path / "r.py"), **settings)


def rollout(prompt: Prompt, text: str = "answer", version: int = 0) -> Rollout:
    """Tokens 1 2 are the prompt's, 3 4 the answer's."""
    return Rollout(prompt, [1, 2, 3, 4], [False, False, True, True], [0.0] * 4, text, "eos", version)


def some(task: Functions, number: int, split: str = "train") -> list[Prompt]:
    return list(islice(task.prompts(split), number))


# ---- prompts ---------------------------------------------------------------------------------------------------------------


def test_every_prompt_is_in_one_split_and_each_pass_has_each_once(tmp_path: Path):
    made = task(tmp_path, 50, test_share=0.3)
    test = [str(p.text) for p in made.prompts("test")]
    passes = [[str(p.text) for p in islice(made.prompts("train", start), 50 - len(test))] for start in (0, 50 - len(test))]
    assert 5 < len(test) < 25
    assert sorted([*passes[0], *test]) == sorted(f"prompt {i}" for i in range(50))
    assert sorted(passes[1]) == sorted(passes[0])
    assert passes[0] != passes[1]


def test_cursor_is_one_number(tmp_path: Path):
    made = task(tmp_path)
    whole = some(made, 60)
    assert list(islice(made.prompts("train", 25), 35)) == whole[25:]
    assert some(task(tmp_path), 60) == whole
    assert some(task(tmp_path, task_seed=1), 60) != whole
    assert list(made.prompts("test", 1)) == list(made.prompts("test"))[1:]


def test_order_of_a_pass_is_what_it_always_was(tmp_path: Path):
    """The bits of a resumed run depend on it, on every version of Python."""
    assert [p.text for p in some(task(tmp_path, 6, test_share=0.0), 8)] == ORDER


def test_split_of_a_prompt_depends_on_the_prompt_alone(tmp_path: Path):
    test = {p.text for p in task(tmp_path, 40, test_share=0.4).prompts("test")}
    more = [{"prompt": f"prompt {i}", "other": "column"} for i in reversed(range(80))]
    assert test == {p.text for p in task(tmp_path, more, test_share=0.4, task_seed=3).prompts("test")} & {
        f"prompt {i}" for i in range(40)
    }


def test_equal_prompts_are_on_the_same_side(tmp_path: Path):
    made = task(tmp_path, [{"prompt": f"prompt {i % 5}"} for i in range(50)], test_share=0.5)
    assert not {p.text for p in some(made, 100)} & {p.text for p in made.prompts("test")}


@pytest.mark.parametrize("share", [0.001, 0.1, 0.999])
def test_two_prompts_are_enough_for_both_splits(tmp_path: Path, share: float):
    made = task(tmp_path, 2, test_share=share)
    assert {some(made, 1)[0].text, *(p.text for p in made.prompts("test"))} == {"prompt 0", "prompt 1"}


@pytest.mark.parametrize(("rows", "share", "split"), [(9, 0.0, "test"), (9, 1.0, "train"), (1, 0.1, "test")])
def test_split_without_prompts_says_so(tmp_path: Path, rows: int, share: float, split: str):
    with pytest.raises(ValueError, match=rf"test_share={share} leaves no prompt for {split}: .* has {rows}\."):
        task(tmp_path, rows, test_share=share).prompts(split)
    with pytest.raises(ValueError, match="splits train and test; split='dev'"):
        task(tmp_path).prompts("dev")


def test_prompt_tells_its_line_its_columns_and_its_level(tmp_path: Path):
    rows = [{"prompt": [{"role": "user", "content": "a"}], "level": "easy", "x": [1]}, {"prompt": "b", "level": 3}]
    chat, plain = sorted(some(task(tmp_path, rows, test_share=0.0), 2), key=lambda p: p.id)
    assert chat == Prompt("train-1", None, ({"role": "user", "content": "a"},), {"level": "easy", "x": [1]}, "easy")
    assert (plain.text, plain.messages, plain.level) == ("b", None, "")


# ---- demonstrations --------------------------------------------------------------------------------------------------------


def test_completions_are_demonstrations_in_the_order_of_prompts(tmp_path: Path):
    made = task(tmp_path, [{"prompt": f"p{i}", "completion": f"c{i}"} for i in range(9)])
    shown = list(islice(made.demonstrations("train", 2), 20))
    assert [p for p, _ in shown] == some(made, 22)[2:]
    assert all(answer == f"c{str(prompt.text)[1:]}" for prompt, answer in shown)


def test_row_without_a_completion_is_named(tmp_path: Path):
    made = task(tmp_path, [{"prompt": "a", "answer": 1}], test_share=0.0)
    with pytest.raises(ValueError, match=r'p.jsonl:1 has no "completion" to learn from, only prompt, answer\.'):
        next(made.demonstrations("train"))


def test_texts_are_those_of_training(tmp_path: Path):
    rows = [{"prompt": [{"role": "user", "content": "a"}], "completion": "c"}, {"prompt": "b"}]
    assert sorted(task(tmp_path, rows, test_share=0.0).texts()) == ["a", "b", "c"]
    held = task(tmp_path, 30, test_share=0.5)
    assert not {*held.texts()} & {p.text for p in held.prompts("test")}


# ---- rewards ---------------------------------------------------------------------------------------------------------------

KEEPS_ARGUMENTS = """
seen = []
def reward(**kwargs):
    seen.append(kwargs)
    return [1.0] * len(kwargs["completions"])
"""


def test_reward_gets_what_trl_gives_it(tmp_path: Path):
    made = task(
        tmp_path,
        [{"prompt": f"p{i}", "answer": i, **({"hint": "h"} if i == 0 else {})} for i in range(2)],
        KEEPS_ARGUMENTS,
        test_share=0.0,
    )
    first, second = sorted(some(made, 2), key=lambda p: p.id)
    made.grade([rollout(first, "x", version=7), rollout(first, "y", version=7), rollout(second, "z", version=7)])
    (seen,) = made._rewards["reward"].__globals__["seen"]  # type: ignore[attr-defined]
    assert seen["prompts"] == ["p0", "p0", "p1"]
    assert seen["completions"] == ["x", "y", "z"]
    assert seen["completion_ids"] == [[3, 4]] * 3
    assert seen["answer"] == [0, 0, 1]
    assert seen["hint"] == ["h", "h", None]
    assert seen["trainer_state"].global_step == 7
    assert set(seen) == {
        "prompts", "completions", "completion_ids", "answer", "hint", "trainer_state", "log_extra", "log_metric",
    }  # fmt: skip


def test_chat_prompts_give_message_lists(tmp_path: Path):
    made = task(tmp_path, [{"prompt": [{"role": "user", "content": "a"}]}], KEEPS_ARGUMENTS, test_share=0.0)
    made.grade([rollout(some(made, 1)[0], "x")])
    (seen,) = made._rewards["reward"].__globals__["seen"]  # type: ignore[attr-defined]
    assert seen["prompts"] == [[{"role": "user", "content": "a"}]]
    assert seen["completions"] == [[{"role": "assistant", "content": "x"}]]


def test_answer_that_was_never_begun_has_no_tokens(tmp_path: Path):
    made = task(tmp_path, 2, KEEPS_ARGUMENTS)
    made.grade([Rollout(some(made, 1)[0], [1, 2], [False, False], [0.0, 0.0], "", "length", 0)])
    assert made._rewards["reward"].__globals__["seen"][0]["completion_ids"] == [[]]  # type: ignore[attr-defined]


TWO = """
def a_reward(completions, **kwargs):
    return [1.0, None, None, 2.0]
def b_reward(completions, **kwargs):
    return [10.0, 10.0, None, float("nan")]
"""


def test_rewards_are_a_weighted_sum_of_those_that_apply(tmp_path: Path):
    for weights, expected in (((), [11.0, 10.0]), ((0.5, 2.0), [20.5, 20.0])):
        made = task(tmp_path, reward=TWO, reward_weights=weights)
        verdicts = made.grade([rollout(p) for p in some(made, 4)])
        assert [v.reward for v in verdicts[:2]] == expected
        assert math.isnan(verdicts[2].reward)  # none applies
        assert math.isnan(verdicts[3].reward)
        assert [dict(v.parts) for v in verdicts[:3]] == [{"a_reward": 1.0, "b_reward": 10.0}, {"b_reward": 10.0}, {}]
        assert [v.correct for v in verdicts] == [None] * 4


def test_no_rollouts_are_graded_without_a_call(tmp_path: Path):
    assert task(tmp_path, reward="def reward(completions): 1 / 0\n").grade([]) == []


LOGS = """
def reward(completions, log_metric, log_extra, **kwargs):
    for text in completions:
        log_metric("length", len(text))
    log_extra("first", [text[:1] for text in completions])
    return [0.0] * len(completions)
"""


def test_logged_numbers_are_means_until_they_are_taken(tmp_path: Path):
    made = task(tmp_path, reward=LOGS)
    made.grade([rollout(p, text) for p, text in zip(some(made, 2), ("a", "bcd"), strict=True)])
    assert made.drain_metrics() == {"logged/length": 2.0}
    assert made.drain_metrics() == {}


def test_logged_columns_stay_with_their_answers(tmp_path: Path):
    made = task(tmp_path, reward=LOGS)
    verdicts = made.grade([rollout(p, text) for p, text in zip(some(made, 2), ("a", "bcd"), strict=True)])
    assert [v.logged for v in verdicts] == [{"first": "a"}, {"first": "b"}]


def test_numbers_logged_in_an_evaluation_are_no_metrics_of_training(tmp_path: Path):
    made = task(tmp_path, reward=LOGS)
    made.grade([rollout(p) for p in some(made, 1, "test")])
    assert made.drain_metrics() == {}


def test_extra_column_of_another_length_is_refused(tmp_path: Path):
    made = task(tmp_path, reward="def reward(log_extra, **kwargs):\n    log_extra('x', [1, 2])\n")
    with pytest.raises(RewardError, match=r"needs 1 values, one a completion; got 2"):
        made.grade([rollout(some(made, 1)[0])])


# ---- checks ----------------------------------------------------------------------------------------------------------------


def test_task_that_is_whole_has_no_complaint(tmp_path: Path):
    assert task(tmp_path).check() == []


def test_names_that_are_missing_are_asked_for():
    assert [line.partition(".")[0] for line in Functions().check()] == ["No prompts were named"]


def test_weights_and_rewards_are_as_many(tmp_path: Path):
    (found,) = task(tmp_path, reward=TWO, reward_weights=(1.0,)).check()
    assert found.startswith("reward_weights=[1.0] weighs 1 rewards, but ")
    assert "has 2: a_reward, b_reward." in found


def test_both_files_are_checked(tmp_path: Path):
    made = task(tmp_path, [{"prompt": "a"}, {"question": "b"}, {"prompt": 3}], "1 / 0\n")
    assert [line.replace(f"{tmp_path}/", "").partition(": ")[0] for line in made.check()] == [
        "p.jsonl:2", "p.jsonl:3", "r.py can't be run",
    ]  # fmt: skip
    with pytest.raises(ValueError, match=r"p\.jsonl:2"):
        made.prompts("train")


def test_column_that_a_reward_needs_is_looked_for(tmp_path: Path):
    (found,) = task(tmp_path, reward="def reward(completions, solution): 0\n").check()
    assert found.startswith("The reward reward asks for solution, which the data don't have.")
    assert found.endswith("log_metric, answer.")


# ---- the example -----------------------------------------------------------------------------------------------------------


def test_example_of_the_readme_grades_its_own_answers():
    example = Functions(data=str(EXAMPLE / "prompts.jsonl"), reward=str(EXAMPLE / "reward.py"))
    assert example.check() == []
    prompts = some(example, 90)
    right, wrong, words = (
        [rollout(p, text(p)) for p in prompts] for text in (lambda p: str(p.truth["answer"]), lambda p: "99", lambda p: "ab c")
    )
    assert {v.reward for v in example.grade(right)} == {2.0}
    assert {v.reward for v in example.grade(wrong)} == {1.0}
    assert {v.reward for v in example.grade(words)} == {0.0}
    assert Counter(p.level for p in prompts).keys() == {"carry", "no carry"}
    assert all(answer == str(prompt.truth["answer"]) for prompt, answer in islice(example.demonstrations("train"), 90))


# ---- pairs, and no reward ---------------------------------------------------------------------------------------------------


def pairs(tmp_path: Path) -> Functions:
    made = task(tmp_path, [{"prompt": f"p{i}", "chosen": f"yes{i}", "rejected": "no", "level": "easy"} for i in range(20)])
    return Functions(data=made.data)


def test_pairs_come_from_the_file_by_the_same_split_as_prompts(tmp_path: Path):
    made = pairs(tmp_path)
    assert made.offers_pairs
    shown = list(islice(made.preferences("train"), 30))
    assert [p for p, *_ in shown] == some(made, 30)
    assert all(better == f"yes{(p.text or '')[1:]}" and worse == "no" for p, better, worse in shown)
    held = {p.text for p, *_ in made.preferences("test")}
    assert held
    assert not held & {p.text for p, *_ in shown}
    assert {"yes1", "no"} <= set(made.texts())


def test_without_pairs_they_are_asked_for(tmp_path: Path):
    assert not task(tmp_path).offers_pairs
    with pytest.raises(ValueError, match='has no "chosen" and "rejected" to learn from, only prompt, answer'):
        next(task(tmp_path).preferences("train"))


def test_file_of_which_only_some_rows_show_something_ends_the_stage_and_not_its_checkpoint(tmp_path: Path):
    """A run saves its state on a TaskError, and on no other."""
    made = task(tmp_path, [{"prompt": "a", "chosen": "b", "rejected": "c", "completion": "b"}, {"prompt": "d"}], test_share=0.0)
    assert made.offers_pairs
    for shown in (made.preferences("train"), made.demonstrations("train")):
        with pytest.raises(TaskError, match=r"p\.jsonl:2 has no "):
            list(islice(shown, 2))


def test_data_that_cannot_be_read_offer_no_pairs():
    assert not Functions().offers_pairs
    assert not Functions(data="nowhere.jsonl").offers_pairs


def test_data_without_a_reward_have_none(tmp_path: Path):
    made = pairs(tmp_path)
    assert made.check() == []
    assert not made.has_reward
    (verdict,) = made.grade([rollout(some(made, 1)[0])])
    assert math.isnan(verdict.reward)


def test_rewards_of_steps_are_weighed_and_count_as_their_mean(tmp_path: Path):
    reward = """
def steps_reward(completions, **columns):
    return [[(3, 1.0), (6, 0.0)], 0.5]

def other_reward(completions, **columns):
    return [[(6, 4.0)], None]
"""
    made = task(tmp_path, 20, reward, reward_weights=(2.0, 0.25))
    first, second = made.grade([rollout(prompt) for prompt in some(made, 2)])
    assert first.steps == ((3, 2.0), (6, 1.0))  # 2 · 0 + ¼ · 4 at the sixth character
    assert first.parts == {"steps_reward": 0.5, "other_reward": 4.0}
    assert (first.reward, second.reward, second.steps) == (2.0, 1.0, ())
    assert made.judges_steps
    assert not Functions(data="x").judges_steps
