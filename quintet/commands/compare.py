"""The command `quintet compare`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from quintet.commands import advise
from quintet.commands.arguments import HELP, Options, live_page, read, recipe_of, show, stop_if_wrong, task_of
from quintet.config import help as help_of
from quintet.config import known, new_comparison, render_comparison
from quintet.config.flags import CommandLine, spelled
from quintet.config.problems import Problem

OPTIONS: Options = {
    "--algorithms A,B": "what is compared: algorithms, or labels of the recipe's contenders (default: all of the recipe's)",
    "--recipe FILE": "a comparison's recipe: [comparison], [[start]], [[contender]] and what they share; flags go in front",
    "--small": "the recipe's small version, its [small] table, if it has one",
    "--live": "serve a page that follows the runs, on this machine only, and print its address",
    "--watch FOLDER": "only show how the runs of a comparison are doing, beside the process that trains them",
    "--resume FOLDER": "go on with a comparison: what has ended stays, the rest is resumed, what failed is tried again",
    "--dry-run": "check everything, print all settings as a recipe, and train nothing",
    "--json": "progress on stderr; stdout ends with the advice as a JSON object",
    **HELP,
}


def run(arguments: list[str]) -> None:
    """Train several algorithms, several times each, on equal terms, and say which earned its cost."""
    line = read(arguments, OPTIONS)
    if "help" in line.options:
        show(_help(line))
    if "watch" in line.options:
        return _watch(line)
    as_json = "json" in line.options
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr if as_json else sys.stdout, flush=True)  # noqa: E731
    if "resume" in line.options:
        folder = _resume_comparison(line, say)
    else:
        for word in line.words:
            line.problems.append(Problem(word, "Algorithms stand behind --algorithms, with commas between them."))
        recipe = recipe_of(line)
        algorithms = [name.strip() for name in str(line.options.get("algorithms", "")).split(",") if name.strip()]
        experiment = new_comparison(recipe, "small" in line.options, algorithms, line.flags, line.problems)
        if "dry_run" in line.options:
            return print(render_comparison(experiment), end="")
        from quintet import compare

        with live_page(Path(experiment.out), line):
            folder = compare.start(experiment, say)
    return advise.tell(folder, None, as_json)


def _resume_comparison(line: CommandLine, say: Callable[[str], None]) -> Path:
    """Go on with a comparison; nothing but the number of its seeds may change."""
    seeds = None
    for flag in line.flags:
        if flag.name != "seeds":
            line.problems.append(
                Problem(flag.written, "A comparison keeps its own settings; --seeds N alone may grow. Leave this out.")
            )
        elif not str(flag.value).isdecimal() or int(str(flag.value)) < 1:
            line.problems.append(Problem(flag.written, f'It must be a whole number of at least 1, not "{flag.value}".'))
        else:
            seeds = int(str(flag.value))
    others = [spelled(o) for o in line.options if o not in ("resume", "json", "live")]
    for other in [*line.words, *others]:
        line.problems.append(Problem(other, "A comparison keeps its own settings. Leave this out, or start a new one."))
    stop_if_wrong(line)
    from quintet import compare

    folder = Path(str(line.options["resume"]))
    with live_page(folder, line):
        return compare.resume(folder, seeds, say)


def _watch(line: CommandLine) -> None:
    """The table of a comparison's runs, until Ctrl-C or their end."""
    others = [flag.written for flag in line.flags] + [spelled(o) for o in line.options if o != "watch"]
    for other in [*line.words, *others]:
        line.problems.append(Problem(other, "--watch FOLDER stands alone: it shows a comparison and trains nothing."))
    stop_if_wrong(line)
    from quintet.observe.watch import watch

    watch(Path(str(line.options["watch"])))


def _help(line: CommandLine) -> str:
    usage = (
        "usage: quintet compare --algorithms A,B,… --task TASK [settings]\n"
        "       quintet compare --recipe FILE [settings]\n"
        "       quintet compare --resume FOLDER [--seeds N]\n\n"
        "Each algorithm is trained with each seed from one start, within one budget, and scored on held-out problems.\n"
        "A setting without a label before it goes to every contender that has it; --grpo.lr 1e-4 to one.\n"
    )
    settings = help_of.of_settings(None, task_of(line), known.sampling(), known.machine())
    comparison = help_of.of_comparison(known.comparison())
    return "\n".join([usage, help_of.of_choices(), "", help_of.of_options(OPTIONS), "", comparison, settings]).rstrip()
