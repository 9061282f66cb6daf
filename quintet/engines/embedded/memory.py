"""Memory: what a stage will need, told from shapes before it begins; and what to do when it was too much after all."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from quintet.data import Batch, Sampling
from quintet.engines.embedded import forward
from quintet.engines.embedded.decoder import PREFILL
from quintet.models.load import Policy
from quintet.models.projection import AT_ONCE, KEPT
from quintet.models.text import encode_prompt
from quintet.settings import Run, Stage

FLOAT = 4
SHARE = 0.9
"""Of the memory that is free, what may be planned with: a prediction can be wrong."""
ROWS = 256
"""Answers in flight while they are written, unless it is said otherwise."""
ENOUGH = 2048
"""Tokens in a pass on a processor: more make it larger, not faster (docs/log.md)."""
BESIDE = 128 * 2**20
"""What libraries keep for their kernels on a processor, and the allocator of what was freed, once a step has been taken."""
LOOKED_AT = 32
"""Prompts that tell how long prompts are."""
Context = Callable[[PreTrainedModel], AbstractContextManager[object]]
Result = TypeVar("Result")


@dataclass(frozen=True)
class Shape:
    """What a step reads and writes, in tokens."""

    prompts: int
    siblings: int
    prompt: int
    """Tokens of a prompt."""
    answer: int
    """Tokens of the longest answer."""
    written: bool = True
    """Whether the answers are sampled here."""

    @property
    def answers(self) -> int:
        return self.prompts * self.siblings

    def tokens(self, rows: int) -> int:
        """Of a pass over so many answers, each prompt once."""
        return -(-rows // self.siblings) * self.prompt + rows * self.answer


@dataclass(frozen=True)
class Need:
    """Bytes that a stage will add to what the process holds already."""

    kept: int
    """Gradients and what the optimiser remembers."""
    reading: int
    """The gradient of one micro-batch, at its largest."""
    writing: int
    """Keys, values and logits while answers are written."""

    @property
    def peak(self) -> int:
        return self.kept + max(self.reading, self.writing)


class Forecast:
    """What a stage needs, for a policy and all networks that get a gradient in it."""

    def __init__(
        self, policy: PreTrainedModel, networks: Iterable[PreTrainedModel], remembered: float, learner: Context, dtype: str
    ) -> None:
        """`remembered`: numbers that the optimiser keeps of each parameter; `learner`: the context of its passes; `dtype`: of
        sampling."""
        trained = [p for model in networks for p in model.parameters() if p.requires_grad]
        self.policy, self.dtype, self.rows = policy, dtype, ROWS
        self.kept = int(sum(p.numel() for p in trained) * FLOAT * (1 + remembered))
        self.per_token = sum(held_per_token(model, learner) for model in networks)  # one pass reads all of them
        embeddings: Any = policy.get_input_embeddings()
        self.vocabulary = int(embeddings.weight.shape[0])

    def need(self, shape: Shape, rows: int) -> Need:
        """With `rows` answers in a pass."""
        layers = self.policy.config.get_text_config().num_hidden_layers
        told = rows * shape.answer * self.vocabulary
        logits = (told if told <= KEPT else 0) + 3 * min(told, AT_ONCE)
        reading = int(shape.tokens(rows) * self.per_token * (1 + 2 / layers)) + logits * FLOAT
        beside = BESIDE if self.policy.device.type == "cpu" else 0
        return Need(self.kept, reading + beside, self._writing(shape) + beside if shape.written else 0)

    def fitting(self, shape: Shape, free: int) -> int:
        """The most answers in a pass that fit into `free` bytes, of the whole batch and its halves; one at least."""
        rows = shape.answers
        while rows > 1 and self.need(shape, rows).peak > SHARE * free:
            rows = -(-rows // 2)
        return rows

    def _writing(self, shape: Shape) -> int:
        config: Any = self.policy.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        groups = min(max(1, self.rows // shape.siblings), shape.prompts)
        rows = groups * shape.siblings
        # room for tokens grows by half at a time, and twice as many prompts are held as fill the rows
        places = rows * shape.answer * 1.25 + min(2 * groups, shape.prompts) * shape.prompt
        kept = 2 * config.num_hidden_layers * heads * width * places
        read = min(PREFILL, groups * shape.prompt) * (4 * getattr(config, "intermediate_size", 0) + 8 * config.hidden_size)
        rounded = sum(p.numel() for p in self.policy.parameters()) / 2 if self.dtype == "bfloat16" else 0
        return int(FLOAT * (kept + max(read, 4 * rows * self.vocabulary) + rounded))


def paying(answers: int, tokens: int, siblings: int) -> int:
    """Answers in a pass, of so many that have so many tokens together: passes of `ENOUGH` tokens at least, and of whole groups
    unless one of them is more than that.  Example: 32 answers in groups of 8 with 4,608 tokens are read 16 at a time."""
    rows = -(-answers // max(1, tokens // ENOUGH))
    return rows if rows < siblings else min(answers, -(-rows // siblings) * siblings)


def held_per_token(model: PreTrainedModel, within: Context) -> float:
    """Bytes that a pass within that context keeps for its gradient, for each token: by two small passes, which keep what a
    large one does."""
    few, many = (_held(model, within, n) for n in (8, 24))
    return (many - few) / (3 * 24 - 3 * 8)


def _held(model: PreTrainedModel, within: Context, length: int) -> int:
    """Bytes kept by a pass over a prompt of `length` tokens and two answers of as many and one more, which is not read."""
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, int] = {}

    def keep(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        alive.append(x)
        return x

    alive: list[Tensor] = []  # else a place that became free would be counted once for two tensors
    rows, width = 2, 2 * length + 1
    device = model.device
    action = (torch.arange(width, device=device) >= length).expand(rows, width)
    batch = Batch(
        tokens=torch.ones(rows, width, dtype=torch.int64, device=device),
        action=action,
        length=torch.full((rows,), width, device=device),
        reward=torch.zeros(rows, device=device),
        group=torch.zeros(rows, dtype=torch.int64, device=device),
    )
    speaks = model.get_output_embeddings() is not None
    with within(model), torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        _ = forward.outputs(model, batch, Sampling()) if speaks else forward.values(model, batch)
    return sum(kept.values())


REMEMBERED = {"adamw": 2, "muon": 1, "adafactor": 0}
"""Numbers that an optimiser keeps of each parameter."""
NATURAL_STEP = 6
"""Vectors of the policy's size that a natural step works with at a time, as numbers that it keeps of each parameter."""


def stage_shape(stage: Stage, task: Any, tokenizer: PreTrainedTokenizerBase, sampling: Sampling) -> Shape:
    """By the stage's first prompts, demonstrations or pairs."""
    prompts, kind = stage.prompts_per_step, stage.algorithm.needs.source
    first = list(islice(task.prompts("train") if kind == "answers" else getattr(task, kind)("train"), min(prompts, LOOKED_AT)))
    if kind == "answers":
        longest = max(len(encode_prompt(tokenizer, prompt)) for prompt in first)
        return Shape(prompts, stage.group_size, longest, sampling.max_new_tokens)
    told = [len(encode_prompt(tokenizer, p)) + max(len(tokenizer.encode(text)) for text in texts) for p, *texts in first]
    return Shape(prompts, 1 if kind == "demonstrations" else 2, 0, max(told), written=False)


def told(need: Need, held: int, free: int | None, shape: Shape, rows: int) -> str:
    """A sentence about what is expected."""
    work = max(need.reading, need.writing)
    parts = f"{size(held)} held, {size(need.kept)} for gradients and optimiser, {size(work)} to work with"
    sentence = f"Memory: {size(held + need.peak)} expected at the peak ({parts})"
    sentence += "." if free is None else f"; {size(free)} is free."
    if rows and rows < shape.answers:
        sentence += f" {rows} answers share a pass."
    if free is not None and need.peak > free:
        sentence += " That may be too much: try --recompute true, --lora-rank 16, shorter answers or a smaller model."
    return sentence


def size(bytes: int) -> str:
    """Example: size(1_500_000_000) is 1.4 GB."""
    return f"{bytes / 2**30:.1f} GB" if bytes >= 2**30 else f"{max(1, bytes // 2**20)} MB"


def foresee(learner: Any, stage: Stage, policy: Policy, run: Run) -> tuple[int, str]:
    """What a stage will need at its peak (bytes), and that in a sentence. Where nobody said how many answers share a pass, as
    many may from now on as are expected to fit."""
    shape = stage_shape(stage, run.task, policy.tokenizer, run.sampling)
    remembered = REMEMBERED.get(str(getattr(stage.algorithm.update, "optimiser", None)), NATURAL_STEP)
    forecast = Forecast(policy.model, learner.trained, remembered, learner.within, run.machine.sampled_in)
    free, held = free_bytes(learner.device), held_bytes(learner.device)
    if not learner.micro_batch and free is not None:
        rows = forecast.fitting(shape, free)
        learner.micro_batch = rows if rows < shape.answers else 0
    rows = min(learner.micro_batch or shape.answers, shape.answers)
    if learner.small_passes:
        rows = min(rows, paying(shape.answers, shape.tokens(shape.answers), shape.siblings))
    need = forecast.need(shape, rows)
    return held + need.peak, told(need, held, free, shape, rows)


# ---- what there is ---------------------------------------------------------------------------------------------------------


def free_bytes(device: torch.device) -> int | None:
    """Memory that this process may still take; None where nobody says."""
    if device.type == "cuda":
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + held
    bounds = [*_of_machine(), *_of_group(), *_of_process()]
    return max(0, min(bounds)) if bounds and device.type == "cpu" else None


def held_bytes(device: torch.device) -> int:
    """What this process holds now, as far as it is known."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    size = _lines(Path("/proc/self/statm"))
    return int(size[0].split()[1]) * resource.getpagesize() if size else 0


def _of_machine() -> Iterable[int]:
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) * 1024


def _of_group() -> Iterable[int]:
    """The bounds of the control groups that this process is in (a container's, a batch system's)."""
    for line in _lines(Path("/proc/self/cgroup")):
        if line.startswith("0::"):
            place = Path("/sys/fs/cgroup") / line.strip()[3:].lstrip("/")
            for folder in (place, *place.parents):
                most, now = (_lines(folder / name) for name in ("memory.max", "memory.current"))
                if most and now and most[0].strip().isdecimal():
                    yield int(most[0]) - int(now[0])


def _of_process() -> Iterable[int]:
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    size = _lines(Path("/proc/self/statm"))
    if most != resource.RLIM_INFINITY and size:
        yield most - int(size[0].split()[0]) * resource.getpagesize()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []


# ---- when it was too much --------------------------------------------------------------------------------------------------


def ran_out(error: BaseException) -> bool:
    """Whether the error says that there was no more memory."""
    text = str(error).lower()
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(said in text for said in ("out of memory", "can't allocate memory"))
    )


def until_it_fits(work: Callable[[], Result], smaller: Callable[[], bool]) -> Result:
    """Do `work`; each time the memory runs out make it `smaller` and do it again, from its beginning. The error stands where it
    can't be made smaller."""
    while True:
        try:
            return work()
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error) or not smaller():
                raise
        if torch.cuda.is_available():  # outside of the handler, whose error holds on to the tensors of the failed pass
            torch.cuda.empty_cache()
