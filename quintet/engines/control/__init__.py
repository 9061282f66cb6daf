"""Environments of Gymnasium, played by a small network: an episode is an answer, an action a token. The learner is the
embedded engine's; only how a batch is read differs."""

from quintet.engines import Engine
from quintet.engines.control.learner import ControlLearner
from quintet.engines.control.policy import load
from quintet.engines.control.sampler import ControlSampler

__all__ = ["ENGINE", "ControlLearner", "ControlSampler"]

ENGINE = Engine(load, ControlSampler, ControlLearner, lambda policy, device, machine: ())
