"""TRL's own trainers on tables. Only the model, which is a table, and the sampling are replaced: rewards become advantages,
and advantages a loss, in TRL's code. A trainer is made without its constructor, which would load a model, a tokenizer and
data sets; it holds TRL's own settings record under the settings' names, as the constructor would have left it."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor
from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.rloo_config import RLOOConfig
from trl.trainer.rloo_trainer import RLOOTrainer
from trl.trainer.utils import split_tensor_dict

from parity.sample import Learned, Sample

NOWHERE: dict[str, Any] = {"output_dir": tempfile.gettempdir(), "use_cpu": True, "bf16": False, "report_to": "none"}
NOWHERE |= {"activation_checkpointing": False}
"""Settings without a part in the loss."""


class Table(torch.nn.Module):
    """A model as TRL calls it: log-probabilities of the labels, one position on, 0 where there is no label."""

    is_gradient_checkpointing = False

    def __init__(self, logp: Tensor, entropy: Tensor) -> None:
        super().__init__()
        self.logp, self.entropy = logp, entropy

    def forward(self, labels: Tensor, **inputs: Any) -> SimpleNamespace:
        label = labels[:, 1:]
        known = label != -100
        label = label.clamp(min=0)
        nothing = torch.zeros(label.shape)
        return SimpleNamespace(
            log_probs=torch.where(known, self.logp[label], 0.0),
            entropy=torch.where(known, self.entropy[label], 0.0),
            mean_logits=nothing,
            is_top1=nothing.bool(),
        )


def learn_grpo(sample: Sample, rewards: Sequence[Callable] = (), on: int | None = None, **settings: Any) -> Learned:
    """GRPOTrainer's. `num_iterations=2` makes it keep the old policy's log-probabilities; with gradient accumulation the
    losses of the micro-batches are added up, as its `training_step` does; `on`: that one alone."""
    accumulated = settings.get("gradient_accumulation_steps", 1)
    trainer, inputs = _scored(GRPOTrainer, GRPOConfig, sample, rewards, settings)
    trainer.current_gradient_accumulation_steps = accumulated
    parts = split_tensor_dict(inputs, trainer.args.steps_per_generation)
    return _learned(trainer, inputs, parts if on is None else parts[on : on + 1], sample)


def learn_grpo_from(advantage: Tensor, sample: Sample, **settings: Any) -> Learned:
    """GRPOTrainer's loss with advantages of each token [B, longest], in place of its own."""
    trainer, inputs = _scored(GRPOTrainer, GRPOConfig, sample, (), settings)
    trainer.current_gradient_accumulation_steps = 1
    inputs["advantages"] = advantage
    return _learned(trainer, inputs, [inputs], sample)


def learn_rloo(sample: Sample, **settings: Any) -> Learned:
    """RLOOTrainer's."""
    trainer, inputs = _scored(RLOOTrainer, RLOOConfig, sample, (), settings)
    return _learned(trainer, inputs, [inputs], sample)


def learn_dpo(sample: Sample, **settings: Any) -> Learned:
    """DPOTrainer's; of each pair of siblings the first answer is the preferred one."""
    args = DPOConfig(**NOWHERE, **settings)
    trainer: Any = _bare(DPOTrainer, args, sample)
    trainer.loss_types, trainer.loss_weights = args.loss_type, args.loss_weights or [1.0]
    trainer.precompute_ref_logps = args.precompute_ref_log_probs
    trainer._total_train_tokens, trainer._tp_size = 0, 1
    order = [*range(0, len(sample.answers), 2), *range(1, len(sample.answers), 2)]
    rows = [sample.prompts[i] + sample.answers[i] for i in order]
    of_answer = [[0] * len(sample.prompts[i]) + [1] * len(sample.answers[i]) for i in order]
    width = max(map(len, rows))
    inputs = {
        "input_ids": torch.tensor([row + [0] * (width - len(row)) for row in rows]),
        "attention_mask": torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows]),
        "completion_mask": torch.tensor([row + [0] * (width - len(row)) for row in of_answer]),
    }
    return _backward(
        trainer, lambda: trainer._compute_loss(trainer.model, inputs, return_outputs=False), torch.zeros(0), sample
    )


def _bare(kind: Any, args: Any, sample: Sample) -> Any:
    trainer = kind.__new__(kind)
    trainer.__dict__.update(vars(args))
    trainer.args, trainer.accelerator = args, Accelerator(cpu=True)  # making `args` forgets the one before
    trainer.state = SimpleNamespace(global_step=0)
    trainer.model, trainer.ref_model = Table(sample.old, sample.entropy), Table(sample.reference, sample.entropy)
    trainer.aux_loss_enabled = False
    trainer._metrics = {"train": defaultdict(list)}
    return trainer


def _scored(kind: Any, config: Any, sample: Sample, rewards: Sequence[Callable], settings: dict[str, Any]) -> tuple[Any, dict]:
    """A trainer, and what it makes of its answers before it learns from them."""
    rows = len(sample.answers)
    settings = {"per_device_train_batch_size": rows, **settings}
    args = config(num_generations=sample.group_size, max_completion_length=sample.longest, **NOWHERE, **settings)
    trainer = _bare(kind, args, sample)
    trainer.epsilon_low = args.epsilon
    trainer.epsilon_high = args.epsilon if args.epsilon_high is None else args.epsilon_high
    trainer._entropy_bonus_enabled = False
    trainer.environment_factories = trainer.environments = trainer.tools = None
    trainer._tokenizer = SimpleNamespace(pad_token_id=0)
    trainer.eos_token_ids = [a[-1] for a, cut in zip(sample.answers, sample.truncated, strict=True) if not cut]
    trainer.reward_funcs = [lambda **_: [None if r != r else r for r in sample.reward], *rewards]
    trainer.reward_func_names = [f"reward {i}" for i in range(len(trainer.reward_funcs))]
    trainer.reward_processing_classes = [None] * len(trainer.reward_funcs)
    trainer.reward_weights = torch.ones(len(trainer.reward_funcs))
    trainer._logs = {"prompt": [], "completion": [], "advantages": [], "rewards": defaultdict(list), "extra": defaultdict(list)}
    trainer._pending_extra_logs, trainer._pending_metrics = defaultdict(list), defaultdict(list)
    texts = [""] * rows
    if kind is GRPOTrainer:
        behaviour = [sample.behaviour[a].tolist() for a in sample.answers]
        chosen = [[int(c) for c in row] for row in sample.chosen]
        trainer._generate = lambda _: (sample.prompts, sample.answers, chosen, texts, behaviour, {}, None, None)
    else:
        trainer._generate = lambda _: (sample.prompts, sample.answers, texts)
    return trainer, trainer._generate_and_score_completions([{"prompt": ""} for _ in range(rows)])


def _learned(trainer: Any, inputs: dict, parts: Sequence[dict], sample: Sample) -> Learned:
    def loss() -> Tensor:
        return torch.stack([trainer._compute_loss(trainer.model, part) for part in parts]).sum()

    return _backward(trainer, loss, inputs["advantages"], sample)


def _backward(trainer: Any, loss: Callable[[], Tensor], advantage: Tensor, sample: Sample) -> Learned:
    """TRL's loss under the new policy, and its gradient."""
    table = trainer.model.logp = sample.new.clone().requires_grad_()
    value = loss()
    value.backward()
    assert table.grad is not None
    stats = {name: values[-1] for name, values in trainer._metrics["train"].items()}
    return Learned(advantage, float(value.detach()), table.grad, stats)
