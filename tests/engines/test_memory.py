from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from benchmarks.memory import make_data
from benchmarks.memory_forecast import measure
from quintet.algorithms.grpo import GRPO
from quintet.data import Needs, Prompt, Sampling
from quintet.engines.embedded import memory
from quintet.engines.embedded.memory import Forecast, Need, Shape, paying, ran_out, told, until_it_fits
from tests.tiny import batch_of, learner, policy, sampler

SHAPE = Shape(prompts=4, siblings=8, prompt=100, answer=50)


def forecast() -> Forecast:
    of = learner(policy())
    return Forecast(of.model, of.trained, 2, of.within, "float32")


# ---- what is expected ------------------------------------------------------------------------------------------------------


def test_tokens_of_a_pass_count_each_prompt_once():
    assert SHAPE.tokens(32) == 4 * 100 + 32 * 50
    assert SHAPE.tokens(8) == 100 + 8 * 50
    assert SHAPE.tokens(3) == 100 + 3 * 50


def test_gradient_and_optimiser_take_four_bytes_for_each_number():
    of = learner(policy())
    assert forecast().kept == 3 * 4 * sum(p.numel() for p in of.parameters)


def test_whole_batch_shares_a_pass_where_it_fits_and_else_a_half_of_a_half():
    plan = forecast()
    assert plan.fitting(SHAPE, 2**40) == 32
    enough = plan.need(SHAPE, 8).peak / memory.SHARE
    assert plan.fitting(SHAPE, int(enough) + 1) == 8
    assert plan.fitting(SHAPE, int(enough) - 100) == 4
    assert plan.fitting(SHAPE, 0) == 1


def test_a_pass_has_as_many_answers_as_pay_and_whole_groups_where_they_are_no_more():
    assert paying(32, 4 * 64 + 32 * 512, 8) == 4
    assert paying(32, 4 * 128 + 32 * 128, 8) == 16
    assert paying(30, 4 * 128 + 30 * 128, 10) == 20
    assert paying(64, 64 + 64 * 1024, 64) == 2
    assert paying(8, 100, 8) == 8


def test_expected_peak_is_near_the_measured_one(tmp_path: Path):
    """A whole run; five measured by `python -m benchmarks.memory_forecast` are in docs/performance.md."""
    expected, measured = measure("1m", "grpo", tmp_path)
    assert expected == pytest.approx(measured, rel=0.2)


def test_sentence_says_what_when_it_is_too_much():
    need = Need(kept=2**28, reading=2**30, writing=2**20)
    assert told(need, 2**28, 2**34, SHAPE, 0) == (
        "Memory: 1.5 GB expected at the peak (256 MB held, 256 MB for gradients and optimiser, 1.0 GB to work with); "
        "16.0 GB is free."
    )
    assert "8 answers share a pass. That may be too much: try --recompute true" in told(need, 0, 2**29, SHAPE, 8)
    assert told(need, 0, None, SHAPE, 0).endswith("to work with).")


def test_bound_of_the_process_bounds_what_is_free():
    program = (
        "import resource, torch; from quintet.engines.embedded.memory import free_bytes; d = torch.device('cpu');"
        "before = free_bytes(d); size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
        "resource.setrlimit(resource.RLIMIT_AS, (size + 2**29, -1)); print(before > 2**29, free_bytes(d) <= 2**29)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "True"]


# ---- when it was too much --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
        torch.OutOfMemoryError("CUDA out of memory."),
    ],
)
def test_lack_of_memory_is_known_by_its_errors(error):
    assert ran_out(error)
    assert not ran_out(RuntimeError("size mismatch"))


def test_work_is_done_again_until_it_fits_and_other_errors_stand():
    room = iter([False, False, True])
    halved = []

    def work() -> str:
        if not next(room):
            raise MemoryError
        return "done"

    assert until_it_fits(work, lambda: halved.append(1) or True) == "done"
    assert len(halved) == 2
    with pytest.raises(MemoryError):
        until_it_fits(lambda: (_ for _ in ()).throw(MemoryError()), lambda: False)
    with pytest.raises(ZeroDivisionError):
        until_it_fits(lambda: 1 / 0, lambda: True)  # type: ignore[arg-type, return-value]


def test_gradient_that_did_not_fit_is_that_of_smaller_passes(monkeypatch):
    of, batch = (
        learner(policy()),
        batch_of([("ab?", "cde"), ("ab?", "fg"), ("h!", "gg"), ("h!", "a")], [1, 0, 0, 1], groups=[0, 0, 1, 1]),
    )
    from dataclasses import replace

    algorithm = GRPO()
    batch = of.annotate(batch, Needs())
    batch = replace(batch, advantage=algorithm.advantage(batch))
    batch = replace(batch, weight=algorithm.weight(batch))
    of.gradient(algorithm.loss, batch)
    whole = torch.cat([g.flatten() for g in of.direction()])
    from quintet.engines.embedded import forward

    outputs = forward.outputs

    def cramped(model, part, *more):
        if len(part.tokens) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return outputs(model, part, *more)

    monkeypatch.setattr(forward, "outputs", cramped)
    of.gradient(algorithm.loss, batch)
    assert of.micro_batch == 1
    assert torch.allclose(torch.cat([g.flatten() for g in of.direction()]), whole, atol=1e-6)
    assert of.state()["micro_batch"] == 1


def test_answers_that_did_not_fit_are_the_same_from_fewer_rows(monkeypatch):
    from quintet.models.tree_cache import TreeCache

    of, prompts = policy(sharpness=0.1), [Prompt(str(i), text="ab?") for i in range(8)]
    sampling = Sampling(max_new_tokens=6)
    before = sampler(of).generate(prompts, 2, sampling, seed=0)
    begin = TreeCache.begin

    def cramped(cache: TreeCache, ahead: int):
        if cache.live > 4:
            raise MemoryError
        return begin(cache, ahead)

    monkeypatch.setattr(TreeCache, "begin", cramped)
    small = sampler(of)
    assert [r.tokens for r in small.generate(prompts, 2, sampling, seed=0)] == [r.tokens for r in before]
    assert small.rows == 4


def test_run_whose_memory_runs_out_goes_on_with_smaller_passes_and_ends(tmp_path: Path):
    """A real lack: the process may not have what a pass over the whole batch takes, and was told to try that."""
    command = [
        sys.executable,
        "-m",
        "quintet.cli",
        "train",
        "grpo",
        "--model",
        "preset:1m",
        *make_data(tmp_path),
        "--threads",
        "1",
    ]
    command += [
        "--steps",
        "2",
        "--eval-problems",
        "0",
        "--checkpoint-every",
        "0",
        "--micro-batch",
        "256",
        "--out",
        str(tmp_path / "run"),
    ]

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (int(1.9 * 2**30), -1))

    done = subprocess.run(command, capture_output=True, text=True, timeout=300, preexec_fn=bounded, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 2
    assert rows[-1]["micro_batch"] < 256
