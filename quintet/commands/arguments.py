"""What commands share: reading their arguments, naming runs, writing JSON."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quintet.config import help as help_of
from quintet.config import registry
from quintet.config.flags import CommandLine, spelled, split
from quintet.config.problems import Problem, SettingsError

Options = dict[str, str]
"""A command's own flags, as help shows them, with what they do."""

HELP: Options = {"-h, --help": "this text"}


class Shown(Exception):
    """Help was asked for and printed; nothing is left to do."""


def read(arguments: list[str], options: Options, settings: bool = True) -> CommandLine:
    """The arguments, with the command's own flags apart from the settings, if it has any."""
    names: dict[str, bool] = {}
    for shown in options:
        flag, _, value = shown.rpartition("--")[2].partition(" ")
        names[flag.replace("-", "_")] = bool(value)
    return split(arguments, names, settings)


def plain(arguments: list[str], usage: str, options: Options, what: str) -> CommandLine:
    """The arguments of a command that has no settings; `what` it does, for its help."""
    line = read(arguments, options, settings=False)
    if "help" in line.options:
        show(f"usage: quintet {usage} [options]\n\n{what.strip()}\n\n{help_of.of_options(options)}")
    names = [shown.rpartition("--")[2].partition(" ")[0] for shown in options]
    for flag in line.flags:
        complaint = f"quintet {usage.split()[0]} has no such flag. It has --{', --'.join(names)}."
        line.problems.append(Problem(flag.written, complaint))
    return line


def only_word(line: CommandLine, what: str, which: str) -> str:
    if len(line.words) != 1:
        got = f"; got {len(line.words)}: {' '.join(line.words)}" if line.words else ""
        line.problems.append(Problem(what, f"Name one: {which}{got}."))
    return line.words[0] if line.words else ""


def whole(line: CommandLine, name: str, default: int | None, least: int = 0) -> int | None:
    """A whole number behind a command's flag, `default` where it isn't there; one below `least` is a problem of the line's."""
    text = line.options.get(name)
    if text is None:
        return default
    if not str(text).isdecimal() or int(str(text)) < least:
        line.problems.append(Problem(spelled(name), f'It must be a whole number of at least {least}, not "{text}".'))
        return default
    return int(str(text))


def recipe_of(line: CommandLine) -> Path | None:
    """The recipe that was named."""
    return Path(str(line.options["recipe"])) if "recipe" in line.options else None


def stop_if_wrong(line: CommandLine) -> None:
    if line.problems:
        raise SettingsError(line.problems)


def task_of(line: CommandLine) -> str | None:
    """The task whose settings help shows: the one named by --task or by its own flags."""
    for flag in line.flags:
        name = flag.value if flag.name == "task" else registry.CHOOSES_TASK.get(flag.name)
        if isinstance(name, str) and name in registry.TASKS:
            return name
    return None


def run_folder(name: str) -> Path:
    """A run's folder; the name `last` stands for the newest run in the folder before it."""
    path = Path(name)
    if path.name == "last" and not path.exists() and path.parent.is_dir():
        runs = [folder for folder in path.parent.iterdir() if (folder / "settings.toml").is_file()]
        return max(runs, key=lambda folder: (folder / "settings.toml").stat().st_mtime, default=path)
    return path


@contextmanager
def live_page(folder: Path, line: CommandLine) -> Iterator[None]:
    """The live page beside the run, if `--live` was given."""
    if "live" not in line.options:
        yield
        return
    from quintet.live.beside import live_page

    with live_page(folder) as address:
        print(f"Live page: {address}", file=sys.stderr)
        try:
            yield
        finally:
            print(f"The live page ends with the run. To see it again: quintet live {folder}", file=sys.stderr)


def show(text: str) -> None:
    print(text)
    raise Shown


def json_of(value: Any) -> str:
    """JSON in which every reader can read every number: null stands for those that aren't finite."""

    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(v) for key, v in value.items()}
        if isinstance(value, list | tuple):
            return [finite(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(value), allow_nan=False)
