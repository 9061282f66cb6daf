"""Control groups: what is asked of them, and that a sandbox in one is bounded by it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quintet.tasks import sandbox_group, sandbox_launch
from quintet.tasks.sandbox import Limits, layers, run

needs_bwrap = pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
PIDS = next((root for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/pids") if Path(root, "cgroup.procs").exists()), None)
"""A hierarchy that counts processes: version 2's, or the one of version 1, whose files have the same names."""
real_group = pytest.mark.skipif(
    shutil.which("bwrap") is None or PIDS is None or os.geteuid() != 0 or not os.access(PIDS, os.W_OK),
    reason="needs root, bubblewrap and a control group that counts processes",
)
BOMB = """
i=0
while [ $i -lt 60 ]; do sleep 4231 & i=$((i + 1)); done
"""
COUNT = BOMB + "set -- /proc/[0-9]*; echo $#"


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that looks like cgroup v2's, and keeps what is written to it."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids")
    monkeypatch.setattr(sandbox_group, "ROOT", tmp_path)
    monkeypatch.setattr(sandbox_group, "EMPTY_SECONDS", 0.0)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    sandbox_group._missing.cache_clear()
    yield tmp_path
    sandbox_group._missing.cache_clear()


def test_group_holds_memory_and_processes_of_all_together(made_up: Path):
    with sandbox_group.group(Limits(memory_mb=100, disk_mb=28, processes=5, threads=32)) as place:
        assert Path(place).parent == made_up
        assert Path(place, "memory.max").read_text() == str(128 << 20)
        assert Path(place, "pids.max").read_text() == "40"
    assert (made_up / "cgroup.subtree_control").read_text() == "+memory +pids"


def test_where_memory_is_not_counted_there_is_no_group_and_it_is_said_why(made_up: Path):
    (made_up / "cgroup.controllers").write_text("hugetlb")
    assert sandbox_group.missing() == "this machine's cgroup v2 does not count memory and processes"
    with sandbox_group.group(Limits()) as place:
        assert place == ""
    assert [path.name for path in made_up.iterdir()] == ["cgroup.controllers"]


def test_ordinary_user_makes_no_group(made_up: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert sandbox_group.missing() == "only root may make control groups"


def test_group_that_no_process_may_enter_is_none(made_up: Path, monkeypatch: pytest.MonkeyPatch):
    def refused(*command: Any, **settings: Any) -> None:
        raise subprocess.CalledProcessError(1, "sh")

    monkeypatch.setattr(subprocess, "run", refused)
    assert sandbox_group.missing() == f"no control group can be made in {made_up} (no process may enter it)"


@needs_bwrap
def test_doctor_says_which_layers_there_are():
    said = layers()
    assert said.startswith("works: namespaces, system calls and limits; ")
    assert ("no control group, as " in said) == bool(sandbox_group.missing())


@pytest.fixture
def only_a_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """No limit of processes but the group's."""
    limited = sandbox_launch._limited
    monkeypatch.setattr(sandbox_launch, "_limited", lambda limits: [a for a in limited(limits) if "--nproc" not in a])


@pytest.fixture
def group_of_processes(monkeypatch: pytest.MonkeyPatch) -> Path:
    assert PIDS is not None
    monkeypatch.setattr(sandbox_group, "ROOT", Path(PIDS))
    monkeypatch.setattr(sandbox_group, "CONTROLLERS", {"pids": "pids.max"})
    monkeypatch.setattr(sandbox_group, "missing", lambda: "")
    return Path(PIDS)


@real_group
def test_bomb_is_bounded_by_the_group_alone(only_a_group: None, group_of_processes: Path):
    result = run(["/bin/sh", "-c", COUNT], processes=20, threads=1, seconds=10)
    assert "fork" in result.stderr
    assert list(group_of_processes.glob(f"quintet-{os.getpid()}-*")) == []


@real_group
def test_bomb_of_threads_is_bounded_by_the_group_alone(only_a_group: None, group_of_processes: Path):
    program = (
        "import threading, time\nmade = 0\ntry:\n    for _ in range(200):\n"
        "        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n        made += 1\n"
        "except RuntimeError:\n    pass\nprint(made, flush=True)\nimport os\nos._exit(0)"
    )
    from tests.tasks.test_sandbox import python

    assert 0 < int(python(program, threads=32, processes=1).stdout) < 40


@real_group
def test_without_the_group_and_its_twin_the_same_bomb_goes_off(only_a_group: None):
    """What the two tests above would see if the group did nothing."""
    if not sandbox_group.missing():
        pytest.skip("here every sandbox has a group")
    result = run(["/bin/sh", "-c", COUNT], processes=20, threads=1, seconds=10)
    assert int(result.stdout) > 60


@needs_bwrap
@pytest.mark.skipif(bool(sandbox_group.missing()), reason="needs root and a cgroup v2 that counts memory")
def test_memory_is_bounded_for_all_processes_together():
    program = "for i in 1 2 3 4; do head -c 100m /dev/zero | tail & done; wait; echo survived"
    assert "survived" not in run(["/bin/sh", "-c", program], processes=20, memory_mb=200, seconds=20).stdout
