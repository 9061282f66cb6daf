"""A control group (cgroup v2) for each sandbox, where root may make one: memory and processes counted for all of it together.

The other limits hold for each process, so a command that may start several could use as many times as much. Where there is no
group, or the machine does not let us make one, those other limits are all there is; `quintet doctor` says which.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from secrets import token_hex
from typing import Protocol

ROOT = Path("/sys/fs/cgroup")
CONTROLLERS = {"memory": "memory.max", "pids": "pids.max"}
OF_THE_SANDBOX = 8
"""Processes that are the sandbox's own, beside the command's."""
EMPTY_SECONDS = 2.0
"""How long the kernel may take to notice that a group's last process is gone."""


class Amounts(Protocol):
    """What of `sandbox_launch.Limits` a group needs."""

    @property
    def memory_mb(self) -> int: ...
    @property
    def disk_mb(self) -> int: ...
    @property
    def processes(self) -> int: ...
    @property
    def threads(self) -> int: ...


def missing() -> str:
    """Why no group can be made here, a clause; empty where one can. It is tried: with a group, and a process in it."""
    return _missing(ROOT)


@cache
def _missing(root: Path) -> str:
    if os.geteuid() != 0:
        return "only root may make control groups"
    if not (root / "cgroup.controllers").exists():
        return f"there is no cgroup v2 in {root}"
    try:
        if not set(CONTROLLERS) <= set((root / "cgroup.controllers").read_text().split()):
            return "this machine's cgroup v2 does not count memory and processes"
        with suppress(OSError):  # it is on already, or it may not be turned on: the next lines find out
            (root / "cgroup.subtree_control").write_text("+memory +pids")
        with _made(root, {"memory.max": "64M", "pids.max": "8"}) as place:
            subprocess.run(["/bin/sh", "-c", 'echo $$ > "$0/cgroup.procs"', str(place)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"no control group can be made in {root} ({getattr(error, 'strerror', None) or 'no process may enter it'})"
    return ""


@contextmanager
def group(limits: Amounts) -> Iterator[str]:
    """The folder of a new group with those limits, for a process to enter; empty where none can be made."""
    if missing():
        yield ""
        return
    counted = {
        "memory.max": str((limits.memory_mb + limits.disk_mb) << 20),  # files in a tmpfs are memory too
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": str(max(limits.processes, limits.threads) + OF_THE_SANDBOX),
    }
    with _made(ROOT, counted) as place:
        yield str(place)


@contextmanager
def _made(root: Path, counted: dict[str, str]) -> Iterator[Path]:
    place = root / f"quintet-{os.getpid()}-{token_hex(6)}"
    place.mkdir()
    try:
        for name, limit in counted.items():
            if name in CONTROLLERS.values() or (place / name).exists():  # a kernel without swap has no limit of it
                (place / name).write_text(limit)
        yield place
    finally:
        _remove(place)


def _remove(place: Path) -> None:
    until = time.monotonic() + EMPTY_SECONDS
    while True:
        try:
            place.rmdir()
            break
        except OSError:
            if time.monotonic() > until:
                break  # an empty folder stays; that is no reason to lose a result
            time.sleep(0.005)
