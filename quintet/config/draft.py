"""Settings as they were given, before anybody checked them, each with the place it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quintet.config import registry


@dataclass(frozen=True)
class Given:
    """A value and where it is from."""

    value: Any
    where: str
    """`recipe.toml:12` or `--lr`."""
    text: bool = False
    """Whether it is a flag's text, still to be read as the type its setting has."""


Section = dict[str, Given]


@dataclass
class Draft:
    """A run's settings before they are checked."""

    task: Given | None = None
    machine: Section = field(default_factory=dict)
    sampling: Section = field(default_factory=dict)
    tasks: dict[str, Section] = field(default_factory=dict)
    """By the task's name; only the chosen one's are used."""
    stages: list[Section] = field(default_factory=list)
    """With the keys `algorithm` and perhaps `name` beside the settings."""

    def over(self, base: Draft) -> Draft:
        """These settings in front of those of `base`, stage by stage."""
        longer = max(len(self.stages), len(base.stages))
        here, there = (d.stages + [{}] * (longer - len(d.stages)) for d in (self, base))
        return Draft(
            task=self.task or base.task,
            machine={**base.machine, **self.machine},
            sampling={**base.sampling, **self.sampling},
            tasks={n: {**base.tasks.get(n, {}), **self.tasks.get(n, {})} for n in {**base.tasks, **self.tasks}},
            stages=[{**b, **h} for h, b in zip(here, there, strict=True)],
        )

    def task_name(self) -> str | None:
        """The chosen task, if it was given and is one."""
        name = self.task.value if self.task else None
        return name if isinstance(name, str) and name in registry.TASKS else None


def algorithm_of(stage: Mapping[str, Given]) -> str | None:
    """A stage's algorithm, if it was given and is one; the user's own (FILE.py:CLASS) becomes one here."""
    name = stage["algorithm"].value if "algorithm" in stage else None
    if isinstance(name, str):
        registry.adopt(name)
    return name if isinstance(name, str) and name in registry.ALGORITHMS else None


def stage_names(stages: list[Section]) -> list[str]:
    """What each stage is called: its `name`, or else its algorithm's, with a number where that is taken.

    Example: two stages of grpo without names are "grpo" and "grpo-2"."""
    given = [str(s["name"].value) if "name" in s else None for s in stages]
    names: list[str] = []
    for own, section in zip(given, stages, strict=True):
        name = own or _short(str(section["algorithm"].value if "algorithm" in section else "stage"))
        number, plain = 1, name
        while own is None and (name in names or name in given):
            number += 1
            name = f"{plain}-{number}"
        names.append(name)
    return names


def _short(algorithm: str) -> str:
    """`path/awr.py:AWR` is called awr; others as they are."""
    file, _, record = algorithm.rpartition(":")
    return record.lower() if file.endswith(".py") else algorithm
