"""Advice from folders whose truth is known."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest

from quintet import comparisons
from quintet.advise import advise
from quintet.advise.table import show
from tests.comparison_folder import write_comparison, write_rows

APART = {"grpo": (0.70, 0.71, 0.70), "ppo": (0.40, 0.41, 0.40)}
TIE = {"grpo": (0.60, 0.61, 0.62), "ppo": (0.62, 0.60, 0.61), "dpo": (0.61, 0.62, 0.60)}


def test_random_weights_that_differ_by_seed_are_begun_from_in_the_mean(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", {"grpo": (0.9, 0.9), "ppo": (0.9, 0.9)})
    for label in ("grpo", "ppo"):
        path = folder / label / "seed-2" / "evaluations.jsonl"
        first, *others = [json.loads(line) for line in path.read_text().splitlines()]
        write_rows(path, [{**first, "score": 0.6, "low": 0.5, "high": 0.7}, *others])
    one = json.loads((folder / "grpo/seed-1/evaluations.jsonl").read_text().splitlines()[0])
    start = advise(folder)["start"]
    assert start["score"] == pytest.approx((one["score"] + 0.6) / 2)
    assert (start["low"], start["high"]) == (pytest.approx(one["low"]), 0.7)


def test_rows_are_as_measured(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", APART, cpu={"ppo": 40.0}))
    grpo, ppo = advice["rows"]
    assert (grpo["label"], ppo["label"]) == ("grpo", "ppo")
    assert (grpo["seeds"], grpo["diverged"], grpo["passes"]) == (3, 0, 1.5)
    assert grpo["low"] < 0.70 < grpo["high"]
    assert grpo["networks"] == ["policy"]
    assert ppo["networks"] == ["policy", "critic"]
    assert (grpo["cpu_seconds"], ppo["cpu_seconds"], ppo["peak_memory_mb"]) == (10.0, 40.0, 501.0)
    assert advice["start"]["score"] == pytest.approx(0.2, abs=0.1)
    assert advice["budget"] == {"tokens": 8000, "seconds": 0.0, "seeds": 3, "parallel": 1}
    assert json.loads((tmp_path / "c" / "advice.json").read_text()) == advice


def test_score_is_reached_between_evaluations(tmp_path: Path):
    """Evaluations after 0, 4,000 and 8,000 sampled tokens, and 0, 5 and 10 seconds."""
    folder = write_comparison(tmp_path / "c", {"grpo": (1.0, 1.0, 1.0), "ppo": (0.0, 0.0, 0.0)}, start=0.0)
    advice = advise(folder, target=1.0)
    grpo, ppo = advice["rows"]
    assert (grpo["tokens_to"], grpo["seconds_to"]) == (8000, 10)
    assert (ppo["tokens_to"], ppo["seconds_to"]) == (None, None)
    middle = folder / "grpo" / "seed-1" / "evaluations.jsonl"
    half = json.loads(middle.read_text().splitlines()[1])["score"]
    assert grpo["area"] == pytest.approx((half / 2 + (half + 1) / 2) / 2)
    assert advise(folder)["target"] == 0.5  # half of the way


def test_what_is_far_apart_is_no_tie_and_the_better_one_is_advised(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", APART))
    (pair,) = advice["pairs"]
    assert (pair["a"], pair["b"], pair["tie"], pair["p_better"]) == ("grpo", "ppo", False, 1.0)
    assert pair["difference"] == pytest.approx(0.30, abs=0.06)
    assert pair["difference_low"] > 0.1
    assert advice["sentences"][0].startswith("grpo is ahead of ppo with ")
    assert advice["sentences"][1].startswith("Take grpo")
    assert len(advice["sentences"]) == 2


def test_of_those_that_tie_the_cheapest_is_advised_and_more_seeds_are_named(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", TIE, cpu={"grpo": 20.0, "ppo": 60.0, "dpo": 15.0}))
    assert all(pair["tie"] for pair in advice["pairs"])
    assert advice["sentences"][0].startswith("All 3 tie, with ")
    assert advice["sentences"][1].startswith("Take dpo: of those that tie it costs least, 15 CPU seconds")
    assert "ppo costs 4 times the time" in advice["sentences"][1]
    settled = [pair["seeds_to_settle"] for pair in advice["pairs"] if pair["seeds_to_settle"]]
    named = f"--resume {tmp_path / 'c'} --seeds" in advice["next"]
    assert named if settled else "No number of seeds" in advice["next"]


def test_fewer_than_three_seeds_is_said(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", {"grpo": (0.6,), "ppo": (0.5,)}))
    assert any("Fewer than 3 seeds" in warning for warning in advice["warnings"])
    assert "--seeds 3" in advice["next"]
    assert advice["pairs"][0]["tie"]
    assert advice["rows"][0]["low"] is None  # one seed says nothing of others


def test_nothing_is_advised_where_nothing_improved(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", {"grpo": (0.2, 0.2, 0.2), "ppo": (0.2, 0.2, 0.2)}))
    assert "None of them is above the start" in advice["sentences"][1]


def test_what_diverged_in_a_seed_is_not_advised_even_where_it_ties(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", {"grpo": (0.6, 0.6, 0.62), "ppo": (0.6, 0.62, 0.61)}, cpu={"grpo": 5.0})
    run = comparisons.folder_of(folder, "grpo", 1)
    write_rows(run / "metrics.jsonl", [{"step": i, "loss": None} for i in range(1, 21)])
    advice = advise(folder)
    assert [row["diverged"] for row in advice["rows"] if row["label"] == "grpo"] == [1]
    assert advice["sentences"][1].startswith("Take ppo")


def test_run_that_failed_is_told_and_the_others_count(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", APART)
    comparisons.write_status(comparisons.folder_of(folder, "ppo", 2), state="failed", reason="The disk is full.")
    advice = advise(folder)
    assert advice["rows"][1]["seeds"] == 2
    assert "ppo seed 2 is failed and isn't counted. The disk is full." in advice["warnings"]


def test_run_that_was_killed_is_told_since_its_seconds_are_too_few(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", APART)
    comparisons.write_status(comparisons.folder_of(folder, "ppo", 2), unmeasured=1)
    assert any(warning.startswith("Killed once and resumed: ppo seed 2.") for warning in advise(folder)["warnings"])


def test_problems_that_could_not_be_judged_are_left_out_for_all(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", APART)
    path = comparisons.folder_of(folder, "ppo", 2) / "evaluations.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[-1]["outcomes"]["easy"][0] = None
    write_rows(path, rows)
    advice = advise(folder)
    assert advice["problems"] == 199
    assert any(warning.startswith("1 problems are left out") for warning in advice["warnings"])


def test_runs_scored_on_different_problems_are_not_compared(tmp_path: Path):
    folder = write_comparison(tmp_path / "c", APART)
    path = comparisons.folder_of(folder, "ppo", 2) / "evaluations.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[-1]["outcomes"]["easy"].pop()
    write_rows(path, rows)
    with pytest.raises(ValueError, match="different problems"):
        advise(folder)


def test_a_folder_that_is_none_and_one_without_an_end_are_told(tmp_path: Path):
    with pytest.raises(ValueError, match=r"holds no comparison\.toml"):
        advise(tmp_path)
    folder = write_comparison(tmp_path / "c", {"grpo": (0.5,)})
    comparisons.write_status(comparisons.folder_of(folder, "grpo", 1), state="stopped")
    with pytest.raises(ValueError, match="no run has ended yet"):
        advise(folder)
    comparisons.write_status(comparisons.folder_of(folder, "grpo", 1), state="failed", reason="The disk is full.")
    with pytest.raises(ValueError, match=r"the first one so: The disk is full\."):
        advise(folder)


def test_the_table_has_every_contender_and_acts_on_no_label(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", TIE))
    advice["warnings"].append("[bold]\x1b[2J")
    out = StringIO()
    show(advice, out)
    text = out.getvalue()
    assert all(f" {label} " in text for label in TIE)
    assert "[bold]" in text
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 80


def test_no_label_is_cut_where_a_line_is_short(tmp_path: Path):
    advice = advise(write_comparison(tmp_path / "c", TIE))
    for row in advice["rows"]:
        row |= {"label": f"{row['label']}-given-pairs", "networks": ["policy", "reference", "reward model"]}
    out = StringIO()
    show(advice, out)
    assert "…" not in out.getvalue()
    assert max(map(len, out.getvalue().splitlines())) <= 80
