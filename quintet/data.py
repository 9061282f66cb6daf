"""The nouns. Everything that passes between a task, a sampler, a learner and an algorithm is one of these records.

Shapes: B answers, T tokens (prompt and answer together, padded on the right), P prompts, G answers to each prompt.
Column t of every [B, T] tensor speaks about token t: `logp[b, t]` is the log-probability of token t given what precedes
it. The shift by one happens once, in the learner's forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Le, Lt

from quintet.knobs import Count, NonNegative, Whole

if TYPE_CHECKING:
    from torch import Tensor

StopReason = Literal["eos", "stop", "length"]

ABSENT: Any = None
"""A column nobody asked for. Its type stays Tensor: an algorithm reads only the columns it named in its `Needs`."""


@dataclass(frozen=True)
class Prompt:
    """A question. Either `text` (given to the model as it is) or `messages` (put through the chat template)."""

    id: str
    text: str | None = None
    messages: tuple[Mapping[str, str], ...] | None = None
    truth: Any = None
    """Whatever the task's grader needs; JSON-able."""
    level: str = ""
    """The difficulty class that evaluation reports separately; empty where a task has none."""
    tokens: tuple[int, ...] | None = None
    """The prompt as tokens, which are taken as they are; where they are given nothing else is encoded."""
    begun: str = ""
    """The beginning of the answer, which the model goes on from; empty in most."""


@dataclass(frozen=True)
class Verdict:
    """What a task says of one answer."""

    reward: float
    """What training maximises. NaN: the reward does not apply, and the answer is left out, counted and named."""
    parts: Mapping[str, float] = field(default_factory=dict)
    """The reward's named, unweighted components."""
    correct: bool | None = None
    """Whether the answer solves the problem; None where the task has no such notion (evaluation then averages rewards)."""
    parsed: bool = True
    """Whether an answer in the expected form was found at all; the first-step diagnosis reads it."""
    logged: Mapping[str, Any] = field(default_factory=dict)
    """What a reward function wants kept beside the answer (`log_extra`); JSON-able."""
    steps: tuple[tuple[int, float], ...] = ()
    """For process supervision: (characters of the answer up to the step's end, the step's reward), in order. Where a task has
    no steps of its own kind, a step is a line (`step_ends`). In a conversation they are counted over what the policy wrote,
    without the replies."""


def step_ends(text: str) -> tuple[int, ...]:
    """Characters up to the end of each step of an answer: a line that has something in it, its new line included.

    Example: step_ends("Step 1: 2+3=5\\n\\n#### 5") == (15, 21)
    """
    ends: list[int] = []
    start = 0
    for line in text.split("\n"):
        end = min(start + len(line) + 1, len(text))
        if line.strip():
            ends.append(end)
        elif ends:
            ends[-1] = end  # an empty line belongs to the step before it
        start = end
    return tuple(ends)


@dataclass(frozen=True)
class Rollout:
    """One sampled answer, token by token. `tokens`, `action` and `behaviour_logp` have the same length."""

    prompt: Prompt
    tokens: list[int]
    """Prompt and answer."""
    action: list[bool]
    """True where the policy chose the token; False for the prompt, a tool's output, an observation."""
    behaviour_logp: list[float]
    """Log-probability, in nats, under the distribution that was really sampled from; 0 where `action` is False."""
    text: str
    """The answer as text, without the end-of-text token."""
    stop_reason: StopReason
    """eos: the model ended it; stop: a stop string did; length: it was cut off."""
    policy_version: int
    verdict: Verdict | None = None
    turns: tuple[str, ...] = ()
    """Of a conversation: the answers and the task's replies in turn, an answer first and last; `text` is all of them together.
    Empty where the task doesn't reply."""
    observations: Sequence[Sequence[float]] = ()
    """What the policy saw before it chose each token, one vector a token; empty where it sees nothing but tokens."""
    earned: Sequence[float] = ()
    """What an environment paid for each token; empty where an answer is paid at its end, by its verdict."""


@dataclass(frozen=True)
class Sampling:
    """The distribution answers are drawn from. Sampler and learner apply the same one, so their log-probabilities agree."""

    temperature: NonNegative = 1.0
    """Logits are divided by it; 0 takes the likeliest token."""
    top_p: Annotated[float, Gt(0), Le(1)] = 1.0
    """Keep the likeliest tokens up to this total probability; 1 keeps all."""
    top_k: Whole = 0
    """Keep this many of the likeliest tokens; 0 keeps all."""
    min_p: Annotated[float, Ge(0), Lt(1)] = 0.0
    """Keep tokens at least this many times as likely as the likeliest; 0 keeps all."""
    max_new_tokens: Count = 128
    """Longest answer, in tokens; a longer one is cut off and its stop reason is `length`. In a conversation the answers count
    together. Where nobody sets it, a task that knows how long its longest answer is does."""
    stop: tuple[str, ...] = ()
    """Strings that end an answer; they stay part of its text."""


@dataclass(frozen=True)
class Batch:
    """What one step learns from."""

    tokens: Tensor
    """[B, T] int64, padded on the right."""
    action: Tensor
    """[B, T] bool. Only these positions are learned from."""
    length: Tensor
    """[B] int64: tokens of each row before padding."""
    reward: Tensor
    """[B] float; NaN where the reward does not apply."""
    group: Tensor
    """[B] int64: rows with the same number answer the same prompt; siblings are neighbours."""
    behaviour_logp: Tensor = ABSENT
    old_logp: Tensor = ABSENT
    """[B, T] under the policy the update starts from. None: the batch is on-policy, and a pass's own log-probabilities
    (detached) stand in, so that the ratio is exactly 1."""
    ref_logp: Tensor = ABSENT
    entropy: Tensor = ABSENT
    """[B, T] of the policy the update starts from, in nats."""
    value: Tensor = ABSENT
    """[B, T]: what the critic expects of an answer before it has seen token t."""
    step_reward: Tensor = ABSENT
    """[B, T]: the reward of the step that ends at token t; NaN where none does. Absent where the task judges no steps."""
    earned: Tensor = ABSENT
    """[B, T]: what an environment paid for token t; `reward` is their sum. Absent where an answer is paid at its end."""
    observation: Tensor = ABSENT
    """[B, T, D]: what the policy saw before token t was chosen; absent where it sees nothing but tokens."""
    truncated: Tensor = ABSENT
    """[B] bool: the answer was cut off at its longest."""
    advantage: Tensor = ABSENT
    """[B, T]; 0 outside the answers."""
    weight: Tensor = ABSENT
    """[B, T]: what each token's loss term counts, with the denominators of the *whole* batch already in it
    (`equations.reduce.token_weights`), so that splitting the batch changes nothing."""
    longest: int = 0
    """The longest answer that could have been given, in tokens (`Sampling.max_new_tokens`); 0 where nobody says."""
    notes: Mapping[str, float] = field(default_factory=dict)
    """What the algorithm noted after the step before (`Algorithm.notes`): a baseline that looks back, a coefficient that
    adapts. Empty in a stage's first step."""
    progress: float = 0.0
    """Share of the stage that is done, 0 to 1; schedules read it."""
    rollouts: tuple[Rollout, ...] = ()
    """The same rows with their texts, for observers; empty for pages of a data set."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """Numbers the source measured while making the batch (seconds by stage, counts); they become metrics."""


@dataclass(frozen=True)
class Outputs:
    """What a forward pass says about the tokens of a batch; what was not asked for is None."""

    logp: Tensor = ABSENT
    """[B, T] in nats, under the batch's `Sampling`."""
    entropy: Tensor = ABSENT
    """[B, T] in nats."""
    value: Tensor = ABSENT
    """[B, T]: the critic's, before it has seen token t."""
    score: Tensor = ABSENT
    """[B, 1]: the reward model's, of the whole answer; or [B, T]: a process reward model's, of all up to token t, itself
    included."""


@dataclass(frozen=True)
class Fact:
    """A number about tokens [B, T] or answers [B, 1] that a loss computes on its way. Its mean becomes a metric; it is no part
    of the loss."""

    value: Tensor


Network = Literal["policy", "critic", "score"]


@dataclass(frozen=True)
class Needs:
    """What an algorithm asks for: where its batches come from, and what the learner adds to them before its step."""

    source: Literal["answers", "demonstrations", "preferences"] = "answers"
    """Answers that are sampled and graded; right answers that are shown; pairs of a preferred and a rejected answer."""
    frozen_sampler: bool = False
    """Answers come from the policy as it was when the stage began, not as it is now."""
    resample: int = 0
    """How often a step may sample further prompts in place of those whose answers all earned the same."""

    old: bool = False
    """`old_logp`: wanted when a batch is visited more than once, or when an advantage depends on it."""
    entropy: bool = False
    """`entropy`, from the same pass as `old_logp`."""
    reference: bool = False
    """`ref_logp`, from a frozen copy of the policy as it was when the stage began."""
    critic: Literal["none", "separate", "head"] = "none"
    """`value`: from a network of its own, or from a head on the policy's trunk."""
    score: bool = False
    """It trains a reward model, and leaves the policy alone."""
    of_steps: bool = False
    """That reward model scores an answer at every token, of which the ends of steps count, and not only at its last."""
    begin_from: str = ""
    """The folder, hub id or stage's name of the reward model that it goes on training; empty makes one from the policy."""
    replay: float = 0.0
    """Share of each step's prompts that come, answers and all, from what earlier stages trained that reward model on."""
    completions: int = 0
    """How many times each step of an answer is completed by the policy, for the share of right completions to be its reward;
    0 takes the task's own word for the steps."""
    pairs: bool = False
    """The loss compares siblings, so a micro-batch must not separate them."""


def select(batch: Batch, rows: Tensor) -> Batch:
    """The batch with these rows only ([b] int64), trimmed to the longest of them. `weight` keeps its denominators."""
    width = int(batch.length[rows].max())

    def cut(value: Any) -> Any:
        if not hasattr(value, "dim"):
            return value
        return value[rows, :width] if value.dim() > 1 else value[rows]

    tensors = {f.name: cut(getattr(batch, f.name)) for f in fields(batch)}
    rollouts = tuple(batch.rollouts[i] for i in rows.tolist()) if batch.rollouts else ()
    return replace(batch, **{**tensors, "rollouts": rollouts})
