"""A journal is read as it grows, whatever its writer does."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from quintet.observe.tail import Tail, parsed


def steps(tail: Tail) -> list[int]:
    return [row["step"] for row in tail.rows()]


def test_no_file_is_no_line(tmp_path: Path) -> None:
    assert Tail(tmp_path / "none.jsonl").lines() == []


def test_each_look_brings_what_was_added_and_half_a_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    tail = Tail(path)
    path.write_text('{"step": 1}\n{"ste')
    assert steps(tail) == [1]
    assert steps(tail) == []
    with path.open("a") as file:
        file.write('p": 2}\n')
    assert steps(tail) == [2]


def test_a_file_that_a_resumed_run_cut_back_is_read_again_even_when_it_has_grown_past_its_old_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "reward": 0.1}\n')
    tail = Tail(path)
    assert steps(tail) == [1, 2]
    os.truncate(path, len('{"step": 1}\n'))
    with path.open("a") as file:
        file.write('{"step": 2, "reward": 0.7}\n{"step": 3}\n')
    assert (steps(tail), tail.begun) == ([1, 2, 3], 1)


def test_a_long_file_is_caught_up_with_in_several_looks_and_a_line_longer_than_a_look_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"step": 1}\n{"step": 2, "text": "' + "x" * 500 + '"}\n{"step": 3}\n')
    tail = Tail(path, most=20)
    looks = [steps(tail) for _ in range(40)]
    assert [step for look in looks for step in look] == [1, 2, 3]
    assert looks[0] == [1]


def test_lines_say_where_they_begin(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"a": 1}\n{"text": "with\\r return \r"}\n{}\n')
    assert [line.start for line in Tail(path).lines()] == [0, 9, 37]


def test_what_is_no_object_is_left_out() -> None:
    assert [parsed(raw) for raw in (b"", b"[1]", b"{", b"\xff", b'{"a": 1}')] == [None, None, None, None, {"a": 1}]


@given(st.lists(st.text(alphabet="ab\r\n", max_size=5).map(lambda text: text.encode()), max_size=8), st.integers(1, 9))
def test_lines_are_the_same_however_the_file_grew(tmp_path_factory, pieces: list[bytes], most: int) -> None:
    path = tmp_path_factory.mktemp("tail") / "rows"
    tail, found = Tail(path, most), []
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        found += [line.raw for line in tail.lines()]
    for _ in range(50):
        found += [line.raw for line in tail.lines()]
    assert found == b"".join(pieces).split(b"\n")[:-1]
