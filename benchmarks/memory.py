"""Peak memory of each algorithm on one model, each in a process of its own: `python -m benchmarks.memory` writes
docs/memory.json, which `make results` puts into docs/results.md. The model's weights are random: memory doesn't know what they
say."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "memory.json"
SHAPE = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 8}
NETWORKS = {
    "reinforce": "policy",
    "grpo": "policy",
    "dpo": "policy, reference",
    "trpo": "policy, critic",
    "ppo": "policy, critic",
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


def peak_mb(command: list[str]) -> float:
    """The largest resident memory of a process (MiB)."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed.")
    return usage.ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        parameters = make_model(model)
        imports = peak_mb([sys.executable, "-c", "import quintet.runs, transformers.models.qwen3.modeling_qwen3"])
        rows = {}
        for name, networks in NETWORKS.items():
            command = [
                sys.executable,
                "-m",
                "quintet.cli",
                "train",
                name,
                "--task",
                "maze",
                "--model",
                str(model),
                "--threads",
                "2",
            ]
            command += ["--steps", "2", "--prompts-per-step", str(PROMPTS), "--group-size", str(GROUP), "--lr", "1e-6"]
            command += ["--micro-batch", str(MICRO_BATCH), "--eval-problems", "0", "--checkpoint-every", "0"]
            if name == "trpo":
                command = [word for word in command if word not in ("--lr", "1e-6")]
            if name == "reinforce":  # with random weights no answer is right: give it something to learn from
                command += ["--baseline", "none"]
            command += ["--reward", "alphamaze", "--out", str(Path(folder) / name)]
            rows[name] = {"networks": networks, "peak_memory_mb": peak_mb(command)}
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
