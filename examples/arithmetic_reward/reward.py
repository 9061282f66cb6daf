"""Rewards with TRL's signature: called once a batch with keywords, a number for each completion.

Every column of prompts.jsonl arrives as a list in the order of the completions; here that is `answer`.
"""


def number_reward(completions, **kwargs):
    """The share of characters that are digits: what a model that can't calculate yet learns first."""
    return [sum(c in "0123456789" for c in text) / len(text) if text else 0.0 for text in completions]


def correct_reward(completions, answer, **kwargs):
    """1 for the right number and nothing else."""
    return [float(text.strip() == str(right)) for text, right in zip(completions, answer, strict=True)]
