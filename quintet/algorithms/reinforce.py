"""REINFORCE: raise the log-probability of an answer by how much its reward beat a baseline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import batch_centred, known_minus, leave_one_out, leave_one_out_to_go, on_tokens
from quintet.equations.divergences import DIVERGENCES, kl_k1
from quintet.equations.reduce import Denominator, answer_sums, masked_mean, token_weights
from quintet.equations.returns import paid, to_go
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
    credit: Literal["answer", "to-go"] = "answer"
    """Each token is credited with the whole answer's reward; or with what an environment paid from it on, less what siblings
    earned from then on (with the baselines leave-one-out and none)."""
    beta: NonNegative = 0.0
    """Weight of KL(π ‖ π_ref); 0 keeps no reference model."""
    kl: Literal["k1", "k2", "k3"] = "k3"
    """How the KL in the loss is estimated, token by token (Schulman 2020)."""
    kl_in: Literal["loss", "reward"] = "loss"
    """The KL is a term of the loss, or β·Σ_t log(π/π_ref) is taken off each answer's reward (RLOO)."""
    per: Denominator = "answer"
    """Average over each answer's tokens first, over all tokens of the batch, divide by the longest answer's length, or sum
    over each answer's tokens (Williams; RLOO)."""
    update: FirstOrder = field(default_factory=FirstOrder)

    @property
    def needs(self) -> Needs:
        return Needs(old=self.beta > 0 and self.kl_in == "reward", reference=self.beta > 0)

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
        if self.credit == "to-go" and self.baseline not in ("none", "leave-one-out"):
            found.append(f"credit=to-go has the baselines leave-one-out and none; baseline={self.baseline}. Set one of them.")
        if self.credit == "to-go" and self.beta and self.kl_in == "reward":
            found.append("credit=to-go takes no KL off the reward. Set kl_in=loss, or credit=answer.")
        return found

    def advantage(self, b: Batch) -> Tensor:
        """R − b for each token of an answer, or for what came after it: [B, T]."""
        if self.credit == "to-go":
            returns = to_go(paid(b.reward, b.action, b.earned), b.action)
            if self.baseline == "leave-one-out":
                returns = leave_one_out_to_go(returns, b.group, torch.isfinite(b.reward))
            return torch.where(b.action, returns, 0.0)
        reward = b.reward
        if self.beta and self.kl_in == "reward":
            reward = reward - self.beta * answer_sums(kl_k1(b.old_logp, b.ref_logp), b.action)
        centred = {
            "none": lambda: known_minus(reward, 0.0),
            "batch": lambda: batch_centred(reward),
            "leave-one-out": lambda: leave_one_out(reward, b.group),
            "moving": lambda: known_minus(reward, b.notes.get("reward_mean", 0.0)),
        }
        return on_tokens(centred[self.baseline](), b.action)

    def notes(self, b: Batch) -> Mapping[str, float]:
        """The moving mean of steps' mean rewards; it begins with the first step that has any."""
        known = torch.isfinite(b.reward)
        if self.baseline != "moving" or not bool(known.any()):
            return b.notes
        mean = float(masked_mean(b.reward, known))
        return {"reward_mean": 0.9 * b.notes["reward_mean"] + 0.1 * mean if "reward_mean" in b.notes else mean}

    def weight(self, b: Batch) -> Tensor:
        return token_weights(b.action, self.per, b.longest)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−A·log π, and β·KL where the loss has it."""
        terms = {"policy": log_likelihood(new.logp, b.advantage)}
        if self.beta and self.kl_in == "loss":
            terms["kl"] = self.beta * DIVERGENCES[self.kl](new.logp, b.ref_logp)
        return terms
