"""Supervised fine-tuning: every token of a demonstration counts the same."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import on_tokens
from quintet.equations.reduce import Denominator, token_weights
from quintet.equations.surrogates import log_likelihood
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class SFT:
    """∇J = E[1/|o| Σ_t ∇log π(o_t)]: the unified view's gradient coefficient is 1.  Source: arXiv:2402.03300, §5.2."""

    per: Denominator = "token"
    """Average over all tokens of the batch, or over each answer's tokens first."""
    update: FirstOrder = field(default_factory=lambda: FirstOrder(lr=1e-3, warmup=0.05, schedule="cosine"))

    @property
    def needs(self) -> Needs:
        return Needs(demonstrations=True)

    def advantage(self, b: Batch) -> Tensor:
        """1 on each token of a demonstration: [B, T]."""
        return on_tokens(b.reward, b.action)

    def weight(self, b: Batch) -> Tensor:
        return token_weights(b.action, self.per, b.longest)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−log π of the demonstrated tokens."""
        return {"policy": log_likelihood(new.logp, b.advantage)}
