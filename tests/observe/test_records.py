from __future__ import annotations

import json
from math import isnan
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.observe import records
from tests.run_folder import write_rows, write_run

ROWS = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.25}]


def test_rows_come_back_as_written(tmp_path: Path) -> None:
    write_rows(tmp_path / "metrics.jsonl", ROWS)
    assert list(records.read_jsonl(tmp_path / "metrics.jsonl")) == ROWS


def test_a_missing_file_has_no_rows(tmp_path: Path) -> None:
    assert list(records.read_jsonl(tmp_path / "metrics.jsonl")) == []


@given(cut=st.integers(min_value=0, max_value=200), text=st.text(max_size=30))
def test_a_file_cut_anywhere_reads_as_its_whole_lines(tmp_path_factory: pytest.TempPathFactory, cut: int, text: str) -> None:
    lines = [json.dumps({"step": step, "text": text}, ensure_ascii=False).encode("utf-8", "replace") for step in (1, 2, 3)]
    whole = b"".join(line + b"\n" for line in lines)[: max(cut, 0)]
    path = tmp_path_factory.mktemp("cut") / "rollouts.jsonl"
    path.write_bytes(whole)
    ends = [len(lines[0]), len(lines[0] + lines[1]) + 1, len(lines[0] + lines[1] + lines[2]) + 2]
    assert [row["step"] for row in records.read_jsonl(path)] == [index + 1 for index in range(3) if cut >= ends[index]]


def test_a_last_line_without_its_newline_counts_when_it_is_whole(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"step": 1}\n{"step": 2}')
    assert [row["step"] for row in records.read_jsonl(tmp_path / "a.jsonl")] == [1, 2]


@pytest.mark.parametrize("line", ["{broken", "[1, 2]", "12", '{"step": 1}{"step": 2}'])
def test_a_malformed_line_is_named_with_file_and_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1}}\n{line}\n{{"step": 3}}\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl:2: this line can't be read"):
        list(records.read_jsonl(path))


def test_a_finished_last_line_may_not_be_malformed(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"step": 1}\n{"step":\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:2"):
        list(records.read_jsonl(tmp_path / "a.jsonl"))


def test_a_step_written_twice_counts_once_and_the_later_one(tmp_path: Path) -> None:
    write_rows(tmp_path / "metrics.jsonl", [{"step": 1, "loss": 3}, {"step": 2, "loss": 2}, {"step": 1, "loss": 1}])
    assert records.steps(tmp_path) == [{"step": 1, "loss": 1}, {"step": 2, "loss": 2}]


def test_an_evaluation_written_twice_counts_once_and_the_later_one(tmp_path: Path) -> None:
    row = {"task": "maze", "split": "test", "label": "start", "step": 0}
    write_rows(tmp_path / "evaluations.jsonl", [{**row, "score": 0.1}, {**row, "label": "end"}, {**row, "score": 0.2}])
    assert [(e["label"], e.get("score")) for e in records.evaluations(tmp_path)] == [("start", 0.2), ("end", None)]


def test_rollouts_of_a_step_and_of_the_last_one(tmp_path: Path) -> None:
    write_rows(tmp_path / "rollouts.jsonl", [{"step": step, "group": group} for step in (3, 5, 8) for group in (0, 1)])
    assert records.rollouts(tmp_path, 5) == [{"step": 5, "group": 0}, {"step": 5, "group": 1}]
    assert records.rollouts(tmp_path) == [{"step": 8, "group": 0}, {"step": 8, "group": 1}]


def test_a_step_without_rollouts_is_refused_with_the_steps_that_have_some(tmp_path: Path) -> None:
    write_rows(tmp_path / "rollouts.jsonl", [{"step": 3}, {"step": 8}])
    with pytest.raises(ValueError, match=r"Step 4 .* between 3 and 8"):
        records.rollouts(tmp_path, 4)


def test_a_run_without_rollouts_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds no rollouts"):
        records.rollouts(tmp_path)


def test_a_resumed_run_shows_the_rollouts_of_its_second_try(tmp_path: Path) -> None:
    rows = [{"step": s, "text": t} for s, t in ((1, "old"), (2, "old"), (3, "old"), (2, "new"), (3, "new"))]
    write_rows(tmp_path / "rollouts.jsonl", rows)
    assert [row["text"] for row in records.rollouts(tmp_path, 2)] == ["new"]
    assert [row["text"] for row in records.rollouts(tmp_path)] == ["new"]


def test_first_and_last_rollouts_come_from_one_pass(tmp_path: Path) -> None:
    rows = [{"step": s, "text": t} for s, t in ((4, "old"), (5, "x"), (4, "new"), (5, "y"), (6, "z"), (6, "z"))]
    write_rows(tmp_path / "rollouts.jsonl", rows)
    first, last = records.first_and_last_rollouts(tmp_path)
    assert [row["text"] for row in first] == ["new"]
    assert [row["text"] for row in last] == ["z", "z"]


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"holds none of metrics\.jsonl"):
        records.require_run(tmp_path)
    with pytest.raises(ValueError, match="is not a folder"):
        records.require_run(tmp_path / "nowhere")


def test_settings_and_environment_are_read_and_may_be_missing(tmp_path: Path) -> None:
    assert records.settings(tmp_path) == ("", {})
    assert records.environment(tmp_path) == {}
    run = write_run(tmp_path / "run", 5, 5)
    text, settings = records.settings(run)
    assert settings["task"]["name"] == "maze"
    assert "group_size = 8" in text
    assert records.environment(run)["quintet"] == "0.1.0"


@pytest.mark.parametrize(
    ("name", "content"), [("settings.toml", "a = = 1"), ("environment.json", "[1"), ("environment.json", "[]")]
)
def test_a_broken_settings_or_environment_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    read = records.settings if name == "settings.toml" else records.environment
    with pytest.raises(ValueError, match=name):
        read(tmp_path)


def test_a_number_that_is_missing_null_or_no_number_is_nan() -> None:
    row = {"a": 2, "b": None, "c": "3", "d": True, "e": float("inf")}
    assert records.number(row, "a") == 2.0
    assert all(isnan(records.number(row, key)) for key in "bcdef")
