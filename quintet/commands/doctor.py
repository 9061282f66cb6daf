"""The command `quintet doctor`."""

from __future__ import annotations

from pathlib import Path

from quintet.commands.arguments import HELP, Options, json_of, plain, stop_if_wrong
from quintet.config.problems import Problem

OPTIONS: Options = {"--json": "print one JSON object instead of a text", **HELP}


def run(arguments: list[str]) -> None:
    """Say what this machine can do and which settings to start from."""
    line = plain(arguments, "doctor", OPTIONS, run.__doc__ or "")
    for word in line.words:
        line.problems.append(Problem(word, "quintet doctor takes no more than its options."))
    stop_if_wrong(line)
    from quintet.doctor import examine, told

    found = examine(Path.cwd())
    print(json_of(found) if "json" in line.options else told(found))
