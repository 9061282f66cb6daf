"""The command line. Each command (quintet/commands/) is loaded when it runs, and loads what it needs: help and complaints come
at once."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import quintet
from quintet.commands.arguments import Shown
from quintet.config.problems import Problem, SettingsError, did_you_mean

# torch's OpenMP threads spin at barriers for so long that another process on the machine makes a step up to thirty times slower
# (docs/log.md). The runtime reads this when torch is loaded, which no import above does.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

COMMANDS = {
    "check": "score answers of the untrained model with your reward; estimate time and memory",
    "train": "train a model",
    "eval": "score a model on a task's held-out problems",
    "rollouts": "show the answers of one step of a run",
    "compare": "train several algorithms on equal terms",
    "advise": "say which algorithm to take, and how sure that is",
    "report": "write a run's report, one HTML file",
    "live": "serve a page that follows a run or a comparison",
    "doctor": "say what this machine can do and which settings to start from",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 fine, 1 it failed, 2 the settings are wrong, 130 Ctrl-C."""
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
    except Shown:
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
    import_module(f"quintet.commands.{command}").run(rest)
    return None


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


def _general_help() -> str:
    commands = "\n".join(f"  {name:<11}{what}" for name, what in COMMANDS.items())
    return (
        f"Quintet {quintet.__version__}: improve a language model from feedback.\n\n"
        f"usage: quintet COMMAND [arguments]\n\n{commands}\n\n"
        "`quintet COMMAND --help` says more. To begin: quintet doctor, then quintet train --recipe recipes/demo.toml"
    )


if __name__ == "__main__":
    sys.exit(main())
