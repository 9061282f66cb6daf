from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from quintet.data import Batch, Needs, Prompt, Sampling, Verdict
from quintet.engines.embedded import forward
from quintet.engines.embedded.packing import pack
from quintet.models import heads, tree_attention
from quintet.models.load import Policy
from quintet.sources import collate
from tests.models.architectures import with_sinks
from tests.tiny import ARCHITECTURES, batch_of, learner, policy, sampler, tokenizer, tokens


def the_batch() -> Batch:
    """Two answers to one prompt, the second of a single token, and one to another."""
    return batch_of([("ab?", "cde"), ("ab?", "f"), ("h!", "gg")], [1, 0, 0], groups=[0, 0, 1])


def test_prompt_stands_once_and_last_tokens_are_left_out():
    packed = pack(the_batch())
    assert packed.tokens[0].tolist() == tokens("ab?" + "cd" + "h!g")
    assert (packed.tree.lengths, packed.tree.parents) == ((3, 2, 3), (-1, 0, -1))  # f alone says nothing of what follows
    assert packed.before.tolist() == [2, 3, 4, 2, 6, 7]
    assert packed.column.tolist() == [3, 4, 5, 6 + 3, 12 + 2, 12 + 3]


def test_whole_rows_keep_their_last_token():
    packed = pack(the_batch(), whole=True)
    assert packed.tokens[0].tolist() == tokens("ab?" + "cde" + "f" + "h!gg")
    assert packed.last.tolist() == [5, 6, 10]


def test_unpacked_numbers_stand_in_their_own_columns():
    batch = the_batch()
    packed = pack(batch)
    said = packed.unpack(torch.arange(1.0, 7.0), batch)
    assert said.tolist() == [[0, 0, 0, 1, 2, 3], [0, 0, 0, 4, 0, 0], [0, 0, 5, 6, 0, 0]]


def test_rows_of_another_group_or_prompt_do_not_share():
    same_prompt = batch_of([("ab?", "cd"), ("ab?", "ef")], [1, 0], groups=[0, 1])
    assert pack(same_prompt).tree.parents == (-1, -1)
    same_group = batch_of([("ab?", "cd"), ("ab!", "ef")], [1, 0], groups=[0, 0])
    assert pack(same_group).tree.parents == (-1, -1)


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("sampling", [Sampling(), Sampling(temperature=0.7, top_k=5)])
def test_packed_and_plain_passes_say_the_same(monkeypatch, kind, sampling):
    of, batch = policy(kind).model.eval(), the_batch()
    head, critic = heads.value_head(of), heads.scalar_model(of)
    for layer in (head, heads.head(critic)):
        torch.nn.init.normal_(layer.weight)

    def everything() -> list[torch.Tensor]:
        said = forward.outputs(of, batch, sampling, head)
        assert said.value is not None
        columns = [
            *(x[batch.action] for x in (said.logp, said.entropy, said.value)),
            forward.values(critic, batch)[batch.action],
        ]
        return [*columns, forward.scores(critic, batch)]

    packed = everything()
    monkeypatch.setattr(forward, "misfit", lambda model: "for once")
    for ours, theirs in zip(packed, everything(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)
        assert theirs.std() > 1e-3


def test_model_that_does_not_fit_is_sampled_and_learned_from_the_plain_way():
    of = Policy(with_sinks(), tokenizer())
    assert tree_attention.misfit(of.model)
    sampling = Sampling(max_new_tokens=6)
    prompts = [Prompt("a", text="ab?"), Prompt("b", text="h")]
    rollouts = sampler(of).generate(prompts, 3, sampling, seed=1)
    batch = collate([replace(r, verdict=Verdict(1.0)) for r in rollouts], [0, 0, 0, 1, 1, 1])
    seen = learner(of, sampling).annotate(batch, Needs(old=True))
    assert torch.allclose(seen.old_logp[seen.action], seen.behaviour_logp[seen.action], atol=1e-5)
    alone = sampler(of, rows=3).generate(prompts, 3, sampling, seed=1)
    assert [r.tokens for r in alone] == [r.tokens for r in rollouts]
