from __future__ import annotations

from io import StringIO
from typing import Any

from quintet.observe.k_table import show_k


def cell(score: float) -> dict[str, float]:
    return {"score": score, "low": score - 0.1, "high": score + 0.1}


ROW: dict[str, Any] = {
    "task": "maths", "split": "test", "k": 4, "n": 30, **cell(0.25), "unit": "solved", "sampling": {"temperature": 0.7},
    "pass": {"1": cell(0.25), "2": cell(0.4), "4": cell(0.55)}, "maj": {"1": cell(0.26), "2": cell(0.3), "4": cell(0.35)},
    "levels": {
        "level 1": {"n": 20, **cell(0.45), "unit": "solved", "pass": {"4": cell(0.65)}, "maj": {"4": cell(0.5)}},
        "level 2": {"n": 10, **cell(0.15), "unit": "solved", "pass": {"4": cell(0.2)}, "maj": {"4": cell(0.11)}},
    },
}  # fmt: skip


def printed(row: dict[str, Any]) -> str:
    out = StringIO()
    show_k(row, out)
    return out.getvalue().replace("\u202f", " ")


def lines_of(row: dict[str, Any]) -> list[str]:
    return [" ".join(line.split()) for line in printed(row).splitlines()]


def test_each_level_has_its_score_pass_and_majority_with_their_intervals():
    lines = lines_of(ROW)
    assert lines[0] == "maths (test): 30 problems, 4 answers each"
    assert "level n one answer Pass@4 Maj@4" in lines
    assert "level 1 20 45.0 % (35.0–55.0) 65.0 % (55.0–75.0) 50.0 % (40.0–60.0)" in lines
    assert "all 30 25.0 % (15.0–35.0) 55.0 % (45.0–65.0) 35.0 % (25.0–45.0)" in lines


def test_growth_with_k_is_a_table_of_its_own():
    lines = lines_of(ROW)
    assert "2 40.0 % (30.0–50.0) 30.0 % (20.0–40.0)" in lines
    assert "4 55.0 % (45.0–65.0) 35.0 % (25.0–45.0)" in lines
    assert "Temperature 0.7." in " ".join(lines)


def test_what_a_task_cannot_tell_is_left_out_and_said():
    text = " ".join(printed({**{k: v for k, v in ROW.items() if k != "maj"}, "levels": {}}).split())
    assert "Pass@4" in text
    assert "Maj@4" not in text
    assert "(answer_of), so there is no Maj@K." in text
    rewards = {k: v for k, v in ROW.items() if k not in ("maj", "pass")} | {"unit": "reward", "levels": {}}
    text = " ".join(printed(rewards).split())
    assert "all 30 0.25 (0.15–0.35)" in text
    assert "no Pass@K and no Maj@K" in text
