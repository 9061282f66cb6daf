from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from quintet.data import Needs, Prompt, Sampling, Verdict
from quintet.models import lora
from quintet.models.load import Policy
from quintet.models.tree_attention import misfit
from quintet.sources import collate
from tests.models.architectures import MADE, made
from tests.tiny import batch_of, learner, policy, sampler

TOKENS = torch.arange(2, 12)[None]


def moved(model, seed: int = 3) -> None:
    """Adapters as if they had learned something."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            if p.requires_grad:
                p.add_(0.2 * torch.randn(p.shape, generator=generator))


@pytest.mark.parametrize("name", MADE)
def test_adapters_begin_as_nothing_train_alone_and_merge_into_the_same_model(name, tmp_path: Path):
    model = made(name)
    before = model(TOKENS).logits
    lora.add(model, rank=4, alpha=8, seed=0)
    assert torch.equal(model(TOKENS).logits, before)
    assert misfit(model) == ""
    assert all((".lora_" in n) == p.requires_grad for n, p in model.named_parameters())
    moved(model)
    now = model(TOKENS).logits
    assert not torch.allclose(now, before, atol=1e-3)
    lora.merged(model).save_pretrained(tmp_path)
    plain = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.float32).eval()
    assert type(plain) is type(model)
    assert torch.allclose(plain(TOKENS).logits, now, atol=1e-5)


def test_saved_adapters_are_pefts(tmp_path: Path):
    from peft import PeftModel

    model = made("qwen3")
    model.save_pretrained(tmp_path / "base")
    lora.add(model, rank=4, alpha=8, seed=0)
    moved(model)
    lora.save(model, str(tmp_path / "base"), tmp_path / "adapter")
    base = AutoModelForCausalLM.from_pretrained(tmp_path / "base", dtype=torch.float32)
    theirs = PeftModel.from_pretrained(base, str(tmp_path / "adapter")).eval()
    assert torch.allclose(theirs(TOKENS).logits, model(TOKENS).logits, atol=1e-5)


def test_restored_adapters_have_the_same_bits(tmp_path: Path):
    model, again = made("llama"), made("llama")
    lora.add(model, rank=2, alpha=4, seed=0)
    moved(model)
    lora.save(model, "base", tmp_path)
    lora.add(again, rank=2, alpha=4, seed=5)
    lora.restore(again, tmp_path)
    assert torch.equal(again(TOKENS).logits, model(TOKENS).logits)


def test_same_seed_gives_the_same_adapters_and_leaves_torchs_generator_alone():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, second, other = (made("llama") for _ in range(3))
    torch.set_rng_state(before)
    for model, seed in ((first, 1), (second, 1), (other, 2)):
        lora.add(model, rank=2, alpha=4, seed=seed)
    assert torch.equal(torch.get_rng_state(), before)
    a, b, c = (torch.cat([p.flatten() for p in m.parameters() if p.requires_grad]) for m in (first, second, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_reference_of_a_policy_with_adapters_is_the_policy_with_them_off():
    of = policy()
    plain = learner(Policy(of.model, of.tokenizer)).annotate(the_batch(), Needs(old=True)).old_logp
    lora.add(of.model, rank=4, alpha=8, seed=0)
    learning = learner(of)
    learning.prepare(Needs(reference=True))
    moved(of.model)
    seen = learning.annotate(the_batch(), Needs(old=True, reference=True))
    assert torch.allclose(seen.ref_logp, plain, atol=1e-5)
    assert not torch.allclose(seen.old_logp, plain, atol=1e-2)
    assert learning.reference is not None
    assert all(".lora_" in name for name in learning.reference.weights)


def test_answers_come_from_the_adapted_policy():
    of = policy()
    lora.add(of.model, rank=4, alpha=8, seed=0)
    moved(of.model)
    rollouts = sampler(of).generate([Prompt("p", text="ab?")], 4, Sampling(max_new_tokens=6), seed=0)
    batch = collate([replace(r, verdict=Verdict(1.0)) for r in rollouts], [0] * 4)
    seen = learner(of).annotate(batch, Needs(old=True))
    assert torch.allclose(seen.old_logp[seen.action], seen.behaviour_logp[seen.action], atol=1e-5)


def test_critic_of_a_policy_with_adapters_starts_from_the_merged_trunk():
    from quintet.models.heads import hidden, scalar_model

    model = made("qwen2")
    lora.add(model, rank=4, alpha=8, seed=0)
    moved(model)
    critic = scalar_model(model)
    assert torch.allclose(hidden(critic, input_ids=TOKENS), hidden(model, input_ids=TOKENS), atol=1e-4)
    assert all(p.requires_grad for p in critic.parameters())


def the_batch():
    return batch_of([("ab?", "cde"), ("ab?", "fg"), ("h!", "gg")], [1, 0, 0], groups=[0, 0, 1])
