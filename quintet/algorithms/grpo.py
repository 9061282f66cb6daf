"""GRPO: an answer is judged against its siblings, so no critic is needed. Its family is in family.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from annotated_types import Gt, Le
from torch import Tensor

from quintet.data import Batch, Needs, Outputs
from quintet.equations.advantages import (
    batch_centred,
    group_centred,
    group_standardised,
    leave_one_out,
    on_tokens,
    whitened,
)
from quintet.equations.divergences import DIVERGENCES, kl_k1
from quintet.equations.reduce import Denominator, answer_sums, token_weights, top_share
from quintet.equations.returns import to_go
from quintet.equations.shaping import soft_overlong
from quintet.equations.steps import process_advantages
from quintet.equations.surrogates import (
    answer_log_ratio,
    clipped,
    clipped_surrogate,
    clipped_weight,
    truncated_importance,
)
from quintet.knobs import Fraction, NonNegative, Positive, Whole
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class GRPO:
    """J = E[1/G Σ_i 1/|o_i| Σ_t (min(ρA, clip(ρ, 1 − ε, 1 + ε)A) − β·k3)].  Source: arXiv:2402.03300, eq. 3."""

    clip: tuple[NonNegative, NonNegative] = (0.2, 0.2)
    """How far the ratio π/π_old may pull below and above 1 before its gradient stops. 0.2 each in the paper of PPO."""
    delta: NonNegative = 0.0
    """Two-sided clip: where A < 0 the ratio counts as at most this, which should be above 1 + the upper clip (INTELLECT-2: 4);
    0 sets no bound."""
    surrogate: Literal["clip", "weight"] = "clip"
    """clip stops the gradient of a token whose ratio went too far; weight keeps it, and bounds the ratio it is weighed by at
    1 + the upper clip (CISPO)."""
    ratio: Literal["token", "answer"] = "token"
    """The ratio of each token, or of the whole answer, (π/π_old)^(1/|o|) (GSPO; its clip is about 4e-4)."""
    beta: NonNegative = 0.0
    """Weight of KL(π ‖ π_ref). The paper has 0.04; 0 keeps no reference model."""
    kl: Literal["k1", "k2", "k3"] = "k3"
    """How the KL in the loss is estimated, token by token (Schulman 2020); k3 in the paper. k1 has the right value, but its
    gradient is 0 on average."""
    kl_in: Literal["loss", "reward"] = "loss"
    """The KL is a term of the loss (the paper), or β·log(π/π_ref) is taken off each token's reward (REINFORCE++)."""
    supervision: Literal["outcome", "process"] = "outcome"
    """One reward for an answer's end, or one for each of its steps, where the task judges steps."""
    baseline: Literal["group", "leave-one-out", "batch", "none"] = "group"
    """The mean that is taken off the reward: of the group, of the answer's siblings (RLOO), or of the batch."""
    scale: Literal["group", "batch", "none"] = "group"
    """Divide by the standard deviation of the group's rewards (the paper), of the batch's advantages (REINFORCE++), or not at
    all (Dr. GRPO)."""
    ddof: Whole = 1
    """Degrees of freedom taken off in that deviation; the paper gives none, 1 is usual."""
    eps: NonNegative = 1e-4
    """Added to that deviation; the paper gives none."""
    per: Denominator = "answer"
    """Average over each answer's tokens first (the paper), over all tokens of the batch (DAPO), divide by the longest answer's
    length (Dr. GRPO), or sum over each answer's tokens."""
    resample: Whole = 0
    """Drop groups whose answers all earned the same and sample others in their place, at most this many times a step (DAPO)."""
    overlong: Fraction = 0.0
    """Share of the longest answer, its end, over which a penalty grows to 1 (DAPO's soft overlong punishment: 0.2); 0: none."""
    mask_truncated: bool = False
    """Learn nothing from answers that were cut off (DAPO's overlong filtering)."""
    top_entropy: Annotated[float, Gt(0), Le(1)] = 1.0
    """Share of the batch's tokens, those of the highest entropy, that the policy term learns from (arXiv:2506.01939: 0.2)."""
    correction: Literal["none", "token", "answer"] = "none"
    """Weigh each token, or answer, by min(π_old/π_b, cap), where the sampler's distribution π_b is not quite the learner's."""
    correction_cap: Positive = 2.0
    """The most that such a weight may be."""
    update: FirstOrder = field(default_factory=FirstOrder)

    @property
    def needs(self) -> Needs:
        """`old_logp` where a batch is visited twice or the KL is in the reward; a reference where there is a KL."""
        priced = self.beta > 0 and self.kl_in == "reward"
        return Needs(
            old=priced or not self.update.visits_once,
            entropy=self.top_entropy < 1,
            reference=self.beta > 0,
            resample=self.resample,
        )

    def check(self, stage: Any) -> list[str]:
        """What keeps this algorithm from learning in a stage (`settings.Stage`), in sentences."""
        found = []
        siblings = self.baseline in ("group", "leave-one-out") or self.scale == "group" or self.supervision == "process"
        if siblings and stage.group_size < 2:
            found.append(
                "GRPO compares siblings and needs at least 2 answers a prompt; "
                f"group_size={stage.group_size}. Set group_size=8, or choose reinforce."
            )
        if self.scale == "group" and self.baseline != "group":
            found.append(
                f"scale=group divides by a deviation around the group's mean, but baseline={self.baseline} takes off another. "
                "Set scale=batch or scale=none, or baseline=group."
            )
        priced = self.beta > 0 and self.kl_in == "reward"
        of_answers = self.baseline != "group" or self.scale != "group" or self.overlong or priced
        if self.supervision == "process" and of_answers:
            found.append(
                "supervision=process standardises the rewards of steps within a group: another baseline or scale, overlong and "
                "kl_in=reward do nothing there. Leave them as they are by default, or set supervision=outcome."
            )
        if self.delta and self.delta <= 1 + self.clip[1]:
            found.append(f"delta={self.delta} must be above 1 + the upper clip, {1 + self.clip[1]:g}; 4 is usual, 0 sets none.")
        return found

    def advantage(self, b: Batch) -> Tensor:
        """(r − mean r)/std r within the group, on each token of the answer, or of its steps: [B, T]. 0 where entropy is too
        low."""
        advantage = self._of_steps(b) if self.supervision == "process" else self._of_answers(b)
        if self.top_entropy < 1:
            advantage = torch.where(top_share(b.entropy, b.action, self.top_entropy), advantage, 0.0)
        return advantage

    def _of_answers(self, b: Batch) -> Tensor:
        reward = b.reward
        if self.overlong and b.longest:
            reward = reward + soft_overlong(b.action.sum(1).to(reward.dtype), b.longest, self.overlong * b.longest)
        if self.scale == "group":
            centred = group_standardised(reward, b.group, self.ddof, self.eps)
        else:
            centred = {
                "group": lambda: group_centred(reward, b.group),
                "leave-one-out": lambda: leave_one_out(reward, b.group),
                "batch": lambda: batch_centred(reward),
                "none": lambda: torch.where(torch.isfinite(reward), reward, 0.0),
            }[self.baseline]()
        advantage = on_tokens(centred, b.action)
        if self.beta and self.kl_in == "reward":
            advantage = advantage - self.beta * to_go(kl_k1(b.old_logp, b.ref_logp), b.action)
        return whitened(advantage, b.action, self.ddof, self.eps) if self.scale == "batch" else advantage

    def _of_steps(self, b: Batch) -> Tensor:
        if b.step_reward is None:
            raise ValueError(
                "supervision=process learns from rewards of single steps, but the task gave none (Verdict.steps). "
                "Set supervision=outcome, or choose a task that judges steps, such as arithmetic with target=steps."
            )
        return process_advantages(b.step_reward, b.group, b.action, self.ddof, self.eps)

    def weight(self, b: Batch) -> Tensor:
        """[B, T]. Without a KL term a token of advantage 0 pulls nowhere, whatever the ratio: its weight is 0, *after* it was
        counted in the denominators, and the learner need not visit an answer of such tokens. So is a masked answer's."""
        learned = b.action & ~b.truncated[:, None] if self.mask_truncated else b.action
        weight = token_weights(learned, self.per, b.longest)
        return weight if self.beta and self.kl_in == "loss" else torch.where(b.advantage == 0, 0.0, weight)

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−min(ρA, clip(ρ)A) + β·KL, and where the clip was at work."""
        log_ratio = new.logp - b.old_logp
        if self.ratio == "answer":
            log_ratio = answer_log_ratio(log_ratio, b.action)
        if self.surrogate == "weight":
            policy = clipped_weight(log_ratio, new.logp, b.advantage, 1 + self.clip[1])
        else:
            policy = clipped_surrogate(log_ratio, b.advantage, self.clip, self.delta)
        if self.correction != "none":
            policy = policy * self._correction(b)
        low, high = clipped(log_ratio, b.advantage, self.clip, self.delta)
        terms = {
            "policy": policy,
            "clip_ratio/low_mean": low,
            "clip_ratio/high_mean": high,
            "clip_ratio/region_mean": low | high,
        }
        if self.beta and self.kl_in == "loss":
            terms["kl"] = self.beta * DIVERGENCES[self.kl](new.logp, b.ref_logp)
        return terms

    def _correction(self, b: Batch) -> Tensor:
        if self.correction == "token":
            return truncated_importance(b.old_logp, b.behaviour_logp, self.correction_cap)
        old, behaviour = (answer_sums(x, b.action)[:, None] for x in (b.old_logp, b.behaviour_logp))
        return truncated_importance(old, behaviour, self.correction_cap)
