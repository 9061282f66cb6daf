"""Recipes and flags → a run. Precedence: defaults, the recipe, its [small] table, flags."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quintet.config import checks, known, registry
from quintet.config.draft import Draft, Given, Section, algorithm_of, stage_names
from quintet.config.flags import Flag, put
from quintet.config.problems import Problem, SettingsError
from quintet.config.recipe import read_recipe
from quintet.config.resolve import Resolver
from quintet.data import Sampling
from quintet.settings import Machine, Run

EVALUATION = ("seed", "device", "dtype", "threads")
"""The settings of Machine that an evaluation of a model has."""


def read_run(path: Path, small: bool = False) -> Run:
    """The run that a recipe, or the settings.toml in a run's folder, describes.

    Raises SettingsError with everything that is wrong with it. Its folder may hold the run already."""
    return _run(path, small, None, (), [], new=False)


def new_run(
    recipe: Path | None, small: bool, algorithm: str | None, flags: Sequence[Flag], problems: Sequence[Problem] = ()
) -> Run:
    """The run that `quintet train` is asked for; its folder is free. `problems`: what is wrong with the command line already.

    Raises SettingsError with everything that is wrong."""
    return _run(recipe, small, algorithm, flags, list(problems), new=True)


def _run(
    recipe: Path | None, small: bool, algorithm: str | None, flags: Sequence[Flag], problems: list[Problem], new: bool
) -> Run:
    read, overrides = read_recipe(recipe, problems) if recipe else (Draft(), None)
    if small and overrides is None:
        where = str(recipe) if recipe else "--small"
        problems.append(Problem(where, "There is no [small] table for --small to use."))
    drafts = [read] if overrides is None else [overrides.over(read), read] if small else [read, overrides.over(read)]
    for draft in drafts:
        _select(draft, algorithm, recipe, problems, flags)
        put(flags, draft, problems, known.machine(), training=True)
    for other in drafts[1:]:  # not wanted today, but a mistake in it would be found only by whoever wants it
        problems += Resolver(other).value_problems()
    return Resolver(drafts[0], problems).run(new)


def _select(draft: Draft, algorithm: str | None, recipe: Path | None, problems: list[Problem], flags: Sequence[Flag]) -> None:
    """Only the stages of that algorithm or name, with those that they build on; or a stage of its own where the recipe has
    none."""
    if algorithm is None:
        return
    chosen = [
        stage
        for name, stage in zip(stage_names(draft.stages), draft.stages, strict=True)
        if algorithm in (name, stage["algorithm"].value if "algorithm" in stage else None)
    ]
    if not draft.stages or algorithm not in registry.ALGORITHMS:
        chosen = chosen or [{"algorithm": Given(algorithm, f"train {algorithm}")}]
    elif not chosen:
        there = ", ".join(stage_names(draft.stages))
        problems.append(
            Problem(
                f"train {algorithm}", f"{recipe} has no stage {algorithm}; its stages are {there}. Name one, or none for all."
            )
        )
    draft.stages = _with_what_they_build_on(chosen, draft, flags) or draft.stages


def _with_what_they_build_on(chosen: list[Section], draft: Draft, flags: Sequence[Flag]) -> list[Section]:
    """The chosen stages, and before them those that train the reward models that they name, and those that the reward models go
    on from; where the recipe's own model is a preset, which knows nothing yet, also the supervised ones."""
    model = next((flag.given for flag in flags if flag.key == "model"), draft.machine.get("model"))
    blank = model is not None and str(model.value).startswith(checks.PRESET)
    kept: list[Section] = []
    wanted: set[str] = set()
    for name, stage in reversed(list(zip(stage_names(draft.stages), draft.stages, strict=True))):
        entry = registry.ALGORITHMS.get(algorithm_of(stage) or "")
        supervised = entry is not None and entry.learns_from == "demonstrations"
        if any(stage is some for some in chosen) or name in wanted or (blank and supervised and kept):
            kept.append(stage)
            wanted |= {str(stage[key].value) for key in ("reward_model", "begin_from") if key in stage}
    return kept[::-1] if len(kept) > len(chosen) else chosen


def new_evaluation(
    model: str, recipe: Path | None, flags: Sequence[Flag], problems: Sequence[Problem] = ()
) -> tuple[Any, Sampling, Machine]:
    """Task, sampling and machine of `quintet eval`; what isn't a flag is as in `recipe`, if there is one.

    The temperature is the recipe's `eval_temperature`, or 0. Raises SettingsError with everything that is wrong."""
    problems = list(problems)
    draft = read_recipe(recipe, problems)[0] if recipe else Draft()
    temperature = draft.machine.get("eval_temperature", Given(0.0, ""))
    draft.stages = []
    draft.sampling["temperature"] = temperature
    draft.machine = {key: given for key, given in draft.machine.items() if key in EVALUATION}
    machine = {name: field for name, field in known.machine().items() if name in EVALUATION}
    put(flags, draft, problems, machine, training=False)
    draft.machine["model"] = Given(model, "MODEL")
    return Resolver(draft, problems).evaluation()


def new_task(flags: Sequence[Flag], problems: Sequence[Problem] = ()) -> Any:
    """The task that flags name, with nothing asked of it but that it is whole.  SettingsError names every problem."""
    draft, found = Draft(), list(problems)
    put(flags, draft, found, {}, training=False)
    resolver = Resolver(draft, found)
    task = resolver.task()
    if task is not None and hasattr(task, "check"):
        resolver.complaints(task.check(), draft.tasks.get(draft.task_name() or "", {}), "")
    if resolver.problems:
        raise SettingsError(resolver.problems)
    return task
