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
    seconds_budget: NonNegative = 0.0
    """Seconds of training (evaluations and checkpoints left out) that the stage may take: no step begins once they are over; 0
    sets no bound. A run that is bounded by time isn't repeated to the same bits."""
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
    or a hub id. A control task has `preset:mlp`, a small network, or the model folder of an earlier run."""
    seed: Whole = 0
    """Initial weights, prompts, sampling and shuffling all follow from it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """auto takes cuda, then mps, then cpu."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Arithmetic of the forward and backward passes; the master weights are always float32. bfloat16 is faster on GPUs
    and on CPUs that have instructions for it."""
    sampling_dtype: Literal["same", "bfloat16"] = "same"
    """Arithmetic of sampling. bfloat16 beside dtype=float32 writes answers faster, from a slightly different distribution: the
    algorithm then corrects for the difference (`correction`), and the metric `logp_gap` says how large it is."""
    threads: Whole = 0
    """Threads for tensor operations on the CPU; 0 takes all cores this process may use."""
    micro_batch: Whole = 0
    """Answers in one forward and backward pass; it trades time for memory and changes nothing else. 0 takes as many as pay,
    which is some 2,000 tokens on a processor and the whole batch on a GPU, if that is expected to fit into the memory that is
    free. Where it doesn't after all, it is halved."""
    lora_rank: Whole = 0
    """Rank of low-rank adapters on every linear layer (arXiv:2106.09685), which alone are trained then: far less memory for
    gradients and optimiser, and a reference that costs nothing. 0 trains the whole model. Needs the extra `lora`."""
    lora_alpha: Whole = 0
    """Adapters count lora_alpha / lora_rank; 0 takes twice the rank. They have no dropout: the policy that learns must be
    the one that sampled."""
    recompute: bool = False
    """Keep only the layers' inputs for the gradient and compute their inside again (arXiv:1604.06174): a fraction of the memory
    for about a third more time. The gradient is the same."""
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

    @property
    def sampled_in(self) -> str:
        """The arithmetic of sampling."""
        return self.dtype if self.sampling_dtype == "same" else self.sampling_dtype


@dataclass(frozen=True)
class Run:
    """Everything `quintet train` needs to know."""

    machine: Machine
    sampling: Sampling
    task: Any
    """The task's record (`protocols.Task`)."""
    stages: tuple[Stage, ...]


@dataclass(frozen=True)
class Comparison:
    """How algorithms are compared: how often, and within which budget."""

    seeds: Count = 3
    """Runs of each contender, with the seeds that follow the comparison's own `seed`. Three are the fewest that say something
    of the spread; the table gets sharper with more."""
    tokens: Whole = 60_000
    """Tokens that each run may sample, the same for all; 0 sets no bound. Where only `seconds` is given it is 0."""
    seconds: NonNegative = 0.0
    """Seconds of training that each run may take, evaluations left out, the same for all; 0 sets no bound. It is only fair on a
    machine that does nothing else."""
    parallel: Count = 1
    """Runs at a time, each a process of its own; the cores are divided between them."""


@dataclass(frozen=True)
class Experiment:
    """Everything `quintet compare` needs to know."""

    out: str
    """The comparison's folder."""
    how: Comparison
    start: Run | None
    """What trains the model that every contender begins from; None where that is a model as it is."""
    contenders: tuple[Run, ...]
    """One run each, of one stage whose name is the contender's label; seed, model and folder are still to be set."""
