"""GRPO and its family: where Quintet and TRL are the same function. Where they are not: test_grpo_differences.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from trl.rewards.other_rewards import get_soft_overlong_punishment

from parity.quintet_side import learn, learn_in_parts
from parity.sample import agree, agree_in_loss, agree_throughout, draw
from parity.trl_side import learn_grpo
from quintet.algorithms import family
from quintet.algorithms.grpo import GRPO
from quintet.updates import FirstOrder

SEEDS = range(5)
AGAIN = FirstOrder(epochs=2)
"""The old policy's log-probabilities are kept, and the ratio is not 1."""

PRESETS: dict[str, tuple[GRPO, dict[str, Any], float]] = {
    "grpo": (GRPO(), {"loss_type": "grpo"}, 0.3),
    "dr-grpo": (family.DR_GRPO, {"loss_type": "dr_grpo", "scale_rewards": "none"}, 0.3),
    "dapo": (family.DAPO, {"loss_type": "dapo", "epsilon_high": 0.28}, 0.3),
    "gspo": (
        family.GSPO,
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},
        1e-3,
    ),
    "cispo": (family.CISPO, {"loss_type": "cispo", "epsilon_high": 6.0}, 1.5),
}
"""Ours, TRL's settings for the same, and how far the policy has moved: about as far as the clip. TRL's bound on CISPO's
ratio is epsilon_high itself, ours is 1 + the upper clip (the paper's)."""
OVERLONG = {"dapo": (get_soft_overlong_punishment(20, 4),)}
"""DAPO's penalty is a setting of ours, 0.2 of the longest answer, and a reward function of theirs."""

every_preset = pytest.mark.parametrize("name", PRESETS)
every_seed = pytest.mark.parametrize("seed", SEEDS)


@every_seed
@every_preset
def test_preset_is_trls_on_policy(name: str, seed: int):
    ours, settings, _ = PRESETS[name]
    sample = draw(seed, spread=0)
    theirs = learn_grpo(sample, OVERLONG.get(name, ()), **settings)
    agree_throughout(f"{name}, on-policy", learn(ours, sample), theirs)


@every_seed
@every_preset
def test_preset_is_trls_after_the_policy_moved(name: str, seed: int):
    ours, settings, spread = PRESETS[name]
    sample = draw(seed, spread=spread)
    mine = learn(replace(ours, update=AGAIN), sample)
    agree_throughout(f"{name}, moved", mine, learn_grpo(sample, OVERLONG.get(name, ()), num_iterations=2, **settings))
    assert mine.stats["clip_ratio/region_mean"] > 0, "the policy should have moved beyond the clip somewhere"


@every_seed
@pytest.mark.parametrize("name", ["grpo", "dr-grpo", "gspo", "cispo"])
def test_preset_is_trls_with_a_tools_tokens_among_the_answers(name: str, seed: int):
    ours, settings, spread = PRESETS[name]
    sample = draw(seed, spread=spread, tools=True)
    theirs = learn_grpo(sample, num_iterations=2, **settings)
    agree_throughout(f"{name}, with a tool's tokens", learn(replace(ours, update=AGAIN), sample), theirs)


@every_seed
@every_preset
def test_preset_with_k3_in_the_loss_is_trls_without_its_bias_correction(name: str, seed: int):
    ours, settings, spread = PRESETS[name]
    sample = draw(seed, spread=spread)
    theirs = learn_grpo(sample, OVERLONG.get(name, ()), num_iterations=2, beta=0.04, use_bias_correction_kl=False, **settings)
    mine = learn(replace(ours, update=AGAIN, beta=0.04), sample)
    agree_throughout(f"{name}, beta 0.04", mine, theirs)
    agree("metric kl", mine.stats["kl"], theirs.stats["kl"])


@every_seed
@pytest.mark.parametrize("name", ["grpo", "dapo"])
def test_clip_metrics_are_trls_where_every_token_pulls(name: str, seed: int):
    """Ours are shares of the tokens that pull, TRL's of all tokens: the same unless a group's rewards are equal."""
    ours, settings, spread = PRESETS[name]
    sample = draw(seed, spread=spread)
    sample = replace(sample, reward=[k / 8 for k in (0, 1, 2, 8)] * 4)
    mine = learn(replace(ours, update=AGAIN, overlong=0.0), sample)
    theirs = learn_grpo(sample, num_iterations=2, **settings)
    for metric in ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean"):
        agree(f"metric {metric}", mine.stats[metric], theirs.stats[metric])


@every_seed
@every_preset
def test_an_answer_without_a_reward_has_advantage_0_and_enters_no_baseline(name: str, seed: int):
    ours, settings, _ = PRESETS[name]
    sample = draw(seed, unscored=True)
    mine, theirs = learn(replace(ours, overlong=0.0), sample), learn_grpo(sample, **settings)
    assert mine.advantage[1] == theirs.advantage[1] == 0
    agree(f"{name}, an unscored answer: advantage", mine.advantage, theirs.advantage)


@every_seed
def test_two_sided_clip_is_trls(seed: int):
    sample = draw(seed, spread=1.0)
    theirs = learn_grpo(sample, loss_type="dapo", epsilon_high=0.28, delta=1.5, num_iterations=2)
    ours = GRPO(per="token", clip=(0.2, 0.28), delta=1.5, update=AGAIN)
    agree_throughout("delta 1.5", learn(ours, sample), theirs)
    unbounded = learn(replace(ours, delta=0.0), sample)
    assert unbounded.loss > 1.01 * theirs.loss, "the bound should have mattered"


@every_seed
@pytest.mark.parametrize("beta", [0.0, 0.04])
def test_learning_from_the_highest_entropies_alone_is_trls(beta: float, seed: int):
    """Of 130 tokens both take 26; of some other counts they don't (test_grpo_differences.py)."""
    sample = draw(seed, lengths=(8, 10) * 7 + (1, 3))
    mine = learn(GRPO(top_entropy=0.2, beta=beta, update=AGAIN), sample)
    theirs = learn_grpo(
        sample, loss_type="grpo", top_entropy_quantile=0.2, beta=beta, use_bias_correction_kl=False, num_iterations=2
    )
    agree_in_loss(f"top_entropy 0.2, beta {beta:g}", mine, theirs)


@every_seed
def test_masking_truncated_answers_is_trls_in_a_mean_over_tokens(seed: int):
    sample = draw(seed, truncated=True)
    mine = learn(GRPO(per="token", mask_truncated=True, update=AGAIN), sample)
    theirs = learn_grpo(sample, loss_type="dapo", mask_truncated_completions=True, num_iterations=2)
    agree_throughout("mask_truncated, per token", mine, theirs)


@every_seed
@every_preset
@pytest.mark.parametrize(("ours", "theirs"), [("token", "token_truncate"), ("answer", "sequence_truncate")])
def test_truncated_importance_correction_is_trls(ours: Any, theirs: str, name: str, seed: int):
    algorithm, settings, spread = PRESETS[name]
    sample = draw(seed, spread=spread)
    mine = learn(replace(algorithm, correction=ours, correction_cap=1.5, overlong=0.0, beta=0.04, update=AGAIN), sample)
    settings = {**settings, "beta": 0.04, "use_bias_correction_kl": False, "use_vllm": True}
    settings |= {"vllm_importance_sampling_mode": theirs, "vllm_importance_sampling_clip_max": 1.5}
    agree_throughout(f"{name}, corrected per {ours}", mine, learn_grpo(sample, num_iterations=2, **settings))


@every_seed
@every_preset
def test_micro_batches_of_both_add_up_to_the_same(name: str, seed: int):
    """Ours of 3 rows in order of length, TRL's of 8 as they come."""
    ours, settings, spread = PRESETS[name]
    sample = draw(seed, spread=spread)
    theirs = learn_grpo(sample, num_iterations=2, gradient_accumulation_steps=2, per_device_train_batch_size=8, **settings)
    mine = learn(replace(ours, overlong=0.0, update=AGAIN), sample, micro_batch=3)
    agree_throughout(f"{name}, accumulated", mine, theirs)


@every_seed
@every_preset
def test_a_minibatch_is_one_of_trls_steps_per_generation(name: str, seed: int):
    """Both scale a minibatch by the number of them and not by its own tokens, so that a token counts the same in each."""
    ours, settings, spread = PRESETS[name]
    sample = draw(seed, groups=2, spread=spread)
    sample = replace(sample, reward=[0.0, 0.125, 1.0, 0.25] * 2)
    ours = replace(ours, overlong=0.0, update=FirstOrder(minibatches=2))
    settings = {**settings, "steps_per_generation": 2, "per_device_train_batch_size": 4}
    for rows, mine in learn_in_parts(ours, sample):
        agree_in_loss(f"{name}, a minibatch", mine, learn_grpo(sample, on=rows[0] // 4, **settings))
