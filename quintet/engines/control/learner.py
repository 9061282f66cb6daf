"""The embedded learner, with networks that read observations in the place of tokens."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from quintet.data import Batch, Needs, Outputs
from quintet.engines.control import policy
from quintet.engines.embedded.device import precision
from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.models.logprobs import selected


class ControlLearner(EmbeddedLearner):
    """`protocols.Learner` on `policy.MLP`s: column t of a batch's `observation` is what token t was chosen on, so nothing is
    shifted."""

    scalar_model = staticmethod(policy.scalar_model)
    value_head = staticmethod(policy.value_head)

    def prepare(self, needs: Needs, score: Any = None) -> None:
        """Make the networks that are needed and not there yet."""
        if needs.score:
            raise ValueError("A reward model reads texts, and an environment has none. Leave this stage out.")
        super().prepare(needs)

    def _policy(self, model: Any, batch: Batch, head: nn.Linear | None = None) -> Outputs:
        with precision(self.device, self.dtype):
            hidden = model.trunk(batch.observation)
            said = selected(model.head(hidden), batch.tokens, self.sampling)
            return Outputs(*said, *(() if head is None else (head(hidden)[..., 0].float(),)))

    def _values(self, batch: Batch) -> Tensor:
        assert self.critic is not None
        with precision(self.device, self.dtype):
            return self.critic(batch.observation)[..., 0].float()
