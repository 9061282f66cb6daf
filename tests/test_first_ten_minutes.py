"""Every error that a new user meets in the first ten minutes, met on purpose: each is a sentence or two that says what, why and
what next, comes before anything expensive starts, and never shows a traceback.

A row is a situation, the command and what its complaint must say. What is written to disk is in `FILES`.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quintet import cli, runs
from quintet.models.load import from_nothing, tokenizer_for
from quintet.observe.journal import Journal
from quintet.tasks.arithmetic import Arithmetic

ROWS = "".join(json.dumps({"prompt": f"{i} + 1 = ", "answer": i + 1}) + "\n" for i in range(12))
FILES: dict[str, str] = {
    "p.jsonl": ROWS,
    "bom.jsonl": "\ufeff" + ROWS,
    "table.csv": 'prompt,answer\n"1 + 1 = ",2\n',
    "list.json": "[" + ", ".join(ROWS.splitlines()) + "]",
    "pretty.json": json.dumps([json.loads(row) for row in ROWS.splitlines()], indent=1),
    "commas.jsonl": '{"prompt": "a"},\n{"prompt": "b"},\n',
    "quotes.jsonl": "{'prompt': 'a'}\n",
    "empty.jsonl": "",
    "column.jsonl": '{"question": "x", "answer": 1}\n',
    "number.jsonl": '{"prompt": 3}\n',
    "one.jsonl": '{"prompt": "a"}\n',
    "chat.jsonl": "".join(json.dumps({"prompt": [{"role": "user", "content": str(i)}]}) + "\n" for i in range(9)),
    "r.py": "def reward(completions, **columns):\n    return [float(len(t) % 3) for t in completions]\n",
    "syntax.py": "def reward(completions, **columns)\n    return 1\n",
    "imports.py": "import nowhere_to_be_found\n",
    "nameless.py": "def score(completions, **columns):\n    return []\n",
    "column.py": "def reward(completions, solution):\n    return []\n",
    "raises.py": "def reward(completions, answer, **columns):\n    return [1 / 0 for a in answer]\n",
    "short.py": "def reward(completions, **columns):\n    return [1.0]\n",
    "none.py": "def reward(completions, **columns):\n    [1.0 for t in completions]\n",
    "texts.py": "def reward(completions, **columns):\n    return ['good' for t in completions]\n",
    "single.py": "def reward(completions, **columns):\n    return 1.0\n",
    "nan.py": "def reward(completions, **columns):\n    return [float('nan') for t in completions]\n",
    "same.py": "def reward(completions, **columns):\n    return [0.0 for t in completions]\n",
    "bad.toml": 'task = "maze"\n[[stage]\n',
}
FAST = ["--threads", "1", "--steps", "1", "--prompts-per-step", "2", "--group-size", "2", "--eval-problems", "2"]
FAST += ["--max-new-tokens", "3"]
OWN = ["--data", "p.jsonl", "--reward", "r.py"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text, encoding="utf-8")
    Path("utf16.jsonl").write_text(ROWS, encoding="utf-16")
    Path("empty-folder").mkdir()


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code of a command and what it wrote to stderr."""
    code = cli.main(arguments)
    return code, capsys.readouterr().err


def data(name: str) -> list[str]:
    return ["train", "grpo", "--data", name, "--reward", "r.py"]


def reward(name: str) -> list[str]:
    return ["train", "grpo", "--data", "p.jsonl", "--reward", name]


def own(*flags: str) -> list[str]:
    return ["train", "grpo", *OWN, *flags]


BEFORE: list[tuple[str, list[str], tuple[str, ...]]] = [
    # the command line
    ("no such command", ["trian"], ('There is no command "trian". Did you mean "train"?',)),
    (
        "nothing behind train",
        ["train"],
        ("No task was named. Write --task NAME", "No algorithm was named. Write quintet train NAME"),
    ),
    ("letters swapped", ["train", "gpro", "--task", "maze"], ('There is no algorithm "gpro". Did you mean "grpo"?',)),
    ("no such task", ["train", "grpo", "--task", "mase"], ('--task: There is no task "mase". Did you mean "maze"?',)),
    ("a task for an algorithm", ["train", "maze"], ("maze: This is a task.", "quintet train grpo --task maze")),
    ("a recipe for an algorithm", ["train", "my.toml"], ("my.toml: Files are named by flags: --recipe my.toml",)),
    ("data for an algorithm", ["train", "p.jsonl"], ("p.jsonl: Files are named by flags: --data p.jsonl",)),
    ("one dash", own("-group-size", "4"), ("-group-size: Flags begin with two dashes: --group-size",)),
    ("no such setting", own("--temprature", "1"), ('There is no setting temprature. Did you mean "--temperature"?',)),
    ("another library's name", own("--learning-rate", "1e-5"), ("here it is called --lr",)),
    ("no value", own("--steps"), ("--steps: It needs a value behind it.",)),
    ("text for a number", own("--lr", "fast"), ('--lr: lr must be a number above 0 and at most 1, not "fast".',)),
    ("an absurd learning rate", own("--lr", "1e6"), ('--lr: lr must be a number above 0 and at most 1, not "1e6".',)),
    ("a learning rate of 0", own("--lr", "0"), ("--lr: lr must be a number above 0",)),
    ("no step", own("--steps", "0"), ("--steps: steps must be a whole number of at least 1",)),
    (
        "one answer a prompt",
        own("--group-size", "1"),
        ("needs at least 2 answers a prompt", "Set group_size=8, or choose reinforce."),
    ),
    (
        "greedy sampling",
        own("--temperature", "0"),
        ("At temperature=0 all answers to a prompt are the same", "Set temperature=1"),
    ),
    ("no such device", own("--device", "gpu"), ('device must be auto, cpu, cuda or mps, not "gpu".',)),
    ("no such recipe", ["train", "--recipe", "gone.toml"], ("gone.toml: There is no such file.",)),
    ("no TOML", ["train", "--recipe", "bad.toml"], ("bad.toml:2: This is no TOML:",)),
    # data
    ("no such file", data("gone.jsonl"), ("--data: ", "There is no file gone.jsonl in ")),
    ("a folder for a file", data("empty-folder"), ("--data: ", "Is a directory.")),
    (
        "CSV",
        data("table.csv"),
        ("must have one JSON object a line", "it looks like a table (CSV)", "python -c 'import csv, json"),
    ),
    ("a JSON list", data("list.json"), ("must have one JSON object a line", "python -c 'import sys, json")),
    ("a JSON list over lines", data("pretty.json"), ("it is one JSON text over several lines or a list",)),
    ("data and reward swapped", ["train", "grpo", "--data", "r.py", "--reward", "p.jsonl"], ("Are data and reward swapped?",)),
    ("commas behind lines", data("commas.jsonl"), ("commas.jsonl:1: this is no JSON", "Lines end without a comma.")),
    ("single quotes", data("quotes.jsonl"), ("quotes.jsonl:1: this is no JSON", "Keys and texts stand in double quotes.")),
    ("an empty file", data("empty.jsonl"), ('empty.jsonl has no rows. Write one JSON object a line, such as {"prompt":',)),
    ("another encoding", data("utf16.jsonl"), ("utf16.jsonl is no text in UTF-8.", "save the file as UTF-8")),
    (
        "the wrong column",
        data("column.jsonl"),
        ('column.jsonl:1: a row needs the key "prompt"', 'Rename "question" to "prompt".'),
    ),
    ("a number for a prompt", data("number.jsonl"), ('number.jsonl:1: "prompt" must be a text or a list of messages',)),
    ("one prompt", data("one.jsonl"), ("leaves no prompt for test: one.jsonl has 1", "evaluate nothing: eval_problems=0")),
    ("chat for a preset", data("chat.jsonl"), ("model=preset:1m has no chat template", "start from a chat model")),
    (
        "no completions",
        ["train", "sft", "--data", "p.jsonl"],
        ('p.jsonl:1 has no "completion" to learn from', "Add completions"),
    ),
    (
        "no pairs",
        ["train", "dpo", "--data", "p.jsonl"],
        ("dpo learns from pairs. There are none here", "Add pairs to the data"),
    ),
    ("no data", ["train", "grpo", "--reward", "r.py"], ("No prompts were named. Write --data FILE.jsonl",)),
    # rewards
    (
        "no reward",
        ["train", "grpo", "--data", "p.jsonl"],
        ("No reward was named for grpo to learn from. Write --reward FILE.py",),
    ),
    ("no such reward file", reward("gone.py"), ("--reward: There is no file reward=gone.py in ",)),
    ("a syntax error", reward("syntax.py"), ("syntax.py can't be run: SyntaxError", "(syntax.py, line 1)")),
    ("an import that fails", reward("imports.py"), ("No module named 'nowhere_to_be_found' (imports.py, line 1)",)),
    ("no function of that kind", reward("nameless.py"), ("it has score. Rename one, or name it: nameless.py:NAME",)),
    ("no function of that name", reward("r.py:rewrd"), ("r.py has no function rewrd. It has reward.",)),
    ("a column that isn't there", reward("column.py"), ("asks for solution, which the data don't have. They offer",)),
    # models and folders
    ("no such preset", own("--model", "preset:2m"), ("There is no preset model=preset:2m.", "There are preset:1m")),
    (
        "no such model folder",
        own("--model", "./gone"),
        ("model=./gone is no folder here", "give a hub id (owner/name) or a preset"),
    ),
    ("a folder without a model", own("--model", "empty-folder"), ("is a folder without a config.json",)),
    ("a file for a folder", own("--model", "r.py"), ("model=r.py is a file. Give the folder",)),
    ("out is a file", own("--out", "r.py"), ("out=r.py is a file. Choose a folder for the run.",)),
    # the other commands
    ("check without data", ["check"], ("No task was named.", "--data FILE.jsonl --reward FILE.py")),
    ("check of no file", ["check", "gone.jsonl", "--reward", "r.py"], ("There is no file gone.jsonl in ",)),
    ("eval of nothing", ["eval"], ("MODEL: Name one: a run's folder",)),
    ("eval without a reward", ["eval", "preset:1m", "--data", "p.jsonl"], ("No reward was named to score answers by.",)),
    ("rollouts of nothing", ["rollouts"], ("RUN: Name one: the folder of a run.",)),
]


@pytest.mark.parametrize(("arguments", "parts"), [row[1:] for row in BEFORE], ids=[row[0] for row in BEFORE])
def test_it_is_said_before_anything_is_loaded(
    arguments: list[str], parts: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(runs, "start", None)  # no run begins, and so no model is
    code, text = said(arguments, capsys)
    assert code == 2, text
    for part in parts:
        assert part in text
    assert "Traceback" not in text
    assert "[functions]" not in text, "who wrote flags never saw that section"
    assert not Path("runs").exists()


NO_RUN: list[tuple[str, list[str], str]] = [
    ("rollouts of no folder", ["rollouts", "nosuch"], "nosuch is not a folder. Name a folder that `quintet train` has written"),
    ("rollouts of another folder", ["rollouts", "empty-folder"], "empty-folder holds none of metrics.jsonl"),
    ("report of no folder", ["report", "nosuch"], "nosuch is not a folder. Name a folder that `quintet train` has written"),
    ("resume of no run", ["train", "--resume", "nosuch"], "nosuch holds no run to resume: it has no settings.toml."),
]


@pytest.mark.parametrize(("arguments", "part"), [row[1:] for row in NO_RUN], ids=[row[0] for row in NO_RUN])
def test_folder_that_holds_no_run_is_named(arguments: list[str], part: str, capsys: pytest.CaptureFixture[str]):
    code, text = said(arguments, capsys)
    assert (code, part in text) == (1, True), text


@pytest.mark.parametrize(
    ("file", "parts"),
    [
        (
            "raises.py",
            ("ZeroDivisionError: division by zero (raises.py, line 2)", "first prompt: ", "`quintet check` calls it"),
        ),
        ("short.py", ("must return a number for each of the 2 completions; it returned 1.",)),
        ("none.py", ("must return a list of 2 numbers; it returned None (NoneType). Is its `return` missing?",)),
        ("texts.py", ("must return numbers or None; among its values is 'good' (str).",)),
        ("single.py", ("must return a list of 2 numbers; it returned 1.0 (float).",)),
    ],
)
def test_broken_reward_is_a_sentence_and_the_same_command_can_be_given_again(
    file: str, parts: tuple[str, ...], capsys: pytest.CaptureFixture[str]
):
    """It shows only when answers are graded: in the first evaluation, so nothing has been trained yet."""
    code, text = said([*reward(file), *FAST, "--out", "run"], capsys)
    assert code == 1
    for part in parts:
        assert part in text
    Path(file).write_text(FILES["r.py"])
    assert said([*reward(file), *FAST, "--out", "run"], capsys) == (0, "")


@pytest.mark.parametrize(
    ("file", "part"),
    [
        ("nan.py", "All 4 rewards are not a finite number"),
        ("same.py", "All 4 rewards are 0, so no answer is better than another"),
    ],
)
def test_reward_that_teaches_nothing_is_told_after_the_first_step(file: str, part: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main([*reward(file), *FAST, "--out", "run"]) == 0
    assert part in capsys.readouterr().out


def test_reward_that_goes_on_teaching_nothing_is_hinted_at(capsys: pytest.CaptureFixture[str]):
    assert cli.main([*reward("same.py"), *FAST, "--steps", "10", "--eval-problems", "0", "--out", "run"]) == 0
    hint = "Hint: For 8 steps at least 100\u202f% of the groups were tied"
    assert capsys.readouterr().out.count(hint) == 1


def test_byte_order_mark_is_no_error(capsys: pytest.CaptureFixture[str]):
    assert said([*data("bom.jsonl"), "--dry-run"], capsys) == (0, "")


# ---- models ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def model() -> Path:
    from_nothing("1m", tokenizer_for(Arithmetic()), 0).save(Path("model"))
    return Path("model")


def without(file: Path, *keys: str) -> None:
    settings = json.loads(file.read_text())
    file.write_text(json.dumps({k: v for k, v in settings.items() if k not in keys}))


def test_model_without_a_token_for_padding_or_for_the_end_is_no_error(model: Path, capsys: pytest.CaptureFixture[str]):
    without(model / "tokenizer_config.json", "pad_token", "eos_token")
    without(model / "config.json", "pad_token_id", "eos_token_id")
    (model / "generation_config.json").unlink()
    assert said([*own("--model", "model"), *FAST, "--out", "run"], capsys) == (0, "")


def test_model_without_a_chat_template_is_refused_chat_before_it_is_loaded(model: Path, capsys: pytest.CaptureFixture[str]):
    code, text = said([*data("chat.jsonl"), "--model", "model"], capsys)
    assert code == 2
    assert "model=model has no chat template, but the prompts of functions are chat messages. Use plain text prompts" in text
    (model / "chat_template.jinja").write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    assert said([*data("chat.jsonl"), "--model", "model", "--dry-run"], capsys) == (0, "")


@pytest.mark.parametrize(
    ("spoil", "part"),
    [
        (lambda model: (model / "model.safetensors").unlink(), "no file named model.safetensors"),
        (
            lambda model: (model / "model.safetensors").write_bytes(b"garbage" * 9),
            "header too large. Give a transformers folder",
        ),
        (lambda model: (model / "config.json").write_text("{not json"), "is not a valid JSON file. Give a transformers folder"),
        (lambda model: [f.unlink() for f in model.glob("token*")], "it has no tokenizer. Give a transformers folder"),
    ],
    ids=["no weights", "broken weights", "broken config", "no tokenizer"],
)
def test_folder_that_is_half_a_model_is_a_sentence(spoil, part: str, model: Path, capsys: pytest.CaptureFixture[str]):
    spoil(model)
    code, text = said([*own("--model", "model"), *FAST, "--out", "run"], capsys)
    assert code == 1
    assert "No causal language model could be loaded from 'model'" in text
    assert part in text


def test_a_runs_folder_for_a_model_is_told_where_the_model_is(model: Path, capsys: pytest.CaptureFixture[str]):
    Path("run").mkdir()
    shutil.move("model", "run/model")
    code, text = said(own("--model", "run"), capsys)
    assert (code, "model=run is a run's folder. Its model is in run/model." in text) == (2, True)


# ---- folders, disks, interruptions -----------------------------------------------------------------------------------------


def test_folder_that_holds_a_run_is_not_written_over(capsys: pytest.CaptureFixture[str]):
    Path("run/checkpoints").mkdir(parents=True)
    code, text = said(own("--out", "run"), capsys)
    assert (code, "out=run holds a run already. Go on with it (quintet train --resume run)" in text) == (2, True)


def test_folder_that_may_not_be_written_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(os, "access", lambda *_: False)  # whoever is root may write everywhere
    code, text = said(own("--out", "sub/run"), capsys)
    assert (code, "out=sub/run can't be made: you may not write in " in text) == (2, True)


def test_report_that_can_not_be_written_names_the_file(capsys: pytest.CaptureFixture[str]):
    assert cli.main([*own(), *FAST, "--out", "run"]) == 0
    capsys.readouterr()
    code, text = said(["report", "run", "-o", "empty-folder"], capsys)
    assert code == 1
    assert "empty-folder" in text
    assert "a mistake in it" not in text


def test_full_disk_ends_a_run_with_the_way_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    def full(self: Journal, name: str, *rows: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", f"run/{name}.jsonl")

    monkeypatch.setattr(Journal, "append", full)
    code, text = said([*own(), *FAST, "--out", "run"], capsys)
    assert code == 1
    assert "The run could not write to run/evaluations.jsonl: No space left on device. Make room, then go on with:" in text


def test_missing_package_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    def start(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

    monkeypatch.setattr(runs, "start", start)
    code, text = said(own(), capsys)
    assert code == 1
    assert (
        "The package transformers is missing. Install it (python -m pip install transformers); see also: quintet doctor" in text
    )


def test_python_that_is_too_old_is_told_what_it_takes():
    program = "import sys; sys.version_info = (3, 9, 1); sys.version = '3.9.1 (old)'; import quintet"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=cli_folder())
    assert found.returncode == 1
    assert found.stderr == "Quintet needs Python 3.11 or newer; this is 3.9.1. Make an environment with a newer one.\n"


def test_control_c_finishes_the_step_saves_and_says_how_to_go_on():
    """A real process, sent a real signal; the second command goes on where the first one stopped."""
    flags = [*FAST, "--steps", "100000", "--eval-problems", "0", "--out", str(Path("run").absolute())]
    here = [str(Path(name).absolute()) if name in FILES else name for name in own()]
    command = [sys.executable, "-m", "quintet.cli", *here, *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cli_folder())
    deadline = time.monotonic() + 120
    while not (metrics := Path("run/metrics.jsonl")).exists() or not metrics.read_text():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()  # noqa: PT018
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Finishing this step, then saving. Press Ctrl-C again to stop at once." in err
    assert "which is saved; go on with: quintet train --resume" in out
    assert any(Path("run/checkpoints").iterdir())


def cli_folder() -> Path:
    """Where the package under test is imported from."""
    return Path(cli.__file__).parent.parent
