from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace
from itertools import islice, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.data import Prompt, Rollout, Verdict
from quintet.protocols import Task, Teacher
from quintet.tasks.arithmetic import Arithmetic, judged_steps, read_answer, value, working, write

ALL = Arithmetic(min_level=1, max_level=5)
levels = st.tuples(st.integers(1, 5), st.integers(1, 5)).map(sorted)
tasks = st.builds(
    lambda levels, target, share, seed: Arithmetic(*levels, target=target, test_share=share, task_seed=seed),
    levels,
    st.sampled_from(["direct", "steps"]),
    st.floats(0.05, 0.95),
    st.integers(0, 1000),
)
splits = st.sampled_from(["train", "test"])
leaves = st.integers(-99, 99)
expressions = st.recursive(leaves, lambda parts: st.tuples(st.sampled_from("+-*"), parts, parts), max_leaves=6)


def grade(text: str, answer: int = 85) -> Verdict:
    prompt = Prompt("p", text="47+38=", truth={"problem": "47+38", "answer": answer})
    (verdict,) = ALL.grade([Rollout(prompt, [], [], [], text, "eos", policy_version=0)])
    return verdict


def test_arithmetic_is_a_task_and_a_teacher():
    task: Task = Arithmetic()
    teacher: Teacher = Arithmetic()
    assert task.name == teacher.name == "arithmetic"
    assert "name" not in {field.name for field in fields(Arithmetic)}


def test_problems_are_written_with_the_parentheses_they_need_and_no_more():
    assert write(("+", ("+", 2, 7), 4)) == "2+7+4"
    assert write(("-", 9, ("-", 5, 3))) == "9-(5-3)"
    assert write(("-", 9, ("+", 5, 3))) == "9-(5+3)"
    assert write(("-", ("-", 9, 5), 3)) == "9-5-3"
    assert write(("-", 9, ("*", 5, 3))) == "9-5*3"
    assert write(("*", ("+", 9, 5), 3)) == "(9+5)*3"
    assert write(("*", 3, ("-", 9, 5))) == "3*(9-5)"
    assert write(("*", ("-", 3, 8), -4)) == "(3-8)*(-4)"
    assert write(("+", -3, ("*", -4, 2))) == "-3+(-4*2)"


@settings(deadline=None)
@given(expressions)
def test_what_is_written_has_the_value_of_the_problem(problem):
    assert eval(write(problem)) == value(problem)


@settings(deadline=None)
@given(expressions)
def test_every_step_of_the_working_has_the_same_value(problem):
    steps = working(problem).split("=") if not isinstance(problem, int) else []
    assert all(eval(step) == value(problem) for step in steps)
    assert not steps or steps[-1] == str(value(problem))


def test_working_goes_digit_by_digit():
    assert working(("+", 47, 38)) == "47+30+8=77+8=85"
    assert working(("-", 23, 58)) == "23-50-8=-27-8=-35"
    assert working(("*", 7, 86)) == "7*80+7*6=560+7*6=560+42=560+40+2=600+2=602"
    assert working(("+", ("+", 2, 7), 4)) == "9+4=13"
    assert working(("*", ("-", 3, 8), 4)) == "-5*4=-20"
    assert working(("*", 3, ("-", 2, 9))) == "3*(-7)=-21"
    assert working(("+", 47, 30)) == "77"


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_prompt_depends_on_its_number_alone(task, split, start):
    first, second, third = islice(task.prompts(split, start), 3)
    assert next(task.prompts(split, start + 2)) == third
    assert next(replace(task).prompts(split, start)) == first
    assert [first.id, second.id] == [f"arithmetic-{split}-{start}", f"arithmetic-{split}-{start + 1}"]
    assert next(task.demonstrations(split, start + 1)) == list(islice(task.demonstrations(split, start), 2))[1]


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_prompts_are_problems_of_their_level_with_the_right_answer(task, split, start):
    for prompt in islice(task.prompts(split, start), 5):
        assert prompt.text == prompt.truth["problem"] + "="
        assert json.loads(json.dumps(prompt.truth)) == prompt.truth
        assert eval(prompt.truth["problem"]) == prompt.truth["answer"]
        level = int(prompt.level.removeprefix("level "))
        assert task.min_level <= level <= task.max_level


def test_levels_hold_what_they_promise():
    problems = {
        level: [p.truth for p in islice(Arithmetic(min_level=level, max_level=level).prompts("train"), 400)]
        for level in range(1, 6)
    }
    operators = {level: {c for t in truths for c in t["problem"] if c in "+-*("} for level, truths in problems.items()}
    assert operators == {1: {"+"}, 2: {"+"}, 3: {"-"}, 4: {"*"}, 5: {"+", "-", "*", "("}}
    terms = {level: {len(t["problem"].split("+")) for t in problems[level]} for level in (1, 2)}
    assert terms == {1: {2, 3}, 2: {2}}
    assert {len(n) for t in problems[1] for n in t["problem"].split("+")} == {1}
    assert {len(n) for t in problems[2] for n in t["problem"].split("+")} == {2}
    assert {t["answer"] < 0 for t in problems[3]} == {True, False}
    assert min(t["answer"] for t in problems[1]) >= 0


def test_test_split_takes_levels_in_turn_and_train_at_random():
    assert [p.level for p in islice(Arithmetic(min_level=2, max_level=4).prompts("test"), 6)] == [
        "level 2",
        "level 3",
        "level 4",
    ] * 2
    counts = Counter(p.level for p in islice(ALL.prompts("train"), 2000))
    assert sorted(counts) == [f"level {level}" for level in range(1, 6)]
    assert all(abs(n - 400) < 90 for n in counts.values())  # five standard deviations


def test_no_problem_is_in_both_splits():
    easy = Arithmetic(min_level=1, max_level=1)
    test = {p.text for p in islice(easy.prompts("test"), 1500)} | {p.text for p, _ in islice(easy.demonstrations("test"), 500)}
    train = {p.text for p in islice(easy.prompts("train"), 5000)} | {
        p.text for p, _ in islice(easy.demonstrations("train"), 5000)
    }
    assert not test & train
    assert test | train <= {"+".join(map(str, terms)) + "=" for n in (2, 3) for terms in product(range(10), repeat=n)}
    assert len(test | train) > 1050
    assert 60 < len(test) < 160  # a tenth of 1,100, give or take five standard deviations


def test_demonstrations_show_what_the_target_says():
    direct = list(islice(Arithmetic(1, 5).demonstrations("train"), 50))
    steps = list(islice(Arithmetic(1, 5, target="steps").demonstrations("train"), 50))
    assert [prompt for prompt, _ in direct] == [prompt for prompt, _ in steps]
    assert [answer for _, answer in direct] == [answer.split("=")[-1] for _, answer in steps]
    operations = [sum(prompt.truth["problem"].count(operator) for operator in "+-*") for prompt, _ in steps]
    assert all(answer.count("=") >= number - 1 for (_, answer), number in zip(steps, operations, strict=True))
    assert sum("=" in answer for _, answer in steps) > 25


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_demonstrations_are_right_and_cut_into_pieces(task, split, start):
    for prompt, answer in islice(task.demonstrations(split, start), 5):
        (verdict,) = task.grade([Rollout(prompt, [], [], [], answer, "eos", policy_version=0)])
        assert replace(verdict, steps=()) == Verdict(1.0, {"solved": 1.0}, True, True)
        assert [reward for _, reward in verdict.steps] == [1.0] * (answer.count("=") + 1 if task.target == "steps" else 0)
        assert "=" not in answer or task.target == "steps"
        assert set(answer + prompt.text) <= set(task.pieces())
        assert len(answer) < task.longest_answer()


def test_longest_answer_is_that_of_the_longest_demonstration():
    assert [Arithmetic(level, level).longest_answer() for level in range(1, 6)] == [3, 4, 4, 4, 5]
    sums = [working(("+", a, b)) for a, b in product(range(10, 100), repeat=2)]
    products = [working(("*", a, b)) for a, b in product(range(2, 10), range(2, 100))]
    assert Arithmetic(2, 2, target="steps").longest_answer() == max(map(len, sums)) + 1 == 18
    assert Arithmetic(4, 4, target="steps").longest_answer() == max(map(len, products)) + 1 == 43
    assert Arithmetic(1, 5, target="steps").longest_answer() == len(working(("*", ("-", 1, 7), ("+", 8, 9)))) + 1 == 54


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("85", 85),
        (" 85\n", 85),
        ("47+30+8=77+8=85", 85),
        ("=85", 85),
        ("77+8= 85 ", 85),
        ("-35", -35),
        ("−35", -35),
        ("+85", 85),
        ("085", 85),
        ("-0", 0),
        ("85=86", 86),
        ("", None),
        (" ", None),
        ("85=", None),
        ("85.0", None),
        ("85.", None),
        ("1,000", None),
        ("1_000", None),
        ("8 5", None),
        ("- 35", None),
        ("--35", None),
        ("47+38", None),
        ("the answer is 85", None),
        ("85 apples", None),
        ("８５", None),
        ("٨٥", None),
        ("8" * 18, int("8" * 18)),
        ("8" * 19, None),
        ("8" * 10_000, None),
        ("0x55", None),
        ("8e1", None),
    ],
)
def test_answer_is_the_integer_after_the_last_equals_sign(text, number):
    assert read_answer(text) == number


def test_votes_are_counted_by_the_final_number():
    assert ALL.answer_of("47+38=085") == ALL.answer_of("+85") == "85"
    assert ALL.answer_of("85 apples") is None


def test_verdict_is_one_for_the_right_number_and_knows_unreadable_answers():
    assert grade("85") == Verdict(1.0, {"solved": 1.0}, correct=True, parsed=True)
    assert grade("84") == Verdict(0.0, {"solved": 0.0}, correct=False, parsed=True)
    assert grade("eighty-five") == Verdict(0.0, {"solved": 0.0}, correct=False, parsed=False)
    assert grade("85=84").correct is False
    assert grade("0", answer=0).correct is True


@settings(deadline=None)
@given(st.text() | st.text("0123456789+-−= "))
def test_any_text_gets_a_verdict(text):
    verdict = grade(text)
    assert verdict.reward == float(bool(verdict.correct))
    assert verdict.correct == (text.split("=")[-1].strip().removeprefix("+").lstrip("0") == "85")


def test_instructions_are_a_chat_message_about_the_same_problem():
    plain, chat = next(Arithmetic().prompts("test")), next(Arithmetic(instructions=True).prompts("test"))
    assert chat.text is None
    assert chat.messages == ({"role": "user", "content": f"Work out {plain.truth['problem']}\nAnswer with the number alone."},)
    assert (chat.truth, chat.level, chat.id) == (plain.truth, plain.level, plain.id)


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="levels 1 to 5; min_level=3, max_level=2"):
        Arithmetic(min_level=3, max_level=2)
    with pytest.raises(ValueError, match="max_level=6"):
        Arithmetic(max_level=6)
    with pytest.raises(ValueError, match="split='dev'"):
        Arithmetic().prompts("dev")
    with pytest.raises(ValueError, match="test_share=0 leaves no problems for test"):
        Arithmetic(test_share=0).demonstrations("test")


def test_a_split_too_small_to_find_a_problem_in_says_so(monkeypatch):
    monkeypatch.setattr("quintet.tasks.arithmetic.ATTEMPTS", 100)
    with pytest.raises(ValueError, match="leaves test no problems of level 1"):
        next(Arithmetic(test_share=1e-9).prompts("test"))


def test_prompt_of_today_is_the_prompt_of_tomorrow():
    assert [p.text for p in islice(ALL.prompts("test"), 5)] == ["6+8+1=", "47+45=", "11-32=", "7*2=", "6*1+8*9="]


# ---- steps, pairs, carelessness --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("47+30+8=77+9=86", [(8, 1), (13, 0), (15, 0)]),  # 85 is right: the first step still comes to it
        ("85", [(2, 1)]),
        ("85=", [(3, 1), (3, 0)]),  # nothing behind the sign
        ("(-5)*(-17)=85", [(11, 1), (13, 1)]),
        ("2**9=85", [(5, 0), (7, 1)]),  # no operation of arithmetic
        ("eighty-five=85", [(12, 0), (14, 1)]),
        ("085", [(3, 0)]),
        ("((((", [(4, 0)]),
        ("9" * 65, [(65, 0)]),
        ("", [(0, 0)]),
    ],
)
def test_steps_are_judged_by_what_they_come_to(text: str, steps: list[tuple[int, int]]):
    assert list(judged_steps(85, text)) == steps


def test_only_a_task_whose_answers_have_steps_judges_them():
    rollout = Rollout(next(Arithmetic().prompts("train")), [], [], [], "1=1", "eos", policy_version=0)
    assert Arithmetic().grade([rollout])[0].steps == ()
    assert not Arithmetic().judges_steps
    assert len(Arithmetic(target="steps").grade([rollout])[0].steps) == 2


@pytest.mark.parametrize("split", ["train", "test"])
def test_pairs_are_a_right_number_and_a_wrong_one_near_it(split: str):
    task = Arithmetic(max_level=5)
    some = list(islice(task.preferences(split), 50))
    for prompt, better, worse in some:
        assert int(better) == prompt.truth["answer"]
        assert 1 <= abs(int(worse) - int(better)) <= 10
    assert some[7:] == list(islice(task.preferences(split, 7), 43))


def test_careless_teacher_is_wrong_as_often_as_asked():
    answers = [(p.truth["answer"], int(a)) for p, a in islice(Arithmetic(demo_mistakes=0.3).demonstrations("train"), 1000)]
    assert 0.25 < sum(right != given for right, given in answers) / 1000 < 0.35
    assert max(abs(right - given) for right, given in answers) == 10
    with pytest.raises(ValueError, match="demo_mistakes goes with target=direct"):
        Arithmetic(demo_mistakes=0.3, target="steps")
