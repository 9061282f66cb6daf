"""The command line that makes a sandbox.

It is a chain of programs, each of which takes something away before it becomes the next:

1. `unshare` gives it mounts of its own (a user without root gets them from a user namespace).
2. A shell script enters a control group, where there is one (`sandbox_group`), mounts a tmpfs with a size and a number of
   inodes, which bubblewrap can't, and binds folders to it that only root may reach (a toolchain in root's home).
3. `setpriv`, as root only, becomes a user that owns nothing. RLIMIT_NPROC means nothing to root, in a user namespace neither.
4. `env -i bwrap` starts with an empty environment: /proc/1/environ is bubblewrap's, and `--clearenv` would leave it readable.
   It makes user, process, network, mount, ipc, host name and cgroup namespaces, an empty root, and loads the seccomp filter.
5. `prlimit` sets the limits, in the new user namespace, where processes are counted from 0.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path, PurePosixPath

from quintet.tasks.sandbox_filter import missing_library, seccomp_filter
from quintet.tasks.sandbox_group import group

NOBODY = 64000
"""The user that sandboxed code is, inside and, where root starts it, outside."""
TOOLS = {"bwrap": "bubblewrap", "unshare": "util-linux", "setpriv": "util-linux", "prlimit": "util-linux", "mount": "mount"}
SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OF_THE_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives", "/etc/ld.so.cache")
PLACE = "/mnt"
"""Where the tmpfs is mounted, in the sandbox's own view of the host; nobody else sees it there."""
PREPARE = """set -e
PATH=$1 size=$2 inodes=$3 group=$4; shift 4
if [ -n "$group" ]; then echo $$ > "$group/cgroup.procs"; fi
mount -t tmpfs -o "size=$size,nr_inodes=$inodes,mode=0755" tmpfs /mnt
mkdir -m 1777 /mnt/work /mnt/tmp
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then mkdir "$2"; else : > "$2"; fi
    mount --rbind "$1" "$2"; shift 2
done
shift
exec "$@"
"""


@dataclass(frozen=True)
class Limits:
    """How much of everything; see `sandbox.run`."""

    seconds: float = 10.0
    memory_mb: int = 1024
    disk_mb: int = 64
    inodes: int = 4096
    processes: int = 1
    threads: int = 64
    output_bytes: int = 1_000_000


@dataclass(frozen=True)
class Start:
    """A command line and the open files it names by number."""

    line: list[str]
    inherited: list[int]
    stdin: int
    status: int
    """bubblewrap writes JSON lines to it, the sandbox's first process and its exit code; we read them from `told`."""
    told: int


def missing_tools() -> list[str]:
    """What is not installed, a sentence each."""
    found = [f"The program {tool} is missing: install {package}." for tool, package in TOOLS.items() if not _tool(tool)]
    return [*found, *filter(None, [missing_library()])]


@contextmanager
def arguments(
    command: Sequence[str],
    files: Mapping[str, str | bytes],
    read_only: Sequence[Path],
    stdin: bytes,
    environment: Mapping[str, str],
    limits: Limits,
    replaced: Mapping[Path, str | bytes],
) -> Iterator[Start]:
    """The command line; its files are open within the context. Raises ValueError for paths that can't be."""
    with ExitStack() as stack:
        told, status = os.pipe2(os.O_CLOEXEC)
        stack.callback(os.close, told)
        stack.callback(os.close, status)
        contents = {_inside(name): _memory_file(stack, content) for name, content in files.items()}
        instead = {_existing(path): _memory_file(stack, content) for path, content in replaced.items()}
        filtered = _memory_file(stack, seccomp_filter(limits.processes > 1))
        hidden, binds = _binds([Path(p) for p in OF_THE_SYSTEM if Path(p).exists()] + [_existing(p) for p in read_only])
        root = os.getuid() == 0
        line = [
            _tool("unshare"), "--mount", *([] if root else ["--user", "--map-root-user"]), "--",
            "/bin/sh", "-c", PREPARE, "sandbox", SEARCHED, f"{limits.disk_mb}m", str(limits.inodes),
            stack.enter_context(group(limits)), *hidden, "--",
            *([_tool("setpriv"), f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"] if root else []),
            "/usr/bin/env", "-i", _tool("bwrap"),
            "--unshare-all", "--die-with-parent", "--new-session", "--clearenv",
            "--uid", str(NOBODY), "--gid", str(NOBODY), "--hostname", "sandbox",
            "--bind", f"{PLACE}/work", "/work", "--bind", f"{PLACE}/tmp", "/tmp",  # first: what is seen may lie below
            *binds,
            *(a for path, file in instead.items() for a in ("--ro-bind-data", str(file), str(path))),
            "--proc", "/proc", "--dev", "/dev", "--remount-ro", "/dev",
            *_of_files(contents),
            "--remount-ro", "/", "--chdir", "/work",
            *_variables(environment),
            "--seccomp", str(filtered), "--json-status-fd", str(status), "--",
            *_limited(limits), *command,
        ]  # fmt: skip
        yield Start(line, [status, filtered, *contents.values(), *instead.values()], _memory_file(stack, stdin), status, told)


def _binds(paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    """Arguments for the script, (path, where it binds it) pairs, and for bubblewrap."""
    hidden: list[str] = []
    binds: list[str] = []
    for number, path in enumerate(paths):
        if path.is_symlink() and str(path) in OF_THE_SYSTEM:  # /bin → usr/bin
            binds += ["--symlink", os.readlink(path), str(path)]
        elif os.getuid() == 0 and not _open_to_all(path):
            hidden += [str(path), f"{PLACE}/{number}"]
            binds += ["--ro-bind", f"{PLACE}/{number}", str(path)]
        else:
            binds += ["--ro-bind", str(path), str(path)]
    return hidden, binds


def _open_to_all(path: Path) -> bool:
    """Whether any user may go through all folders above it."""
    return all(folder.stat().st_mode & 0o001 for folder in path.resolve().parents)


def _of_files(contents: Mapping[str, int]) -> list[str]:
    folders = dict.fromkeys(str(p) for name in contents for p in reversed(PurePosixPath(name).parents) if str(p) != ".")
    return [
        *(a for folder in folders for a in ("--dir", f"/work/{folder}")),
        *(a for name, file in contents.items() for a in ("--perms", "0755", "--file", str(file), f"/work/{name}")),
    ]


def _variables(environment: Mapping[str, str]) -> list[str]:
    given = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/work", "LANG": "C.UTF-8", **environment}
    return [a for name, value in given.items() for a in ("--setenv", name, value)]


def _limited(limits: Limits) -> list[str]:
    """The limits as prlimit's arguments. The processor time is a second line behind the deadline."""
    return [
        _tool("prlimit"),
        f"--as={limits.memory_mb << 20}",
        f"--fsize={limits.disk_mb << 20}",
        f"--nproc={max(limits.processes, limits.threads)}",
        f"--cpu={ceil(limits.seconds) * max(1, os.cpu_count() or 1) + 1}",
        "--nofile=256",
        "--core=0",
        "--",
    ]


def _inside(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts:
        raise ValueError(f"A sandbox's files have paths below /work, such as src/lib.rs; not {name!r}.")
    return str(path)


def _existing(path: Path) -> Path:
    if not path.is_absolute() or not path.exists():
        raise ValueError(f"There is no {path} for the sandbox to see. Give files and folders that exist, by absolute path.")
    return path


def _memory_file(stack: ExitStack, content: str | bytes) -> int:
    """The number of an open file with that content, which lies nowhere and can't be written any more."""
    file = os.memfd_create("sandbox", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    stack.callback(os.close, file)
    with os.fdopen(os.dup(file), "wb") as out:
        out.write(content.encode() if isinstance(content, str) else content)
    os.lseek(file, 0, os.SEEK_SET)
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE)
    return file


def _tool(name: str) -> str:
    return shutil.which(name, path=SEARCHED) or ""
