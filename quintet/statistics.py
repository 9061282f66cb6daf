"""How sure a comparison of training algorithms is, from a few runs of each on the same held-out problems.

Everything is a stratified bootstrap over problems and seeds: problems are drawn again within their levels, the same ones for
every run, and runs (seeds) are drawn again for each algorithm by itself. Two or three runs drawn again spread less than new
runs would, so the seeds' share is widened to what Student's t allows for their number: the bootstrap's interval is too narrow
by √((n−1)/n) and by z/t (Hesterberg 2014, arXiv:1411.5279). The interquartile mean and the probability of improvement are those
of Agarwal et al. 2021, "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv:2108.13264).

Scores of an algorithm are [S, P]: seeds by problems. `strata` [P] are the problems' levels. Draws are seeded: the same scores
always give the same interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, nan, pi, sqrt, tan
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from quintet.intervals import wilson

Array = NDArray[np.float64]
RESAMPLES = 2000
SEED = 20210829


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; (−inf, inf) where there is no telling."""

    value: float
    low: float
    high: float


def t_quantile(probability: float, freedom: float) -> float:
    """Student's t: the value that a share `probability` (at least .5) lies below, with `freedom` ≥ 1 degrees of freedom.

    Exact at 1 and 2; from 3 on the expansion in 1/freedom (Fisher and Cornish 1960) to its fourth term, within 0.2 % there at
    .975; in between the logarithm's chord, within 1 %.
    Example: t_quantile(.975, 2) == 4.303; t_quantile(.975, 4) == 2.776
    """
    assert 0.5 < probability < 1 <= freedom
    if freedom == 1:
        return tan(pi * (probability - 0.5))
    if freedom == 2:
        return (2 * probability - 1) * sqrt(2 / (4 * probability * (1 - probability)))
    if freedom < 3:
        low, share = int(freedom), freedom % 1
        return t_quantile(probability, low) ** (1 - share) * t_quantile(probability, low + 1) ** share
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, 1))


def interquartile_mean(values: Array) -> Array:
    """The mean of the middle half along the last axis: a quarter of the weight is left out at each end, parts of values
    included, so that three runs have a middle, too.

    Example: of 0, 1, 2, 3: 1.5; of 0, 1, 8 (each a third of the weight): (0 + 4·1 + 8)/6 == 2
    """
    number = values.shape[-1]
    edges = np.arange(number + 1) / number
    weights = np.clip(np.minimum(edges[1:], 0.75) - np.maximum(edges[:-1], 0.25), 0, None)
    return np.sort(values, -1) @ (weights / weights.sum())


def probability_of_improvement(a: Array, b: Array) -> Estimate:
    """P(a run of a scores higher than one of b), a tie counting half (Agarwal et al. 2021, eq. 2; the Mann–Whitney statistic).

    With a few runs a bootstrap of it knows nothing beyond its 0 or 1, so the interval is Newcombe's (Stat. in Med. 25, 2006,
    method 5): the probabilities that the value doesn't speak against.  Example: of (3, 4, 5) and (1, 2, 3): 8.5/9
    """
    value = float((a[:, None] > b[None, :]).mean() + (a[:, None] == b[None, :]).mean() / 2)
    return Estimate(value, 1 - _newcombe(1 - value, len(a), len(b)), _newcombe(value, len(a), len(b)))


def _newcombe(value: float, n: int, m: int) -> float:
    """The largest θ that `value` doesn't speak against, by bisection."""
    z, half = NormalDist().inv_cdf(0.975), (n + m) / 2 - 1

    def deviation(theta: float) -> float:
        return sqrt(theta * (1 - theta) * (1 + half * ((1 - theta) / (2 - theta) + theta / (1 + theta))) / (n * m))

    low, high = value, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if middle - value <= z * deviation(middle) and middle < 1 else (low, middle)
    return low


# ---- intervals over seeds and problems ---------------------------------------------------------------------------------------


def mean_score(scores: Array, strata: Array) -> Estimate:
    """The mean over problems of a new run of the algorithm, with its interval over new seeds and new problems."""
    return _interval(scores, strata, lambda runs: runs.mean(-1))


def robust_score(scores: Array, strata: Array) -> Estimate:
    """The interquartile mean over runs, in the same way: what a single bad seed hardly moves."""
    return _interval(scores, strata, interquartile_mean)


def difference(a: Array, b: Array, strata: Array) -> Estimate:
    """The mean of a less that of b. Both answered the same problems, so what a problem does to both is in neither's favour.

    The degrees of freedom are Welch's, from the runs' variances."""
    rng, value = np.random.default_rng(SEED), float(a.mean() - b.mean())
    if min(len(a), len(b)) < 2:
        return Estimate(value, -inf, inf)
    runs_a, runs_b = a.mean(1), b.mean(1)
    parts = [runs.var(ddof=1) / len(runs) for runs in (runs_a, runs_b)]
    squares = sum(part**2 / (len(runs) - 1) for part, runs in zip(parts, (runs_a, runs_b), strict=True))
    freedom = max(1.0, sum(parts) ** 2 / squares) if squares else inf
    wider = _wider(freedom)
    seeds = [wider * sqrt(len(r) / (len(r) - 1)) * (_redrawn(r, rng).mean(-1) - r.mean()) for r in (runs_a, runs_b)]
    problems = _redrawn_problems(a.mean(0) - b.mean(0), strata, rng) - value
    return _of_deviations(value, seeds[0] - seeds[1] + problems)


def _interval(scores: Array, strata: Array, of_runs: Callable[[Array], Array]) -> Estimate:
    """A statistic of the runs' scores: what drawing other seeds does to it, widened for their number, and other problems."""
    rng, runs = np.random.default_rng(SEED), scores.mean(1)
    value = float(of_runs(runs))
    if len(runs) < 2:
        return Estimate(value, -inf, inf)
    shares = bool(np.isin(scores, (0.0, 1.0)).all())
    if shares and value in (0.0, 1.0):  # nothing differs, and drawing it again says nothing; the number of problems does
        return Estimate(value, *wilson(int(value) * len(strata), len(strata)))
    wider = _wider(len(runs) - 1) * sqrt(len(runs) / (len(runs) - 1))
    seeds = wider * (of_runs(_redrawn(runs, rng)) - value)
    problems = _redrawn_problems(scores.mean(0), strata, rng) - runs.mean()
    found = _of_deviations(value, seeds + problems)
    return Estimate(value, max(0.0, found.low), min(1.0, found.high)) if shares else found


def _wider(freedom: float) -> float:
    """How much farther than a normal deviate one of Student's reaches at 97.5 %."""
    return t_quantile(0.975, freedom) / NormalDist().inv_cdf(0.975) if freedom < inf else 1.0


def _redrawn(runs: Array, rng: np.random.Generator) -> Array:
    """[RESAMPLES, S]: the runs' scores, drawn again."""
    return runs[rng.integers(0, len(runs), (RESAMPLES, len(runs)))]


def _redrawn_problems(means: Array, strata: Array, rng: np.random.Generator) -> Array:
    """[RESAMPLES]: the mean over problems ([P], each problem's mean over the runs), problems drawn again within their levels.

    How often each value is drawn is all that counts, so it is drawn by its number: as fast for 2,000 problems as for 20."""
    total = np.zeros(RESAMPLES)
    for level in np.unique(strata):
        values, counts = np.unique(means[strata == level], return_counts=True)
        drawn = rng.multinomial(counts.sum(), counts / counts.sum(), RESAMPLES)
        total += drawn @ values
    return total / len(means)


def _of_deviations(value: float, deviations: Array) -> Estimate:
    low, high = np.quantile(deviations, (0.025, 0.975))
    return Estimate(value, value + float(low), value + float(high))


# ---- what to do about a tie --------------------------------------------------------------------------------------------------


def apart(a: Estimate, b: Estimate) -> bool:
    """Whether two intervals have no point in common."""
    return a.low > b.high or b.low > a.high


def seeds_to_settle(a: Array, b: Array, strata: Array, most: int = 100) -> int | None:
    """How many runs of each would pull the intervals apart if means and spreads stayed as they are; None where `most` wouldn't,
    be it that the scores are too near or that the problems are too few."""
    gap = abs(float(a.mean() - b.mean()))
    if min(len(a), len(b)) < 2 or gap == 0:
        return None
    problems = sum(_reach_of_problems(scores.mean(0), strata) for scores in (a, b))
    spread = sum(float(scores.mean(1).std(ddof=1)) for scores in (a, b))
    for seeds in range(max(len(a), len(b)) + 1, most + 1):
        if t_quantile(0.975, seeds - 1) * spread / sqrt(seeds) + problems < gap:
            return seeds
    return None


def _reach_of_problems(means: Array, strata: Array) -> float:
    """Half the width of the interval that the problems alone give."""
    variance = sum(float(means[strata == s].var()) * int((strata == s).sum()) for s in np.unique(strata)) / len(means) ** 2
    return NormalDist().inv_cdf(0.975) * sqrt(variance)


# ---- curves ------------------------------------------------------------------------------------------------------------------


def area_under(at: Array, scores: Array) -> float:
    """The mean height of a curve (trapezoids), so that it compares with a score; NaN of a single point.

    Example: at 0, 1, 3 with scores 0, 1, 1: (½ + 2)/3 == 0.833"""
    width = at[-1] - at[0] if len(at) else 0.0
    return float(np.trapezoid(scores, at) / width) if width > 0 else nan


def first_reaching(at: Array, scores: Array, target: float) -> float:
    """Where a curve first reaches a height, on the line between two evaluations; inf where it never does.

    Example: at 0, 10 with scores 0, 1 and target .5: 5"""
    for i, score in enumerate(scores):
        if score >= target:
            if i == 0:
                return float(at[0])
            share = (target - scores[i - 1]) / (score - scores[i - 1])
            return float(at[i - 1] + share * (at[i] - at[i - 1]))
    return inf
