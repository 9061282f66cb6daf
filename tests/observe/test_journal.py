from __future__ import annotations

import json
from math import inf, nan

from quintet.observe.journal import Journal


def test_rows_are_lines_of_json_behind_what_is_there(tmp_path):
    journal = Journal(tmp_path)
    journal.append("metrics", {"a": 1}, {"b": "π\n"})
    journal.append("metrics", {"c": [1.5, {"d": None}]})
    lines = (tmp_path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"a": 1}, {"b": "π\n"}, {"c": [1.5, {"d": None}]}]


def test_numbers_that_are_no_json_become_null(tmp_path):
    Journal(tmp_path).append("metrics", {"a": nan, "b": [inf, -inf, 1.0], "c": {"d": nan}, "e": (1, nan)})
    written = json.loads((tmp_path / "metrics.jsonl").read_text())
    assert written == {"a": None, "b": [None, None, 1.0], "c": {"d": None}, "e": [1, None]}


def test_rewinding_cuts_what_came_later_and_repeating_it_gives_the_same_file(tmp_path):
    journal = Journal(tmp_path)
    journal.append("metrics", {"step": 1})
    lengths = journal.lengths()
    assert lengths == {"metrics": 12}
    journal.append("metrics", {"step": 2})
    journal.append("evaluations", {"step": 2})
    whole = (tmp_path / "metrics.jsonl").read_bytes()
    journal.rewind(lengths)
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n'
    assert (tmp_path / "evaluations.jsonl").read_text() == ""
    journal.append("metrics", {"step": 2})
    assert (tmp_path / "metrics.jsonl").read_bytes() == whole


def test_rewinding_drops_a_cut_off_line_and_never_lengthens(tmp_path):
    journal = Journal(tmp_path)
    journal.append("metrics", {"step": 1})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"st')
    journal.rewind({"metrics": 12, "rollouts": 99})
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 1}\n'
    journal.rewind({"metrics": 1000})
    assert (tmp_path / "metrics.jsonl").stat().st_size == 12


def test_half_a_surrogate_pair_does_not_stop_a_run(tmp_path):
    Journal(tmp_path).append("rollouts", {"text": "a\ud83d"})
    assert json.loads((tmp_path / "rollouts.jsonl").read_text()) == {"text": "a?"}
