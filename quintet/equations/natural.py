"""Natural gradients without ever building the Fisher matrix. Vectors are lists of parameter-shaped tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from quintet.equations.reduce import dot

Vector = list[Tensor]


def conjugate_gradients(
    product: Callable[[Vector], Vector], target: Sequence[Tensor], iterations: int, tolerance: float = 1e-10
) -> Vector:
    """x with F·x ≈ target for a symmetric positive definite F that is only known by `product(v)` = F·v.

    Stops after `iterations`, or once ‖target − F·x‖² ≤ tolerance · ‖target‖², or where v·F·v ≤ 0 (rounding made F indefinite:
    what was found so far is kept).
    Source: Hestenes and Stiefel 1952; TRPO, arXiv:1502.05477, app. C.
    Example: F = diag(1, 4) and target (1, 2) give (1, .5) in two iterations.
    """
    x = [torch.zeros_like(t) for t in target]
    residual = [t.clone() for t in target]
    direction = [t.clone() for t in target]
    error = start = dot(residual, residual)
    for _ in range(iterations):
        if error <= tolerance * start:
            break
        image = product(direction)
        curvature = dot(direction, image)
        if not curvature > 0:
            break
        length = error / curvature
        add(x, direction, length)
        add(residual, image, -length)
        before, error = error, dot(residual, residual)
        for d, r in zip(direction, residual, strict=True):
            d.mul_(error / before).add_(r)
    return x


def add(a: Sequence[Tensor], b: Sequence[Tensor], scale: float) -> None:
    """a ← a + scale · b, in place: each of these vectors is as large as the model.

    Example: (1, 2) and (1, 0) with scale 3 make the first (4, 2).
    """
    for x, y in zip(a, b, strict=True):
        x.add_(y, alpha=scale)


def longest_step(curvature: float, max_kl: float) -> float:
    """√(2δ / sᵀFs): how far along s the quadratic estimate of KL(old ‖ new) reaches δ; 0 where there is no curvature.

    Source: TRPO, arXiv:1502.05477, app. C.  Example: sᵀFs = 8 and δ = .01 give .05.
    """
    return (2 * max_kl / curvature) ** 0.5 if curvature > 0 else 0.0
