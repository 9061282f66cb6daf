"""Every number in metrics.jsonl: what it is, in which unit, and what is healthy. The page of the documentation is made from
this table, and a test holds it against what real runs write."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One key of a row of metrics; NAME in it stands for any name."""

    key: str
    unit: str
    meaning: str
    healthy: str = ""
    """What one wants to see, and what to do elsewhere; empty where any value is fine."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """What a row's key must look like, whole."""
        return re.compile("[^/]+".join(map(re.escape, self.key.split("NAME"))))


@dataclass(frozen=True)
class Group:
    """Metrics that are read together."""

    title: str
    metrics: tuple[Metric, ...]


GLOSSARY = (
    Group(
        "Is it learning?",
        (
            Metric(
                "reward",
                "reward",
                "Mean reward of the step's answers. Answers without a reward are left out.",
                "Rises over tens of steps, with noise from step to step. Held-out scores (evaluations.jsonl) decide.",
            ),
            Metric(
                "reward_std",
                "reward",
                "Standard deviation of rewards within a group, mean over groups.",
                "Above 0: differences between siblings are what is learned from.",
            ),
            Metric(
                "frac_reward_zero_std",
                "share",
                "Groups whose answers all earned the same (tied).",
                "Below 0.5 is good, above 0.9 little is learned: choose other prompts or raise group_size; dapo samples anew.",
            ),
            Metric(
                "rewards/NAME/mean",
                "reward",
                "Mean of one part of the reward, before weighting.",
                "Parts rise together. One that rises while another falls is being cheated for.",
            ),
            Metric("rewards/NAME/std", "reward", "Standard deviation of that part over the step's answers."),
            Metric(
                "nonfinite_rewards",
                "answers",
                "Answers without a reward (None, NaN or infinite); they are left out of training.",
                "0, unless a reward function does not apply to some prompts on purpose.",
            ),
            Metric("logged/NAME", "as logged", "Mean of what a reward function gave to log_metric."),
            Metric(
                "accuracy",
                "share",
                "Pairs of which the preferred answer is ranked first (dpo, reward-model).",
                "Rises from 0.5; at 1 on training pairs, watch held-out ones.",
            ),
            Metric(
                "margin",
                "nats or score",
                "How far the preferred answer is ahead: of implicit rewards (dpo) or of scores (reward-model).",
                "Above 0 and rising slowly.",
            ),
        ),
    ),
    Group(
        "What do answers look like?",
        (
            Metric(
                "completions/mean_length",
                "tokens",
                "Length of an answer, the end-of-text token included.",
                "Steady, or growing for a reason. Doubling with the reward may mean that length is paid for.",
            ),
            Metric("completions/min_length", "tokens", "The shortest.", "Not 1 for all: that is an empty answer."),
            Metric("completions/max_length", "tokens", "The longest.", "Below max_new_tokens."),
            Metric(
                "completions/clipped_ratio",
                "share",
                "Answers that were cut off at max_new_tokens.",
                "Near 0. Above a third, raise max_new_tokens.",
            ),
            Metric(
                "entropy",
                "nats a token",
                "How undecided the policy is about the next token, mean over its own tokens.",
                "Falls slowly. Near 0 while the reward stands still, nothing new is tried any more.",
            ),
        ),
    ),
    Group(
        "Are the steps sound?",
        (
            Metric(
                "loss",
                "loss",
                "What the optimiser lowers.",
                "Falls for sft and reward-model. Under reinforcement learning it hovers around 0 and says little.",
            ),
            Metric("loss/NAME", "loss", "One term of it: policy, value, kl, entropy or preference; they add up to loss."),
            Metric(
                "grad_norm",
                "norm",
                "Length of the policy's gradient before clipping (of the reward model's, where that is trained).",
                "The same order of magnitude throughout; a spike is a step to distrust.",
            ),
            Metric("grad_norm/critic", "norm", "The same for a separate critic."),
            Metric("learning_rate", "", "As the optimiser used it, warm-up and schedule included."),
            Metric("learning_rate/critic", "", "The same for a separate critic."),
            Metric(
                "skipped_updates",
                "steps",
                "Optimiser steps that were not taken: no gradient, one that isn't finite, or none that a line search accepts.",
                "0. A step whose groups are all tied counts 1.",
            ),
            Metric("num_updates", "steps", "Optimiser steps in this step: epochs × minibatches, unless target_kl ended it."),
            Metric(
                "nonfinite_answers",
                "answers",
                "Answers with a log-probability that isn't finite; they are left out.",
                "0. Otherwise lower lr or set dtype=float32.",
            ),
            Metric(
                "approx_kl",
                "nats a token",
                "KL(old ‖ new), the policy that sampled against the one that learns, by the k3 estimate.",
                "Below 0.05; for trpo at most max_kl. Above 0.2 lower lr or epochs.",
            ),
            Metric(
                "kl",
                "nats a token",
                "KL of the policy from the reference it began as (k3); only with a reference.",
                "Grows slowly and levels off. Running away: raise beta or lower lr.",
            ),
            Metric(
                "kl_coefficient", "", "PPO's β where kl_target adapts it.", "Settles; at its bounds the target is out of reach."
            ),
            Metric("clip_ratio/low_mean", "share", "Tokens of negative advantage whose ratio fell below the clip."),
            Metric("clip_ratio/high_mean", "share", "Tokens of positive advantage whose ratio rose above the clip."),
            Metric(
                "clip_ratio/region_mean",
                "share",
                "Both together: tokens without a gradient.",
                "0 where a batch is used once; below 0.2 with several passes.",
            ),
            Metric(
                "explained_variance",
                "share",
                "How much of the returns the critic foresaw (ppo, trpo).",
                "Rises towards 1. Below 0 the critic is worse than a constant: more critic epochs, a higher critic_lr.",
            ),
            Metric("reward_mean", "reward", "REINFORCE's moving baseline (baseline=moving)."),
            Metric(
                "line_search/accepted",
                "0 or 1",
                "Whether trpo found a step that improves within its bound.",
                "Nearly always 1.",
            ),
            Metric("line_search/backtracks", "halvings", "How often trpo shortened its step.", "0 to 3."),
            Metric("line_search/improvement", "loss", "What the accepted step improved."),
            Metric("step_length", "norm", "Length of trpo's accepted step in parameters."),
            Metric(
                "logp_gap/mean",
                "nats",
                "Difference of the sampler's and the learner's log-probability of the same token, mean.",
                "Below 1e-4 in float32, below 0.02 in bfloat16.",
            ),
            Metric("logp_gap/max", "nats", "The largest such difference.", "Below 1e-3 in float32."),
        ),
    ),
    Group(
        "What does it cost?",
        (
            Metric("step_time", "seconds", "One step, without evaluations and checkpoints."),
            Metric("seconds/sample", "seconds", "Sampling answers."),
            Metric(
                "seconds/grade",
                "seconds",
                "Grading them: your reward functions.",
                "Small beside sample and learn; otherwise make them `async def`.",
            ),
            Metric("seconds/read", "seconds", "Reading demonstrations or pairs."),
            Metric("seconds/learn", "seconds", "Everything else: passes, gradients, optimiser."),
            Metric("tokens_per_second", "tokens/s", "Tokens read (prompts and answers) over step_time."),
            Metric("sampled_tokens", "tokens", "Sampled in this step, learned from or not."),
            Metric("read_tokens", "tokens", "Sampled in this step, with their prompts."),
            Metric("num_tokens", "tokens", "All read so far in the run."),
            Metric("num_sampled_tokens", "tokens", "All sampled so far: the budget that algorithms are compared by."),
            Metric(
                "backward_passes",
                "passes",
                "Answers that were differentiated over answers in the batch.",
                "Epochs × networks, less the answers without a signal.",
            ),
            Metric("micro_batch", "answers", "Answers that share a pass; 0: all of them. It is halved when memory runs out."),
            Metric("resampled", "rounds", "How often this step sampled further prompts (resample, dapo).", "Below its limit."),
            Metric("kept_groups", "groups", "Groups with a signal that such a step kept.", "prompts_per_step."),
            Metric(
                "peak_memory_mb",
                "MiB",
                "The largest memory the process held so far: of the GPU where one is used, else resident.",
                "Well below what there is; a smaller micro_batch lowers it and changes nothing else.",
            ),
            Metric(
                "expected_memory_mb",
                "MiB",
                "The peak that was expected before the stage began.",
                "Within a fifth of peak_memory_mb, once every kind of pass has happened.",
            ),
        ),
    ),
    Group(
        "Where in the run is it?",
        (
            Metric("step", "steps", "Steps done in the whole run."),
            Metric("stage", "", "Name of the stage."),
            Metric("stage_step", "steps", "Steps done in the stage."),
            Metric("stage_steps", "steps", "Steps the stage has."),
            Metric("stage_index", "", "Number of the stage, from 0."),
            Metric("stages", "", "How many stages the run has."),
        ),
    ),
)


def metric(key: str) -> Metric | None:
    """What is known of a row's key.  Example: metric("rewards/solved/mean").unit == "reward" """
    return next((m for group in GLOSSARY for m in group.metrics if m.pattern.fullmatch(key)), None)
