"""Watch a sandbox: keep the beginning of what it writes, end it at its deadline, and wait until its last process is gone."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field

from quintet.tasks.sandbox_launch import Start

CHUNK = 1 << 16
GONE_SECONDS = 10.0
"""How long the kernel may take to end a killed process tree: it has to free its memory first."""


@dataclass
class Seen:
    """What was seen of a sandbox."""

    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    status: bytearray = field(default_factory=bytearray)
    truncated: bool = False
    timed_out: bool = False
    returncode: int = -1
    first_process: int | None = None
    """An open pidfd of the sandbox's process 1. It ends after all others in its namespace have: the kernel sees to that."""


def watch(start: Start, deadline: float, output_bytes: int) -> Seen:
    """Start it and wait for its end. `deadline` is a time of time.monotonic()."""
    seen = Seen()
    process = subprocess.Popen(
        start.line, env={}, cwd="/", stdin=start.stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, pass_fds=start.inherited
    )
    assert process.stdout is not None
    assert process.stderr is not None
    ended = os.pidfd_open(process.pid)
    pipes = {process.stdout.fileno(): seen.stdout, process.stderr.fileno(): seen.stderr, start.told: seen.status}
    for pipe in pipes:
        os.set_blocking(pipe, False)
    try:
        seen.timed_out = not _follow(seen, pipes, ended, deadline, output_bytes)
    finally:  # also where we are interrupted
        process.kill()  # bubblewrap's end is the end of its process 1 (--die-with-parent), and so of all
        process.wait()
        _wait_until_gone(seen)
        for pipe in pipes:
            _read(seen, pipes, pipe, output_bytes)
        os.close(ended)
        process.stdout.close()
        process.stderr.close()
    seen.returncode = _exit_code(seen, process.returncode)
    return seen


def _follow(seen: Seen, pipes: dict[int, bytearray], ended: int, deadline: float, output_bytes: int) -> bool:
    """Read until the command ends (True) or the deadline comes (False)."""
    poll = select.poll()
    for file in (*pipes, ended):
        poll.register(file, select.POLLIN)
    while (left := deadline - time.monotonic()) > 0:
        for file, _ in poll.poll(1000 * left):
            if file == ended:
                return True
            if not _read(seen, pipes, file, output_bytes):
                poll.unregister(file)
    return False


def _read(seen: Seen, pipes: dict[int, bytearray], pipe: int, output_bytes: int) -> bool:
    """Read what is there, once; keep what is below the limit. False at the end."""
    while True:
        try:
            data = os.read(pipe, CHUNK)
        except BlockingIOError:
            return True
        kept = pipes[pipe]
        room = output_bytes - len(kept) if kept is not seen.status else CHUNK
        kept += data[: max(0, room)]
        seen.truncated |= len(data) > room
        if kept is seen.status and seen.first_process is None:
            seen.first_process = _first_process(seen)
        if len(data) < CHUNK:
            return bool(data)


def _first_process(seen: Seen) -> int | None:
    for line in bytes(seen.status).splitlines():
        try:
            return os.pidfd_open(json.loads(line)["child-pid"])
        except (ValueError, KeyError, ProcessLookupError):
            continue
    return None


def _wait_until_gone(seen: Seen) -> None:
    if seen.first_process is None:  # it never came so far, or is gone already
        return
    with suppress(ProcessLookupError, PermissionError):  # gone, or another user's: bubblewrap's end has killed it
        signal.pidfd_send_signal(seen.first_process, signal.SIGKILL)
    gone, _, _ = select.select([seen.first_process], [], [], GONE_SECONDS)
    os.close(seen.first_process)
    assert gone, f"a sandbox's processes were still there {GONE_SECONDS:.0f} s after they had been killed"


def _exit_code(seen: Seen, of_bubblewrap: int) -> int:
    """The command's exit code as bubblewrap reported it; its own where there was none (it could not start)."""
    for line in bytes(seen.status).splitlines():
        try:
            return int(json.loads(line)["exit-code"])
        except (ValueError, KeyError):
            continue
    return of_bubblewrap
