from __future__ import annotations

import pytest

from quintet.observe.before_after import comparisons, kept_columns, outcome, pairs, tally
from tests.run_folder import evaluation_rows


def one(label: str, score: float, low: float, high: float, **more: object) -> dict[str, object]:
    row = {"task": "maze", "split": "test", "unit": "solved", "label": label, "n": 100}
    return {**row, "score": score, "low": low, "high": high, **more}


def test_levels_come_in_order_and_all_comes_last() -> None:
    (comparison,) = comparisons(evaluation_rows((0, 1, 2)))
    assert [line.level for line in comparison.lines] == ["easy", "medium", "hard", "all"]
    assert comparison.labels == ("start", "after sft", "after grpo")
    assert comparison.lines[0].change == pytest.approx(0.07)


@pytest.mark.parametrize(
    ("low", "high", "apart"), [(0.65, 0.75, True), (0.64, 0.75, False), (0.50, 0.57, True), (0.50, 0.70, False)]
)
def test_intervals_are_apart_only_when_they_share_no_point(low: float, high: float, apart: bool) -> None:
    rows = [one("before", 0.61, 0.58, 0.64), one("after", (low + high) / 2, low, high)]
    assert comparisons(rows)[0].total.apart is apart


def test_the_change_is_between_the_last_two() -> None:
    rows = [one("a", 0.1, 0, 0.2), one("b", 0.5, 0.4, 0.6), one("c", 0.4, 0.3, 0.5)]
    assert comparisons(rows)[0].total.change == pytest.approx(-0.1)


def test_a_single_evaluation_has_no_change() -> None:
    total = comparisons([one("start", 0.1, 0.0, 0.2)])[0].total
    assert (total.change, total.apart) == (None, None)


def test_a_level_only_one_evaluation_has_leaves_a_gap() -> None:
    rows = [one("a", 0.1, 0, 0.2, levels={"easy": {"n": 5, "score": 0.5, "low": 0.1, "high": 0.9}}), one("b", 0.2, 0.1, 0.3)]
    line = comparisons(rows)[0].lines[0]
    assert line.cells[1] is None
    assert line.change is None


def test_a_missing_interval_decides_nothing() -> None:
    rows = [one("a", 0.1, 0, 0.2), {**one("b", 0.9, 0, 0), "low": None, "high": None}]
    assert comparisons(rows)[0].total.apart is None


def test_tasks_and_splits_are_kept_apart() -> None:
    rows = [one("a", 0.1, 0, 0.2), {**one("a", 0.3, 0, 0.5), "task": "arithmetic"}, one("b", 0.2, 0, 0.3)]
    assert [(c.task, len(c.labels)) for c in comparisons(rows)] == [("maze", 2), ("arithmetic", 1)]


def test_of_many_evaluations_the_first_and_the_latest_are_kept() -> None:
    rows = [one(str(index), 0.1, 0, 0.2) for index in range(9)]
    assert comparisons(rows)[0].labels == ("0", "6", "7", "8")
    assert [row["label"] for row in kept_columns(rows, 3)] == ["0", "7", "8"]


def test_pairs_match_problems_and_put_changed_outcomes_first() -> None:
    before = [{"prompt_id": n, "correct": n == "c"} for n in "abc"]
    after = [{"prompt_id": n, "correct": n in "bz"} for n in "zabc"]
    matched = pairs(before, after)
    assert [pair.after["prompt_id"] for pair in matched] == ["b", "c", "a"]
    assert tally(matched) == "Of 3 examples 1 newly solved, 1 newly failed, 1 as before."


def test_a_task_without_right_answers_has_no_outcome() -> None:
    assert [outcome({"correct": value}) for value in (True, False, None)] == ["solved", "failed", ""]
