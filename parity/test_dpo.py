"""DPO and the other losses of a margin. TRL's batch is [preferred …, rejected …]; ours has pairs side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from parity.quintet_side import learn
from parity.sample import Sample, agree, agree_in_loss, draw
from parity.trl_side import learn_dpo
from quintet.algorithms.dpo import DPO

every_seed = pytest.mark.parametrize("seed", range(5))


def pairs(seed: int, count: int = 8, lengths: tuple[int, ...] = ()) -> Sample:
    """Answers of ragged lengths, the first of each pair preferred."""
    return replace(draw(seed, groups=count, group_size=2, lengths=lengths), reward=[1.0, 0.0] * count)


@every_seed
@pytest.mark.parametrize("beta", [0.1, 2.0])
@pytest.mark.parametrize(
    ("form", "smoothing"), [("sigmoid", 0.0), ("hinge", 0.0), ("robust", 0.0), ("robust", 0.1), ("robust", 0.4)]
)
def test_form_is_trls(form: Any, smoothing: float, beta: float, seed: int):
    sample = pairs(seed)
    mine = learn(DPO(form=form, label_smoothing=smoothing, beta=beta), sample)
    theirs = learn_dpo(sample, loss_type=[form], label_smoothing=smoothing, beta=beta)
    agree_in_loss(f"dpo, {form}" + f", ε {smoothing:g}" * bool(smoothing), mine, theirs)
    agree("dpo: metric margin", mine.stats["margin"], theirs.stats["rewards/margins"])
    assert mine.stats["accuracy"] == pytest.approx(theirs.stats["rewards/accuracies"])


@every_seed
def test_micro_batches_of_whole_pairs_add_up_to_trls_batch(seed: int):
    sample = pairs(seed)
    agree_in_loss("dpo, in micro-batches of 2 pairs", learn(DPO(), sample, micro_batch=4), learn_dpo(sample))


@every_seed
def test_label_smoothing_does_nothing_in_trls_sigmoid_and_is_ours_in_its_aot(seed: int):
    """TRL 1.16 reads label_smoothing only for robust, exo_pair and aot. Its aot sorts the batch's log-ratios before it
    pairs them: with one pair there is nothing to sort, and what is left is the conservative DPO of Mitchell's note, which
    is ours."""
    one = [pairs(seed + 100 * k, count=1) for k in range(4)]
    for sample in one:
        plain = learn_dpo(sample, loss_type=["sigmoid"])
        assert learn_dpo(sample, loss_type=["sigmoid"], label_smoothing=0.1).loss == plain.loss
        mine = learn(DPO(label_smoothing=0.1), sample)
        agree_in_loss("dpo, sigmoid, ε 0.1", mine, learn_dpo(sample, loss_type=["aot"], label_smoothing=0.1))
        flipped = replace(sample, reward=[0.0, 1.0])
        agree("dpo, sigmoid, ε 0.1: loss by hand", mine.loss, 0.9 * plain.loss + 0.1 * learn(DPO(), flipped).loss)


@every_seed
def test_ipo_of_trl_is_ours_on_log_ratios_divided_by_the_answers_length(seed: int):
    """Eq. 17 of the paper (2310.12036) has the log-ratio of whole answers, which is a sum over tokens; TRL takes the mean
    over each answer's tokens, on the authors' word that their experiments did. With gains g: ours (g⁺ − g⁻ − 1/2β)², theirs
    (g⁺/|o⁺| − g⁻/|o⁻| − 1/2β)²."""
    sample = pairs(seed)
    mine, theirs = learn(DPO(form="ipo"), sample), learn_dpo(sample, loss_type=["ipo"])
    gain = torch.stack([(sample.new[a] - sample.reference[a]).sum() for a in sample.answers])
    size = torch.tensor([len(a) for a in sample.answers])
    agree("ipo: our loss", mine.loss, float(((gain[0::2] - gain[1::2] - 5) ** 2).mean()))
    mean = gain / size
    agree("ipo: TRL's loss", float(((mean[0::2] - mean[1::2] - 5) ** 2).mean()), theirs.loss)
    assert abs(mine.loss / theirs.loss - 1) > 1e-3


@every_seed
def test_ipo_of_trl_is_ours_with_a_smaller_beta_where_all_answers_are_equally_long(seed: int):
    """(h/L − 1/2β)² = (h − 1/(2β/L))²/L²: TRL's β is ours times L, and its loss ours over L²."""
    length = 6
    sample = pairs(seed, lengths=(length,) * 16)
    mine = learn(DPO(form="ipo", beta=0.1 / length), sample)
    theirs = learn_dpo(sample, loss_type=["ipo"], beta=0.1)
    agree("ipo, equal lengths: gradient", mine.gradient / length**2, theirs.gradient)
    agree("ipo, equal lengths: loss", mine.loss / length**2, theirs.loss)
