from __future__ import annotations

from math import nan

from quintet.observe.rollout_groups import by_group, parts, prompt_text


def test_answers_are_grouped_by_prompt_and_sorted_by_advantage() -> None:
    rows = [{"group": g, "advantage": a} for g, a in ((1, -1.0), (0, 0.5), (1, 2.0), (1, None), (0, nan), (0, 0.7))]
    grouped = by_group(rows)
    assert list(grouped) == [0, 1]
    assert [row["advantage"] for row in grouped[1]] == [2.0, -1.0, None]
    assert [row["advantage"] for row in grouped[0]][:2] == [0.7, 0.5]


def test_parts_are_written_out() -> None:
    assert parts({"parts": {"form": 1.0, "answer": None}}) == ["form 1", "answer –"]
    assert parts({"parts": {"\x1b": 1.0}}) == ["⟨U+001B⟩ 1"]
    assert parts({}) == []


def test_a_prompt_of_messages_is_read_as_one_text() -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]
    assert prompt_text(messages) == "system: Be brief.\n\nuser: 2 + 2?"
    assert [prompt_text(prompt) for prompt in ("as it is", None, 7)] == ["as it is", "", "7"]
