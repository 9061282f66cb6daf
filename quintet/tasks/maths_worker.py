"""The process that asks math-verify, one question at a time, and dies of any that takes too long.

    python -P maths_worker.py SECONDS PATIENCE

Every line of stdin is a JSON list [right answer, given answer]; every line of stdout is `true`, `false`, or `null` for a
question that was given up. The process that is started only loads math-verify; a child forked from it does the work. The
kernel kills the child by its timer, whatever the child is doing, and its parent forks the next one within milliseconds.
SECONDS are of processor time, so that a verdict doesn't depend on what else the machine is doing; PATIENCE is by the clock.
Nothing of Quintet is imported.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from contextlib import suppress
from functools import lru_cache
from typing import Any

MEMORY_BYTES = 2 << 30
"""Address space of a worker: a number with 10⁹ digits is a failure of its own answer, not of the machine."""
STARTED = b"started\n"


def main() -> None:
    """Answer questions from standard input in a child, and in another one whenever a question has cost the last its life."""
    out = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints is no verdict
    _equal("\\sqrt{12}", "2\\sqrt{3}")  # before the fork: a new child has all that is loaded with the first question at once
    os.write(out, STARTED)
    while True:
        child = os.fork()
        if child == 0:
            _work(out, float(sys.argv[1]), float(sys.argv[2]))
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:  # nothing left to read
            return
        os.write(out, b"null\n")


def _work(out: int, seconds: float, patience: float) -> None:
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for of in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(of, signal.SIG_DFL)  # the default is to end the process, also in the middle of C code
    while line := _line():
        _timers(seconds, patience)
        verdict = _equal(*json.loads(line))
        _timers(0, 0)
        os.write(out, b"true\n" if verdict else b"false\n")


def _timers(seconds: float, patience: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, patience)


def _line() -> bytes:
    """The next line, unbuffered: what a child has read ahead would die with it."""
    found = b""
    while not found.endswith(b"\n"):
        if not (some := os.read(0, 1 << 16)):
            return b""
        found += some
    return found


def _equal(right: str, given: str) -> bool:
    """Both are read as the contents of a box. math-verify gives up on what it can't read, which is then not equal."""
    from math_verify import verify

    try:
        return bool(verify(_parsed(right), _parsed(given), timeout_seconds=None))
    except Exception as error:  # whatever it was, it was no proof
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return False


@lru_cache(maxsize=256)
def _parsed(answer: str) -> Any:
    from math_verify import parse

    return parse(f"\\boxed{{{answer}}}", parsing_timeout=None)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
