"""Settings that don't go together, with each other or with the machine; evaluations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quintet.config import SettingsError, new_evaluation, read_run
from quintet.config.flags import split
from quintet.tasks.maze import MazeTask
from tests.config.asked import PAIRS, RECIPE, complaints, run, write_data


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ---- settings that don't go together ---------------------------------------------------------------------------------------


def test_group_of_one_is_refused_where_siblings_are_compared():
    assert complaints("grpo", "--task", "maze", "--group-size", "1") == [
        "--group-size: GRPO compares siblings and needs at least 2 answers a prompt; group_size=1. "
        "Set group_size=8, or choose reinforce."
    ]
    (found,) = complaints("reinforce", "--task", "maze", "--group-size", "1")
    assert found.startswith("--group-size: The leave-one-out baseline")
    assert run("reinforce", "--task", "maze", "--group-size", "1", "--baseline", "moving").stages[0].group_size == 1


def test_group_size_is_no_setting_of_what_samples_nothing():
    assert complaints("sft", "--task", "maze", "--group-size", "4") == [
        "--group-size: group_size is a setting of reinforce, trpo, ppo, dpo, grpo, rft, reward-model and process-reward-model, "
        "not of sft."
    ]


@pytest.mark.parametrize("flag", ["--token-budget", "--reward-model", "--reward-model-weight", "--task-reward-weight"])
def test_what_scores_and_counts_samples_is_no_setting_without_them(flag: str):
    (found,) = complaints("sft", "--task", "maze", flag, "4")
    assert found.startswith(f"{flag}: {flag[2:].replace('-', '_')} is a setting of reinforce, trpo, ")
    assert found.endswith(", not of sft.")


def test_sampling_in_another_precision_brings_its_correction_unless_somebody_chose():
    def correction(*more: str) -> str:
        return run("grpo", "--task", "maze", "--sampling-dtype", "bfloat16", *more).stages[0].algorithm.correction

    assert correction() == "token"
    assert correction("--correction", "answer") == "answer"
    assert correction("--correction", "none") == "none"
    assert correction("--dtype", "bfloat16") == "none"  # the same precision: nothing to correct
    (complaint,) = complaints("ppo", "--task", "maze", "--sampling-dtype", "bfloat16")
    assert "ppo can't correct" in complaint


def test_temperature_of_zero_teaches_nothing():
    (found,) = complaints("grpo", "--task", "maze", "--temperature", "0")
    assert found.startswith("--temperature: At temperature=0 all answers to a prompt are the same")
    assert run("sft", "--task", "maze", "--temperature", "0").sampling.temperature == 0
    assert complaints("dpo", "--task", "maze", "--temperature", "0") == [found]
    assert run("dpo", "--task", "maze", "--pairs", "data", "--temperature", "0").sampling.temperature == 0


def test_empty_stop_text_is_refused():
    assert complaints("grpo", "--task", "maze", "--stop", '[""]') == [
        '--stop: stop=[""] would end every answer before it begins. Leave the empty text out.'
    ]


def test_tasks_own_complaint_points_at_the_setting():
    (found,) = complaints("grpo", "--task", "maze", "--min-steps", "9", "--max-steps", "4")
    assert found.startswith("--max-steps: size=5 and max_steps=4 leave paths of up to 4 moves, but min_steps=9.")


def test_split_without_prompts_is_found_before_the_run():
    (found,) = complaints("grpo", "--task", "maze", "--test-share", "1")
    assert found.startswith("--test-share: test_share=1.0 leaves no mazes for train.")
    (found,) = complaints("grpo", "--task", "maze", "--test-share", "0")
    assert found.startswith("--test-share: test_share=0.0 leaves no mazes for test.")
    assert run("grpo", "--task", "maze", "--test-share", "0", "--eval-problems", "0").task.test_share == 0


def test_demonstrations_have_to_be_there_for_supervised_training(tmp_path: Path):
    Path("p.jsonl").write_text('{"prompt": "a"}\n{"prompt": "b"}\n')
    Path("r.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    (found,) = complaints("sft", "--data", "p.jsonl", "--reward", "r.py")
    assert 'has no "completion" to learn from' in found
    assert run("grpo", "--data", "p.jsonl", "--reward", "r.py").task.data == "p.jsonl"


def test_preset_is_refused_for_chat_messages():
    (found,) = complaints("grpo", "--task", "arithmetic", "--instructions")
    assert found.startswith("model=preset:1m has no chat template")
    assert run("grpo", "--task", "arithmetic", "--instructions", "--model", "owner/model").task.instructions


def test_both_files_of_the_functions_task_are_checked_at_once():
    Path("p.jsonl").write_text('{"prompt": "a"}\nnot json\n{"question": 1}\n')
    assert complaints("grpo", "--data", "p.jsonl", "--reward", "gone.py") == [
        "p.jsonl:2: this is no JSON: Expecting value in column 1.",
        'p.jsonl:3: a row needs the key "prompt"; this one has question. Rename "question" to "prompt".',
        f"--reward: There is no file reward=gone.py in {Path.cwd()}. Give a Python file, or FILE.py:NAME.",
    ]


# ---- the machine -----------------------------------------------------------------------------------------------------------


def test_preset_that_is_not_there_is_answered_with_those_that_are():
    (found,) = complaints("grpo", "--task", "maze", "--model", "preset:51m")
    assert found.startswith("--model: There is no preset model=preset:51m. Did you mean preset:")
    assert found.endswith("There are preset:1m, preset:5m, preset:50m, preset:mlp.")


@pytest.mark.parametrize("model", ["./gone", "/gone/model", "a/b/c", "gone/", "~/model", "there/gone"])
def test_path_without_a_model_is_refused(model: str):
    Path("there").mkdir()
    (found,) = complaints("grpo", "--task", "maze", "--model", model)
    assert found.startswith(f"--model: model={model} is no folder here")


@pytest.mark.parametrize("model", ["gpt2", "owner/model"])
def test_what_may_be_a_hub_id_is_left_to_the_hub(model: str):
    assert run("grpo", "--task", "maze", "--model", model).machine.model == model


def test_folder_without_a_model_in_it_is_refused():
    Path("empty").mkdir()
    Path("run/model").mkdir(parents=True)
    Path("run/model/config.json").touch()
    Path("file").touch()
    assert "holds no transformers model" in complaints("grpo", "--task", "maze", "--model", "empty")[0]
    assert "Its model is in run/model" in complaints("grpo", "--task", "maze", "--model", "run")[0]
    assert "is a file" in complaints("grpo", "--task", "maze", "--model", "file")[0]
    assert run("grpo", "--task", "maze", "--model", "run/model").machine.model == "run/model"
    assert "names no model" in complaints("grpo", "--task", "maze", "--model", "")[0]


def test_device_that_is_not_there_is_refused():
    torch = pytest.importorskip("torch")
    absent = "mps" if not torch.backends.mps.is_available() else "cuda"
    assert complaints("grpo", "--task", "maze", "--device", absent) == [
        f"--device: This machine has no device={absent}. Choose auto or cpu; `quintet doctor` shows what there is."
    ]


def test_folder_that_holds_a_run_is_refused_for_another():
    Path("old").mkdir()
    assert run("grpo", "--task", "maze", "--out", "old").machine.out == "old"
    Path("old/settings.toml").touch()  # what is left of a run that failed before it began
    assert run("grpo", "--task", "maze", "--out", "old").machine.out == "old"
    Path("old/metrics.jsonl").touch()
    assert complaints("grpo", "--task", "maze", "--out", "old") == [
        "--out: out=old holds a run already. Go on with it (quintet train --resume old) or choose another folder."
    ]
    Path("recipe.toml").write_text(RECIPE.replace("seed = 1", 'seed = 1\nout = "old"'))
    assert read_run(Path("recipe.toml")).machine.out == "old"  # resuming reads the settings of a run that is there


def test_folder_that_cannot_be_made_is_refused():
    Path("file").touch()
    assert complaints("grpo", "--task", "maze", "--out", "file") == ["--out: out=file is a file. Choose a folder for the run."]
    assert complaints("grpo", "--task", "maze", "--out", "file/run")[0].startswith("--out: out=file/run can't be made: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_may_not_be_written_is_refused(tmp_path: Path):
    tmp_path.chmod(0o500)
    found = complaints("grpo", "--task", "maze", "--out", "run")
    tmp_path.chmod(0o700)
    assert found[0].startswith("--out: out=run can't be made: you may not write in")


def test_checking_makes_nothing():
    run("grpo", "--task", "maze", "--out", "deep/er/run")
    assert list(Path().iterdir()) == []


# ---- evaluation ------------------------------------------------------------------------------------------------------------


def evaluation(*arguments: str, recipe: str | None = None, model: str = "preset:1m"):
    if recipe is not None:
        Path("recipe.toml").write_text(recipe)
    line = split(arguments, {})
    return new_evaluation(model, Path("recipe.toml") if recipe is not None else None, line.flags, line.problems)


def test_evaluation_takes_the_likeliest_token_unless_told_otherwise():
    task, sampling, machine = evaluation("--task", "maze", "--size", "4", "--threads", "1")
    assert (task, sampling.temperature, sampling.max_new_tokens) == (MazeTask(size=4), 0, 14)
    assert (machine.threads, machine.model) == (1, "preset:1m")
    assert evaluation("--task", "maze", "--temperature", "0.7")[1].temperature == 0.7


def test_evaluation_of_a_run_is_as_the_run_evaluates():
    recipe = RECIPE.replace("seed = 1", "seed = 1\neval_temperature = 0.25\nmicro_batch = 3")
    task, sampling, machine = evaluation(recipe=recipe)
    assert (task.size, sampling.temperature, machine.seed, machine.micro_batch) == (4, 0.25, 1, 0)
    assert evaluation("--size", "6", "--temperature", "1", recipe=recipe)[0].size == 6


def test_evaluation_has_no_settings_of_training():
    with pytest.raises(SettingsError) as error:
        evaluation("--task", "maze", "--lr", "1", "--micro-batch", "2", model="./gone")
    assert [str(p).partition(":")[0] for p in error.value.problems] == ["--lr", "--micro-batch", "MODEL"]


def test_evaluation_needs_a_reward():
    write_data(*PAIRS)
    with pytest.raises(SettingsError) as error:
        evaluation("--data", "data.jsonl")
    assert str(error.value) == (
        "No reward was named to score answers by. Write --reward FILE.py, with a function reward(completions, **columns)."
    )
