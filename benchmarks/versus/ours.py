"""Our side: `python -m benchmarks.versus.ours FOLDER THREADS [SETTINGS]`. Trains as the command line does and prints what its
journal says."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.versus import settings


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder: Path, threads: int, extra: list[str]) -> None:
    setting = settings.read(folder)
    import torch
    import transformers.models.qwen3  # noqa: F401

    import quintet.algorithms.grpo
    import quintet.runs

    torch.set_num_threads(threads)
    loaded = resident_mb()
    found = decode(setting, folder) if setting.algorithm == "decode" else train(setting, folder, threads, extra)
    peak = found.pop("peak_mb", None) or resident_mb()
    warm = setting.size.warm
    versions = {"quintet": quintet.__version__, "torch": torch.__version__}
    told = {key: values[warm:] for key, values in found.items()}
    print("RESULT " + json.dumps({**told, "peak_mb": peak - loaded, "import_mb": loaded, "versions": versions}))


def train(setting: settings.Setting, folder: Path, threads: int, extra: list[str]) -> dict[str, Any]:
    """Run the command line; what its journal says of each step."""
    from quintet.cli import main as quintet

    own = {
        "grpo": ["--reward", str(folder / "reward.py"), "--group-size", str(setting.group)],
        "ppo": [
            *("--reward", str(folder / "reward.py"), "--group-size", str(setting.group), "--epochs", str(setting.epochs)),
            *("--reward-model", str(folder / "score"), "--task-reward-weight", "0", "--beta", "0.05"),
        ],
        "sft": ["--reward", str(folder / "reward.py")],
        "dpo": ["--reward", str(folder / "reward.py"), "--pairs", "data"],
    }
    out = folder / "run"
    code = quintet(
        [
            *("train", setting.algorithm, "--model", str(folder / "model"), "--out", str(out), "--json"),
            *("--data", str(folder / "prompts.jsonl"), *own[setting.algorithm]),
            *("--steps", str(setting.steps), "--prompts-per-step", str(setting.rows), "--test-share", "0"),
            *("--max-new-tokens", str(setting.answer), "--micro-batch", str(setting.micro_batch)),
            *("--dtype", setting.size.dtype, "--threads", str(threads), "--eval-problems", "0", "--checkpoint-every", "0"),
            *extra,
        ]
    )
    assert code == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {
        "step_seconds": [r["step_time"] for r in rows],
        "generate_seconds": [r.get("seconds/sample", 0.0) for r in rows],
        "sampled_tokens": [r.get("completions/mean_length", 0.0) * setting.answers for r in rows],
        "peak_mb": max(r["peak_memory_mb"] for r in rows),
    }


def decode(setting: settings.Setting, folder: Path) -> dict[str, Any]:
    """Answers alone."""
    import torch

    from quintet.data import Prompt, Sampling
    from quintet.engines.embedded import EmbeddedSampler
    from quintet.models.load import load

    sampler = EmbeddedSampler(load(str(folder / "model"), None, 0), torch.device("cpu"), setting.size.dtype)
    texts = [json.loads(line)["prompt"] for line in (folder / "prompts.jsonl").read_text().splitlines()]
    seconds, tokens = [], []
    for step in range(setting.steps):
        some = texts[step * setting.prompts : (step + 1) * setting.prompts]
        began = time.perf_counter()
        told = sampler.generate(
            [Prompt(str(i), text=text) for i, text in enumerate(some)],
            setting.group,
            Sampling(max_new_tokens=setting.answer),
            step,
        )
        seconds.append(time.perf_counter() - began)
        tokens.append(float(sum(sum(rollout.action) for rollout in told)))
    return {"step_seconds": seconds, "generate_seconds": list(seconds), "sampled_tokens": tokens}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
