"""Estimates of KL(new ‖ old) in nats from samples of `new`, token by token, [B, T].

Source for all three: Schulman 2020, "Approximating KL divergence".
"""

from __future__ import annotations

from torch import Tensor


def kl_k1(new: Tensor, old: Tensor) -> Tensor:
    """log(new/old): unbiased, may be negative.  Example: kl_k1(log .5, log .25) == 0.693"""
    return new - old


def kl_k2(new: Tensor, old: Tensor) -> Tensor:
    """½·log²(new/old): biased, never negative, and its gradient is that of the exact KL.

    Example: kl_k2(log .5, log .25) == 0.240
    """
    return 0.5 * (new - old) ** 2


def kl_k3(new: Tensor, old: Tensor) -> Tensor:
    """r − 1 − log r with r = old/new: unbiased and never negative.  DeepSeekMath, arXiv:2402.03300, eq. 4.

    Example: kl_k3(log .5, log .25) == 0.193
    """
    log_r = old - new
    return log_r.exp() - 1 - log_r


DIVERGENCES = {"k1": kl_k1, "k2": kl_k2, "k3": kl_k3}
