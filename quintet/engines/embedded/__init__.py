"""Sampler and learner in one process, sharing one module: new weights reach the sampler without a copy."""

from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.engines.embedded.sampler import EmbeddedSampler

__all__ = ["EmbeddedLearner", "EmbeddedSampler"]
