"""Square mazes: how they are made, solved, told apart and drawn. Nothing here knows of models or texts.

Cells are numbered row by row from the top left: cell = row · size + column. A cell's walls are a sum of bits:
up 1, down 2, left 4, right 8; 15 is a cell closed on all sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from random import Random

MOVES = ("up", "down", "left", "right")
BITS = {"up": 1, "down": 2, "left": 4, "right": 8}
CLOSED = 15
ATTEMPTS = 20_000
"""Mazes that `random_maze` draws before it gives up: half a second for 5×5."""

_BACK = {"up": "down", "down": "up", "left": "right", "right": "left"}
Segment = tuple[int, int, bool]
"""A piece of wall: the row and column of the cell below it (True) or to the right of it (False)."""
_POSTS = " ╵╷│╴┘┐┤╶└┌├─┴┬┼"  # indexed by the sum of the bits of the walls that meet there


@dataclass(frozen=True, slots=True)
class Maze:
    """A square maze. Both cells beside a wall have it, and the border is closed."""

    size: int
    """Cells a side."""
    walls: tuple[int, ...]
    """One sum of wall bits a cell, row by row."""
    origin: int
    target: int


def neighbour(size: int, cell: int, move: str) -> int | None:
    """The cell next to `cell`, walls or not; None beyond the border.  Example: neighbour(3, 4, "up") == 1"""
    row, column = divmod(cell, size)
    match move:
        case "up":
            return cell - size if row > 0 else None
        case "down":
            return cell + size if row < size - 1 else None
        case "left":
            return cell - 1 if column > 0 else None
        case "right":
            return cell + 1 if column < size - 1 else None
        case _:
            raise ValueError(f"{move!r} is not a move; the moves are {', '.join(MOVES)}.")


@cache
def _around(size: int) -> tuple[tuple[tuple[int, int, int], ...], ...]:
    """For each cell its neighbours as (cell, wall bit on this side, wall bit on that side)."""

    def near(cell: int) -> tuple[tuple[int, int, int], ...]:
        cells = ((neighbour(size, cell, m), m) for m in MOVES)
        return tuple((other, BITS[m], BITS[_BACK[m]]) for other, m in cells if other is not None)

    return tuple(near(cell) for cell in range(size * size))


@cache
def exits(size: int) -> tuple[tuple[tuple[tuple[int, str], ...], ...], ...]:
    """exits(size)[cell][walls]: the (neighbour, move) pairs that those walls leave open, in the order of MOVES."""

    def ways(cell: int, walls: int) -> tuple[tuple[int, str], ...]:
        cells = ((neighbour(size, cell, m), m) for m in MOVES if not walls & BITS[m])
        return tuple((other, m) for other, m in cells if other is not None)

    return tuple(tuple(ways(cell, walls) for walls in range(16)) for cell in range(size * size))


def carve(rng: Random, size: int) -> tuple[int, ...]:
    """The walls of a random maze in which exactly one way leads from any cell to any other.

    Randomised depth-first search: walk to a random neighbour that is still closed, go back where there is none. It makes
    long corridors with few branches, and not every maze with the same probability.
    """
    around, random = _around(size), rng.random
    walls = [CLOSED] * (size * size)
    cell = int(random() * size * size)
    trail: list[int] = []
    for _ in range(size * size - 1):
        # a cell not yet visited is one that still has all four walls
        while not (ways := [way for way in around[cell] if walls[way[0]] == CLOSED]):
            cell = trail.pop()
        other, here, there = ways[int(random() * len(ways))] if len(ways) > 1 else ways[0]
        walls[cell] -= here
        walls[other] -= there
        trail.append(cell)
        cell = other
    return tuple(walls)


def distances(size: int, walls: Sequence[int], origin: int) -> list[int]:
    """Steps from `origin` to each cell by breadth-first search; −1 where no way leads."""
    ways = exits(size)
    far = [-1] * (size * size)
    far[origin] = 0
    queue = [origin]
    for cell in queue:  # the list grows while it is walked
        step = far[cell] + 1
        for other, _ in ways[cell][walls[cell]]:
            if far[other] < 0:
                far[other] = step
                queue.append(other)
    return far


def random_maze(
    rng: Random, size: int, shortest: int = 1, longest: int | None = None, keep: Callable[[Maze], bool] | None = None
) -> Maze:
    """A random maze whose shortest path has `shortest` to `longest` steps (None: any length from `shortest` on).

    Distribution: walls from `carve`; the origin uniform over all cells; the target uniform over the cells that far away. Where
    there are none, or `keep` says no, all is drawn anew. Raises ValueError when ATTEMPTS mazes have not brought one.
    """
    cells = size * size
    limit = cells - 1 if longest is None else longest
    for _ in range(ATTEMPTS):
        walls = carve(rng, size)
        origin = int(rng.random() * cells)
        targets = [cell for cell, far in enumerate(distances(size, walls, origin)) if shortest <= far <= limit]
        if targets:
            maze = Maze(size, walls, origin, targets[int(rng.random() * len(targets))])
            if keep is None or keep(maze):
                return maze
    also = "" if keep is None else " and the other properties asked for"
    raise ValueError(
        f"None of {ATTEMPTS} random {size}×{size} mazes had a path of {shortest} to {limit} steps from a random cell{also}; "
        f"they are too rare to draw. Ask for shorter paths{', a larger share of all mazes' if keep else ''} or another size."
    )


def shortest_path(maze: Maze) -> tuple[str, ...] | None:
    """The moves of a shortest path from origin to target by breadth-first search; None if there is no way.

    Example: () where origin and target are the same cell.
    """
    ways, walls, target = exits(maze.size), maze.walls, maze.target
    came: dict[int, tuple[int, str]] = {maze.origin: (-1, "")}
    queue = [maze.origin]
    for cell in queue:  # the list grows while it is walked
        if cell == target:
            break
        for other, move in ways[cell][walls[cell]]:
            if other not in came:
                came[other] = (cell, move)
                queue.append(other)
    else:
        return None
    moves = []
    cell, move = came[target]
    while move:
        moves.append(move)
        cell, move = came[cell]
    return tuple(reversed(moves))


def careless_walk(maze: Maze, rng: Random) -> tuple[str, ...]:
    """The moves of somebody who leaves the shortest path at a cell chosen uniformly, takes a wrong turn there and walks on,
    never back, to a dead end; where that cell offers no wrong turn they stop. They hit no wall and never reach the target of a
    maze without loops.

    Example: in a corridor of cells 0, 1, 2, 3 from 0 to 3 it gives 0, 1 or 2 moves to the right.
    """
    gold = shortest_path(maze) or ()
    wrong = int(rng.random() * len(gold))
    walk: list[str] = []
    cell, before = maze.origin, -1
    for right in gold[:wrong]:
        cell, before = next(other for other, move in exits(maze.size)[cell][maze.walls[cell]] if move == right), cell
        walk.append(right)
    avoid = gold[wrong] if gold else ""
    while ways := [w for w in exits(maze.size)[cell][maze.walls[cell]] if w[0] != before and w[1] != avoid]:
        before, (cell, move) = cell, ways[int(rng.random() * len(ways))]
        walk.append(move)
        avoid = ""
    return tuple(walk)


def maze_hash(maze: Maze) -> str:
    """16 hexadecimal digits that depend on the walls, the origin and the target alone: the same on every machine.

    BLAKE2b with 8 bytes, over one byte each of size, origin, target and the walls; so sizes up to 15.
    """
    return blake2b(bytes((maze.size, maze.origin, maze.target, *maze.walls)), digest_size=8).hexdigest()


def draw(maze: Maze, path: Sequence[int] = (), crash: str | None = None) -> str:
    """The maze for human eyes: S the origin, T the target, • the cells of `path`, × on the wall that the move `crash` hit
    at the end of the path (at the origin if `path` is empty).

    Example, the path 0, 3 that then ran into the wall on its right:
        ┌───────────┐
        │ S         │
        │   ┌───────┤
        │ • ×       │
        │   └───┐   │
        │       │ T │
        └───────┴───┘
    """
    size = maze.size
    marks = dict.fromkeys(path, "•") | {maze.origin: "S", maze.target: "T"}
    walls = {_segment(size, cell, m) for cell, bits in enumerate(maze.walls) for m in MOVES if bits & BITS[m]}
    hit = _segment(size, path[-1] if path else maze.origin, crash) if crash else None

    def post(r: int, c: int) -> str:
        meeting = {"up": (r - 1, c, False), "down": (r, c, False), "left": (r, c - 1, True), "right": (r, c, True)}
        return _POSTS[sum(BITS[m] for m, segment in meeting.items() if segment in walls)]

    def show(segment: Segment, blank: str, wall: str, struck: str) -> str:
        return struck if segment == hit else wall if segment in walls else blank

    lines = []
    for r in range(size + 1):
        lines.append("".join(post(r, c) + show((r, c, True), "   ", "───", "─×─") for c in range(size)) + post(r, size))
        if r < size:
            cells = (show((r, c, False), " ", "│", "×") + f" {marks.get(r * size + c, ' ')} " for c in range(size))
            lines.append("".join(cells) + show((r, size, False), " ", "│", "×"))
    return "\n".join(lines)


def _segment(size: int, cell: int, move: str) -> Segment:
    row, column = divmod(cell, size)
    return row + (move == "down"), column + (move == "right"), move in ("up", "down")
