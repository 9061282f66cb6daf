"""From a draft to a run: every value checked, every record made, then the checks that need several of them.

Where a value is wrong the rest is checked all the same, with the default in its place, so that one reading finds every problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import fields, replace
from importlib import import_module
from pathlib import Path
from time import strftime
from typing import Any

from quintet.config import checks, known, registry
from quintet.config.draft import Draft, Given, Section, algorithm_of, stage_names
from quintet.config.problems import Problem, SettingsError, did_you_mean
from quintet.config.values import read_value
from quintet.data import Sampling
from quintet.rounds import unrolled
from quintet.settings import Machine, Run, Stage

FOLDERS = ("checkpoints", "model")
"""A run's own folders: a stage that trains a reward model makes one of its name beside them."""
_NAME = re.compile(r"[A-Za-z0-9_+-]+")
_NAMED = re.compile(r"\b([a-z_]+)=")


def load_record(path: str) -> Any:
    """The class MODULE:CLASS."""
    module, name = path.split(":")
    return getattr(import_module(module), name)


class Resolver:
    """Makes the records of one draft and collects what is wrong with it."""

    def __init__(self, draft: Draft, problems: Iterable[Problem] = ()) -> None:
        self.draft, self.problems = draft, list(problems)
        self.wrong: list[Given] = []
        """Values that have been complained about."""

    def run(self, new: bool) -> Run:
        """The run. `new`: it is about to make its folder, so that folder must be free.  SettingsError names every problem."""
        sampling, task = self.sampling(), self.task()
        machine, stages = self.own_model(self.machine(), task), self.stages(task)
        if not machine.out:
            machine = replace(machine, out=str(free_folder(self.draft.task_name() or "", stage_names(self.draft.stages))))
        self.complaints(checks.of_machine(machine), self.draft.machine)
        if new:
            self.complaints(checks.of_new_folder(Path(machine.out)), self.draft.machine)
        self.complaints(checks.of_sampling(sampling, any(s.samples for s in stages)), self.draft.sampling, "[sampling]")
        sections = dict(zip(stage_names(self.draft.stages), self.draft.stages, strict=True))
        if machine.sampled_in != machine.dtype:
            stages = [self.corrected(stage, sections[stage.name]) for stage in stages]
        for stage in stages:
            self.complaints(checks.of_reward_model(stage, stages), sections[stage.name])
            self.complaints(checks.of_process_supervision(stage, stages, task), sections[stage.name])
        repeated = unrolled(stages)
        for name in {s.name for s in repeated if [r.name for r in repeated].count(s.name) > 1}:
            self.complain("", f'Two stages would be called "{name}". Give one of them another name.')
        if task is not None:
            self.task_complaints(task, stages, machine)
        if self.problems:
            raise SettingsError(self.problems)
        return Run(machine, self.longest_answer(sampling, task), task, tuple(repeated))

    def evaluation(self) -> tuple[Any, Sampling, Machine]:
        """Task, sampling and machine for scoring a model.  SettingsError names every problem."""
        machine, sampling, task = self.machine(), self.sampling(), self.task()
        self.complaints(checks.of_machine(machine), self.draft.machine)
        self.complaints(checks.of_sampling(sampling, online=False), self.draft.sampling, "[sampling]")
        if task is not None:
            self.task_complaints(task, (), machine)
            self.complaints(checks.of_scoring(task), {})
        if self.problems:
            raise SettingsError(self.problems)
        return task, self.longest_answer(sampling, task), machine

    def value_problems(self) -> list[Problem]:
        """What is wrong with each section by itself; nothing about how sections go together."""
        self.machine()
        self.sampling()
        self.stages(self.task())
        return self.problems

    # ---- sections ------------------------------------------------------------------------------------------------------

    def machine(self) -> Machine:
        return Machine(**self.values(self.draft.machine, known.machine(), "machine"))

    def sampling(self) -> Sampling:
        return Sampling(**self.values(self.draft.sampling, known.sampling(), "sampling"))

    def corrected(self, stage: Stage, section: Section) -> Stage:
        """The stage with a correction for answers from another distribution than the one that learns, unless somebody chose."""
        if not stage.samples or "correction" in section:
            return stage
        if not hasattr(stage.algorithm, "correction"):
            what = (
                "sampling_dtype=bfloat16 draws answers from a slightly different distribution, for which "
                f"{stage.name} can't correct. Leave it out, set dtype=bfloat16 for both, or choose grpo, which can."
            )
            self.complaints([what], self.draft.machine)
            return stage
        return replace(stage, algorithm=replace(stage.algorithm, correction="token"))

    def longest_answer(self, sampling: Sampling, task: Any) -> Sampling:
        """Room for the task's longest answer, where nobody said how much there shall be."""
        if "max_new_tokens" in self.draft.sampling or not hasattr(task, "longest_answer"):
            return sampling
        return replace(sampling, max_new_tokens=task.longest_answer())

    def own_model(self, machine: Machine, task: Any) -> Machine:
        """The preset of a task that no language model answers, where nobody named a model."""
        return machine if "model" in self.draft.machine or not hasattr(task, "preset") else replace(machine, model=task.preset)

    def task(self) -> Any | None:
        """The task's record; None where none was named or its settings don't go together."""
        given, name = self.draft.task, self.draft.task_name()
        for other in self.draft.tasks:
            if other != name:  # a recipe may describe several tasks; what it says of the others must be right all the same
                self.values(self.draft.tasks[other], known.task(other), other)
        if given is None:
            there = ", ".join(n for n in registry.TASKS if n not in registry.CHOOSES_TASK.values())
            self.complain("", f"No task was named. Write --task NAME ({there}), or --data FILE.jsonl --reward FILE.py.")
        elif name is None:
            hint = did_you_mean(str(given.value), registry.TASKS)
            self.complain(given.where, f'There is no task "{given.value}".{hint} There are {", ".join(registry.TASKS)}.')
        if name is None:
            return None
        section = self.draft.tasks.get(name, {})
        try:
            return load_record(registry.TASKS[name].record)(**self.values(section, known.task(name), name))
        except ValueError as error:
            self.complaints([str(error)], section, f"[{name}]")
            return None

    def task_complaints(self, task: Any, stages: Sequence[Stage], machine: Machine) -> None:
        name = self.draft.task_name() or ""
        where = {**self.every_stage(), **self.draft.machine, **self.draft.tasks.get(name, {})}
        section = f"[{name}]" if self.draft.tasks.get(name) and self.in_a_file(self.draft.tasks[name]) else ""
        self.complaints(checks.of_task(task, stages, machine), where, section)

    def stages(self, task: Any) -> list[Stage]:
        """The stages whose algorithm there is and whose settings go together. `task`: what they would learn from, if known."""
        if not self.draft.stages:
            self.complain(
                "", f"No algorithm was named. Write quintet train NAME ({', '.join(registry.ALGORITHMS)}), or a recipe."
            )
        names, found = stage_names(self.draft.stages), []
        for number, (name, section) in enumerate(zip(names, self.draft.stages, strict=True)):
            self.check_name(name, names[:number], section)
            algorithm = self.algorithm(section)
            if algorithm and (stage := self.stage(name, algorithm, section, task)):
                found.append(stage)
        return found

    def check_name(self, name: str, before: Sequence[str], section: Section) -> None:
        """A stage's name is part of flags and tables, so it is one word and nobody else's."""
        if "name" not in section:
            return
        where = section["name"].where
        if not isinstance(section["name"].value, str) or not _NAME.fullmatch(name):
            self.complain(where, f'name must be letters, digits, -, + and _, not "{name}".')
        elif name in (*before, "machine", "sampling", *registry.TASKS) or name.lower() in FOLDERS:
            self.complain(where, f'The name "{name}" is taken. Give this stage another.')

    def algorithm(self, section: Section) -> str | None:
        """The name of a stage's algorithm; None, with a complaint, where it has none that is known."""
        name, there = algorithm_of(section), ", ".join(registry.ALGORITHMS)
        if "algorithm" not in section:
            where = next((g.where for g in section.values()), "")
            self.complain(where, f'This stage needs a line such as algorithm = "grpo". There are {there}.')
        elif name is None:
            given = section["algorithm"]
            if reason := registry.adopt(str(given.value)):
                self.complain(given.where, reason)
                return None
            hint = did_you_mean(str(given.value), registry.ALGORITHMS)
            self.complain(given.where, f'There is no algorithm "{given.value}".{hint} There are {there}.')
        return name

    def stage(self, name: str, algorithm: str, section: Section, task: Any) -> Stage | None:
        """The stage with its records; None, and a complaint, where its settings don't go together."""
        settings = {k: v for k, v in section.items() if k not in ("algorithm", "name")}
        entry = registry.ALGORITHMS[algorithm]
        given = self.values(settings, known.stage(algorithm), algorithm)
        try:
            plain = load_record(entry.record)()
            values = {**_pairs(plain, task), **_labels(plain, task), **entry.defaults, **getattr(task, "suits", {}), **given}
            update = replace(plain.update, **_of(plain.update, values))
            record = replace(plain, **_of(plain, values), update=update)
            stage = Stage(name, record, **_of(Stage, values))
        except ValueError as error:
            self.complaints([str(error)], section, f"stage {name}")
            return None
        for part in (record, update):
            if hasattr(part, "check"):
                self.complaints(part.check(stage), section, f"stage {name}")
        return stage

    def every_stage(self) -> Section:
        """The settings of all stages together; of those that several have, the first."""
        return {key: given for section in reversed(self.draft.stages) for key, given in section.items()}

    @staticmethod
    def in_a_file(section: Section) -> bool:
        """Whether any of it came from a recipe: only there a section's name tells a reader where to look."""
        return any(not given.text for given in section.values())

    # ---- helpers -------------------------------------------------------------------------------------------------------

    def values(self, section: Section, fields_: known.Fields, place: str) -> dict[str, Any]:
        """The values of a section in their types, those left out that are wrong."""
        values: dict[str, Any] = {}
        for key, given in section.items():
            if key not in fields_:
                self.complain(given.where, known.unknown(key, place, fields_))
                continue
            try:
                values[key] = read_value(given, fields_[key])
            except ValueError as error:
                self.wrong.append(given)
                self.complain(given.where, str(error))
        return values

    def complain(self, where: str, what: str) -> None:
        self.problems.append(Problem(where, what))

    def complaints(self, found: Iterable[str], section: Section, otherwise: str = "") -> None:
        """Problems of a whole section. Each is laid at the door of the first setting that it names as `setting=value`; one
        that names a value already known to be wrong was found with the default in its place, and isn't said."""
        for what in found:
            named = [section[key] for key in _NAMED.findall(what) if key in section]
            if not any(given is wrong for given in named for wrong in self.wrong):
                self.complain(named[0].where if named else otherwise, what)


def _of(record: Any, values: dict[str, Any]) -> dict[str, Any]:
    """The values that are fields of a record."""
    return {f.name: values[f.name] for f in fields(record) if f.name in values}


def _pairs(algorithm: Any, task: Any) -> dict[str, str]:
    """Whence an algorithm's pairs come where nobody says it: data that have pairs are taken at their word."""
    if task is None or not hasattr(algorithm, "pairs"):
        return {}
    offered = getattr(task, "offers_pairs", hasattr(task, "preferences") and algorithm.pairs == "data")
    return {"pairs": "data" if offered else "sampled"}


def _labels(algorithm: Any, task: Any) -> dict[str, str]:
    """Whence it is known which steps are right, where nobody says it: from the task, if it judges steps."""
    return {"labels": "task"} if hasattr(algorithm, "labels") and getattr(task, "judges_steps", False) else {}


def free_folder(task: str, stages: Sequence[str]) -> Path:
    """A folder that isn't there yet, named after the task, the stages and the time."""
    name = "-".join(filter(None, [task, *stages, strftime("%Y%m%d-%H%M%S")]))
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path
