"""Every algorithm and task by its name. No other file names a concrete class; a class is named by an import string, so that
reading this table loads none of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

MACHINE = "quintet.settings:Machine"
SAMPLING = "quintet.data:Sampling"
STAGE = "quintet.settings:Stage"


@dataclass(frozen=True)
class AlgorithmEntry:
    """What is known of an algorithm before it is loaded."""

    record: str
    """Its record as MODULE:CLASS."""
    summary: str
    learns_from: Literal["answers", "demonstrations"] = "answers"
    """Answers that it samples and has graded, or right answers that it is shown."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings in which this name differs from its record's own defaults: a variant is a record with other numbers."""


@dataclass(frozen=True)
class TaskEntry:
    """What is known of a task before it is loaded."""

    record: str
    """Its record as MODULE:CLASS."""
    summary: str


ALGORITHMS: dict[str, AlgorithmEntry] = {
    "sft": AlgorithmEntry(
        "quintet.algorithms.supervised:SFT", "imitates demonstrations (supervised fine-tuning)", "demonstrations"
    ),
    "reinforce": AlgorithmEntry(
        "quintet.algorithms.reinforce:Reinforce", "raises answers by how much they beat a baseline (Williams 1992)"
    ),
    "grpo": AlgorithmEntry(
        "quintet.algorithms.grpo:GRPO", "judges each answer against its siblings, with clipped ratios (arXiv:2402.03300)"
    ),
}

TASKS: dict[str, TaskEntry] = {
    "maze": TaskEntry("quintet.tasks.maze:MazeTask", "find the way through a random maze (AlphaMaze's format)"),
    "arithmetic": TaskEntry("quintet.tasks.arithmetic:Arithmetic", "work out sums, differences and products"),
    "functions": TaskEntry(
        "quintet.tasks.functions:Functions", "your prompts (--data FILE.jsonl) and your Python rewards (--reward FILE.py)"
    ),
}

CHOOSES_TASK: dict[str, str] = {"data": "functions", "reward": "functions"}
"""Flags that name their task by themselves where no --task does."""

OTHER_NAMES: dict[str, str] = {
    "learning_rate": "lr",
    "num_generations": "group_size",
    "max_completion_length": "max_new_tokens",
    "max_tokens": "max_new_tokens",
    "num_iterations": "epochs",
    "epsilon": "clip",
    "epsilon_high": "clip",
    "kl_coef": "beta",
    "per_device_train_batch_size": "micro_batch",
    "batch_size": "prompts_per_step",
    "output_dir": "out",
    "save_steps": "checkpoint_every",
    "warmup_ratio": "warmup",
    "lr_scheduler_type": "schedule",
    "optim": "optimiser",
    "optimizer": "optimiser",
    "precision": "dtype",
    "reward_funcs": "reward",
    "dataset": "data",
}
"""What other libraries (TRL above all) call a setting of ours: for hints only, none of these is accepted."""
