"""The command `quintet report`."""

from __future__ import annotations

from pathlib import Path

from quintet.commands.arguments import HELP, Options, only_word, plain, run_folder, stop_if_wrong

OPTIONS: Options = {"-o, --out FILE": "where to write it (default RUN/report.html)", **HELP}


def run(arguments: list[str]) -> None:
    """Write a run's report: one HTML file that needs no network."""
    line = plain(arguments, "report RUN", OPTIONS, run.__doc__ or "")
    name = only_word(line, "RUN", "the folder of a run")
    stop_if_wrong(line)
    from quintet.report import write_report

    folder = run_folder(name)
    print(write_report(folder, Path(str(line.options.get("out", folder / "report.html")))))
