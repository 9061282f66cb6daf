"""TRPO: the step that improves the surrogate most within a region where the surrogate can be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import group_standardised, leave_one_out, on_tokens, whitened
from quintet.equations.reduce import Denominator, token_weights
from quintet.equations.returns import explained_variance, gae, paid
from quintet.equations.surrogates import importance_weighted, value_error
from quintet.knobs import Fraction
from quintet.protocols import Terms
from quintet.updates import NaturalStep


@dataclass(frozen=True)
class TRPO:
    """maximise E[ρA] subject to E[KL(π_old ‖ π)] ≤ δ, A by GAE.  Source: arXiv:1502.05477, eq. 14."""

    baseline: Literal["critic", "group", "leave-one-out"] = "critic"
    """Advantages by GAE with a critic (a network of its own), or without one: the group's z-score, or the reward less the
    siblings' mean."""
    gamma: Fraction = 1.0
    """γ: what a reward one token later is worth."""
    lam: Fraction = 0.95
    """λ of GAE: 0 trusts the critic alone, 1 the rewards alone."""
    whiten: bool = True
    """Bring the batch's advantages to mean 0 and deviation 1."""
    per: Denominator = "token"
    """Average the surrogate over all tokens of the batch, over each answer's first, divide by the longest, or sum."""
    update: NaturalStep = field(default_factory=NaturalStep)

    @property
    def needs(self) -> Needs:
        return Needs(old=True, critic="separate" if self.baseline == "critic" else "none")

    def check(self, stage: Any) -> list[str]:
        """What keeps this algorithm from learning in a stage (`settings.Stage`), in sentences."""
        if self.baseline == "critic" or stage.group_size >= 2:
            return []
        return [
            f"baseline={self.baseline} compares siblings and needs at least 2 answers a prompt; group_size={stage.group_size}. "
            "Set group_size=8, or baseline=critic."
        ]

    def advantage(self, b: Batch) -> Tensor:
        """GAE, or the answer's advantage over its siblings: [B, T]."""
        if self.baseline == "critic":
            advantage = self._gae(b)
        elif self.baseline == "group":
            advantage = on_tokens(group_standardised(b.reward, b.group), b.action)
        else:
            advantage = on_tokens(leave_one_out(b.reward, b.group), b.action)
        return whitened(advantage, b.action) if self.whiten else advantage

    def _gae(self, b: Batch) -> Tensor:
        return gae(paid(b.reward, b.action, b.earned), b.value, b.action, self.gamma, self.lam)

    def notes(self, b: Batch) -> Mapping[str, float]:
        """How much of the returns the critic foresaw."""
        if self.baseline != "critic":
            return {}
        return {"explained_variance": float(explained_variance(b.value, self._gae(b) + b.value, b.action))}

    def weight(self, b: Batch) -> Tensor:
        return token_weights(b.action, self.per, b.longest)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−ρ·A for the policy's natural step; ½(V − R)² for the critic's steps, which run it alone."""
        terms = {}
        if new.logp is not None:
            terms["policy"] = importance_weighted(new.logp - b.old_logp, b.advantage)
        if new.value is not None:
            terms["value"] = value_error(new.value, self._gae(b) + b.value, b.value)
        return terms
