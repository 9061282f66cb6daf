"""What a page is told about answers: inert, cut to a length, beside one another."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quintet.live.texts import answer, cut, differences, groups, marks
from tests.run_folder import ATTACK


def row(prompt: str, text: str, reward: float, **more: object) -> dict:
    return {"prompt_id": prompt, "prompt": f"ask {prompt}", "text": text, "reward": reward, **more}


def test_a_long_text_is_cut_and_says_how_much_is_left_out() -> None:
    assert cut("x" * 2000, 1500) == {"text": "x" * 1500, "more": 500}
    assert cut(None) == {"text": "", "more": 0}


def test_what_acts_in_a_text_becomes_visible() -> None:
    told = answer({"text": ATTACK, "stop_reason": "\x1b[0m", "parts": {"\x07": 1.0}})
    for text in (told["text"], told["stop"], *told["parts"]):
        assert not set(text) & set("\x1b\x07\x00\u202e\ud800")
    assert "⟨U+202E⟩" in told["text"]


def test_prompts_come_in_pages_and_answers_by_advantage() -> None:
    rows = [row("a", "bad", 0.0, group=0, advantage=-1.0), row("a", "good", 1.0, group=0, advantage=1.0)]
    rows += [row("b", "only", 0.0, group=1), row("c", "third", 0.5, group=2, advantage=0.0)]
    page = groups(rows, 0, 2)
    assert (page["answers"], page["groups"], len(page["shown"])) == (4, 3, 2)
    assert [a["text"] for a in page["shown"][0]["answers"]] == ["good", "bad"]
    assert [a["sign"] for a in page["shown"][0]["answers"]] == [1, -1]
    assert [g["prompt_id"] for g in groups(rows, 2, 2)["shown"]] == ["c"]


def test_two_texts_are_marked_where_the_other_lacks_a_word() -> None:
    assert marks("go up", "go down") == ([["go ", False], ["up", True]], [["go ", False], ["down", True]])
    assert marks("<|up|><|left|>", "<|up|>") == ([["<|up|>", False], ["<|left|>", True]], [["<|up|>", False]])


@given(st.text(max_size=60), st.text(max_size=60))
def test_marked_pieces_are_the_texts_and_unmarked_ones_are_common(one: str, other: str) -> None:
    ours, theirs = marks(one, other)
    assert "".join(piece for piece, _ in ours) == one
    assert "".join(piece for piece, _ in theirs) == other
    assert "".join(p for p, differs in ours if not differs) == "".join(p for p, differs in theirs if not differs)


def test_the_same_prompts_are_put_beside_one_another_those_that_differ_first() -> None:
    one = [row("a", "x", 1.0, correct=True), row("b", "worse", 0.0, correct=False), row("b", "best", 0.5, correct=False)]
    other = [row("b", "z", 1.0, correct=True), row("a", "x", 1.0, correct=True), row("c", "alone", 1.0)]
    found = differences(one, other, 0, 5)
    assert (found["prompts"], found["both"]) == ([2, 2 + 1], 2)
    assert [pair["prompt_id"] for pair in found["shown"]] == ["b", "a"]
    first, second = found["shown"]
    assert [side["text"] for side in first["sides"]] == ["best", "z"]
    assert (first["sides"][0]["count"], first["sides"][0]["mean"]) == (2, "0.25")
    assert (first["same"], second["same"]) == (False, True)


def test_prompts_of_the_same_name_but_other_words_are_not_the_same() -> None:
    assert differences([row("a", "x", 1.0)], [{**row("a", "x", 1.0), "prompt": "else"}], 0, 5)["both"] == 0


def test_very_long_answers_are_compared_in_their_beginning() -> None:
    found = differences([row("a", "word " * 20_000, 1.0)], [row("a", "word " * 19_999, 1.0)], 0, 5)
    assert found["shown"][0]["sides"][0]["more"] == 100_000 - 4_000
