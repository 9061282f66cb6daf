"""Quintet: REINFORCE, TRPO, PPO, DPO and GRPO behind one loop, one batch and one reward interface."""

__version__ = "0.1.0"
