"""A recipe: a TOML file as settings that remember their lines."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.config import known, registry
from quintet.config.draft import Draft, Given, Section
from quintet.config.lines import line_numbers, line_of
from quintet.config.problems import Problem, SettingsError, did_you_mean

TABLES = ("sampling", "stage", "small")


def read_recipe(path: Path, problems: list[Problem]) -> tuple[Draft, Draft | None]:
    """The settings of a file and those of its [small] table, if it has one. What is wrong with them is added to `problems`.

    Raises SettingsError where the file can't be read: all else would be said of a recipe that nobody saw."""
    document, reader = read_toml(path, problems)
    small = document.pop("small", None)
    whole = reader.draft(document, ())
    if small is None:
        return whole, None
    if not isinstance(small, Mapping):
        reader.complain(("small",), "[small] is a table of settings that --small puts in front of the others.")
        return whole, None
    overrides = reader.draft(small, ("small",))
    if len(overrides.stages) > len(whole.stages):
        there = f"{len(whole.stages)} stage{'s' * (len(whole.stages) != 1)}"
        reader.complain(("small", "stage"), f"[small] has {len(overrides.stages)} stages, the recipe itself only {there}.")
    return whole, overrides


def read_toml(path: Path, problems: list[Problem]) -> tuple[dict[str, Any], Reader]:
    """A file's tables, and what reads them into sections; SettingsError where it can't be read."""
    text = _text(path)
    try:
        return tomllib.loads(text), Reader(str(path), line_numbers(text), problems)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([_syntax(path, str(error))]) from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        siblings = path.parent.glob("*.toml") if path.parent.is_dir() else ()
        what = "There is no such file." + did_you_mean(path.name, (s.name for s in siblings))
    except UnicodeDecodeError as error:
        what = f"TOML is UTF-8, but byte {error.start} of this file isn't. Save it as UTF-8."
    except OSError as error:
        what = f"This file can't be read: {error.strerror}."
    raise SettingsError([Problem(str(path), what)])


def _syntax(path: Path, message: str) -> Problem:
    found = re.search(r" ?\(at line (\d+), column (\d+)\)| ?\(at end of document\)", message)
    line = f":{found[1]}" if found and found[1] else ""
    where = f" in column {found[2]}" if found and found[2] else " at the end of the file"
    reason = message.replace(found[0], "") if found else message
    return Problem(f"{path}{line}", f"This is no TOML: {reason}{where}.")


class Reader:
    """Turns a document's tables into a draft."""

    def __init__(self, file: str, lines: dict[tuple[str | int, ...], int], problems: list[Problem]) -> None:
        self.file, self.lines, self.problems = file, lines, problems

    def where(self, path: tuple[str | int, ...]) -> str:
        return f"{self.file}:{line_of(path, self.lines)}"

    def complain(self, path: tuple[str | int, ...], what: str) -> None:
        self.problems.append(Problem(self.where(path), what))

    def draft(self, table: Mapping[str, Any], at: tuple[str | int, ...]) -> Draft:
        """The settings of a document, or of its table [small]."""
        draft, machine = Draft(), known.machine()
        for key, value in table.items():
            path = (*at, key)
            if key == "task":
                draft.task = Given(value, self.where(path))
            elif key in machine:
                draft.machine[key] = Given(value, self.where(path))
            elif key == "sampling":
                draft.sampling = self.section(value, path)
            elif key in registry.TASKS:
                draft.tasks[key] = self.section(value, path)
            elif key == "stage":
                draft.stages = self.stages(value, path)
            elif isinstance(value, Mapping):
                names = [*registry.TASKS, *TABLES]
                there = f" There are {', '.join(names)}."
                self.complain(path, f"There is no section [{key}].{did_you_mean(key, names, there)}")
            else:
                self.complain(path, known.unknown(key, "machine", [*machine, "task"]))
        return draft

    def section(self, value: Any, path: tuple[str | int, ...]) -> Section:
        """The settings of one table."""
        if not isinstance(value, Mapping):
            name = ".".join(map(str, path))
            self.complain(path, f"{path[-1]} is a table of settings. Write [{name}] and its settings below.")
            return {}
        return {key: Given(v, self.where((*path, key))) for key, v in value.items()}

    def stages(self, value: Any, path: tuple[str | int, ...]) -> list[Section]:
        """The settings of each table of a list."""
        if not isinstance(value, list) or not all(isinstance(table, Mapping) for table in value):
            name = ".".join(map(str, path))
            self.complain(path, f"{path[-1]} is a list, one table a {path[-1]}. Write [[{name}]] with double brackets.")
            return []
        return [self.section(table, (*path, number)) for number, table in enumerate(value)]
