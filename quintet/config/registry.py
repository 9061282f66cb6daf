"""Every algorithm and task by its name. No other file names a concrete class; a class is named by an import string, so that
reading this table loads none of them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from quintet.config.describe import changes_of, describe

MACHINE = "quintet.settings:Machine"
SAMPLING = "quintet.data:Sampling"
STAGE = "quintet.settings:Stage"
COMPARISON = "quintet.settings:Comparison"


@dataclass(frozen=True)
class AlgorithmEntry:
    """What is known of an algorithm before it is loaded."""

    record: str
    """Its record as MODULE:CLASS."""
    summary: str
    learns_from: Literal["answers", "demonstrations", "preferences"] = "answers"
    """Answers that it samples and has graded, right answers that it is shown, or pairs of a better and a worse one; what its
    record's `Needs.source` says by default."""
    variant: str = ""
    """MODULE:NAME of a `replace(RECORD(), …)`: this name stands for the record with those other numbers."""

    @property
    def defaults(self) -> Mapping[str, Any]:
        """Settings in which this name differs from its record's own defaults."""
        return changes_of(self.variant) if self.variant else {}


@dataclass(frozen=True)
class TaskEntry:
    """What is known of a task before it is loaded."""

    record: str
    """Its record as MODULE:CLASS."""
    summary: str


GRPO, REINFORCE, RFT = (
    "quintet.algorithms.grpo:GRPO",
    "quintet.algorithms.reinforce:Reinforce",
    "quintet.algorithms.supervised:RFT",
)
FAMILY = "quintet.algorithms.family"

ALGORITHMS: dict[str, AlgorithmEntry] = {
    "sft": AlgorithmEntry(
        "quintet.algorithms.supervised:SFT", "imitates demonstrations (supervised fine-tuning)", "demonstrations"
    ),
    "reinforce": AlgorithmEntry(REINFORCE, "raises answers by how much they beat a baseline (Williams 1992)"),
    "trpo": AlgorithmEntry(
        "quintet.algorithms.trpo:TRPO", "takes the best step within a bound on the KL, with a critic (arXiv:1502.05477)"
    ),
    "ppo": AlgorithmEntry("quintet.algorithms.ppo:PPO", "clips ratios and learns a critic (arXiv:1707.06347)"),
    "dpo": AlgorithmEntry("quintet.algorithms.dpo:DPO", "learns from pairs of answers, sampled or given (arXiv:2305.18290)"),
    "grpo": AlgorithmEntry(GRPO, "judges each answer against its siblings, with clipped ratios (arXiv:2402.03300)"),
    "dr-grpo": AlgorithmEntry(GRPO, "GRPO without deviation and length (arXiv:2503.20783)", variant=f"{FAMILY}:DR_GRPO"),
    "dapo": AlgorithmEntry(
        GRPO, "GRPO with a higher clip and only groups that have a signal (arXiv:2503.14476)", variant=f"{FAMILY}:DAPO"
    ),
    "gspo": AlgorithmEntry(GRPO, "GRPO with the ratio of the whole answer (arXiv:2507.18071)", variant=f"{FAMILY}:GSPO"),
    "cispo": AlgorithmEntry(
        GRPO, "GRPO that bounds a token's weight, not its gradient (arXiv:2506.13585)", variant=f"{FAMILY}:CISPO"
    ),
    "rloo": AlgorithmEntry(REINFORCE, "REINFORCE against the other answers (arXiv:2402.14740)", variant=f"{FAMILY}:RLOO"),
    "reinforce++": AlgorithmEntry(
        GRPO, "PPO's clip without a critic, normalised over the batch (arXiv:2501.03262)", variant=f"{FAMILY}:REINFORCE_PP"
    ),
    "rft": AlgorithmEntry(RFT, "imitates the start's own right answers (rejection fine-tuning)"),
    "online-rft": AlgorithmEntry(RFT, "imitates its own right answers as it goes", variant=f"{FAMILY}:ONLINE_RFT"),
    "reward-model": AlgorithmEntry(
        "quintet.algorithms.reward_model:RewardModel", "learns to score answers from pairs (Bradley–Terry)", "preferences"
    ),
    "process-reward-model": AlgorithmEntry(
        "quintet.algorithms.process_reward_model:ProcessRewardModel",
        "learns which steps of answers are right (arXiv:2312.08935)",
    ),
}

TASKS: dict[str, TaskEntry] = {
    "maze": TaskEntry("quintet.tasks.maze:MazeTask", "find the way through a random maze (AlphaMaze's format)"),
    "arithmetic": TaskEntry("quintet.tasks.arithmetic:Arithmetic", "work out sums, differences and products"),
    "word-problems": TaskEntry(
        "quintet.tasks.word_problems:WordProblems", "follow a number of things through a story, an equation a line"
    ),
    "maths": TaskEntry(
        "quintet.tasks.maths:Maths",
        "solve problems of mathematics (--data FILE, FOLDER or hub id: GSM8K, MATH, SVAMP, your own)",
    ),
    "cargo": TaskEntry("quintet.tasks.cargo:Cargo", "write a function in Rust, compiled and tested in a sandbox"),
    "guess": TaskEntry("quintet.tasks.guess:Guess", "find a number from replies of higher and lower, turn by turn"),
    "cartpole": TaskEntry("quintet.tasks.cartpole:CartPole", "balance a pole with a small network (Gymnasium's CartPole-v1)"),
    "functions": TaskEntry(
        "quintet.tasks.functions:Functions", "your prompts (--data FILE.jsonl) and your Python rewards (--reward FILE.py)"
    ),
}

SANDBOX = "quintet.tasks.sandbox:self_test"
"""What proves that code nobody trusts can be run here."""
RUST = "quintet.tasks.cargo_toolchain:toolchain"
"""What finds the Rust compiler."""

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
    "init_kl_coef": "beta",
    "cliprange": "clip",
    "cliprange_value": "value_clip",
    "vf_coef": "value_weight",
    "ent_coef": "entropy_weight",
    "gae_lambda": "lam",
    "num_ppo_epochs": "epochs",
    "num_mini_batches": "minibatches",
    "scale_rewards": "scale",
    "loss_type": "per",
    "importance_sampling_level": "ratio",
    "mask_truncated_completions": "mask_truncated",
    "top_entropy_quantile": "top_entropy",
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


def adopt(name: str) -> str | None:
    """Register an algorithm of the user's own, FILE.py:CLASS, under that name. None where that worked or the name is no such
    thing; else a sentence about what is wrong. The file is read, not run."""
    file, colon, record = name.rpartition(":")
    if name in ALGORITHMS or not colon or not file.endswith(".py"):
        return None
    path = Path(file)
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except OSError as error:
        return f"{file} can't be read: {error.strerror}. Name a file with a class in it, FILE.py:CLASS."
    except (SyntaxError, UnicodeDecodeError) as error:
        return f"{file} is no Python: {error}."
    classes = [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    if record not in classes:
        return f"{file} has no class {record}; it has {', '.join(classes) or 'none'}."
    if (folder := str(path.parent.resolve())) not in sys.path:
        sys.path.insert(0, folder)
    try:
        summary = describe(f"{path.stem}:{record}").doc
    except AssertionError as error:
        return f"{file}: {error}."
    ALGORITHMS[name] = AlgorithmEntry(f"{path.stem}:{record}", summary)
    return None


def sandbox_layers() -> str:
    """What holds the code of models on this machine, for `quintet doctor`."""
    return import_module("quintet.tasks.sandbox").layers()
