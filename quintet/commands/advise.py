"""The command `quintet advise`."""

from __future__ import annotations

from pathlib import Path

from quintet.commands.arguments import HELP, Options, json_of, only_word, read, show, stop_if_wrong
from quintet.config import help as help_of
from quintet.config import new_task
from quintet.config.flags import CommandLine
from quintet.config.problems import Problem

OPTIONS: Options = {
    "--score X": "count tokens and seconds to this score (default: half of the way from the start to the best)",
    "--json": "print one JSON object instead of tables",
    **HELP,
}


def run(arguments: list[str]) -> None:
    """Say which algorithm of a comparison to take; or, of a task or data, which algorithms apply at all."""
    line = read(arguments, OPTIONS)
    if "help" in line.options:
        show(_help())
    if not line.words and line.flags:
        return _advise_task(line)
    for flag in line.flags:
        line.problems.append(Problem(flag.written, "A comparison keeps its own settings. Leave this out, or leave FOLDER out."))
    target = _score(line)
    name = only_word(line, "FOLDER", "the folder of a comparison; or --task NAME or --data FILE for what applies there")
    stop_if_wrong(line)
    return tell(Path(name), target, "json" in line.options)


def _score(line: CommandLine) -> float | None:
    text = line.options.get("score")
    try:
        return None if text is None else float(text)
    except ValueError:
        line.problems.append(
            Problem("--score", f'It must be a number such as 0.4 (a share, where problems are solved), not "{text}".')
        )
        return None


def _advise_task(line: CommandLine) -> None:
    """Which algorithms can learn from what a task or data offer."""
    task = new_task(line.flags, line.problems)
    from quintet.advise import advice_for, applicable, given_by

    given = given_by(task)
    found, sentences = applicable(given), advice_for(given)
    if "json" in line.options:
        return print(json_of({"given": vars(given), "algorithms": [vars(one) for one in found], "sentences": sentences}))
    from quintet.advise.table import show_applicable

    return show_applicable(found, sentences)


def tell(folder: Path, target: float | None, as_json: bool) -> None:
    """Print a comparison's advice."""
    from quintet.advise import advise

    advice = advise(folder, target)
    if as_json:
        return print(json_of(advice))
    from quintet.advise.table import show

    return show(advice)


def _help() -> str:
    usage = (
        "usage: quintet advise FOLDER [options]              which algorithm of a comparison to take\n"
        "       quintet advise --task TASK [settings]        which algorithms apply to a task\n"
        "       quintet advise --data FILE [--reward FILE]   which apply to your data\n"
    )
    return "\n".join([usage, help_of.of_options(OPTIONS)])
