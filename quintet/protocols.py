"""What each part must offer the others. The loop, the algorithms and the observers know these and nothing more concrete."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from quintet.data import Batch, Fact, Needs, Network, Outputs, Prompt, Rollout, Sampling, Verdict

if TYPE_CHECKING:
    from torch import Tensor

Terms = Mapping[str, "Tensor | Fact"]
"""By name, unreduced, each broadcastable to [B, T]. A float is a term of the loss: its weighted sum is added up and becomes
the metric `loss/NAME`. A bool is a fact about tokens: its share of the visited tokens becomes the metric NAME. A `Fact` is a
number whose mean over them does."""
Loss = Callable[[Outputs, Batch], Terms]
Stats = dict[str, float]
State = dict[str, Any]


class TaskError(ValueError):
    """A task's own code or data failed (a user's reward raised, a file has no rows): one sentence, what to do next included.
    The policy is as it was after the last step, so the run can be saved and resumed."""


class Task(Protocol):
    """Where prompts come from and what an answer is worth."""

    @property
    def name(self) -> str: ...

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` (endless) or `test` from number `start` on. The same arguments give the same prompts, so a
        cursor is one integer and a resumed run continues where it was."""
        ...

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout, in order. A grader scores what it can't read; it raises only when it is broken."""
        ...


class Conversation(Task, Protocol):
    """A task that answers back: a tool, a game, an environment."""

    def reply(self, transcript: Rollout) -> str | None:
        """What the task says to a conversation so far, whose last of the `turns` is an answer that was ended and not cut off;
        None ends it. A function of the prompt and the turns alone."""
        ...


class Teacher(Protocol):
    """A task that can also show how it is done: what supervised training learns from."""

    @property
    def name(self) -> str: ...

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str | Sequence[str]]]:
        """Prompts with a right answer each, from number `start` on; endless for `train`. Of a conversation: its turns, answers
        and replies, an answer first and last."""
        ...


class Preferences(Protocol):
    """A task that can also show which of two answers is better: what offline DPO and reward models learn from."""

    @property
    def name(self) -> str: ...

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        """Prompts with a preferred and a rejected answer each, from number `start` on; endless for `train`."""
        ...


class Sampler(Protocol):
    """Draws answers from the policy."""

    def generate(
        self,
        prompts: Sequence[Prompt],
        group_size: int,
        sampling: Sampling,
        seed: int,
        first: int | Sequence[int] = 0,
        ended: Callable[[Rollout], None] | None = None,
    ) -> list[Rollout]:
        """`group_size` answers to each prompt, siblings side by side. `first`: the first prompt's number, where they are
        counted on from there, or each prompt's. An answer depends on the weights and on (seed, its prompt's number, its
        place in the group), never on what else is in the batch. `ended` is given each as soon as it is written, in any
        order: a slow grader can begin."""
        ...

    def load(self, weights: Mapping[str, Tensor], version: int) -> None:
        """Take over new weights; a no-op where sampler and learner share the module."""
        ...


class Learner(Protocol):
    """Holds the parameters being trained: the policy's and, where an algorithm needs them, a critic's or reward model's."""

    notes: Mapping[str, float]
    """What the algorithm noted after the last step; part of the state, and of the next batch."""

    def annotate(self, batch: Batch, needs: Needs) -> Batch:
        """The batch with the columns that `needs` names, and the notes."""
        ...

    def gradient(self, loss: Loss, batch: Batch, only: Network | None = None) -> Stats:
        """Set every parameter's gradient to that of Σ weight · (sum of terms); independent of the micro-batch size. `only`:
        run and differentiate this network alone; in the loss's `Outputs` the others' columns are None."""
        ...

    def evaluate(self, loss: Loss, batch: Batch, only: Network | None = None) -> Stats:
        """The same sums without a gradient."""
        ...

    def apply(self, settings: Any, progress: float) -> Stats:
        """One optimiser step along the gradient, with the update's settings; a non-finite gradient is skipped and counted."""
        ...

    def direction(self) -> list[Tensor]:
        """The policy's gradient, one tensor a parameter, as the last `gradient` set it."""
        ...

    def shifted(self, direction: Sequence[Tensor], scale: float) -> AbstractContextManager[None]:
        """Within the context the policy's parameters are θ + scale · direction; afterwards bit for bit what they were."""
        ...

    def move(self, direction: Sequence[Tensor], scale: float) -> None:
        """The policy's parameters become, to stay, bit for bit what they are in `shifted`."""
        ...

    def weights(self) -> Mapping[str, Tensor]: ...

    def state(self) -> State:
        """Everything the learner needs to go on bit for bit: live tensors, to be written down before the next step."""
        ...

    def restore(self, state: State, needs: Needs) -> None:
        """Go on from `state()`, with the networks that `needs` names."""
        ...


class Source(Protocol):
    """Batches to learn from: sampled and graded answers, or pages of a data set."""

    def __iter__(self) -> Iterator[Batch]: ...

    def sync(self, learner: Learner) -> None:
        """New weights to the sampler; nothing where there is none."""
        ...

    def state(self) -> State: ...

    def restore(self, state: State) -> None: ...


class Update(Protocol):
    """One step of learning from one batch."""

    def __call__(self, learner: Learner, loss: Loss, batch: Batch) -> Stats: ...


class Algorithm(Protocol):
    """A frozen record of hyper-parameters with pure functions of a batch.

    It may also have `notes(batch) -> Mapping[str, float]`: numbers that become metrics of the step and that the next step finds
    in its batch; and `check(stage) -> list[str]`: what keeps it from learning with a stage's settings, in sentences."""

    @property
    def needs(self) -> Needs: ...

    @property
    def update(self) -> Update: ...

    def advantage(self, batch: Batch, /) -> Tensor:
        """[B, T]: how much better than expected each token turned out to be."""
        ...

    def weight(self, batch: Batch, /) -> Tensor:
        """[B, T]: what each token counts, the denominators of the whole batch included."""
        ...

    def loss(self, new: Outputs, batch: Batch, /) -> Terms: ...


class Observer(Protocol):
    """Sees every step, changes nothing."""

    def __call__(self, step: int, batch: Batch, stats: Stats) -> None: ...
