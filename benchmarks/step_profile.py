"""Where the time of a GRPO step goes, by kinds of operations: `python -m benchmarks.step_profile 5m-128-128`. Writing and
learning are profiled apart, by torch's profiler, after one that isn't counted; what torch's operations don't account for is
Python."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.versus import settings
from benchmarks.versus.model import make
from quintet.algorithms.grpo import GRPO
from quintet.data import Prompt, Sampling, Verdict
from quintet.engines.embedded import EmbeddedLearner, EmbeddedSampler
from quintet.models.load import load
from quintet.sources import collate

KINDS = {
    "linear layers": "mm addmm",
    "attention": "bmm _softmax masked_fill_ _index_put_impl_ _scaled_dot_product_flash_attention_for_cpu "
    "_scaled_dot_product_flash_attention_for_cpu_backward",
    "moving": "copy_ cat index index_select index_copy_ index_add_",
    "element by element": "mul add add_ silu pow mean sum div div_ rsqrt exp neg mul_ silu_backward sub fill_",
}


def kind(name: str) -> str:
    """Of an operation of torch.  Example: kind("aten::mm") is "linear layers"."""
    found = (title for title, names in KINDS.items() if name.removeprefix("aten::") in names.split())
    return next(found, "other operations")


def profiled(title: str, work: Callable[[], object]) -> None:
    """A line for each kind, with its share of the time by the clock."""
    work()
    began = time.perf_counter()
    work()
    whole = time.perf_counter() - began
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        work()
    of: dict[str, float] = {}
    for one in seen.key_averages():
        of[kind(one.key)] = of.get(kind(one.key), 0.0) + one.self_cpu_time_total / 1e6
    of["Python"] = max(0.0, whole - sum(of.values()))
    print(f"{title}: {whole:.2f} s; profiled")
    for name, seconds in sorted(of.items(), key=lambda x: -x[1]):
        print(f"  {name:<20} {seconds:6.2f} s  {100 * seconds / whole:4.0f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("setting", nargs="?", default="5m-128-128")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    chosen = settings.setting(options.setting, "float32")
    with tempfile.TemporaryDirectory() as here:
        folder = Path(here)
        make(folder, chosen)
        settings.write(folder, chosen)
        policy = load(str(folder / "model"), None, 0)
        rows = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()][: chosen.prompts]
    prompts, sampling = (
        [Prompt(str(i), text=row["prompt"]) for i, row in enumerate(rows)],
        Sampling(max_new_tokens=chosen.answer),
    )
    sampler = EmbeddedSampler(policy, torch.device("cpu"))
    profiled("writing", lambda: sampler.generate(prompts, chosen.group, sampling, 0))
    answers = sampler.generate(prompts, chosen.group, sampling, 0)
    graded = [replace(answer, verdict=Verdict(float(i % 7))) for i, answer in enumerate(answers)]
    batch, grpo = collate(graded, [i // chosen.group for i in range(len(graded))]), GRPO()
    learner = EmbeddedLearner(policy, torch.device("cpu"), sampling)

    def learn() -> None:
        seen = learner.annotate(batch, grpo.needs)
        seen = replace(seen, advantage=grpo.advantage(seen))
        learner.gradient(grpo.loss, replace(seen, weight=grpo.weight(seen)))
        learner.apply(grpo.update, 0.5)

    profiled("learning", learn)


if __name__ == "__main__":
    main()
