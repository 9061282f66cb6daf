"""The report of a comparison: one small file with the advice, curves with bands, what differs and every run."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from quintet.observe.history import History
from quintet.report import write_report
from quintet.report.band_chart import chart_of, describe, figure
from quintet.report.comparison import read_comparison
from quintet.report.curves import KNOWN
from quintet.report.differing import differing, flat, settings_that_differ
from quintet.report.html import MOST_BYTES, render_comparison
from quintet.report.label_curves import SCORE, LabelCurve, shared_range
from quintet.report.verdict import verdict
from tests.run_folder import ACTING, ATTACK, write_rows
from tests.written_comparison import write_comparison


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render_comparison(read_comparison(write_comparison(tmp_path_factory.mktemp("report") / "maze", attack=ATTACK)))


def text_of(html: str) -> str:
    return re.sub(r"<[^>]+>", " ", html)


def test_five_algorithms_and_three_seeds_stay_under_the_limit_and_ask_for_nothing(page: str) -> None:
    assert len(page.encode()) < MOST_BYTES == 500_000
    assert "<script" not in page
    assert not re.search(r"(src|href)=\"(?!#)", page)
    assert "default-src &#x27;none&#x27;" in page


def test_its_parts_stand_in_reading_order(page: str) -> None:
    assert re.findall(r'<section id="([^"]+)"', page) == ["advice", "curves", "samples", "differing", "members", "again"]
    assert "<h1>GRPO and TRPO are a tie at the top.</h1>" in page
    assert "Next: </b>Two more seeds" in page
    told = text_of(page).replace("\u202f", " ")
    assert "66,000 sampled tokens" in told
    assert "until a run reached 35.0 %" in told
    assert "policy, critic" in told


def test_every_curve_has_a_table_behind_it_and_a_description(page: str) -> None:
    assert page.count('class="chart curve"') == page.count("<summary>Numbers") == 12
    assert "grpo: 25.0 % to" in page.replace("\u202f", " ")


def test_what_a_model_wrote_is_text(page: str) -> None:
    assert "&lt;script&gt;document.title='owned'" in page
    assert not set("\x1b\x07\x00\u202e") & set(page)


def test_the_report_command_writes_it_for_a_comparisons_folder(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "maze", ("grpo", "dpo"), seeds=1, steps=20)
    out = write_report(folder, tmp_path / "report.html")
    assert out.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "5 algorithms" not in out.read_text(encoding="utf-8")
    assert "2 algorithms × 1 seeds" in out.read_text(encoding="utf-8")


def test_runs_that_failed_or_never_began_are_listed_and_the_others_shown(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "maze", ("grpo", "dpo"), seeds=2, steps=20, done=[1, 0], advice=False)
    (folder / "dpo/seed-1/status.json").write_text(json.dumps({"state": "failed", "reason": f"no memory {ACTING[:5]}"}))
    told = text_of(write_report(folder, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert re.search(r"grpo · seed 1\s+waiting", told)
    assert re.search(r"dpo · seed 1\s+failed.*no memory", told)
    assert "There is no advice yet. It is written when the comparison ends, or by: quintet advise maze" in told


def test_a_comparison_that_has_only_just_begun_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "comparison.toml").write_text("")
    told = text_of(write_report(tmp_path, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "0 algorithms, side by side" in told


def test_a_comparison_with_endless_answers_is_cut_to_the_limit(tmp_path: Path) -> None:
    folder = write_comparison(tmp_path / "maze", seeds=1, steps=20, attack="<&>" * 30_000)
    (folder / "comparison.toml").write_text("# " + "x" * 400_000)
    assert write_report(folder, tmp_path / "report.html").stat().st_size < MOST_BYTES


# ---- curves --------------------------------------------------------------------


def histories(folder: Path, *rewards: list[float]) -> list[History]:
    found = []
    for seed, values in enumerate(rewards):
        (folder / str(seed)).mkdir(parents=True)
        rows = [{"step": n, "stage": "a", "stage_step": n, "step_time": 1.0, "reward": y} for n, y in enumerate(values, 1)]
        write_rows(folder / str(seed) / "metrics.jsonl", rows)
        found.append(History(folder / str(seed)))
        found[-1].look()
    return found


def test_a_chart_is_the_mean_of_the_seeds_with_the_lowest_and_the_highest(tmp_path: Path) -> None:
    chart = chart_of({"a": histories(tmp_path, [0, 1, 2, 3], [2, 3, 4, 5])}, KNOWN[0], "steps")
    assert chart is not None
    assert chart.curves[0].strong == [[(1, 1), (2, 2), (3, 3), (4, 4)]]
    assert chart.curves[0].band == [(1, 0, 2), (2, 1, 3), (3, 2, 4), (4, 3, 5)]
    assert describe(chart) == "a: 1 to 4."
    cells = re.findall(r"<td>(.*?)</td>", figure(chart, "x"))
    assert cells[0] == "1<small> (0 to 2)</small>"


def test_nothing_is_drawn_of_a_metric_that_no_run_has(tmp_path: Path) -> None:
    assert chart_of({"a": histories(tmp_path, [0.0])}, KNOWN[2], "steps") is None
    assert chart_of({"a": [History(tmp_path / "none")]}, SCORE, "tokens") is None


@pytest.mark.parametrize(("value", "expected"), [(0.0, (-0.01, 0.1)), (1.0, (0.9, 1.01)), (0.5, (0.4, 0.6))])
def test_shares_that_never_change_have_an_axis_of_shares(value: float, expected: tuple[float, float]) -> None:
    curve = LabelCurve("a", [], [[(0, value), (1, value)]], [])
    assert shared_range([curve], share=True) == pytest.approx(expected)
    assert shared_range([curve]) == pytest.approx((value - (value / 2 or 1), value + (value / 2 or 1)))


def test_single_values_far_away_do_not_flatten_the_means() -> None:
    curve = LabelCurve("a", [[(0, 50.0), (1, 1.5)]], [[(0, 0.0), (1, 1.0)]], [])
    assert shared_range([curve]) == pytest.approx((-0.09, 1.59))


def test_a_lone_value_is_a_dot_and_labels_keep_their_colours(tmp_path: Path) -> None:
    seeds = {"a": histories(tmp_path / "a", [1.0]), "b": histories(tmp_path / "b", [1.0, 2.0], [1.0, 4.0])}
    chart = chart_of(seeds, KNOWN[0], "steps")
    assert chart is not None
    drawn = figure(chart, "x")
    assert [kind in drawn for kind in ("line c0", "line c1", "band c1", "band c0")] == [True, True, True, False]


# ---- settings ------------------------------------------------------------------

ONE = "task = 'maze'\nseed = 1\n[maze]\nsize = 4\n[[stage]]\nalgorithm = 'grpo'\nlr = 1e-4\nclip = [0.2, 0.3]"
OTHER = "task = 'maze'\nseed = 2\n[maze]\nsize = 4\n[[stage]]\nalgorithm = 'ppo'\nlr = 1e-4\ncritic_lr = 1e-3"


def test_settings_have_whole_names_and_those_of_the_place_are_left_out() -> None:
    assert flat(tomllib.loads(ONE)) == {"task": "maze", "maze.size": 4, "algorithm": "grpo", "lr": 1e-4, "clip": [0.2, 0.3]}
    two = tomllib.loads("[[stage]]\nlr = 1\n[[stage]]\nlr = 2")
    assert flat(two) == {"stage 1.lr": 1, "stage 2.lr": 2}


def test_only_settings_that_differ_are_shown_with_a_stroke_where_an_algorithm_has_none() -> None:
    settings = {"grpo": tomllib.loads(ONE), "ppo": tomllib.loads(OTHER)}
    assert differing(settings) == {"algorithm": ["grpo", "ppo"], "clip": [[0.2, 0.3], None], "critic_lr": [None, 1e-3]}
    table = settings_that_differ(settings)
    assert table is not None
    assert "<td>0.2, 0.3</td><td>–</td>" in table
    assert settings_that_differ({"grpo": settings["grpo"], "again": settings["grpo"]}) is None


# ---- advice --------------------------------------------------------------------


def test_the_table_tells_scores_with_intervals_costs_and_ties() -> None:
    row = {"label": "grpo", "seeds": 3, "score": 0.61, "low": 0.58, "high": 0.64, "peak_memory_mb": 812.0, "diverged": False}
    pair = {"a": "grpo", "b": "ppo", "p_better": 0.7, "low": 0.4, "high": 0.9, "tie": True}
    told = verdict({"unit": "solved", "rows": [row], "pairs": [pair], "warnings": ["Fewer than 3 seeds."]}, "maze")
    assert told is not None
    plain = re.sub(r"\s+", " ", text_of(told))
    assert "grpo 3 61.0 % (58.0–64.0) – – – – no" in plain
    assert "grpo – – 812 MB – –" in plain
    assert "grpo over ppo 70 % (40.0–90.0) ≈ a tie" in plain
    assert 'class="warning">Fewer than 3 seeds.' in told


def test_rewards_are_no_percentages() -> None:
    told = verdict({"unit": "reward", "rows": [{"label": "a", "score": -12.5, "low": -13.0, "high": -12.0}]}, "x")
    assert told is not None
    assert "−12.5 <small>(−13–−12)</small>" in told
