"""Precedence, and every check that needs more than one setting."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.supervised import SFT
from quintet.config import SettingsError, checks, new_evaluation, new_run, read_run, registry, render
from quintet.config.flags import split
from quintet.config.registry import AlgorithmEntry
from quintet.config.resolve import load_record
from quintet.data import Prompt
from quintet.settings import Machine, Run, Stage
from quintet.tasks.maze import MazeTask

ALL = ", ".join(registry.ALGORITHMS)
NAMED = ", ".join(name for name in registry.TASKS if name not in registry.CHOOSES_TASK.values())
RECIPE = """
task = "maze"
seed = 1
[maze]
size = 4
[sampling]
temperature = 0.5
[[stage]]
algorithm = "sft"
steps = 7
lr = 0.5
[[stage]]
algorithm = "grpo"
clip = [0.1, 0.3]
epochs = 2
[small]
seed = 2
[small.maze]
size = 3
[[small.stage]]
[[small.stage]]
epochs = 3
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str, recipe: str | None = None) -> Run:
    """The run of `quintet train` with these arguments and, if given, this recipe."""
    if recipe is not None:
        Path("recipe.toml").write_text(recipe)
    line = split(arguments, {"small": False})
    path = Path("recipe.toml") if recipe is not None else None
    return new_run(path, "small" in line.options, line.words[0] if line.words else None, line.flags, line.problems)


def complaints(*arguments: str, recipe: str | None = None) -> list[str]:
    with pytest.raises(SettingsError) as error:
        run(*arguments, recipe=recipe)
    return str(error.value).splitlines()


# ---- precedence ------------------------------------------------------------------------------------------------------------


def test_recipe_is_in_front_of_defaults():
    made = run(recipe=RECIPE)
    assert made.machine.seed == 1
    assert made.task == MazeTask(size=4)
    assert made.sampling.temperature == 0.5
    assert [s.name for s in made.stages] == ["sft", "grpo"]
    sft, grpo = (s.algorithm for s in made.stages)
    assert isinstance(sft, SFT)
    assert isinstance(grpo, GRPO)
    assert (made.stages[0].steps, made.stages[1].steps) == (7, 100)
    assert (sft.update.lr, sft.update.warmup, sft.update.schedule) == (0.5, 0.05, "cosine")  # the algorithm's own defaults
    assert (grpo.clip, grpo.update.epochs, grpo.update.lr) == ((0.1, 0.3), 2, 1e-5)


def test_small_is_in_front_of_the_recipe_and_flags_in_front_of_both():
    made = run("--small", recipe=RECIPE)
    assert (made.machine.seed, made.task.size, made.stages[1].algorithm.update.epochs) == (2, 3, 3)
    assert made.stages[0].steps == 7
    made = run("--small", "--seed", "9", "--size", "5", "--grpo.epochs", "4", recipe=RECIPE)
    assert (made.machine.seed, made.task.size, made.stages[1].algorithm.update.epochs) == (9, 5, 4)
    assert run("--seed", "9", recipe=RECIPE).machine.seed == 9


def test_algorithm_alone_is_a_run_of_one_stage():
    made = run("grpo", "--task", "maze", "--steps", "3", "--lr", "1e-3", "--beta", "0.1")
    (stage,) = made.stages
    assert (stage.name, stage.steps, stage.algorithm.beta, stage.algorithm.update.lr) == ("grpo", 3, 0.1, 1e-3)


def test_algorithm_with_a_recipe_is_that_stage_alone():
    made = run("grpo", recipe=RECIPE)
    assert [s.name for s in made.stages] == ["grpo"]
    assert made.stages[0].algorithm.clip == (0.1, 0.3)
    assert complaints("reinforce", recipe=RECIPE) == [
        "train reinforce: recipe.toml has no stage reinforce; its stages are sft, grpo. Name one, or none for all."
    ]


ROUNDS = """
model = "preset:1m"
task = "word-problems"
[[stage]]
algorithm = "sft"
[[stage]]
algorithm = "process-reward-model"
name = "reward"
rounds = 2
replay = 0.1
[[stage]]
algorithm = "grpo"
supervision = "process"
reward_model = "reward"
rounds = 2
steps = 9
"""


def test_algorithm_with_a_recipe_brings_the_reward_model_that_it_is_judged_by_and_a_presets_supervised_start():
    alone = ["reward", "grpo", "reward-round-2", "grpo-round-2"]
    assert [s.name for s in run("grpo", recipe=ROUNDS).stages] == ["sft", *alone]
    assert [s.name for s in run("grpo", "--model", "a/b", recipe=ROUNDS).stages] == alone
    assert [s.name for s in run("sft", recipe=ROUNDS).stages] == ["sft"]


def test_rounds_are_written_out_and_read_again_as_they_were():
    made = run(recipe=ROUNDS)
    Path("again.toml").write_text(render(made))
    assert read_run(Path("again.toml")) == made
    assert all(stage.rounds == 1 for stage in made.stages)


def test_stage_of_a_round_that_has_anothers_name_is_refused():
    assert complaints(recipe=ROUNDS + '[[stage]]\nalgorithm = "grpo"\nname = "grpo-round-2"\n') == [
        'Two stages would be called "grpo-round-2". Give one of them another name.'
    ]


def test_steps_are_labelled_by_a_task_that_judges_them_and_completed_otherwise():
    (asked,) = run("process-reward-model", "--task", "word-problems").stages
    (completed,) = run("process-reward-model", "--task", "maze").stages
    assert (asked.algorithm.labels, completed.algorithm.labels) == ("task", "completions")
    assert complaints("process-reward-model", "--task", "maze", "--labels", "task") == [
        "--labels: labels=task learns from the task's word on single steps, and maze gives none with these settings. "
        "Set labels=completions."
    ]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (
            ('"process-reward-model"', '"reward-model"'),
            "recipe.toml:13: supervision=process learns from rewards of steps, and reward_model=reward scores whole answers. "
            "Name a stage of the algorithm process-reward-model, or a folder for token classification.",
        ),
        (
            ("replay = 0.1", 'replay = 0.1\nbegin_from = "grpo"'),
            "recipe.toml:11: begin_from=grpo names a stage that doesn't come before this one. Name one that does.",
        ),
        (
            ("rounds = 2\nreplay", "replay"),
            "recipe.toml:9: replay=0.1 takes answers that earlier stages trained this reward model on, and there are none. "
            "Name an earlier stage in begin_from, or repeat the stage with rounds.",
        ),
    ],
)
def test_reward_models_of_rounds_that_do_not_go_together_are_named(change: tuple[str, str], complaint: str):
    text = ROUNDS.replace(*change)
    if "reward-model" in change[1]:
        text = text.replace("reward_model = ", "task_reward_weight = 0\nreward_model = ").replace(
            "replay = 0.1", 'pairs = "sampled"'
        )
    assert complaint in complaints(recipe=text)


def test_longest_answer_is_the_tasks_unless_somebody_says_otherwise():
    assert run("grpo", "--task", "maze", "--max-steps", "5").sampling.max_new_tokens == 6
    assert run("grpo", "--task", "maze", "--max-steps", "5", "--max-new-tokens", "3").sampling.max_new_tokens == 3


def test_variant_is_an_algorithm_with_other_defaults(monkeypatch: pytest.MonkeyPatch):
    Path("steep.py").write_text("STEEP = replace(GRPO(), scale='none', update=FirstOrder(lr=0.25))\n")
    monkeypatch.syspath_prepend(Path.cwd())
    monkeypatch.setitem(
        registry.ALGORITHMS, "steep", AlgorithmEntry("quintet.algorithms.grpo:GRPO", "…", variant="steep:STEEP")
    )
    made = run("steep", "--task", "maze", "--beta", "0.1").stages[0]
    assert (made.name, made.algorithm.scale, made.algorithm.update.lr, made.algorithm.beta) == ("steep", "none", 0.25, 0.1)
    assert run("steep", "--task", "maze", "--scale", "group").stages[0].algorithm.scale == "group"


@pytest.mark.parametrize("name", registry.ALGORITHMS)
def test_every_algorithm_goes_by_its_defaults(name: str):
    entry = registry.ALGORITHMS[name]
    (stage,) = run(name, "--task", "maze").stages
    made = load_record(entry.variant or entry.record)
    assert (stage.name, stage.algorithm) == (name, made if entry.variant else made())


def test_stages_of_one_algorithm_get_different_names():
    stages = '[[stage]]\nalgorithm = "grpo"\n' * 2
    assert [s.name for s in run("--task", "maze", recipe=stages).stages] == ["grpo", "grpo-2"]
    named = stages + 'name = "polish"\n'
    assert [s.name for s in run("--task", "maze", recipe=named).stages] == ["grpo", "polish"]


@pytest.mark.parametrize("name", ["grpo", "maze", "sampling", "model", "checkpoints", "Model"])
def test_name_of_a_stage_is_its_own(name: str):
    stages = f'[[stage]]\nalgorithm = "grpo"\n[[stage]]\nalgorithm = "grpo"\nname = "{name}"\n'
    found = complaints("--task", "maze", recipe=stages) if name != "grpo" else None
    if found is None:  # the first stage, which has no name, makes way
        assert [s.name for s in run("--task", "maze", recipe=stages).stages] == ["grpo-2", "grpo"]
    else:
        assert found == [f'recipe.toml:5: The name "{name}" is taken. Give this stage another.']


def test_name_of_a_stage_is_one_word():
    assert complaints("--task", "maze", recipe='[[stage]]\nalgorithm = "grpo"\nname = "a b"\n') == [
        'recipe.toml:3: name must be letters, digits, -, + and _, not "a b".'
    ]


def test_folder_is_named_after_task_stages_and_time_and_is_free():
    name = run(recipe=RECIPE).machine.out
    assert name.startswith("runs/maze-sft-grpo-2")
    Path(name).mkdir(parents=True)
    assert run(recipe=RECIPE).machine.out != name


# ---- every problem at once -------------------------------------------------------------------------------------------------


def test_every_problem_is_told_at_once_and_in_order():
    recipe = """task = "maze"
sed = 3
[maze]
size = 40
[sampling]
top_p = 0
[[stage]]
algorithm = "grpo"
lr = "fast"
group_size = 1
"""
    assert complaints("--steps", "0", recipe=recipe) == [
        'recipe.toml:2: There is no setting sed. Did you mean "seed"?',
        "recipe.toml:4: size must be a whole number from 3 to 10, not 40.",
        "recipe.toml:6: top_p must be a number above 0 and at most 1, not 0.",
        'recipe.toml:9: lr must be a number above 0 and at most 1, not "fast".',
        "recipe.toml:10: GRPO compares siblings and needs at least 2 answers a prompt; group_size=1. "
        "Set group_size=8, or choose reinforce.",
        '--steps: steps must be a whole number of at least 1, not "0".',
    ]


def test_mistake_in_small_is_found_without_small():
    assert complaints(recipe=RECIPE.replace("epochs = 3", "epochs = 0")) == [
        "recipe.toml:22: epochs must be a whole number of at least 1, not 0."
    ]
    assert complaints("--small", recipe=RECIPE.replace("epochs = 2", "epochs = 0")) == [
        "recipe.toml:15: epochs must be a whole number of at least 1, not 0."
    ]


def test_mistake_in_a_task_that_is_not_chosen_is_found():
    assert complaints("--task", "arithmetic", recipe=RECIPE.replace("size = 4", "size = 2")) == [
        "recipe.toml:5: size must be a whole number from 3 to 10, not 2."
    ]


def test_complaint_that_a_default_brought_about_is_not_made():
    """size=5 stands in for the wrong one, and nobody wants to hear that 5 is too small for these paths."""
    assert complaints("grpo", "--task", "maze", "--size", "60", "--min-steps", "30", "--max-steps", "40") == [
        '--size: size must be a whole number from 3 to 10, not "60".'
    ]


def test_what_is_missing_is_named_once():
    assert sorted(complaints("--lr", "3", "--size", "3")) == [
        f"No algorithm was named. Write quintet train NAME ({ALL}), or a recipe.",
        f"No task was named. Write --task NAME ({NAMED}), or --data FILE.jsonl --reward FILE.py.",
    ]
    assert complaints("--task", "maze", recipe="[[stage]]\nlr = 1\n") == [
        f'recipe.toml:2: This stage needs a line such as algorithm = "grpo". There are {ALL}.'
    ]


def test_nearest_algorithm_and_task_are_offered():
    assert complaints("gropo", "--task", "mase", "--group-size", "3") == [
        f'--task: There is no task "mase". Did you mean "maze"? There are {", ".join(registry.TASKS)}.',
        f'train gropo: There is no algorithm "gropo". Did you mean "grpo"? There are {ALL}.',
    ]
    assert complaints("--task", "maze", recipe='[[stage]]\nalgorithm = "ppp"\n') == [
        f'recipe.toml:2: There is no algorithm "ppp". Did you mean "ppo"? There are {ALL}.'
    ]


def test_small_without_a_small_table_is_refused():
    assert complaints("--small", recipe=RECIPE.partition("[small]")[0]) == [
        "recipe.toml: There is no [small] table for --small to use."
    ]
    assert complaints("grpo", "--small", "--task", "maze") == ["--small: There is no [small] table for --small to use."]


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


# ---- pairs, rewards and reward models ----------------------------------------------------------------------------------------


def write_data(*rows: str) -> None:
    Path("data.jsonl").write_text("".join(f"{row}\n" for row in rows))


PAIRS = tuple(f'{{"prompt": "{i}", "chosen": "a", "rejected": "b"}}' for i in range(9))
MODEL = ("--model", "gpt2")


def test_pairs_are_the_datas_where_it_has_them_and_sampled_elsewhere():
    write_data(*PAIRS)
    assert run("dpo", "--data", "data.jsonl", *MODEL).stages[0].algorithm.pairs == "data"
    assert run("dpo", "--task", "maze").stages[0].algorithm.pairs == "sampled"
    assert run("dpo", "--task", "maze", "--pairs", "data").stages[0].algorithm.pairs == "data"
    assert run("reward-model", "--task", "maze").stages[0].algorithm.pairs == "data"
    write_data('{"prompt": "a"}', '{"prompt": "b"}')
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    with_reward = ("--data", "data.jsonl", "--reward", "reward.py", *MODEL)
    assert run("dpo", *with_reward).stages[0].algorithm.pairs == "sampled"
    assert run("reward-model", *with_reward).stages[0].algorithm.pairs == "sampled"


def test_each_stage_has_pairs_of_its_own():
    """What one stage was told is nothing to another, which finds that the data have pairs."""
    write_data(*PAIRS)
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    stages = '[[stage]]\nalgorithm = "reward-model"\npairs = "sampled"\n[[stage]]\nalgorithm = "dpo"\n'
    made = run("--data", "data.jsonl", "--reward", "reward.py", *MODEL, recipe=stages)
    assert [s.algorithm.pairs for s in made.stages] == ["sampled", "data"]
    assert [s.samples for s in made.stages] == [True, False]


def test_group_of_one_has_no_pair_to_sample_but_the_data_may():
    write_data(*PAIRS)
    assert run("dpo", "--data", "data.jsonl", "--group-size", "1", *MODEL).stages[0].algorithm.pairs == "data"
    write_data('{"prompt": "a"}', '{"prompt": "b"}')
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    for algorithm in ("dpo", "reward-model"):
        assert complaints(algorithm, "--data", "data.jsonl", "--reward", "reward.py", "--group-size", "1", *MODEL) == [
            "--group-size: A pair needs two answers to a prompt; group_size=1. Set group_size=8, or pairs=data."
        ]


def test_data_that_pairs_are_asked_of_have_some():
    write_data('{"prompt": "a", "answer": 1}')
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    asked = ("--data", "data.jsonl", "--reward", "reward.py", "--test-share", "0", "--eval-problems", "0", *MODEL)
    (found,) = complaints("dpo", "--pairs", "data", *asked)
    assert found.endswith(
        'data.jsonl:1 has no "chosen" and "rejected" to learn from, only prompt, answer. '
        "Add them, or set pairs=sampled and name a reward."
    )
    assert list(checks.of_task(Bare(), [Stage("dpo", DPO(pairs="data")), Stage("sft", SFT())], Machine())) == [
        "The task bare has no demonstrations for sft to learn from. Choose another of the two.",
        "The task bare has no pairs of a better and a worse answer for dpo to learn from. Choose another of the two.",
    ]


class Bare:
    """A task that shows nothing."""

    name = "bare"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return iter([Prompt("p", text="?")])


def test_reward_is_needed_where_answers_are_sampled_and_nowhere_else():
    write_data(*PAIRS)
    (found,) = complaints("grpo", "--data", "data.jsonl", *MODEL)
    assert "No reward was named for grpo to learn from. Write --reward FILE.py" in found
    alone = ("--reward-model", "owner/judge", "--task-reward-weight", "0")
    assert run("grpo", "--data", "data.jsonl", *MODEL, *alone).stages[0].reward_model == "owner/judge"
    (found,) = complaints("grpo", "--data", "data.jsonl", *MODEL, "--reward-model", "owner/judge")
    assert "No reward was named for grpo to learn from." in found  # its weight is 1, and there is none to weigh


def test_process_supervision_needs_a_task_that_judges_steps():
    (found,) = complaints("grpo", "--task", "maze", "--supervision", "process")
    assert "the task maze gives none with these settings. Set supervision=outcome, or reward_model to a process" in found
    made = run("grpo", "--task", "arithmetic", "--target", "steps", "--supervision", "process")
    assert made.stages[0].algorithm.supervision == "process"


def test_reward_model_is_an_earlier_stage_or_a_folder():
    stages = '[[stage]]\nalgorithm = "reward-model"\n[[stage]]\nalgorithm = "grpo"\nreward_model = "reward-model"\n'
    assert run("--task", "maze", recipe=stages).stages[1].reward_model == "reward-model"
    turned = '[[stage]]\nalgorithm = "grpo"\nreward_model = "rm"\n[[stage]]\nalgorithm = "reward-model"\nname = "rm"\n'
    assert complaints("--task", "maze", recipe=turned) == [
        "recipe.toml:3: reward_model=rm names a stage that doesn't come before this one. Name one that does."
    ]
    (found,) = complaints("grpo", "--task", "maze", "--reward-model", "grpo")
    assert found == "--reward-model: reward_model=grpo names a stage that doesn't come before this one. Name one that does."
    wrong = '[[stage]]\nalgorithm = "sft"\n[[stage]]\nalgorithm = "grpo"\nreward_model = "sft"\n'
    assert complaints("--task", "maze", recipe=wrong) == [
        "recipe.toml:5: reward_model=sft names a stage that trains no reward model. Name one of the algorithm reward-model."
    ]
    Path("empty").mkdir()
    for name in ("empty", "./nowhere"):
        (found,) = complaints("grpo", "--task", "maze", "--reward-model", name)
        assert found == f"--reward-model: reward_model={name} is no folder with a config.json, so it holds no reward model."
    Path("empty/config.json").touch()
    assert run("grpo", "--task", "maze", "--reward-model", "empty").stages[0].reward_model == "empty"
    two = "".join(f'[[stage]]\nalgorithm = "grpo"\nreward_model = "./{folder}"\n' for folder in ("empty", "gone"))
    assert complaints("--task", "maze", recipe=two) == [
        "recipe.toml:6: reward_model=./gone is no folder with a config.json, so it holds no reward model."
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grpo", "--task", "cartpole", "--model", "preset:1m"), "--model: The task cartpole is played by a small network"),
        (("grpo", "--task", "maze", "--model", "preset:mlp"), "--model: The task maze is for language models"),
        (("grpo", "--task", "cartpole", "--reward-model", "a/b"), "--reward-model: reward_model=a/b reads texts"),
        (("grpo", "--task", "cartpole", "--lora-rank", "4"), "--lora-rank: lora_rank=4 adapts language models"),
        (("reward-model", "--task", "cartpole"), "A reward model reads texts"),
        (("sft", "--task", "cartpole"), "The task cartpole has no demonstrations"),
    ],
)
def test_control_task_and_language_models_are_kept_apart(arguments: tuple[str, ...], said: str):
    (found,) = complaints(*arguments)
    assert found.startswith(said)


def test_control_task_brings_its_network_and_settings_that_suit_it():
    made = run("ppo", "--task", "cartpole", "--lr", "1e-3")
    assert (made.machine.model, made.sampling.max_new_tokens) == ("preset:mlp", 500)
    stage = made.stages[0]
    assert (stage.algorithm.gamma, stage.algorithm.value_clip, stage.algorithm.update.lr) == (0.99, 0.0, 1e-3)
    assert run("ppo", "--task", "maze").stages[0].algorithm.gamma == 1.0
