"""Real processes, killed with SIGKILL, resumed, and compared bit for bit with a run that nobody killed."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quintet.observe.metrics import TIMINGS

# The children are forked from a server that has torch and the model's code loaded already, so that a kill costs no start-up.
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["quintet.runs", "quintet.config", "transformers.models.qwen3.modeling_qwen3"])

RECIPE = """
model = "preset:1m"
task = "maze"
seed = 7
threads = 1
checkpoint_every = 2
eval_problems = 8
out = "{out}"
[maze]
size = 3
reward = "alphamaze"
[[stage]]
algorithm = "sft"
steps = 5
prompts_per_step = 8
lr = 2e-3
optimiser = "muon"
[[stage]]
algorithm = "grpo"
steps = 6
prompts_per_step = 4
group_size = 4
epochs = 2
minibatches = 2
beta = 0.02
lr = 1e-3
"""


HEAD = """
model = "preset:1m"
task = "functions"
seed = 5
threads = 1
checkpoint_every = 1
eval_problems = 0
out = "{out}"
[functions]
data = "{folder}/data.jsonl"
reward = "{folder}/reward.py"
[sampling]
max_new_tokens = 6
"""
REWARD = """
def reward(completions, **columns):
    return [float(sum(map(ord, text)) % 7 == 0) for text in completions]
"""
"""One answer in seven earns something, even at random: some groups have a signal, others none."""
STAGE = """
[[stage]]
algorithm = "{algorithm}"
steps = 3
prompts_per_step = 4
group_size = 8
{settings}
"""
ALGORITHMS = {
    "reinforce": ('baseline = "moving"\nlr = 1e-3', ""),
    "trpo": ("fisher_share = 0.5\ncritic_minibatches = 2\ncritic_lr = 1e-2", ""),
    "ppo": ("beta = 0.05\nkl_target = 0.01\nminibatches = 2\nlr = 1e-3", ""),
    "dpo": ('pairs = "sampled"\nlr = 1e-3', ""),
    "dapo": ("resample = 2\nlr = 1e-3", ""),
    "rft": ("lr = 1e-3", ""),
    "reward-model": ("lr = 1e-3", STAGE.format(algorithm="grpo", settings='reward_model = "reward-model"\nlr = 1e-3')),
}
"""What each carries from step to step: a moving mean, a critic and its optimiser, a coefficient that adapts, a reference, a
cursor that jumps, a frozen sampler, a reward model that a later stage is judged by."""
ROUNDS = STAGE.format(
    algorithm="process-reward-model",
    settings='name = "reward"\nrounds = 2\nreplay = 0.3\nlabels = "completions"\ncompletions = 2\nlr = 1e-3',
) + STAGE.format(
    algorithm="grpo",
    settings='rounds = 2\nsupervision = "process"\nreward_model = "reward"\ntask_reward_weight = 0.0\nbeta = 0.04\nlr = 1e-3',
)


def recipe(tmp_path: Path, name: str, text: str = RECIPE) -> Path:
    path = tmp_path / f"{name}.toml"
    path.write_text(text.format(out=tmp_path / name, folder=tmp_path))
    return path


def begin(path: Path, sabotage: Callable[[], None] | None = None) -> None:
    """In a child: start the recipe's run, or resume it if it was begun."""
    from quintet import runs
    from quintet.config import read_run

    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    if sabotage:
        sabotage()
    run = read_run(path)
    folder = Path(run.machine.out)
    if (folder / "settings.toml").is_file():
        runs.resume(folder)
    else:
        runs.start(run)


def finish(path: Path) -> None:
    child = processes.Process(target=begin, args=(path,))
    child.start()
    child.join(120)
    assert child.exitcode == 0


def results(folder: Path) -> dict[str, object]:
    """What must be the same: weights, every metric that isn't a timing, every rollout, every evaluation."""

    def rows(name: str) -> list[dict]:
        lines = (folder / f"{name}.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if not k.startswith(TIMINGS)} for line in lines]

    names = [n for n in ("metrics", "rollouts", "evaluations", "pair_evaluations") if (folder / f"{n}.jsonl").is_file()]
    weights = {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*/model.safetensors")
    }
    return {**{n: rows(n) for n in names}, "weights": weights}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    finish(recipe(folder, "run"))
    return results(folder / "run")


def test_run_killed_at_twenty_random_moments_ends_with_the_same_bits(tmp_path: Path, undisturbed: dict[str, object]):
    path, chance, kills = recipe(tmp_path, "run"), random.Random(11), 0
    while kills < 20:
        child = processes.Process(target=begin, args=(path,))
        child.start()
        child.join(chance.uniform(0.05, 0.9))
        if child.is_alive():
            child.kill()
            kills += 1
        child.join()
        if child.exitcode == 0:  # it ended before the kill: begin anew, the kills go on
            assert results(tmp_path / "run") == undisturbed
            (tmp_path / "run").rename(tmp_path / f"run-{kills}-{time.monotonic_ns()}")
    finish(path)
    assert results(tmp_path / "run") == undisturbed


def kill_before_rename() -> None:
    _kill_in(os, "replace", call=3)


def kill_between_files_of_a_checkpoint() -> None:
    import torch

    _kill_in(torch, "save", call=4)


def kill_in_sampling() -> None:
    from quintet.engines.embedded.decoder import Decoder

    _kill_in(Decoder, "_write", call=40)


def kill_in_optimiser_step() -> None:
    from quintet.engines.embedded.optimisers import Optimiser

    _kill_in(Optimiser, "step", call=12)


def kill_in_journal() -> None:
    """Half a line is written when the process dies."""
    from quintet.observe.journal import Journal

    whole, calls = Journal.append, []

    def append(self: Journal, name: str, *rows: dict) -> None:
        calls.append(name)
        if len(calls) == 9:
            with (self.folder / f"{name}.jsonl").open("a") as file:
                file.write('{"step": 3, "sta')
            os.kill(os.getpid(), signal.SIGKILL)
        whole(self, name, *rows)

    Journal.append = append  # type: ignore[method-assign]


def kill_after_a_checkpoint() -> None:
    """Die just after this process's first checkpoint is whole."""
    from quintet import checkpoints

    whole = checkpoints.save

    def deadly(*arguments: object) -> None:
        whole(*arguments)  # type: ignore[arg-type]
        os.kill(os.getpid(), signal.SIGKILL)

    checkpoints.save = deadly  # type: ignore[assignment]


def _kill_in(owner: object, name: str, call: int) -> None:
    """Replace `owner.name` by a function that kills this process in its `call`-th call."""
    whole, calls = getattr(owner, name), []

    def deadly(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*args, **kwargs)

    setattr(owner, name, deadly)


@pytest.mark.parametrize(
    "sabotage",
    [
        kill_before_rename,
        kill_between_files_of_a_checkpoint,
        kill_in_sampling,
        kill_in_optimiser_step,
        kill_in_journal,
    ],
)
def test_run_killed_at_the_worst_moment_ends_with_the_same_bits(
    tmp_path: Path, undisturbed: dict[str, object], sabotage: Callable[[], None]
):
    path = recipe(tmp_path, "run")
    child = processes.Process(target=begin, args=(path, sabotage))
    child.start()
    child.join(120)
    assert child.exitcode == -signal.SIGKILL
    finish(path)
    assert results(tmp_path / "run") == undisturbed


def test_run_killed_after_each_of_its_checkpoints_ends_with_the_same_bits(tmp_path: Path, undisturbed: dict[str, object]):
    """The start's; two within each stage; the first stage's last; and the run's last, when only the model is to be written."""
    path, kills = recipe(tmp_path, "run"), 0
    while True:
        child = processes.Process(target=begin, args=(path, kill_after_a_checkpoint))
        child.start()
        child.join(120)
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
        kills += 1
    assert kills == 7
    assert results(tmp_path / "run") == undisturbed


GAMES = """
[guess]
spare = 2
[sampling]
max_new_tokens = 24
stop = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
"""
OTHER_TASKS = {"guess": ("ppo", GAMES, "entropy_weight = 0.01\nepochs = 1\nminibatches = 1"), "cartpole": ("ppo", "", "")}
"""Conversations of a model that knows nothing, whose turns end with a digit; episodes of a small network and its critic."""
OTHER_HEAD = """
task = "{task}"
seed = 5
threads = 1
checkpoint_every = 1
eval_problems = 3
out = "{{out}}"
"""


@pytest.mark.parametrize("task", OTHER_TASKS)
def test_conversations_and_episodes_that_are_killed_end_with_the_same_bits(tmp_path: Path, task: str):
    algorithm, before, settings = OTHER_TASKS[task]
    text = OTHER_HEAD.format(task=task) + before + STAGE.format(algorithm=algorithm, settings=settings)
    ours, theirs = killed_and_finished(tmp_path, text, algorithm)
    if task == "guess":  # the sampler's own log-probabilities may differ in their last bit (docs/log.md)
        ours, theirs = without_gap(ours), without_gap(theirs)
    assert ours == theirs
    steps: Any = ours["metrics"]
    assert not any(step["skipped_updates"] for step in steps)
    rollouts: Any = ours["rollouts"]
    assert len({row["text"] for row in rollouts}) > 10
    assert task == "cartpole" or any(row["text"].count("number") > 3 for row in rollouts)


def without_gap(found: Any) -> dict[str, Any]:
    """The results but for the metrics of how far sampler and learner are apart."""
    rows = [{k: v for k, v in row.items() if not k.startswith("logp_gap")} for row in found["metrics"]]
    return {**found, "metrics": rows}


@pytest.mark.parametrize(("algorithm", "machine"), [*((name, "") for name in ALGORITHMS), ("dpo", "lora_rank = 2")])
def test_every_algorithm_that_is_killed_ends_with_the_same_bits(tmp_path: Path, algorithm: str, machine: str):
    """Killed in its second and in its third step, just before the optimiser's or natural step, and at a random moment."""
    settings, then = ALGORITHMS[algorithm]
    text = machine + HEAD + STAGE.format(algorithm=algorithm, settings=settings) + then
    rows = [{"prompt": f"{i} and {i * i}: ", "chosen": f"{i}", "rejected": "and"} for i in range(60)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "reward.py").write_text(REWARD)
    ours, theirs = killed_and_finished(tmp_path, text, algorithm)
    assert ours == theirs
    steps: Any = ours["metrics"]
    assert len(steps) == (6 if algorithm == "reward-model" else 3)
    assert not any(step["skipped_updates"] for step in steps)  # there was something to learn, and to lose


def killed_and_finished(tmp_path: Path, text: str, algorithm: str) -> tuple[dict[str, object], dict[str, object]]:
    """The results of a recipe's run that was killed and resumed, and of one that nobody killed."""
    whole, broken = (recipe(tmp_path, name, text) for name in ("whole", "broken"))
    finish(whole)
    for step in (2, 3):
        child = processes.Process(target=begin, args=(broken, partial(kill_in_step, algorithm, step)))
        child.start()
        child.join(120)
        assert child.exitcode == -signal.SIGKILL
    child = processes.Process(target=begin, args=(broken,))
    child.start()
    child.join(random.Random(algorithm).uniform(0.2, 0.8))
    child.kill()
    child.join()
    finish(broken)
    return results(tmp_path / "broken"), results(tmp_path / "whole")


def test_rounds_that_are_killed_end_with_the_same_bits(tmp_path: Path):
    """Iterative GRPO, killed in the first round's and in the second's reward model, which goes on from the first's and learns
    from its answers again, and in the second round's GRPO, whose reference is the policy as it was then."""
    rows = [{"prompt": f"{i} and {i * i}: "} for i in range(60)]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "reward.py").write_text(REWARD)
    whole, broken = (recipe(tmp_path, name, HEAD + ROUNDS) for name in ("whole", "broken"))
    finish(whole)
    for stage in ("reward", "reward-round-2", "grpo-round-2"):
        child = processes.Process(target=begin, args=(broken, partial(kill_in_stage, stage)))
        child.start()
        child.join(120)
        assert child.exitcode == -signal.SIGKILL
    finish(broken)
    ours = results(tmp_path / "broken")
    assert ours == results(tmp_path / "whole")
    steps: Any = ours["metrics"]
    assert [step["stage"] for step in steps[::3]] == ["reward", "grpo", "reward-round-2", "grpo-round-2"]
    assert [step.get("replayed_groups") for step in steps[::3]] == [None, None, 1.0, None]
    assert not any(step["skipped_updates"] for step in steps)
    references = [step["kl"] for step in steps if step["stage"].startswith("grpo")]
    assert references[0] == references[3] == 0  # each round's first step begins at its own reference
    assert references[2] > 0


def kill_in_stage(name: str) -> None:
    """Die in the second step of that stage, just before the optimiser's step."""
    from quintet import runs
    from quintet.engines.embedded import EmbeddedLearner

    whole_stage, whole_step, now = runs._Session._stage, EmbeddedLearner.gradient, []

    def stage(self: Any, which: Any, interrupt: Any) -> None:
        now[:] = [which.name]
        whole_stage(self, which, interrupt)

    def gradient(self: Any, loss: Any, batch: Any, only: Any = None) -> Any:
        if now == [name] and batch.progress > 0.3:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole_step(self, loss, batch, only)

    runs._Session._stage = stage  # type: ignore[method-assign]
    EmbeddedLearner.gradient = gradient  # type: ignore[method-assign,assignment]


def kill_in_step(algorithm: str, step: int) -> None:
    """Die in the middle of that step of the stage: the gradient is there, the step isn't."""
    from quintet.engines.embedded import EmbeddedLearner

    whole = EmbeddedLearner.gradient

    def deadly(self: EmbeddedLearner, loss: object, batch: object, only: object = None) -> object:
        found = whole(self, loss, batch, only)  # type: ignore[arg-type]
        if self.needs.source != "demonstrations" and batch.progress > (step - 1.5) / 3:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)
        return found

    EmbeddedLearner.gradient = deadly  # type: ignore[method-assign,assignment]
