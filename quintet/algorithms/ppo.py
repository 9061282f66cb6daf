"""PPO: a critic says what was to be expected, and a clip how far a batch may be followed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import whitened
from quintet.equations.divergences import kl_k1
from quintet.equations.reduce import Denominator, answer_sums, masked_mean, token_weights
from quintet.equations.returns import explained_variance, gae, paid
from quintet.equations.shaping import adapted
from quintet.equations.surrogates import clipped, clipped_surrogate, value_error
from quintet.knobs import Fraction, NonNegative
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class PPO:
    """J = E[min(ρA, clip(ρ, 1 − ε, 1 + ε)A) − c₁·½(V − R)² + c₂·H], A by GAE.  Source: arXiv:1707.06347, eq. 7 and 9."""

    clip: tuple[NonNegative, NonNegative] = (0.2, 0.2)
    """How far the ratio π/π_old may pull below and above 1 before its gradient stops."""
    critic: Literal["separate", "head"] = "separate"
    """A second network as large as the policy, begun from its weights; or a head on the policy's own trunk, which costs next
    to nothing but shares its features."""
    value_weight: NonNegative = 1.0
    """c₁. With a separate critic only the balance with its gradient's clip depends on it; a head wants about 0.1."""
    value_clip: NonNegative = 0.2
    """How far a value may move from the old one before its error counts in full; 0 sets no bound."""
    entropy_weight: NonNegative = 0.0
    """c₂, the bonus for entropy."""
    gamma: Fraction = 1.0
    """γ: what a reward one token later is worth. 1 for answers, which end soon and are paid at their end."""
    lam: Fraction = 0.95
    """λ of GAE: 0 trusts the critic alone, 1 the rewards alone."""
    whiten: bool = True
    """Bring the batch's advantages to mean 0 and deviation 1."""
    beta: NonNegative = 0.0
    """Weight of log(π/π_ref), taken off each token's reward (InstructGPT: 0.02); 0 keeps no reference model."""
    kl_target: NonNegative = 0.0
    """Adapt β so that KL(π ‖ π_ref) of an answer stays near this, in nats (Ziegler et al. 2019: 6); 0 keeps β fixed."""
    per: Denominator = "token"
    """Average over all tokens of the batch, over each answer's first, divide by the longest answer's length, or sum."""
    update: FirstOrder = field(default_factory=lambda: FirstOrder(epochs=4, minibatches=4))

    @property
    def needs(self) -> Needs:
        return Needs(old=True, critic=self.critic, reference=self.beta > 0)

    def check(self, stage: object) -> list[str]:
        """What keeps this algorithm from learning, in sentences."""
        if self.kl_target and not self.beta:
            return [f"kl_target={self.kl_target} adapts β, and needs one to begin with. Set beta=0.02, or kl_target=0."]
        return []

    def advantage(self, b: Batch) -> Tensor:
        """GAE of what each token earned (an answer's last one its reward), less β·log(π/π_ref): [B, T]."""
        advantage = self._gae(b)
        return whitened(advantage, b.action) if self.whiten else advantage

    def _gae(self, b: Batch) -> Tensor:
        reward = paid(b.reward, b.action, b.earned)
        if self.beta:
            reward = reward - self._beta(b) * kl_k1(b.old_logp, b.ref_logp)
        return gae(reward, b.value, b.action, self.gamma, self.lam)

    def _beta(self, b: Batch) -> float:
        return b.notes.get("kl_coefficient", self.beta)

    def notes(self, b: Batch) -> Mapping[str, float]:
        """How much of the returns the critic foresaw; the next β."""
        found = {"explained_variance": float(explained_variance(b.value, self._gae(b) + b.value, b.action))}
        if self.kl_target:
            divergences = answer_sums(kl_k1(b.old_logp, b.ref_logp), b.action)
            divergence = masked_mean(divergences, b.action.any(1) & torch.isfinite(divergences))
            found["kl_coefficient"] = adapted(self._beta(b), float(divergence), self.kl_target)
        return found

    def weight(self, b: Batch) -> Tensor:
        return token_weights(b.action, self.per, b.longest)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−min(ρA, clip(ρ)A) + c₁·½(V − R)² − c₂·H. The returns R are the unwhitened advantages and the old values together."""
        log_ratio = new.logp - b.old_logp
        low, high = clipped(log_ratio, b.advantage, self.clip)
        terms = {
            "policy": clipped_surrogate(log_ratio, b.advantage, self.clip),
            "value": self.value_weight * value_error(new.value, self._gae(b) + b.value, b.value, self.value_clip),
            "clip_ratio/low_mean": low,
            "clip_ratio/high_mean": high,
            "clip_ratio/region_mean": low | high,
        }
        return terms | ({"entropy": -self.entropy_weight * new.entropy} if self.entropy_weight else {})
