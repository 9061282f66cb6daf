"""Learning by imitation: of demonstrations (SFT), or of one's own answers that were right (RFT)."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
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
    """Average over all tokens of the batch, over each answer's first, divide by the longest answer's length, or sum."""
    update: FirstOrder = field(default_factory=lambda: FirstOrder(lr=1e-3, warmup=0.05, schedule="cosine"))

    @property
    def needs(self) -> Needs:
        return Needs(source="demonstrations")

    def advantage(self, b: Batch) -> Tensor:
        """1 on each token of a demonstration: [B, T]."""
        return on_tokens(b.reward, b.action)

    def weight(self, b: Batch) -> Tensor:
        return token_weights(b.action, self.per, b.longest)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−log π of the demonstrated tokens."""
        return {"policy": log_likelihood(new.logp, b.advantage)}


@dataclass(frozen=True)
class RFT:
    """∇J = E[1/|o| Σ_t I(o is right)·∇log π(o_t)]: rejection fine-tuning.  Source: arXiv:2402.03300, §5.2."""

    online: bool = False
    """Sample from the policy as it is now (Online RFT), or as it was when the stage began (RFT)."""
    accept: float = 1.0
    """Answers that earned at least this are imitated."""
    per: Denominator = "answer"
    """Average over each answer's tokens first, over all tokens of the batch, divide by the longest, or sum."""
    update: FirstOrder = field(default_factory=FirstOrder)

    @property
    def needs(self) -> Needs:
        return Needs(frozen_sampler=not self.online)

    def advantage(self, b: Batch) -> Tensor:
        """1 on each token of an answer that is right, 0 elsewhere: [B, T]."""
        return on_tokens((b.reward >= self.accept).to(b.reward.dtype), b.action)

    def weight(self, b: Batch) -> Tensor:
        """The mean counts every answer; wrong ones need not be visited."""
        return torch.where(b.advantage == 0, 0.0, token_weights(b.action, self.per, b.longest))

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−log π of answers that were right."""
        return {"policy": log_likelihood(new.logp, b.advantage)}
