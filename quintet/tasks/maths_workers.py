"""math-verify in processes that can be killed: it knows algebra, and hangs on answers that want to be hung on.

One question is with one worker at a time. A worker that isn't done in time is killed by the kernel and replaced by a fork of
a process that has math-verify loaded already, so a poisonous answer costs its limit and a few milliseconds, and costs its
neighbours nothing while there is another worker.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import IO

from quintet.protocols import TaskError

LIMIT_SECONDS = 0.9
"""Of processor time for one answer; with the fork of the next worker it stays below a second. Not by the clock: an answer
must not be worth less on a machine that has other things to do."""
PATIENCE_SECONDS = 10.0
"""For one answer by the clock, however little of the processor its worker was given."""
MOST = 8
"""Workers, on however many cores: each takes some 100 MB."""
START_SECONDS = 60.0
"""How long loading math-verify may take."""
GRACE_SECONDS = 10.0
"""How much later than its patience a worker must have answered: only a machine that has stopped lets it pass."""
INSTALL = "pip install 'math-verify[antlr4_13_2]'"


def installed() -> bool:
    """Whether math-verify can be imported; without importing it, which takes a while."""
    return find_spec("math_verify") is not None


def equivalent(questions: Sequence[tuple[str, str]]) -> list[bool | None]:
    """Whether each (right answer, given answer) is the same, as math-verify sees it; None for those given up after
    LIMIT_SECONDS. TaskError where math-verify isn't installed or its processes can't be started."""
    return _pool().ask(questions) if questions else []


class Workers:
    """Some processes of `maths_worker`, started when the first question comes."""

    def __init__(self, number: int, limit: float = LIMIT_SECONDS, patience: float = PATIENCE_SECONDS) -> None:
        self.number, self.limit, self.patience = number, limit, patience
        self.running: list[subprocess.Popen[bytes]] = []
        self.lock = Lock()

    def ask(self, questions: Sequence[tuple[str, str]]) -> list[bool | None]:
        """The answers, in order. Whatever goes wrong, no worker is left with a question that nobody waits for."""
        with self.lock:
            try:
                self._start(min(self.number, len(questions)))
                return self._asked(questions)
            except BaseException:
                self.close()
                raise

    def close(self) -> None:
        """End all processes."""
        for process in self.running:
            _end(process)
        self.running = []

    def _start(self, number: int) -> None:
        missing = range(len(self.running), number)
        if missing and not installed():
            raise TaskError(f"Answers that are no numbers are compared by math-verify, which isn't installed. Run: {INSTALL}")
        new = [self._new() for _ in missing]
        self.running += new
        for process in new:
            if _read(process, START_SECONDS) != b"started\n":
                raise TaskError(
                    f"math-verify's processes can't be started. `{' '.join(_command(self.limit, self.patience))}` shows why."
                )

    def _new(self) -> subprocess.Popen[bytes]:
        # a session of its own: Ctrl-C is for the run, which finishes its step first
        return subprocess.Popen(
            _command(self.limit, self.patience),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,
        )

    def _asked(self, questions: Sequence[tuple[str, str]]) -> list[bool | None]:
        found: list[bool | None] = [None] * len(questions)
        waiting = list(range(len(questions)))[::-1]
        asked: dict[int, tuple[int, float]] = {}  # worker → question, when it was asked
        with selectors.DefaultSelector() as selector:
            for worker, process in enumerate(self.running):
                selector.register(_pipe(process.stdout), selectors.EVENT_READ, worker)
            while waiting or asked:
                for worker in range(len(self.running)):
                    if waiting and worker not in asked:
                        asked[worker] = waiting.pop(), time.monotonic()
                        _write(self.running[worker], questions[asked[worker][0]])
                for key, _ in selector.select(timeout=self.limit):
                    question, _ = asked.pop(key.data)
                    found[question] = json.loads(_line(self.running[key.data]))
                if any(time.monotonic() - began > self.patience + GRACE_SECONDS for _, began in asked.values()):
                    raise TaskError("A process of math-verify neither answered nor ended. Try again.")
        return found


@cache
def _pool() -> Workers:
    """One for all tasks of this process. Two workers even on one core: a poisonous answer must not stop its neighbours."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 2
    workers = Workers(min(MOST, max(2, cores)))
    atexit.register(workers.close)
    return workers


def _command(limit: float, patience: float) -> list[str]:
    return [sys.executable, "-P", str(Path(__file__).with_name("maths_worker.py")), str(limit), str(patience)]


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _write(process: subprocess.Popen[bytes], question: tuple[str, str]) -> None:
    _pipe(process.stdin).write(json.dumps(question).encode() + b"\n")


def _line(process: subprocess.Popen[bytes]) -> bytes:
    line = _pipe(process.stdout).readline()
    if not line:
        raise TaskError(f"A process of math-verify ended by itself (exit code {process.wait()}). Try again.")
    return line


def _read(process: subprocess.Popen[bytes], seconds: float) -> bytes:
    """The next line, or nothing where none comes in time."""
    with selectors.DefaultSelector() as selector:
        selector.register(_pipe(process.stdout), selectors.EVENT_READ)
        return _pipe(process.stdout).readline() if selector.select(seconds) else b""


def _end(process: subprocess.Popen[bytes]) -> None:
    """Its child reads the end of its stdin and ends, too; one that is busy is ended by its timers."""
    _pipe(process.stdin).close()
    _pipe(process.stdout).close()
    process.kill()
    process.wait()
