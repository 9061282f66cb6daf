"""How sure a held-out score is."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share of successes; (0, 1) without a trial.

    Source: Wilson 1927.  Example: 61 of 100 give (0.512, 0.700).
    """
    if trials == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share = successes / trials
    middle = share + z * z / (2 * trials)
    reach = z * (share * (1 - share) / trials + z * z / (4 * trials * trials)) ** 0.5
    scale = 1 + z * z / trials
    low, high = (middle - reach) / scale, (middle + reach) / scale
    return (low if successes else 0.0), (high if successes < trials else 1.0)  # exactly, not to rounding


def of_mean(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The normal interval of a mean: ± z · s/√n; without two values there is no telling, and it is (−inf, inf).

    Example: 0, 1, 0, 1 give 0.5 ± 0.566.
    """
    if len(values) < 2:
        return float("-inf"), float("inf")
    reach = NormalDist().inv_cdf(0.5 + confidence / 2) * stdev(values) / len(values) ** 0.5
    return fmean(values) - reach, fmean(values) + reach
