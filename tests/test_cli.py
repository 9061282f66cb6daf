from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from quintet import cli, runs
from quintet.config import SettingsError, read_run
from quintet.settings import Run

RECIPE = """
task = "maze"
threads = 1
eval_problems = 4
eval_temperature = 1.0
out = "run"
[maze]
size = 3
[[stage]]
algorithm = "sft"
steps = 1
prompts_per_step = 2
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What runs are asked to do, instead of doing it."""
    calls: list[tuple] = []

    def start(run: Run, quiet: bool) -> dict:
        calls.append(("start", run, quiet))
        return {"run": "x", "score": float("nan")}

    def resume(folder: Path, quiet: bool) -> dict:
        calls.append(("resume", folder, quiet))
        return {"run": "y"}

    monkeypatch.setattr(runs, "start", start)
    monkeypatch.setattr(runs, "resume", resume)
    return calls


def failing_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def start(run: Run, quiet: bool) -> dict:
        raise error

    monkeypatch.setattr(runs, "start", start)


# ---- commands --------------------------------------------------------------------------------------------------------------


def test_train_starts_the_run_it_was_asked_for(started: list[tuple], capsys: pytest.CaptureFixture[str]):
    assert cli.main(["train", "--recipe", "recipe.toml", "--seed", "5", "--lr", "0.5"]) == 0
    ((what, run, quiet),) = started
    assert (what, run.machine.seed, run.stages[0].algorithm.update.lr, quiet) == ("start", 5, 0.5, False)
    assert capsys.readouterr().out == ""


def test_json_is_the_last_line_and_every_reader_can_read_it(started: list[tuple], capsys: pytest.CaptureFixture[str]):
    assert cli.main(["train", "--recipe", "recipe.toml", "--json"]) == 0
    assert started[0][2] is True
    assert capsys.readouterr().out == '{"run": "x", "score": null}\n'


def test_resume_goes_on_with_the_run_in_a_folder(started: list[tuple], capsys: pytest.CaptureFixture[str]):
    assert cli.main(["train", "--resume", "some/run", "--json"]) == 0
    assert started == [("resume", Path("some/run"), True)]
    assert json.loads(capsys.readouterr().out) == {"run": "y"}


def test_resumed_run_keeps_its_settings(started: list[tuple], capsys: pytest.CaptureFixture[str]):
    assert cli.main(["train", "grpo", "--resume", "run", "--lr", "1", "--small"]) == 2
    assert started == []
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["grpo", "--lr", "--small"]


def test_dry_run_prints_a_recipe_of_the_run_and_leaves_nothing(started: list[tuple], capsys: pytest.CaptureFixture[str]):
    assert cli.main(["train", "--recipe", "recipe.toml", "--dry-run"]) == 0
    printed = capsys.readouterr().out
    Path("printed.toml").write_text(printed)
    assert tomllib.loads(printed)["maze"]["size"] == 3
    assert read_run(Path("printed.toml")) == read_run(Path("recipe.toml"))
    assert started == []
    assert not Path("run").exists()


def test_last_stands_for_the_newest_run(started: list[tuple]):
    for name in ("old", "new"):
        Path("runs", name).mkdir(parents=True)
        (Path("runs", name) / "settings.toml").touch()
        time.sleep(0.01)
    Path("runs/neither").mkdir()
    cli.main(["train", "--resume", "runs/last"])
    assert started[0][1] == Path("runs/new")


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was really made."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    recipe = folder.parent / "recipe.toml"
    recipe.write_text(RECIPE + '[[stage]]\nalgorithm = "grpo"\nsteps = 1\nprompts_per_step = 2\ngroup_size = 2\n')
    assert cli.main(["train", "--recipe", str(recipe), "--out", str(folder), "--json"]) == 0
    return folder


def test_settings_of_a_run_are_its_recipe(run_folder: Path):
    made = read_run(run_folder / "settings.toml")
    assert (made.task.size, [s.name for s in made.stages], made.machine.out) == (3, ["sft", "grpo"], str(run_folder))


@pytest.mark.parametrize("model", ["", "model", "checkpoints/step-000002", "checkpoints/step-000002/model"])
def test_model_of_a_run_is_scored_on_the_runs_task(run_folder: Path, model: str, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["eval", str(run_folder / model), "--problems", "3", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["task"], row["n"], row["unit"], row["sampling"]["temperature"]) == ("maze", 3, "solved", 1.0)
    assert Path(row["model"]) == (run_folder / model if model.endswith("model") else run_folder / model / "model")


def test_evaluation_prints_a_table_by_level(run_folder: Path, capsys: pytest.CaptureFixture[str]):
    arguments = ["eval", "preset:1m", "--task", "arithmetic", "--max-level", "1", "--problems", "2", "--threads", "1"]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "level 1" in printed
    assert "2 problems" in printed


def test_evaluation_of_several_answers_is_sampled_and_printed_by_k(capsys: pytest.CaptureFixture[str]):
    arguments = [
        "eval",
        "preset:1m",
        "--task",
        "arithmetic",
        "--max-level",
        "1",
        "--problems",
        "2",
        "--threads",
        "1",
        "--k",
        "2",
    ]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "2 problems, 2 answers each" in printed
    assert "Pass@2" in printed
    assert "Maj@2" in printed
    assert cli.main([*arguments, "--json", "--temperature", "0.5"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert (row["k"], row["sampling"]["temperature"], list(row["pass"]), list(row["maj"])) == (2, 0.5, ["1", "2"], ["1", "2"])


def test_rollouts_and_report_read_a_run(run_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["rollouts", str(run_folder), "--limit", "1"]) == 0
    assert "Step 2 (grpo)" in capsys.readouterr().out
    assert cli.main(["report", str(run_folder), "-o", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    (run_folder / "report.html").unlink()
    assert cli.main(["report", str(run_folder)]) == 0
    assert (run_folder / "report.html").exists()


def test_doctor_prints_words_or_json(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["doctor"]) == 0
    assert "Start from:" in capsys.readouterr().out
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs_writable"] is True


# ---- what goes wrong -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["trian"], 'There is no command "trian". Did you mean "train"? There are '),
        (["train", "gropo", "--task", "maze"], 'train gropo: There is no algorithm "gropo". Did you mean "grpo"?'),
        (["train", "grpo", "sft", "--task", "maze"], "sft: One algorithm at a time; several are the stages of a recipe"),
        (["train", "--recipe", "gone.toml"], "gone.toml: There is no such file."),
        (["eval", "--task", "maze"], "MODEL: Name one: a run's folder"),
        (["eval", "a", "b", "--task", "maze"], "MODEL: Name one: a run's folder"),
        (["eval", "preset:1m"], "No task was named."),
        (["eval", "preset:1m", "--task", "maze", "--problems", "0"], "--problems: It must be a whole number of at least 1"),
        (["eval", "preset:1m", "--task", "maze", "--k", "0"], "--k: It must be a whole number of at least 1"),
        (
            ["eval", "preset:1m", "--task", "maze", "--k", "2", "--temperature", "0"],
            "--temperature: At temperature=0 all answers",
        ),
        (["rollouts"], "RUN: Name one: the folder of a run."),
        (["rollouts", "run", "--step", "two"], '--step: It must be a whole number of at least 0, not "two".'),
        (["rollouts", "run", "--stp", "2"], '--stp: There is no such flag. Did you mean "--step"?'),
        (["report", "run", "--seed", "2"], "--seed: quintet report has no such flag. It has --out, --help."),
        (["doctor", "now"], "now: quintet doctor takes no more than its options."),
    ],
)
def test_wrong_arguments_are_one_line_each_and_exit_with_2(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert any(line.startswith(complaint) for line in err.splitlines()), err


def test_every_problem_is_a_line(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["train", "--recipe", "recipe.toml", "--size", "2", "--lr", "-1", "--steps"]) == 2
    assert [line.partition(":")[0] for line in capsys.readouterr().err.splitlines()] == ["--steps", "--size", "--lr"]


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (ValueError("No such model. Give another."), "No such model. Give another."),
        (runs.RunError("The disk is full."), "The disk is full."),
        (KeyError("x"), "Quintet failed, and that is a mistake in it: KeyError: 'x' (QUINTET_TRACEBACK=1 shows where)."),
        (RuntimeError("CUDA out of memory. Tried to allocate"), "The memory ran out. Set --micro-batch to a small number"),
        (MemoryError(), "The memory ran out."),
    ],
)
def test_failed_run_is_one_sentence_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception, sentence: str
):
    failing_with(monkeypatch, error)
    assert cli.main(["train", "--recipe", "recipe.toml"]) == 1
    err = capsys.readouterr().err
    assert err.startswith(sentence)
    assert err.count("\n") == 1
    monkeypatch.setenv("QUINTET_TRACEBACK", "1")
    with pytest.raises(type(error)):
        cli.main(["train", "--recipe", "recipe.toml"])


def test_wrong_settings_are_no_failure_of_the_run(monkeypatch: pytest.MonkeyPatch):
    failing_with(monkeypatch, SettingsError([]))
    assert cli.main(["train", "--recipe", "recipe.toml"]) == 2


def test_ctrl_c_exits_with_130(monkeypatch: pytest.MonkeyPatch):
    failing_with(monkeypatch, KeyboardInterrupt())
    assert cli.main(["train", "--recipe", "recipe.toml"]) == 130


# ---- as a program ----------------------------------------------------------------------------------------------------------


ROOT = Path(cli.__file__).parents[1]


def program(*arguments: str) -> subprocess.CompletedProcess[str]:
    return shell([sys.executable, "-m", "quintet.cli", *arguments])


def shell(command: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.parametrize("arguments", [["--help"], ["help"], [], ["help", "train"], ["train", "-h"], ["doctor", "--help"]])
def test_help_exits_with_0(arguments: list[str]):
    done = program(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage: quintet" in done.stdout


def test_version_is_the_packages():
    assert program("--version").stdout == "quintet 0.1.0\n"


def test_wrong_settings_of_a_program_exit_with_2():
    done = program("train", "grpo", "--task", "maze", "--group-size", "1")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "--group-size: GRPO compares siblings and needs at least 2 answers a prompt; group_size=1. "
        "Set group_size=8, or choose reinforce.\n"
    )


def test_reader_that_closes_the_pipe_ends_the_program_quietly():
    command = f"{sys.executable} -m quintet.cli train grpo --task maze --dry-run | head -n 1"
    done = shell(["bash", "-o", "pipefail", "-c", command])
    assert done.stdout.startswith("# The settings of a run")
    assert done.stderr == ""


# ---- comparisons -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["compare", "--task", "maze"], "Nothing is compared yet. Write --algorithms A,B,…"),
        (
            ["compare", "--algorithms", "grpo,trop", "--task", "maze"],
            '--algorithms: There is no algorithm "trop". Did you mean "trpo"?',
        ),
        (["compare", "grpo", "--task", "maze"], "grpo: Algorithms stand behind --algorithms, with commas between them."),
        (["compare", "--resume", "x", "--lr", "1"], "--lr: A comparison keeps its own settings; --seeds N alone may grow."),
        (["compare", "--resume", "x", "--seeds", "many"], '--seeds: It must be a whole number of at least 1, not "many".'),
        (["compare", "--resume", "x", "--recipe", "y"], "--recipe: A comparison keeps its own settings."),
        (["advise"], "FOLDER: Name one: the folder of a comparison"),
        (["advise", "x", "--task", "maze"], "--task: A comparison keeps its own settings."),
        (
            ["advise", "x", "--score", "high"],
            '--score: It must be a number such as 0.4 (a share, where problems are solved), not "high".',
        ),
        (["advise", "--task", "mace"], 'There is no task "mace". Did you mean "maze"?'),
    ],
)
def test_mistakes_in_comparing_are_told_before_anything_starts(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
):
    assert cli.main(arguments) == 2
    assert told in capsys.readouterr().err


def test_advise_on_a_folder_that_is_no_comparison_is_one_sentence(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["advise", "nowhere"]) == 1
    assert capsys.readouterr().err.startswith("nowhere is not a folder. Name a folder that `quintet compare` has written")


def test_a_dry_comparison_prints_a_recipe_that_gives_the_same_again(capsys: pytest.CaptureFixture[str]):
    given = ["--task", "maze", "--maze.size", "3", "--out", "compared"]
    assert cli.main(["compare", "--algorithms", "grpo,ppo", "--ppo.lr", "0.25", *given, "--dry-run"]) == 0
    printed = capsys.readouterr().out
    Path("again.toml").write_text(printed)
    assert cli.main(["compare", "--recipe", "again.toml", "--dry-run"]) == 0
    assert capsys.readouterr().out == printed
    assert tomllib.loads(printed)["contender"][1]["lr"] == 0.25
    assert not Path("compared").exists()


def test_help_of_a_comparison_shows_its_settings(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["compare", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("--seeds N", "--tokens N", "--seconds X", "--parallel N", "--resume FOLDER", "grpo"))
    assert cli.main(["advise", "--help"]) == 0
    assert "--score X" in capsys.readouterr().out
