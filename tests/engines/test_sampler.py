from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import sqrt

import numpy as np
import pytest
import torch

from quintet.data import Needs, Prompt, Rollout, Sampling, Verdict
from quintet.engines.embedded import plain_decoder
from quintet.engines.embedded.answers import stops_in
from quintet.engines.embedded.decoder import Decoder
from quintet.models.tree import Tree
from quintet.models.tree_cache import TreeCache
from quintet.sources import collate
from tests.tiny import (
    ARCHITECTURES,
    END,
    VOCABULARY,
    bigram,
    chain,
    learner,
    policy,
    sampler,
    token,
    tokenizer,
    tokens,
)

PROMPTS = [Prompt("a", text="ab?"), Prompt("b", text="h"), Prompt("c", text="cdefgh ab"), Prompt("d", text="!!")]
"""Of unequal lengths."""
LONG = Sampling(max_new_tokens=12)


def contents(rollouts: Sequence[Rollout]) -> list[tuple[list[int], str]]:
    return [(r.tokens, r.stop_reason) for r in rollouts]


# ---- the distribution is the learner's -------------------------------------------------------------------------------------

DISTRIBUTIONS = {
    "plain": LONG,
    "temperature": replace(LONG, temperature=0.6),
    "top_k": replace(LONG, top_k=3),
    "top_p": replace(LONG, top_p=0.8),
    "min_p": replace(LONG, min_p=0.1),
    "everything": replace(LONG, temperature=1.3, top_k=8, top_p=0.9, min_p=0.05),
    "greedy": replace(LONG, temperature=0.0),
}


def reshaped(p: np.ndarray, sampling: Sampling) -> np.ndarray:
    """What the settings make of probabilities, one token after the other, as one would explain it."""
    p = p ** (1 / sampling.temperature)
    order = np.argsort(-p, kind="stable")
    kept: list[int] = list(order[: (sampling.top_k or len(p))])
    mass, taken = p[kept] / p[kept].sum(), 0.0
    for rank in range(len(kept)):
        if taken >= sampling.top_p:
            kept = kept[:rank]
            break
        taken += mass[rank]
    kept = [i for i in kept if p[i] >= sampling.min_p * p[order[0]]]
    found = np.zeros_like(p)
    found[kept] = p[kept]
    return found / found.sum()


@pytest.mark.parametrize("name", [name for name in DISTRIBUTIONS if name != "greedy"])
def test_a_hundred_thousand_tokens_of_the_whole_decoder_follow_the_distribution(name):
    """χ² over what follows each token, in a batch whose rows are filled again all the time; the bound is passed by chance once
    in ten thousand."""
    sampling = replace(DISTRIBUTIONS[name], max_new_tokens=50)
    logits = torch.from_numpy(np.sin(np.arange(256.0) * 1.7).reshape(16, 16) * 1.5).float()
    logits[:, token(END)] = -2.0  # answers end by themselves, at all lengths
    rollouts = sampler(bigram(logits), rows=1024).generate(
        [Prompt(str(i), text="ab?") for i in range(1000)], 8, sampling, seed=5
    )
    counts = np.zeros((16, 16))
    for rollout in rollouts:
        behind = len(rollout.tokens) - sum(rollout.action)
        np.add.at(counts, (rollout.tokens[behind - 1 : -1], rollout.tokens[behind:]), 1)
    assert counts.sum() > 100_000
    statistic = degrees = 0.0
    for before in counts.sum(1).nonzero()[0]:
        p = logits[int(before)].double().softmax(0).numpy()
        expected = counts[before].sum() * reshaped(p, sampling)
        assert not counts[before][expected == 0].any()
        often = expected > 5
        statistic += float(((counts[before] - expected)[often] ** 2 / expected[often]).sum())
        degrees += often.sum() - 1
    assert degrees > 15
    spread = 2 / (9 * degrees)
    assert statistic < degrees * (1 - spread + 3.719 * sqrt(spread)) ** 3  # Wilson and Hilferty 1931


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("group_size", [1, 3])
def test_behaviour_log_probability_is_the_learners(kind, name, group_size):
    of, sampling = policy(kind), DISTRIBUTIONS[name]
    rollouts = sampler(of).generate(PROMPTS, group_size, sampling, seed=1)
    graded = [replace(r, verdict=Verdict(1.0)) for r in rollouts]
    batch = collate(graded, [i // group_size for i in range(len(graded))])
    for micro_batch in (0, 1):
        seen = learner(of, sampling, micro_batch=micro_batch).annotate(batch, Needs(old=True))
        assert torch.allclose(seen.old_logp[seen.action], seen.behaviour_logp[seen.action], atol=1e-5)
    assert bool((batch.behaviour_logp[~batch.action] == 0).all())


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_temperature_zero_writes_what_transformers_writes(kind):
    of = policy(kind)
    ours = sampler(of).generate(PROMPTS, 1, replace(LONG, temperature=0), seed=0)
    for prompt, rollout in zip(PROMPTS, ours, strict=True):
        ids = torch.tensor([tokens(prompt.text or "")])
        theirs = of.model.generate(ids, do_sample=False, max_new_tokens=12, attention_mask=torch.ones_like(ids))  # type: ignore[operator]
        assert rollout.tokens == theirs[0].tolist()
        assert rollout.text == of.tokenizer.decode(theirs[0, ids.shape[1] :], skip_special_tokens=True)


def test_frequencies_of_answers_are_the_policys():
    """A bigram policy: 4096 answers of one token after `?` against the 16 probabilities, χ² below its 10⁻⁴ quantile."""
    logits = torch.sin(torch.arange(256.0)).view(16, 16) * 1.5
    rollouts = sampler(bigram(logits), rows=512).generate([Prompt("p", text="?")] * 512, 8, Sampling(max_new_tokens=1), seed=4)
    counts = np.bincount([r.tokens[-1] for r in rollouts], minlength=16)
    expected = 4096 * logits[token("?")].softmax(-1).numpy()
    statistic = float(((counts - expected) ** 2 / expected).sum())
    spread = 2 / (9 * 15)
    assert statistic < 15 * (1 - spread + 3.719 * sqrt(spread)) ** 3


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_bfloat16_log_probabilities_are_near_the_learners(monkeypatch, kind, dtype):
    monkeypatch.setattr(plain_decoder, "write", None)  # rounding is no reason to take the plain way
    of = policy(kind)
    rollouts = sampler(of, dtype=dtype).generate(PROMPTS, 4, LONG, seed=1)
    batch = collate([replace(r, verdict=Verdict(1.0)) for r in rollouts], [i // 4 for i in range(16)])
    seen = learner(of, LONG, dtype=dtype).annotate(batch, Needs(old=True))
    gap = (seen.old_logp - seen.behaviour_logp)[seen.action].abs()
    assert float(gap.mean()) < (0.1 if dtype == "bfloat16" else 1e-5)


def test_weights_are_the_very_same_tensors_after_sampling_in_bfloat16():
    of = policy()
    before = {name: (p.data_ptr(), p.dtype, p.detach().clone()) for name, p in of.model.named_parameters()}
    sampler(of, dtype="bfloat16").generate(PROMPTS, 2, LONG, seed=1)
    for name, p in of.model.named_parameters():
        place, dtype, value = before[name]
        assert (p.data_ptr(), p.dtype) == (place, dtype)
        assert torch.equal(p, value)


# ---- what an answer depends on ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 4, 7, 1024])
def test_answer_does_not_depend_on_what_else_is_in_the_batch(rows):
    of = policy(sharpness=0.1)
    together = sampler(of).generate(PROMPTS, 4, LONG, seed=3, first=10)
    assert contents(sampler(of, rows=rows).generate(PROMPTS, 4, LONG, seed=3, first=10)) == contents(together)
    for i, prompt in enumerate(PROMPTS):
        alone = sampler(of).generate([prompt], 4, LONG, seed=3, first=10 + i)
        assert contents(alone) == contents(together[4 * i : 4 * i + 4])


def test_answer_does_not_depend_on_how_many_siblings_follow():
    of = policy(sharpness=0.1)
    few, many = (sampler(of).generate(PROMPTS, n, LONG, seed=3) for n in (2, 5))
    assert contents(few) == contents([r for i, r in enumerate(many) if i % 5 < 2])


def test_answer_depends_on_seed_prompt_number_and_place_in_the_group():
    of = policy(sharpness=0.1)
    same = [Prompt("a", text="ab?")] * 2
    first, second = sampler(of).generate(same, 1, LONG, seed=0)
    other_seed = sampler(of).generate(same[:1], 1, LONG, seed=1)[0]
    sibling = sampler(of).generate(same[:1], 2, LONG, seed=0)[1]
    assert len({tuple(r.tokens) for r in (first, second, other_seed, sibling)}) == 4
    assert contents(sampler(of).generate(same[:1], 1, LONG, seed=0, first=1)) == contents([second])


def test_siblings_are_side_by_side_in_the_order_of_the_prompts():
    rollouts = sampler(policy()).generate(PROMPTS, 2, LONG, seed=0)
    assert [r.prompt.id for r in rollouts] == ["a", "a", "b", "b", "c", "c", "d", "d"]


def test_no_prompts_no_answers():
    assert sampler(policy()).generate([], 3, LONG, seed=0) == []


def test_sampling_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    of = policy(seed=5)
    torch.set_rng_state(before)
    sampler(of).generate(PROMPTS, 2, LONG, seed=0)
    assert torch.equal(torch.get_rng_state(), before)


# ---- how an answer ends ----------------------------------------------------------------------------------------------------


def answer(text: str, prompt: str, max_new_tokens: int = 9, stop: tuple[str, ...] = ()) -> Rollout:
    sampling = Sampling(max_new_tokens=max_new_tokens, stop=stop)
    return sampler(chain(text)).generate([Prompt("p", text=prompt)], 1, sampling, seed=0)[0]


def test_rollout_holds_prompt_and_answer_token_by_token():
    found = answer("abcd", "da", max_new_tokens=3)
    assert (found.tokens, found.action) == (tokens("dabcd"), [False, False, True, True, True])
    assert found.behaviour_logp == pytest.approx([0.0] * 5, abs=1e-5)
    assert (found.text, found.stop_reason, found.verdict) == ("bcd", "length", None)


def test_answer_is_cut_off_at_the_longest_length():
    found = answer("abcdefgh", "a", max_new_tokens=5)
    assert (found.text, found.stop_reason, sum(found.action)) == ("bcdef", "length", 5)


def test_end_of_text_ends_the_answer_and_is_learned_from_but_not_shown():
    logits = torch.zeros(16, 16)
    logits[token("?"), token("a")] = logits[token("a"), token(END)] = 40.0
    found = sampler(bigram(logits)).generate([Prompt("p", text="?")], 1, LONG, seed=0)[0]
    assert found.tokens == [*tokens("?a"), token(END)]
    assert (found.text, found.stop_reason, found.action) == ("a", "eos", [False, True, True])


def test_end_of_text_as_the_last_allowed_token_is_an_end_and_no_cut():
    logits = torch.zeros(16, 16)
    logits[token("?"), token("a")] = logits[token("a"), token(END)] = 40.0
    found = sampler(bigram(logits)).generate([Prompt("p", text="?")], 1, Sampling(max_new_tokens=2), seed=0)[0]
    assert (found.text, found.stop_reason) == ("a", "eos")


def test_every_end_token_of_the_generation_settings_ends_an_answer():
    of = chain("abcd")
    assert of.model.generation_config is not None
    of.model.generation_config.eos_token_id = [token("d"), token("h")]
    found = sampler(of).generate([Prompt("p", text="a")], 1, LONG, seed=0)[0]
    assert (found.text, found.stop_reason, found.tokens) == ("bc", "eos", tokens("abcd"))
    assert of.ends == (1, token("d"), token("h"))


@pytest.mark.parametrize(
    ("stop", "text"),
    [(("d",), "bcd"), (("cd",), "bcd"), (("bcde",), "bcde"), (("zz", "ef", "h"), "bcdef"), (("e\n",), "bcdefgh abc")],
)
def test_stop_string_ends_the_answer_and_stays_in_its_text(stop, text):
    found = answer("abcdefgh ", "a", stop=stop, max_new_tokens=len("bcdefgh abc"))
    assert found.text == text
    assert found.stop_reason == ("length" if stop == ("e\n",) else "stop")


def test_stop_string_in_the_prompt_stops_nothing():
    assert answer("abcd", "cda", stop=("cda",), max_new_tokens=2).stop_reason == "length"
    assert answer("abcd", "c", stop=("cd",), max_new_tokens=2).text == "da"  # its c is the prompt's


def test_stop_string_of_many_bytes_is_found():
    from quintet.models.load import from_nothing, tokenizer_for

    class Greek:
        name = "greek"

        def pieces(self) -> list[str]:
            return ["a"]

    made = from_nothing("1m", tokenizer_for(Greek()), 0)
    ids = made.tokenizer.encode("aπσa")
    assert len(ids) == 6
    stopped = stops_in(made.tokenizer, ("πσ",))
    assert stopped is not None
    assert not stopped(ids[:4])
    assert stopped(ids[:5])


def test_answers_that_end_early_leave_the_others_as_they_were():
    """Endings at different lengths: rows leave the cache one after the other, and who stays is not disturbed."""
    logits = torch.zeros(16, 16)
    logits[:, token(END)] = 1.5
    of = bigram(logits)
    rollouts = sampler(of).generate(PROMPTS, 8, Sampling(max_new_tokens=30), seed=2)
    assert len({sum(r.action) for r in rollouts}) > 5
    for i in (0, 13, 31):
        alone = sampler(of).generate([PROMPTS[i // 8]], 8, Sampling(max_new_tokens=30), seed=2, first=i // 8)[i % 8]
        assert contents([alone]) == contents([rollouts[i]])
    for r in rollouts:
        ended = [t for t, a in zip(r.tokens, r.action, strict=True) if a and t == token(END)]
        assert len(ended) == (r.stop_reason == "eos")
        assert END not in r.text


def test_rows_that_become_free_are_filled_by_the_next_prompts(monkeypatch):
    """Continuous batching: no answer waits for the longest one, and who is let in late is written as if alone."""
    logits = torch.zeros(16, 16)
    logits[:, token(END)] = 1.5
    of, late = bigram(logits), 0
    admit = TreeCache.admit

    def counted(cache: TreeCache, tree: Tree) -> None:
        nonlocal late
        late += cache.live > 0
        admit(cache, tree)

    monkeypatch.setattr(TreeCache, "admit", counted)
    prompts, sampling = PROMPTS * 5, Sampling(max_new_tokens=30)
    found = sampler(of, rows=8).generate(prompts, 4, sampling, seed=2)
    assert late >= 5
    late = 0
    assert contents(found) == contents(sampler(of, rows=1024).generate(prompts, 4, sampling, seed=2))
    assert late == 0


# ---- prompts, weights, broken rows -----------------------------------------------------------------------------------------


def test_messages_are_read_through_the_chat_template():
    of = policy()
    chatty = replace(of, tokenizer=tokenizer(chat=True))
    messages = Prompt("m", messages=({"role": "user", "content": "ab"},))
    (found,) = sampler(chatty).generate([messages], 1, LONG, seed=0)
    (plain,) = sampler(of).generate([Prompt("p", text="ab!?")], 1, LONG, seed=0)
    assert found.tokens == plain.tokens
    with pytest.raises(ValueError, match="no chat template"):
        sampler(of).generate([messages], 1, LONG, seed=0)


def test_rollouts_name_the_policy_version():
    of = sampler(policy())
    of.load({}, 7)
    assert of.generate(PROMPTS[:1], 1, LONG, seed=0)[0].policy_version == 7


def test_one_row_that_is_not_finite_leaves_the_others_as_they_were():
    """A prompt with a token whose embedding is NaN."""
    of = policy()
    before = sampler(of).generate(PROMPTS[:3:2], 2, LONG, seed=0)
    with torch.no_grad():
        of.model.get_input_embeddings().weight[VOCABULARY.index("\n")] = float("nan")  # type: ignore[union-attr]
    bad = Prompt("bad", text="a\n")
    found = sampler(of).generate([PROMPTS[0], PROMPTS[2], bad], 2, LONG, seed=0)
    assert [r.prompt.id for r in found[4:]] == ["bad", "bad"]
    assert not np.isfinite(found[4].behaviour_logp).all()
    clean = [i for i in range(4) if "\n" not in before[i].text]
    assert contents([found[i] for i in clean]) == contents([before[i] for i in clean])
    assert clean


def test_a_broken_row_leaves_nothing_behind_for_the_next():
    """Rows of the cache are used again: what was NaN in one may not reach who comes after."""
    of = policy()
    before = sampler(of).generate(PROMPTS[:1], 1, LONG, seed=0)
    assert "\n" not in before[0].text
    with torch.no_grad():
        of.model.get_input_embeddings().weight[VOCABULARY.index("\n")] = float("nan")  # type: ignore[union-attr]
    found = sampler(of, rows=1).generate([Prompt("bad", text="a\n"), PROMPTS[0]], 1, LONG, seed=0, first=-1)
    assert not np.isfinite(found[0].behaviour_logp).all()
    assert contents(found[1:]) == contents(before)


@pytest.mark.parametrize("kind", ["qwen3", "gpt2"] if {"qwen3", "gpt2"} <= set(ARCHITECTURES) else list(ARCHITECTURES)[:2])
def test_each_answer_is_handed_over_once_as_it_ends_and_the_short_ones_first(kind):
    handed: list[Rollout] = []
    rollouts = sampler(policy(kind)).generate(PROMPTS, 3, LONG, seed=1, ended=handed.append)
    assert len(handed) == len(rollouts)
    assert {id(r) for r in handed} == {id(r) for r in rollouts}
    assert [sum(r.action) for r in handed] == sorted(sum(r.action) for r in handed)


# ---- several tokens between two looks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ARCHITECTURES)
@pytest.mark.parametrize("name", ["plain", "everything", "greedy"])
def test_to_look_less_often_changes_no_answer(monkeypatch, kind, name):
    """As on a GPU: answers end between two looks, at all lengths, and rows are filled again."""
    of, sampling = policy(kind, sharpness=0.1), DISTRIBUTIONS[name]
    each = [sampler(of, rows=8).generate(PROMPTS * 3, 4, sampling, seed=3)]
    for ahead in (2, 5, 50):
        monkeypatch.setattr(Decoder, "__init__", looking(ahead))
        each.append(sampler(of, rows=8).generate(PROMPTS * 3, 4, sampling, seed=3))
        monkeypatch.undo()
    for found in each[1:]:
        assert contents(found) == contents(each[0])
        for one, other in zip(found, each[0], strict=True):
            assert one.behaviour_logp == pytest.approx(other.behaviour_logp, abs=1e-5)


def looking(ahead: int):
    """Decoder's __init__, and then so many tokens a look; the second pass is taken down and played again."""
    made = Decoder.__init__

    def initialised(self: Decoder, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        self.ahead, self.record = ahead, lambda work: work

    return initialised
