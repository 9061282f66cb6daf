"""GRPO: an answer is judged against its siblings, so no critic is needed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import group_centred, group_standardised, on_tokens
from quintet.equations.divergences import kl_k3
from quintet.equations.reduce import Denominator, token_weights
from quintet.equations.surrogates import clipped, clipped_surrogate
from quintet.knobs import NonNegative, Whole
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class GRPO:
    """J = E[1/G Σ_i 1/|o_i| Σ_t (min(ρA, clip(ρ, 1 − ε, 1 + ε)A) − β·k3)].  Source: arXiv:2402.03300, eq. 3."""

    clip: tuple[NonNegative, NonNegative] = (0.2, 0.2)
    """How far the ratio π/π_old may pull below and above 1 before its gradient stops. 0.2 each in the paper of PPO."""
    beta: NonNegative = 0.0
    """Weight of KL(π ‖ π_ref) in the loss, estimated by k3. The paper has 0.04; 0 keeps no reference model."""
    standardise: bool = True
    """Divide by the standard deviation of the group's rewards (the paper), or only take off their mean (Dr. GRPO)."""
    ddof: Whole = 1
    """Degrees of freedom taken off in that deviation; the paper gives none, 1 is usual."""
    eps: NonNegative = 1e-4
    """Added to that deviation; the paper gives none."""
    per: Denominator = "answer"
    """Average over each answer's tokens first (the paper), over all tokens of the batch (DAPO), or divide by the longest
    answer's length (Dr. GRPO)."""
    update: FirstOrder = field(default_factory=FirstOrder)

    @property
    def needs(self) -> Needs:
        return Needs(old=not self.update.visits_once, reference=self.beta > 0)

    def check(self, stage: Any) -> list[str]:
        """What keeps this algorithm from learning in a stage (`settings.Stage`), in sentences."""
        if stage.group_size >= 2:
            return []
        return [
            "GRPO compares siblings and needs at least 2 answers a prompt; "
            f"group_size={stage.group_size}. Set group_size=8, or choose reinforce."
        ]

    def advantage(self, b: Batch) -> Tensor:
        """Outcome supervision: (r − mean r)/std r within the group, on every token of the answer: [B, T]."""
        if self.standardise:
            return on_tokens(group_standardised(b.reward, b.group, self.ddof, self.eps), b.action)
        return on_tokens(group_centred(b.reward, b.group), b.action)

    def weight(self, b: Batch) -> Tensor:
        """[B, T]. Without a KL term an answer of advantage 0 pulls nowhere, whatever the ratio: its weight is 0, *after* it
        was counted in the denominators, and the learner need not visit it."""
        weight = token_weights(b.action, self.per, b.longest)
        return weight if self.beta else torch.where(b.advantage == 0, 0.0, weight)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−min(ρA, clip(ρ)A) + β·k3, and where the clip was at work."""
        log_ratio = new.logp - b.old_logp
        low, high = clipped(log_ratio, b.advantage, self.clip)
        terms = {
            "policy": clipped_surrogate(log_ratio, b.advantage, self.clip),
            "clip_ratio/low_mean": low,
            "clip_ratio/high_mean": high,
            "clip_ratio/region_mean": low | high,
        }
        return terms | ({"kl": self.beta * kl_k3(new.logp, b.ref_logp)} if self.beta else {})
