"""Our side: `python -m benchmarks.versus.ours FOLDER`. Trains as the command line does and prints what its journal says."""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

from benchmarks.versus import settings


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder: Path, threads: int, extra: list[str]) -> None:
    setting = settings.read(folder)
    import torch
    import transformers.models.qwen3  # noqa: F401

    import quintet.algorithms.grpo
    import quintet.runs
    from quintet.cli import main as quintet

    loaded = resident_mb()
    size = setting.size
    steps = size.warm + size.steps
    out = folder / "run"
    code = quintet(
        [
            *("train", setting.algorithm, "--model", str(folder / "model"), "--out", str(out), "--json"),
            *("--data", str(folder / "prompts.jsonl"), "--reward", str(folder / "reward.py")),
            *("--steps", str(steps), "--prompts-per-step", str(setting.prompts), "--group-size", str(setting.group)),
            *("--max-new-tokens", str(setting.answer), "--micro-batch", str(setting.micro_batch)),
            *("--dtype", size.dtype, "--threads", str(threads), "--eval-problems", "0", "--checkpoint-every", "0"),
            *extra,
        ]
    )
    assert code == 0
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()][size.warm :]
    found = {
        "step_seconds": [r["step_time"] for r in rows],
        "generate_seconds": [r["seconds/sample"] for r in rows],
        "sampled_tokens": [r["completions/mean_length"] * setting.prompts * setting.group for r in rows],
        "peak_mb": max(r["peak_memory_mb"] for r in rows) - loaded,
        "import_mb": loaded,
        "versions": {"quintet": __import__("quintet").__version__, "torch": torch.__version__},
    }
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
