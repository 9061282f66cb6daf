"""GRPO's family: each member is GRPO, or REINFORCE, with other numbers, those of its own paper."""

from __future__ import annotations

from dataclasses import replace

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.supervised import RFT

DR_GRPO = replace(GRPO(), scale="none", per="constant")
"""No deviation to divide by (it favours problems that are nearly solved or nearly hopeless), and no length (it favours long
wrong answers).  Source: Liu et al. 2025, arXiv:2503.20783, §3."""

DAPO = replace(GRPO(), clip=(0.2, 0.28), per="token", resample=4, overlong=0.2)
"""Clip higher, every token the same, only groups with a signal, a soft end.  Source: Yu et al. 2025, arXiv:2503.14476, §3: of
at most 20,480 tokens the last 4,096 are penalised."""

GSPO = replace(GRPO(), ratio="answer", clip=(3e-4, 4e-4))
"""The ratio of the whole answer: what is rewarded is what is weighed.  Source: Zheng et al. 2025, arXiv:2507.18071, §4, 5."""

CISPO = replace(GRPO(), surrogate="weight", clip=(1.0, 5.0), per="token")
"""No token's gradient is ever stopped, only its weight bounded.  Source: MiniMax 2025, arXiv:2506.13585, §3; it gives no number
for the upper clip, 5 is usual."""

RLOO = replace(Reinforce(), baseline="leave-one-out", per="sum", beta=0.03, kl_in="reward")
"""REINFORCE on whole answers, against the mean of the other answers.  Source: Ahmadian et al. 2024, arXiv:2402.14740, §2 and
app. C."""

REINFORCE_PP = replace(GRPO(), baseline="none", scale="batch", beta=0.01, kl_in="reward", eps=1e-8, per="token")
"""No critic and no group: the KL is part of each token's reward, and the whole batch is normalised at once.  Source: Hu 2025,
arXiv:2501.03262, §3."""

ONLINE_RFT = replace(RFT(), online=True)
"""Imitate one's own right answers as they come.  Source: DeepSeekMath, arXiv:2402.03300, §5.2."""
