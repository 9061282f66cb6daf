"""Both scorers against a corpus of answers, and AlphaMaze's rewards.

maze_corpus.jsonl holds the maze as text, the answer, and for each scorer [correct, parsed]. Rows from "hand" were judged by
hand, one group for each quirk and then their combinations; rows from "mutated" are right answers to random mazes, spoilt in one
or two ways, judged by the two small simulators below, which share no code with the package and judge the rows by hand as well.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.tasks.maze_format import parse_maze
from quintet.tasks.maze_scorers import alphamaze_rewards, score_compat, score_strict
from quintet.tasks.mazes import Maze

CORPUS = [json.loads(line) for line in (Path(__file__).parent / "maze_corpus.jsonl").read_text().splitlines()]
OFFSET = {"up": (-1, 0), "down": (1, 0), "left": (0, -1), "right": (0, 1)}
QUIRKS = {
    "think",
    "first-think",
    "wall",
    "outside",
    "pass-and-return",
    "past-target",
    "detour",
    "unknown-token",
    "missing-bracket",
    "prose",
    "upper-case",
    "all-wall",
    "spaces",
    "plain",
    "combined",
}


def simulate(maze: str, moves: list[str]) -> tuple[list[tuple[int, int]], bool]:
    """The cells walked by the words of the cell they are left from, and whether the walk was stopped."""
    words, marks = {}, {}
    for r, line in enumerate(maze.split("\n")):
        tokens = line[2:-2].split("|><|")
        for c in range(len(tokens) // 3):
            words[r, c], marks[tokens[3 * c + 2]] = tokens[3 * c + 1].split("_")[:-1], (r, c)
    trail = [marks["origin"]]
    for move in moves:
        r, c = trail[-1]
        beyond = (r + OFFSET[move][0], c + OFFSET[move][1]) if move in OFFSET else (r, c)
        if move in words[r, c] or beyond not in words:
            return [*trail, marks["target"]], True
        trail.append(beyond)
    return [*trail, marks["target"]], False


def expect_compat(maze: str, text: str) -> list[bool]:
    if "</think>" not in text:
        return [False, False]
    rest, tokens = text.split("</think>")[1].strip(), []
    while "<|" in rest:
        rest = rest[rest.index("<|") + 2 :]
        if "|" in rest.split("\n")[0]:
            token, rest = rest.split("|", 1)
            tokens.append(token)
    (*trail, target), stopped = simulate(maze, tokens)
    return [not stopped and trail[-1] == target, any(token in OFFSET for token in tokens)]


def expect_strict(maze: str, text: str) -> list[bool]:
    rest, moves = text.split("</think>")[-1].strip(), []
    if ("<think>" in text and "</think>" not in text) or not rest:
        return [False, False]
    while rest:
        move = next((move for move in OFFSET if rest.startswith(f"<|{move}|>")), None)
        if move is None:
            return [False, False]
        moves.append(move)
        rest = rest[len(move) + 4 :].lstrip()
    closed = maze.replace("<|all_wall|>", "<|up_down_left_right_wall|>")
    (*trail, target), stopped = simulate(closed, moves)
    return [not stopped and trail.index(target) == len(trail) - 1 if target in trail else False, True]


def test_corpus_has_two_hundred_answers_and_every_quirk_by_hand():
    assert len(CORPUS) >= 200
    assert {row["quirk"] for row in CORPUS if row["from"] == "hand"} == QUIRKS
    assert len({(row["maze"], row["text"]) for row in CORPUS}) == len(CORPUS)
    verdicts = Counter((row["compat"][0], row["strict"][0]) for row in CORPUS)
    assert min(verdicts[both] for both in [(True, True), (True, False), (False, True), (False, False)]) >= 10


@pytest.mark.parametrize("row", CORPUS, ids=lambda row: row["name"])
def test_both_scorers_judge_as_the_corpus_says(row):
    maze = parse_maze(row["maze"])
    compat, strict = score_compat(maze, row["text"]), score_strict(maze, row["text"])
    assert [compat.correct, compat.parsed] == row["compat"], compat.reason
    assert [strict.correct, strict.parsed] == row["strict"], strict.reason
    assert [not compat.reason, not strict.reason] == [compat.correct, strict.correct]


def test_corpus_agrees_with_independent_simulators():
    for row in CORPUS:
        assert expect_compat(row["maze"], row["text"]) == row["compat"], row["name"]
        assert expect_strict(row["maze"], row["text"]) == row["strict"], row["name"]


# 3×3, closed except for 0-0 – 0-1 – 0-2 and 0-1 – 1-1 – 1-2; from 0-0 to 1-2
MAZE = Maze(3, (7, 1, 11, 15, 6, 11, 15, 15, 15), 0, 5)


def test_score_tells_where_the_walk_went_and_where_it_ended():
    for scorer in (score_strict, score_compat):
        score = scorer(MAZE, "<think></think><|right|><|down|><|down|><|right|>")
        assert (score.path, score.crash, score.valid_moves) == ((0, 1, 4), "down", 2)
        assert score.reason == "move 3 (down) hits a wall at 1-1"
        score = scorer(MAZE, "<think></think><|right|><|down|><|right|>")
        assert (score.path, score.crash, score.valid_moves, score.reason) == ((0, 1, 4, 5), None, 3, "")
        score = scorer(MAZE, "<think></think><|right|><|right|>")
        assert (score.path, score.reason) == ((0, 1, 2), "stops outside the target")


def test_unreadable_answers_say_why():
    assert score_strict(MAZE, "<think>\n<|right|>").reason == "<think> is never closed"
    assert score_strict(MAZE, "<think></think>\n").reason == "no answer"
    assert score_strict(MAZE, "<|RIGHT|>").reason == "something else than moves in the answer"
    assert score_compat(MAZE, "<|right|>").reason == "nothing follows a </think>"


def test_unknown_tokens_leave_no_trace_in_the_compat_path():
    assert score_compat(MAZE, "</think><|blank|><|right|><|RIGHT|><|down|> then <|right|").path == (0, 1, 4, 5)


def test_strict_walk_ends_at_its_first_arrival():
    score = score_strict(MAZE, "<|right|><|down|><|right|><|left|><|right|>")
    assert (score.correct, score.path, score.reason) == (False, (0, 1, 4, 5), "goes on after the target")


tokens = st.sampled_from(
    ["<|up|>", "<|down|>", "<|left|>", "<|right|>", "<|right|", "<think>", "</think>", "<|", "|>", "\n", " ", "<|all|>", "go"]
)


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(tokens).map("".join)), st.sampled_from([("origin", "blank"), ("blank", "origin")]))
def test_scorers_survive_any_text_and_agree_with_the_simulators(text, marks):
    maze = (
        f"<|0-0|><|up_down_left_wall|><|{marks[0]}|><|0-1|><|up_right_wall|><|blank|>\n"
        f"<|1-0|><|all_wall|><|{marks[1]}|><|1-1|><|down_left_right_wall|><|target|>"
    )
    compat, strict = score_compat(parse_maze(maze), text), score_strict(parse_maze(maze), text)
    assert [compat.correct, compat.parsed] == expect_compat(maze, text)
    assert [strict.correct, strict.parsed] == expect_strict(maze, text)


def test_alphamaze_pays_a_fifth_for_each_move_of_exactly_the_gold_answer():
    gold = ["right", "down", "right"]
    right = "<think>\nso\n</think>\n\n<|right|><|down|><|right|>"
    assert alphamaze_rewards(right, gold) == {"correctness": pytest.approx(0.6), "validity": 1.0, "think_tags": 0.25}
    detour = "<think>\nso\n</think>\n\n<|right|><|right|><|left|><|down|><|right|>"
    assert alphamaze_rewards(detour, gold) == {"correctness": 0.0, "validity": 1.0, "think_tags": 0.25}


def test_alphamaze_pays_valid_moves_wherever_they_lead():
    assert alphamaze_rewards("<|left|>", ["right"])["validity"] == 1.0
    assert alphamaze_rewards("<|left|>", ["right"], validity=0.5)["validity"] == 0.5
    assert alphamaze_rewards("<|left|><|blank|>", ["right"])["validity"] == 0.0
    assert alphamaze_rewards("go <|left|>", ["left"]) == {"correctness": 0.0, "validity": 0.0, "think_tags": 0.0}
    assert alphamaze_rewards("", ["left"])["validity"] == 0.0


def test_alphamaze_pays_each_think_tag_that_occurs_once():
    assert alphamaze_rewards("<think>", ["up"])["think_tags"] == 0.125
    assert alphamaze_rewards("</think>", ["up"])["think_tags"] == 0.125
    assert alphamaze_rewards("<think><think></think>", ["up"])["think_tags"] == 0.125
    assert alphamaze_rewards("<think></think><think></think>", ["up"])["think_tags"] == 0.0


def test_moves_set_apart_by_spaces_earn_what_moves_without_do_unless_the_original_is_asked_for():
    spaced = "<think></think> <|right|> <|down|>\n<|right|>"
    gold = ["right", "down", "right"]
    assert alphamaze_rewards(spaced, gold)["correctness"] == pytest.approx(0.6)
    assert alphamaze_rewards(spaced, gold, spaces=False)["correctness"] == 0.0
    joined = spaced.replace(" ", "").replace("\n", "")
    assert alphamaze_rewards(joined, gold, spaces=False)["correctness"] == pytest.approx(0.6)
    assert alphamaze_rewards("<|ri ght|>", ["right"]) == {"correctness": 0.0, "validity": 0.0, "think_tags": 0.0}
