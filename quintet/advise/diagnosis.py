"""What became of one run, in a sentence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, sqrt
from statistics import fmean, stdev

from quintet.observe.formats import percent, score, short
from quintet.observe.records import Row, number

FEW_SIGNALS = 0.8
"""Share of groups whose answers all earn the same, above which little is left to learn from."""
MANY_CUT = 0.3
"""Share of answers that are cut off, above which that is what holds a run back."""
MANY_WILD = 0.05
"""Share of steps with a gradient that is no finite number (such updates are skipped), above which a run has diverged."""
LONGER = 2.0
"""How many times as long answers may get before it is said."""
FAR = 0.2
"""KL of a step from the policy that sampled, in nats a token, above which steps are said to be too long."""


@dataclass(frozen=True)
class Diagnosis:
    """A run's fate."""

    diverged: bool
    """Its numbers broke down, or it scores below its start with intervals apart."""
    sentence: str


def diagnosis_of(steps: Sequence[Row], start: Row, end: Row) -> Diagnosis:
    """From a run's metrics and its first and last evaluation.

    Example: "Improved from 24.5 % to 41.1 %, and training reward was still rising at the end."
    """
    unit = str(end.get("unit", "reward"))
    before, after = (score(number(row, "score"), unit) for row in (start, end))
    broken = _broken(steps)
    causes = _causes(steps, of_texts=end.get("engine") != "control")
    because = f" {' '.join(causes)}" if causes else ""
    if broken:
        return Diagnosis(True, f"Diverged: {broken}; it ended at {after} from {before}.{because}")
    if number(end, "high") < number(start, "low"):
        hint = "" if causes else " A smaller learning rate, or a tighter bound on the step, is the first thing to try."
        return Diagnosis(True, f"Fell from {before} to {after}.{because}{hint}")
    if number(end, "low") > number(start, "high"):
        rising = ", and training reward was still rising at the end" if _still_rising(steps) else ""
        return Diagnosis(False, f"Improved from {before} to {after}{rising}.{because}")
    return Diagnosis(False, f"From {before} to {after}: no change that the problems could tell.{because}")


def _broken(steps: Sequence[Row]) -> str:
    """What broke down, or nothing."""
    lost = sum("loss" in row and not isfinite(number(row, "loss")) for row in steps)
    if lost:
        return f"the loss was no finite number in {lost} of {len(steps)} steps"
    wild = sum(any(key in row and not isfinite(number(row, key)) for key in ("grad_norm", "grad_norm/critic")) for row in steps)
    return f"a gradient was no finite number in {wild} of {len(steps)} steps" if wild > MANY_WILD * len(steps) else ""


def _causes(steps: Sequence[Row], of_texts: bool) -> list[str]:
    """What held the run back or is odd about it, as its last third shows. An episode may be long, and its end is no cut."""
    late = steps[-max(1, len(steps) // 3) :]
    early = steps[: max(1, len(steps) // 10)]
    told: tuple[tuple[str, Callable[[float], bool], Callable[[float], str]], ...] = (
        (
            "frac_reward_zero_std",
            lambda share: share > FEW_SIGNALS,
            lambda share: f"In {percent(share, 0)} of its groups all answers earned the same, which teaches nothing.",
        ),
        (
            "completions/clipped_ratio",
            lambda share: share > MANY_CUT,
            lambda share: f"{percent(share, 0)} of its answers were cut off: raise max_new_tokens.",
        ),
        (
            "line_search/accepted",
            lambda share: share < 0.5,
            lambda share: f"Its line search refused {percent(1 - share, 0)} of the steps: raise max_kl or fisher_share.",
        ),
        (
            "approx_kl",
            lambda nats: nats > FAR,
            lambda nats: f"Its steps went far (KL {short(nats, 2)} nats a token): lower lr.",
        ),
    )
    told = tuple(rule for rule in told if of_texts or rule[0] != "completions/clipped_ratio")
    found = [say(mean) for key, wrong, say in told if isfinite(mean := _mean(late, key)) and wrong(mean)]
    lengths = [_mean(rows, "completions/mean_length") for rows in (early, late)]
    if of_texts and all(map(isfinite, lengths)) and _has(steps, "reward") and lengths[1] > LONGER * lengths[0]:
        found.append(f"Its answers grew from {short(lengths[0], 2)} to {short(lengths[1], 2)} tokens: look for a cheat.")
    return found


def _still_rising(steps: Sequence[Row]) -> bool:
    """Whether the reward of the last sixth is above that of the sixth before by more than two standard errors."""
    rewards = [r for r in (number(row, "reward") for row in steps) if isfinite(r)]
    sixth = len(rewards) // 6
    if sixth < 3:
        return False
    before, last = rewards[-2 * sixth : -sixth], rewards[-sixth:]
    error = sqrt((stdev(before) ** 2 + stdev(last) ** 2) / sixth)
    return fmean(last) - fmean(before) > 2 * error


def _mean(steps: Sequence[Row], key: str) -> float:
    values = [v for v in (number(row, key) for row in steps) if isfinite(v)]
    return fmean(values) if values else float("nan")


def _has(steps: Sequence[Row], key: str) -> bool:
    return any(key in row for row in steps)
