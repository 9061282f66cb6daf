from __future__ import annotations

from pathlib import Path

import pytest

from quintet.config.problems import Problem, SettingsError
from quintet.config.recipe import read_recipe
from quintet.config.registry import TASKS


def read(tmp_path: Path, text: str | bytes) -> list[str]:
    """What is wrong with a recipe, without its folder."""
    path = tmp_path / "recipe.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    problems: list[Problem] = []
    try:
        read_recipe(path, problems)
    except SettingsError as error:
        problems = list(error.problems)
    return [str(p).replace(f"{tmp_path}/", "") for p in problems]


def test_settings_remember_their_lines(tmp_path: Path):
    path = tmp_path / "recipe.toml"
    path.write_text('task = "maze"\nseed = 3\n[maze]\nsize = 4\n[sampling]\ntop_k = 2\n[[stage]]\nalgorithm = "sft"\nlr = 1\n')
    problems: list[Problem] = []
    draft, small = read_recipe(path, problems)
    assert (problems, small) == ([], None)
    assert draft.task
    assert (draft.task.value, draft.task.where) == ("maze", f"{path}:1")
    assert (draft.machine["seed"].value, draft.machine["seed"].where) == (3, f"{path}:2")
    assert draft.tasks["maze"]["size"].where == f"{path}:4"
    assert draft.sampling["top_k"].where == f"{path}:6"
    assert draft.stages[0]["lr"].where == f"{path}:9"


def test_small_has_the_same_shape(tmp_path: Path):
    path = tmp_path / "recipe.toml"
    path.write_text('[[stage]]\nalgorithm = "sft"\n[small]\nseed = 3\n[small.maze]\nsize = 3\n[[small.stage]]\nsteps = 2\n')
    problems: list[Problem] = []
    _, small = read_recipe(path, problems)
    assert problems == []
    assert small is not None
    assert (small.machine["seed"].value, small.tasks["maze"]["size"].value) == (3, 3)
    assert (small.stages[0]["steps"].value, small.stages[0]["steps"].where) == (2, f"{path}:8")


def test_small_has_no_more_stages_than_the_recipe(tmp_path: Path):
    assert read(tmp_path, "[[stage]]\n[small]\n[[small.stage]]\n[[small.stage]]\n") == [
        "recipe.toml:3: [small] has 2 stages, the recipe itself only 1 stage."
    ]


def test_syntax_error_has_its_line(tmp_path: Path):
    assert read(tmp_path, "seed = 1\nmodel = nothing\n") == ["recipe.toml:2: This is no TOML: Invalid value in column 9."]
    assert read(tmp_path, "seed = 1\nseed = 2\n")[0].startswith("recipe.toml:2: This is no TOML: Cannot overwrite a value")
    assert read(tmp_path, 'model = "x')[0].startswith("recipe.toml: This is no TOML: ")


def test_file_that_is_missing_or_no_text_is_one_sentence(tmp_path: Path):
    (tmp_path / "demo.toml").touch()
    with pytest.raises(SettingsError, match=r'demos.toml: There is no such file. Did you mean "demo.toml"\?'):
        read_recipe(tmp_path / "demos.toml", [])
    with pytest.raises(SettingsError, match="can't be read: Is a directory"):
        read_recipe(tmp_path, [])
    assert read(tmp_path, b"model = '\xff'") == ["recipe.toml: TOML is UTF-8, but byte 9 of this file isn't. Save it as UTF-8."]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("sed = 1", 'recipe.toml:1: There is no setting sed. Did you mean "seed"?'),
        (
            "\nlr = 1",
            "recipe.toml:2: lr doesn't belong here: it is a setting of a stage (sft, ",
        ),
        ("temperature = 1", "recipe.toml:1: temperature doesn't belong here: it is a setting of [sampling]."),
        ("size = 1", "recipe.toml:1: size doesn't belong here: it is a setting of the task maze."),
        (
            "batch_size = 1",
            "recipe.toml:1: There is no setting batch_size; here it is called prompts_per_step, and it is a setting of a stage",
        ),
        ("[samplign]", 'recipe.toml:1: There is no section [samplign]. Did you mean "sampling"?'),
        ("[xyz]", f"recipe.toml:1: There is no section [xyz]. There are {', '.join(TASKS)}, sampling, stage, small."),
        ("maze = 3", "recipe.toml:1: maze is a table of settings. Write [maze] and its settings below."),
        ("[stage]", "recipe.toml:1: stage is a list, one table a stage. Write [[stage]] with double brackets."),
        ("stage = [3]", "recipe.toml:1: stage is a list, one table a stage. Write [[stage]] with double brackets."),
        ("small = 3", "recipe.toml:1: [small] is a table of settings that --small puts in front of the others."),
        ("[small.stage]", "recipe.toml:1: stage is a list, one table a stage. Write [[small.stage]] with double brackets."),
    ],
)
def test_what_has_no_place_in_a_recipe_is_named_with_its_line(tmp_path: Path, text: str, complaint: str):
    (found,) = read(tmp_path, text)
    assert found.startswith(complaint)
