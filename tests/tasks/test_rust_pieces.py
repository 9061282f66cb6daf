from __future__ import annotations

from itertools import islice

from quintet.models.load import tokenizer_for
from quintet.tasks.cargo import Cargo
from quintet.tasks.rust_pieces import FRAME, pieces


def test_rare_words_are_no_pieces_and_the_order_is_fixed():
    found = pieces(["sum sum", "sum 12 rare", "sum 12 12 12"])
    assert found == [*FRAME, "12", "sum", " sum"]


def test_exercises_come_back_from_a_tokenizer_of_their_pieces_and_are_short():
    task = Cargo()
    tokenizer = tokenizer_for(task)
    lengths = []
    for prompt, answer in [*islice(task.demonstrations("train"), 60), *islice(task.demonstrations("test"), 20)]:
        for text in (prompt.text or "", answer):
            assert tokenizer.decode(tokenizer.encode(text)) == text
        lengths.append(len(tokenizer.encode(answer)))
    assert sum(lengths) / len(lengths) < 110
    assert max(lengths) < task.longest_answer()


def test_problems_of_a_file_have_no_pieces():
    assert Cargo(data="problems.jsonl").pieces() is None
