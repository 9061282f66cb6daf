from __future__ import annotations

from math import nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.observe.formats import short
from quintet.report.curves import Known, Point, curve, curves, seconds_by_part, smoothed, stages
from tests.run_folder import metrics_row

LOSS = Known("loss", "Loss", "")


def rows(values: list[float | None], stage: str = "grpo", before: int = 0) -> list[dict[str, object]]:
    return [metrics_row(before + i, stage, i, len(values), loss=value) for i, value in enumerate(values, 1)]


def test_few_steps_are_points_of_their_own() -> None:
    found = curve(rows([3.0, 1.0, 2.0]), LOSS)
    assert found is not None
    assert found.points == [Point(1, 1, 3.0, 3.0, 3.0), Point(2, 2, 1.0, 1.0, 1.0), Point(3, 3, 2.0, 2.0, 2.0)]


def test_many_steps_share_points_that_keep_their_extremes() -> None:
    found = curve(rows([1.0, 3.0, 5.0, 4.0, 9.0]), LOSS, most=3)
    assert found is not None
    assert found.points == [Point(1, 1, 1.0, 1.0, 1.0), Point(2, 3, 4.0, 3.0, 5.0), Point(4, 5, 6.5, 4.0, 9.0)]


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=400))
def test_downsampling_loses_neither_steps_nor_extremes(values: list[float | None]) -> None:
    found = curve(rows(values), LOSS, most=20)
    finite = [value for value in values if value is not None]
    if found is None:
        assert finite == []
        return
    assert len(found.points) <= 21
    assert min(p.low for p in found.points) == min(finite)
    assert max(p.high for p in found.points) == max(finite)
    assert found.num_missing == len(values) - len(finite)


def test_stages_are_never_joined() -> None:
    found = curve([*rows([4.0, 2.0], "sft"), *rows([0.5, 0.25], "grpo", before=2)], LOSS, most=1)
    assert found is not None
    assert [(s.stage, s.start, s.end) for s in found.segments] == [("sft", 4.0, 2.0), ("grpo", 0.5, 0.25)]


def test_stages_of_the_same_name_stay_apart() -> None:
    some = [*rows([1.0, 1.0]), *rows([1.0], "reward-model", before=2), *rows([1.0], before=3)]
    assert [(name, len(members)) for name, members in stages(some)] == [("grpo", 2), ("reward-model", 1), ("grpo", 1)]


def test_start_and_end_are_means_of_a_tenth() -> None:
    found = curve(rows([float(value) for value in range(20)]), LOSS)
    assert found is not None
    assert (found.segments[0].start, found.segments[0].end) == (0.5, 18.5)


def test_known_metrics_come_in_reading_order_with_the_parts_of_the_reward() -> None:
    row = metrics_row(1, "grpo", 1, 1, odd=1.0, loss=0.1, reward=0.5, **{"rewards/form/mean": 1.0, "seconds/learn": 1.0})
    known, others = curves([{**row, "note": "text"}])
    assert [c.known.title for c in known] == ["Reward", "Reward part: form", "Loss"]
    assert [c.known.key for c in others] == ["odd"]


def test_size_of_a_step_is_drawn_and_a_count_that_only_grows_is_not() -> None:
    row = metrics_row(1, "trpo", 1, 1, approx_kl=0.01, kl=0.1, explained_variance=0.5)
    known, others = curves([{**row, "num_sampled_tokens": 96, "num_tokens": 128}])
    titles = [c.known.title for c in known]
    assert [t for t in titles if t in ("Distance from the reference", "Step size", "Explained variance")] == [
        "Distance from the reference",
        "Step size",
        "Explained variance",
    ]
    assert others == []


def test_a_metric_without_any_value_is_no_curve() -> None:
    assert curve(rows([None, nan]), LOSS) is None


def test_the_trend_of_a_line_is_the_line_and_a_spike_leaves_no_trace() -> None:
    points = [Point(i, i, 2.0 * i, 2.0 * i, 2.0 * i) for i in range(60)]
    assert smoothed(points) == pytest.approx([point.mean for point in points])
    flat = [Point(i, i, 100.0 if i == 30 else 1.0, 1.0, 1.0) for i in range(60)]
    assert smoothed(flat) == pytest.approx([1.0] * 60)
    assert smoothed(points[:1]) == [0.0]


def test_time_is_summed_by_part_and_the_rest_is_other() -> None:
    some = [{"step_time": 1.0, "seconds/sample": 0.5, "seconds/grade": 0.125}] * 2
    assert seconds_by_part(some) == [("sample", 1.0), ("grade", 0.25), ("other", 0.75)]
    assert seconds_by_part([{"step_time": 1.0}]) == []
    assert short(seconds_by_part([{"step_time": 1.0, "seconds/sample": 1.0}])[0][1]) == "1"
