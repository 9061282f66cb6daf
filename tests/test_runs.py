"""What happens to a run when something goes wrong: one sentence, and nothing lost."""

from __future__ import annotations

import json
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from quintet.models.load import tokenizer_for
from quintet.tasks.maze import MazeTask
from tests.models.architectures import with_sinks

RECIPE = """
model = "preset:1m"
threads = 1
checkpoint_every = 1
eval_problems = 4
out = "{out}"
{task}
[[stage]]
algorithm = "{algorithm}"
steps = {steps}
prompts_per_step = 2
group_size = 2
"""
MAZE = 'task = "maze"\n[maze]\nsize = 3'


def train(*arguments: str, limit: int | None = None, **how) -> subprocess.CompletedProcess[str]:
    """`quintet train` as a user calls it; `limit`: no file may grow beyond this many bytes, as on a full disk."""

    def full_disk() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-m", "quintet.cli", "train", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, preexec_fn=full_disk, check=False, **how)


def recipe(tmp_path: Path, task: str = MAZE, algorithm: str = "grpo", steps: int = 3) -> str:
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE.format(out=tmp_path / "run", task=task, algorithm=algorithm, steps=steps))
    return str(path)


def functions(tmp_path: Path, reward: str) -> str:
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps({"prompt": f"{i} plus {i} is "}) + "\n" for i in range(40)))
    (tmp_path / "reward.py").write_text(reward)
    return f'task = "functions"\n[functions]\ndata = "{tmp_path}/prompts.jsonl"\nreward = "{tmp_path}/reward.py"'


def steps_done(tmp_path: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]


def test_finished_run_leaves_a_folder_that_plain_transformers_reads(tmp_path: Path):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    done = train("--recipe", recipe(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    summary = json.loads(done.stdout)
    assert summary["steps"] == 3
    assert [e["label"] for e in summary["evaluations"]] == ["start", "after grpo"]
    model = AutoModelForCausalLM.from_pretrained(summary["model"])
    tokenizer = AutoTokenizer.from_pretrained(summary["model"])
    assert model.config.vocab_size == len(tokenizer)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {
        "checkpoints", "environment.json", "evaluations.jsonl", "metrics.jsonl", "model", "report.html", "rollouts.jsonl",
        "settings.toml",
    }  # fmt: skip


def test_model_that_tree_attention_does_not_fit_trains_the_plain_way_and_a_line_says_so(tmp_path: Path):
    model, tokens = with_sinks(), tokenizer_for(MazeTask(size=3))
    model.resize_token_embeddings(len(tokens))
    model.save_pretrained(tmp_path / "gpt-oss")
    tokens.save_pretrained(tmp_path / "gpt-oss")
    path = Path(recipe(tmp_path, steps=1))
    done = train("--recipe", str(path), "--model", str(tmp_path / "gpt-oss"))
    assert done.returncode == 0, done.stderr
    assert "GptOssForCausalLM takes the plain way, slower and in more memory" in done.stdout
    assert "attention sinks" in done.stdout


def test_second_stage_goes_on_behind_the_prompts_of_the_first(tmp_path: Path):
    path = Path(recipe(tmp_path, steps=2))
    path.write_text(path.read_text() + '[[stage]]\nalgorithm = "reinforce"\nsteps = 1\nprompts_per_step = 2\ngroup_size = 2\n')
    assert train("--recipe", str(path)).returncode == 0
    lines = (tmp_path / "run" / "rollouts.jsonl").read_text().splitlines()
    assert list(dict.fromkeys(json.loads(line)["prompt_id"] for line in lines)) == [f"maze-train-{i}" for i in range(6)]


def test_stage_with_a_budget_of_seconds_ends_by_the_clock(tmp_path: Path):
    """No step begins once the time is over; evaluations aren't counted, and say at which second they were made."""
    path = recipe(tmp_path, steps=100_000)
    done = train("--recipe", path, "--seconds-budget", "0.3", "--eval-every", "1")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    seconds = [row["step_time"] for row in rows]
    assert sum(seconds) >= 0.3 > sum(seconds[:-1])
    assert all(0 <= row["backward_passes"] <= 1 for row in rows)
    found = [json.loads(line) for line in (tmp_path / "run" / "evaluations.jsonl").read_text().splitlines()]
    assert [row["seconds"] for row in found[:-1]] == pytest.approx([sum(seconds[:i]) for i in range(len(rows) + 1)])
    assert [row["num_tokens"] for row in found[:-1]] == [0, *(row["num_tokens"] for row in rows)]
    assert [row["num_sampled_tokens"] for row in found[:-1]] == [0, *(row["num_sampled_tokens"] for row in rows)]


def test_ctrl_c_saves_and_says_how_to_resume(tmp_path: Path):
    path = recipe(tmp_path, steps=10_000)
    command = [sys.executable, "-m", "quintet.cli", "train", "--recipe", path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.exists() and len(metrics.read_text().splitlines()) >= 2):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"quintet train --resume {tmp_path / 'run'}" in " ".join(output.split())
    assert "Traceback" not in output
    last = steps_done(tmp_path)[-1]
    assert (tmp_path / "run" / "checkpoints" / f"step-{last:06d}" / "manifest.json").is_file()


REWARD_THAT_FAILS = """
from pathlib import Path
calls = []
def reward(prompts, completions, **kwargs):
    calls.append(1)
    if len(calls) == 4 and not Path(__file__).with_name("mended").exists():
        raise RuntimeError("the grader's disk is gone")
    return [float(len(c)) for c in completions]
"""


def test_reward_that_raises_stops_the_run_with_a_sentence_and_the_run_goes_on_once_mended(tmp_path: Path):
    path = recipe(tmp_path, functions(tmp_path, REWARD_THAT_FAILS), steps=5)
    failed = train("--recipe", path)
    assert failed.returncode == 1
    assert "the grader's disk is gone" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "--resume" in failed.stderr
    assert steps_done(tmp_path) == [1, 2]
    (tmp_path / "mended").touch()
    resumed = train("--resume", str(tmp_path / "run"))
    assert resumed.returncode == 0, resumed.stderr
    assert steps_done(tmp_path) == [1, 2, 3, 4, 5]


def test_nan_rewards_are_masked_and_counted(tmp_path: Path):
    reward = (
        "def reward(prompts, completions, **kwargs):\n    return [float('nan')] + [float(len(c)) for c in completions[1:]]\n"
    )
    done = train("--recipe", recipe(tmp_path, functions(tmp_path, reward), steps=2))
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["nonfinite_rewards"] for row in rows] == [1.0, 1.0]
    assert all(row["loss"] is not None for row in rows)


def test_full_disk_is_one_sentence_and_the_run_resumes(tmp_path: Path):
    path = recipe(tmp_path, steps=4)
    full = train("--recipe", path, limit=3_000_000)  # the model fits nowhere, journals and settings do
    assert full.returncode == 1
    assert "Traceback" not in full.stderr
    assert "could not write" in full.stderr
    resumed = train("--resume", str(tmp_path / "run"))
    assert resumed.returncode == 0, resumed.stderr
    assert steps_done(tmp_path) == [1, 2, 3, 4]


def test_folder_that_cannot_be_made_is_refused_before_anything_is_loaded(tmp_path: Path):
    (tmp_path / "file").touch()
    refused = train("grpo", "--task", "maze", "--out", str(tmp_path / "file" / "run"))
    assert refused.returncode == 2
    assert "--out" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_damaged_checkpoint_is_named_and_the_one_before_it_serves(tmp_path: Path):
    path = recipe(tmp_path, steps=3)
    assert train("--recipe", path).returncode == 0
    checkpoints = sorted((tmp_path / "run" / "checkpoints").glob("step-*"))
    assert len(checkpoints) == 2
    with (checkpoints[-1] / "state.pt").open("r+b") as file:
        file.seek(100)
        file.write(b"\xff\x00\xff")
    resumed = train("--resume", str(tmp_path / "run"))
    assert resumed.returncode == 0, resumed.stderr
    assert f"{checkpoints[-1].name} is damaged: state.pt" in resumed.stderr
    assert checkpoints[0].name in resumed.stderr
    assert steps_done(tmp_path) == [1, 2, 3]


def test_run_whose_checkpoints_are_all_damaged_says_so(tmp_path: Path):
    assert train("--recipe", recipe(tmp_path)).returncode == 0
    for checkpoint in (tmp_path / "run" / "checkpoints").glob("step-*"):
        (checkpoint / "model" / "model.safetensors").write_bytes(b"")
    resumed = train("--resume", str(tmp_path / "run"))
    assert resumed.returncode == 1
    assert "damaged" in resumed.stderr
    assert "Traceback" not in resumed.stderr


def test_folder_without_a_run_cannot_be_resumed(tmp_path: Path):
    refused = train("--resume", str(tmp_path))
    assert refused.returncode != 0
    assert "holds no run" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_first_step_says_that_rewards_are_all_equal(tmp_path: Path):
    reward = "def reward(prompts, completions, **kwargs):\n    return [0.0] * len(completions)\n"
    done = train("--recipe", recipe(tmp_path, functions(tmp_path, reward), steps=1))
    assert done.returncode == 0, done.stderr
    assert "All 4 rewards are 0" in done.stdout + done.stderr
