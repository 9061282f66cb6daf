"""Peak memory of each algorithm on one model, each in a process of its own: `python -m benchmarks.memory` writes
docs/memory.json, which `make results` puts into docs/results.md. The model's weights are random: memory doesn't know what they
say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "memory.json"
SHAPE = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 24, "num_attention_heads": 8}
NETWORKS = {
    "reinforce": "policy",
    "grpo": "policy",
    "dpo": "policy, reference",
    "ppo": "policy, critic",
    "trpo": "policy, critic",
}
PROMPTS, GROUP, MICRO_BATCH = 4, 8, 8


def make_model(folder: Path) -> int:
    """A policy of that shape in a transformers folder; its number of parameters."""
    from quintet.models import load
    from quintet.tasks.maze import MazeTask

    load.PRESETS["memory"] = SHAPE
    policy = load.from_nothing("memory", load.tokenizer_for(MazeTask()), 0)
    policy.save(folder)
    return policy.model.num_parameters()


REWARD = """
def reward(completions, **columns):
    return [float(len(text) % 7) for text in completions]
"""
"""Random weights solve no maze, and equal rewards leave most algorithms without a step to take: this one differs."""


def make_data(folder: Path) -> list[str]:
    """Mazes as prompts, and that reward; the flags that name them."""
    from quintet.tasks.maze import MazeTask

    prompts = [prompt.text for prompt in islice(MazeTask(size=5).prompts("train"), 64)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in prompts))
    (folder / "reward.py").write_text(REWARD)
    return ["--data", str(folder / "prompts.jsonl"), "--reward", str(folder / "reward.py"), "--max-new-tokens", "14"]


def peak_mb(command: list[str]) -> float:
    """The largest resident memory of a process (MiB)."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed.")
    return usage.ru_maxrss / 1024


def main() -> None:
    # First, while this process is small: a child's peak counts what it shared with its parent when it was forked.
    imports = peak_mb([sys.executable, "-c", "import quintet.runs, transformers.models.qwen3.modeling_qwen3"])
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        parameters = make_model(model)
        rows, data = {}, make_data(Path(folder))
        for name, networks in NETWORKS.items():
            command = [sys.executable, "-m", "quintet.cli", "train", name, *data, "--model", str(model), "--threads", "2"]
            command += ["--steps", "2", "--prompts-per-step", str(PROMPTS), "--group-size", str(GROUP)]
            command += ["--micro-batch", str(MICRO_BATCH), "--eval-problems", "0", "--checkpoint-every", "0"]
            if name == "trpo":  # more iterations take time, not memory
                command += ["--cg-iterations", "2"]
            rows[name] = {"networks": networks, "peak_memory_mb": peak_mb([*command, "--out", str(Path(folder) / name)])}
            steps = (Path(folder) / name / "metrics.jsonl").read_text().splitlines()
            assert not any(json.loads(line)["skipped_updates"] for line in steps), f"{name} took no step"
            print(name, rows[name], flush=True)
        lines = (Path(folder) / "grpo" / "rollouts.jsonl").read_text().splitlines()
        answers = [json.loads(line)["tokens"] for line in lines]
    found = {
        "parameters": parameters,
        "imports_mb": imports,
        "answers": PROMPTS * GROUP,
        "tokens": f"26 and about {round(sum(answers) / len(answers))}",
        "micro_batch": MICRO_BATCH,
        "algorithms": rows,
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n")
    print(f"Written: {OUT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
