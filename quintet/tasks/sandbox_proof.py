"""The proof that a sandbox isolates: a program in it that tries to get out, with something real outside to reach for."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from quintet.tasks.sandbox_launch import Limits

PROBE = r"""
import ctypes, json, os, socket, sys

told = json.loads(sys.argv[1])
broken = []

def tries(what, attempt):
    try:
        attempt()
    except (OSError, ValueError, MemoryError):
        return
    broken.append(what)

def connect(family, address):
    with socket.socket(family) as s:
        s.settimeout(1)
        s.connect(address)

def fork():
    if os.fork() == 0:
        os._exit(0)

def environment():
    if not open("/proc/1/environ", "rb").read():
        raise ValueError

def others():
    if len([name for name in os.listdir("/proc") if name.isdigit()]) <= 2:
        raise ValueError

def call(name, *arguments):
    if getattr(ctypes.CDLL(None), name)(*arguments) != 0:
        raise ValueError

def fill():
    with open("/work/full", "wb") as file:
        for _ in range(told["disk_mb"] + 1):
            file.write(bytes(1 << 20))

def many():
    for number in range(told["inodes"]):
        open(f"/tmp/{number}", "w").close()

tries("it read a file of the host", lambda: open(told["secret"]).read())
tries("it read the host's environment", environment)
tries("it sees the host's processes", others)
for folder in ("/", "/usr", "/etc", "/dev", "/dev/shm", os.path.dirname(told["secret"]), told["python"]):
    tries("it wrote to " + folder, lambda: open(os.path.join(folder, "sandbox-was-here"), "w").close())
tries("it deleted a file of the host", lambda: os.remove(told["secret"]))
tries("it reached a port of the host", lambda: connect(socket.AF_INET, ("127.0.0.1", told["port"])))
tries("it reached a unix socket of the host", lambda: connect(socket.AF_UNIX, told["unix"]))
tries("it started a process", fork)
tries("it made a namespace", lambda: call("unshare", 0x10000000))
tries("it mounted", lambda: call("mount", b"none", b"/tmp", b"tmpfs", 0, None))
tries("it became root", lambda: os.setuid(0))
tries("it allocated more memory than allowed", lambda: bytearray(told["memory_mb"] << 20))
tries("it wrote more than its disk", fill)
tries("it made more files than allowed", many)
if "Seccomp:\t2" not in open("/proc/self/status").read():
    broken.append("no seccomp filter is loaded")
print(json.dumps(broken))
"""
LIMITS = Limits(seconds=20.0, memory_mb=256, disk_mb=2, inodes=64, threads=16)


def broken(run: Callable[..., Any]) -> str | None:
    """What is wrong with this machine's sandbox, a sentence; None where it held against everything. `run`: sandbox._run."""
    python = str(Path(sys.base_prefix).resolve())
    seen = [] if python == "/usr" else [Path(python)]
    with _outside() as outside:
        told = {**outside, "python": python, "disk_mb": 2, "inodes": 64, "memory_mb": 256}
        interpreter = f"{python}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        result = run([interpreter, "-I", "-S", "-c", PROBE, json.dumps(told)], {}, seen, b"", {}, LIMITS)
        untouched = Path(outside["secret"]).exists()
    try:
        found = json.loads(result.stdout)
    except ValueError:
        said = (result.stderr.strip() or "it said nothing").splitlines()[-1]
        return (
            f"the sandbox does not start ({said}). User namespaces may "
            "be forbidden: sysctl kernel.unprivileged_userns_clone=1 and kernel.apparmor_restrict_unprivileged_userns=0 allow "
            "them; a container needs --privileged, or --security-opt seccomp=unconfined and --cap-add SYS_ADMIN."
        )
    found += [] if untouched else ["it deleted a file of the host"]
    return f"in the sandbox a program got out: {', '.join(found)}." if found else None


@contextmanager
def _outside() -> Iterator[dict[str, Any]]:
    """A file that everyone may read and delete, and two sockets that anyone may connect to."""
    with (
        tempfile.TemporaryDirectory() as folder,
        socket.create_server(("127.0.0.1", 0)) as port,
        socket.socket(socket.AF_UNIX) as unix,
    ):
        os.chmod(folder, 0o777)
        secret = Path(folder, "secret")
        secret.write_text("secret")
        unix.bind(f"{folder}/socket")
        os.chmod(f"{folder}/socket", 0o777)
        unix.listen()
        yield {"secret": str(secret), "port": port.getsockname()[1], "unix": f"{folder}/socket"}
