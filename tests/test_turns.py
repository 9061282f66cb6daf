from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from quintet.algorithms.dpo import DPO
from quintet.algorithms.grpo import GRPO
from quintet.algorithms.ppo import PPO
from quintet.algorithms.reinforce import Reinforce
from quintet.algorithms.supervised import SFT
from quintet.algorithms.trpo import TRPO
from quintet.data import Needs, Prompt, Rollout, Sampling, Verdict
from quintet.models.load import Policy
from quintet.models.text import encode_reply
from quintet.protocols import TaskError
from quintet.sources import Demonstrations, Online, collate, grade
from quintet.train import train
from quintet.turns import Turns, with_turns
from quintet.updates import NaturalStep
from tests.tiny import (
    ARCHITECTURES,
    END,
    Letter,
    bigram,
    gradient_of,
    learner,
    naive_gradient,
    policy,
    prepared,
    sampler,
    token,
    tokenizer,
    tokens,
    weights_of,
)


@dataclass
class Talker:
    """Says " !" to each of the first answers and has nothing to say to the last."""

    answers: int = 3
    name: str = "talker"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return Letter().prompts(split, start)

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, Sequence[str]]]:
        return ((prompt, ("ab", " !", "c")) for prompt in self.prompts(split, start))

    def reply(self, transcript: Rollout) -> str | None:
        assert transcript.text == "".join(transcript.turns)
        return " !" if (len(transcript.turns) + 1) // 2 < self.answers else None

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        return [Verdict(float(sum(map(ord, r.turns[-1])) % 3)) for r in rollouts]


PROMPTS = [Prompt("a", text="ab?"), Prompt("b", text="h"), Prompt("c", text="cdefgh ab")]
ROOM = Sampling(max_new_tokens=40)


def ending() -> Policy:
    """Whatever it said, it ends its turn with a third's probability, so conversations differ in length."""
    logits = torch.zeros(16, 16)
    logits[:, token(END)], logits[:, 0], logits[:, 2] = 2.0, -40.0, -40.0
    return bigram(logits)


def talks(of: Policy, group_size: int = 2, sampling: Sampling = ROOM, prompts: Sequence[Prompt] = PROMPTS, **how: Any) -> list:
    turns = Turns(sampler(of), how.pop("task", None) or Talker(), of.tokenizer)
    return turns.generate(prompts, group_size, sampling, **{"seed": 1, **how})


# ---- what a conversation is ------------------------------------------------------------------------------------------------


def test_replies_stand_between_answers_and_are_no_actions():
    for talk in talks(ending()):
        assert talk.stop_reason == "eos"
        assert talk.turns[1::2] == (" !", " !")
        parts = [([*tokens(text), token(END)] if i % 2 == 0 else tokens(text)) for i, text in enumerate(talk.turns)]
        assert talk.tokens == [t for part in [tokens(talk.prompt.text), *parts] for t in part]
        chosen = [False] * len(talk.prompt.text) + [i % 2 == 0 for i, part in enumerate(parts) for _ in part]
        assert talk.action == chosen
        assert all(p == 0 for p, a in zip(talk.behaviour_logp, talk.action, strict=True) if not a)
        assert talk.prompt in PROMPTS


def test_task_that_does_not_reply_keeps_its_sampler():
    plain = sampler(policy())
    assert with_turns(plain, Letter(), plain.policy.tokenizer) is plain
    assert isinstance(with_turns(plain, Talker(), plain.policy.tokenizer), Turns)


def test_new_weights_reach_the_sampler_below():
    plain = sampler(policy())
    Turns(plain, Talker(), plain.policy.tokenizer).load({}, 7)
    assert plain.version == 7


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_log_probabilities_of_sampler_and_learner_agree_across_turns(kind: str):
    of = policy(kind, sharpness=0.15)
    sampling = replace(ROOM, max_new_tokens=30, temperature=0.8, top_k=12, stop=("b", "c"))
    found = grade(Talker(), talks(of, 3, sampling))
    assert max(len(r.turns) for r in found) == 5  # else nobody talked
    seen = learner(of, sampling).annotate(collate(found, [i // 3 for i in range(9)]), Needs(old=True))
    assert torch.allclose(seen.old_logp[seen.action], seen.behaviour_logp[seen.action], atol=2e-5)


# ---- an answer is a function -----------------------------------------------------------------------------------------------


def said(found: Sequence[Rollout]) -> list[tuple[list[int], str]]:
    return [(r.tokens, r.stop_reason) for r in found]


def test_conversation_depends_on_its_own_number_and_place_alone():
    of = policy(sharpness=0.15)
    sampling = replace(ROOM, stop=("b", "c", "d"))
    together = said(talks(of, 4, sampling, first=5))
    alone = [said(talks(of, 4, sampling, [prompt], first=5 + i)) for i, prompt in enumerate(PROMPTS)]
    assert together == [talk for group in alone for talk in group]
    fewer = said(talks(of, 2, sampling, first=5))
    assert [together[i] for i in (0, 1, 4, 5, 8, 9)] == fewer
    assert len({str(talk) for talk in together}) == 12


def test_turns_are_drawn_anew():
    """Of 64 conversations whose every turn is one of 13 letters, uniformly, few say the same twice: about 64/13."""
    logits = torch.zeros(16, 16)
    logits[:, :3] = -40.0
    sampling = Sampling(max_new_tokens=3, stop=tuple("abcdefgh ?!.\n"))
    found = talks(bigram(logits), 64, sampling, PROMPTS[:1])
    assert all(len(talk.turns) == 5 for talk in found)
    for one, other in ((0, 2), (2, 4), (0, 4)):
        assert sum(talk.turns[one] == talk.turns[other] for talk in found) < 16


# ---- the room --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 2, 3, 5, 8])
def test_answers_together_have_no_more_tokens_than_allowed_and_begin_as_with_more(most: int):
    of = ending()
    long, short = talks(of, 16), talks(of, 16, replace(ROOM, max_new_tokens=most))
    cut = 0
    for whole, part in zip(long, short, strict=True):
        assert sum(part.action) <= most
        assert part.tokens == whole.tokens[: len(part.tokens)]
        assert part.action == whole.action[: len(part.tokens)]
        assert part.behaviour_logp == whole.behaviour_logp[: len(part.tokens)]
        assert part.action[-1], "nobody replies to whom has no token left"
        assert part.text == "".join(part.turns)
        assert (part.stop_reason == "length") == (part.tokens != whole.tokens)
        cut += part.stop_reason == "length"
    assert cut > 0


# ---- learning --------------------------------------------------------------------------------------------------------------


def conversations(of: Policy) -> Any:
    found = grade(Talker(), talks(of, 3, replace(ROOM, max_new_tokens=24)))
    return collate(found, [i // 3 for i in range(len(found))])


def test_gradient_is_that_of_the_chosen_tokens_and_of_no_reply():
    """Against a plain sum over each row, whose coefficient is 0 on every reply."""
    of = policy(sharpness=0.2)
    batch = conversations(of)
    inside = ~batch.action & (torch.arange(batch.tokens.shape[1]) < batch.length[:, None])
    assert int(inside.sum()) > sum(len(r.prompt.text) for r in batch.rollouts)  # there are replies
    ready = prepared(Reinforce(per="token"), one := learner(of), batch)
    one.gradient(Reinforce(per="token").loss, ready)
    wanted = naive_gradient(of, batch, torch.where(batch.action, ready.advantage * ready.weight, 0.0))
    assert float((gradient_of(one) - wanted).norm() / wanted.norm()) < 1e-5


ALGORITHMS: dict[str, Any] = {
    "reinforce": Reinforce(),
    "trpo": TRPO(update=NaturalStep(fisher_share=1.0)),
    "ppo": PPO(),
    "dpo": DPO(),
    "grpo": GRPO(),
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_learns_from_conversations(name: str):
    algorithm = ALGORITHMS[name]
    of = policy(sharpness=0.2)
    before, one = weights_of(of), learner(of)
    source = Online(Talker(), Turns(sampler(of), Talker(), of.tokenizer), replace(ROOM, max_new_tokens=24), 4, 4, seed=3)
    seen: list[dict[str, float]] = []
    train(algorithm, one, source, [lambda step, batch, stats: seen.append(stats)], steps=2)
    assert not torch.equal(weights_of(of), before)
    assert all(row["logp_gap/max"] < 1e-4 for row in seen if "logp_gap/max" in row)


def test_demonstrated_conversation_shows_replies_and_teaches_answers():
    of = policy()
    batch = next(iter(Demonstrations(Talker(), of.tokenizer, 3)))
    prompt = batch.rollouts[0].prompt.text or ""
    end = [token(END)]
    assert batch.rollouts[0].tokens == tokens(prompt) + tokens("ab") + end + tokens(" !") + tokens("c") + end
    assert batch.rollouts[0].action == [False] * len(prompt) + [True] * 3 + [False] * 2 + [True] * 2
    assert batch.rollouts[0].text == "ab !c"
    stats = learner(of).gradient(SFT().loss, prepared(SFT(), learner(of), batch))
    assert stats["loss"] > 0


def test_source_of_conversations_goes_on_where_it_was():
    of = policy(sharpness=0.15)

    def source() -> Online:
        return Online(Talker(), Turns(sampler(of), Talker(), of.tokenizer), replace(ROOM, stop=("b",)), 2, 3, seed=2)

    straight, before, after = list(islice(source(), 4)), source(), source()
    list(islice(before, 2))
    after.restore(before.state())
    again = list(islice(after, 2))
    assert [b.rollouts for b in again] == [b.rollouts for b in straight[2:]]


def test_task_that_fails_to_reply_is_named_with_its_error():
    class Broken(Talker):
        def reply(self, transcript: Rollout) -> str | None:
            raise KeyError("tool")

    with pytest.raises(TaskError, match=r"The task talker could not reply to an answer: KeyError: 'tool'"):
        talks(ending(), task=Broken())


# ---- chat templates --------------------------------------------------------------------------------------------------------

WORDS = ["<unk>", "<|end|>", "<|user|>", "<|bot|>", "\n", "hi", "answer", "answer.", "higher", "x"]
TEMPLATE = (
    "{% for m in messages %}{{ '<|user|>' if m.role == 'user' else '<|bot|>' }}{{ m.content }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|bot|>{% endif %}"
)


def chat(template: str = TEMPLATE) -> PreTrainedTokenizerFast:
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Sequence([])
    finished = PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|end|>", unk_token="<unk>")
    finished.add_tokens(WORDS[2:])
    finished.chat_template = template
    return finished


ASKED = Prompt("p", messages=({"role": "user", "content": "hi"},))


@pytest.mark.parametrize(("last", "end"), [("<|end|>", []), ("x", ["<|end|>"])])
def test_reply_comes_in_the_chat_template_and_the_end_that_was_written_is_not_written_twice(last: str, end: list[str]):
    tokens_ = encode_reply(chat(), ASKED, ("x",), "higher", WORDS.index(last))
    assert [WORDS[t] for t in tokens_] == [*end, "\n", "<|user|>", "higher", "<|end|>", "\n", "<|bot|>"]


def test_words_of_the_conversation_are_not_taken_for_the_answers_place():
    found = encode_reply(chat(), ASKED, ("answer", "answer.", "x"), "answer", 1)
    assert [WORDS[t] for t in found] == ["\n", "<|user|>", "answer", "<|end|>", "\n", "<|bot|>"]


def test_template_that_forgets_the_assistant_is_refused():
    silent = "{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}"
    with pytest.raises(ValueError, match="leaves out what the assistant said"):
        encode_reply(chat(silent), ASKED, ("x",), "higher", 1)


def test_reply_to_a_plain_prompt_is_its_own_text():
    assert encode_reply(tokenizer(), Prompt("p", text="a"), ("b",), " !", 1) == tokens(" !")
