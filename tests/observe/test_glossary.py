"""The table of metrics against rows that real runs write, one short run for each thing that writes some of its own."""

from __future__ import annotations

import json

import pytest

from quintet import cli
from quintet.observe.glossary import GLOSSARY, metric
from quintet.observe.records import read_jsonl

TINY = ["--threads", "1", "--steps", "1", "--prompts-per-step", "4", "--eval-problems", "0", "--max-new-tokens", "4"]
ARITHMETIC = ["--task", "arithmetic", "--max-level", "1", "--group-size", "2"]
OWN = ["--data", "rows.jsonl", "--reward", "reward.py", "--group-size", "2"]
RUNS = {
    "sft": ["sft", "--task", "arithmetic"],
    "grpo": ["grpo", *OWN, "--beta", "0.1", "--epochs", "2"],
    "dapo": ["dapo", *OWN],
    "reinforce": ["reinforce", *OWN, "--baseline", "moving"],
    "ppo": ["ppo", *OWN, "--kl-target", "0.1", "--beta", "0.1", "--minibatches", "1"],
    "trpo": ["trpo", *OWN, "--critic-minibatches", "1"],
    "dpo": ["dpo", *OWN],
    "reward-model": ["reward-model", "--task", "arithmetic", "--max-level", "1"],
}
REWARD = """
def reward(completions, log_metric, **columns):
    log_metric("calls", 1.0)
    return [float(sum(map(ord, text)) % 7) for text in completions]
"""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The keys that each run's rows have."""
    folder = tmp_path_factory.mktemp("glossary")
    (folder / "rows.jsonl").write_text("".join(json.dumps({"prompt": f"{i} + 1 = "}) + "\n" for i in range(20)))
    (folder / "reward.py").write_text(REWARD)
    found = {}
    for name, arguments in RUNS.items():
        here = [str(folder / a) if a in ("rows.jsonl", "reward.py") else a for a in arguments]
        flags = TINY[:-2] if name in ("sft", "reward-model") else TINY
        assert cli.main(["train", *here, *flags, "--out", str(folder / name), "--json"]) == 0, name
        found[name] = {key for row in read_jsonl(folder / name / "metrics.jsonl") for key in row}
    return found


def test_every_metric_that_runs_write_is_explained(written: dict[str, set[str]]):
    assert {name: [key for key in keys if metric(key) is None] for name, keys in written.items()} == {n: [] for n in RUNS}


def test_every_metric_that_is_explained_is_written_by_some_run(written: dict[str, set[str]]):
    keys = set().union(*written.values())
    assert [m.key for group in GLOSSARY for m in group.metrics if not any(map(m.pattern.fullmatch, keys))] == []


def test_names_stand_for_one_part_of_a_key():
    assert getattr(metric("rewards/solved/mean"), "key", None) == "rewards/NAME/mean"
    assert getattr(metric("loss/policy"), "key", None) == "loss/NAME"
    assert metric("rewards/a/b/mean") is None
    assert metric("reward_") is None


def test_each_key_is_there_once():
    keys = [m.key for group in GLOSSARY for m in group.metrics]
    assert len(keys) == len(set(keys))
