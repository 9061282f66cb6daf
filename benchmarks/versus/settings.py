"""What is measured: models by size, lengths of prompts and answers. Read by both sides, so it imports nothing of either."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

PROMPTS, GROUP = 4, 8
"""Prompts a step, and answers to each."""


@dataclass(frozen=True)
class Size:
    """A Qwen3-shaped model with tied embeddings."""

    name: str
    shape: dict[str, int]
    vocabulary: int
    dtype: str
    """Arithmetic of its passes; TRL's weights have it too, ours are float32."""
    warm: int = 1
    """Steps before the measured ones."""
    steps: int = 3
    micro_batch: int = 0


def _shape(width: int, inner: int, layers: int, heads: int, key_heads: int = 0) -> dict[str, int]:
    return {
        "hidden_size": width,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads or heads,
    }


SIZES = {
    size.name: size
    for size in (
        Size("1m", _shape(128, 384, 6, 4), 512, "float32"),
        Size("5m", _shape(256, 768, 6, 4), 1024, "float32", steps=2),
        Size("48m", _shape(512, 1408, 10, 8), 32_000, "bfloat16", steps=2),
        Size("500m", _shape(896, 4864, 24, 14, 2), 151_936, "bfloat16", steps=1),
    )
}


@dataclass(frozen=True)
class Setting:
    """One comparison: `name` is SIZE-PROMPT-ANSWER, or SIZE-ragged; +sft, +dpo or +ppo behind it names another algorithm than
    GRPO, +decode answers alone. A step of SFT has as many demonstrations as one of GRPO has answers, DPO half as many pairs."""

    name: str
    size: Size
    prompt: int
    """Tokens of each prompt; of the longest one where they are ragged."""
    answer: int
    """Tokens of each answer; of the longest one where they are ragged."""
    ragged: bool = False
    """Prompts from a quarter of their length on, and answers that end by themselves, after a third of it on average."""
    algorithm: str = "grpo"
    prompts: int = PROMPTS
    group: int = GROUP

    epochs: int = 2
    """PPO's passes over each batch."""

    @property
    def micro_batch(self) -> int:
        return self.size.micro_batch

    @property
    def answers(self) -> int:
        """Answers a step."""
        return self.prompts * self.group

    @property
    def steps(self) -> int:
        """Steps of a run, those before the measured ones included."""
        return self.size.warm + self.size.steps

    @property
    def rows(self) -> int:
        """Rows of data that a step reads."""
        return {"sft": self.answers, "dpo": self.answers // 2}.get(self.algorithm, self.prompts)


ALGORITHMS = ("grpo", "ppo", "dpo", "sft", "decode")
LENGTHS = {"128-128": (128, 128), "512-64": (512, 64), "64-512": (64, 512), "ragged": (256, 512)}


def setting(name: str, dtype: str | None = None) -> Setting:
    """The setting of that name, in another arithmetic than its size's where one is given. Raises ValueError where there is
    none.  Example: setting("5m-512-64").prompt == 512"""
    size, _, rest = name.partition("-")
    lengths, _, algorithm = rest.partition("+")
    if size not in SIZES or lengths not in LENGTHS or algorithm not in ("", *ALGORITHMS):
        raise ValueError(
            f"There is no setting {name!r}: one is SIZE-LENGTHS or SIZE-LENGTHS+ALGORITHM, of {', '.join(SIZES)}; "
            f"{', '.join(LENGTHS)}; {', '.join(ALGORITHMS)}."
        )
    prompt, answer = LENGTHS[lengths]
    steps = 1 if answer == 512 and not algorithm else SIZES[size].steps  # they take minutes
    chosen = replace(SIZES[size], dtype=dtype or SIZES[size].dtype, steps=steps)
    return Setting(name, chosen, prompt, answer, lengths == "ragged", algorithm or "grpo")


def write(folder: Path, chosen: Setting) -> None:
    """setting.json, which both sides read, and prompts.jsonl, enough for all steps of a run."""
    from random import Random

    rng = Random(0)

    def words(longest: int) -> str:
        length = rng.randint(longest // 4, longest) if chosen.ragged else longest
        return " ".join(f"w{rng.randrange(2, chosen.size.vocabulary)}" for _ in range(length))

    told = {"sft": ("completion",), "dpo": ("chosen", "rejected")}.get(chosen.algorithm, ())
    rows = [
        {"prompt": words(chosen.prompt), **{key: " " + words(chosen.answer) for key in told}}
        for _ in range(chosen.steps * chosen.rows)
    ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "setting.json").write_text(json.dumps({**asdict(chosen), "folder": str(folder)}))
    (folder / "reward.py").write_text(REWARD)


def read(folder: Path) -> Setting:
    """What `write` wrote."""
    found: dict[str, Any] = json.loads((folder / "setting.json").read_text())
    found.pop("folder")
    return replace(Setting(**found), size=Size(**found["size"]))


REWARD = '''
def reward(completions, **columns):
    """Something that differs between siblings and costs nothing."""
    return [float(len(set(text.split())) % 7) for text in completions]
'''
