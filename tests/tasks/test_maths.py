from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.data import Prompt, Rollout, Verdict
from quintet.protocols import Task, TaskError, Teacher
from quintet.tasks import maths as module
from quintet.tasks.maths import Maths
from quintet.tasks.maths_answers import Form
from quintet.tasks.maths_data import read_splits
from quintet.tasks.maths_workers import equivalent

SHARED = Path(__file__).parents[2] / "../shared/data"
FORMS: tuple[Form, ...] = ("any", "boxed", "hashes", "tags")
REAL = pytest.mark.skipif(not SHARED.is_dir(), reason="the real problem sets aren't at ../shared/data")
WORKED = {"question": "What is 2+3?", "answer": "2+3=<<2+3=5>>5\n#### 5"}


def rollout(answer: str, text: str) -> Rollout:
    return Rollout(Prompt("p", text="?", truth={"answer": answer}), [], [], [], text, "eos", policy_version=0)


def grade(answer: str, text: str, task: Maths = Maths()) -> Verdict:  # noqa: B008 (frozen)
    (verdict,) = task.grade([rollout(answer, text)])
    return verdict


def data(tmp_path: Path, *rows: dict, name: str = "p.jsonl") -> str:
    (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return str(tmp_path / name)


def numbered(tmp_path: Path, number: int = 20) -> str:
    return data(tmp_path, *({"question": f"What is {i}?", "answer": str(i), "solution": f"It is {i}."} for i in range(number)))


def test_maths_is_a_task_and_a_teacher():
    task: Task = Maths()
    teacher: Teacher = Maths()
    assert task.name == teacher.name == "maths"
    assert "name" not in {field.name for field in fields(Maths)}


# ---- grades ----------------------------------------------------------------------------------------------------------------


def test_right_answer_earns_one_wherever_it_is_marked():
    for text in (r"5, so \boxed{5}", "2+3=5\n#### 5", "<answer>5</answer>"):
        assert grade("5", text) == Verdict(1.0, {"solved": 1.0, "format": 1.0}, True, True, {"answer": "5"})


def test_wrong_answer_and_none_earn_nothing_and_are_told_apart():
    assert grade("5", "#### 6") == Verdict(0.0, {"solved": 0.0, "format": 1.0}, False, True, {"answer": "6"})
    nothing = {"answer": None, "reason": "no final answer"}
    assert grade("5", "It is 5.") == Verdict(0.0, {"solved": 0.0, "format": 0.0}, False, False, nothing)


def test_form_that_is_asked_for_is_the_only_one_that_counts():
    assert [grade("5", "#### 5", Maths(answer_in=form)).correct for form in FORMS] == [True, False, True, False]
    assert [grade("5", r"\boxed{5}", Maths(answer_in=form)).correct for form in FORMS] == [True, True, False, False]


def test_last_of_several_answers_counts_and_costs_the_format_reward():
    task = Maths(format_reward=0.25)
    assert grade("5", r"\boxed{4} \boxed{5}", task).reward == 1.0
    assert grade("5", r"\boxed{5} \boxed{4}", task).reward == 0.0
    assert grade("5", r"\boxed{5}, that is \boxed{5}", task).reward == 1.25
    assert grade("5", r"\boxed{4}", task).reward == 0.25


def test_answer_longer_than_256_characters_is_refused_and_logged_in_short():
    verdict = grade("5", f"#### {'5' * 257}")
    assert (verdict.correct, verdict.parsed) == (False, True)
    assert verdict.logged == {"answer": "5" * 256, "reason": "longer than 256 characters"}


def test_poisonous_answer_is_wrong_and_says_why():
    pytest.importorskip("math_verify")
    task = Maths()
    texts = ["#### 9^{9^{9^{9}}}", r"#### \sqrt{12}"]
    poisoned, right = task.grade([rollout(r"2\sqrt{3}", text) for text in texts])
    assert (poisoned.correct, poisoned.logged["reason"]) == (False, "comparing it took too long")
    assert right.correct


@given(st.text() | st.text("0123456789.,%$#{}\\boxed \n", max_size=80))
def test_any_text_gets_a_verdict(text: str):
    for form in FORMS:
        verdict = grade("12", text, Maths(answer_in=form))
        assert verdict.reward == verdict.parts["solved"] == float(bool(verdict.correct))
        assert json.dumps(dict(verdict.logged))


def test_votes_are_counted_by_what_answers_say():
    task = Maths()
    assert task.answer_of("#### 1,000") == task.answer_of(r"so \boxed{\$1000}.") == "1000"
    assert task.answer_of(r"\boxed{\left( 3, \dfrac12 \right)}") == r"(3,\frac12)"
    assert task.answer_of("1000") is None
    assert task.answer_of("#### " + "5" * 257) is None
    assert Maths(answer_in="tags").answer_of("#### 5") is None


# ---- prompts ---------------------------------------------------------------------------------------------------------------


def test_prompt_is_the_question_and_a_new_line(tmp_path: Path):
    task = Maths(data=data(tmp_path, WORKED, name="test.jsonl"))
    (prompt,) = task.prompts("test")
    assert prompt == Prompt("maths-test-0", text="What is 2+3?\n", truth={"answer": "5"})


def test_instructions_say_how_to_mark_the_answer(tmp_path: Path):
    path = data(tmp_path, WORKED, name="test.jsonl")
    for form, said in (("any", r"\boxed{}"), ("boxed", r"\boxed{}"), ("hashes", "####"), ("tags", "<answer> </answer>")):
        (prompt,) = Maths(data=path, instructions=True, answer_in=form).prompts("test")  # type: ignore[arg-type]
        assert prompt.text is None
        ((role, content),) = [(m["role"], m["content"]) for m in prompt.messages or ()]
        assert role == "user"
        assert content.startswith("What is 2+3?\n\n")
        assert said in content


def test_classes_are_levels_or_subjects(tmp_path: Path):
    row = {"problem": "p", "solution": r"\boxed{1}", "level": "Level 4", "subject": "Algebra"}
    path = data(tmp_path, row, name="test.jsonl")
    assert next(Maths(data=path).prompts("test")).level == "level 4"
    assert next(Maths(data=path, report_by="subject").prompts("test")).level == "Algebra"


def test_train_is_endless_and_each_pass_has_every_problem_in_another_order(tmp_path: Path):
    task = Maths(data=numbered(tmp_path), test_share=0.25)
    held = [p.text for p in task.prompts("test")]
    number = 20 - len(held)
    passes = [[p.text for p in islice(task.prompts("train", start), number)] for start in (0, number)]
    assert held
    assert sorted(passes[0] + held) == sorted(f"What is {i}?\n" for i in range(20))  # type: ignore[operator]
    assert sorted(passes[0]) == sorted(passes[1])  # type: ignore[type-var]
    assert passes[0] != passes[1]


def test_prompt_depends_on_its_number_alone(tmp_path: Path):
    path = numbered(tmp_path)
    for split, start in (("train", 7), ("train", 1000), ("test", 1)):
        task, again = Maths(data=path, test_share=0.4), Maths(data=path, test_share=0.4)
        first, second = islice(task.prompts(split, start), 2)
        assert next(again.prompts(split, start + 1)) == second != first
        assert [prompt for prompt, _ in islice(task.demonstrations(split, start), 2)] == [first, second]
    seeds = [list(islice(Maths(data=path, task_seed=seed).prompts("train"), 10)) for seed in (0, 1)]
    assert seeds[0] != seeds[1]


def test_prompts_have_ids_of_their_own(tmp_path: Path):
    task = Maths(data=numbered(tmp_path))
    ids = [p.id for p in (*task.prompts("test"), *islice(task.prompts("train"), 20 - len(list(task.prompts("test")))))]
    assert max(Counter(ids).values()) == 1


# ---- demonstrations --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "row", "shown"),
    [
        ("any", WORKED, "2+3=5\n#### 5"),
        ("hashes", WORKED, "2+3=5\n#### 5"),
        ("boxed", WORKED, "2+3=5\n\\boxed{5}"),
        ("tags", WORKED, "2+3=5\n<answer>5</answer>"),
        ("any", {"problem": "q", "solution": r"It is $\boxed{5}$."}, r"It is $\boxed{5}$."),
        ("hashes", {"problem": "q", "solution": r"It is $\boxed{5}$."}, "It is $\\boxed{5}$.\n#### 5"),
        ("any", {"question": "q", "answer": "5", "solution": "2+3"}, "2+3\n#### 5"),
        ("boxed", {"Body": "b", "Question": "q", "Equation": "( 2.0 + 3.0 )", "Answer": 5.0}, "2 + 3 = 5\n\\boxed{5}"),
    ],
)
def test_demonstrations_are_worked_solutions_that_end_as_asked(tmp_path: Path, form: Form, row: dict, shown: str):
    task = Maths(data=data(tmp_path, row, name="test.jsonl"), answer_in=form)
    ((prompt, text),) = task.demonstrations("test")
    assert text == shown
    assert grade(prompt.truth["answer"], text, task).correct


def test_problem_without_a_worked_solution_cannot_be_learned_from(tmp_path: Path):
    task = Maths(data=data(tmp_path, {"question": "q", "answer": "5"}, name="test.jsonl"))
    with pytest.raises(TaskError, match=r"test\.jsonl:1 has an answer, but no worked solution"):
        list(task.demonstrations("test"))


def test_texts_are_what_a_model_will_read_and_write(tmp_path: Path):
    path = data(tmp_path, WORKED, {"question": "And 1?", "answer": "1"})
    assert set(Maths(data=path, test_share=0).texts()) == {"What is 2+3?\n", "2+3=5\n#### 5", "And 1?\n", "#### 1"}


# ---- checks ----------------------------------------------------------------------------------------------------------------


def test_task_that_is_whole_has_no_complaint(tmp_path: Path):
    assert Maths(data=numbered(tmp_path)).check() == []


def test_data_that_are_missing_or_wrong_are_asked_for(tmp_path: Path):
    (found,) = Maths().check()
    assert found.startswith("No problems were named. Write --data with a file, a folder or a hub id.")
    (found,) = Maths(data=data(tmp_path, WORKED, {"prompt": "p"})).check()
    assert "p.jsonl:2: no layout that is known here has the columns prompt." in found


def test_math_verify_is_asked_for_only_where_it_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "installed", lambda: False)
    assert Maths(data=numbered(tmp_path)).check() == []
    (found,) = Maths(data=data(tmp_path, WORKED, {"question": "q", "answer": "p - q"}, name="q.jsonl")).check()
    assert found.startswith("1 of the 2 right answers in data=")
    assert found.endswith("which isn't installed. Run: pip install 'math-verify[antlr4_13_2]'")


def test_split_without_problems_is_explained(tmp_path: Path):
    task = Maths(data=data(tmp_path, WORKED, name="test.jsonl"))
    with pytest.raises(ValueError, match=r"leaves no problems for train.*files called test are never trained on"):
        task.prompts("train")
    with pytest.raises(ValueError, match=r"leaves no problems for test.*eval_problems=0"):
        Maths(data=data(tmp_path, WORKED), test_share=0).prompts("test")
    with pytest.raises(ValueError, match="split='dev'"):
        task.prompts("dev")


# ---- the real sets -----------------------------------------------------------------------------------------------------------


def real(name: str, form: Form = "any") -> list[tuple[Rollout, str]]:
    """Every problem of a set with its demonstration, graded by nobody yet, and its right answer."""
    task = Maths(data=str(SHARED / name), answer_in=form, test_share=0.5)
    number = {split: len(problems) for split, problems in read_splits(task.data, 0.5).items()}
    shown = [pair for split, n in number.items() if n for pair in islice(task.demonstrations(split), n)]
    return [(rollout(p.truth["answer"], text), p.truth["answer"]) for p, text in shown]


@REAL
@pytest.mark.parametrize(("name", "problems"), [("gsm8k", 8792), ("math500", 500), ("svamp", 1000)])
@pytest.mark.parametrize("form", FORMS)
def test_every_worked_solution_of_the_real_sets_is_right(name: str, problems: int, form: Form):
    found = real(name, form)
    assert len(found) == problems
    verdicts = Maths(answer_in=form).grade([r for r, _ in found])
    assert [answer for (_, answer), v in zip(found, verdicts, strict=True) if not v.correct] == []


@REAL
@pytest.mark.parametrize("name", ["gsm8k", "math500"])
def test_answer_of_the_next_problem_is_right_only_where_it_is_the_same(name: str):
    if name == "math500":
        pytest.importorskip("math_verify")
    found = real(name)
    moved = [rollout(answer, f"#### {other}") for (_, answer), (_, other) in zip(found, found[1:] + found[:1], strict=True)]
    verdicts = Maths().grade(moved)
    agree = {(r.prompt.truth["answer"], v.logged["answer"]) for r, v in zip(moved, verdicts, strict=True) if v.correct}
    assert {(a, b) for a, b in agree if a != b} == ({("5", "x=5")} if name == "math500" else set())


@REAL
def test_every_right_answer_of_math_500_is_right_to_math_verify_too():
    pytest.importorskip("math_verify")
    answers = [answer for _, answer in real("math500")]
    assert [a for a, right in zip(answers, equivalent([(a, a) for a in answers]), strict=True) if right is not True] == []


@REAL
def test_gsm8k_is_split_as_it_came_and_math_500_has_its_levels():
    gsm8k = Maths(data=str(SHARED / "gsm8k"))
    assert len(list(gsm8k.prompts("test"))) == 1319
    assert next(gsm8k.prompts("test")).truth == {"answer": "18"}
    math500 = Maths(data=str(SHARED / "math500"))
    levels = Counter(p.level for p in math500.prompts("test"))
    assert levels == {"level 1": 43, "level 2": 90, "level 3": 105, "level 4": 128, "level 5": 134}
