"""The command line. Each command loads what it needs when it runs: help and complaints come at once."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import quintet
from quintet.config import help as help_of
from quintet.config import known, new_comparison, new_evaluation, new_run, new_task, registry, render, render_comparison
from quintet.config.flags import CommandLine, Flag, spelled, split
from quintet.config.problems import Problem, SettingsError, did_you_mean
from quintet.config.reading import EVALUATION
from quintet.data import Sampling

# torch's OpenMP threads spin at barriers for so long that another process on the machine makes a step up to thirty times slower
# (docs/log.md). The runtime reads this when torch is loaded, which no import above does.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

Options = dict[str, str]
"""A command's own flags, as help shows them, with what they do."""

HELP: Options = {"-h, --help": "this text"}
TRAIN: Options = {
    "--recipe FILE": "settings from a TOML file; flags are put in front of them",
    "--small": "the recipe's small version, its [small] table, if it has one",
    "--resume RUN": "go on with the run in this folder, to the same bits as if it had never stopped",
    "--dry-run": "check everything, print all settings as a recipe, and train nothing",
    "--live": "serve a page that follows the run, on this machine only, for as long as it trains",
    "--json": "progress on stderr; stdout ends with a JSON object that says what came of it",
    **HELP,
}
EVAL: Options = {
    "--problems N": "held-out problems to answer (default 1000)",
    "--k K": "answers to each problem (default 1); several are also scored by Pass@K and Maj@K, with temperature 1 unless told",
    "--recipe FILE": "the task's settings from a recipe; those of a run's own model are found without it",
    "--json": "print one JSON object instead of a table",
    **HELP,
}
CHECK: Options = {
    "--prompts N": "prompts whose answers are scored (default 16)",
    "--measure N": "real steps that are timed, their weights thrown away (default 2; 0: no estimate of time and memory)",
    "--algorithm NAME": "whose settings and costs are meant (default grpo, or the recipe's first stage that samples)",
    "--recipe FILE": "settings from a TOML file; flags are put in front of them",
    "--json": "print one JSON object instead of a page",
    **HELP,
}
ROLLOUTS: Options = {
    "--step N": "the step (default: the last one that sampled answers)",
    "--group G": "only the answers to the prompt with this number",
    "--limit K": "at most this many prompts (default 4)",
    **HELP,
}
REPORT: Options = {"-o, --out FILE": "where to write it (default RUN/report.html)", **HELP}
LIVE: Options = {"--port N": "the port to listen at (default: a free one)", **HELP}
COMPARE: Options = {
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
ADVISE: Options = {
    "--score X": "count tokens and seconds to this score (default: half of the way from the start to the best)",
    "--json": "print one JSON object instead of tables",
    **HELP,
}
DOCTOR: Options = {"--json": "print one JSON object instead of a text", **HELP}


class _Shown(Exception):
    """Help was asked for and printed; nothing is left to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 fine, 1 it failed, 2 the settings are wrong, 130 Ctrl-C."""
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except _Shown:
        return 0
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of a pipe had enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
        return 0
    except Exception as error:
        if os.environ.get("QUINTET_TRACEBACK") == "1":
            raise
        print(_sentence(error), file=sys.stderr)
        return 1
    return 0


def _run(arguments: list[str]) -> None:
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:], "--help"]
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    if command in ("-h", "--help"):
        return print(_general_help())
    if command in ("--version", "-V"):
        return print(f"quintet {quintet.__version__}")
    if command not in COMMANDS:
        hint = did_you_mean(command, COMMANDS)
        raise SettingsError([Problem("", f'There is no command "{command}".{hint} There are {", ".join(COMMANDS)}.')])
    return COMMANDS[command][0](rest)


# ---- commands --------------------------------------------------------------------------------------------------------------


def train(arguments: list[str]) -> None:
    """Train a model with one algorithm, or with the stages of a recipe."""
    line = _read(arguments, TRAIN)
    if "help" in line.options:
        _show(_train_help(line))
    as_json = "json" in line.options
    if "resume" in line.options:
        others = [flag.written for flag in line.flags] + [
            spelled(o) for o in line.options if o not in ("resume", "json", "live")
        ]
        for other in [*line.words, *others]:
            line.problems.append(Problem(other, "A resumed run keeps its own settings. Leave this out, or start a new run."))
        _stop_if_wrong(line)
        from quintet import runs

        folder = _run_folder(str(line.options["resume"]))
        with _live_page(folder, line):
            return _finish(runs.resume(folder, quiet=as_json), as_json)
    for word in line.words[1:]:
        line.problems.append(Problem(word, "One algorithm at a time; several are the stages of a recipe (--recipe FILE)."))
    recipe = Path(str(line.options["recipe"])) if "recipe" in line.options else None
    algorithm = line.words[0] if line.words else None
    line.problems += [Problem(word, what) for word in line.words[:1] for what in _misplaced(word)]
    run = new_run(recipe, "small" in line.options, algorithm, line.flags, line.problems)
    if "dry_run" in line.options:
        return print(render(run), end="")
    from quintet import runs

    with _live_page(Path(run.machine.out), line):
        return _finish(runs.start(run, quiet=as_json), as_json)


def evaluate(arguments: list[str]) -> None:
    """Score a model on a task's held-out problems."""
    line = _read(arguments, EVAL)
    if "help" in line.options:
        _show(_eval_help(line))
    problems, k = _whole(line, "problems", 1000, least=1) or 0, _whole(line, "k", 1, least=1) or 1
    model, run = _model_and_run(_only_word(line, "MODEL", "a run's folder, a transformers folder, a hub id or a preset"))
    recipe = Path(str(line.options["recipe"])) if "recipe" in line.options else run
    task, sampling, machine = new_evaluation(model, recipe, line.flags, line.problems)
    sampling = _for_several(sampling, line) if k > 1 else sampling
    import torch

    from quintet.environment import usable_cores
    from quintet.evaluate import evaluate_model

    torch.set_num_threads(machine.threads or usable_cores())
    row = evaluate_model(model, task, sampling, problems, machine, k)
    if "json" in line.options:
        return print(_json(row))
    if k > 1:
        from quintet.observe.k_table import show_k

        return show_k(row)
    from quintet.observe.console import Console

    return Console([]).table([{**row, "label": f"{row['n']} problems"}])


def check(arguments: list[str]) -> None:
    """Score answers of the untrained model with your reward, and estimate what training will cost. Writes nothing."""
    line = _read(arguments, CHECK)
    if "help" in line.options:
        _show(_check_help(line))
    prompts, steps = _whole(line, "prompts", 16, least=1) or 16, _whole(line, "measure", 2)
    line.flags[:0] = [Flag("data", word, word) for word in line.words[:1]]
    for word in line.words[1:]:
        line.problems.append(Problem(word, "One file of prompts at a time: quintet check DATA.jsonl --reward FILE.py"))
    recipe = Path(str(line.options["recipe"])) if "recipe" in line.options else None
    algorithm = line.options.get("algorithm", None if recipe else "grpo")
    run = new_run(recipe, False, None if algorithm is None else str(algorithm), line.flags, line.problems)
    from quintet.check import examine
    from quintet.doctor import memory_bytes

    found = examine(run, prompts, 2 if steps is None else steps, memory_bytes()["available"])
    if "json" in line.options:
        return print(_json(found))
    from quintet.observe.check_table import show_check

    return show_check(found)


def rollouts(arguments: list[str]) -> None:
    """Show a step's answers, by prompt, the best first."""
    line = _plain(arguments, "rollouts RUN", ROLLOUTS)
    step, group = _whole(line, "step", None), _whole(line, "group", None)
    limit = _whole(line, "limit", 4, least=1) or 4
    run = _only_word(line, "RUN", "the folder of a run")
    _stop_if_wrong(line)
    from quintet.observe.rollout_table import show

    show(_run_folder(run), step, group, limit)


def report(arguments: list[str]) -> None:
    """Write a run's report: one HTML file that needs no network."""
    line = _plain(arguments, "report RUN", REPORT)
    run = _only_word(line, "RUN", "the folder of a run")
    _stop_if_wrong(line)
    from quintet.report import write_report

    folder = _run_folder(run)
    print(write_report(folder, Path(str(line.options.get("out", folder / "report.html")))))


def live(arguments: list[str]) -> None:
    """Serve a page that shows a run or a comparison, finished or as it grows; only this machine can open it. Ctrl-C ends it."""
    line = _plain(arguments, "live RUN", LIVE)
    run, port = _only_word(line, "RUN", "the folder of a run or a comparison"), _whole(line, "port", 0)
    _stop_if_wrong(line)
    from quintet.live.beside import require, require_folder

    require()
    folder = require_folder(_run_folder(run))
    from quintet.live.serve import serve

    serve(folder, port or 0, lambda address: print(f"Live page of {folder}: {address}\nCtrl-C ends it.", flush=True))


def compare(arguments: list[str]) -> None:
    """Train several algorithms, several times each, on equal terms, and say which earned its cost."""
    line = _read(arguments, COMPARE)
    if "help" in line.options:
        _show(_compare_help(line))
    if "watch" in line.options:
        return _watch(line)
    as_json = "json" in line.options
    say: Callable[[str], None] = lambda text: print(text, file=sys.stderr if as_json else sys.stdout, flush=True)  # noqa: E731
    if "resume" in line.options:
        folder = _resume_comparison(line, say)
    else:
        for word in line.words:
            line.problems.append(Problem(word, "Algorithms stand behind --algorithms, with commas between them."))
        recipe = Path(str(line.options["recipe"])) if "recipe" in line.options else None
        algorithms = [name.strip() for name in str(line.options.get("algorithms", "")).split(",") if name.strip()]
        experiment = new_comparison(recipe, "small" in line.options, algorithms, line.flags, line.problems)
        if "dry_run" in line.options:
            return print(render_comparison(experiment), end="")
        from quintet import compare

        with _live_page(Path(experiment.out), line):
            folder = compare.start(experiment, say)
    _advise(folder, None, as_json)
    return None


def advise(arguments: list[str]) -> None:
    """Say which algorithm of a comparison to take; or, of a task or data, which algorithms apply at all."""
    line = _read(arguments, ADVISE)
    if "help" in line.options:
        _show(_advise_help())
    if not line.words and line.flags:
        return _advise_task(line)
    for flag in line.flags:
        line.problems.append(Problem(flag.written, "A comparison keeps its own settings. Leave this out, or leave FOLDER out."))
    target = _score(line)
    name = _only_word(line, "FOLDER", "the folder of a comparison; or --task NAME or --data FILE for what applies there")
    _stop_if_wrong(line)
    return _advise(Path(name), target, "json" in line.options)


def doctor(arguments: list[str]) -> None:
    """Say what this machine can do and which settings to start from."""
    line = _plain(arguments, "doctor", DOCTOR)
    for word in line.words:
        line.problems.append(Problem(word, "quintet doctor takes no more than its options."))
    _stop_if_wrong(line)
    from quintet.doctor import examine, told

    found = examine(Path.cwd())
    print(_json(found) if "json" in line.options else told(found))


COMMANDS: dict[str, tuple[Callable[[list[str]], None], str]] = {
    "check": (check, "score answers of the untrained model with your reward; estimate time and memory"),
    "train": (train, "train a model"),
    "eval": (evaluate, "score a model on a task's held-out problems"),
    "rollouts": (rollouts, "show the answers of one step of a run"),
    "compare": (compare, "train several algorithms on equal terms"),
    "advise": (advise, "say which algorithm to take, and how sure that is"),
    "report": (report, "write a run's report, one HTML file"),
    "live": (live, "serve a page that follows a run or a comparison"),
    "doctor": (doctor, "say what this machine can do and which settings to start from"),
}


# ---- reading arguments -----------------------------------------------------------------------------------------------------


def _read(arguments: list[str], options: Options, settings: bool = True) -> CommandLine:
    """The arguments, with the command's own flags apart from the settings, if it has any."""
    names: dict[str, bool] = {}
    for shown in options:
        flag, _, value = shown.rpartition("--")[2].partition(" ")
        names[flag.replace("-", "_")] = bool(value)
    return split(arguments, names, settings)


def _plain(arguments: list[str], usage: str, options: Options) -> CommandLine:
    """The arguments of a command that has no settings."""
    line = _read(arguments, options, settings=False)
    if "help" in line.options:
        doc = (COMMANDS[usage.split()[0]][0].__doc__ or "").strip()
        _show(f"usage: quintet {usage} [options]\n\n{doc}\n\n{help_of.of_options(options)}")
    names = [shown.rpartition("--")[2].partition(" ")[0] for shown in options]
    for flag in line.flags:
        what = f"quintet {usage.split()[0]} has no such flag. It has --{', --'.join(names)}."
        line.problems.append(Problem(flag.written, what))
    return line


def _misplaced(word: str) -> list[str]:
    """What to say of a word that stands where an algorithm should, and is something else that one has at hand."""
    flags = {".toml": "--recipe", ".jsonl": "--data", ".json": "--data", ".csv": "--data"}
    if word in registry.TASKS:
        return [f"This is a task. Name an algorithm, and the task by a flag: quintet train grpo --task {word}"]
    flag = flags.get(Path(word).suffix)
    return [f"Files are named by flags: {flag} {word}"] if flag else []


def _only_word(line: CommandLine, what: str, which: str) -> str:
    if len(line.words) != 1:
        got = f"; got {len(line.words)}: {' '.join(line.words)}" if line.words else ""
        line.problems.append(Problem(what, f"Name one: {which}{got}."))
    return line.words[0] if line.words else ""


def _whole(line: CommandLine, name: str, default: int | None, least: int = 0) -> int | None:
    text = line.options.get(name)
    if text is None:
        return default
    if not str(text).isdecimal() or int(str(text)) < least:
        line.problems.append(Problem(spelled(name), f'It must be a whole number of at least {least}, not "{text}".'))
        return default
    return int(str(text))


def _score(line: CommandLine) -> float | None:
    text = line.options.get("score")
    try:
        return None if text is None else float(text)
    except ValueError:
        line.problems.append(
            Problem("--score", f'It must be a number such as 0.4 (a share, where problems are solved), not "{text}".')
        )
        return None


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
    _stop_if_wrong(line)
    from quintet import compare

    folder = Path(str(line.options["resume"]))
    with _live_page(folder, line):
        return compare.resume(folder, seeds, say)


def _watch(line: CommandLine) -> None:
    """The table of a comparison's runs, until Ctrl-C or their end."""
    others = [flag.written for flag in line.flags] + [spelled(o) for o in line.options if o != "watch"]
    for other in [*line.words, *others]:
        line.problems.append(Problem(other, "--watch FOLDER stands alone: it shows a comparison and trains nothing."))
    _stop_if_wrong(line)
    from quintet.observe.watch import watch

    watch(Path(str(line.options["watch"])))


def _advise(folder: Path, target: float | None, as_json: bool) -> None:
    from quintet.advise import advise

    advice = advise(folder, target)
    if as_json:
        return print(_json(advice))
    from quintet.advise.table import show

    return show(advice)


def _advise_task(line: CommandLine) -> None:
    """Which algorithms can learn from what a task or data offer."""
    task = new_task(line.flags, line.problems)
    from quintet.advise import advice_for, applicable, given_by

    given = given_by(task)
    found, sentences = applicable(given), advice_for(given)
    if "json" in line.options:
        return print(_json({"given": vars(given), "algorithms": [vars(one) for one in found], "sentences": sentences}))
    from quintet.advise.table import show_applicable

    return show_applicable(found, sentences)


def _for_several(sampling: Sampling, line: CommandLine) -> Sampling:
    """A temperature at which several answers to a problem differ; SettingsError where another was asked for."""
    if sampling.temperature > 0:
        return sampling
    for flag in line.flags:
        if flag.key == "temperature":
            what = "At temperature=0 all answers to a problem are the same. Choose one above 0, or leave --k out."
            raise SettingsError([Problem(flag.written, what)])
    return replace(sampling, temperature=1.0)


def _stop_if_wrong(line: CommandLine) -> None:
    if line.problems:
        raise SettingsError(line.problems)


def _run_folder(name: str) -> Path:
    """A run's folder; the name `last` stands for the newest run in the folder before it."""
    path = Path(name)
    if path.name == "last" and not path.exists() and path.parent.is_dir():
        runs = [folder for folder in path.parent.iterdir() if (folder / "settings.toml").is_file()]
        return max(runs, key=lambda folder: (folder / "settings.toml").stat().st_mtime, default=path)
    return path


def _model_and_run(name: str) -> tuple[str, Path | None]:
    """The model that was named, and the settings of the run it came from, if it is one of a run's."""
    path = _run_folder(name) if name else Path("?")
    if (path / "settings.toml").is_file() and (path / "model").is_dir():
        return str(path / "model"), path / "settings.toml"
    if not path.is_dir():
        return name, None
    above = (folder / "settings.toml" for folder in list(path.absolute().parents)[:3])
    found = next((file for file in above if file.is_file()), None)
    model = path / "model" if (path / "model" / "config.json").is_file() else path
    return str(model), found


@contextmanager
def _live_page(folder: Path, line: CommandLine) -> Iterator[None]:
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


# ---- writing ---------------------------------------------------------------------------------------------------------------


def _finish(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(_json(summary))


def _json(value: Any) -> str:
    """JSON in which every reader can read every number: null stands for those that aren't finite."""

    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(v) for key, v in value.items()}
        if isinstance(value, list | tuple):
            return [finite(v) for v in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(value), allow_nan=False)


def _sentence(error: Exception) -> str:
    """An error for people who don't read tracebacks."""
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError) or "out of memory" in text.lower():
        return "The memory ran out. Set --micro-batch to a small number such as 8: it changes nothing but memory and time."
    if isinstance(error, ValueError) or type(error).__module__.startswith("quintet"):
        return str(error)
    if isinstance(error, ModuleNotFoundError) and (error.name or "quintet").split(".")[0] != "quintet":
        return f"The package {error.name} is missing. Install it (python -m pip install {error.name}); see also: quintet doctor"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename} can't be used: {error.strerror}. Check the path and whether you may read or write there."
    name = type(error).__name__
    return f"Quintet failed, and that is a mistake in it: {name}: {text} (QUINTET_TRACEBACK=1 shows where)."


def _show(text: str) -> None:
    print(text)
    raise _Shown


def _general_help() -> str:
    commands = "\n".join(f"  {name:<11}{what}" for name, (_, what) in COMMANDS.items())
    return (
        f"Quintet {quintet.__version__}: improve a language model from feedback.\n\n"
        f"usage: quintet COMMAND [arguments]\n\n{commands}\n\n"
        "`quintet COMMAND --help` says more. To begin: quintet doctor, then quintet train --recipe recipes/demo.toml"
    )


def _train_help(line: CommandLine) -> str:
    if line.words:
        registry.adopt(line.words[0])
    algorithm = line.words[0] if line.words and line.words[0] in registry.ALGORITHMS else None
    task = _task_of(line)
    usage = (
        f"usage: quintet train {algorithm or 'ALGORITHM'} --task TASK [settings]\n"
        f"       quintet train {algorithm or '[ALGORITHM]'} --recipe FILE [settings]\n"
        "       quintet train --resume RUN\n\n"
        "Every setting can stand in a recipe (`key = value`) or be a flag. Where several stages have it, say which:\n"
        "--sft.lr 2e-3 --grpo.lr 1e-4.\n"
    )
    choices = "\n".join(help_of.of_tasks()) if algorithm else help_of.of_choices()
    settings = help_of.of_settings(algorithm, task, known.sampling(), known.machine())
    return "\n".join([usage, choices, "", help_of.of_options(TRAIN), "", settings]).rstrip()


def _compare_help(line: CommandLine) -> str:
    usage = (
        "usage: quintet compare --algorithms A,B,… --task TASK [settings]\n"
        "       quintet compare --recipe FILE [settings]\n"
        "       quintet compare --resume FOLDER [--seeds N]\n\n"
        "Each algorithm is trained with each seed from one start, within one budget, and scored on held-out problems.\n"
        "A setting without a label before it goes to every contender that has it; --grpo.lr 1e-4 to one.\n"
    )
    settings = help_of.of_settings(None, _task_of(line), known.sampling(), known.machine())
    comparison = help_of.of_comparison(known.comparison())
    return "\n".join([usage, help_of.of_choices(), "", help_of.of_options(COMPARE), "", comparison, settings]).rstrip()


def _advise_help() -> str:
    usage = (
        "usage: quintet advise FOLDER [options]              which algorithm of a comparison to take\n"
        "       quintet advise --task TASK [settings]        which algorithms apply to a task\n"
        "       quintet advise --data FILE [--reward FILE]   which apply to your data\n"
    )
    return "\n".join([usage, help_of.of_options(ADVISE)])


def _check_help(line: CommandLine) -> str:
    name = str(line.options.get("algorithm", "grpo"))
    usage = (
        "usage: quintet check DATA.jsonl --reward FILE.py [settings]\n"
        "       quintet check --task TASK [settings]\n\n"
        f"{(check.__doc__ or '').strip()} It takes every setting of `quintet train`, so check and train can be called alike.\n"
    )
    settings = help_of.of_settings(name, _task_of(line), known.sampling(), known.machine())
    return "\n".join([usage, *help_of.of_tasks(), "", help_of.of_options(CHECK), "", settings]).rstrip()


def _eval_help(line: CommandLine) -> str:
    machine = {name: field for name, field in known.machine().items() if name in EVALUATION}
    sampling = known.sampling()
    sampling["temperature"] = replace(sampling["temperature"], default=0.0)
    usage = (
        "usage: quintet eval MODEL --task TASK [settings]\n\n"
        "MODEL: a run's folder, a transformers folder, a hub id or a preset. A run's own model is scored on the run's task\n"
        "without --task. Temperature: as in the run's evaluations (eval_temperature), else 0.\n"
    )
    settings = help_of.of_settings(None, _task_of(line), sampling, machine, training=False)
    return "\n".join([usage, *help_of.of_tasks(), "", help_of.of_options(EVAL), "", settings]).rstrip()


def _task_of(line: CommandLine) -> str | None:
    """The task whose settings help shows: the one named by --task or by its own flags."""
    for flag in line.flags:
        name = flag.value if flag.name == "task" else registry.CHOOSES_TASK.get(flag.name)
        if isinstance(name, str) and name in registry.TASKS:
            return name
    return None


if __name__ == "__main__":
    sys.exit(main())
