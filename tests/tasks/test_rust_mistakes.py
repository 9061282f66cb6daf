"""The careless teacher: what kind of mistake it makes, found out by compiling a sample of them."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from quintet.tasks.cargo_answer import read_answer
from quintet.tasks.cargo_grade import strict
from quintet.tasks.rust_exercises import FAMILIES, exercise
from quintet.tasks.rust_mistakes import MISTAKES, careless, habit, slip, wrong, wrong_test

RUSTC = shutil.which("rustc", path=f"{os.environ.get('PATH', '')}:{Path.home()}/.cargo/bin")
COUNT = next(f for f in FAMILIES if f.name == "count_of_$k")


@pytest.mark.parametrize("family", FAMILIES, ids=lambda f: f.name)
def test_careless_answer_is_in_form_and_not_the_reference(family):
    for seed in range(3):
        made = exercise(family, Random(f"{seed}"))
        text = careless(made, Random(f"{seed}"))
        assert text != made.answer
        assert read_answer(text).in_form
        assert careless(made, Random(f"{seed}")) == text


def test_each_kind_changes_what_its_name_says():
    made = exercise(COUNT, Random("1"))
    assert "return" in (habit(made, Random("1")) or "")
    assert made.own_tests in slip(made, Random("1"))
    assert made.own_tests in (wrong(made, Random("1")) or "")
    broken = wrong_test(made, Random("1")) or ""
    assert made.function in broken
    assert len(set(broken.splitlines()) - set(made.answer.splitlines())) == 1


def test_four_of_nine_mistakes_are_slips():
    assert [MISTAKES.count(kind) for kind in (slip, wrong, habit, wrong_test)] == [4, 3, 1, 1]


@pytest.mark.skipif(RUSTC is None or shutil.which("bwrap") is None, reason="needs rustc with clippy and bubblewrap")
def test_slips_rarely_build_wrong_ones_rarely_pass_and_habits_only_warn():
    sample = [exercise(family, Random("3")) for family in FAMILIES[::23]]
    texts = [(kind, made, kind(made, Random("3"))) for kind in (slip, wrong, habit, wrong_test) for made in sample]
    texts = [(kind, made, text) for kind, made, text in texts if text]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        grades = list(pool.map(lambda t: strict(t[2], t[1].hidden, t[1].signature, 60.0), texts))
    of = {kind: [g.parts for (k, _, _), g in zip(texts, grades, strict=True) if k is kind] for kind in set(MISTAKES)}
    assert sum(p["builds"] for p in of[slip]) <= 0.2 * len(of[slip])
    assert sum(p["hidden"] for p in of[wrong]) <= 0.3 * len(of[wrong])
    assert all((p["builds"], p["clippy"], p["hidden"]) == (1, 0, 1) for p in of[habit])
    assert all((p["hidden"], p["own"]) == (1, 0) for p in of[wrong_test])
