"""A run's settings as a recipe that gives the same run again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Any

import tomli_w

from quintet.config import known, registry
from quintet.config.describe import Field
from quintet.config.values import in_words
from quintet.settings import Experiment, Run, Stage

WIDTH = 100
BUDGETS = ("token_budget", "seconds_budget")
"""Settings of a stage that a comparison sets, the same for all."""


def render(run: Run) -> str:
    """Every setting of `run` with its meaning above it, in TOML: `read_run` of this text gives `run` again.

    Raises ValueError for a task or algorithm that no name is registered for."""
    lines = ["# The settings of a run, all of them. `quintet train --recipe FILE --out FOLDER` repeats it.", *_shared(run)]
    for stage in run.stages:
        lines += ["", *_stage(stage)]
    return "\n".join(lines) + "\n"


def render_comparison(experiment: Experiment) -> str:
    """Every setting of a comparison in the same way: `read_comparison` of this text gives the experiment again."""
    lines = ["# The settings of a comparison, all of them. `quintet compare --recipe FILE --out FOLDER` repeats it."]
    lines += _shared(experiment.contenders[0])
    lines += ["", "[comparison]", *_settings(known.comparison(), experiment.how)]
    for stage in experiment.start.stages if experiment.start else ():
        lines += ["", *_stage(stage, "start")]
    for contender in experiment.contenders:
        lines += ["", *_stage(contender.stages[0], "contender", "label", BUDGETS)]
    return "\n".join(lines) + "\n"


def _shared(run: Run) -> Iterator[str]:
    """What all stages have in common: machine, task and sampling."""
    task = _registered(run.task, registry.TASKS)
    yield from _settings(known.machine(), run.machine)
    yield from ("", *_comment(registry.TASKS[task].summary), f"task = {_value(task)}")
    yield from ("", f"[{task}]", *_settings(known.task(task), run.task))
    yield from ("", "[sampling]", *_settings(known.sampling(), run.sampling))


def _stage(stage: Stage, table: str = "stage", naming: str = "name", without: Sequence[str] = ()) -> Iterator[str]:
    algorithm = _registered(stage.algorithm, registry.ALGORITHMS, stage.name)
    yield f"[[{table}]]"
    yield from _comment(f"{algorithm} {registry.ALGORITHMS[algorithm].summary}")
    yield f"algorithm = {_value(algorithm)}"
    if stage.name != algorithm:
        yield f"{naming} = {_value(stage.name)}"
    yield from _settings({n: f for n, f in known.stage_alone(algorithm).items() if n not in without}, stage)
    yield from _settings(known.algorithm_alone(algorithm), stage.algorithm)
    yield from _settings(known.update_alone(algorithm), stage.algorithm.update)


def _settings(fields: Mapping[str, Field], record: Any) -> Iterator[str]:
    for name, field in fields.items():
        range_ = in_words(field.kind) or ", ".join(map(str, field.kind.choices))
        yield from _comment(f"{field.doc} ({range_})" if range_ else field.doc)
        yield f"{name} = {_value(getattr(record, name))}"


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, WIDTH - 2)]


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_value, value))}]"
    return tomli_w.dumps({"_": value}).removeprefix("_ = ").rstrip("\n")


def _registered(record: Any, table: Mapping[str, Any], preferred: str = "") -> str:
    """The name under which a record's class is registered; `preferred` where it is one of several."""
    path = f"{type(record).__module__}:{type(record).__qualname__}"
    names = [name for name, entry in table.items() if entry.record == path]
    if not names:
        raise ValueError(
            f"No name is registered for {path}, so its settings can't be written. Add it to quintet/config/registry.py."
        )
    return preferred if preferred in names else names[0]
