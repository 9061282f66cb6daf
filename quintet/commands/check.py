"""The command `quintet check`."""

from __future__ import annotations

from quintet.commands.arguments import HELP, Options, json_of, read, recipe_of, show, task_of, whole
from quintet.config import help as help_of
from quintet.config import known, new_run
from quintet.config.flags import CommandLine, Flag
from quintet.config.problems import Problem

OPTIONS: Options = {
    "--prompts N": "prompts whose answers are scored (default 16)",
    "--measure N": "real steps that are timed, their weights thrown away (default 2; 0: no estimate of time and memory)",
    "--algorithm NAME": "whose settings and costs are meant (default grpo, or the recipe's first stage that samples)",
    "--recipe FILE": "settings from a TOML file; flags are put in front of them",
    "--json": "print one JSON object instead of a page",
    **HELP,
}


def run(arguments: list[str]) -> None:
    """Score answers of the untrained model with your reward, and estimate what training will cost. Writes nothing."""
    line = read(arguments, OPTIONS)
    if "help" in line.options:
        show(_help(line))
    prompts, steps = whole(line, "prompts", 16, least=1) or 16, whole(line, "measure", 2)
    line.flags[:0] = [Flag("data", word, word) for word in line.words[:1]]
    for word in line.words[1:]:
        line.problems.append(Problem(word, "One file of prompts at a time: quintet check DATA.jsonl --reward FILE.py"))
    recipe = recipe_of(line)
    algorithm = line.options.get("algorithm", None if recipe else "grpo")
    asked = new_run(recipe, False, None if algorithm is None else str(algorithm), line.flags, line.problems)
    from quintet.check import examine
    from quintet.doctor import memory_bytes

    found = examine(asked, prompts, 2 if steps is None else steps, memory_bytes()["available"])
    if "json" in line.options:
        return print(json_of(found))
    from quintet.observe.check_table import show_check

    return show_check(found)


def _help(line: CommandLine) -> str:
    name = str(line.options.get("algorithm", "grpo"))
    usage = (
        "usage: quintet check DATA.jsonl --reward FILE.py [settings]\n"
        "       quintet check --task TASK [settings]\n\n"
        f"{(run.__doc__ or '').strip()} It takes every setting of `quintet train`, so check and train can be called alike.\n"
    )
    settings = help_of.of_settings(name, task_of(line), known.sampling(), known.machine())
    return "\n".join([usage, *help_of.of_tasks(), "", help_of.of_options(OPTIONS), "", settings]).rstrip()
