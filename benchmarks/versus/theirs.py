"""TRL's side, in an environment that has it: `python benchmarks/versus/theirs.py FOLDER THREADS`. Its own trainer with its
fastest settings on a CPU: no gradient checkpointing, no reference model, the whole batch in one pass."""

# pyright: reportMissingImports=false

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path


def resident_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(folder: Path, threads: int) -> None:
    sys.path.insert(0, str(Path(__file__).parent.parent.parent))
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch
    import transformers
    import transformers.models.qwen3.modeling_qwen3
    import trl
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from benchmarks.versus import settings

    torch.set_num_threads(threads)
    loaded = resident_mb()
    setting = settings.read(folder)
    size, answers = setting.size, setting.prompts * setting.group
    low = size.dtype == "bfloat16"
    space: dict = {}
    exec((folder / "reward.py").read_text(), space)
    rows = [json.loads(line) for line in (folder / "prompts.jsonl").read_text().splitlines()]
    config = GRPOConfig(
        output_dir=str(folder / "trl"),
        per_device_train_batch_size=answers,
        num_generations=setting.group,
        max_completion_length=setting.answer,
        max_steps=size.warm + size.steps,
        learning_rate=1e-6,
        temperature=1.0,
        top_k=0,
        beta=0.0,
        loss_type="grpo",
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        save_strategy="no",
        report_to=[],
        logging_steps=1,
        disable_tqdm=True,
        dataloader_num_workers=0,
        seed=0,
    )
    model = AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.bfloat16 if low else torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(folder / "model")
    steps: list[float] = []
    generated: list[float] = []
    lengths: list[float] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, *args, **kwargs):
            pass

        def on_step_end(self, *args, **kwargs):
            steps.append(time.perf_counter())

        def on_log(self, args, state, control, logs=None, **kwargs):
            if logs and "completions/mean_length" in logs:
                lengths.append(logs["completions/mean_length"])

    trainer = GRPOTrainer(
        model=model,
        reward_funcs=space["reward"],
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    own = trainer._generate

    def timed(*args, **kwargs):
        began = time.perf_counter()
        found = own(*args, **kwargs)
        generated.append(time.perf_counter() - began)
        return found

    trainer._generate = timed
    began = time.perf_counter()
    trainer.train()
    seconds = [b - a for a, b in zip([began, *steps], steps, strict=False)]
    found = {
        "step_seconds": seconds[size.warm :],
        "generate_seconds": generated[size.warm :],
        "sampled_tokens": [x * answers for x in lengths[size.warm : size.warm + size.steps]],
        "peak_mb": resident_mb() - loaded,
        "import_mb": loaded,
        "versions": {"trl": trl.__version__, "transformers": transformers.__version__, "torch": torch.__version__},
    }
    print("RESULT " + json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
