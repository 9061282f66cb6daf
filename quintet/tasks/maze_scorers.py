"""Whether an answer solves its maze, by AlphaMaze's own evaluator with its quirks and by a strict one; AlphaMaze's rewards.

| an answer …                                     | compat                          | strict                          |
|-------------------------------------------------|---------------------------------|---------------------------------|
| without `</think>`                              | wrong                           | all of it is the answer         |
| that opens `<think>` and never closes it        | wrong                           | wrong: it never got to answer   |
| with several `</think>`                         | between the first and second    | after the last                  |
| with prose, or other tokens (`<|blank|>`)       | they do nothing                 | wrong                           |
| with a move's last `>` missing                  | read as a move                  | wrong                           |
| in upper case                                   | does nothing, so it fails       | wrong                           |
| that walks into a wall or out of the maze       | wrong                           | wrong                           |
| that passes the target and stops elsewhere      | wrong                           | wrong                           |
| that passes the target and comes back           | right                           | wrong: it did not stop there    |
| with detours                                    | right                           | right                           |
| that leaves a cell written `<|all_wall|>`       | right (all blocks nothing)      | wrong                           |
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from quintet.tasks.maze_format import direct_target
from quintet.tasks.mazes import BITS, CLOSED, Maze, neighbour

_TOKEN = re.compile(r"<\|(.*?)\|>?")
_MOVES = re.compile(r"(?:\s*<\|(?:up|down|left|right)\|>)+\s*")


@dataclass(frozen=True, slots=True)
class Score:
    """What became of an answer."""

    correct: bool
    parsed: bool
    """Whether there was an answer with a move in it at all."""
    path: tuple[int, ...]
    """The cells walked, the origin first, up to the first crash."""
    reason: str
    """Why it is not correct, for humans; empty if it is."""
    crash: str | None = None
    """The move that hit a wall at the end of the path."""

    @property
    def valid_moves(self) -> int:
        """Moves made before a crash, or all."""
        return len(self.path) - 1


Scorer = Callable[[Maze, str], Score]


def score_compat(maze: Maze, text: str) -> Score:
    """What AlphaMaze's reference evaluator says, for numbers that can be compared with its paper's.

    It takes what lies between the first `</think>` and the next one or the end, reads every `<|…|>` there (the last `>` may be
    missing), and walks. A token that is no move does nothing, except `<|all|>` in a cell written `<|all_wall|>`, which is
    blocked: that cell's only wall is called "all", so it stops none of the four moves. Only the last cell counts.
    """
    parts = text.split("</think>")
    answer = parts[1].strip() if len(parts) > 1 else ""
    tokens = _TOKEN.findall(answer)
    parsed = not BITS.keys().isdisjoint(tokens)
    if not answer:
        return Score(False, False, (maze.origin,), "nothing follows a </think>")
    path = [maze.origin]
    for token in tokens:
        cell = path[-1]
        closed = maze.walls[cell] == CLOSED
        if token == "all" and closed:
            return Score(False, parsed, tuple(path), "<|all|> is blocked by <|all_wall|>")
        if token not in BITS:
            continue
        other = neighbour(maze.size, cell, token)
        if other is None or (maze.walls[cell] & BITS[token] and not closed):
            return Score(False, parsed, tuple(path), _crashed(maze, path, token), token)
        path.append(other)
    if path[-1] != maze.target:
        return Score(False, parsed, tuple(path), "stops outside the target")
    return Score(True, parsed, tuple(path), "")


def score_strict(maze: Maze, text: str) -> Score:
    """Right is: an answer of moves and white space only that walks from the origin to the target and stops there.

    The answer is what follows the last `</think>`; without any tag it is the whole text, so a direct answer needs no tags. A
    tag opened and never closed is an answer cut off. Moves are read as they are written: upper case, a missing `>`, an unknown
    token, prose or a tag after the moves make it unreadable (parsed False), for a reader that guesses can be fooled. Any number
    of detours is fine, but the first arrival at the target must be the end: who walks on did not know that it had arrived.
    """
    _, closed, answer = text.rpartition("</think>")
    nowhere = (maze.origin,)
    if not closed and "<think>" in text:
        return Score(False, False, nowhere, "<think> is never closed")
    if not answer.strip():
        return Score(False, False, nowhere, "no answer")
    if not _MOVES.fullmatch(answer):
        return Score(False, False, nowhere, "something else than moves in the answer")
    path = list(nowhere)
    for move in _TOKEN.findall(answer):
        cell = path[-1]
        if cell == maze.target:
            return Score(False, True, tuple(path), "goes on after the target")
        other = neighbour(maze.size, cell, move)
        if other is None or maze.walls[cell] & BITS[move]:
            return Score(False, True, tuple(path), _crashed(maze, path, move), move)
        path.append(other)
    if path[-1] != maze.target:
        return Score(False, True, tuple(path), "stops outside the target")
    return Score(True, True, tuple(path), "")


def _crashed(maze: Maze, path: Sequence[int], move: str) -> str:
    row, column = divmod(path[-1], maze.size)
    return f"move {len(path)} ({move}) hits a wall at {row}-{column}"


SCORERS: Mapping[str, Scorer] = MappingProxyType({"strict": score_strict, "compat": score_compat})


def alphamaze_rewards(text: str, gold: Iterable[str], validity: float = 1.0, spaces: bool = True) -> dict[str, float]:
    """AlphaMaze's GRPO rewards by name; their sum is the reward. The answer is what follows the last `</think>`, or all.

    correctness: 0.2 × number of moves if the answer is exactly the gold one. `spaces`: white space between its moves is
    overlooked, since AlphaMaze's own prompt asks for it; False is as in its code, which then gives 0.
    validity: `validity` if the answer is moves only, wherever they lead. 1.0 is the published code's, 0.5 the paper's.
    think_tags: 0.125 for exactly one `<think>` and 0.125 for exactly one `</think>`.
    Example: the right answer of 5 moves in tags gives 1.0 + 1.0 + 0.25 = 2.25.
    """
    moves = list(gold)
    answer = text.rpartition("</think>")[2].strip()
    only_moves = _MOVES.fullmatch(answer) is not None
    equal = only_moves and _TOKEN.findall(answer) == moves if spaces else answer == direct_target(moves)
    return {
        "correctness": 0.2 * len(moves) if equal else 0.0,
        "validity": validity if only_moves else 0.0,
        "think_tags": 0.125 * ((text.count("<think>") == 1) + (text.count("</think>") == 1)),
    }
