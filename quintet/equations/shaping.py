"""What a reward loses for reasons that are not the task's."""

from __future__ import annotations

from torch import Tensor


def soft_overlong(length: Tensor, longest: int, buffer: float) -> Tensor:
    """The penalty for an answer of `length` [B] tokens: 0 up to `longest − buffer`, from there falling to −1 at `longest`: [B].

    Source: DAPO, arXiv:2503.14476, eq. 13.  Example: 90 tokens of at most 100 with a buffer of 20 give −0.5.
    """
    return -((length - (longest - buffer)) / buffer).clamp(0, 1)


def adapted(coefficient: float, divergence: float, target: float, rate: float = 0.1) -> float:
    """The next coefficient of a divergence that should be `target`: multiplied by 1 + rate · clip(divergence/target − 1, ±0.2).

    Source: Ziegler et al. 2019, arXiv:1909.08593, §2.2.  Example: .2 with 9 nats where 6 are wanted becomes .204.
    """
    error = min(max(divergence / target - 1, -0.2), 0.2)
    return coefficient * (1 + rate * error)
