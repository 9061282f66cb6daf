from __future__ import annotations

import json
from pathlib import Path

import pytest

from quintet.tasks.rows import Row, read_rows


def read(tmp_path: Path, text: str) -> tuple[list[Row], list[str]]:
    path = tmp_path / "p.jsonl"
    path.write_text(text, encoding="utf-8")
    rows, complaints = read_rows(path)
    return rows, [c.replace(f"{tmp_path}/", "") for c in complaints]


def test_texts_and_messages_are_prompts_and_the_rest_are_columns(tmp_path: Path):
    rows, complaints = read(
        tmp_path,
        '{"prompt": "a", "answer": 4, "completion_ids": [1]}\n'
        "\n"
        '{"prompt": [{"role": "user", "content": "b"}], "completion": [{"role": "assistant", "content": "c"}]}\n',
    )
    assert complaints == []
    assert rows == [Row(1, "a", None, {"answer": 4}), Row(3, ({"role": "user", "content": "b"},), "c", {})]


def test_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path):
    assert read(tmp_path, '\ufeff{"prompt": "a"}\n')[0][0].prompt == "a"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("not json", "p.jsonl:2: this is no JSON: Expecting value in column 1."),
        ("[1]", "p.jsonl:2: a row must be a JSON object, not a list."),
        ("3", "p.jsonl:2: a row must be a JSON object, not a number."),
        ('{"question": 1, "answer": 2}', 'p.jsonl:2: a row needs the key "prompt"; this one has question, answer.'),
        ("{}", 'p.jsonl:2: a row needs the key "prompt"; this one has none.'),
        ('{"prompt": ""}', 'p.jsonl:2: "prompt" must be a text or a list of messages'),
        ('{"prompt": []}', 'p.jsonl:2: "prompt" must be a text or a list of messages'),
        ('{"prompt": [{"role": "user", "content": ["x"]}]}', 'p.jsonl:2: "prompt" must be a text or a list of messages'),
        ('{"prompt": "a", "completion": 3}', 'p.jsonl:2: "completion" must be a text or a list of one message'),
    ],
)
def test_line_that_is_no_row_is_named_with_its_reason(tmp_path: Path, line: str, complaint: str):
    rows, (found,) = read(tmp_path, f'{{"prompt": "a"}}\n{line}\n{{"prompt": "b"}}\n')
    assert [row.prompt for row in rows] == ["a", "b"]
    assert found.startswith(complaint)


def test_many_bad_lines_are_counted(tmp_path: Path):
    _, found = read(tmp_path, "x\n" * 12)
    assert len(found) == 6
    assert found[-1] == "p.jsonl: 7 more lines can't be used either."


def test_file_that_is_missing_empty_or_no_text_is_one_sentence(tmp_path: Path):
    with pytest.raises(ValueError, match=r"There is no file gone\.jsonl"):
        read_rows(Path("gone.jsonl"))
    with pytest.raises(ValueError, match="has no rows"):
        read(tmp_path, "\n\n")
    (tmp_path / "p.parquet").write_bytes(b"PAR1\xff\xfe\x00")
    with pytest.raises(ValueError, match="no text in UTF-8"):
        read_rows(tmp_path / "p.parquet")


def test_same_prompt_has_the_same_place_whatever_else_its_row_says():
    a = Row(1, ({"role": "user", "content": "b"},), None, {"x": 1})
    b = Row(9, ({"content": "b", "role": "user"},), "c", {})
    assert a.place == b.place
    assert a.place != Row(1, "b", None, {}).place
    assert 0 <= a.place < 2**64


# ---- pairs -----------------------------------------------------------------------------------------------------------------


def chat(*texts: str) -> list[dict[str, str]]:
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(texts)]


def test_pair_is_a_better_and_a_worse_answer(tmp_path: Path):
    path = tmp_path / "pairs.jsonl"
    rows = [
        {"prompt": "2+2=", "chosen": "4", "rejected": "5", "level": "easy"},
        {"prompt": chat("hi"), "chosen": chat("", "hello")[1:], "rejected": chat("", "go")[1:]},
        {"chosen": chat("a", "b", "c", "yes"), "rejected": chat("a", "b", "c", "no")},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found, complaints = read_rows(path)
    assert complaints == []
    assert [row.pair for row in found] == [("4", "5"), ("hello", "go"), ("yes", "no")]
    assert found[0].columns == {"level": "easy"}
    assert list(found[2].prompt) == chat("a", "b", "c")  # what both conversations have in common


def test_row_whose_pair_is_null_has_none(tmp_path: Path):
    """As data sets are exported in which some rows have pairs."""
    rows, complaints = read(tmp_path, '{"prompt": "a", "completion": null, "chosen": null, "rejected": null}\n')
    assert complaints == []
    assert rows == [Row(1, "a", None, {})]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"prompt": "a", "chosen": "b"}, 'a pair needs both "chosen" and "rejected".'),
        ({"prompt": "a", "chosen": None, "rejected": "b"}, 'a pair needs both "chosen" and "rejected".'),
        ({"prompt": "a", "chosen": "b", "rejected": chat("c", "d")}, '"rejected" must be a text or a list of one message'),
        ({"chosen": chat("a", "b")}, 'a row needs the key "prompt"; this one has chosen.'),
        ({"prompt": "a", "chosen": 3, "rejected": "b"}, '"chosen" must be a text or a list of one message'),
        (
            {"chosen": "a", "rejected": "b"},
            'a pair without a "prompt" must be two lists of messages that differ in the last one',
        ),
        ({"chosen": chat("a", "b"), "rejected": chat("c", "b")}, 'a pair without a "prompt" must be two lists of messages'),
    ],
)
def test_half_a_pair_is_named_with_its_line(tmp_path: Path, row: dict, said: str):
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps(row) + "\n")
    found, (complaint,) = read_rows(path)
    assert found == []
    assert complaint.startswith(f"{path}:1: {said}")
