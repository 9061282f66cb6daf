"""Comparisons in real processes: killed, interrupted, failed, resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import quintet
from quintet import comparisons
from tests.comparison_folder import write_comparison

RECIPE = """
task = "functions"
model = "preset:1m"
threads = 1
checkpoint_every = 1
eval_problems = 6
eval_temperature = 1.0
eval_every = 2
out = "{out}"
[functions]
data = "{folder}/data.jsonl"
reward = "{folder}/reward.py"
test_share = 0.3
[sampling]
max_new_tokens = 6
[comparison]
seeds = 1
tokens = {tokens}
parallel = {parallel}
{start}
[[contender]]
algorithm = "grpo"
prompts_per_step = 2
group_size = 4
lr = 1e-3
[[contender]]
label = "broken"
algorithm = "reinforce"
prompts_per_step = 2
group_size = 4
lr = 1e-3
"""
START = '[[start]]\nalgorithm = "sft"\nsteps = 2\nprompts_per_step = 4\nlr = 1e-3\n'
REWARD = """
from pathlib import Path
def reward(completions, **columns):
    return [float(sum(map(ord, text)) % 3 == 0) for text in completions]
"""
REPEATED = ("wall_seconds", "cpu_seconds", "peak_memory_mb", "seconds_to", "train_seconds", "warnings", "sentences", "next")
"""What depends on the machine: times, memory, and the words that name them."""


def folder(tmp_path: Path, tokens: int = 160, parallel: int = 1, start: str = START) -> Path:
    rows = [{"prompt": f"{i} and {i * i}: ", "completion": f"{i}"} for i in range(40)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "reward.py").write_text(REWARD)
    text = RECIPE.format(out=tmp_path / "c", folder=tmp_path, tokens=tokens, parallel=parallel, start=start)
    (tmp_path / "recipe.toml").write_text(text)
    return tmp_path / "c"


def compare(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(quintet.__file__).parent.parent)}
    command = [sys.executable, "-m", "quintet.cli", "compare", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(*arguments: str) -> tuple[int, str, str]:
    process = compare(*arguments)
    out, err = process.communicate(timeout=300)
    return process.returncode, out, err


def wait_until(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 200
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def advice_of(comparison: Path) -> Any:
    """advice.json without what the machine has a say in."""

    def kept(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: kept(v) for key, v in value.items() if key not in REPEATED}
        return [kept(v) for v in value] if isinstance(value, list) else value

    return kept(json.loads((comparison / "advice.json").read_text()))


def steps_of(run: Path) -> int:
    path = run / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    at = tmp_path_factory.mktemp("undisturbed")
    comparison = folder(at)
    code, out, err = finished("--recipe", str(at / "recipe.toml"), "--json")
    assert code == 0, err
    assert json.loads(out)["task"] == "functions"
    assert "[1/2] grpo seed 1: " in err
    return comparison


def test_every_run_is_an_ordinary_run_from_the_common_start(undisturbed: Path):
    runs = comparisons.runs_of(undisturbed)
    assert [(run.label, run.seed, run.status["state"]) for run in runs] == [("grpo", 1, "done"), ("broken", 1, "done")]
    for run in runs:
        assert {"settings.toml", "metrics.jsonl", "evaluations.jsonl", "report.html", "model"} <= {
            p.name for p in run.folder.iterdir()
        }
        assert f'model = "{undisturbed}/start/model"' in (run.folder / "settings.toml").read_text()
        assert run.status["cpu_seconds"] > 0.5
        assert run.status["peak_memory_mb"] > 100
    starts = [json.loads((run.folder / "evaluations.jsonl").read_text().splitlines()[0]) for run in runs]
    assert starts[0]["outcomes"] == starts[1]["outcomes"]


def test_every_run_samples_the_budget_and_no_step_more(undisturbed: Path):
    for run in comparisons.runs_of(undisturbed):
        sampled = [json.loads(line)["num_sampled_tokens"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
        assert sampled[-1] >= 160 > sampled[-2]
        rows = [json.loads(line) for line in (run.folder / "evaluations.jsonl").read_text().splitlines()]
        evaluated = [row["num_sampled_tokens"] for row in rows]
        assert list(dict.fromkeys(evaluated)) == list(dict.fromkeys([0, *sampled[1::2], sampled[-1]]))


def test_comparison_killed_half_way_and_resumed_gives_the_same_advice(tmp_path: Path, undisturbed: Path):
    """SIGKILL for the comparison in the middle of its first run, whose own process is then asked to save and stop."""
    comparison = folder(tmp_path)
    first, start = comparisons.folder_of(comparison, "grpo", 1), comparison / "start"
    process = compare("--recipe", str(tmp_path / "recipe.toml"))
    wait_until(lambda: steps_of(first) >= 2)
    process.kill()
    process.communicate()
    begun = comparisons.read_status(start)
    assert comparisons.read_status(first)["state"] == "running"
    assert not (comparison / "advice.json").exists()
    code, _, err = finished("--resume", str(comparison), "--json")
    assert code == 0, err
    assert comparisons.read_status(start) == begun  # what had ended stays
    again = comparisons.read_status(first)
    assert (again["state"], again["attempts"], again["unmeasured"]) == ("done", 2, 1)
    assert advice_of(comparison) == advice_of(undisturbed)
    assert any("Killed once and resumed" in w for w in json.loads((comparison / "advice.json").read_text())["warnings"])


def test_a_failed_run_loses_nobody_else_and_is_tried_again(tmp_path: Path):
    comparison = folder(tmp_path, start="", tokens=60)
    process = compare("--recipe", str(tmp_path / "recipe.toml"), "--json")
    broken = comparisons.folder_of(comparison, "broken", 1)
    wait_until(lambda: (broken / "recipe.toml").exists())
    (broken / "settings.toml").write_text("no settings at all")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert json.loads(out)["rows"][0]["label"] == "grpo"
    assert "broken seed 1: failed." in err
    status = comparisons.read_status(broken)
    assert status["state"] == "failed"
    assert "settings.toml" in status["reason"]
    (broken / "settings.toml").unlink()
    code, out, err = finished("--resume", str(comparison), "--json")
    assert code == 0, err
    assert {row["label"] for row in json.loads(out)["rows"]} == {"grpo", "broken"}


def test_ctrl_c_saves_the_runs_and_says_how_to_go_on(tmp_path: Path):
    comparison = folder(tmp_path, start="", tokens=100_000, parallel=min(2, len(os.sched_getaffinity(0))))
    process = compare("--recipe", str(tmp_path / "recipe.toml"))
    first = comparisons.folder_of(comparison, "grpo", 1)
    wait_until(lambda: steps_of(first) >= 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert f"quintet compare --resume {comparison}" in out
    assert "Traceback" not in err
    assert comparisons.read_status(first)["state"] == "stopped"
    last = steps_of(first)
    assert (first / "checkpoints" / f"step-{last:06d}" / "manifest.json").is_file()


def test_seeds_may_grow_and_what_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Nothing is trained: the jobs are only looked at."""
    from quintet import compare as module

    asked: list[list[str]] = []
    monkeypatch.setattr(module, "_work", lambda jobs, *_: asked.append([job.name for job in jobs]))
    comparison = write_comparison(tmp_path / "c", {"grpo": (0.1, 0.2), "ppo": (0.1, 0.2)})
    before = (comparison / "grpo" / "seed-1" / "recipe.toml").read_text()
    assert module.resume(comparison, seeds=3) == comparison
    assert asked == [[f"{label} seed {seed}" for seed in (1, 2, 3) for label in ("grpo", "ppo")]]
    assert [run.status["state"] for run in comparisons.runs_of(comparison)] == ["done", "done", "waiting"] * 2
    assert (comparison / "grpo" / "seed-1" / "recipe.toml").read_text() == before
    assert comparisons.settings_of(comparison)["comparison"]["seeds"] == 3
    with pytest.raises(ValueError, match="has 3 seeds already"):
        module.resume(comparison, seeds=2)


def test_cores_are_divided_between_runs_at_a_time(tmp_path: Path):
    from quintet.compare import prepare
    from quintet.config import new_comparison
    from quintet.config.flags import Flag

    given = {"task": "maze", "out": str(tmp_path), "threads": "5", "parallel": "1", "tokens": "500"}
    experiment = new_comparison(None, False, ["grpo"], [Flag(k, v, f"--{k}") for k, v in given.items()])
    for parallel, threads in ((1, 5), (2, 2), (9, 1)):
        at = tmp_path / str(parallel)
        prepare(replace(experiment, how=replace(experiment.how, parallel=parallel)), at)
        assert f"\nthreads = {threads}\n" in (at / "grpo" / "seed-2" / "recipe.toml").read_text()


def test_a_run_that_another_process_works_on_is_left_to_it(tmp_path: Path):
    import fcntl

    from quintet.compare import Job, _begin

    job = Job(tmp_path, "a run")
    held = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert _begin(job) is None
    os.close(held)
