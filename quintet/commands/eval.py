"""The command `quintet eval`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quintet.commands.arguments import HELP, Options, json_of, only_word, read, recipe_of, run_folder, show, task_of, whole
from quintet.config import help as help_of
from quintet.config import known, new_evaluation
from quintet.config.flags import CommandLine
from quintet.config.problems import Problem, SettingsError
from quintet.config.reading import EVALUATION
from quintet.data import Sampling

OPTIONS: Options = {
    "--problems N": "held-out problems to answer (default 1000)",
    "--k K": "answers to each problem (default 1); several are also scored by Pass@K and Maj@K, with temperature 1 unless told",
    "--recipe FILE": "the task's settings from a recipe; those of a run's own model are found without it",
    "--json": "print one JSON object instead of a table",
    **HELP,
}


def run(arguments: list[str]) -> None:
    """Score a model on a task's held-out problems."""
    line = read(arguments, OPTIONS)
    if "help" in line.options:
        show(_help(line))
    problems, k = whole(line, "problems", 1000, least=1) or 0, whole(line, "k", 1, least=1) or 1
    model, found = _model_and_run(only_word(line, "MODEL", "a run's folder, a transformers folder, a hub id or a preset"))
    recipe = recipe_of(line) or found
    task, sampling, machine = new_evaluation(model, recipe, line.flags, line.problems)
    sampling = _for_several(sampling, line) if k > 1 else sampling
    import torch

    from quintet.environment import usable_cores
    from quintet.evaluate import evaluate_model

    torch.set_num_threads(machine.threads or usable_cores())
    row = evaluate_model(model, task, sampling, problems, machine, k)
    if "json" in line.options:
        return print(json_of(row))
    if k > 1:
        from quintet.observe.k_table import show_k

        return show_k(row)
    from quintet.observe.console import Console

    return Console([]).table([{**row, "label": f"{row['n']} problems"}])


def _for_several(sampling: Sampling, line: CommandLine) -> Sampling:
    """A temperature at which several answers to a problem differ; SettingsError where another was asked for."""
    if sampling.temperature > 0:
        return sampling
    for flag in line.flags:
        if flag.key == "temperature":
            what = "At temperature=0 all answers to a problem are the same. Choose one above 0, or leave --k out."
            raise SettingsError([Problem(flag.written, what)])
    return replace(sampling, temperature=1.0)


def _model_and_run(name: str) -> tuple[str, Path | None]:
    """The model that was named, and the settings of the run it came from, if it is one of a run's."""
    path = run_folder(name) if name else Path("?")
    if (path / "settings.toml").is_file() and (path / "model").is_dir():
        return str(path / "model"), path / "settings.toml"
    if not path.is_dir():
        return name, None
    above = (folder / "settings.toml" for folder in list(path.absolute().parents)[:3])
    found = next((file for file in above if file.is_file()), None)
    model = path / "model" if (path / "model" / "config.json").is_file() else path
    return str(model), found


def _help(line: CommandLine) -> str:
    machine = {name: field for name, field in known.machine().items() if name in EVALUATION}
    sampling = known.sampling()
    sampling["temperature"] = replace(sampling["temperature"], default=0.0)
    usage = (
        "usage: quintet eval MODEL --task TASK [settings]\n\n"
        "MODEL: a run's folder, a transformers folder, a hub id or a preset. A run's own model is scored on the run's task\n"
        "without --task. Temperature: as in the run's evaluations (eval_temperature), else 0.\n"
    )
    settings = help_of.of_settings(None, task_of(line), sampling, machine, training=False)
    return "\n".join([usage, *help_of.of_tasks(), "", help_of.of_options(OPTIONS), "", settings]).rstrip()
