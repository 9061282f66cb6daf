"""DPO: a preferred answer should gain on a rejected one, measured from where the policy began."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from annotated_types import Ge, Lt
from torch import Tensor

from quintet.data import Batch, Fact, Needs, Outputs
from quintet.equations.advantages import on_tokens
from quintet.equations.preferences import hinge, ipo, on_pairs, preference_sign, ranked_pairs, robust, sigmoid
from quintet.equations.reduce import answer_sums, token_weights
from quintet.knobs import Positive
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class DPO:
    """L = E[−log σ(β·[log π/π_ref (o⁺) − log π/π_ref (o⁻)])].  Source: arXiv:2305.18290, eq. 7.

    A preference pair is a group of two with rewards 1 and 0; a sampled group makes up to G/2 pairs, its best with its worst."""

    beta: Positive = 0.1
    """How far the policy may leave the reference for a preference: the smaller, the farther."""
    form: Literal["sigmoid", "ipo", "hinge", "robust"] = "sigmoid"
    """The loss of a margin: DPO's; IPO's square, which wants a margin of 1/(2β) and no more; SLiC's hinge; or the one that is
    unbiased when a known share of the labels is wrong (`label_smoothing`)."""
    label_smoothing: Annotated[float, Ge(0), Lt(0.5)] = 0.0
    """Share of pairs that are taken to be the wrong way round; with sigmoid and robust."""
    pairs: Literal["sampled", "data"] = "sampled"
    """Answers sampled on the way and ranked by the task's reward (online), or the data's prompt, chosen, rejected (offline).
    Where nobody sets it, data that have such pairs are learned from."""
    update: FirstOrder = field(default_factory=lambda: FirstOrder(lr=1e-6))

    @property
    def needs(self) -> Needs:
        return Needs(source="answers" if self.pairs == "sampled" else "preferences", reference=True, pairs=True)

    def check(self, stage: Any) -> list[str]:
        """What keeps this algorithm from learning in a stage (`settings.Stage`), in sentences."""
        found = []
        if self.pairs == "sampled" and stage.group_size < 2:
            found.append(
                f"A pair needs two answers to a prompt; group_size={stage.group_size}. Set group_size=8, or pairs=data."
            )
        if self.label_smoothing and self.form in ("ipo", "hinge"):
            found.append(f"label_smoothing={self.label_smoothing} belongs to the forms sigmoid and robust, not to {self.form}.")
        return found

    def advantage(self, b: Batch) -> Tensor:
        """1 on preferred answers, −1 on rejected ones, 0 on those of no pair: [B, T]."""
        return on_tokens(preference_sign(b.reward, b.group), b.action)

    def weight(self, b: Batch) -> Tensor:
        """Each answer of a pair weighs 1/(2P) altogether, so that what stands on both answers is averaged over pairs."""
        return token_weights(b.action & (b.advantage != 0), "answer")

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−log σ(β·(gain of o⁺ − gain of o⁻)), a gain being log π/π_ref of a whole answer; on both answers of each pair."""
        chosen, rejected = ranked_pairs(b.reward, b.group)
        gain = answer_sums(new.logp - b.ref_logp, b.action)
        difference = gain[chosen] - gain[rejected]
        forms = {
            "sigmoid": lambda: sigmoid(self.beta * difference, self.label_smoothing),
            "robust": lambda: robust(self.beta * difference, self.label_smoothing),
            "hinge": lambda: hinge(self.beta * difference),
            "ipo": lambda: ipo(difference, self.beta),
        }
        margin = on_pairs(self.beta * difference.detach(), chosen, rejected, len(gain))
        return {
            "preference": on_pairs(forms[self.form](), chosen, rejected, len(gain)),
            "margin": Fact(margin),
            "accuracy": margin > 0,
        }
