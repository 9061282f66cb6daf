"""What --help says of settings. It is read from the records' sources, so it loads none of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from shutil import get_terminal_size
from textwrap import wrap

from quintet.config import known, registry
from quintet.config.describe import Field, Kind
from quintet.config.draft import Given
from quintet.config.flags import spelled
from quintet.config.values import in_words, shown

WIDEST = 110
MARGIN = 30
"""The column in which explanations begin."""
METAVARS = {"int": "N", "float": "X", "str": "TEXT"}


def of_settings(
    algorithm: str | None, task: str | None, sampling: known.Fields, machine: known.Fields, training: bool = True
) -> str:
    """The settings of a command, by section."""
    lines: list[str] = []
    if algorithm:
        summary = registry.ALGORITHMS[algorithm].summary
        lines += _section(f"Settings of {algorithm}, which {summary}", known.algorithm_alone(algorithm))
        lines += _section("Its steps", known.update_alone(algorithm))
        lines += _section("Its stage", known.stage_alone(algorithm))
    elif training:
        lines += _section("A stage (an algorithm's name behind train shows its own settings, too)", known.stage_alone(""))
    if task:
        lines += _section(f"Settings of the task {task}: {registry.TASKS[task].summary}", known.task(task))
    lines += _section("Sampling", sampling)
    lines += _section("The run" if training else "The machine", machine)
    return "\n".join(lines)


def of_comparison(fields: known.Fields) -> str:
    """The settings of a comparison."""
    return "\n".join(_section("The comparison", fields))


def of_choices() -> str:
    """The algorithms and tasks there are."""
    algorithms = [*_entries((name, entry.summary) for name, entry in registry.ALGORITHMS.items())]
    return "\n".join(["Algorithms", *algorithms, "", *of_tasks()])


def of_tasks() -> list[str]:
    """The tasks there are."""
    tasks = [*_entries((f"--task {name}", entry.summary) for name, entry in registry.TASKS.items())]
    return ["Tasks (with --help: their settings)", *tasks]


def of_options(options: Mapping[str, str]) -> str:
    """A command's own flags.  Example: of_options({"--recipe FILE": "settings from a TOML file"})"""
    return "\n".join(["Options", *_entries(options.items())])


def _section(title: str, fields: known.Fields) -> list[str]:
    return [*_wrapped(title), *_entries((_flag(f), _explained(f)) for f in fields.values()), ""]


def _flag(field: Field) -> str:
    if field.kind.base == "bool":
        return f"--[no-]{spelled(field.name).removeprefix('--')}"
    return f"{spelled(field.name)} {_metavar(field.kind)}"


def _metavar(kind: Kind) -> str:
    if kind.base == "choice":
        return "|".join(map(str, kind.choices))
    if kind.base == "tuple":
        item = _metavar(kind.items[0])
        return f"{item},…" if kind.endless else ",".join([item] * len(kind.items))
    return METAVARS[kind.base]


def _explained(field: Field) -> str:
    default = field.default
    text = ",".join(map(str, default)) if isinstance(default, tuple) else shown(Given(default, "")).strip('"')
    facts = ", ".join(filter(None, [f"default {text}" if text else "", in_words(field.kind)]))
    return f"{field.doc} ({facts})" if facts else field.doc


def _entries(entries: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Names on the left, explanations on the right; a name that is too long has a line to itself."""
    for name, explanation in entries:
        first, *rest = wrap(explanation, _width() - MARGIN) or [""]
        head = f"  {name}"
        if len(head) > MARGIN - 2:
            yield head
            head = ""
        yield f"{head:<{MARGIN}}{first}".rstrip()
        yield from (" " * MARGIN + line for line in rest)


def _wrapped(text: str) -> list[str]:
    return wrap(text, _width())


def _width() -> int:
    return max(60, min(WIDEST, get_terminal_size().columns))
