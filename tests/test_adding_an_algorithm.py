"""docs/adding-an-algorithm.md does what it says: its file is written, its commands and its test are run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from quintet.cli import main
from quintet.config import ALGORITHMS

PAGE = (Path(__file__).parent.parent / "docs" / "adding-an-algorithm.md").read_text(encoding="utf-8")
PYTHON, CONSOLE = (re.findall(rf"```{kind}\n(.*?)```", PAGE, re.DOTALL) for kind in ("python", "console"))
COMMANDS = [line.removeprefix("$ quintet ") for block in CONSOLE for line in block.splitlines()]


@pytest.fixture
def page_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the page's file in it, and nothing of it left behind in the registry."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(ALGORITHMS, "awr.py:AWR", raising=False)
    (tmp_path / "awr.py").write_text(PYTHON[0], encoding="utf-8")
    yield tmp_path
    ALGORITHMS.pop("awr.py:AWR", None)


def test_page_has_a_file_two_commands_and_a_test():
    assert PYTHON[0].startswith("# awr.py\n")
    assert (len(PYTHON), len(COMMANDS)) == (2, 2)


def test_file_of_the_page_trains_and_is_resumed(page_folder: Path, capsys: pytest.CaptureFixture[str]):
    assert main(shlex.split(COMMANDS[0])) == 0
    assert "--largest-weight" in capsys.readouterr().out
    assert main([*shlex.split(COMMANDS[1]), "--threads", "1", "--out", "run"]) == 0
    settings = (page_folder / "run" / "settings.toml").read_text()
    assert 'algorithm = "awr.py:AWR"' in settings
    assert "beta = 0.25" in settings
    assert len((page_folder / "run" / "metrics.jsonl").read_text().splitlines()) == 3
    assert main(["train", "--resume", "run"]) == 0


def test_numbers_of_the_page_are_right(page_folder: Path):
    exec(compile(PYTHON[1], "adding-an-algorithm.md", "exec"), {})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere.py:AWR", "nowhere.py can't be read: No such file or directory."),
        ("awr.py:ARW", "awr.py has no class ARW; it has AWR."),
    ],
)
def test_file_or_class_that_is_missing_is_named(page_folder: Path, capsys: pytest.CaptureFixture[str], name: str, said: str):
    assert main(["train", name, "--task", "arithmetic"]) == 2
    assert said in capsys.readouterr().err
