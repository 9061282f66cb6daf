"""What stands in front of what, and every mistake told at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.supervised import SFT
from quintet.config import read_run, registry, render
from quintet.config.registry import AlgorithmEntry
from quintet.config.resolve import load_record
from quintet.tasks.maze import MazeTask
from tests.config.asked import ALL, NAMED, RECIPE, complaints, run


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
