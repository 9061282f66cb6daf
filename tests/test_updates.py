from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from quintet.algorithms.grpo import GRPO
from quintet.algorithms.reinforce import Reinforce
from quintet.data import Batch
from quintet.settings import Stage
from quintet.updates import FirstOrder
from tests.tiny import batch_of, distance, gradient_of, learner, policy, prepared, weights_of

PROMPTS = ["?", "ab?", "c!", "ddd", " ", "gh"]


def six_groups(rewards: list[float] | None = None) -> Batch:
    """Six groups of two."""
    rows = [(p, a) for p in PROMPTS for a in (p[0] + "b", "hgfe")]
    return batch_of(rows, rewards or [float(i % 5) for i in range(12)])


# ---- learning rate ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "progress", "rate"),
    [
        ({}, 0.0, 1.0),
        ({}, 1.0, 1.0),
        ({"warmup": 0.1}, 0.0, 0.0),
        ({"warmup": 0.1}, 0.05, 0.5),
        ({"warmup": 0.1}, 0.1, 1.0),
        ({"warmup": 0.1}, 0.9, 1.0),
        ({"warmup": 1.0}, 0.25, 0.25),
        ({"warmup": 1.0}, 1.0, 1.0),
        ({"warmup": 1.0, "schedule": "cosine"}, 1.0, 1.0),
        ({"schedule": "cosine"}, 0.0, 1.0),
        ({"schedule": "cosine"}, 1 / 3, 0.775),  # .1 + .9 · ½(1 + cos 60°)
        ({"schedule": "cosine"}, 0.5, 0.55),
        ({"schedule": "cosine"}, 1.0, 0.1),
        ({"schedule": "cosine", "warmup": 0.2}, 0.1, 0.5),
        ({"schedule": "cosine", "warmup": 0.2}, 0.2, 1.0),
        ({"schedule": "cosine", "warmup": 0.2}, 0.6, 0.55),
    ],
)
def test_learning_rate_of_unit_peak(settings: dict[str, Any], progress, rate):
    assert FirstOrder(lr=1.0, **settings).learning_rate(progress) == pytest.approx(rate)
    assert FirstOrder(lr=3e-4, **settings).learning_rate(progress) == pytest.approx(3e-4 * rate)


def test_visits_once_means_one_pass_in_one_part():
    assert FirstOrder().visits_once
    assert not FirstOrder(epochs=2).visits_once
    assert not FirstOrder(minibatches=2).visits_once


# ---- parts -----------------------------------------------------------------------------------------------------------------


def test_whole_batch_is_visited_once_an_epoch():
    batch = replace(six_groups(), weight=torch.ones(12, 1))
    assert [part is batch for part in FirstOrder(epochs=3).parts(batch)] == [True] * 3


@pytest.mark.parametrize("minibatches", [2, 3, 4, 6, 9])
def test_every_epoch_sees_every_answer_once_and_siblings_together(minibatches):
    batch = six_groups()
    batch = replace(batch, weight=batch.action.float())
    parts = list(FirstOrder(epochs=2, minibatches=minibatches).parts(batch))
    per_epoch = len(parts) // 2
    assert per_epoch == {2: 2, 3: 3, 4: 3, 6: 6, 9: 6}[minibatches]  # six groups in chunks of like size
    for epoch in (parts[:per_epoch], parts[per_epoch:]):
        seen = Counter(int(g) for part in epoch for g in part.group)
        assert seen == dict.fromkeys(range(6), 2)
        assert all(count == 2 for part in epoch for count in Counter(part.group.tolist()).values())


def test_parts_are_shuffled_anew_in_each_epoch_and_follow_torchs_generator():
    batch = replace(six_groups(), weight=torch.ones(12, 1))

    def orders() -> list[list[int]]:
        torch.manual_seed(0)
        return [part.group.tolist() for part in FirstOrder(epochs=4, minibatches=3).parts(batch)]

    assert orders() == orders()
    assert len({str(orders()[i : i + 3]) for i in (0, 3, 6, 9)}) == 4


@pytest.mark.parametrize("per", ["answer", "token"])
@pytest.mark.parametrize("minibatches", [2, 3, 6])
def test_mean_of_the_parts_gradients_is_the_whole_batchs(per, minibatches):
    algorithm = Reinforce(per=per)
    of = learner(policy())
    batch = prepared(algorithm, of, six_groups())
    of.gradient(algorithm.loss, batch)
    whole = gradient_of(of)
    parts = list(FirstOrder(minibatches=minibatches).parts(batch))
    summed = torch.zeros_like(whole)
    for part in parts:
        of.gradient(algorithm.loss, part)
        summed += gradient_of(of)
    assert distance(summed / len(parts), whole) < 1e-5


def test_group_numbers_of_parts_are_only_names():
    """Groups may have been left out: 3 and 40 are two groups, not forty-one."""
    batch = six_groups()
    batch = replace(batch, group=torch.tensor([3] * 6 + [40] * 6), weight=torch.ones(12, 1))
    parts = list(FirstOrder(minibatches=2).parts(batch))
    assert sorted(part.group.tolist() for part in parts) == [[3] * 6, [40] * 6]
    assert [float(part.weight[0, 0]) for part in parts] == [2, 2]


def test_groups_that_divide_unevenly_still_count_alike_on_average():
    """Six groups in chunks of 2, 2, 2 and of 4, 2: a group's weight times its chance to be in a part stays 1."""
    batch = replace(six_groups(), weight=torch.ones(12, 1))
    for minibatches in (2, 3, 4, 5):
        parts = list(FirstOrder(minibatches=minibatches).parts(batch))
        for part in parts:
            share = len(part.group.unique()) / 6
            assert float(part.weight[0, 0]) * share == pytest.approx(1.0)


# ---- a step ----------------------------------------------------------------------------------------------------------------


def test_each_part_is_one_optimiser_step_and_its_stats_are_averaged():
    class Recording:
        def __init__(self) -> None:
            self.calls: list[str] = []

        def gradient(self, loss: Any, batch: Batch) -> dict[str, float]:
            self.calls.append(f"gradient of {len(batch.tokens)}")
            return {"loss": float(len(self.calls))}

        def apply(self, settings: Any, progress: float) -> dict[str, float]:
            self.calls.append(f"apply at {progress}")
            return {"learning_rate": settings.learning_rate(progress)}

    recording: Any = Recording()
    batch = replace(six_groups(), weight=torch.ones(12, 1), progress=0.5)
    stats = FirstOrder(lr=2.0, epochs=2, minibatches=2)(recording, lambda new, b: {}, batch)
    assert recording.calls == ["gradient of 6", "apply at 0.5"] * 4
    assert stats == {"loss": 4.0, "learning_rate": 2.0, "num_updates": 4.0}  # losses 1, 3, 5, 7


@pytest.mark.parametrize("silent", [range(2), range(10)])
def test_part_without_any_signal_is_skipped_and_its_stats_do_not_get_in_the_way(silent):
    """GRPO gives groups of equal rewards no weight: a part may consist of nothing else, whichever place it has."""
    rewards = [1.0, 0.0] * 6
    for i in silent:
        rewards[i] = 1.0
    algorithm = GRPO(update=FirstOrder(lr=1e-3, minibatches=6))
    for seed in range(4):  # the silent part comes first, last or between
        torch.manual_seed(seed)
        of = learner(policy())
        stats = algorithm.update(of, algorithm.loss, prepared(algorithm, of, six_groups(rewards)))
        assert {"loss", "loss/policy", "entropy", "grad_norm", "skipped_updates"} <= set(stats)
        assert 0 < stats["entropy"] < 3


def test_gradient_is_clipped_to_the_longest_norm():
    """First step of plain momentum-free AdamW moves by the rate's sign alone, so the clip is seen in the moments."""
    of = learner(policy())
    algorithm = Reinforce()
    settings = FirstOrder(lr=1e-3, max_grad_norm=0.01)
    of.gradient(algorithm.loss, prepared(algorithm, of, six_groups()))
    length = float(gradient_of(of).norm())
    stats = of.apply(settings, 0.0)
    assert length > 0.01
    assert stats["grad_norm"] == pytest.approx(length, rel=1e-5)
    assert float(gradient_of(of).norm()) == pytest.approx(0.01, rel=1e-4)


@pytest.mark.parametrize("optimiser", ["adamw", "muon", "adafactor"])
def test_a_step_lowers_its_own_loss(optimiser):
    algorithm = Reinforce(update=FirstOrder(lr=1e-3, optimiser=optimiser))
    of = learner(policy())
    batch = prepared(algorithm, of, six_groups())
    before = of.evaluate(algorithm.loss, batch)["loss"]
    algorithm.update(of, algorithm.loss, batch)
    assert of.evaluate(algorithm.loss, batch)["loss"] < before


def test_first_step_of_adamw_moves_each_weight_by_the_learning_rate():
    of = learner(policy())
    algorithm = Reinforce(update=FirstOrder(lr=0.01, max_grad_norm=1e9))
    before = weights_of(of)
    algorithm.update(of, algorithm.loss, prepared(algorithm, of, six_groups()))
    gradient, moved = gradient_of(of), weights_of(of) - before
    big = gradient.abs() > 1e-4
    assert int(big.sum()) > 1000
    assert torch.allclose(moved[big], -0.01 * gradient[big].sign(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("optimiser", ["adamw", "muon", "adafactor"])
def test_learning_rate_of_the_moment_is_the_one_that_moves_the_weights(optimiser):
    algorithm = Reinforce(update=FirstOrder(lr=0.01, optimiser=optimiser, warmup=0.5))

    def moved(progress: float) -> torch.Tensor:
        of = learner(policy())
        before = weights_of(of)
        for _ in range(2):  # the second step is the one that a rate fixed in the first would spoil
            before, at = weights_of(of), progress if of.networks["policy"].optimiser else 0.0
            algorithm.update(of, algorithm.loss, replace(prepared(algorithm, of, six_groups()), progress=at))
        return weights_of(of) - before

    assert torch.allclose(moved(0.25), moved(0.5) / 2, atol=1e-6)
    assert float(moved(0.5).abs().max()) > 0.005


def test_weight_decay_shrinks_per_unit_of_learning_rate():
    of = learner(policy())
    settings = FirstOrder(lr=0.5, weight_decay=0.1)
    before = weights_of(of)
    for p in of.parameters:
        p.grad = torch.zeros_like(p)
    of.apply(settings, 0.0)
    assert torch.allclose(weights_of(of), before * (1 - 0.5 * 0.1), atol=1e-6)


def test_muon_orthogonalises_hidden_matrices_and_leaves_embeddings_and_head_to_adamw():
    of = learner(policy())
    before = {n: p.detach().clone() for n, p in of.model.named_parameters()}
    algorithm = Reinforce(update=FirstOrder(lr=0.01, optimiser="muon", max_grad_norm=1e9))
    algorithm.update(of, algorithm.loss, prepared(algorithm, of, six_groups()))
    moved = {n: (p.detach() - before[n]) for n, p in of.model.named_parameters()}
    steep = torch.linalg.svdvals(moved["model.layers.0.self_attn.q_proj.weight"]) / (0.01 * 0.2 * 4)  # .2 · √16: AdamW's size
    pulled = torch.linalg.svdvals(of.parameters[1].grad)  # type: ignore[arg-type]
    assert float(pulled[0] / pulled[4]) > 4
    assert bool((steep[:5] > 0.5).all() and (steep < 1.3).all())  # all directions alike, to Newton and Schulz's slack
    for name in ("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight"):
        gradient = of.model.get_parameter(name).grad
        assert gradient is not None
        big = gradient.abs() > 1e-4
        assert big.any()
        assert torch.allclose(moved[name][big], -0.01 * gradient[big].sign(), rtol=1e-3, atol=1e-6)


def test_more_minibatches_than_prompts_are_refused():
    stage = Stage("grpo", GRPO(), prompts_per_step=4)
    assert FirstOrder(minibatches=4).check(stage) == []
    assert "minibatches=5" in FirstOrder(minibatches=5).check(stage)[0]
