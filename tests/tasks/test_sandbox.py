"""Every attack is really run, and its effects are looked for outside: in the process table, on the disk, on the network."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from quintet.tasks import sandbox
from quintet.tasks.sandbox import Result, SandboxUnavailable, run

ROOT = Path(__file__).parents[2]
BASE = Path(sys.base_prefix).resolve()
PYTHON = f"{BASE}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
pytestmark = pytest.mark.skipif(
    shutil.which("bwrap") is None, reason="the sandbox needs bubblewrap: apt-get install bubblewrap libseccomp2"
)


def python(program: str, *arguments: str, seconds: float = 10.0, **limits) -> Result:
    seen = [] if str(BASE) == "/usr" else [BASE]
    return run([PYTHON, "-I", "-S", "-c", program, *arguments], read_only=seen, seconds=seconds, **limits)


def shell(program: str, seconds: float = 10.0, **limits) -> Result:
    return run(["/bin/sh", "-c", program], seconds=seconds, **limits)


def named(mark: str) -> list[str]:
    """Command lines of processes of this machine that have the mark in them, this test's own excepted."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            found += [line] if mark in line else []
    return found


# ---- what it does ------------------------------------------------------------------------------------------------------------


def test_command_finds_its_files_and_its_outputs_come_back_apart():
    result = run(["/bin/sh", "-c", "cat a/b; cat >&2; exit 3"], files={"a/b": "file"}, stdin=b"input", processes=8)
    assert (result.returncode, result.stdout, result.stderr) == (3, "file", "input")
    assert not result.timed_out
    assert not result.truncated


def test_signal_is_told_as_128_and_its_number():
    assert shell("kill -9 $$").returncode == 137


def test_environment_is_what_was_given():
    result = run(["/usr/bin/env"], environment={"GIVEN": "yes"})
    assert {line.partition("=")[0] for line in result.stdout.splitlines()} <= {"PATH", "HOME", "LANG", "PWD", "GIVEN"}
    assert "GIVEN=yes" in result.stdout


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up", ""])
def test_file_outside_the_work_folder_is_refused(name: str):
    with pytest.raises(ValueError, match="paths below /work"):
        run(["/bin/true"], files={name: ""})


def test_folder_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="There is no /nowhere"):
        run(["/bin/true"], read_only=["/nowhere"])


def test_self_test_holds_on_this_machine():
    sandbox.self_test()


def test_missing_program_is_named_and_nothing_runs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("quintet.tasks.sandbox_launch.SEARCHED", "/nowhere")
    monkeypatch.setattr(sandbox, "_proven", set())
    with pytest.raises(SandboxUnavailable, match=r"bwrap is missing.*apt-get install bubblewrap libseccomp2"):
        run(["/bin/true"])


def test_sandbox_that_leaks_is_found_out(monkeypatch: pytest.MonkeyPatch):
    """The proof can fail: with a folder of the host's in sight it says so."""
    from quintet.tasks import sandbox_proof

    def leaky(command, files, read_only, stdin, environment, limits):
        return sandbox._run(command, files, [*read_only, Path("/var/tmp")], stdin, environment, limits)

    monkeypatch.setattr(tempfile, "tempdir", "/var/tmp")
    assert sandbox_proof.broken(leaky) == "in the sandbox a program got out: it read a file of the host."


# ---- attacks -----------------------------------------------------------------------------------------------------------------


def test_fork_bomb_ends_with_the_sandbox():
    result = shell("bomb() { bomb | bomb & }; bomb; exec sleep 4217", seconds=1.0, processes=40, threads=40)
    assert result.seconds < 8
    assert named("sleep 4217") == []
    assert named("bomb() {") == []


def test_threads_are_bounded_and_processes_forbidden():
    program = """
import os, threading, time
made = 0
try:
    for _ in range(500):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        made += 1
except RuntimeError:
    pass
print(made, flush=True)
try:
    os.fork()
    print("forked")
except OSError:
    print("no fork", flush=True)
os._exit(0)
"""
    made, fork = python(program, threads=32).stdout.split("\n", 1)
    assert 0 < int(made) <= 32
    assert fork.strip() == "no fork"


@pytest.mark.parametrize("program", ["while True: pass", "import time; time.sleep(4219)"])
def test_endless_program_ends_at_its_deadline(program: str):
    result = python(program, "mark-4219", seconds=0.7)
    assert result.timed_out
    assert result.returncode == -9
    assert 0.6 < result.seconds < 5
    assert named("mark-4219") == []


def test_huge_allocation_fails():
    result = python("x = bytearray(2 << 30); print('allocated')", memory_mb=512)
    assert "MemoryError" in result.stderr
    assert "allocated" not in result.stdout


def test_memory_that_no_limit_sees_can_not_be_had():
    result = python("import os\ntry:\n    os.memfd_create('x')\nexcept OSError as e:\n    print(e.errno)")
    assert result.stdout.strip() == "38"


def test_nothing_outside_is_written_or_deleted(tmp_path: Path):
    victim = tmp_path / "victim"
    victim.write_text("here")
    os.chmod(tmp_path, 0o777)
    program = f"""
import os
for path in ("{victim}", "/usr/attack", "/etc/attack", "/attack", "/dev/attack", "/proc/sys/kernel/hostname", "{BASE}/attack"):
    for attack in (lambda: open(path, "w").close(), lambda: os.remove(path), lambda: os.symlink("/", path)):
        try:
            attack()
            print("did", path)
        except OSError:
            pass
os.symlink("{victim}", "/work/link")
try:
    open("/work/link", "w").write("gone")
    print("did link")
except OSError:
    pass
"""
    assert python(program).stdout == ""
    assert victim.read_text() == "here"
    assert not any(Path(folder, "attack").exists() for folder in ("/", "/usr", "/etc", "/dev", BASE))


def test_secrets_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secret = tmp_path / "secret"
    secret.write_text("very-secret-4211")
    secret.chmod(0o644)
    monkeypatch.setenv("TOKEN", "very-secret-4211")
    program = f"""
cat {secret} /etc/passwd /etc/shadow /root/.bashrc /proc/*/environ /proc/1/root{secret} /proc/*/cwd/secret; ls -a /home /root
/tmp /work /mnt
"""
    result = shell(program, processes=16)
    assert "very-secret" not in result.stdout + result.stderr
    assert "root:" not in result.stdout
    assert shell("cat /proc/1/environ").stdout == ""


def test_network_and_sockets_are_closed(tmp_path: Path):
    os.chmod(tmp_path, 0o777)
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as unix:
        unix.bind(f"{tmp_path}/socket")
        unix.listen()
        server.settimeout(0.2)
        unix.settimeout(0.2)
        program = f"""
import socket
for family, kind, to in [(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", {server.getsockname()[1]})),
                         (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 53)),
                         (socket.AF_UNIX, socket.SOCK_STREAM, "{tmp_path}/socket")]:
    try:
        socket.socket(family, kind).connect(to)
        print("connected", to)
    except OSError:
        print("closed")
"""
        assert python(program).stdout.split() == ["closed"] * 3
        for listener in (server, unix):
            with pytest.raises(TimeoutError):
                listener.accept()


def test_daemon_does_not_survive():
    program = "setsid sh -c 'trap \"\" TERM HUP; sleep 4213 & sleep 4213' >/dev/null 2>&1 & sleep 0.2; exit 5"
    result = shell(program, processes=20)
    assert result.returncode == 5
    assert named("sleep 4213") == []


def test_daemon_that_holds_the_pipes_does_not_hold_us_up():
    began = time.monotonic()
    assert shell("sleep 4214 & exit 0", processes=8, seconds=20).returncode == 0
    assert time.monotonic() - began < 10
    assert named("sleep 4214") == []


def test_huge_output_is_cut():
    result = run(["/usr/bin/yes"], seconds=0.7, output_bytes=1000)
    assert len(result.stdout_bytes) == 1000
    assert result.truncated


def test_disk_is_bounded_in_bytes_and_files():
    program = """
import os
try:
    for n in range(100):
        open(f"/work/{n}", "wb").write(bytes(1 << 20))
except OSError as e:
    print(e.errno, n)
try:
    for n in range(10000):
        open(f"/tmp/{n}", "w").close()
except OSError as e:
    print(e.errno, n < 200)
"""
    first, second = python(program, disk_mb=8, inodes=200).stdout.splitlines()
    number, written = first.split()
    assert number in ("27", "28")
    assert int(written) <= 8
    assert second == "28 True"


def test_way_out_through_namespaces_and_tracing_is_closed():
    program = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
for name, arguments in {"unshare": (0x10000000,), "mount": (b"x", b"/tmp", b"tmpfs", 0, None), "ptrace": (0, 0, 0, 0),
                        "setns": (0, 0), "chroot": (b"/",), "setuid": (0,)}.items():
    print(name, getattr(libc, name)(*arguments))
"""
    assert {line.split()[1] for line in python(program).stdout.splitlines()} == {"-1"}


@pytest.mark.skipif(os.getuid() != 0 or not Path("/usr/bin/python3").exists(), reason="needs root, to stop being it")
def test_user_without_root_has_the_same_sandbox():
    """The system's Python proves it as an ordinary user, who can't see a toolchain in root's home."""
    import annotated_types

    paths = f"{ROOT}:{Path(annotated_types.__file__).parents[1]}"
    program = (
        "from quintet.tasks.sandbox import run, self_test; self_test(); "
        "print(run(['/bin/sh', '-c', 'setsid sleep 4215 & for i in 1 2 3 4 5 6 7 8 9; do sleep 4215 & done; sleep 1'], "
        "processes=6, threads=1, seconds=5).stderr)"
    )
    done = subprocess.run(
        ["/usr/bin/setpriv", "--reuid=64001", "--regid=64001", "--clear-groups", "/usr/bin/python3", "-B", "-c", program],
        env={"PYTHONPATH": paths, "PATH": os.environ["PATH"]}, cwd="/", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if "No module named" in done.stderr or "Permission denied" in done.stderr:
        pytest.skip(f"another user can't read what is needed: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert "Cannot fork" in done.stdout
    assert named("sleep 4215") == []
