"""A reward model: a score for whole answers, learned from which of two is better (Bradley and Terry 1952)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from quintet.data import Batch, Fact, Needs, Outputs
from quintet.equations.advantages import on_tokens
from quintet.equations.preferences import on_pairs, preference_sign, ranked_pairs, sigmoid
from quintet.equations.reduce import token_weights
from quintet.knobs import Fraction, NonNegative
from quintet.protocols import Terms
from quintet.updates import FirstOrder


@dataclass(frozen=True)
class RewardModel:
    """L = E[−log σ(s(o⁺) − s(o⁻))].  Source: InstructGPT, arXiv:2203.02155, eq. 1.

    It leaves the policy alone: a second network, begun from the policy's weights, is trained and saved as `reward-model/`."""

    pairs: Literal["sampled", "data"] = "data"
    """The data's own prompt, chosen, rejected, or answers sampled from the policy and ranked by the task's reward."""
    centring: NonNegative = 0.0
    """Weight of (s⁺ + s⁻)², which keeps scores around 0 (Eisenstein et al. 2023, arXiv:2312.09244: 0.01)."""
    begin_from: str = ""
    """The reward model that is trained on: a folder, a hub id or an earlier stage's name; empty makes a new one from the
    policy. In later rounds of a stage that is repeated it is the last round's."""
    replay: Fraction = 0.0
    """Share of each step's prompts that is replaced by answers from earlier rounds, with pairs=sampled; 0.1 in DeepSeekMath's
    Algorithm 1."""
    update: FirstOrder = field(default_factory=lambda: FirstOrder(lr=2e-5))

    @property
    def needs(self) -> Needs:
        source = "answers" if self.pairs == "sampled" else "preferences"
        return Needs(source=source, score=True, pairs=True, begin_from=self.begin_from, replay=self.replay)

    def check(self, stage: Any) -> list[str]:
        """What keeps this algorithm from learning in a stage (`settings.Stage`), in sentences."""
        if self.pairs == "data" and self.replay:
            return [f"Pairs of the data come again by themselves: replay={self.replay} goes with pairs=sampled. Leave it out."]
        if self.pairs == "data" or stage.group_size >= 2:
            return []
        return [f"A pair needs two answers to a prompt; group_size={stage.group_size}. Set group_size=8, or pairs=data."]

    def advantage(self, b: Batch) -> Tensor:
        """1 on preferred answers, −1 on rejected ones, 0 on those of no pair: [B, T]."""
        return on_tokens(preference_sign(b.reward, b.group), b.action)

    def weight(self, b: Batch) -> Tensor:
        """Each answer of a pair weighs 1/(2P) altogether, so that what stands on both answers is averaged over pairs."""
        return token_weights(b.action & (b.advantage != 0), "answer")

    def loss(self, new: Outputs, b: Batch) -> Terms:
        """−log σ(s⁺ − s⁻), and the pull towards 0."""
        chosen, rejected = ranked_pairs(b.reward, b.group)
        better, worse = new.score[chosen, 0], new.score[rejected, 0]
        margin = on_pairs((better - worse).detach(), chosen, rejected, len(new.score))
        terms = {
            "preference": on_pairs(sigmoid(better - worse), chosen, rejected, len(new.score)),
            "margin": Fact(margin),
            "accuracy": margin > 0,
        }
        if self.centring:
            terms["centring"] = self.centring * on_pairs((better + worse) ** 2, chosen, rejected, len(new.score))
        return terms
