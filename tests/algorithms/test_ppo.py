from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, nan
from typing import Any

import pytest
import torch

from quintet.algorithms.ppo import PPO
from quintet.algorithms.trpo import TRPO
from quintet.data import Batch, Outputs
from tests.tiny import batch_of

OLD = torch.tensor([[0, -1.0, -1.0], [0, -2.0, 0]])
VALUE = torch.tensor([[0, 0.5, 0.25], [0, 0.5, 0]])


def the_batch(**columns: Any) -> Batch:
    """Answers of 2 and 1 tokens with rewards 1 and 0."""
    return replace(batch_of([("?", "ab"), ("?", "c")], [1, 0]), old_logp=OLD, value=VALUE, **columns)


def test_advantage_is_gae_of_the_reward_on_the_last_token():
    """λ = ½: δ₂ = 1 − ¼ = ¾; δ₁ = ¼ − ½ = −¼, plus ½·¾ = ⅛; the other answer 0 − ½."""
    advantage = PPO(lam=0.5, whiten=False).advantage(the_batch())
    assert advantage.tolist() == [pytest.approx([0, 0.125, 0.75]), pytest.approx([0, -0.5, 0])]


def test_whitened_advantages_have_mean_zero_over_the_chosen_tokens():
    b = the_batch()
    chosen = PPO().advantage(b)[b.action]
    assert float(chosen.mean()) == pytest.approx(0, abs=1e-6)
    assert float(chosen.std()) == pytest.approx(1, abs=1e-5)


def test_divergence_is_taken_off_each_tokens_reward():
    """λ = 1 sums what is to come: with β = .1 and tokens 1 and 2 nats above the reference, −.1 and −.2 on the way."""
    b = the_batch(ref_logp=OLD - torch.tensor([[0, 1.0, 2.0], [0, 0, 0]]))
    advantage = PPO(lam=1.0, whiten=False, beta=0.1).advantage(b)
    assert advantage[0].tolist() == pytest.approx([0, 1 - 0.3 - 0.5, 1 - 0.2 - 0.25])


def test_value_is_taught_the_unwhitened_returns():
    """λ = 1: the return of every token is its answer's reward. ½(V − R)² of new values 0: ½ for the first answer, 0 else."""
    algorithm = PPO(lam=1.0, value_clip=0.0, value_weight=3.0, entropy_weight=0.5)
    b = the_batch()
    b = replace(b, advantage=algorithm.advantage(b))
    terms: Any = algorithm.loss(Outputs(OLD, torch.full((2, 3), 2.0), torch.zeros(2, 3)), b)
    assert terms["value"][b.action].tolist() == pytest.approx([1.5, 1.5, 0])
    assert terms["entropy"][b.action].tolist() == [-1, -1, -1]
    assert "entropy" not in PPO().loss(Outputs(OLD, OLD, VALUE), b)
    assert not terms["clip_ratio/region_mean"].any()


def test_notes_say_how_much_the_critic_foresaw():
    """λ = 1: returns 1, 1, 0 and values ½, ¼, ½: Var R = 2/9; errors ½, ¾, −½ have mean ¼ and variance 7/24."""
    assert PPO(lam=1.0).notes(the_batch())["explained_variance"] == pytest.approx(1 - (7 / 24) / (2 / 9))


def test_coefficient_adapts_to_the_divergence_of_whole_answers():
    """Answers 3 and 1 nats away: 2 on average where 4 are wanted, so β shrinks by .1·.2; the next step takes it from there."""
    b = the_batch(ref_logp=OLD - torch.tensor([[0, 1.0, 2.0], [0, 1.0, 0]]))
    algorithm = PPO(beta=0.1, kl_target=4.0)
    first = algorithm.notes(b)["kl_coefficient"]
    assert first == pytest.approx(0.1 * (1 - 0.02))
    assert algorithm.notes(replace(b, notes={"kl_coefficient": first}))["kl_coefficient"] == pytest.approx(0.1 * 0.98**2)
    assert "kl_coefficient" not in PPO(beta=0.1).notes(b)


def test_coefficient_of_the_step_before_prices_the_next_one():
    """λ = 1, β noted as .2: tokens 1 and 2 nats above the reference cost .6 and .4."""
    b = the_batch(ref_logp=OLD - torch.tensor([[0, 1.0, 2.0], [0, 0, 0]]), notes={"kl_coefficient": 0.2})
    advantage = PPO(lam=1.0, whiten=False, beta=0.1, kl_target=4.0).advantage(b)
    assert advantage[0].tolist() == pytest.approx([0, 1 - 0.6 - 0.5, 1 - 0.4 - 0.25])


@pytest.mark.parametrize("unlikely", [-inf, nan])
def test_answer_that_the_reference_would_never_give_spoils_neither_the_coefficient_nor_the_others(unlikely):
    """Under top-p a token may lie outside the reference's support. The other answer is 1 nat away where 4 are wanted."""
    b = the_batch(ref_logp=torch.tensor([[0, unlikely, -1.0], [0, -3.0, 0]]))
    algorithm = PPO(lam=1.0, beta=0.1, kl_target=4.0)
    assert algorithm.notes(b)["kl_coefficient"] == pytest.approx(0.1 * 0.98)
    advantage = algorithm.advantage(b)
    assert float(advantage[0, 1]) == 0
    assert advantage[0, 2].item() == pytest.approx(-advantage[1, 1].item()) == pytest.approx(0.5**0.5)
    assert isfinite(algorithm.notes(b)["explained_variance"])


def test_clip_stops_a_token_whose_ratio_went_too_far():
    """Ratios 2 and ½ with advantages 1 and −1, and 1.1 with 1."""
    b = replace(the_batch(), advantage=torch.tensor([[0, 1.0, -1.0], [0, 1.0, 0]]))
    new = OLD + torch.tensor([[1, 2.0, 0.5], [1, 1.1, 1]]).log()
    terms: Any = PPO().loss(Outputs(new, OLD, VALUE), b)
    assert terms["policy"][b.action].tolist() == pytest.approx([-1.2, 0.8, -1.1])
    assert terms["clip_ratio/high_mean"][b.action].tolist() == [True, False, False]
    assert terms["clip_ratio/low_mean"][b.action].tolist() == [False, True, False]
    assert terms["clip_ratio/region_mean"][b.action].tolist() == [True, True, False]


def test_value_counts_as_no_nearer_to_its_return_than_the_clip_allows():
    """λ = 1, returns 1, 1, 0: new values equal to them, but .2 is the farthest from ½, ¼, ½ that counts: .3, .55, .3 remain."""
    b = the_batch()
    b = replace(b, advantage=PPO(lam=1.0).advantage(b))
    terms: Any = PPO(lam=1.0).loss(Outputs(OLD, OLD, torch.tensor([[0, 1.0, 1.0], [0, 0, 0]])), b)
    assert terms["value"][b.action].tolist() == pytest.approx([0.045, 0.5 * 0.55**2, 0.045])


def test_asks_for_what_it_reads():
    assert (PPO().needs.old, PPO().needs.critic, PPO().needs.reference) == (True, "separate", False)
    assert (PPO(critic="head").needs.critic, PPO(beta=0.1).needs.reference) == ("head", True)


def test_coefficient_that_adapts_needs_one_to_begin_with():
    (found,) = PPO(kl_target=6.0).check(None)
    assert found == "kl_target=6.0 adapts β, and needs one to begin with. Set beta=0.02, or kl_target=0."
    assert PPO(kl_target=6.0, beta=0.1).check(None) == PPO().check(None) == []


def test_tokens_weigh_the_same_unless_told_otherwise():
    b = the_batch()
    assert PPO().weight(b)[b.action].tolist() == pytest.approx([1 / 3] * 3)
    assert PPO(per="answer").weight(b)[b.action].tolist() == pytest.approx([0.25, 0.25, 0.5])


def test_what_an_environment_paid_on_the_way_stands_where_it_was_paid():
    """λ = 1, γ = ½: ½ and then 1 are worth ½ + ½·1 before the first token, so A = 1 − ½ and 1 − ¼."""
    b = the_batch(earned=torch.tensor([[0, 0.5, 1], [0, 0, 0]]))
    for algorithm in (PPO(lam=1.0, gamma=0.5, whiten=False), TRPO(lam=1.0, gamma=0.5, whiten=False)):
        assert algorithm.advantage(b).tolist() == [pytest.approx([0, 0.5, 0.75]), pytest.approx([0, -0.5, 0])]
