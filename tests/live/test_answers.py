"""Answers are found by where they stand in the file, also while it grows and after it was cut back."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from quintet.live import answers as module
from quintet.live.answers import Answers, search


def write(path: Path, *rows: dict) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def rows(step: int, *texts: str) -> list[dict]:
    return [{"step": step, "stage": "grpo", "group": 0, "prompt": "p", "text": text} for text in texts]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "rollouts.jsonl"


def looked(folder: Path) -> Answers:
    found = Answers(folder)
    while found.look():
        pass
    return found


def texts(answers: Answers, step: int) -> list[str]:
    return [row["text"] for row in answers.of_step(step)]


def test_a_step_is_read_from_where_it_stands(path: Path) -> None:
    write(path, *rows(1, "a", "b"), *rows(5, "ü", "d"), *rows(9, "e"))
    found = looked(path.parent)
    assert found.steps == [1, 5, 9]
    assert [texts(found, step) for step in found.steps] == [["a", "b"], ["ü", "d"], ["e"]]
    assert [found.one(row["at"])["text"] for row in found.of_step(5)] == ["ü", "d"]


def test_a_step_still_being_written_grows_with_the_looks(path: Path) -> None:
    found = Answers(path.parent)
    assert (found.look(), found.steps, found.nearest(3)) == (False, [], None)
    write(path, *rows(1, "a"))
    found.look()
    write(path, *rows(1, "b"), *rows(2, "c"))
    found.look()
    assert (texts(found, 1), texts(found, 2)) == (["a", "b"], ["c"])


def test_a_step_that_a_resumed_run_wrote_again_counts_as_written_last(path: Path) -> None:
    write(path, *rows(1, "a"), *rows(2, "old", "old"))
    found = looked(path.parent)
    os.truncate(path, len(json.dumps(rows(1, "a")[0])) + 1)
    write(path, *rows(2, "new"))
    found.look()
    assert (texts(found, 1), texts(found, 2)) == (["a"], ["new"])
    write(path, *rows(3, "x"), *rows(2, "newest"))
    found.look()
    assert texts(found, 2) == ["newest"]


def test_neighbours_and_the_nearest_step_with_answers(path: Path) -> None:
    write(path, *rows(2, "a"), *rows(4, "b"), *rows(10, "c"))
    found = looked(path.parent)
    assert [found.beside(step) for step in (2, 4, 10)] == [(None, 4), (2, 10), (4, None)]
    assert [found.nearest(step) for step in (0, 3, 8, 99)] == [2, 2, 10, 10]


def test_lines_written_otherwise_and_lines_that_are_none_do_no_harm(path: Path) -> None:
    path.write_text('{"text": "a", "step": 3}\nnonsense\n{"step": true}\n{"step":4,"text":"b"}\n')
    found = looked(path.parent)
    assert found.steps == [3, 4]
    assert texts(found, 3) == ["a"]


def test_no_answer_begins_in_the_middle_of_a_line(path: Path) -> None:
    write(path, *rows(1, '{"step": 9}'))
    found = looked(path.parent)
    for at in (1, 5, 10_000):
        with pytest.raises(ValueError, match="No answer begins"):
            found.one(at)
    with pytest.raises(ValueError, match="Step 7 has no answers"):
        found.of_step(7)


@pytest.mark.parametrize(
    ("wanted", "texts_found"), [("LEFT", ["go left"]), ('say "hi"\n', ['say "hi"\nx']), ("Über", ["über 'x'"])]
)
def test_search_finds_upper_and_lower_case_quotes_and_other_letters(path: Path, wanted: str, texts_found: list[str]) -> None:
    write(path, *rows(1, "go left", "right", 'say "hi"\nx', "über 'x'"))
    assert [row["text"] for row in search(path, wanted).rows] == texts_found


def test_search_reads_prompts_but_not_the_names_of_fields(path: Path) -> None:
    write(path, {"step": 1, "prompt": [{"role": "user", "content": "Two plus two?"}], "text": "4"})
    assert len(search(path, "plus").rows) == 1
    assert search(path, "stage").rows == []


def test_search_goes_on_where_it_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(path, *rows(1, *[f"hit {n}" for n in range(5)]))
    first = search(path, "hit", most=2)
    assert [row["text"] for row in first.rows] == ["hit 0", "hit 1"]
    assert first.next is not None
    assert [row["text"] for row in search(path, "hit", first.next).rows] == ["hit 2", "hit 3", "hit 4"]
    monkeypatch.setattr(module, "MOST_SEARCHED", 100)
    short = search(path, "hit 4")
    assert (short.rows, short.next is not None) == ([], True)
    assert search(path.parent / "none", "x") == ([], None)
