"""The generator: every family of every kind, and a sample of references through the compiler (`benchmarks.verify_exercises` has
them all)."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from random import Random

import pytest

from quintet.tasks.cargo_answer import read_answer
from quintet.tasks.cargo_grade import strict
from quintet.tasks.cargo_harness import function_type
from quintet.tasks.rust_exercises import FAMILIES, exercise, families, literal

RUSTC = shutil.which("rustc", path=f"{os.environ.get('PATH', '')}:{Path.home()}/.cargo/bin")
SAMPLE = FAMILIES[::12]


def test_there_are_more_than_a_hundred_families_of_three_levels():
    assert len({f.name for f in FAMILIES}) == len(FAMILIES) > 100
    assert {f.level for f in FAMILIES} == {1, 2, 3}


def test_exercise_is_a_function_of_its_number():
    assert exercise(FAMILIES[0], Random("7")) == exercise(FAMILIES[0], Random("7"))
    assert exercise(FAMILIES[0], Random("7")) != exercise(FAMILIES[0], Random("8"))


def test_first_exercise_is_what_it_always_was():
    """The bits of a resumed run depend on it, on every version of Python."""
    made = exercise(FAMILIES[0], Random("0"))
    assert made.instruction == "Write a function `add_4` that returns the number plus 4."
    assert made.signature == "fn add_4(value: i32) -> i32"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_reference_is_in_the_contract_s_form(family):
    for seed in range(3):
        made = exercise(family, Random(f"{seed}"))
        answer = read_answer(made.answer)
        assert answer.refused == ()
        assert answer.in_form
        assert answer.functions == (function_type(made.signature)[0],)
        assert "$" not in made.answer + made.hidden + made.instruction
        assert made.hidden.count("assert") >= 3


def test_hidden_cases_are_none_of_the_shown_ones():
    for family in FAMILIES:
        made = exercise(family, Random("5"))
        shown = {line.strip() for line in made.own_tests.splitlines() if "assert" in line}
        hidden = {line.strip() for line in made.hidden.splitlines() if "assert" in line}
        assert not shown & hidden or shown == hidden, family.name


def test_split_holds_out_a_share_of_each_level():
    train, test = (families(split, 0.2, (1, 2, 3)) for split in ("train", "test"))
    assert not set(train) & set(test)
    assert set(train) | set(test) == set(FAMILIES)
    for level in (1, 2, 3):
        held, all_ = (sum(f.level == level for f in some) for some in (test, FAMILIES))
        assert held == round(0.2 * all_)


@pytest.mark.parametrize(
    ("value", "kind", "rust"),
    [
        ([1, -2], "&[i32]", "&[1, -2]"), ([None, 3], "&[Option<i32>]", "&[None, Some(3)]"),
        ('a"', "String", '"a\\"".to_string()'),
        ([[1], []], "Vec<Vec<i32>>", "vec![vec![1], vec![]]"), ((1, 2), "(i32, i32)", "(1, 2)"), ("x", "char", "'x'"),
        (("Err", "no"), "Result<u32, String>", 'Err("no".to_string())'), (("Ok", 3), "Result<u32, String>", "Ok(3)"),
        (True, "bool", "true"), ((1, 2), "Option<(i32, i32)>", "Some((1, 2))"),
    ],
)  # fmt: skip
def test_values_are_written_in_rust(value, kind, rust):
    assert literal(value, kind) == rust


@pytest.mark.skipif(RUSTC is None or shutil.which("bwrap") is None, reason="needs rustc with clippy and bubblewrap")
def test_references_earn_everything_and_wrong_ones_do_not():
    """A right body in the wrong family's clothes fails, so hidden tests do look."""
    made = [exercise(family, Random("9")) for family in SAMPLE]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        grades = list(pool.map(lambda e: strict(e.answer, e.hidden, e.signature, 30), made))
    for one, grade in zip(made, grades, strict=True):
        assert {k: v for k, v in grade.parts.items() if k != "own"} == {"format": 1, "builds": 1, "clippy": 1, "hidden": 1}, one
        assert grade.parts["own"] > 0, one
    empty = list(islice((e.answer.replace(e.function.split("\n", 2)[2], "    todo!()\n}") for e in made), 3))
    assert [strict(text, e.hidden, e.signature, 30).parts["hidden"] for text, e in zip(empty, made, strict=False)] == [0, 0, 0]
