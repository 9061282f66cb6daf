from __future__ import annotations

import subprocess
import sys

import pytest

from quintet.config import help as help_of
from quintet.config import known

HEAVY = ("torch", "pydantic", "transformers", "rich", "numpy", "quintet.algorithms.grpo", "quintet.tasks.maze")


@pytest.mark.parametrize("arguments", [[], ["train"], ["train", "grpo"], ["train", "--task", "maze"], ["eval"], ["doctor"]])
def test_help_loads_nothing_that_is_slow(arguments: list[str]):
    call = f"quintet.cli.main({[*arguments, '--help']!r})"
    program = f"import sys, quintet.cli; {call}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.startswith("usage: " if arguments else "Quintet ")


def test_help_of_an_algorithm_has_every_setting_with_default_and_range(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = help_of.of_settings("grpo", "maze", known.sampling(), known.machine())
    for section in (known.stage("grpo"), known.task("maze"), known.sampling(), known.machine()):
        for name in section:
            assert f"{name.replace('_', '-')}" in text
    lines = " ".join(text.split())
    assert "--clip X,X" in lines
    assert "(default 0.2,0.2)" in lines
    assert "--[no-]mask-truncated" in lines
    assert "--per answer|token|constant|sum" in lines
    assert (
        "--top-p X Keep the likeliest tokens up to this total probability; 1 keeps all. (default 1.0, above 0 and at most 1)"
        in lines
    )
    assert "--size N Cells a side, 3 to 10. AlphaMaze: 5. (default 5, from 3 to 10)" in lines


def test_help_of_sft_has_its_own_defaults_and_no_group_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    text = help_of.of_settings("sft", None, known.sampling(), known.machine())
    assert "--group-size" not in text
    assert "--reward-model" not in text
    assert "--token-budget" not in text
    assert "(default cosine)" in text


def test_help_of_a_variant_has_the_variants_defaults(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "200")
    dapo, grpo = (
        " ".join(help_of.of_settings(name, None, known.sampling(), known.machine()).split()) for name in ("dapo", "grpo")
    )
    assert "(default 0.2,0.28)" in dapo
    assert "(default 0.2,0.28)" not in grpo
    assert "--reward-model" in dapo


@pytest.mark.parametrize("columns", ["60", "80", "300"])
def test_help_keeps_to_the_terminals_width(monkeypatch: pytest.MonkeyPatch, columns: str):
    monkeypatch.setenv("COLUMNS", columns)
    text = help_of.of_settings("grpo", "maze", known.sampling(), known.machine())
    assert max(map(len, text.splitlines())) <= min(int(columns), help_of.WIDEST)


def test_algorithms_and_tasks_are_listed():
    text = help_of.of_choices()
    assert "  grpo " in text
    assert "  reward-model " in text
    assert "  reinforce++ " in text
    assert "  --task maze " in text
