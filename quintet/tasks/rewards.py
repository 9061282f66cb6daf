"""A user's reward functions: found in a Python file, called with TRL's signature, and held to what they promise."""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from math import isfinite
from operator import index
from pathlib import Path
from types import ModuleType
from typing import Any

from quintet.protocols import TaskError

Reward = Callable[..., Any]
"""Called once a batch with keywords only; a list with a number (or None: doesn't apply; or `Steps`) for each completion, or an
awaitable of one."""
Steps = tuple[tuple[int, float], ...]
"""Rewards of a completion's single steps: (characters of it up to the step's end, the step's reward)."""
LONGEST_QUOTE = 120


class RewardError(TaskError):
    """A reward function, or the file it is in, is broken. The message names it, the reason and what to do."""


def load_rewards(where: str) -> dict[str, Reward]:
    """The reward functions of FILE.py or FILE.py:NAME[,NAME…], by name.

    Without names: `reward`, or else every function of the file's own whose name begins with `reward` or ends with `_reward`.
    Raises RewardError where there is no such file or function, or the file can't be run."""
    path, names = _split(where)
    module = _run(path)
    if names:
        missing = [name for name in names if not callable(getattr(module, name, None))]
        if missing:
            raise RewardError(f"{path} has no function {', '.join(missing)}. It has {', '.join(_own(module)) or 'none'}.")
        return {name: getattr(module, name) for name in names}
    own = _own(module)
    if "reward" in own:
        return {"reward": own["reward"]}
    found = {name: f for name, f in own.items() if name.startswith("reward") or name.endswith("_reward")}
    if not found:
        raise RewardError(
            f"{path} has no function named reward, reward… or …_reward; it has {', '.join(own) or 'none'}. "
            f"Rename one, or name it: {path}:NAME."
        )
    return found


def missing_arguments(rewards: Mapping[str, Reward], offered: Sequence[str]) -> list[str]:
    """What functions ask for and nobody offers, in sentences."""
    columns = ", ".join(offered)
    return [
        f"The reward {name} asks for {missing}, which the data don't have. They offer {columns}."
        for name, function in rewards.items()
        for missing, parameter in _parameters(function).items()
        if missing not in offered
        and parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
    ]


def call_rewards(rewards: Mapping[str, Reward], arguments: Mapping[str, Any], count: int) -> dict[str, list[Any]]:
    """What each function says of `count` completions: numbers, NaN included, or None where it doesn't apply, or `Steps`.

    Coroutines run together. A function without **kwargs gets the arguments it names. Raises RewardError, with the function's
    name, where one raises or returns something else."""
    first = _quoted(arguments)
    returned: dict[str, Any] = {}
    for name, function in rewards.items():
        try:
            returned[name] = function(**_accepted(function, arguments))
        except Exception as error:
            for waiting in filter(inspect.iscoroutine, returned.values()):
                waiting.close()
            raise _raised(name, error, first) from error
    waiting = {name: value for name, value in returned.items() if inspect.isawaitable(value)}
    for name, value in zip(waiting, _together(list(waiting.values())), strict=True):
        if isinstance(value, Exception):
            raise _raised(name, value, first) from value
        returned[name] = value
    return {name: _numbers(name, value, count) for name, value in returned.items()}


def _split(where: str) -> tuple[Path, list[str]]:
    file, colon, names = where.rpartition(":")
    if colon and file.endswith(".py"):
        return Path(file), [name.strip() for name in names.split(",") if name.strip()]
    return Path(where), []


def _run(path: Path) -> ModuleType:
    """The file as a module; files beside it can be imported from it, as from a script."""
    if not path.is_file():
        raise RewardError(f"There is no file reward={path} in {Path.cwd()}. Give a Python file, or FILE.py:NAME.")
    name = f"reward_{path.stem}_{blake2b(str(path.resolve()).encode(), digest_size=4).hexdigest()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise RewardError(f"{path} is no Python file. Its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    if (folder := str(path.parent.resolve())) not in sys.path:
        sys.path.append(folder)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise RewardError(f"{path} can't be run: {_said(error)}{_line_in(error)}. Mend it and try again.") from error
    return module


def _own(module: ModuleType) -> dict[str, Reward]:
    """What can be called and was made in the module: neither imported functions nor classes."""
    return {
        name: value
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and not inspect.isclass(value)
        and not (inspect.isroutine(value) and value.__module__ != module.__name__)
        and not getattr(value, "__module__", "").startswith("typing")
    }


def _parameters(function: Reward) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(function).parameters
    except (TypeError, ValueError):  # written in C: whatever it takes, it gets everything
        return {"kwargs": inspect.Parameter("kwargs", inspect.Parameter.VAR_KEYWORD)}


def _accepted(function: Reward, arguments: Mapping[str, Any]) -> dict[str, Any]:
    parameters = _parameters(function)
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return dict(arguments)
    return {name: value for name, value in arguments.items() if name in parameters}


def _together(awaitables: Sequence[Awaitable[Any]]) -> list[Any]:
    """The results, or exceptions, of awaitables that run at the same time."""
    if not awaitables:
        return []

    async def gather() -> list[Any]:
        return await asyncio.gather(*awaitables, return_exceptions=True)

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(gather())
    with ThreadPoolExecutor(1) as thread:  # a notebook's loop is running in this thread already
        return thread.submit(asyncio.run, gather()).result()


def _numbers(name: str, values: Any, count: int) -> list[Any]:
    values = values.tolist() if hasattr(values, "tolist") else values
    if not isinstance(values, list | tuple):
        more = " Is its `return` missing?" if values is None else ""
        raise RewardError(f"The reward {name} must return a list of {count} numbers; it returned {_kind(values)}.{more}")
    if len(values) != count:
        raise RewardError(
            f"The reward {name} must return a number for each of the {count} completions; it returned {len(values)}."
        )
    return [_number(name, value) for value in values]


def _number(name: str, value: Any) -> float | Steps | None:
    if value is None:
        return None
    if isinstance(value, list | tuple):
        return _steps(name, value)
    try:
        if isinstance(value, str | bytes):
            raise TypeError
        return float(value)
    except (TypeError, ValueError, OverflowError):
        raise RewardError(f"The reward {name} must return numbers or None; among its values is {_kind(value)}.") from None


def _steps(name: str, pairs: Sequence[Any]) -> Steps:
    """The rewards of a completion's steps, in order.  Example: [(8, 1), (16, 0)] gives ((8, 1.0), (16, 0.0))"""
    try:
        if any(isinstance(pair, str) for pair in pairs):
            raise TypeError
        found = tuple((index(end), float(reward)) for end, reward in pairs)
    except (TypeError, ValueError, OverflowError):
        found = ()
    if len(found) < len(pairs) or any(end < 1 or not isfinite(reward) for end, reward in found):
        raise RewardError(
            f"The reward {name} must return numbers or None, or lists of (characters, reward) pairs, one for each step of a "
            f"completion, the characters counted from its beginning; among its values is {_kind(pairs)}."
        )
    return tuple(sorted(found))


def _raised(name: str, error: BaseException, first: str) -> RewardError:
    return RewardError(
        f"The reward {name} raised {_said(error)}{_line_in(error)}. The batch's first prompt: {first}. "
        "Mend it; `quintet check` calls it without training."
    )


def _said(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _line_in(error: BaseException) -> str:
    """The last line of the user's own file that the error went through, such as ` (reward.py, line 7)`."""
    lines: list[tuple[str, int]] = []
    trace = error.__traceback__
    while trace is not None:
        lines.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    outside = [place for place in lines if place[0] != __file__ and not place[0].startswith("<frozen")]
    own = [place for place in outside if place[0] == outside[0][0]]
    return f" ({Path(own[-1][0]).name}, line {own[-1][1]})" if own else ""


def _quoted(arguments: Mapping[str, Any]) -> str:
    text = repr(arguments["prompts"][0]) if arguments.get("prompts") else "none"
    return text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"


def _kind(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:39] + '…'} ({type(value).__name__})"
