from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.tasks import mazes
from quintet.tasks.mazes import (
    Maze,
    careless_walk,
    carve,
    distances,
    draw,
    exits,
    maze_hash,
    neighbour,
    random_maze,
    shortest_path,
)

# ┌───────────┐  a 3×3 maze drawn by hand; its walls as sums of up 1, down 2, left 4, right 8
# │ S         │
# │   ┌───────┤
# │   │       │
# │   └───┐   │
# │       │ T │
# └───────┴───┘
HAND = Maze(3, (1 + 4, 1 + 2, 1 + 2 + 8, 4 + 8, 1 + 2 + 4, 1 + 8, 2 + 4, 1 + 2 + 8, 2 + 4 + 8), 0, 8)
HAND_OPEN = Maze(3, (*HAND.walls[:3], 4, 2 + 1, *HAND.walls[5:]), 0, 8)  # the wall between 1-0 and 1-1 taken away
seeds = st.integers(0, 2**32)
sizes = st.integers(2, 10)


def pictured(maze: Maze) -> dict[int, int]:
    """Distances from the origin by relaxing every edge until nothing changes, with coordinates instead of tables."""
    open_sides = {(r, c): maze.walls[r * maze.size + c] for r in range(maze.size) for c in range(maze.size)}
    far = {divmod(maze.origin, maze.size): 0}
    for _ in open_sides:
        for (r, c), walls in open_sides.items():
            for bit, beyond in ((1, (r - 1, c)), (2, (r + 1, c)), (4, (r, c - 1)), (8, (r, c + 1))):
                if not walls & bit and (r, c) in far:
                    far[beyond] = min(far.get(beyond, 999), far[r, c] + 1)
    return {r * maze.size + c: steps for (r, c), steps in far.items()}


@settings(deadline=None)
@given(seeds, sizes)
def test_carved_maze_is_a_tree_with_a_closed_border_and_walls_seen_from_both_sides(seed, size):
    walls = carve(Random(seed), size)
    cells = range(size * size)
    for cell in cells:
        row, column = divmod(cell, size)
        assert not row or bool(walls[cell] & 1) == bool(walls[cell - size] & 2)
        assert not column or bool(walls[cell] & 4) == bool(walls[cell - 1] & 8)
        border = (row == 0) * 1 + (row == size - 1) * 2 + (column == 0) * 4 + (column == size - 1) * 8
        assert walls[cell] & border == border
    doors = sum(4 - walls[cell].bit_count() for cell in cells) // 2
    assert doors == size * size - 1
    assert min(distances(size, walls, 0)) == 0  # with that many doors, connected means no loops


@settings(deadline=None)
@given(seeds, sizes)
def test_shortest_path_leads_to_the_target_in_as_few_steps_as_an_independent_search_finds(seed, size):
    maze = random_maze(Random(seed), size)
    moves = shortest_path(maze)
    assert moves is not None
    path = [maze.origin]
    for move in moves:
        assert not maze.walls[path[-1]] & {"up": 1, "down": 2, "left": 4, "right": 8}[move]
        path.append(path[-1] + {"up": -size, "down": size, "left": -1, "right": 1}[move])
    assert path[-1] == maze.target
    far = pictured(maze)
    assert len(moves) == far[maze.target]
    assert distances(size, maze.walls, maze.origin) == [far[cell] for cell in range(size * size)]


def test_hand_drawn_maze_has_no_way_and_one_door_makes_a_way_of_four_moves():
    assert shortest_path(HAND) is None
    assert distances(3, HAND.walls, 0) == [0, 1, 2, 1, -1, -1, 2, 3, -1]
    assert shortest_path(HAND_OPEN) == ("down", "right", "right", "down")
    assert shortest_path(Maze(3, HAND_OPEN.walls, 4, 4)) == ()


def test_shortest_path_takes_the_short_side_of_a_loop():
    ring = Maze(3, (5, 3, 9, 12, 15, 12, 6, 3, 10), 0, 7)  # the eight cells of the border in a circle
    assert shortest_path(ring) == ("down", "down", "right")


def test_neighbour_of_each_side_and_of_each_border():
    assert [neighbour(3, 4, move) for move in mazes.MOVES] == [1, 7, 3, 5]
    assert [neighbour(3, 0, move) for move in mazes.MOVES] == [None, 3, None, 1]
    assert [neighbour(3, 8, move) for move in mazes.MOVES] == [5, None, 7, None]
    with pytest.raises(ValueError, match="'north' is not a move"):
        neighbour(3, 4, "north")


def test_exits_are_the_open_sides_that_stay_inside():
    assert exits(3)[4][0] == ((1, "up"), (7, "down"), (3, "left"), (5, "right"))
    assert exits(3)[4][1 + 8] == ((7, "down"), (3, "left"))
    assert exits(3)[0][0] == ((3, "down"), (1, "right"))
    assert exits(3)[4][15] == ()


@settings(deadline=None)
@given(seeds, st.integers(1, 8), st.integers(0, 4))
def test_random_maze_has_a_path_of_the_length_asked_for(seed, shortest, more):
    maze = random_maze(Random(seed), 4, shortest, shortest + more)
    moves = shortest_path(maze)
    assert moves is not None
    assert shortest <= len(moves) <= shortest + more


def test_random_maze_keeps_only_what_it_is_told_to():
    assert {random_maze(Random(i), 3, keep=lambda maze: maze.target == 5).target for i in range(20)} == {5}


def test_random_maze_gives_up_on_what_does_not_exist(monkeypatch):
    monkeypatch.setattr(mazes, "ATTEMPTS", 50)
    with pytest.raises(ValueError, match="None of 50 random 3×3 mazes had a path of 9 to 9 steps"):
        random_maze(Random(0), 3, 9, 9)


def test_same_seed_same_maze_on_every_machine():
    maze = random_maze(Random("0/train/0"), 3)
    assert maze == random_maze(Random("0/train/0"), 3)
    assert (maze.walls, maze.origin, maze.target) == ((5, 9, 13, 12, 12, 12, 14, 6, 10), 8, 0)


def test_every_cell_is_the_origin_about_as_often_and_all_mazes_of_two_by_two_occur():
    drawn = [random_maze(Random(i), 2) for i in range(2000)]
    assert len({maze.walls for maze in drawn}) == 4  # a ring of four with one door closed
    counts = Counter(maze.origin for maze in drawn)
    assert sorted(counts) == [0, 1, 2, 3]
    assert all(abs(n - 500) < 100 for n in counts.values())  # five standard deviations


def test_maze_hash_sees_walls_origin_and_target_and_never_changes():
    assert maze_hash(HAND) == "062e3146c136c8f3"  # of the bytes 3 0 8 5 3 11 12 7 9 6 11 14
    others = [Maze(3, HAND.walls, 1, 8), Maze(3, HAND.walls, 0, 7), Maze(3, HAND.walls, 8, 0), HAND_OPEN]
    hashes = {maze_hash(maze) for maze in [HAND, *others]}
    assert len(hashes) == 5
    assert all(len(digits) == 16 and int(digits, 16) >= 0 for digits in hashes)


def test_hashes_are_spread_evenly():
    low = sum(int(maze_hash(random_maze(Random(i), 5)), 16) < 2**63 for i in range(2000))
    assert abs(low - 1000) < 112  # five standard deviations


def test_drawing_of_the_hand_drawn_maze():
    assert draw(HAND).split("\n") == [
        "┌───────────┐",
        "│ S         │",
        "│   ┌───────┤",
        "│   │       │",
        "│   └───┐   │",
        "│       │ T │",
        "└───────┴───┘",
    ]


def test_drawing_marks_the_path_and_the_wall_it_hit():
    assert draw(HAND, (0, 3), "right").split("\n") == [
        "┌───────────┐",
        "│ S         │",
        "│   ┌───────┤",
        "│ • ×       │",
        "│   └───┐   │",
        "│       │ T │",
        "└───────┴───┘",
    ]
    assert draw(HAND, (0, 1), "down").split("\n")[1:4] == ["│ S   •     │", "│   ┌─×─────┤", "│   │       │"]
    assert draw(HAND, (), "up").split("\n")[0] == "┌─×─────────┐"
    assert draw(HAND, (0,), "left").split("\n")[1] == "× S         │"
    assert draw(HAND, (0, 3, 6, 7), "down").split("\n")[5:] == ["│ •   • │ T │", "└─────×─┴───┘"]


@settings(deadline=None)
@given(seeds, st.integers(2, 6))
def test_a_picture_can_be_read_back(seed, size):
    maze = random_maze(Random(seed), size)
    lines = [line + " " for line in draw(maze).split("\n")]
    assert len(lines) == 2 * size + 1
    assert {len(line) for line in lines} == {4 * size + 2}
    for cell, walls in enumerate(maze.walls):
        r, c = divmod(cell, size)
        seen = (lines[2 * r][4 * c + 2], lines[2 * r + 2][4 * c + 2], lines[2 * r + 1][4 * c], lines[2 * r + 1][4 * c + 4])
        assert [mark != " " for mark in seen] == [bool(walls & bit) for bit in (1, 2, 4, 8)]
        assert lines[2 * r + 1][4 * c + 2] == ("S" if cell == maze.origin else "T" if cell == maze.target else " ")


def test_careless_walk_in_a_corridor_stops_before_the_target():
    corridor = Maze(4, (*(7, 3, 3, 11), *[15] * 12), 0, 3)
    walks = {careless_walk(corridor, Random(seed)) for seed in range(60)}
    assert walks == {(), ("right",), ("right", "right")}


@settings(max_examples=60, deadline=None)
@given(st.integers(3, 6), st.integers(0, 10**9))
def test_careless_walk_hits_no_wall_and_misses_the_target(size, seed):
    rng = Random(seed)
    maze = random_maze(rng, size)
    cell = maze.origin
    for move in careless_walk(maze, rng):
        cell = {m: other for other, m in exits(size)[cell][maze.walls[cell]]}[move]
        assert cell != maze.target
