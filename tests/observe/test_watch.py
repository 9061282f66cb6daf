"""A comparison's runs as a table in a terminal and as lines elsewhere."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from quintet.observe.watch import watch
from tests.written_comparison import write_comparison, write_member


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_table_fits_80_columns_and_has_every_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    folder = write_comparison(tmp_path / "maze", steps=20, done=[1, 0.5, 0], advice=False)
    out = io.StringIO()
    watch(folder, once=True, file=out)
    text = out.getvalue()
    assert "maze: 13 of 15 runs ended" in text
    assert "…" not in text
    lines = text.splitlines()
    first = next(line for line in lines if line.split()[:2] == ["reinforce", "0"])
    assert first.split()[2:4] == ["done", "20/20"]
    assert [line.split()[1:3] for line in lines if "10/20" in line] == [["running", "10/20"]]
    assert sum("done" in line for line in lines) == 13


def test_elsewhere_a_line_tells_each_change_once_and_the_end_is_the_end(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "maze", ("grpo",), seeds=1, steps=20, done=[0.5], advice=False)
    out, naps = io.StringIO(), []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        assert len(naps) < 5, "nobody said that it is over"
        if len(naps) == 3:
            write_member(folder / "grpo/seed-0", "grpo", 0, 20)

    watch(folder, file=out, sleep=sleep)
    said = out.getvalue().splitlines()
    assert [line.split("  ")[:3] for line in said] == [
        ["grpo · seed 0", "running", "10/20"],
        ["grpo · seed 0", "done", "20/20"],
    ]
    assert len(naps) == 3


def test_a_failed_run_says_why_and_its_text_cannot_act(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path, ("grpo",), seeds=1, steps=20, advice=False)
    (folder / "grpo/seed-0/status.json").write_text(json.dumps({"state": "failed", "reason": "no \x1b[2J memory"}))
    out = io.StringIO()
    watch(folder, file=out, sleep=lambda seconds: None)
    assert "no ⟨U+001B⟩[2J memory" in out.getvalue()
    watch(folder, once=True, file=out)
    assert "\x1b" not in out.getvalue()


def test_in_a_terminal_the_table_is_drawn_until_all_have_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    folder = write_comparison(tmp_path / "maze", ("grpo",), seeds=2, steps=20, done=[1, 0.5], advice=False)
    out, naps = Terminal(), []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        write_member(folder / "grpo/seed-1", "grpo", 1, 20)

    watch(folder, file=out, sleep=sleep)
    assert "1 of 2 runs ended" in out.getvalue()
    assert "2 of 2 runs ended" in out.getvalue()
    assert naps == [1.0]


def test_a_folder_without_a_comparison_is_refused_with_what_to_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no comparison.toml. Name a folder that `quintet compare` made"):
        watch(tmp_path)
