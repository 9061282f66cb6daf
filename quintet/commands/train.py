"""The command `quintet train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from quintet.commands.arguments import (
    HELP,
    Options,
    json_of,
    live_page,
    read,
    recipe_of,
    run_folder,
    show,
    stop_if_wrong,
    task_of,
)
from quintet.config import help as help_of
from quintet.config import known, new_run, registry, render
from quintet.config.flags import CommandLine, spelled
from quintet.config.problems import Problem

OPTIONS: Options = {
    "--recipe FILE": "settings from a TOML file; flags are put in front of them",
    "--small": "the recipe's small version, its [small] table, if it has one",
    "--resume RUN": "go on with the run in this folder, to the same bits as if it had never stopped",
    "--dry-run": "check everything, print all settings as a recipe, and train nothing",
    "--live": "serve a page that follows the run, on this machine only, for as long as it trains",
    "--json": "progress on stderr; stdout ends with a JSON object that says what came of it",
    **HELP,
}


def run(arguments: list[str]) -> None:
    """Train a model with one algorithm, or with the stages of a recipe."""
    line = read(arguments, OPTIONS)
    if "help" in line.options:
        show(_help(line))
    as_json = "json" in line.options
    if "resume" in line.options:
        others = [flag.written for flag in line.flags] + [
            spelled(o) for o in line.options if o not in ("resume", "json", "live")
        ]
        for other in [*line.words, *others]:
            line.problems.append(Problem(other, "A resumed run keeps its own settings. Leave this out, or start a new run."))
        stop_if_wrong(line)
        from quintet import runs

        folder = run_folder(str(line.options["resume"]))
        with live_page(folder, line):
            return _finish(runs.resume(folder, quiet=as_json), as_json)
    for word in line.words[1:]:
        line.problems.append(Problem(word, "One algorithm at a time; several are the stages of a recipe (--recipe FILE)."))
    recipe = recipe_of(line)
    algorithm = line.words[0] if line.words else None
    line.problems += [Problem(word, what) for word in line.words[:1] for what in _misplaced(word)]
    asked = new_run(recipe, "small" in line.options, algorithm, line.flags, line.problems)
    if "dry_run" in line.options:
        return print(render(asked), end="")
    from quintet import runs

    with live_page(Path(asked.machine.out), line):
        return _finish(runs.start(asked, quiet=as_json), as_json)


def _misplaced(word: str) -> list[str]:
    """What to say of a word that stands where an algorithm should, and is something else that one has at hand."""
    flags = {".toml": "--recipe", ".jsonl": "--data", ".json": "--data", ".csv": "--data"}
    if word in registry.TASKS:
        return [f"This is a task. Name an algorithm, and the task by a flag: quintet train grpo --task {word}"]
    flag = flags.get(Path(word).suffix)
    return [f"Files are named by flags: {flag} {word}"] if flag else []


def _finish(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json_of(summary))


def _help(line: CommandLine) -> str:
    if line.words:
        registry.adopt(line.words[0])
    algorithm = line.words[0] if line.words and line.words[0] in registry.ALGORITHMS else None
    task = task_of(line)
    usage = (
        f"usage: quintet train {algorithm or 'ALGORITHM'} --task TASK [settings]\n"
        f"       quintet train {algorithm or '[ALGORITHM]'} --recipe FILE [settings]\n"
        "       quintet train --resume RUN\n\n"
        "Every setting can stand in a recipe (`key = value`) or be a flag. Where several stages have it, say which:\n"
        "--sft.lr 2e-3 --grpo.lr 1e-4.\n"
    )
    choices = "\n".join(help_of.of_tasks()) if algorithm else help_of.of_choices()
    settings = help_of.of_settings(algorithm, task, known.sampling(), known.machine())
    return "\n".join([usage, choices, "", help_of.of_options(OPTIONS), "", settings]).rstrip()
