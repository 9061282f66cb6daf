"""What a run is: the records that settings are read into. Every knob is a field here, in `Sampling`, in a task or in an
algorithm, with its range in its type and its meaning below it; the command line's help and checks are made from these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from quintet.data import Sampling
from quintet.knobs import Count, NonNegative, Whole


@dataclass(frozen=True)
class Stage:
    """A stretch of training with one algorithm. Group size, prompts per step and micro-batch are independent numbers."""

    name: str
    """The algorithm's name; metrics and tables use it."""
    algorithm: Any
    """The algorithm's record (`protocols.Algorithm`)."""
    steps: Count = 100
    """Steps in this stage."""
    prompts_per_step: Count = 32
    """Prompts in each step's batch (demonstrations or pairs, where the algorithm learns from those)."""
    group_size: Count = 8
    """Answers sampled to each prompt; group-relative algorithms need at least 2."""
    rounds: Annotated[int, Ge(1), Le(1000)] = 1
    """How often this stage is run, in turn with its neighbours that have the same number: a stage that trains a reward model
    and one of GRPO with `rounds = 3` are DeepSeekMath's iterative GRPO of three rounds. Each time the reference is the policy
    as it is then, and the reward model is trained on. A run's own settings show them written out."""
    expected_seconds: NonNegative = 0.0
    """What the stage takes on the machine its recipe was written for, if known; only the display of the time left reads it."""

    token_budget: Whole = 0
    """Tokens that the stage may sample: no step begins once it has sampled this many, however many `steps` are left; 0 sets no
    bound. Algorithms are compared at equal budgets."""
    reward_model: str = ""
    """A reward model that scores answers beside the task: a transformers folder for sequence classification, a hub id, or the
    name of an earlier stage that trains one."""
    reward_model_weight: float = 1.0
    """What its score counts in the reward."""
    task_reward_weight: float = 1.0
    """What the task's own reward counts beside it; 0 leaves the reward model alone."""

    @property
    def samples(self) -> bool:
        """Whether it learns from answers that it samples, and not from demonstrations or pairs that it is shown."""
        return self.algorithm.needs.source == "answers"


@dataclass(frozen=True)
class Machine:
    """Where a run happens and what it leaves behind."""

    model: str = "preset:1m"
    """`preset:1m`, `preset:5m` or `preset:50m` (random weights, with a tokenizer made for the task), a transformers folder,
    or a hub id."""
    seed: Whole = 0
    """Initial weights, prompts, sampling and shuffling all follow from it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto takes cuda, then mps, then cpu."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the forward and backward passes; the master weights are always float32. On a CPU bfloat16 is usually slower
    for small models, sampling above all."""
    threads: Whole = 0
    """Threads for tensor operations on the CPU; 0 takes all cores this process may use."""
    micro_batch: Whole = 0
    """Answers in one forward and backward pass; it trades time for memory and changes nothing else. 0 takes the whole batch."""
    out: str = ""
    """The run's folder; empty names it after the task, the algorithms and the time, under runs/."""
    checkpoint_every: Whole = 50
    """Steps between checkpoints; 0 saves only at the end of each stage and on Ctrl-C."""
    eval_problems: Whole = 500
    """Held-out problems in each evaluation; 0 evaluates nothing."""
    eval_temperature: NonNegative = 0.0
    """Temperature of evaluation; 0 takes the likeliest token."""
    eval_every: Whole = 0
    """Steps between evaluations on the way; 0 evaluates at the start and after each stage."""


@dataclass(frozen=True)
class Run:
    """Everything `quintet train` needs to know."""

    machine: Machine
    sampling: Sampling
    task: Any
    """The task's record (`protocols.Task`)."""
    stages: tuple[Stage, ...]
