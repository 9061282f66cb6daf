from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from quintet.tasks import maths_data
from quintet.tasks.maths_data import Problem, hub_splits, problem_of, read_splits

GSM8K = {"question": "1+1?", "answer": "It is 1+1=<<1+1=2>>2.\n#### 2"}
MATH = {"problem": "p?", "solution": r"So $\boxed{\frac{1}{2}}$.", "level": "Level 3", "type": "Algebra"}
MATH_500 = {"problem": "p?", "solution": r"\boxed{7}", "answer": "7", "subject": "Geometry", "level": 2, "unique_id": "x"}
SVAMP = {
    "Body": "Dan had 4 coins.", "Question": "What is left?", "Equation": "( 4.0 - 3.5 )", "Answer": 0.5, "Type": "Subtraction",
}  # fmt: skip


def write(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def numbered(first: int, count: int) -> list[dict[str, Any]]:
    return [{"question": f"{i}?", "answer": i} for i in range(first, first + count)]


def questions(splits: maths_data.Splits) -> dict[str, list[str]]:
    return {split: [p.question for p in problems] for split, problems in splits.items()}


# ---- layouts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (GSM8K, Problem("f:1", "1+1?", "2", "It is 1+1=2.\n#### 2")),
        (MATH, Problem("f:1", "p?", r"\frac{1}{2}", r"So $\boxed{\frac{1}{2}}$.", "level 3", "Algebra")),
        (MATH_500, Problem("f:1", "p?", "7", r"\boxed{7}", "level 2", "Geometry")),
        (SVAMP, Problem("f:1", "Dan had 4 coins. What is left?", "0.5", "4 - 3.5 = 0.5", "Subtraction")),
        (SVAMP | {"Equation": "( ( 4.0 - 3.0 ) * 2.0 )", "Answer": 2.0},
         Problem("f:1", "Dan had 4 coins. What is left?", "2", "( ( 4 - 3 ) * 2 ) = 2", "Subtraction")),
        ({"question": "q", "answer": r"$\frac{1}{2}$."}, Problem("f:1", "q", r"\frac{1}{2}")),
        ({"question": "q", "answer": 51.0}, Problem("f:1", "q", "51")),
        ({"question": "q", "answer": 51, "level": "hard"}, Problem("f:1", "q", "51", level="hard")),
        ({"problem": "q", "answer": "5", "solution": None}, Problem("f:1", "q", "5")),
        ({"question": "q", "answer": r"2+3 is \boxed{5}"}, Problem("f:1", "q", "5", r"2+3 is \boxed{5}")),
        ({"question": "q", "answer": "5", "solution": "2+3"}, Problem("f:1", "q", "5", "2+3")),
    ],
)  # fmt: skip
def test_layouts_are_known_by_their_columns(row: dict[str, Any], problem: Problem):
    assert problem_of(row, "f:1") == problem


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ({"prompt": "q", "completion": "a"}, "no layout that is known here has the columns prompt, completion"),
        ({"question": "q"}, "no layout that is known here has the columns question"),
        ({}, "the columns none"),
        ("q", "a row must be an object"),
        ({"question": "q", "answer": ""}, "this row has no final answer"),
        ({"question": "q", "answer": None}, "this row has no final answer"),
        ({"problem": "q", "solution": "5, obviously"}, "this row has no final answer"),
        ({"question": " ", "answer": "5"}, "this row has no question"),
    ],
)
def test_row_that_is_no_problem_is_named(row: Any, complaint: str):
    with pytest.raises(ValueError, match=f"^f:1: .*{complaint}"):
        problem_of(row, "f:1")


# ---- files and folders -----------------------------------------------------------------------------------------------------


def test_folder_with_its_own_test_split_keeps_it(tmp_path: Path):
    write(tmp_path / "train.jsonl", *numbered(0, 3))
    write(tmp_path / "test.jsonl", *numbered(3, 2))
    write(tmp_path / "validation.jsonl", *numbered(5, 2))
    (tmp_path / ".cache").mkdir()
    write(tmp_path / ".cache/test.jsonl", *numbered(9, 2))
    assert questions(read_splits(str(tmp_path), 0.5)) == {"train": ["0?", "1?", "2?"], "test": ["3?", "4?"]}


def test_split_is_also_read_from_folders_and_parts(tmp_path: Path):
    """The original MATH has a file a problem; the hub's files are numbered parts."""
    for i, row in enumerate(numbered(0, 4)):
        path = tmp_path / ("train" if i % 2 else "test") / "algebra" / f"{i}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(row, indent=1))
    assert questions(read_splits(str(tmp_path), 0.5)) == {"train": ["1?", "3?"], "test": ["0?", "2?"]}
    hub = tmp_path / "hub"
    write(hub / "data/train-00000-of-00002.jsonl", *numbered(0, 1))
    write(hub / "data/train-00001-of-00002.jsonl", *numbered(1, 1))
    write(hub / "data/test-00000-of-00001.jsonl", *numbered(2, 1))
    assert questions(read_splits(str(hub), 0.5)) == {"train": ["0?", "1?"], "test": ["2?"]}


def test_name_that_only_begins_like_a_split_says_nothing(tmp_path: Path):
    write(tmp_path / "testing.jsonl", *numbered(0, 50))
    found = questions(read_splits(str(tmp_path), 0.2))
    assert found["train"]
    assert found["test"]


def test_test_split_alone_leaves_nothing_for_training(tmp_path: Path):
    path = write(tmp_path / "test.jsonl", *numbered(0, 3))
    assert questions(read_splits(str(path), 0.5)) == {"train": [], "test": ["0?", "1?", "2?"]}


def test_without_a_test_split_questions_are_split_by_their_hash(tmp_path: Path):
    few = write(tmp_path / "train.jsonl", *numbered(0, 500))
    more = write(tmp_path / "more.jsonl", *numbered(0, 900), *numbered(0, 100))
    some, all_ = questions(read_splits(str(few), 0.1)), questions(read_splits(str(more), 0.1))
    assert 20 < len(some["test"]) < 80  # a tenth, give or take four standard deviations
    assert set(some["test"]) <= set(all_["test"])
    assert not set(all_["train"]) & set(all_["test"])  # a question that comes twice is on one side


@pytest.mark.parametrize("share", [1e-9, 1 - 1e-9])
def test_two_problems_are_one_for_each_split(tmp_path: Path, share: float):
    path = write(tmp_path / "p.jsonl", *numbered(0, 2))
    assert {split: len(some) for split, some in read_splits(str(path), share).items()} == {"train": 1, "test": 1}


def test_beside_a_training_split_other_files_are_left_alone(tmp_path: Path):
    write(tmp_path / "train.jsonl", *numbered(0, 3))
    write(tmp_path / "validation.jsonl", *numbered(3, 3))
    found = questions(read_splits(str(tmp_path), 0.5))
    assert sorted([*found["train"], *found["test"]]) == ["0?", "1?", "2?"]


def test_list_in_one_json_file_is_read_and_rows_are_counted_from_1(tmp_path: Path):
    (tmp_path / "p.json").write_text(json.dumps([GSM8K, SVAMP]))
    problems = [p for some in read_splits(str(tmp_path / "p.json"), 0.5).values() for p in some]
    assert sorted(p.place for p in problems) == [f"{tmp_path}/p.json:1", f"{tmp_path}/p.json:2"]
    write(tmp_path / "lines.json", GSM8K, SVAMP)
    assert sum(map(len, read_splits(str(tmp_path / "lines.json"), 0.5).values())) == 2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("p.jsonl", '{"question": "q", "answer": 1}\n{"question"\n', r"p\.jsonl:2: this is no JSON"),
        (
            "p.jsonl",
            '{"prompt": "q"}\n',
            r"p\.jsonl:1: no layout that is known here has the columns prompt\. The layouts known",
        ),
        ("p.json", "[1,", r"p\.json:1: this is no JSON"),
        ("p.jsonl", "", "has no problems in it"),
        ("p.txt", "q", r"its name ends in none of \.jsonl, \.json, \.parquet"),
    ],
)
def test_file_that_is_not_whole_is_named_with_the_line(tmp_path: Path, name: str, content: str, complaint: str):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=complaint):
        read_splits(str(tmp_path / name), 0.1)


def test_file_in_another_encoding_is_refused(tmp_path: Path):
    (tmp_path / "p.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match="no text in UTF-8"):
        read_splits(str(tmp_path / "p.jsonl"), 0.1)


def test_folder_without_problems_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="has no file in it that ends in"):
        read_splits(str(tmp_path), 0.1)


def test_name_of_nothing_says_what_may_be_named():
    with pytest.raises(ValueError, match=r"There is no data=gone/p\.jsonl in .*Name a file, a folder or a hub id"):
        read_splits("gone/p.jsonl", 0.1)


# ---- parquet and the hub -----------------------------------------------------------------------------------------------------


def without(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    def missing(name: str) -> Any:
        assert name == module
        raise ImportError

    monkeypatch.setattr(maths_data, "import_module", missing)


def test_parquet_asks_for_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "pyarrow.parquet")
    (tmp_path / "p.parquet").touch()
    with pytest.raises(ValueError, match=r"p\.parquet is a parquet file, which pyarrow reads.*Run: pip install pyarrow"):
        read_splits(str(tmp_path / "p.parquet"), 0.1)


def test_parquet_is_read_as_lines_are(tmp_path: Path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow isn't installed: pip install pyarrow")
    arrow = pytest.importorskip("pyarrow")
    for split, row in (("train", GSM8K), ("test", {"question": "2+2?", "answer": "#### 4"})):
        parquet.write_table(arrow.Table.from_pylist([row]), tmp_path / f"{split}-00000-of-00001.parquet")
    found = read_splits(str(tmp_path), 0.1)
    assert (found["train"][0].answer, found["test"][0].answer) == ("2", "4")


def test_hub_id_asks_for_datasets(monkeypatch: pytest.MonkeyPatch):
    without(monkeypatch, "datasets")
    with pytest.raises(ValueError, match=r"hub ids are looked up by datasets; it isn't installed\. Run: pip install datasets"):
        read_splits("openai/gsm8k:main", 0.1)


def test_hub_id_names_a_data_set_and_its_configuration(monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, str | None]] = []

    def load_dataset(name: str, configuration: str | None) -> dict[str, list[dict[str, Any]]]:
        asked.append((name, configuration))
        return {"train": numbered(0, 2), "validation": numbered(2, 1), "test": numbered(3, 1)}

    monkeypatch.setattr(maths_data, "import_module", lambda name: SimpleNamespace(load_dataset=load_dataset))
    assert questions(read_splits("openai/gsm8k:main", 0.1)) == {"train": ["0?", "1?"], "test": ["3?"]}
    read_splits("owner/set", 0.1)
    assert asked == [("openai/gsm8k", "main"), ("owner/set", None)]


def test_hubs_own_words_are_kept_when_it_has_nothing():
    def load_dataset(name: str, configuration: str | None) -> Any:
        raise FileNotFoundError("no such set,\n  sorry")

    with pytest.raises(ValueError, match=r"data=a/b can't be had from the hub: FileNotFoundError: no such set, sorry"):
        hub_splits(SimpleNamespace(load_dataset=load_dataset), "a/b")


def test_datasets_itself_reads_a_folder_of_the_hubs_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    library = pytest.importorskip("datasets", reason="datasets isn't installed: pip install datasets")
    write(tmp_path / "set/train.jsonl", GSM8K)
    write(tmp_path / "set/test.jsonl", {"question": "2+2?", "answer": "#### 4"})
    found = hub_splits(library, str(tmp_path / "set"))
    assert [(p.question, p.answer, p.solution) for p in found["train"]] == [("1+1?", "2", "It is 1+1=2.\n#### 2")]
    assert [p.answer for p in found["test"]] == ["4"]
