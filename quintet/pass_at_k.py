"""What several answers to a problem are worth: whether one of them is right (Pass@K), and whether their majority is (Maj@K)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import comb
from statistics import fmean

import numpy as np

from quintet.intervals import wilson

RESAMPLES = 2000
SEED = 20210707  # the same problems are drawn for every evaluation of as many problems


def pass_at_k(answers: int, right: int, k: int) -> float:
    """The chance that of k answers, drawn without replacement from `answers` of which `right` are right, one at least is.

    1 − C(answers − right, k) / C(answers, k), an unbiased estimate from more than k answers of what k answers would do.
    Source: Chen et al. 2021 (arXiv:2107.03374), eq. 1.  Example: pass_at_k(4, 1, 2) == 1 − 3/6 == 0.5
    """
    assert 0 <= right <= answers
    assert 1 <= k <= answers
    return 1 - comb(answers - right, k) / comb(answers, k)


def maj_at_k(votes: Sequence[str | None], right: Sequence[bool], k: int) -> float:
    """1 if the answer that most of the first k votes are for is right, else 0. Who gives no answer (None) doesn't vote; of
    answers with equally many votes the one seen first wins.

    Source: Wang et al. 2022 (arXiv:2203.11171).  Example: maj_at_k(["7", "8", "8"], [True, False, False], 3) == 0
    """
    assert 1 <= k <= len(votes) == len(right)
    counted = Counter(vote for vote in votes[:k] if vote is not None)  # in the order first seen, which max keeps
    if not counted:
        return 0.0
    winner = max(counted, key=counted.__getitem__)
    return float(right[votes.index(winner)])


def sizes(k: int) -> list[int]:
    """The numbers of answers a curve is drawn at: the powers of two up to k, and k.  Example: sizes(12) == [1, 2, 4, 8, 12]"""
    return [*(2**i for i in range(k.bit_length()) if 2**i < k), k]


def mean_with_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float, float]:
    """The mean over problems, and its interval: Wilson's where every problem counts 0 or 1, else the bootstrap's percentiles.

    Answers to one problem resemble each other, so whole problems are drawn again, never single answers. One problem says
    nothing of others: its interval is (0, 1). (nan, 0, 1) of none."""
    if len(values) < 2:
        return (values[0] if values else float("nan")), 0.0, 1.0
    if all(value in (0, 1) for value in values):
        return fmean(values), *wilson(int(sum(values)), len(values), confidence)
    given, rng = np.asarray(values, dtype=np.float64), np.random.default_rng(SEED)
    means = [given[rng.integers(0, len(given), len(given))].mean() for _ in range(RESAMPLES)]
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return fmean(values), float(low), float(high)
