"""Run code that nobody trusts: in namespaces of its own, with few system calls, little of everything, and nothing of the
host's.

    >>> run(["/bin/cat", "greeting"], files={"greeting": "hello"}).stdout
    'hello'

Inside, `/usr` and what `read_only` names are there to read; `/work` (the current folder) and `/tmp` can be written until their
limits; there is no network, no other process, no variable and no file of the host's, and no way back: when `run` returns, every
process in the sandbox is gone, its daemons too. The first call in a process proves all this by trying (`sandbox_proof`). Where
it does not hold `SandboxUnavailable` says what is missing; code is never run without.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from quintet.protocols import TaskError
from quintet.tasks.sandbox_group import missing
from quintet.tasks.sandbox_launch import Limits, arguments, missing_tools
from quintet.tasks.sandbox_watch import watch

__all__ = ["Limits", "Result", "SandboxUnavailable", "layers", "run", "self_test"]


class SandboxUnavailable(TaskError):
    """This machine can't isolate code. The sentence says why, and what to install or allow."""


@dataclass(frozen=True)
class Result:
    """What became of a command."""

    returncode: int
    """The command's own; 128 + n where signal n ended it; -9 where the deadline did."""
    stdout_bytes: bytes
    stderr_bytes: bytes
    seconds: float
    """From start to the end of its last process."""
    timed_out: bool = False
    """Whether the deadline ended it."""
    truncated: bool = False
    """Whether it wrote more than `output_bytes` to stdout or stderr; the rest was thrown away."""

    @property
    def stdout(self) -> str:
        return self.stdout_bytes.decode(errors="replace")

    @property
    def stderr(self) -> str:
        return self.stderr_bytes.decode(errors="replace")


def run(
    command: Sequence[str],
    *,
    files: Mapping[str, str | bytes] | None = None,
    read_only: Sequence[str | Path] = (),
    replaced: Mapping[str | Path, str | bytes] | None = None,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: float = 10.0,
    memory_mb: int = 1024,
    disk_mb: int = 64,
    inodes: int = 4096,
    processes: int = 1,
    threads: int = 64,
    output_bytes: int = 1_000_000,
) -> Result:
    """Run a command (its program by absolute path) in a new sandbox and wait until all of it is gone.

    files: what to find in /work, by relative path. read_only: files and folders of the host's to see, at their own place.
    replaced: files in these folders that have another content in there.
    environment: all variables there are beside PATH, HOME and LANG. seconds: deadline, wall clock. memory_mb: address space of
    each process, MiB; in a control group (`sandbox_group`) also the memory of all together. disk_mb, inodes: /work and /tmp
    together. processes: 1 allows threads only; otherwise processes and threads together are at most max(processes, threads).
    output_bytes: kept of stdout and of stderr each.

    Raises SandboxUnavailable where this machine can't isolate it, ValueError for a path that doesn't exist or leaves /work."""
    prove()
    limits = Limits(seconds, memory_mb, disk_mb, inodes, processes, threads, output_bytes)
    instead = {Path(path): content for path, content in (replaced or {}).items()}
    return _run(command, dict(files or {}), [Path(p) for p in read_only], stdin, dict(environment or {}), limits, instead)


def self_test() -> None:
    """Prove the isolation by trying to break it, however often it was proven before. Raises SandboxUnavailable."""
    if missing := missing_tools():
        raise SandboxUnavailable(
            f"Code can't be run safely here. {' '.join(missing)} On Debian: apt-get install bubblewrap libseccomp2."
        )
    from quintet.tasks.sandbox_proof import broken  # it runs probes in a sandbox itself

    if found := broken(_run):
        raise SandboxUnavailable(f"Code can't be run safely here: {found}")


def layers() -> str:
    """Whether code that nobody trusts can be run on this machine, and what holds it; a clause for people."""
    try:
        prove()
    except SandboxUnavailable as error:
        return str(error)
    without = missing()
    return f"works: namespaces, system calls and limits; {f'no control group, as {without}' if without else 'a control group'}"


_proven: set[int] = set()


def prove() -> None:
    """`self_test`, once a process."""
    if os.getpid() not in _proven:
        self_test()
        _proven.add(os.getpid())


def _run(
    command: Sequence[str],
    files: Mapping[str, str | bytes],
    read_only: Sequence[Path],
    stdin: bytes,
    environment: Mapping[str, str],
    limits: Limits,
    replaced: Mapping[Path, str | bytes] = MappingProxyType({}),
) -> Result:
    began = time.monotonic()
    with arguments(command, files, read_only, stdin, environment, limits, replaced) as start:
        seen = watch(start, began + limits.seconds, limits.output_bytes)
    return Result(
        -9 if seen.timed_out else seen.returncode,
        bytes(seen.stdout),
        bytes(seen.stderr),
        time.monotonic() - began,
        seen.timed_out,
        seen.truncated,
    )
