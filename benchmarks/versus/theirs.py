"""TRL's side, in an environment that has it: `python benchmarks/versus/theirs.py FOLDER THREADS`. Its own trainers with their
fastest settings on a CPU: no gradient checkpointing, no model kept that isn't needed, the whole batch in one pass."""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder: Path, threads: int) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    os.environ["TRL_EXPERIMENTAL_SILENCE"] = "1"
    import torch
    import transformers
    import transformers.models.qwen3.modeling_qwen3
    import trl
    from transformers import AutoTokenizer

    from benchmarks.versus import settings

    torch.set_num_threads(threads)
    setting = settings.read(folder)
    algorithm = setting.algorithm
    work = {"grpo": grpo, "decode": decode, "sft": sft, "dpo": dpo, "ppo": ppo}[algorithm]
    if algorithm != "decode":  # what the trainer imports is the library's, not the run's
        name = "GRPO" if algorithm == "grpo" else algorithm.upper()
        _ = getattr(trl, f"{name}Trainer", None)
    loaded = resident_mb()
    dtype = torch.bfloat16 if setting.size.dtype == "bfloat16" else torch.float32
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    found = work(setting, folder, dtype, tokenizer)
    warm = setting.size.warm
    print(
        "RESULT "
        + json.dumps(
            {
                **{key: values[warm:] for key, values in found.items()},
                "peak_mb": resident_mb() - loaded,
                "import_mb": loaded,
                "versions": {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
            }
        )
    )


def _model(folder: Path, dtype: Any, kind: str = "AutoModelForCausalLM", name: str = "model") -> Any:
    import transformers

    return getattr(transformers, kind).from_pretrained(folder / name, dtype=dtype)


def _rows(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]


def _arguments(setting: Any, folder: Path, rows: int) -> dict[str, Any]:
    """What every trainer is told."""
    return {
        "output_dir": str(folder / "trl"),
        "per_device_train_batch_size": rows,
        "max_steps": setting.steps,
        "learning_rate": 1e-6,
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "save_strategy": "no",
        "report_to": [],
        "logging_steps": 1,
        "disable_tqdm": True,
        "dataloader_num_workers": 0,
        "seed": 0,
    }


def _timed(trainer: Any) -> list[float]:
    """Train, and the seconds of each step."""
    from transformers import TrainerCallback

    ends: list[float] = []

    class Clock(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            ends.append(time.perf_counter())

    trainer.add_callback(Clock())
    began = time.perf_counter()
    trainer.train()
    return [b - a for a, b in zip([began, *ends], ends, strict=False)]


def _watched(owner: Any, name: str) -> list[float]:
    """Seconds of each call of a method from now on."""
    seconds: list[float] = []
    own: Callable[..., Any] = getattr(owner, name)

    def timed(*args: Any, **kwargs: Any) -> Any:
        began = time.perf_counter()
        found = own(*args, **kwargs)
        seconds.append(time.perf_counter() - began)
        return found

    setattr(owner, name, timed)
    return seconds


def grpo(setting: Any, folder: Path, dtype: Any, tokenizer: Any) -> dict[str, list[float]]:
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    space: dict[str, Any] = {}
    exec((folder / "reward.py").read_text(), space)
    config = GRPOConfig(
        **_arguments(setting, folder, setting.answers),
        num_generations=setting.group,
        max_completion_length=setting.answer,
        temperature=1.0,
        top_k=0,
        beta=0.0,
        loss_type="grpo",
    )
    trainer = GRPOTrainer(
        model=_model(folder, dtype),
        reward_funcs=space["reward"],
        args=config,
        train_dataset=Dataset.from_list(_rows(folder)),
        processing_class=tokenizer,
    )
    generated = _watched(trainer, "_generate")
    steps = _timed(trainer)
    lengths = [row["completions/mean_length"] for row in trainer.state.log_history if "completions/mean_length" in row]
    tokens = [length * setting.answers for length in lengths]
    return {"step_seconds": steps, "generate_seconds": generated, "sampled_tokens": tokens[: setting.steps]}


def decode(setting: Any, folder: Path, dtype: Any, tokenizer: Any) -> dict[str, list[float]]:
    """transformers' generate by itself, with each prompt once for each of its answers, as its trainers call it."""
    import torch

    model, rows = _model(folder, dtype).eval(), _rows(folder)
    steps: list[float] = []
    tokens: list[float] = []
    for step in range(setting.steps):
        some = [
            row["prompt"] for row in rows[step * setting.prompts : (step + 1) * setting.prompts] for _ in range(setting.group)
        ]
        read = tokenizer(some, return_tensors="pt", padding=True)
        began = time.perf_counter()
        with torch.no_grad():
            told = model.generate(
                input_ids=read["input_ids"],
                attention_mask=read["attention_mask"],
                max_new_tokens=setting.answer,
                do_sample=True,
                temperature=1.0,
                top_k=0,
            )
        steps.append(time.perf_counter() - began)
        new = told[:, read["input_ids"].shape[1] :]
        tokens.append(float((new != tokenizer.pad_token_id).sum()))
    return {"step_seconds": steps, "generate_seconds": list(steps), "sampled_tokens": tokens}


def sft(setting: Any, folder: Path, dtype: Any, tokenizer: Any) -> dict[str, list[float]]:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(**_arguments(setting, folder, setting.answers), max_length=None)
    data = Dataset.from_list([{k: row[k] for k in ("prompt", "completion")} for row in _rows(folder)])
    return _offline(SFTTrainer(model=_model(folder, dtype), args=config, train_dataset=data, processing_class=tokenizer))


def dpo(setting: Any, folder: Path, dtype: Any, tokenizer: Any) -> dict[str, list[float]]:
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    config = DPOConfig(**_arguments(setting, folder, setting.answers // 2), max_length=None)
    data = Dataset.from_list([{k: row[k] for k in ("prompt", "chosen", "rejected")} for row in _rows(folder)])
    return _offline(DPOTrainer(model=_model(folder, dtype), args=config, train_dataset=data, processing_class=tokenizer))


def _offline(trainer: Any) -> dict[str, list[float]]:
    steps = _timed(trainer)
    return {"step_seconds": steps, "generate_seconds": [0.0] * len(steps), "sampled_tokens": [0.0] * len(steps)}


def ppo(setting: Any, folder: Path, dtype: Any, tokenizer: Any) -> dict[str, list[float]]:
    """With a reward model, a reference and a critic of the policy's size, which its trainer can't do without."""
    from datasets import Dataset
    from trl.experimental.ppo import PPOConfig, PPOTrainer
    from trl.experimental.ppo import ppo_trainer as module

    kind = "AutoModelForSequenceClassification"
    told = _arguments(setting, folder, setting.answers)
    del told["max_steps"]
    config = PPOConfig(
        **told,
        total_episodes=setting.steps * setting.answers,
        num_sample_generations=0,
        response_length=setting.answer,
        temperature=1.0,
        num_ppo_epochs=setting.epochs,
        local_rollout_forward_batch_size=setting.answers,
    )
    rows = [{"input_ids": tokenizer(row["prompt"])["input_ids"]} for row in _rows(folder) for _ in range(setting.group)]
    trainer = PPOTrainer(
        args=config,
        processing_class=tokenizer,
        model=_model(folder, dtype),
        ref_model=_model(folder, dtype),
        reward_model=_model(folder, dtype, kind, "score"),
        value_model=_model(folder, dtype, kind, "score"),
        train_dataset=Dataset.from_list(rows),
        eval_dataset=Dataset.from_list(rows[:1]),
    )
    generated = _watched(module, "batch_generation")
    steps = _timed(trainer)
    return {
        "step_seconds": steps,
        "generate_seconds": generated[: len(steps)],
        "sampled_tokens": [float(setting.answers * setting.answer)] * len(steps),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
