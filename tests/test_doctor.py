from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from quintet import doctor

GIB = 2**30
MEMINFO = f"MemTotal: {16 * 2**20} kB\nMemFree: 1 kB\nMemAvailable: {8 * 2**20} kB\n"


def machine(folder: Path, files: dict[str, str]) -> tuple[Path, Path]:
    """Folders like /proc and /sys/fs/cgroup with these files in them."""
    for name, text in {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n", "groups/nothing": "", **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "proc", folder / "groups"


def test_memory_of_a_machine_without_limits(tmp_path: Path):
    found = doctor.memory_bytes(*machine(tmp_path, {"groups/memory.max": "max\n"}))
    assert found == {"total": 16 * GIB, "available": 8 * GIB, "limit": None}


def test_limit_of_a_container_bounds_what_is_available(tmp_path: Path):
    files = {"groups/memory.max": str(4 * GIB), "groups/memory.current": str(GIB)}
    assert doctor.memory_bytes(*machine(tmp_path, files)) == {"total": 16 * GIB, "available": 3 * GIB, "limit": 4 * GIB}


def test_smallest_limit_of_all_groups_holds(tmp_path: Path):
    files = {
        "proc/self/cgroup": "0::/outer/inner\n",
        "groups/outer/memory.max": str(2 * GIB),
        "groups/outer/inner/memory.max": str(6 * GIB),
    }
    assert doctor.memory_bytes(*machine(tmp_path, files))["limit"] == 2 * GIB


def test_limit_in_the_older_groups_is_read_and_a_limit_beyond_the_machine_is_none(tmp_path: Path):
    files = {"proc/self/cgroup": "5:memory:/box\n4:cpu:/box\n", "groups/memory/box/memory.limit_in_bytes": str(2 * GIB)}
    assert doctor.memory_bytes(*machine(tmp_path, files))["limit"] == 2 * GIB
    (tmp_path / "groups/memory/box/memory.limit_in_bytes").write_text(str(2**63 - 4096))
    assert doctor.memory_bytes(*machine(tmp_path, {}))["limit"] is None


def test_machine_that_tells_nothing_is_no_error(tmp_path: Path):
    found = doctor.memory_bytes(tmp_path / "no", tmp_path / "where")
    assert (found["available"], found["limit"]) == (None, None)
    assert doctor.cpu_quota(tmp_path / "no", tmp_path / "where") is None


def test_cores_worth_of_time_is_the_smallest_quota(tmp_path: Path):
    files = {"proc/self/cgroup": "0::/a\n", "groups/cpu.max": "max 100000", "groups/a/cpu.max": "150000 100000"}
    assert doctor.cpu_quota(*machine(tmp_path, files)) == 1.5


def test_folder_that_is_not_there_yet_is_writable_where_it_can_be_made(tmp_path: Path):
    assert doctor.writable(tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert not doctor.writable(tmp_path / "file" / "runs")
    if os.geteuid():
        tmp_path.chmod(0o500)
        assert not doctor.writable(tmp_path / "runs")
        tmp_path.chmod(0o700)


def memory(available: int | None) -> dict[str, int | None]:
    return {"total": 64 * GIB, "available": available, "limit": None}


@pytest.mark.parametrize(
    ("devices", "speeds", "available", "threads", "advice"),
    [
        ({"cpu": {}}, {"cpu": {"float32": 50.0, "bfloat16": 20.0}}, 8 * GIB, 2, ("preset:1m", "float32", 0)),
        ({"cpu": {}}, {"cpu": {"float32": 50.0, "bfloat16": 160.0}}, 5 * GIB, 2, ("preset:1m", "float32", 64)),
        ({"cpu": {}}, {}, 2 * GIB, 1, ("preset:1m", "float32", 16)),
        ({"cpu": {}}, {}, None, 16, ("preset:5m", "float32", 0)),
        (
            {"cpu": {}, "cuda": {"memory_bytes": 80 * GIB}},
            {"cuda": {"float32": 50e3, "bfloat16": 500e3}},
            GIB,
            8,
            ("preset:50m", "bfloat16", 0),
        ),
        (
            {"cpu": {}, "cuda": {"memory_bytes": 8 * GIB}},
            {"cuda": {"float32": 10e3, "bfloat16": 11e3}},
            GIB,
            8,
            ("preset:5m", "float32", 0),
        ),
    ],
)
def test_advice_follows_memory_and_speed(devices, speeds, available, threads, advice):
    found = doctor.advice(devices, speeds, memory(available), threads)
    assert (found["model"], found["dtype"], found["micro_batch"]) == advice
    assert found["threads"] == threads


def test_examination_is_json_and_has_words_for_everything(tmp_path: Path):
    found = doctor.examine(tmp_path)
    assert json.loads(json.dumps(found)) == found
    assert found["gflops"]["cpu"]["float32"] > 0
    assert found["missing"] == []
    text = doctor.told(found)
    assert f"torch {found['packages']['torch']}" in text
    assert f"--model {found['advice']['model']}" in text
    assert "GFLOP/s" in text


def test_what_is_missing_is_said_with_what_to_do(tmp_path: Path):
    found = doctor.examine(tmp_path) | {"missing": ["rich"], "broken": "libomp is gone", "runs_writable": False, "gflops": {}}
    text = doctor.told(found)
    assert "Missing: rich. Install: python -m pip install rich" in text
    assert "PyTorch can't be used: libomp is gone" in text
    assert "--out FOLDER" in text


def test_package_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(doctor, "PACKAGES", ("rich", "no-package-of-this-name"))
    assert doctor.examine(tmp_path)["missing"] == ["no-package-of-this-name"]


# ---- what is not there -----------------------------------------------------------------------------------------------------


def extra(**changes: Any) -> dict[str, Any]:
    return {"package": "datasets", "version": None, "gives": "problems from the hub", "install": "pip install it", **changes}


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return doctor.examine(Path.cwd())


def test_missing_extra_is_told_with_what_it_would_give_and_how_to_get_it(found: dict[str, Any]):
    text = doctor.told(found | {"extras": [extra(), extra(package="pyarrow", version="1.0")]})
    assert "Extras       pyarrow 1.0\n" in text
    assert "Without datasets: no problems from the hub. To have them: pip install it" in text
    assert "Without pyarrow" not in text


def test_every_extra_that_the_project_declares_is_known_here():
    """Whoever adds an extra says here what it gives; what only developers need is left out."""
    project = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[\[<>=!~ ;]", wanted)[0]
        for name, extra in project["optional-dependencies"].items()
        if name not in ("dev", "docs")
        for wanted in extra
    }
    assert declared <= {e.package for e in doctor.EXTRAS}


def test_machine_without_a_sandbox_or_rust_is_told_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch, found: dict[str, Any]):
    def load_record(path: str) -> Callable[[], None]:
        def fails() -> None:
            raise ValueError(f"There is no {path}. Install it.")

        return fails

    monkeypatch.setattr(doctor, "load_record", load_record)
    assert doctor.sandbox() == {"works": False, "why": f"There is no {doctor.SANDBOX}. Install it.", "layers": None}
    assert doctor.rust()["version"] is None
    text = doctor.told(found | {"sandbox": doctor.sandbox(), "rust": doctor.rust()})
    assert "Sandbox      none" in text
    assert f"--task cargo can't grade. There is no {doctor.SANDBOX}. Install it." in text
    assert f"Without Rust no --task cargo. There is no {doctor.RUST}. Install it." in text


def test_sandbox_and_rust_are_what_they_are(found: dict[str, Any]):
    """Both work where bubblewrap and Rust are installed; elsewhere the reason is a sentence."""
    assert found["sandbox"]["works"] or len(found["sandbox"]["why"].split()) > 5
    assert (found["rust"]["version"] or "").startswith("rustc ") or len(found["rust"]["why"].split()) > 5
