"""REINFORCE: raise the log-probability of an answer by how much its reward beat a baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import batch_centred, known_minus, leave_one_out, on_tokens
from quintet.equations.divergences import kl_k3
from quintet.equations.reduce import Denominator, token_weights
from quintet.equations.surrogates import log_likelihood
from quintet.knobs import NonNegative
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class Reinforce:
    """∇J = E[Σ_t (R − b) · ∇log π(o_t)].  Source: Williams 1992."""

    baseline: Literal["none", "batch", "leave-one-out", "moving"] = "leave-one-out"
    """What is taken off the reward: nothing; the batch's mean; the mean of the answer's siblings (arXiv:2402.14740); or
    the moving mean of earlier steps' rewards."""
    beta: NonNegative = 0.0
    """Weight of KL(π ‖ π_ref) in the loss, estimated by k3; 0 keeps no reference model."""
    per: Denominator = "answer"
    """Average over each answer's tokens first, over all tokens of the batch, or divide by the longest answer's length."""
    update: FirstOrder = field(default_factory=FirstOrder)

    @property
    def needs(self) -> Needs:
        return Needs(reference=self.beta > 0)

    def check(self, stage: Any) -> list[str]:
        """What keeps this algorithm from learning in a stage (`settings.Stage`), in sentences."""
        found = []
        if self.baseline == "leave-one-out" and stage.group_size < 2:
            found.append(
                "The leave-one-out baseline is the mean of an answer's siblings and needs at least 2 answers a prompt; "
                f"group_size={stage.group_size}. Set group_size=8, or baseline=batch."
            )
        if self.baseline == "batch" and stage.group_size * stage.prompts_per_step < 2:
            found.append(
                "The batch baseline is the mean of a step's answers and needs at least 2 of them; "
                f"group_size={stage.group_size} and prompts_per_step={stage.prompts_per_step}. "
                "Raise either, or set baseline=moving."
            )
        return found

    def advantage(self, b: Batch) -> Tensor:
        """R − b for each token of an answer: [B, T]."""
        centred = {
            "none": lambda: known_minus(b.reward, 0.0),
            "batch": lambda: batch_centred(b.reward),
            "leave-one-out": lambda: leave_one_out(b.reward, b.group),
            "moving": lambda: known_minus(b.reward, b.reward_mean),
        }
        return on_tokens(centred[self.baseline](), b.action)

    def weight(self, b: Batch) -> Tensor:
        return token_weights(b.action, self.per, b.longest)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−A·log π + β·k3."""
        terms = {"policy": log_likelihood(new.logp, b.advantage)}
        if self.beta:
            terms["kl"] = self.beta * kl_k3(new.logp, b.ref_logp)
        return terms
