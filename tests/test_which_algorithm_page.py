"""docs/which-algorithm.md says what its data say, and a claim's mark follows from the numbers."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from benchmarks import which_algorithm
from benchmarks.which_algorithm_page import (
    CLAIMS,
    NOT_SHOWN,
    OPEN,
    SHOWN,
    WRONG,
    critic_pays_on_long_tasks,
    dpo_is_not_for_reasoning,
    grpo_is_best_at_reasoning,
    grpo_saves_memory,
    half_the_compute,
    one_backward_pass,
    page,
    reinforce_is_noisy,
    trpo_is_dearest,
)
from quintet.comparisons import write_status

MEMORY = json.loads(which_algorithm.MEMORY.read_text())


def test_page_is_made_from_the_committed_data():
    assert which_algorithm.PAGE.read_text() == page(which_algorithm.kept(), MEMORY, list(which_algorithm.recipes()))


def test_every_comparison_has_a_recipe():
    assert set(which_algorithm.kept()) <= set(which_algorithm.recipes())
    assert {"maze", "arithmetic", "pairs"} <= set(which_algorithm.recipes())


def row(label: str, score: float, reach: float = 0.02, cpu: float = 10.0, passes: float = 1.0) -> dict[str, Any]:
    networks = ["policy", "critic"] if label in ("ppo", "trpo") else ["policy"]
    found = {
        "label": label,
        "score": score,
        "low": score - reach,
        "high": score + reach,
        "iqm": score,
        "area": score,
        "seeds": 3,
    }
    used = {"cpu_seconds": cpu, "peak_memory_mb": 500.0, "passes": passes, "tokens_to": None, "seconds_to": 3.0, "diverged": 0}
    return {**found, **used, "networks": networks, "seeds": 3}


def comparison(*rows: dict[str, Any], apart: tuple[str, ...] = ()) -> dict[str, Any]:
    """`apart`: pairs as a>b."""
    ordered = sorted(rows, key=lambda one: -one["score"])
    pairs = [
        {
            "a": a["label"],
            "b": b["label"],
            "tie": f"{a['label']}>{b['label']}" not in apart,
            "difference": a["score"] - b["score"],
        }
        for a, b in combinations(ordered, 2)
    ]
    budget = {"tokens": 1000, "seconds": 0.0, "seeds": 3, "parallel": 1}
    advice = {"unit": "solved", "rows": ordered, "pairs": pairs, "budget": budget, "problems": 100, "target": 0.3}
    machine = dict.fromkeys(("processor", "cores", "python", "torch", "transformers", "quintet"), "x")
    said = {"start": {"score": 0.2, "low": 0.18, "high": 0.22}, "sentences": ["A.", "B."], "next": "C.", "warnings": ["D."]}
    return {"machine": machine, "minutes": 28.6, "advice": {**advice, **said}}


FIVE = (
    row("grpo", 0.40, cpu=10),
    row("dpo", 0.39, cpu=11),
    row("ppo", 0.38, cpu=40, passes=4),
    row("trpo", 0.37, cpu=70, passes=8),
    row("reinforce", 0.36, cpu=10),
)


def test_nothing_is_claimed_of_what_was_not_measured():
    marks = {claim.rule({}, MEMORY)[0] for claim in CLAIMS}
    assert marks == {OPEN, *(claim.rule({}, MEMORY)[0] for claim in CLAIMS[:2])}


@pytest.mark.parametrize(
    ("rule", "found", "mark"),
    [
        (one_backward_pass, comparison(*FIVE), SHOWN),
        (one_backward_pass, comparison(row("grpo", 0.4, passes=2), row("ppo", 0.4, passes=2)), WRONG),
        (half_the_compute, comparison(*FIVE), SHOWN),
        (half_the_compute, comparison(row("grpo", 0.4, cpu=30), row("ppo", 0.4, cpu=40)), WRONG),
        (trpo_is_dearest, comparison(*FIVE), SHOWN),
        (reinforce_is_noisy, comparison(*FIVE), WRONG),
        (reinforce_is_noisy, comparison(*FIVE[:4], row("reinforce", 0.3, reach=0.1)), SHOWN),
        (grpo_is_best_at_reasoning, comparison(*FIVE), NOT_SHOWN),
        (grpo_is_best_at_reasoning, comparison(row("grpo", 0.5), row("ppo", 0.3), apart=("grpo>ppo",)), SHOWN),
        (grpo_is_best_at_reasoning, comparison(row("grpo", 0.3), row("ppo", 0.5), apart=("ppo>grpo",)), WRONG),
        (dpo_is_not_for_reasoning, comparison(*FIVE), WRONG),
        (dpo_is_not_for_reasoning, comparison(*FIVE[:1], row("dpo", 0.2), apart=("grpo>dpo",)), SHOWN),
    ],
)
def test_marks_follow_from_the_numbers(rule: Any, found: dict[str, Any], mark: str):
    assert rule({"maze": found}, MEMORY)[0] == mark


def test_a_critic_earns_its_keep_where_it_is_ahead_of_all_without_one():
    ahead = comparison(row("ppo", 0.9), row("grpo", 0.5), row("dpo", 0.4), apart=("ppo>grpo", "ppo>dpo"))
    assert critic_pays_on_long_tasks({"cartpole": ahead}, MEMORY)[0] == SHOWN
    tied = comparison(row("ppo", 0.9), row("grpo", 0.5), row("dpo", 0.4), apart=("ppo>dpo",))
    assert critic_pays_on_long_tasks({"cartpole": tied}, MEMORY)[0] == WRONG
    assert critic_pays_on_long_tasks({"maze": ahead}, MEMORY)[0] == OPEN
    for tokens, mark in ((4_000, SHOWN), (6_000, WRONG)):
        rows = ({**row("ppo", 0.9), "tokens_to": tokens}, {**row("grpo", 0.9), "tokens_to": 10_000}, row("dpo", 0.4))
        assert critic_pays_on_long_tasks({"guess": comparison(*rows)}, MEMORY)[0] == mark


def test_memory_is_marked_by_what_was_measured():
    def memory(ppo: float) -> dict[str, Any]:
        return {"imports_mb": 100, "algorithms": {"ppo": {"peak_memory_mb": ppo}, "grpo": {"peak_memory_mb": 700}}}

    assert [grpo_saves_memory({}, memory(ppo))[0] for ppo in (1200, 1000, 800)] == [SHOWN, NOT_SHOWN, WRONG]


def test_page_shows_every_comparison():
    text = page({"maze": comparison(*FIVE)}, MEMORY, ["maze", "pairs"])
    assert "| grpo | no |" in text
    assert "1.0×" in text
    assert "## maze: 1,000 sampled tokens a run, 3 seeds" in text
    assert "not measured yet: pairs" in text


def test_time_counts_while_a_run_is_under_way(tmp_path: Path):
    spans = {"a": ("10:00:00", "10:10:00"), "b": ("10:05:00", "10:12:00"), "c": ("11:00:00", "11:03:00")}
    for name, (began, ended) in spans.items():
        (tmp_path / name).mkdir()
        write_status(tmp_path / name, started=f"2026-11-30T{began}+00:00", ended=f"2026-11-30T{ended}+00:00")
    assert which_algorithm.minutes(tmp_path) == 15
