from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from transformers import PreTrainedModel

from quintet.models import tree_attention
from quintet.models.projection import Projection
from quintet.models.tree import Tree
from quintet.models.tree_attention import misfit
from quintet.models.tree_blocks import by_blocks
from tests.models.architectures import MADE, VOCABULARY, made, with_sinks, without_position_ids
from tests.models.test_tree import path, trees

TREE = Tree((7, 4, 9, 3, 5, 2, 6, 1, 3), (-1, 0, 0, 0, -1, 4, 5, 5, 4))
"""A group of three answers, and a conversation that was continued in three ways, two of them behind the same turn. Longer than
the windows of models that have one."""


def read(model: PreTrainedModel, tree: Tree, tokens: Tensor) -> Tensor:
    with tree_attention.tree_attention(model):
        return model(input_ids=tokens[None], position_ids=tree.positions, use_cache=False, tree=tree).logits[0]


@pytest.mark.parametrize("name", MADE)
def test_logits_and_gradients_are_those_of_each_text_read_whole(name):
    model = made(name)
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, VOCABULARY, (sum(TREE.lengths),), generator=generator)
    pull = torch.randn(len(tokens), VOCABULARY, generator=generator)

    ours = read(model, TREE, tokens)
    (ours * pull).sum().backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()

    loss, done = torch.zeros(()), set[int]()
    for leaf in set(range(len(TREE.lengths))) - set(TREE.parents):
        text = path(TREE, leaf)
        theirs = model(input_ids=tokens[None, text], use_cache=False).logits[0]
        assert (ours[text] - theirs).abs().max() <= 1e-5 * theirs.abs().max()
        new = [i for i, place in enumerate(text) if place not in done]
        loss = loss + (theirs[new] * pull[[text[i] for i in new]]).sum()
        done |= set(text)
    loss.backward()
    for n, p in model.named_parameters():
        if p.grad is not None:
            assert (gradients[n] - p.grad).norm() <= 1e-5 * p.grad.norm() + 1e-7, n


@pytest.mark.parametrize("name", MADE)
def test_it_fits_and_the_last_layer_is_known(name):
    assert misfit(made(name)) == ""


def test_the_trial_on_gpus_takes_a_gradient_and_leaves_none_behind():
    model = made("qwen3")
    tree_attention._differentiate(model)
    assert all(p.grad is None for p in model.parameters())


@settings(max_examples=30)
@given(trees())
def test_any_tree_is_read_right(tree):
    model = made("llama")
    tokens = torch.randint(3, VOCABULARY, (sum(tree.lengths),), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        ours = read(model, tree, tokens)
        for piece in range(len(tree.lengths)):
            text = path(tree, piece)
            theirs = model(input_ids=tokens[None, text], use_cache=False).logits[0]
            assert torch.allclose(ours[text], theirs, atol=1e-5)


@pytest.mark.parametrize(("window", "softcap"), [(0, None), (3, None), (0, 2.0), (4, 1.5)])
def test_the_kernel_for_gpus_is_told_the_same(window, softcap):
    """FlexAttention as torch defines it, on a processor: without its compiled kernel, and forward alone."""
    torch.manual_seed(0)
    n = sum(TREE.lengths)
    query, key, value = (torch.randn(1, heads, n, 16) for heads in (4, 2, 2))
    ours = tree_attention._by_roots(query, key, value, 0.3, TREE, window, softcap)
    assert torch.allclose(by_blocks(query, key, value, 0.3, TREE, window, softcap), ours, atol=1e-5)


@pytest.mark.parametrize(("window", "softcap"), [(0, None), (3, None), (0, 2.0), (4, 1.5)])
def test_parts_and_masks_and_the_definition_agree(window, softcap):
    """query, key and value of four, two and two heads against a softmax that is written out."""
    torch.manual_seed(0)
    n = sum(TREE.lengths)
    query, key, value = (torch.randn(1, heads, n, 8, requires_grad=True) for heads in (4, 2, 2))
    pull = torch.randn(1, n, 4, 8)

    def gradients(out: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad((out * pull).sum(), (query, key, value)))

    seen = torch.zeros(n, n, dtype=torch.bool)
    for root in TREE.roots():
        seen[root, root] = TREE.sees(root, window)
    scores = query @ key.repeat_interleave(2, 1).transpose(2, 3) * 0.3
    scores = softcap * torch.tanh(scores / softcap) if softcap else scores
    expected = (scores.masked_fill(~seen, -torch.inf).softmax(-1) @ value.repeat_interleave(2, 1)).transpose(1, 2)
    options: dict[str, Any] = {"scaling": 0.3, "tree": TREE, "sliding_window": window or None, "softcap": softcap}
    ours, _ = tree_attention.attend(torch.nn.Module(), query, key, value, None, **options)
    assert torch.allclose(ours, expected, atol=1e-6)
    for found, right in zip(gradients(ours), gradients(expected), strict=True):
        assert torch.allclose(found, right, atol=1e-5)
    by_roots = tree_attention._by_roots(query, key, value, 0.3, TREE, window, softcap).transpose(1, 2)
    assert torch.allclose(by_roots, expected, atol=1e-6)


def test_scores_that_differ_by_hundreds_do_not_overflow():
    query, key = (torch.full((1, 1, 6, 8), x) for x in (20.0, 20.0))
    key[:, :, :3] = -20.0
    value = torch.arange(6.0)[None, None, :, None].expand(1, 1, 6, 8).contiguous()
    out, _ = tree_attention.attend(torch.nn.Module(), query, key, value, None, tree=Tree((3, 2, 1), (-1, 0, 0)))
    assert out[0, :, 0, 0].tolist() == pytest.approx([0, 0.5, 1, 3, 3.5, 5])


def test_attention_is_the_models_own_again_afterwards():
    model = made("llama")
    before = model.config._attn_implementation
    with tree_attention.tree_attention(model):
        assert model.config._attn_implementation == tree_attention.NAME
    assert model.config._attn_implementation == before
    attention = tree_attention.tree_attention(model)
    with pytest.raises(IndexError), attention:
        model(torch.full((1, 2), 10**6))
    assert model.config._attn_implementation == before


def test_model_whose_attention_has_sinks_is_refused_with_the_reason():
    assert "attention sinks" in misfit(with_sinks())


def test_model_that_takes_no_attention_function_is_refused():
    assert misfit(without_position_ids())


def test_model_whose_last_layer_does_more_than_is_known_is_refused():
    model = made("llama")
    model.lm_head.register_forward_hook(lambda layer, given, logits: logits * 1.1)  # type: ignore[operator]
    assert misfit(model) == "its results differ from the model's own"


def test_trying_leaves_the_models_mode_as_it_was():
    model = made("gpt2").train()
    assert misfit(model) == ""
    assert model.training


def test_last_layers_scale_cap_and_bias_are_read_from_the_model():
    assert Projection.of(made("gemma2, capped, local layers")).cap == 30
    assert Projection.of(made("granite, scaled logits")).scale == pytest.approx(1 / 3)
    assert Projection.of(made("cohere, scaled logits")).scale == 0.0625
