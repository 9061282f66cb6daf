"""The live page beside a training process: a child of its own that reads files, so that neither can harm the other."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import IO

import quintet
from quintet.observe.comparison_folder import is_comparison
from quintet.observe.records import require_run

ROOT = Path(quintet.__file__).parent.parent
"""Where the child finds the same Quintet, without whatever lies in the folder it is started in (-P)."""
START_SECONDS = 30.0
END_SECONDS = 5.0


@contextlib.contextmanager
def live_page(folder: Path) -> Iterator[str]:
    """Serve the page of the run in `folder` (which need not exist yet) for as long as the context lasts; its address.

    The child has a session of its own, so a Ctrl-C that stops the training after its step doesn't stop the page before it. If
    this process is killed, the child's standard input ends and so does the child.
    Raises ValueError where the page's libraries are missing or the server doesn't start.
    """
    require()
    with tempfile.TemporaryFile() as complaints:  # a pipe that nobody reads would fill, and stop the child
        child = subprocess.Popen(
            [sys.executable, "-P", "-m", "quintet.live.serve", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))},
        )
        try:
            yield _address(child, complaints)
        finally:
            _end(child)


def require() -> None:
    """Raise ValueError where the page's libraries are missing."""
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ValueError(f"The live page needs {' and '.join(missing)}. Install them with: pip install 'quintet[live]'")


def require_folder(folder: Path) -> Path:
    """The folder itself, if it holds a run or a comparison; ValueError if not."""
    return folder if is_comparison(folder) else require_run(folder)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Close its standard input, at which it ends by itself; a child that doesn't is killed."""
    for pipe in (child.stdin, child.stdout):
        assert pipe is not None
        pipe.close()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _address(child: subprocess.Popen[bytes], complaints: IO[bytes]) -> str:
    """The child's first line."""
    assert child.stdout is not None
    line, deadline = b"", time.monotonic() + START_SECONDS
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([child.stdout], [], [], max(0.0, deadline - time.monotonic()))
        more = os.read(child.stdout.fileno(), 4096) if ready else b""
        if not more:
            child.kill()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            raise ValueError(f"The live page's server didn't start: {said[-1] if said else 'it said nothing'}.")
        line += more
    return line.decode().strip()
