from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    BertForSequenceClassification,
    BertLMHeadModel,
    CodeGenConfig,
    CodeGenForCausalLM,
)

from quintet.models import heads
from tests.tiny import ARCHITECTURES, batch_of, policy, tokenizer


def bert(**changes: Any) -> BertConfig:
    shape: dict[str, Any] = {
        "vocab_size": 16,
        "hidden_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "intermediate_size": 8,
    }
    return BertConfig(**shape | changes)


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
    loaded, its_tokenizer = heads.load_reward_model(str(tmp_path / "rm"))
    assert its_tokenizer.get_vocab() == tokenizer().get_vocab()
    ours = heads.scores(loaded, batch.tokens, batch.length).detach()
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path / "rm").eval()
    rows = [batch.tokens[i : i + 1, :length] for i, length in enumerate(batch.length.tolist())]
    theirs = torch.cat([plain(input_ids=row).logits for row in rows])
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert float((ours[0] - ours[1]).abs()) > 1e-3
    assert [p.name for p in tmp_path.iterdir()] == ["rm"]


def test_what_is_no_reward_model_is_refused_in_a_sentence(tmp_path: Path):
    with pytest.raises(ValueError, match=r"No reward model could be loaded from .*Give a transformers folder"):
        heads.load_reward_model(str(tmp_path / "nowhere"))
    made = heads.scalar_model(policy().model)
    made.config.num_labels = 2
    made.score = torch.nn.Linear(16, 2, bias=False)
    made.save_pretrained(tmp_path / "two")
    with pytest.raises(ValueError, match=r"No reward model could be loaded from .*Give a transformers folder"):
        heads.load_reward_model(str(tmp_path / "two"))  # no tokenizer yet
    tokenizer().save_pretrained(tmp_path / "two")
    with pytest.raises(ValueError, match="sorts texts into 2 classes; a reward model says one number"):
        heads.load_reward_model(str(tmp_path / "two"))


def test_model_that_reads_in_both_directions_is_no_reward_model(tmp_path: Path):
    """Its head is not on the last token, and padding without a mask would change what it says."""
    BertForSequenceClassification(bert(num_labels=1)).save_pretrained(tmp_path)
    tokenizer().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"is a BertForSequenceClassification, which has no linear head.* made from a causal"):
        heads.load_reward_model(str(tmp_path))


def test_weights_cut_off_on_disk_are_refused_in_a_sentence(tmp_path: Path):
    heads.save_reward_model(heads.scalar_model(policy().model), tokenizer(), tmp_path / "rm")
    weights = tmp_path / "rm" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"No reward model could be loaded from .*Give a transformers folder"):
        heads.load_reward_model(str(tmp_path / "rm"))


def test_saving_again_replaces_the_whole_folder(tmp_path: Path):
    made = heads.scalar_model(policy().model)
    heads.save_reward_model(made, tokenizer(), tmp_path / "rm")
    (tmp_path / "rm" / "old").touch()
    (tmp_path / ".rm.partial").mkdir()  # what a killed process left
    (tmp_path / ".rm.partial" / "half").touch()
    heads.save_reward_model(made, tokenizer(), tmp_path / "rm")
    assert [p.name for p in tmp_path.iterdir()] == ["rm"]
    assert not {"old", "half"} & {p.name for p in (tmp_path / "rm").iterdir()}


def test_policy_that_transformers_cannot_make_a_classifier_of_is_refused_in_a_sentence():
    """CodeGen has no such form, and Bert's has a head of another kind."""
    special = {"bos_token_id": None, "eos_token_id": 1}
    codegen = CodeGenConfig(vocab_size=16, n_embd=16, n_layer=1, n_head=4, rotary_dim=4, n_positions=16, **special)
    for made in (CodeGenForCausalLM(codegen), BertLMHeadModel(bert(is_decoder=True))):
        name = type(made).__name__
        with pytest.raises(ValueError, match=rf"needs {name} in its form for sequence .*Choose .* or critic=head\."):
            heads.scalar_model(made)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_head_on_the_policys_own_trunk_reads_what_its_output_layer_reads(kind):
    """With the weights of token 5's logit in it, the head says token 5's logit."""
    of = policy(kind).model
    batch = batch_of([("?", "abc"), ("!", "bcd")])
    head = heads.value_head(of)
    with heads.head_input(of) as seen:
        logits = of(input_ids=batch.tokens, logits_to_keep=3).logits
    (hidden,) = seen
    assert head(hidden).abs().sum() == 0
    with torch.no_grad():
        head.weight.copy_(of.get_output_embeddings().weight[5:6])  # type: ignore[union-attr]
    assert torch.allclose(head(hidden)[..., 0], logits[..., 5], atol=1e-5)
    of(input_ids=batch.tokens)
    assert len(seen) == 1  # the hook is gone
