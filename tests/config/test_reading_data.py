"""Pairs, rewards and reward models: what a run needs of its data and files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quintet.algorithms.dpo import DPO
from quintet.algorithms.supervised import SFT
from quintet.config import checks
from quintet.data import Prompt
from quintet.settings import Machine, Stage
from tests.config.asked import PAIRS, complaints, run, write_data


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# ---- pairs, rewards and reward models ----------------------------------------------------------------------------------------


MODEL = ("--model", "gpt2")


def test_pairs_are_the_datas_where_it_has_them_and_sampled_elsewhere():
    write_data(*PAIRS)
    assert run("dpo", "--data", "data.jsonl", *MODEL).stages[0].algorithm.pairs == "data"
    assert run("dpo", "--task", "maze").stages[0].algorithm.pairs == "sampled"
    assert run("dpo", "--task", "maze", "--pairs", "data").stages[0].algorithm.pairs == "data"
    assert run("reward-model", "--task", "maze").stages[0].algorithm.pairs == "data"
    write_data('{"prompt": "a"}', '{"prompt": "b"}')
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    with_reward = ("--data", "data.jsonl", "--reward", "reward.py", *MODEL)
    assert run("dpo", *with_reward).stages[0].algorithm.pairs == "sampled"
    assert run("reward-model", *with_reward).stages[0].algorithm.pairs == "sampled"


def test_each_stage_has_pairs_of_its_own():
    """What one stage was told is nothing to another, which finds that the data have pairs."""
    write_data(*PAIRS)
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    stages = '[[stage]]\nalgorithm = "reward-model"\npairs = "sampled"\n[[stage]]\nalgorithm = "dpo"\n'
    made = run("--data", "data.jsonl", "--reward", "reward.py", *MODEL, recipe=stages)
    assert [s.algorithm.pairs for s in made.stages] == ["sampled", "data"]
    assert [s.samples for s in made.stages] == [True, False]


def test_group_of_one_has_no_pair_to_sample_but_the_data_may():
    write_data(*PAIRS)
    assert run("dpo", "--data", "data.jsonl", "--group-size", "1", *MODEL).stages[0].algorithm.pairs == "data"
    write_data('{"prompt": "a"}', '{"prompt": "b"}')
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    for algorithm in ("dpo", "reward-model"):
        assert complaints(algorithm, "--data", "data.jsonl", "--reward", "reward.py", "--group-size", "1", *MODEL) == [
            "--group-size: A pair needs two answers to a prompt; group_size=1. Set group_size=8, or pairs=data."
        ]


def test_data_that_pairs_are_asked_of_have_some():
    write_data('{"prompt": "a", "answer": 1}')
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    asked = ("--data", "data.jsonl", "--reward", "reward.py", "--test-share", "0", "--eval-problems", "0", *MODEL)
    (found,) = complaints("dpo", "--pairs", "data", *asked)
    assert found.endswith(
        'data.jsonl:1 has no "chosen" and "rejected" to learn from, only prompt, answer. '
        "Add them, or set pairs=sampled and name a reward."
    )
    assert list(checks.of_task(Bare(), [Stage("dpo", DPO(pairs="data")), Stage("sft", SFT())], Machine())) == [
        "The task bare has no demonstrations for sft to learn from. Choose another of the two.",
        "The task bare has no pairs of a better and a worse answer for dpo to learn from. Choose another of the two.",
    ]


class Bare:
    """A task that shows nothing."""

    name = "bare"

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        return iter([Prompt("p", text="?")])


def test_reward_is_needed_where_answers_are_sampled_and_nowhere_else():
    write_data(*PAIRS)
    (found,) = complaints("grpo", "--data", "data.jsonl", *MODEL)
    assert "No reward was named for grpo to learn from. Write --reward FILE.py" in found
    alone = ("--reward-model", "owner/judge", "--task-reward-weight", "0")
    assert run("grpo", "--data", "data.jsonl", *MODEL, *alone).stages[0].reward_model == "owner/judge"
    (found,) = complaints("grpo", "--data", "data.jsonl", *MODEL, "--reward-model", "owner/judge")
    assert "No reward was named for grpo to learn from." in found  # its weight is 1, and there is none to weigh


def test_process_supervision_needs_a_task_that_judges_steps():
    (found,) = complaints("grpo", "--task", "maze", "--supervision", "process")
    assert "the task maze gives none with these settings. Set supervision=outcome, or reward_model to a process" in found
    made = run("grpo", "--task", "arithmetic", "--target", "steps", "--supervision", "process")
    assert made.stages[0].algorithm.supervision == "process"


def test_reward_model_is_an_earlier_stage_or_a_folder():
    stages = '[[stage]]\nalgorithm = "reward-model"\n[[stage]]\nalgorithm = "grpo"\nreward_model = "reward-model"\n'
    assert run("--task", "maze", recipe=stages).stages[1].reward_model == "reward-model"
    turned = '[[stage]]\nalgorithm = "grpo"\nreward_model = "rm"\n[[stage]]\nalgorithm = "reward-model"\nname = "rm"\n'
    assert complaints("--task", "maze", recipe=turned) == [
        "recipe.toml:3: reward_model=rm names a stage that doesn't come before this one. Name one that does."
    ]
    (found,) = complaints("grpo", "--task", "maze", "--reward-model", "grpo")
    assert found == "--reward-model: reward_model=grpo names a stage that doesn't come before this one. Name one that does."
    wrong = '[[stage]]\nalgorithm = "sft"\n[[stage]]\nalgorithm = "grpo"\nreward_model = "sft"\n'
    assert complaints("--task", "maze", recipe=wrong) == [
        "recipe.toml:5: reward_model=sft names a stage that trains no reward model. Name one of the algorithm reward-model."
    ]
    Path("empty").mkdir()
    for name in ("empty", "./nowhere"):
        (found,) = complaints("grpo", "--task", "maze", "--reward-model", name)
        assert found == f"--reward-model: reward_model={name} is no folder with a config.json, so it holds no reward model."
    Path("empty/config.json").touch()
    assert run("grpo", "--task", "maze", "--reward-model", "empty").stages[0].reward_model == "empty"
    two = "".join(f'[[stage]]\nalgorithm = "grpo"\nreward_model = "./{folder}"\n' for folder in ("empty", "gone"))
    assert complaints("--task", "maze", recipe=two) == [
        "recipe.toml:6: reward_model=./gone is no folder with a config.json, so it holds no reward model."
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("grpo", "--task", "cartpole", "--model", "preset:1m"), "--model: The task cartpole is played by a small network"),
        (("grpo", "--task", "maze", "--model", "preset:mlp"), "--model: The task maze is for language models"),
        (("grpo", "--task", "cartpole", "--reward-model", "a/b"), "--reward-model: reward_model=a/b reads texts"),
        (("grpo", "--task", "cartpole", "--lora-rank", "4"), "--lora-rank: lora_rank=4 adapts language models"),
        (("reward-model", "--task", "cartpole"), "A reward model reads texts"),
        (("sft", "--task", "cartpole"), "The task cartpole has no demonstrations"),
    ],
)
def test_control_task_and_language_models_are_kept_apart(arguments: tuple[str, ...], said: str):
    (found,) = complaints(*arguments)
    assert found.startswith(said)


def test_control_task_brings_its_network_and_settings_that_suit_it():
    made = run("ppo", "--task", "cartpole", "--lr", "1e-3")
    assert (made.machine.model, made.sampling.max_new_tokens) == ("preset:mlp", 500)
    stage = made.stages[0]
    assert (stage.algorithm.gamma, stage.algorithm.value_clip, stage.algorithm.update.lr) == (0.99, 0.0, 1e-3)
    assert run("ppo", "--task", "maze").stages[0].algorithm.gamma == 1.0
