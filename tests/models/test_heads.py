from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForSequenceClassification

from quintet.models import heads
from tests.tiny import ARCHITECTURES, batch_of, policy, tokenizer


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_new_scalar_network_has_the_policys_trunk_and_says_nothing(kind):
    of = policy(kind)
    made = heads.scalar_model(of.model)
    theirs, ours = of.model.base_model.state_dict(), made.base_model.state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in theirs)
    assert all(theirs[name].data_ptr() != ours[name].data_ptr() for name in theirs)  # a copy: the policy moves on alone
    batch = batch_of([("?", "abc"), ("!", "d")])
    assert heads.scores(made, batch.tokens, batch.length).tolist() == [[0.0], [0.0]]


def test_making_one_draws_no_random_numbers():
    of = policy()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    heads.scalar_model(of.model)
    heads.value_head(of.model)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_saved_reward_model_is_what_plain_transformers_loads(kind, tmp_path: Path):
    made = heads.scalar_model(policy(kind).model)
    torch.manual_seed(0)
    torch.nn.init.normal_(heads.head(made).weight)
    heads.save_reward_model(made, tokenizer(), tmp_path / "rm")
    batch = batch_of([("?", "abc"), ("!", "d")])
    ours = heads.scores(heads.load_reward_model(str(tmp_path / "rm")), batch.tokens, batch.length)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    rows = [batch.tokens[i : i + 1, :length] for i, length in enumerate(batch.length.tolist())]
    theirs = torch.cat([plain(input_ids=row).logits for row in rows])
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert float((ours[0] - ours[1]).abs()) > 1e-3
    assert [p.name for p in tmp_path.iterdir()] == ["rm"]


def test_what_is_no_reward_model_is_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(ValueError, match=r"No reward model could be loaded from .*Give a transformers folder"):
        heads.load_reward_model(str(tmp_path / "nowhere"))
    policy().model.config.save_pretrained(tmp_path / "two")
    made = heads.scalar_model(policy().model)
    made.config.num_labels = 2
    made.score = torch.nn.Linear(16, 2, bias=False)
    made.save_pretrained(tmp_path / "two")
    with pytest.raises(ValueError, match="sorts texts into 2 classes; a reward model says one number"):
        heads.load_reward_model(str(tmp_path / "two"))
