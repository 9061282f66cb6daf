"""Signs, while a run goes on, that something is off: what, why, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from statistics import fmean

from quintet.observe.formats import percent, short
from quintet.observe.records import Row, number

WINDOW = 8
"""Steps that a sign has to last: one bad batch is no sign."""
QUIET = 50
"""Steps for which a hint isn't repeated."""

Rule = Callable[[Sequence[Row], Sequence[Row]], str | None]
"""From a stage's first and its last `WINDOW` rows, which don't overlap, a sentence; None where there is nothing to say."""


@dataclass
class Hints:
    """Looks at the steps of one stage as they come. `group_size`: answers to a prompt; a single one has no siblings to tie
    with."""

    group_size: int
    of_texts: bool = True
    """Whether answers are texts, and not episodes of a control task."""
    first: list[Row] = field(default_factory=list)
    last: list[Row] = field(default_factory=list)
    _said: dict[str, int] = field(default_factory=dict)
    _steps: int = 0

    def after(self, row: Row) -> list[str]:
        """The sentences that this step gives rise to, each at most once in `QUIET` steps."""
        self._steps += 1
        if len(self.first) < WINDOW:
            self.first.append(row)
        else:
            self.last = [*self.last, row][-WINDOW:]
        out = {*(OF_TEXTS if not self.of_texts else ()), *(("tied",) if self.group_size < 2 else ())}
        return [text for name in RULES if name not in out and self._due(name) and (text := self._said_now(name))]

    def _due(self, name: str) -> bool:
        return self._steps - self._said.get(name, -QUIET) >= QUIET

    def _said_now(self, name: str) -> str | None:
        rows = self.last if len(self.last) == WINDOW else self.first
        text = RULES[name](self.first, rows) if len(rows) == WINDOW else None
        if text:
            self._said[name] = self._steps
        return text


def tied(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """Nearly every group's answers earn the same, so that siblings teach nothing."""
    shares = [number(row, "frac_reward_zero_std") for row in last]
    if not all(share >= 0.9 for share in shares):  # NaN is none
        return None
    return (
        f"For {len(last)} steps at least {percent(min(shares), 0)} of the groups were tied: all their answers earned the same "
        f"(mean reward {short(_mean(last, 'reward'))}), so they taught nothing. If that is the most one can earn, the task is "
        "learned; otherwise choose prompts that the model solves sometimes, raise group_size or temperature, or give credit "
        "for parts of an answer."
    )


def truncated(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """A third of the answers never end."""
    share, longest = _mean(last, "completions/clipped_ratio"), _mean(last, "completions/max_length")
    if not share >= 1 / 3:
        return None
    return (
        f"{percent(share, 0)} of the answers of the last {len(last)} steps were cut off at {longest:.0f} tokens, most likely "
        f"before they said their result, and earn what half an answer earns. Set max_new_tokens={2 * longest:.0f}; if they "
        "still don't end, pay less for length, or train a supervised stage (sft) that shows how an answer ends."
    )


def far_from_reference(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """The KL from the reference is large and still growing."""
    before, halves = _mean(first, "kl"), _halves(last, "kl")
    if not (halves[1] > 0.5 and halves[1] > halves[0] and halves[1] > 3 * before):
        return None
    return (
        f"The policy runs away from its reference: the KL went from {short(before, 2)} to {short(halves[1], 2)} nats a token "
        "and still grows. What the reward doesn't ask for is being unlearned. Raise beta, lower lr, or stop at an earlier "
        "checkpoint; read answers with `quintet rollouts`."
    )


def long_steps(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """Single steps change the policy beyond what ratios can correct."""
    size = _mean(last, "approx_kl")
    if not size > 0.2:
        return None
    return (
        f"Steps are too long: within one step the policy moves {short(size, 2)} nats a token away from the one that sampled, "
        "so most ratios are clipped and the rest is noise. Lower lr or epochs, or set target_kl=0.05."
    )


def collapsed(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """Nothing is tried any more, and the reward doesn't rise."""
    before, now = _mean(first, "entropy"), _mean(last, "entropy")
    gain = _mean(last, "reward") - _mean(first, "reward")
    small = gain < max(0.5 * _mean(first, "reward_std"), 1e-9)  # never without rewards: demonstrations are meant to decide
    if not (now < 0.05 and now < 0.2 * before and small):
        return None
    return (
        f"The entropy collapsed from {short(before, 2)} to {short(now, 2)} nats a token and the reward hardly moved: the model "
        "gives the same answer again and again, so it finds nothing better. Lower lr or raise temperature from an earlier "
        "checkpoint; PPO has entropy_weight, GRPO a higher upper clip (dapo)."
    )


def longer_for_reward(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """Answers grow together with the reward."""
    before, now = (_mean(rows, "completions/mean_length") for rows in (first, last))
    gain = _mean(last, "reward") - _mean(first, "reward")
    if not (now >= 2 * before and now - before >= 16 and gain > 0):
        return None
    return (
        f"Answers grew from {short(before)} to {short(now)} tokens while the reward rose by {short(gain)}. It may be real "
        "work, or a reward that pays for length. Read the longest answers (`quintet rollouts RUN`); if they say the same thing "
        "over and over, bound the length in the reward, or use dr-grpo, which divides by no length."
    )


def parts_apart(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """One part of the reward is bought with another."""
    names = [key.split("/")[1] for key in last[-1] if key.startswith("rewards/") and key.endswith("/mean")]
    moved = {name: _mean(last, f"rewards/{name}/mean") - _mean(first, f"rewards/{name}/mean") for name in names}
    noise = {name: 0.5 * _mean(first, f"rewards/{name}/std") for name in names}
    up = max((n for n in names if moved[n] > max(noise[n], 1e-9)), key=lambda n: moved[n], default=None)
    down = min((n for n in names if moved[n] < -max(noise[n], 1e-9)), key=lambda n: moved[n], default=None)
    if up is None or down is None:
        return None
    return (
        f"One part of the reward is paid for with another: {up} rose by {short(moved[up])} while {down} fell by "
        f"{short(-moved[down])}. That is how a reward gets cheated. Read the best answers (`quintet rollouts RUN`) and weigh "
        f"{up} less, or pay it only where {down} is earned as well."
    )


def apart_from_sampler(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """The learner doesn't agree with the sampler about what was sampled."""
    mean, most = _mean(last, "logp_gap/mean"), max(number(row, "logp_gap/max") for row in last)
    if not mean > 0.02:
        return None
    return (
        f"Sampler and learner disagree about the log-probability of the same tokens, by {short(mean, 2)} nats in the mean and "
        f"up to {short(most, 2)}: ratios that should be 1 aren't, and the gradient leans towards the difference. Set "
        "dtype=float32; a model with dropout or random routing must have it switched off."
    )


def no_step(first: Sequence[Row], last: Sequence[Row]) -> str | None:
    """Not one step was taken, though there was something to learn."""
    skipped = all(number(row, "skipped_updates") >= 1 for row in last)
    if not skipped or _mean(last, "frac_reward_zero_std") >= 0.9:
        return None
    if any("line_search/accepted" in row for row in last):
        return (
            f"No step of the last {len(last)} was accepted: the line search found none that improves within the bound. Raise "
            "damping, or sample more answers a step: the estimate of the curvature is too rough."
        )
    return (
        f"No step of the last {len(last)} was taken: the gradient isn't a finite number. Lower lr, set dtype=float32, and go "
        "on from a checkpoint before this began."
    )


RULES: dict[str, Rule] = {
    "tied": tied,
    "truncated": truncated,
    "kl": far_from_reference,
    "step": long_steps,
    "entropy": collapsed,
    "length": longer_for_reward,
    "parts": parts_apart,
    "gap": apart_from_sampler,
    "skipped": no_step,
}
"""What is looked for, causes before what follows from them."""
OF_TEXTS = ("truncated", "length")
"""What is wrong with texts alone: an episode that goes on to its time's end is what one wants."""


def _mean(rows: Sequence[Row], key: str) -> float:
    """NaN where no row has a finite value: every comparison with it is false, so that no rule fires."""
    values = list(_finite(rows, key))
    return fmean(values) if values else float("nan")


def _halves(rows: Sequence[Row], key: str) -> tuple[float, float]:
    """The means of the earlier and the later half."""
    return _mean(rows[: len(rows) // 2], key), _mean(rows[len(rows) // 2 :], key)


def _finite(rows: Sequence[Row], key: str) -> Iterator[float]:
    return (value for row in rows if isfinite(value := number(row, key)))
