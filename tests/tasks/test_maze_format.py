from __future__ import annotations

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.tasks.maze_format import (
    answer_pieces,
    cell_pieces,
    direct_target,
    encode,
    false_start,
    parse_maze,
    path_target,
    reset_target,
    steps_target,
    walk_target,
)
from quintet.tasks.mazes import Maze, distances, random_maze, shortest_path

# 0-0 – 0-1 and 0-1 – 1-1: the origin is 0-0, the target 1-1; 1-0 is closed on all sides
SMALL = Maze(2, (1 + 2 + 4, 1 + 8, 15, 2 + 4 + 8), 0, 3)
SMALL_TEXT = (
    "<|0-0|><|up_down_left_wall|><|origin|><|0-1|><|up_right_wall|><|blank|>\n"
    "<|1-0|><|all_wall|><|blank|><|1-1|><|down_left_right_wall|><|target|>"
)
# a cross: all four neighbours of 1-1 open to it, the corners closed; from 0-1 to 2-1
CROSS = Maze(3, (15, 1 + 4 + 8, 15, 1 + 2 + 4, 0, 1 + 2 + 8, 15, 2 + 4 + 8, 15), 1, 7)
mazes = st.builds(lambda seed, size: random_maze(Random(seed), size), st.integers(0, 2**32), st.integers(2, 10))


def split_greedily(text: str, pieces: list[str]) -> list[str]:
    """The text as a tokenizer of these pieces would cut it, the longest that fits first."""
    pattern = re.compile("|".join(map(re.escape, sorted(pieces, key=len, reverse=True))))
    cut = pattern.findall(text)
    assert "".join(cut) == text
    return cut


def test_maze_is_written_cell_by_cell_with_walls_in_order():
    assert encode(SMALL) == SMALL_TEXT
    assert encode(CROSS).split("\n")[1] == (
        "<|1-0|><|up_down_left_wall|><|blank|><|1-1|><|no_wall|><|blank|><|1-2|><|up_down_right_wall|><|blank|>"
    )


def test_walker_stands_in_for_blank_and_origin_but_not_for_the_target():
    assert encode(SMALL, (0, "right")).startswith("<|0-0|><|up_down_left_wall|><|right|><|0-1|><|up_right_wall|><|blank|>\n")
    assert encode(SMALL, (1, "down")).startswith("<|0-0|><|up_down_left_wall|><|origin|><|0-1|><|up_right_wall|><|down|>\n")
    assert encode(SMALL, (3, "up")) == encode(SMALL)


@settings(deadline=None)
@given(mazes)
def test_written_maze_reads_back_the_same(maze):
    assert parse_maze(encode(maze)) == maze
    assert parse_maze("\n " + encode(maze).replace("\n", " \n\n  ") + "\n") == maze


def test_closed_and_open_cells_read_back():
    assert parse_maze(SMALL_TEXT) == SMALL
    assert parse_maze(encode(CROSS)) == CROSS


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("<|1-1|><|down_left_right_wall|><|target|>", "", "2 rows of these widths: 2, 1"),
        (SMALL_TEXT, "", "0 rows of these widths: none"),
        ("<|origin|>", "<|blank|>", "one origin; this text has 0"),
        ("<|0-1|><|up_right_wall|><|blank|>", "<|0-1|><|up_right_wall|><|target|>", "one target; this text has 2"),
        ("<|0-1|>", "<|0-2|>", "the cell 0-2 where 0-1 belongs"),
        ("<|1-0|>", "<|01-0|>", "the cell 01-0 where 1-0 belongs"),
        ("up_right", "right_up", "Cell 0-1 has the walls 'right_up'"),
        ("up_right", "UP_RIGHT", "Cell 0-1 has the walls 'UP_RIGHT'"),
        ("<|origin|>", "<|start|>", "the marker 'start'"),
        ("<|origin|>", "<|up|>", "the marker 'up'"),
        ("<|origin|>", "<|origin|", "Row 0 is not made of cells"),
        ("<|target|>", "<|target|> end", "Row 1 is not made of cells"),
        ("up_right", "right", "Cell 0-1 is open to its up, but the border is not"),
        (
            "<|0-1|><|up_right_wall|>",
            "<|0-1|><|up_left_right_wall|>",
            "Cell 0-0 is open to its right, but the cell beyond is not",
        ),
        ("<|1-0|><|all_wall|>", "<|1-0|><|up_down_left_wall|>", "Cell 1-0 is open to its right, but the cell beyond is not"),
    ],
)
def test_spoilt_text_is_refused_with_its_reason(old, new, complaint):
    assert old in SMALL_TEXT
    with pytest.raises(ValueError, match=complaint):
        parse_maze(SMALL_TEXT.replace(old, new))


@settings(deadline=None)
@given(st.text())
def test_any_other_text_is_refused_with_a_value_error(text):
    with pytest.raises(ValueError, match=r"^(A maze is|A maze has|Row|Cell)"):
        parse_maze(text)


def test_direct_target_is_the_moves_in_a_row():
    assert direct_target(["up", "left", "down", "right"]) == "<|up|><|left|><|down|><|right|>"


def test_path_target_names_the_cells_from_origin_to_target_before_the_moves():
    assert path_target(SMALL, ["right", "down"]) == (
        "<think>"
        "<|0-0|><|up_down_left_wall|><|origin|>"
        "<|0-1|><|up_right_wall|><|blank|>"
        "<|1-1|><|down_left_right_wall|><|target|>"
        "</think>"
        "<|right|><|down|>"
    )


def test_walk_target_has_each_move_behind_the_place_it_is_made_from():
    assert walk_target(SMALL, ["right", "down"]) == ("<think><|0-0|><|right|><|0-1|><|down|><|1-1|></think><|right|><|down|>")


def test_steps_target_redraws_the_grid_at_each_step():
    assert steps_target(SMALL, ["right", "down"]) == (
        "<think>\n"
        "Step 1: Go right\n"
        "<|0-0|><|up_down_left_wall|><|right|><|0-1|><|up_right_wall|><|blank|>\n"
        "<|1-0|><|all_wall|><|blank|><|1-1|><|down_left_right_wall|><|target|>\n"
        "\n"
        "Step 2: Go down\n"
        "<|0-0|><|up_down_left_wall|><|origin|><|0-1|><|up_right_wall|><|down|>\n"
        "<|1-0|><|all_wall|><|blank|><|1-1|><|down_left_right_wall|><|target|>\n"
        "</think>\n"
        "\n"
        "<|right|><|down|>"
    )


def test_false_start_into_an_arm_of_the_cross_is_a_dead_end():
    wrong = {tuple(false_start(CROSS, ["down", "down"], Random(seed))[0]) for seed in range(20)}
    assert wrong == {("down", "left"), ("down", "right")}
    assert all(false_start(CROSS, ["down", "down"], Random(seed))[1] for seed in range(20))
    text = reset_target(CROSS, ["down", "down"], Random(0))
    right = steps_target(CROSS, ["down", "down"])
    start, end = text.split("\nHit a dead end.\nRESET\n")
    assert f"<think>\n{end}" == right
    assert re.findall(r"Step (\d): Go (\w+)", start) in ([("1", "down"), ("2", "left")], [("1", "down"), ("2", "right")])


def test_false_start_that_could_go_on_is_the_wrong_direction():
    corridor = Maze(5, (15,) * 5 + (15,) * 5 + (15,) * 5 + (15,) * 5 + (7, 3, 3, 3, 11), 0, 0)
    middle = Maze(5, corridor.walls, 21, 20)
    assert false_start(middle, ["left"], Random(0)) == (["right", "right", "right"], True)  # 3 steps to the end of the corridor
    longer = Maze(6, (15,) * 30 + (7, 3, 3, 3, 3, 11), 31, 30)
    assert false_start(longer, ["left"], Random(0)) == (["right", "right", "right"], False)
    assert "\nHeading in the wrong direction.\nRESET\nStep 1: Go left\n" in reset_target(longer, ["left"], Random(0))


def test_where_no_other_way_exists_the_reset_answer_is_the_plain_one():
    assert false_start(SMALL, ["right", "down"], Random(0)) == ([], False)
    assert reset_target(SMALL, ["right", "down"], Random(0)) == steps_target(SMALL, ["right", "down"])


@settings(deadline=None)
@given(mazes, st.integers(0, 2**32))
def test_false_start_leaves_the_path_where_it_first_can_and_stays_off_it(maze, seed):
    moves = shortest_path(maze) or ()
    offset = {"up": -maze.size, "down": maze.size, "left": -1, "right": 1}
    bit = {"up": 1, "down": 2, "left": 4, "right": 8}
    path, wrong_path = [maze.origin], [maze.origin]
    for move in moves:
        path.append(path[-1] + offset[move])
    wrong, dead_end = false_start(maze, moves, Random(seed))
    for move in wrong:
        assert not maze.walls[wrong_path[-1]] & bit[move]
        wrong_path.append(wrong_path[-1] + offset[move])
    forks = [place for place, cell in enumerate(path[:-1]) if 4 - maze.walls[cell].bit_count() > (1 if place == 0 else 2)]
    if not forks:
        assert wrong == []
        return
    off = [cell for cell in wrong_path if cell not in path]
    assert wrong_path == path[: forks[0] + 1] + off
    assert 1 <= len(off) <= 3
    assert len(set(wrong_path)) == len(wrong_path)
    last_is_dead_end = maze.walls[off[-1]].bit_count() == 3
    assert dead_end == last_is_dead_end
    assert dead_end or len(off) == 3


def test_cell_pieces_are_counted_by_hand():
    # 5×5: 4 corners with 3 wall patterns each, 12 sides with 7, 9 inner cells with 15
    assert len(cell_pieces(5)) == 3 * (4 * 3 + 12 * 7 + 9 * 15) == 693
    assert len(cell_pieces(5, moving=True)) == 7 * 231 == 1617
    assert len(cell_pieces(3)) == 3 * (4 * 3 + 4 * 7 + 15)
    for size in range(2, 11):
        pieces = answer_pieces(size, thinking=True) + cell_pieces(size, moving=True)
        assert len(set(pieces)) == len(pieces)


def test_cell_pieces_cover_the_cells_of_random_mazes():
    pieces = set(cell_pieces(4))
    seen = {
        "".join(cell) for i in range(500) for cell in re.findall(r"(<.*?>)(<.*?>)(<.*?>)", encode(random_maze(Random(i), 4)))
    }
    assert len(seen) > 250
    assert seen <= pieces


@settings(deadline=None)
@given(mazes.filter(lambda maze: maze.size <= 6), st.integers(0, 2**32))
def test_grids_and_answers_are_cut_into_pieces_of_one_cell_move_or_word(maze, seed):
    moves = shortest_path(maze) or ()
    size = maze.size
    plain = answer_pieces(size) + cell_pieces(size)
    assert len(split_greedily(encode(maze) + "\n", plain)) == size * size + size
    assert split_greedily(direct_target(moves), plain) == [f"<|{move}|>" for move in moves]
    if distances(size, maze.walls, maze.origin)[maze.target] <= 4:
        thinking = answer_pieces(size, thinking=True) + cell_pieces(size, moving=True)
        text = reset_target(maze, moves, Random(seed))
        pieces = split_greedily(text, thinking)
        steps = text.count("Step ")
        assert pieces.count("Step ") == steps == pieces.count(": Go ")
        assert sum(piece.count("_wall|>") for piece in pieces) == steps * size * size
