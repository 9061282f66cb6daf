"""Runs as `quintet train` resolves them, and what it complains of."""

from __future__ import annotations

from pathlib import Path

import pytest

from quintet.config import SettingsError, new_run, registry
from quintet.config.flags import split
from quintet.settings import Run

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


def run(*arguments: str, recipe: str | None = None) -> Run:
    """The run of `quintet train` with these arguments and, if given, this recipe."""
    if recipe is not None:
        Path("recipe.toml").write_text(recipe)
    line = split(arguments, {"small": False})
    path = Path("recipe.toml") if recipe is not None else None
    return new_run(path, "small" in line.options, line.words[0] if line.words else None, line.flags, line.problems)


def complaints(*arguments: str, recipe: str | None = None) -> list[str]:
    """Every line of what is wrong with these arguments."""
    with pytest.raises(SettingsError) as error:
        run(*arguments, recipe=recipe)
    return str(error.value).splitlines()


PAIRS = tuple(f'{{"prompt": "{i}", "chosen": "a", "rejected": "b"}}' for i in range(9))
"""Rows of data."""


def write_data(*rows: str) -> None:
    """data.jsonl in the current folder."""
    Path("data.jsonl").write_text("".join(f"{row}\n" for row in rows))
