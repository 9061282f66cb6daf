from __future__ import annotations

import re
from itertools import islice
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.data import Prompt, Rollout
from quintet.models.load import tokenizer_for
from quintet.tasks.word_problems import Event, WordProblems, apply, judged_lines, read_final, solution

WORKED = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__floordiv__}
SIGNS = {"buys": "+", "finds": "+", "gets": "+", "wins": "+", "sells": "-", "loses": "-", "gives away": "-", "breaks": "-"}
SIGNS |= {"multiplies this by": "*", "keeps one part of": "/"}


def told_again(text: str) -> list[int]:
    """The values of a story, worked out from its words alone."""
    sentences = text.split(". ")
    who, number, thing = re.fullmatch(r"(\w+) has ([0-9]+) (\w+)", sentences[0]).groups()  # type: ignore[union-attr]
    assert sentences[-1] == f"How many {thing} has {who}?\n"
    values = [int(number)]
    for sentence in sentences[1:-1]:
        name, verb, amount = re.fullmatch(r"(\w+) ([a-z ]+) ([0-9]+)(?: \w+)?", sentence).groups()  # type: ignore[union-attr]
        if verb != "has":
            assert name == who
            values.append(WORKED[SIGNS[verb]](values[-1], int(amount)))
            assert SIGNS[verb] != "/" or values[-2] % int(amount) == 0
        else:
            assert name != who
    return values[1:]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(10, 99), st.sampled_from(["train", "test"]))
def test_answer_is_what_the_words_come_to(number: int, steps: int, largest: int, split: str):
    task = WordProblems(min_steps=steps, max_steps=steps, largest=largest, asides=0.5)
    prompt = next(task.prompts(split, number))
    values = told_again(prompt.text or "")
    assert prompt.truth == {"answer": values[-1], "values": values}
    assert len(values) == steps
    assert all(int(n) <= largest for n in re.findall("[0-9]+", prompt.text or ""))
    assert all(1 <= v <= largest for v in values)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 1.0]))
def test_demonstrations_are_right_but_for_the_slips_of_a_careless_teacher(number: int, mistakes: float):
    task = WordProblems(demo_mistakes=mistakes)
    prompt, text = next(task.demonstrations("train", number))
    (verdict,) = task.grade([answer(prompt, text)])
    assert verdict.parsed
    if not mistakes:
        assert (verdict.correct, {reward for _, reward in verdict.steps}) == (True, {1.0})
    if mistakes == 1.0:
        assert verdict.steps[0][1] == 0.0


def answer(prompt: Prompt, text: str) -> Rollout:
    return Rollout(prompt, [], [], [], text, "eos", policy_version=0)


def test_steps_are_judged_line_by_line():
    """The story comes to 14, then 28. A line is right if its equation holds and comes to what the story does there."""
    values = [14, 28]
    assert judged_lines(values, "23-9=14\n14*2=28\n#### 28") == ((8, 1.0), (16, 1.0), (23, 1.0))
    assert judged_lines(values, "23-9=14\n14*2=29\n#### 29") == ((8, 1.0), (16, 0.0), (23, 0.0))
    assert judged_lines(values, "7+7=14\n#### 28") == ((7, 1.0), (14, 1.0))  # another way to the same number
    assert judged_lines(values, "20-9=14") == ((7, 0.0),)  # the number is right, the equation isn't
    assert judged_lines(values, "23-9=14\n14*2=28\n28+0=28\n") == ((8, 1.0), (16, 1.0), (24, 0.0))  # a step too many
    assert judged_lines(values, "14\nnonsense") == ((3, 0.0), (11, 0.0))
    assert judged_lines(values, "") == ()


def test_reward_is_for_the_last_lines_number():
    prompt = Prompt("p", text="", truth={"answer": 28, "values": [14, 28]})
    texts = ["14*2=28\n#### 28", "#### 28\n", "#### 29", "28", "#### 28\n14*2=28", "#### 028"]
    verdicts = WordProblems().grade([answer(prompt, text) for text in texts])
    assert [v.reward for v in verdicts] == [1.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    assert [v.parsed for v in verdicts] == [True, True, True, False, False, True]
    assert [WordProblems().answer_of(text) for text in texts[1:4]] == ["28", "29", None]


def test_solution_goes_on_from_a_slip():
    story = [Event(23, "-", 9, "sells"), Event(14, "*", 2, "multiplies this by")]
    assert solution(story) == "23-9=14\n14*2=28\n#### 28"
    for seed in range(50):
        lines = solution(story, Random(seed), 1.0).split("\n")
        first, second = (int(line.rpartition("=")[2]) for line in lines[:2])
        assert first != 14
        assert lines[1].startswith(f"{first}*2=")
        assert lines[2] == f"#### {second}"
        assert 0 <= second <= 99


def test_pair_is_a_right_solution_and_one_with_slips():
    for prompt, better, worse in islice(WordProblems().preferences("train"), 50):
        right, wrong = WordProblems().grade([answer(prompt, better), answer(prompt, worse)])
        assert right.correct
        assert wrong.steps[0][1] == 0.0


def test_problem_follows_from_its_number_and_no_text_is_in_both_splits():
    task = WordProblems(max_steps=1, largest=20)
    first = [p.text for p in islice(task.prompts("train"), 200)]
    assert [p.text for p in islice(task.prompts("train", 50), 150)] == first[50:]
    assert [p.text for p in islice(WordProblems(max_steps=1, largest=20, task_seed=1).prompts("train"), 200)] != first
    assert not set(first) & {p.text for p in islice(task.prompts("test"), 200)}
    assert [p.level for p in islice(WordProblems().prompts("test"), 4)] == ["1 step", "2 steps", "3 steps", "1 step"]


def test_pieces_write_everything_and_no_solution_is_longer_than_said():
    task = WordProblems(max_steps=4, largest=99, demo_mistakes=0.5)
    tokenizer = tokenizer_for(task)
    longest = 0
    for prompt, text in islice(task.demonstrations("train"), 400):
        for some in (prompt.text or "", text):
            tokens = tokenizer.encode(some)
            assert tokenizer.decode(tokens) == some
            assert min(tokens) >= 256  # no character had to be written as bytes
        longest = max(longest, len(tokenizer.encode(text)) + 1)
    assert 35 < longest <= task.longest_answer() == 40


@pytest.mark.parametrize(
    ("expression", "value"), [((12, "/", 4), 3), ((12, "/", 5), -1), ((1, "/", 0), -1), ((3, "-", 5), -2), ((3, "*", 5), 15)]
)
def test_operations_by_hand(expression: tuple[int, str, int], value: int):
    assert apply(*expression) == value


def test_final_line_is_a_mark_and_a_number():
    assert [read_final(text) for text in ("#### 7", "1+6=7\n#### 7 \n")] == [7, 7]
    assert [read_final(text) for text in ("####7", "#### 12345", "#### 7\nx", "")] == [None] * 4


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"min_steps": 3, "max_steps": 2}, "min_steps=3 to max_steps=2"),
        ({"test_share": 0.0}, "test_share=0.0 leaves no problems for test"),
        ({"test_share": 1.0}, "leaves no problems for train"),
    ],
)
def test_settings_that_leave_no_problems_are_refused(changes: dict, said: str):
    with pytest.raises(ValueError, match=said):
        list(islice(WordProblems(**changes).prompts("train" if changes.get("test_share") else "test"), 1))
