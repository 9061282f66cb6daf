"""Quintet against TRL on this machine: `python -m benchmarks.versus_trl [SETTING …] --runs 5`.

Both sides get the same weights, prompts, reward, sampling settings, lengths and threads, and run alternately in processes of
their own while nothing else does. TRL lives in environments of its own (`make bench` makes them). Results go to
benchmarks/results/speed-MACHINE-DATE.json and, as a table, to standard output; `--setting NAME --json` prints one setting's
alone.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.versus import settings

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PEERS = {"trl 1.16.0": ROOT / ".venv-parity", "trl 1.9.2": ROOT / ".venv-trl-1.9.2"}
WITH_PPO = ("trl 1.9.2",)
QUIET = 0.1
"""Cores that others may use while a run is measured."""
DEFAULT = ("5m-128-128", "5m-512-64", "5m-64-512", "5m-ragged", "48m-128-128", "48m-512-64", "48m-64-512", "48m-ragged")


def main() -> None:
    """Read the command line, measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("settings", nargs="*", help=f"default: {' '.join(DEFAULT)}")
    parser.add_argument("--setting", action="append", default=[], help="one setting; may be given again")
    parser.add_argument("--runs", type=int, default=5, help="runs of each side (default 5)")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="arithmetic of both sides, instead of the size's own")
    parser.add_argument("--json", action="store_true", help="print one JSON object a setting, and write no file")
    parser.add_argument("--busy", action="store_true", help="don't wait until the machine is quiet")
    options = parser.parse_args()
    for name in options.settings + options.setting or DEFAULT:
        setting = settings.setting(name, options.dtype)
        result = compare(setting, options.runs, options.threads, wait=not options.busy)
        print(json.dumps(result) if options.json else line(result), flush=True)
        if not options.json:
            keep(result, options.threads)


def keep(result: Mapping[str, Any], threads: int) -> None:
    """Write a setting's result beside those that this machine measured on the same day."""
    RESULTS.mkdir(exist_ok=True)
    place = RESULTS / f"speed-{platform.machine()}-{os.cpu_count()}-cores-{time.strftime('%Y-%m-%d')}.json"
    known = json.loads(place.read_text())["settings"] if place.is_file() else []
    others = [one for one in known if (one["setting"], one["dtype"]) != (result["setting"], result["dtype"])]
    told = {"machine": machine(), "threads": threads, "settings": [*others, result]}
    place.write_text(json.dumps(told, indent=1) + "\n")


def compare(
    setting: settings.Setting, runs: int, threads: int, wait: bool = True, only: Sequence[str] = tuple(PEERS)
) -> dict[str, Any]:
    """Each side `runs` times, alternately; ratios of medians against the faster peer of `only`."""
    from benchmarks.versus.model import make

    there = {name: place for name, place in PEERS.items() if name in only and (place / "bin" / "python").exists()}
    peers = {name: place for name, place in there.items() if setting.algorithm != "ppo" or name in WITH_PPO}
    if not peers:
        raise SystemExit("There is no environment with TRL. Make them with `make bench`.")
    seen: dict[str, list[dict[str, Any]]] = {"quintet": [], **{name: [] for name in peers}}
    with tempfile.TemporaryDirectory() as here:
        folder = Path(here)
        parameters = make(folder, setting)
        settings.write(folder, setting)
        floor = least(folder, threads, wait) if setting.algorithm == "grpo" else None
        for _ in range(runs):
            for side in seen:
                if wait:
                    until_quiet()
                seen[side].append(run(side, peers.get(side), folder, threads))
    sides = {side: summary(some, setting) for side, some in seen.items()}
    best = max((s for n, s in sides.items() if n != "quintet"), key=lambda s: s["samples_per_second"])
    ours = sides["quintet"]
    return {
        "setting": setting.name,
        "parameters": parameters,
        "lengths": {k: v for k, v in asdict(setting).items() if k in ("prompt", "answer", "ragged", "prompts", "group")},
        "dtype": setting.size.dtype,
        "runs": runs,
        "samples_per_second_ratio": round(ours["samples_per_second"] / best["samples_per_second"], 3),
        "decode_ratio": ratio(ours["sampled_tokens_per_second"], best["sampled_tokens_per_second"]),
        "learn_ratio": ratio(best["learn_seconds"], ours["learn_seconds"]),
        "peak_memory_ratio": round(ours["peak_mb"] / best["peak_mb"], 3),
        "ratio_spread": spread(seen, setting),
        "floor": floor,
        "step_over_floor": round(ours["step_seconds"] / sum(floor.values()), 2) if floor else None,
        "sides": sides,
    }


def least(folder: Path, threads: int, wait: bool) -> dict[str, float]:
    """Seconds of the products alone."""
    if wait:
        until_quiet()
    found = process([sys.executable, "-m", "benchmarks.versus.floor", str(folder), str(threads)], threads)
    return {key: round(seconds, 4) for key, seconds in found.items()}


def ratio(ours: float, theirs: float) -> float | None:
    """None where a setting has no such part."""
    return round(ours / theirs, 3) if ours > 1e-3 and theirs > 1e-3 else None


def run(side: str, environment: Path | None, folder: Path, threads: int) -> dict[str, Any]:
    """One process of one side; what it measured."""
    command = [sys.executable, "-m", "benchmarks.versus.ours"]
    if environment:
        command = [str(environment / "bin" / "python"), str(Path(__file__).parent / "versus" / "theirs.py")]
    for name in ("run", "trl"):
        subprocess.run(["rm", "-rf", str(folder / name)], check=True)
    return process([*command, str(folder), str(threads)], threads)


def process(command: Sequence[str], threads: int) -> dict[str, Any]:
    """What a process of its own prints behind RESULT."""
    variables = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=variables, check=False)
    for text in done.stdout.splitlines():
        if text.startswith("RESULT "):
            return json.loads(text.removeprefix("RESULT "))
    raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")


def summary(some: Sequence[Mapping[str, Any]], setting: settings.Setting) -> dict[str, Any]:
    """Medians over all measured steps of all runs of one side."""
    step = [x for r in some for x in r["step_seconds"]]
    generate = [x for r in some for x in r["generate_seconds"]]
    tokens = [x for r in some for x in r["sampled_tokens"]]
    answers = setting.answers
    return {
        "step_seconds": round(median(step), 4),
        "generate_seconds": round(median(generate), 4),
        "learn_seconds": round(median(s - g for s, g in zip(step, generate, strict=True)), 4),
        "samples_per_second": round(answers / median(step), 3),
        "sampled_tokens_per_second": round(median(t / g if g else 0.0 for t, g in zip(tokens, generate, strict=True)), 1),
        "peak_mb": round(median(r["peak_mb"] for r in some), 1),
        "import_mb": round(median(r["import_mb"] for r in some), 1),
        "versions": some[0]["versions"],
    }


def spread(seen: Mapping[str, Sequence[Mapping[str, Any]]], setting: settings.Setting) -> list[float]:
    """The smallest and the largest ratio of samples a second among rounds of runs."""
    ratios = []
    for i, ours in enumerate(seen["quintet"]):
        theirs = min(median(some[i]["step_seconds"]) for name, some in seen.items() if name != "quintet")
        ratios.append(theirs / median(ours["step_seconds"]))
    return [round(min(ratios), 3), round(max(ratios), 3)]


def until_quiet(patience: float = 600.0) -> None:
    """Wait until other processes use less than `QUIET` cores; give up, saying so, after `patience` seconds."""
    began = time.monotonic()
    while (busy := used_cores(2.0)) > QUIET:
        if time.monotonic() - began > patience:
            raise SystemExit(f"Other processes use {busy:.2f} cores. End them, or measure with --busy and say so.")


def used_cores(seconds: float) -> float:
    """Cores that were busy during the next `seconds`."""

    def busy() -> float:
        fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:]]
        return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")

    before = busy()
    time.sleep(seconds)
    return (busy() - before) / seconds


def machine() -> dict[str, Any]:
    """Processor, cores, system."""
    told = dict(x.split(":", 1) for x in Path("/proc/cpuinfo").read_text().splitlines() if ":" in x)
    facts = {key.strip(): value.strip() for key, value in told.items()}
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in facts.get("flags", "").split()]
    processor = facts.get("model name") or platform.processor()
    return {"processor": processor, "vectors": vectors, "cores": os.cpu_count(), "system": platform.system()}


def shown(found: float | None) -> str:
    return "     –" if found is None else f"{found:5.2f}×"


def line(result: Mapping[str, Any]) -> str:
    """A setting's result in a line."""
    low, high = result["ratio_spread"]
    ours = result["sides"]["quintet"]
    return (
        f"{result['setting']:<14} {result['samples_per_second_ratio']:5.2f}× samples/s ({low:.2f} to {high:.2f})  "
        f"{shown(result['decode_ratio'])} decode  {shown(result['learn_ratio'])} learn  "
        f"{result['peak_memory_ratio']:5.2f}× memory  "
        f"step {ours['step_seconds']:.2f} s"
    )


if __name__ == "__main__":
    main()
