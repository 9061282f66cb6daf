"""Muon (Jordan 2024, "Muon: an optimizer for hidden layers in neural networks") in float32 on processors.

torch.optim.Muon orthogonalises in bfloat16, which is right on a GPU. A processor without instructions for it takes 27 times as
long, and a training step five times (docs/log.md). So this is ours, with torch's state; it is scaled to AdamW's step size
(Liu et al. 2025, arXiv:2502.16982), so that one learning rate serves both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import torch
from torch import Tensor, nn

A, B, C = 3.4445, -4.775, 2.0315
"""Coefficients of the quintic iteration: steep at 0, so that five steps bring every singular value near 1."""
STEPS = 5
MOMENTUM = 0.95
LIKE_ADAMW = 0.2
"""Root mean square of an AdamW step per unit of learning rate, as observed."""


class Muon(torch.optim.Optimizer):
    """For matrices. W ← (1 − lr · decay) W − lr · 0.2 · √max(m, n) · orthogonal(G + momentum)."""

    def __init__(self, matrices: Sequence[nn.Parameter], lr: float, weight_decay: float) -> None:
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step; matrices without a gradient stay."""
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for shape, matrices in alike.items():
                directions = orthogonal(torch.stack([self._pushed(m) for m in matrices]))
                size = group["lr"] * LIKE_ADAMW * max(shape) ** 0.5
                for matrix, direction in zip(matrices, directions, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"]).sub_(direction, alpha=size)

    def _pushed(self, matrix: nn.Parameter) -> Tensor:
        """The gradient with Nesterov's momentum."""
        gradient, state = matrix.grad, self.state[matrix]
        assert gradient is not None
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        state["momentum_buffer"].lerp_(gradient, 1 - MOMENTUM)
        return gradient.lerp(state["momentum_buffer"], MOMENTUM)


def orthogonal(matrices: Tensor) -> Tensor:
    """U Vᵀ, roughly, of each U S Vᵀ: [k, m, n] from [k, m, n], singular values between 0.7 and 1.2 in the place of S's."""
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    x = x if x.device.type == "cpu" else x.bfloat16()
    for _ in range(STEPS):
        gram = x @ x.transpose(1, 2)
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=B, alpha=C), x, beta=A)
    return (x.transpose(1, 2) if tall else x).to(matrices)
