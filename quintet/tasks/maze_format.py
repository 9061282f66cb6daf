"""AlphaMaze's way to write mazes and answers as text (arXiv:2502.14669, github.com/janhq/visual-thinker).

A cell is `<|row-col|><|walls_wall|><|marker|>`: its walls in the order up, down, left, right, joined with `_`, for none and
four `<|no_wall|>` and `<|all_wall|>`; the marker origin, target or blank. One row a line. A move is `<|up|>`, `<|down|>`,
`<|left|>` or `<|right|>`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from random import Random

from quintet.tasks.mazes import BITS, CLOSED, MOVES, Maze, exits, neighbour

MARKERS = ("blank", "origin", "target")
DEAD_END = "Hit a dead end."
WRONG_WAY = "Heading in the wrong direction."
RESET = "RESET"
LONGEST_DETOUR = 3
"""Wrong steps that a reset answer takes at most before it gives up."""

_CELL = re.compile(r"<\|(\d+)-(\d+)\|><\|(\w+?)_wall\|><\|(\w+)\|>")


def _wall_name(walls: int) -> str:
    return {0: "no", CLOSED: "all"}.get(walls) or "_".join(move for move in MOVES if walls & BITS[move])


_WALLS = {_wall_name(walls): walls for walls in range(16)}


@cache
def _prefixes(size: int) -> tuple[tuple[str, ...], ...]:
    """A cell's text up to its marker, by cell and walls."""
    names = [_wall_name(walls) for walls in range(16)]
    cells = [divmod(cell, size) for cell in range(size * size)]
    return tuple(tuple(f"<|{row}-{column}|><|{name}_wall|>" for name in names) for row, column in cells)


def encode(maze: Maze, walker: tuple[int, str] | None = None) -> str:
    """The maze as text, rows joined with newlines, none at the end.

    With a `walker` (cell, move) that move stands at its cell instead of blank or origin; the target stays the target.
    """
    size, cells = maze.size, _cells(maze, walker)
    return "\n".join(["".join(cells[start : start + size]) for start in range(0, size * size, size)])


def _cells(maze: Maze, walker: tuple[int, str] | None = None) -> list[str]:
    """Each cell's text."""
    prefixes = _prefixes(maze.size)
    marks = ["<|blank|>"] * (maze.size * maze.size)
    marks[maze.origin] = "<|origin|>"
    if walker is not None:
        marks[walker[0]] = f"<|{walker[1]}|>"
    marks[maze.target] = "<|target|>"
    return [prefixes[cell][walls] + marks[cell] for cell, walls in enumerate(maze.walls)]


def parse_maze(text: str) -> Maze:
    """The maze that `encode` wrote as `text`; white space around rows and blank lines are ignored.

    Raises ValueError, naming the cell, where the text is not a square grid in this format, has not exactly one origin and one
    target, is open at the border, or has a wall that only one of the two cells beside it knows of.
    """
    rows = [_parse_row(line, number) for number, line in enumerate(filter(None, map(str.strip, text.splitlines())))]
    size = len(rows)
    if not rows or any(len(row) != size for row in rows):
        widths = ", ".join(str(len(row)) for row in rows) or "none"
        raise ValueError(f"A maze is square, but this text has {size} rows of these widths: {widths}.")
    walls = tuple(walls for row in rows for walls, _ in row)
    markers = [marker for row in rows for _, marker in row]
    for marker in ("origin", "target"):
        if markers.count(marker) != 1:
            raise ValueError(f"A maze has one {marker}; this text has {markers.count(marker)}.")
    maze = Maze(size, walls, markers.index("origin"), markers.index("target"))
    _check_walls(maze)
    return maze


def _parse_row(line: str, number: int) -> list[tuple[int, str]]:
    """(walls, marker) of each cell of row `number`."""
    found = list(_CELL.finditer(line))
    if "".join(cell.group() for cell in found) != line:
        raise ValueError(f"Row {number} is not made of cells like <|0-0|><|up_left_wall|><|blank|>: {line[:80]!r}")
    row = []
    for place, cell in enumerate(found):
        if (cell[1], cell[2]) != (str(number), str(place)):
            raise ValueError(f"Row {number} has the cell {cell[1]}-{cell[2]} where {number}-{place} belongs.")
        if cell[3] not in _WALLS or cell[4] not in MARKERS:
            raise ValueError(
                f"Cell {number}-{place} has the walls {cell[3]!r} and the marker {cell[4]!r}. Walls are written in the order "
                f"{', '.join(MOVES)}, or no or all; markers are {', '.join(MARKERS)}."
            )
        row.append((_WALLS[cell[3]], cell[4]))
    return row


def _check_walls(maze: Maze) -> None:
    for cell, walls in enumerate(maze.walls):
        for move, back in zip(MOVES, ("down", "up", "right", "left"), strict=True):
            other = neighbour(maze.size, cell, move)
            closed = bool(walls & BITS[move])
            if closed != (other is None or bool(maze.walls[other] & BITS[back])):
                where = "-".join(map(str, divmod(cell, maze.size)))
                beyond = "the border" if other is None else "the cell beyond"
                raise ValueError(f"Cell {where} is {'closed' if closed else 'open'} to its {move}, but {beyond} is not.")


def direct_target(moves: Iterable[str]) -> str:
    """The moves and nothing else.  Example: direct_target(["up", "left"]) == "<|up|><|left|>" """
    return "".join([f"<|{move}|>" for move in moves])


def path_target(maze: Maze, moves: Sequence[str]) -> str:
    """The cells on the way as the grid shows them, origin first, between think tags; then the moves.

    A short thinking that AlphaMaze has not: a step costs one token of `cell_pieces` where the grid drawn again costs 36.
    """
    cells, path = _cells(maze), [maze.origin]
    for move in moves:
        path.append(_next(maze, path[-1], move))
    return f"<think>{''.join(cells[cell] for cell in path)}</think>{direct_target(moves)}"


def walk_target(maze: Maze, moves: Sequence[str]) -> str:
    """The places on the way, without their walls, each with the move that is made there, between think tags; then the moves.

    A place follows from the one before it and the move, and the moves at the end only repeat what stands there."""
    places, cell, thought = place_pieces(maze.size), maze.origin, ""
    for move in moves:
        thought += f"{places[cell]}<|{move}|>"
        cell = _next(maze, cell, move)
    return f"<think>{thought}{places[cell]}</think>{direct_target(moves)}"


def steps_target(maze: Maze, moves: Sequence[str]) -> str:
    """Each step in words with the grid drawn again, between think tags, then the moves.

    Step i's grid has its move at the cell it is made from; the origin is marked as such in all but the first.
    """
    return f"<think>\n{_walk(maze, moves)}\n</think>\n\n{direct_target(moves)}"


def reset_target(maze: Maze, moves: Sequence[str], rng: Random) -> str:
    """`steps_target` after a false start: a walk with up to 3 wrong steps, what is wrong with it, and RESET.

    The false start follows `moves` to the first cell with another way out (the origin where that has one), takes it and goes
    on without turning back, at random where ways part. Where no cell has another way out, there is no false start.
    """
    wrong, dead_end = false_start(maze, moves, rng)
    start = f"{_walk(maze, wrong)}\n{DEAD_END if dead_end else WRONG_WAY}\n{RESET}\n" if wrong else ""
    return f"<think>\n{start}{_walk(maze, moves)}\n</think>\n\n{direct_target(moves)}"


def _walk(maze: Maze, moves: Sequence[str]) -> str:
    steps, cell = [], maze.origin
    for number, move in enumerate(moves, 1):
        steps.append(f"Step {number}: Go {move}\n{encode(maze, (cell, move))}")
        cell = _next(maze, cell, move)
    return "\n\n".join(steps)


def _next(maze: Maze, cell: int, move: str) -> int:
    other = neighbour(maze.size, cell, move)
    assert other is not None, "a path stays inside its maze"
    return other


def false_start(maze: Maze, moves: Sequence[str], rng: Random) -> tuple[list[str], bool]:
    """A walk from the origin that leaves the path `moves` for 1 to 3 wrong steps, and whether it ends in a dead end.

    ([], False) where the path has no other way out. No wrong step touches the path again.
    """
    path = [maze.origin]
    for move in moves:
        path.append(_next(maze, path[-1], move))
    seen, ways = set(path), exits(maze.size)

    def onward(cell: int) -> list[tuple[int, str]]:
        return [(other, move) for other, move in ways[cell][maze.walls[cell]] if other not in seen]

    fork = next((place for place, cell in enumerate(path[:-1]) if onward(cell)), None)
    if fork is None:
        return [], False
    walk, options = list(moves[:fork]), onward(path[fork])
    for _ in range(LONGEST_DETOUR):
        cell, move = options[int(rng.random() * len(options))]
        seen.add(cell)
        walk.append(move)
        if not (options := onward(cell)):
            break
    return walk, not options


def cell_pieces(size: int, moving: bool = False) -> list[str]:
    """Every text that a cell of a connected maze can have, each to be one token of a tokenizer made for the task.

    The border is closed and no cell is closed on all sides. With `moving`, also the cells with a move as marker, which
    step-by-step answers write.
    Example: a cell of 5×5 mazes can have 231 places and walls, so there are 693 pieces, or 1617 with `moving`.
    """
    marks = (*MARKERS, *MOVES) if moving else MARKERS
    pieces = []
    for cell, prefixes in enumerate(_prefixes(size)):
        border = sum(BITS[move] for move in MOVES if neighbour(size, cell, move) is None)
        possible = [walls for walls in range(CLOSED) if walls & border == border]
        pieces += [f"{prefixes[walls]}<|{mark}|>" for walls in possible for mark in marks]
    return pieces


def place_pieces(size: int) -> list[str]:
    """Each cell's place alone, by row and column.  Example: the sixth of a 5×5 maze is <|1-0|>"""
    return [f"<|{cell // size}-{cell % size}|>" for cell in range(size * size)]


def answer_pieces(size: int, thinking: bool = False) -> list[str]:
    """What answers are made of beside cells: moves and the newline; with `thinking` also tags, words and step numbers."""
    pieces = [f"<|{move}|>" for move in MOVES] + ["\n"]
    if thinking:
        numbers = [str(number) for number in range(1, size * size)]
        pieces += ["<think>", "</think>", "Step ", *numbers, ": Go ", *MOVES, DEAD_END, WRONG_WAY, RESET]
    return pieces
