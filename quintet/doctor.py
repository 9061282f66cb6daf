"""What this machine can do, what is missing and what that would give, and the settings to start from."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import ceil
from pathlib import Path
from typing import Any

import quintet
from quintet.config.registry import RUST, SANDBOX, sandbox_layers
from quintet.config.resolve import load_record
from quintet.environment import usable_cores

PACKAGES = ("torch", "transformers", "tokenizers", "safetensors", "numpy", "rich", "tomli-w")
"""What a run needs."""


@dataclass(frozen=True)
class Extra:
    """A package that something needs, but not every run."""

    package: str
    """As pip calls it."""
    gives: str
    """What it is for, as the end of "gives …"."""
    wanted: str = ""
    """What to hand to pip, where that isn't the name alone."""

    @property
    def install(self) -> str:
        return f"python -m pip install '{self.wanted or self.package}'"


EXTRAS = (
    Extra(
        "math-verify", "answers in mathematics that are neither numbers nor words (--task maths)", "math-verify[antlr4_13_2]"
    ),
    Extra("pyarrow", "problems from .parquet files (--task maths)"),
    Extra("peft", "adapters (--lora-rank): a large model trained in little memory"),
    Extra("starlette", "the page that follows a run (--live, quintet live)", "starlette uvicorn"),
    Extra("uvicorn", "the same page's server"),
    Extra("gymnasium", "environments such as CartPole (--task cartpole)"),
    Extra("datasets", "problems from the hub by their id, OWNER/NAME (--task maths)"),
)
"""Each is imported only where it is used; a test holds this list against the extras in pyproject.toml."""
GIB = 2**30
SECONDS = 0.15
"""How long each kind of multiplication is measured."""
FASTER = 1.3
"""bfloat16 costs digits, so it has to be this much faster to be advised."""


def examine(folder: Path) -> dict[str, Any]:
    """Everything `quintet doctor` tells, as one JSON-able record; two seconds or so. `folder`: where runs/ would be."""
    packages = {name: _version(name) for name in PACKAGES}
    memory, cores = memory_bytes(), usable_cores()
    quota = cpu_quota()
    threads = max(1, min(cores, ceil(quota))) if quota else cores
    devices, speeds, broken = _torch(threads)
    found: dict[str, Any] = {
        "quintet": quintet.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "packages": packages,
        "cores": cores,
        "cpu_quota": quota,
        "memory_bytes": memory,
        "devices": devices,
        "gflops": speeds,
        "disk_free_bytes": shutil.disk_usage(folder).free,
        "runs_writable": writable(folder / "runs"),
        "missing": [name for name, there in packages.items() if there is None],
        "broken": broken,
        "extras": [
            {"package": e.package, "version": _version(e.package), "gives": e.gives, "install": e.install} for e in EXTRAS
        ],
        "sandbox": sandbox(),
        "rust": rust(),
    }
    return {**found, "advice": advice(devices, speeds, memory, threads)}


def advice(
    devices: Mapping[str, Any], speeds: Mapping[str, Mapping[str, float]], memory: Mapping[str, int | None], threads: int
) -> dict[str, Any]:
    """Settings to start from: a first guess, from memory and speed alone.

    Example: two cores with 8 GiB get preset:1m, float32, two threads and the whole batch at once."""
    device = next((name for name in ("cuda", "mps") if name in devices), "cpu")
    speed = speeds.get(device, {})
    # on a CPU products of single tokens decide, and there bfloat16's casts cost more than its products save
    faster = device != "cpu" and speed.get("bfloat16", 0.0) > FASTER * speed.get("float32", float("inf"))
    usable = devices[device].get("memory_bytes") if device == "cuda" else memory["available"]
    gib = (usable or 8 * GIB) / GIB
    size = "50m" if device == "cuda" and gib >= 16 else "5m" if device != "cpu" or threads >= 8 else "1m"
    return {
        "model": f"preset:{size}",
        "dtype": "bfloat16" if faster else "float32",
        "threads": threads,
        "micro_batch": 0 if gib >= 6 else 64 if gib >= 3 else 16,
    }


def sandbox() -> dict[str, Any]:
    """Whether code that nobody trusts can be run here: the sandbox's own proof, tried; `why` not."""
    try:
        load_record(SANDBOX)()
    except ValueError as error:
        return {"works": False, "why": str(error), "layers": None}
    return {"works": True, "why": None, "layers": sandbox_layers()}


def rust() -> dict[str, Any]:
    """The Rust compiler with its clippy, as the task cargo would find it; `why` not."""
    try:
        compiler = load_record(RUST)().root / "bin" / "rustc"
        said = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=False)
    except (ValueError, OSError) as error:
        return {"version": None, "why": str(error)}
    return {"version": said.stdout.strip(), "why": None}


def memory_bytes(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> dict[str, int | None]:
    """Memory in bytes: `total`, `available` now, and the `limit` of the container this runs in; None where nobody tells.

    `available` keeps to the limit."""
    total, available = _meminfo(proc / "meminfo")
    if total is None and "SC_PHYS_PAGES" in os.sysconf_names:
        total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit, used = None, 0
    for group in _groups(proc, groups):
        for name, usage in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            here = _number(group / name)
            if here is not None and (total is None or here < total) and (limit is None or here < limit):
                limit, used = here, _number(group / usage) or 0
    if limit is not None:
        available = min(available if available is not None else limit, max(0, limit - used))
    return {"total": total, "available": available, "limit": limit}


def cpu_quota(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The cores' worth of time a container may use; None where it is not limited.  Example: cpu.max "150000 100000" is 1.5"""
    quotas = []
    for group in _groups(proc, groups):
        words = _read(group / "cpu.max").split()
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def writable(folder: Path) -> bool:
    """Whether a run's folder could be made there; nothing is."""
    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    return above.is_dir() and os.access(above, os.W_OK | os.X_OK)


def told(found: Mapping[str, Any]) -> str:
    """The record in words."""
    memory, settings = found["memory_bytes"], found["advice"]
    limit = f", this container's limit {_gib(memory['limit'])}" if memory["limit"] else ""
    extras = [f"{e['package']} {e['version']}" for e in found["extras"] if e["version"]]
    quota = f", {found['cpu_quota']:.3g} cores' worth of time" if found["cpu_quota"] else ""
    lines = [
        f"Quintet      {found['quintet']}, Python {found['python']}, {found['system']}",
        f"Packages     {', '.join(f'{n} {v}' for n, v in found['packages'].items() if v)}",
        f"Cores        {found['cores']} usable{quota}",
        f"Memory       {_gib(memory['total'])}, {_gib(memory['available'])} free{limit}",
        *(f"Device       {_device(name, facts, found['gflops'].get(name))}" for name, facts in found["devices"].items()),
        f"Disk         {_gib(found['disk_free_bytes'])} free; runs/ can{'' if found['runs_writable'] else 'not'} be written",
        f"Sandbox      {found['sandbox']['layers'] if found['sandbox']['works'] else 'none'}",
        f"Rust         {found['rust']['version'] + ', with clippy' if found['rust']['version'] else 'none'}",
        f"Extras       {', '.join(extras) or 'none'}",
        "",
    ]
    lines += _left_out(found)
    if found["missing"]:
        lines.append(f"Missing: {', '.join(found['missing'])}. Install: python -m pip install {' '.join(found['missing'])}")
    if found["broken"]:
        lines.append(f"PyTorch can't be used: {found['broken']}")
    if not found["runs_writable"]:
        lines.append("You may not write here. Go to another folder, or name one: --out FOLDER")
    flags = " ".join(f"--{name.replace('_', '-')} {value}" for name, value in settings.items() if value)
    return "\n".join([*lines, f"Start from: {flags}", "For example: quintet train --recipe recipes/demo.toml --small"])


def _left_out(found: Mapping[str, Any]) -> Iterator[str]:
    """What isn't there, what it would give, and how to get it. No run fails for want of it unless it uses it."""
    for extra in found["extras"]:
        if extra["version"] is None:
            yield f"Without {extra['package']}: no {extra['gives']}. To have them: {extra['install']}"
    if not found["sandbox"]["works"]:
        yield f"Without a sandbox no code is run, so --task cargo can't grade. {found['sandbox']['why']}"
    if not found["rust"]["version"]:
        yield f"Without Rust no --task cargo. {found['rust']['why']}"


def _device(name: str, facts: Mapping[str, Any], speed: Mapping[str, float] | None) -> str:
    what = f"{name}, {facts['name']}" if facts.get("name") else name
    if facts.get("memory_bytes"):
        what += f", {_gib(facts['memory_bytes'])}"
    if not speed:
        return what
    rates = ", ".join(f"{dtype} {rate:,.0f}" for dtype, rate in speed.items())
    times = speed["bfloat16"] / speed["float32"]
    verdict = f"{times:.2g} times as fast" if times >= 1 else f"{1 / times:.2g} times slower"
    return f"{what}: {rates} GFLOP/s (large products: bfloat16 is {verdict})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _torch(threads: int) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, float]], str | None]:
    """The devices there are, what they multiply in GFLOP/s, and why PyTorch can't be used, if it can't."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return {"cpu": {}}, {}, " ".join(str(error).split())
    torch.set_num_threads(threads)
    devices: dict[str, dict[str, Any]] = {"cpu": {}}
    if torch.cuda.is_available():
        facts = torch.cuda.get_device_properties(0)
        devices["cuda"] = {"name": facts.name, "memory_bytes": facts.total_memory, "count": torch.cuda.device_count()}
    if torch.backends.mps.is_available():
        devices["mps"] = {}
    speeds = {name: {dtype: _gflops(name, dtype) for dtype in ("float32", "bfloat16")} for name in devices}
    return devices, speeds, None


def _gflops(device: str, dtype: str) -> float:
    """Billions of operations a second in products of square matrices, 2·n³ for each."""
    import torch

    n = 768 if device == "cpu" else 4096
    a = torch.randn(n, n, device=device).to(getattr(torch, dtype))

    def once() -> float:
        return float((a @ a)[0, 0])  # reading a number waits for the device

    once()
    began, products = time.perf_counter(), 0
    while (seconds := time.perf_counter() - began) < SECONDS or not products:
        once()
        products += 1
    return 2 * n**3 * products / seconds / 1e9


def _meminfo(path: Path) -> tuple[int | None, int | None]:
    lines = (line.split() for line in _read(path).splitlines())
    sizes = {words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) >= 2 and words[1].isdigit()}
    return sizes.get("MemTotal"), sizes.get("MemAvailable")


def _groups(proc: Path, groups: Path) -> list[Path]:
    """The control groups this process is in, innermost first; a limit of any of them holds."""
    found = []
    for line in _read(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        root = groups / "memory" if controllers == "memory" else groups
        if controllers in ("", "memory"):
            inner = root / path.lstrip("/")
            found += [inner, *(p for p in inner.parents if p == root or root in p.parents)]
    return found


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _gib(size: int | None) -> str:
    return "unknown" if size is None else f"{size / GIB:.1f} GiB"
