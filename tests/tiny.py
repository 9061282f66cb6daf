"""Models, tasks and batches small enough to know the right answer by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from torch import Tensor
from transformers import (
    GenerationConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from quintet.data import Batch, Prompt, Rollout, Sampling, Verdict
from quintet.engines.embedded import EmbeddedLearner, EmbeddedSampler
from quintet.models.load import Policy

PAD, END, UNKNOWN = "<pad>", "<end>", "<unk>"
VOCABULARY = [PAD, END, UNKNOWN, *"abcdefgh ?!.\n"]
"""16 tokens, each one character but the first three."""
CPU = torch.device("cpu")
CHAT = "{% for m in messages %}{{ m['content'] }}!{% endfor %}{% if add_generation_prompt %}?{% endif %}"


def token(text: str) -> int:
    return VOCABULARY.index(text)


def tokens(text: str) -> list[int]:
    return [token(c) for c in text]


def tokenizer(chat: bool = False) -> PreTrainedTokenizerFast:
    """One token a character."""
    made = Tokenizer(models.WordLevel({t: i for i, t in enumerate(VOCABULARY)}, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Split(Regex("[\\s\\S]"), "isolated")
    made.decoder = decoders.Fuse()
    finished = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token=END, pad_token=PAD, unk_token=UNKNOWN, clean_up_tokenization_spaces=False
    )
    if chat:
        finished.chat_template = CHAT
    return finished


# ---- policies -----------------------------------------------------------------------------------------------------------

_SHAPE: dict[str, Any] = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}
_GPT2_SHAPE: dict[str, Any] = {"vocab_size": 16, "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 128}
_SPECIAL: dict[str, Any] = {"eos_token_id": 1, "pad_token_id": 0, "bos_token_id": None}
ARCHITECTURES = ("qwen3", "llama", "mistral", "gpt2")
"""mistral has a sliding window of 5 tokens; gpt2 has absolute positions and, unless told otherwise, dropout."""


def policy(kind: str = "qwen3", seed: int = 0, sharpness: float = 0.4, **changes: Any) -> Policy:
    """Random weights, large enough that tokens and their order matter."""
    window: dict[str, Any] = {"sliding_window": 5}
    torch.manual_seed(seed)
    made = {
        "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**_SHAPE | _SPECIAL | changes)),
        "llama": lambda: LlamaForCausalLM(LlamaConfig(**_SHAPE | _SPECIAL | changes)),
        "mistral": lambda: MistralForCausalLM(MistralConfig(**_SHAPE | _SPECIAL | window | changes)),
        "gpt2": lambda: GPT2LMHeadModel(GPT2Config(**_GPT2_SHAPE | _SPECIAL | changes)),
    }[kind]()
    with torch.no_grad():
        for p in made.parameters():
            if p.dim() == 2:
                p.normal_(std=sharpness)
    made.generation_config = GenerationConfig(eos_token_id=1, pad_token_id=0)
    return Policy(made, tokenizer())


def bigram(logits: Tensor) -> Policy:
    """A policy that one can read: after token v the logits are `logits[v]`, [16, 16], whatever came before.

    Attention and feed-forward layers add nothing, embeddings are one-hot, and the head holds the table."""
    made = policy("llama", hidden_size=16, rms_norm_eps=1e-12)
    with torch.no_grad():
        for name, p in made.model.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                p.zero_()
        made.model.get_input_embeddings().weight.copy_(torch.eye(16))  # type: ignore[union-attr]
        made.model.get_output_embeddings().weight.copy_(logits.T / sqrt(16))  # type: ignore[union-attr]
    return made


def chain(text: str) -> Policy:
    """A policy that is all but certain to write `text` in a circle: behind each character comes the next one."""
    logits = torch.zeros(16, 16)
    for now, then in zip(tokens(text), tokens(text[1:] + text[0]), strict=True):
        logits[now, then] = 40.0
    return bigram(logits)


def sampler(of: Policy, **how: Any) -> EmbeddedSampler:
    return EmbeddedSampler(of, CPU, **how)


def learner(of: Policy, sampling: Sampling = Sampling(), **how: Any) -> EmbeddedLearner:  # noqa: B008 (frozen)
    return EmbeddedLearner(of, CPU, sampling, **how)


def gradient_of(of: EmbeddedLearner) -> Tensor:
    """The learner's gradient as one vector, of all networks that are trained."""
    return torch.cat([g.flatten() for network in of.networks.values() for g in network.gradient()])


def weights_of(of: Policy | EmbeddedLearner) -> Tensor:
    """All parameters as one vector, copied."""
    return torch.cat([p.detach().flatten() for p in of.model.parameters()]).clone()


def distance(a: Tensor, b: Tensor) -> float:
    """‖a − b‖ / ‖b‖"""
    return float((a - b).norm() / b.norm())


# ---- batches ------------------------------------------------------------------------------------------------------------


def batch_of(
    rows: Sequence[tuple[str, str]],
    rewards: Sequence[float] | None = None,
    groups: Sequence[int] | None = None,
    extra: int = 0,
    padding: int = 0,
) -> Batch:
    """Rows of (prompt, answer), side by side; `extra` columns of padding. In an answer, capital letters are a tool's output:
    tokens (of the small letter) that the policy did not choose. `groups`: neighbours with the same prompt, unless given."""
    written = [(tokens(p) + tokens(a.lower()), [False] * len(p) + [not c.isupper() for c in a]) for p, a in rows]
    width = max(len(t) for t, _ in written) + extra
    starts = [i == 0 or rows[i][0] != rows[i - 1][0] for i in range(len(rows))]
    return Batch(
        tokens=torch.tensor([t + [padding] * (width - len(t)) for t, _ in written]),
        action=torch.tensor([a + [False] * (width - len(a)) for _, a in written]),
        length=torch.tensor([len(t) for t, _ in written]),
        reward=torch.tensor([float(r) for r in rewards] if rewards is not None else [1.0] * len(rows)),
        group=torch.tensor(groups) if groups is not None else torch.tensor(starts).long().cumsum(0) - 1,
    )


def prepared(algorithm: Any, of: EmbeddedLearner, batch: Batch) -> Batch:
    """The batch as the loop hands it to an update."""
    batch = of.annotate(batch, algorithm.needs)
    batch = replace(batch, advantage=algorithm.advantage(batch))
    return replace(batch, weight=algorithm.weight(batch))


def naive_logp(of: Policy, batch: Batch) -> Tensor:
    """log π of every token but the first, [B, T], with a graph: each row by itself, without padding, cache or filters."""
    rows = []
    for ids, length in zip(batch.tokens, batch.length.tolist(), strict=True):
        row = ids[None, :length]
        logp = of.model(input_ids=row).logits[0, :-1].log_softmax(-1)
        picked = logp.gather(1, row[0, 1:, None])[:, 0]
        rows.append(torch.nn.functional.pad(picked, (1, batch.tokens.shape[1] - length)))
    return torch.stack(rows)


def naive_gradient(of: Policy, batch: Batch, coefficient: Tensor) -> Tensor:
    """−∇ Σ coefficient · log π, as one vector: what the unified view (DeepSeekMath §5.2) says a loss's gradient is."""
    of.model.eval()
    loss = -(coefficient * naive_logp(of, batch)).sum()
    parts = torch.autograd.grad(loss, list(of.model.parameters()), allow_unused=True)
    together = zip(parts, of.model.parameters(), strict=True)
    return torch.cat([(torch.zeros_like(p) if g is None else g).flatten() for g, p in together])


# ---- a task whose best answer is known -------------------------------------------------------------------------------------


@dataclass
class Letter:
    """Every prompt has the same best answer: whatever begins with `best` earns 1, the rest 0."""

    name: str = "letter"
    best: str = "b"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        number = start
        while True:
            yield Prompt(id=f"{split}-{number}", text="?" * (1 + number % 3) + "ae "[number % 3], level=f"{number % 3}")
            number += 1

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        return ((prompt, self.best * (1 + int(prompt.level))) for prompt in self.prompts(split, start))

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        found = [r.text.startswith(self.best) for r in rollouts]
        return [Verdict(float(right), {"right": float(right)}, right) for right in found]


def chance_of_best(of: Policy) -> float:
    """The probability that an answer to a `Letter` earns 1, averaged over the three kinds of prompt."""
    task = Letter()
    of.model.eval()
    total = 0.0
    for _, prompt in zip(range(3), task.prompts("test"), strict=False):
        with torch.no_grad():
            logits = of.model(input_ids=torch.tensor([tokens(prompt.text or "")])).logits[0, -1]
        total += float(logits.softmax(-1)[token(task.best)]) / 3
    return total
