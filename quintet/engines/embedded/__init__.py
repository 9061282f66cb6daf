"""Sampler and learner in one process, sharing one module: new weights reach the sampler without a copy."""

from quintet.engines import Engine
from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.engines.embedded.memory import foresee
from quintet.engines.embedded.sampler import EmbeddedSampler
from quintet.models.load import Policy, load
from quintet.models.tree_attention import misfit

__all__ = ["ENGINE", "EmbeddedLearner", "EmbeddedSampler"]


def _remark(policy: Policy) -> str:
    reason, name = misfit(policy.model), type(policy.model).__name__
    way = f"{name} takes the plain way, slower and in more memory: tree attention does not fit it ({reason})."
    return way if reason else ""


ENGINE = Engine(load, EmbeddedSampler, EmbeddedLearner, _remark, foresee)
