"""Every code block of README and docs does what it says: commands run, Python runs, recipes are read.

What isn't run is marked in the page with the reason, or is one of the few kinds listed here.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from quintet import cli
from quintet.config import ALGORITHMS, read_run
from quintet.models.load import from_nothing, tokenizer_for
from quintet.tasks.arithmetic import Arithmetic
from tests.documentation import MARKS, PAGES, ROOT, Block, Command, blocks, commands

BLOCKS = [block for page in PAGES for block in blocks(page)]
LANGUAGES = {"console", "python", "toml", "jsonl", "text"}
QUOTES = {"ARCHITECTURE.md": "quintet/train.py"}
"""Python blocks that quote a file: their lines are compared with it."""
OTHERS = {
    "source .venv/bin/activate": "it changes the reader's shell",
    "pip install -e .": "the tests run in such an environment",
}
"""Commands that are no block's business to run."""
CHAT = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
BAD = """\
task = "maze"
sed = 3
[maze]
size = 12
[[stage]]
algorithm = "grpo"
lr = "fast"
group_size = 1
lam = 0.9
[samplin]
"""
"""The recipe that README shows the complaints about."""


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with what pages take for granted: the examples, the recipes, a model, a set of problems."""
    for name in ("examples", "recipes"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "bad.toml").write_text(BAD)
    shutil.copy(ROOT / "examples/arithmetic_reward/prompts.jsonl", tmp_path)
    for name, row in {
        "gsm8k/train.jsonl": {"question": "What is 3 + 4?", "answer": "3 + 4 = 7\n#### 7"},
        "math500/test.jsonl": {
            "problem": "What is 1 + 1?",
            "answer": "2",
            "solution": r"\boxed{2}",
            "level": 1,
            "subject": "x",
        },
    }.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("".join(json.dumps({**row, "n": n}) + "\n" for n in range(1)))
    tokenizer = tokenizer_for(Arithmetic())
    tokenizer.chat_template = CHAT
    from_nothing("1m", tokenizer, 0).save(tmp_path / "path/or/hub-id")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    before = dict(ALGORITHMS)
    yield tmp_path
    for name in set(ALGORITHMS) - set(before):
        del ALGORITHMS[name]


@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS}))
def test_blocks_of_the_page_do_what_they_say(page: str, scratch: Path, capsys: pytest.CaptureFixture[str]):
    for block in blocks(page):
        if block.mark == "not run":
            continue
        if block.language == "console":
            for command in commands(block):
                _run(command, block, capsys)
        elif block.language == "python":
            _python(block, scratch)
        elif block.language == "toml":
            _recipe(block, scratch)
        elif block.language == "jsonl":
            _rows(block, scratch)


# ---- each kind -------------------------------------------------------------------------------------------------------------


def _run(command: Command, block: Block, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(command.text)
    if words[0] == "quintet":
        if words[1] in ("train", "check") and "--resume" not in words and "--help" not in words:
            words += shlex.split(block.extra)
        words += ["--threads", "1"] if words[1] == "eval" else []
        words = ["runs/last" if word == "RUN" else word for word in words]
        capsys.readouterr()
        code = cli.main(words[1:])
        printed = "".join(capsys.readouterr())
        assert code == (2 if command.output else 0), f"{block.place}: {command.text}\n{printed}"
        if command.output and block.mark != "output differs":
            assert printed == command.output, f"{block.place}: {command.text}"
    elif words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), block.place
    elif words[:2] == ["python", "-m"]:
        assert find_spec(words[2]), block.place
    elif words[:3] == ["pip", "install", "-e"] and (extra := re.search(r"\[(.+)\]", words[3])):
        assert extra[1] in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"], block.place
    else:
        assert command.text in OTHERS, f"{block.place}: nothing here knows how to run {command.text!r}"


def _python(block: Block, folder: Path) -> None:
    if block.page in QUOTES:
        source = (ROOT / QUOTES[block.page]).read_text()
        for line in block.text.splitlines():
            assert re.sub(r"\s+#.*", "", line).strip() in source, f"{block.place}: {line}"
        return
    if block.file:
        (folder / block.file).write_text(block.text, encoding="utf-8")
    exec(compile(block.text, block.place, "exec", dont_inherit=True), {"__name__": "__page__"})


def _recipe(block: Block, folder: Path) -> None:
    path = folder / (block.file or "block.toml")
    path.write_text(block.text, encoding="utf-8")
    read_run(path)


def _rows(block: Block, folder: Path) -> None:
    """The data of a page: pairs.jsonl if they are pairs, else prompts.jsonl."""
    rows = [json.loads(line) for line in block.text.splitlines()]
    (folder / ("pairs.jsonl" if "chosen" in rows[0] else "prompts.jsonl")).write_text(block.text, encoding="utf-8")


# ---- nothing is left out in silence ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_every_block_names_a_language_that_is_run_and_every_mark_a_reason(block: Block):
    assert block.language in LANGUAGES, "a block without a known language can't be run"
    assert block.mark in ("", *MARKS), block.mark
    if block.mark in ("not run", "output differs"):
        assert len(block.said.split()) >= 3, "say why"


def test_what_is_not_run_is_this_and_no_more():
    """Whoever marks a block writes it down here, too; blocks of text show what is printed, and run nothing."""
    assert {block.page: block.said for block in BLOCKS if block.mark == "not run"} == NOT_RUN


NOT_RUN = {
    "docs/live.md": "it serves a page until somebody ends it",
    "docs/process-supervision.md": "it needs models and data of the reader",
    "docs/recipes/cargo.md": "minutes to hours",
    "docs/recipes/deepseekmath.md": "it takes from a minute to hours",
    "docs/tasks-cargo.md": "it needs Rust and a sandbox, a model from the hub, and minutes",
}


def test_pages_have_blocks_of_every_kind():
    assert {block.language for block in BLOCKS} >= {"console", "python", "toml", "jsonl"}


def test_comments_and_continued_lines_of_commands_are_understood():
    block = Block("page", 1, "console", "$ make  test   # all\n$ quintet train grpo \\\n    --lr 1e-3 # toy\nsaid\n")
    assert commands(block) == [Command("make test", ""), Command("quintet train grpo --lr 1e-3", "said\n")]
