"""Sampler and learner in one process, sharing one module: new weights reach the sampler without a copy."""

from collections.abc import Iterator

import torch

from quintet.engines import Engine
from quintet.engines.embedded.device import computes_bfloat16
from quintet.engines.embedded.learner import EmbeddedLearner
from quintet.engines.embedded.memory import foresee
from quintet.engines.embedded.sampler import EmbeddedSampler
from quintet.models.load import Policy, load
from quintet.models.tree_attention import misfit
from quintet.settings import Machine

__all__ = ["ENGINE", "EmbeddedLearner", "EmbeddedSampler"]


def _remarks(policy: Policy, device: torch.device, machine: Machine) -> Iterator[str]:
    if reason := misfit(policy.model):
        name = type(policy.model).__name__
        yield f"{name} takes the plain way, slower and in more memory: tree attention does not fit it ({reason})."
    if "bfloat16" in (machine.dtype, machine.sampling_dtype) and not computes_bfloat16(device):
        yield (
            "This processor has no instructions for bfloat16 and takes some hundred times as long for it as for float32. "
            'Set dtype = "float32" and leave sampling_dtype out.'
        )


ENGINE = Engine(load, EmbeddedSampler, EmbeddedLearner, _remarks, foresee)
