"""Quintet: REINFORCE, TRPO, PPO, DPO and GRPO behind one loop, one batch and one reward interface."""

import sys

__version__ = "0.1.0"

if sys.version_info < (3, 11):  # noqa: UP036 (a folder on the path asks no installer)
    sys.exit(f"Quintet needs Python 3.11 or newer; this is {sys.version.split()[0]}. Make an environment with a newer one.")
