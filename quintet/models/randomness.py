"""Random numbers that are a function of what they are for, so that an answer does not depend on its neighbours in the batch
and a resumed run draws what the uninterrupted one would have drawn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser (Steele, Lea and Flood 2014): uint64 to uint64, every input bit reaching every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def keys(seed: int, prompts: np.ndarray, siblings: np.ndarray) -> np.ndarray:
    """One key for each answer from (seed, prompt number, place in the group): [N] uint64."""
    with np.errstate(over="ignore"):
        key = _mixed(np.full(len(prompts), seed, np.uint64) + _GOLDEN)
        key = _mixed(key + prompts.astype(np.uint64) * _GOLDEN)
        return _mixed(key + (siblings.astype(np.uint64) + np.uint64(1)) * _GOLDEN)


def numbered(prompts: int, first: int | Sequence[int]) -> np.ndarray:
    """The number of each prompt: counted on from `first`, or as it says.  Example: numbered(2, 7) is 7, 8"""
    return np.arange(first, first + prompts) if isinstance(first, int) else np.asarray(first, dtype=np.int64)


def uniforms(key: np.ndarray, position: np.ndarray | int) -> np.ndarray:
    """A number in [0, 1) with 24 random bits (all that float32 holds) for each answer's token at `position`: [N] float32."""
    with np.errstate(over="ignore"):
        bits = _mixed(key + (np.asarray(position) + 1).astype(np.uint64) * _GOLDEN)
    return ((bits >> np.uint64(40)).astype(np.float64) * 2.0**-24).astype(np.float32)
