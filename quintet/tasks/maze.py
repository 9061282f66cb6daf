"""Mazes as a task: endless prompts by number, demonstrations, grades."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from random import Random
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from quintet.data import Prompt, Rollout, Verdict
from quintet.knobs import Count, Fraction, NonNegative, Whole
from quintet.tasks.maze_format import (
    LONGEST_DETOUR,
    answer_pieces,
    cell_pieces,
    direct_target,
    encode,
    path_target,
    place_pieces,
    reset_target,
    steps_target,
    walk_target,
)
from quintet.tasks.maze_scorers import SCORERS, Score, alphamaze_rewards
from quintet.tasks.mazes import Maze, careless_walk, draw, maze_hash, random_maze, shortest_path

Side = Annotated[int, Ge(3), Le(10)]

LEVELS = {"easy": (1, 4, 5), "medium": (5, 8, 4), "hard": (9, 99, 1)}
"""Level: shortest path, longest path, share in tenths of MazeBench's 100 mazes (50, 40 and 10)."""

INSTRUCTIONS = """\
Find a way through a maze. Below is its map, one line for each row of cells. Every cell is written as three tokens:
1. its place, <|row-column|>, counted from 0 at the top left;
2. its walls: <|up_left_wall|> says that you can't leave it upwards or to the left, and so on; <|no_wall|>: it has none;
3. <|origin|> where you start, <|target|> where you must end, <|blank|> anywhere else.
A move is one of the tokens <|up|>, <|down|>, <|left|>, <|right|>. You can't move through a wall. Stop at the target.
{form}

"""
FORMS = {
    "direct": "Answer with the moves alone, without spaces.",
    "thinking": "First think step by step between <think> and </think>. After that write the moves alone, without spaces.",
}


@dataclass(frozen=True)
class MazeTask:
    """Find the way through a random maze, in AlphaMaze's format (arXiv:2502.14669).

    Prompt number i of a split depends on the settings and (split, i) alone. A maze (walls, origin and target together) belongs
    to train or test by its hash, so no test maze is ever trained on. Train: all path lengths in range, as often as
    `random_maze` draws them. Test: MazeBench's levels, 50 % easy, 40 % medium and 10 % hard in every ten prompts; where size
    and steps rule a level out, the others keep their proportions. Small sizes have few mazes (3×3: 13,824): prompts come again.
    """

    name = "maze"

    size: Side = 5
    """Cells a side, 3 to 10. AlphaMaze: 5."""
    target: Literal["direct", "path", "walk", "steps", "reset"] = "direct"
    """What demonstrations show: the moves alone; the cells on the way, then the moves; places and moves on the way, then the
    moves; AlphaMaze's steps with the grid drawn again at each; those after a false start and a RESET. It also sets the form
    that `instructions` ask for."""
    scorer: Literal["strict", "compat"] = "strict"
    """Who decides what is correct: strict reads moves only and wants the walk to end at the target; compat shares the quirks of
    AlphaMaze's evaluator, for numbers that compare with its paper's."""
    reward: Literal["solved", "alphamaze"] = "solved"
    """solved: 1 if the scorer says correct, else 0. alphamaze: the sum of AlphaMaze's three, 0.2 a move for exactly the gold
    answer, `alphamaze_validity` for an answer of moves only, 0.125 for each think tag."""
    alphamaze_validity: NonNegative = 1.0
    """What the alphamaze reward pays for an answer of moves only; 1.0 in its code, 0.5 in its paper."""
    min_steps: Count = 1
    """Shortest path of a prompt, in moves."""
    max_steps: Whole = 13
    """Longest path of a prompt, in moves; 0: as long as the size allows. 13 is the longest of MazeBench."""
    demo_max_steps: Whole = 0
    """Longest path in demonstrations, in moves; 0: as `max_steps`. A smaller one leaves the longer paths for RL to find."""
    demo_mistakes: Fraction = 0.0
    """Share of demonstrations by a careless teacher, who takes a wrong turn or stops too early (`mazes.careless_walk`). With
    every target but reset."""
    instructions: bool = False
    """False: the prompt is the grid alone, for a model trained from nothing. True: a chat message explains format and task."""
    test_share: Fraction = 0.1
    """Share of all mazes, by hash, that is kept for `test`."""
    task_seed: int = 0
    """Which mazes are drawn. The split of a given maze doesn't depend on it."""

    def __post_init__(self) -> None:
        if not 3 <= self.size <= 10:
            raise ValueError(f"A maze has 3 to 10 cells a side; size={self.size}. Choose a size in this range.")
        if self.demo_mistakes and self.target == "reset":
            raise ValueError("The target reset has wrong turns of its own, which it takes back; it goes with demo_mistakes=0.")
        for name, longest in (("max_steps", self._longest), ("demo_max_steps", self._longest_shown)):
            if not 1 <= self.min_steps <= longest:
                raise ValueError(
                    f"size={self.size} and {name}={getattr(self, name)} leave paths of up to {longest} moves, "
                    f"but min_steps={self.min_steps}. Choose a min_steps between 1 and {longest}, or a larger {name} or size."
                )

    @property
    def _longest(self) -> int:
        possible = self.size * self.size - 1
        return min(self.max_steps or possible, possible)

    @property
    def _longest_shown(self) -> int:
        return min(self.demo_max_steps or self._longest, self._longest)

    def prompts(self, split: str, start: int = 0) -> Iterator[Prompt]:
        """Prompts of `train` or `test` from number `start` on, both endless; take the first 100 of `test` for a benchmark.

        `truth` is {size, walls, origin, target, moves}: the maze and a shortest path.
        """
        self._check(split)
        return (self._prompt(split, "prompt", number, self._longest)[0] for number in count(start))

    def demonstrations(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str]]:
        """Prompts with an answer each, right unless `demo_mistakes` says otherwise, from number `start` on, endless; other
        draws from the same split than `prompts`."""
        self._check(split)
        return (self._demonstration(split, number) for number in count(start))

    def preferences(self, split: str, start: int = 0) -> Iterator[tuple[Prompt, str, str]]:
        """Prompts with a right answer and a careless teacher's wrong one each (the moves alone), from number `start` on."""
        self._check(split)
        return (self._preference(split, number) for number in count(start))

    def grade(self, rollouts: Sequence[Rollout]) -> list[Verdict]:
        """One verdict for each rollout; any text whatsoever gets one."""
        return [self._verdict(rollout.prompt.truth, rollout.text) for rollout in rollouts]

    def answer_of(self, text: str) -> str | None:
        """The answer's part behind the thinking, without white space, for counting votes; None where it never gets there."""
        answer = "".join(text.rpartition("</think>")[2].split())
        return None if not answer or "<think>" in answer else answer

    def pieces(self) -> list[str]:
        """Texts that should each be one token of a tokenizer made for this task: cells, moves, newline, words of thinking.

        Together they write every prompt without instructions and every demonstration.
        """
        thinking, moving = self.target != "direct", self.target in ("steps", "reset")
        places = place_pieces(self.size) if self.target == "walk" else []
        return answer_pieces(self.size, thinking) + cell_pieces(self.size, moving) + places

    def longest_answer(self) -> int:
        """No demonstration of a path within `max_steps` has more tokens of `pieces()`, the end of text included.

        Example: 14 for direct answers of up to 13 moves, 30 with the path before them; 493 for 5×5 in steps.
        """
        moves = self._longest
        if self.target == "direct":
            return moves + 1
        if self.target == "path":
            return moves + 1 + moves + 3  # a cell more than moves; tags and end of text
        if self.target == "walk":
            return moves + 1 + moves + moves + 3
        grid = self.size * self.size + self.size - 1
        step = 5 + grid + 2  # "Step ", number, ": Go ", move, newline; grid; two newlines
        steps = moves if self.target == "steps" else moves + (moves - 1 + LONGEST_DETOUR)
        return steps * step + moves + 12  # tags and newlines 6, a false start's end 5, end of text 1

    def score(self, truth: Any, text: str) -> Score:
        """What the chosen scorer says of an answer, with the path it walked."""
        return SCORERS[self.scorer](_maze(truth), text)

    def picture(self, prompt: Prompt, text: str) -> str:
        """The maze drawn with the way the answer takes; below it why it is wrong, if it is."""
        score = self.score(prompt.truth, text)
        return "\n".join(filter(None, (draw(_maze(prompt.truth), score.path, score.crash), score.reason)))

    def _check(self, split: str) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"Mazes have the splits train and test; split={split!r}.")
        if self.test_share == (0 if split == "test" else 1):
            raise ValueError(
                f"test_share={self.test_share} leaves no mazes for {split}. Choose one between 0 and 1, such as 0.1."
            )

    def _prompt(self, split: str, stream: str, number: int, longest: int) -> tuple[Prompt, Maze, Random]:
        rng = Random(f"{self.task_seed}/{split}/{stream}/{number}")
        low, high = self.min_steps, longest
        if split == "test":
            schedule = _schedule(low, high)
            low, high = schedule[number % len(schedule)]
        maze = random_maze(rng, self.size, low, high, keep=lambda maze: _held_out(maze, self.test_share) == (split == "test"))
        moves = shortest_path(maze)
        assert moves, "the mazes drawn here are connected"
        truth = {
            "size": maze.size,
            "walls": list(maze.walls),
            "origin": maze.origin,
            "target": maze.target,
            "moves": list(moves),
        }
        grid = encode(maze) + "\n"
        level = next(name for name, (least, most, _) in LEVELS.items() if least <= len(moves) <= most)
        name = f"maze-{split}-{number}" if stream == "prompt" else f"maze-{split}-{stream}-{number}"
        if not self.instructions:
            return Prompt(name, text=grid, truth=truth, level=level), maze, rng
        form = FORMS["direct" if self.target == "direct" else "thinking"]
        message = {"role": "user", "content": INSTRUCTIONS.format(form=form) + grid}
        return Prompt(name, messages=(message,), truth=truth, level=level), maze, rng

    def _demonstration(self, split: str, number: int) -> tuple[Prompt, str]:
        prompt, maze, rng = self._prompt(split, "demonstration", number, self._longest_shown)
        moves = prompt.truth["moves"]
        if self.demo_mistakes and rng.random() < self.demo_mistakes:
            moves = careless_walk(maze, rng)
        match self.target:
            case "direct":
                return prompt, direct_target(moves)
            case "path":
                return prompt, path_target(maze, moves)
            case "walk":
                return prompt, walk_target(maze, moves)
            case "steps":
                return prompt, steps_target(maze, moves)
            case "reset":
                return prompt, reset_target(maze, moves, rng)

    def _preference(self, split: str, number: int) -> tuple[Prompt, str, str]:
        prompt, maze, rng = self._prompt(split, "preference", number, self._longest_shown)
        return prompt, direct_target(prompt.truth["moves"]), direct_target(careless_walk(maze, rng))

    def _verdict(self, truth: Any, text: str) -> Verdict:
        score = self.score(truth, text)
        if self.reward == "solved":
            solved = float(score.correct)
            return Verdict(solved, {"solved": solved}, score.correct, score.parsed)
        parts = alphamaze_rewards(text, truth["moves"], self.alphamaze_validity)
        return Verdict(sum(parts.values()), parts, score.correct, score.parsed)


def _maze(truth: Any) -> Maze:
    return Maze(truth["size"], tuple(truth["walls"]), truth["origin"], truth["target"])


def _held_out(maze: Maze, share: float) -> bool:
    return int(maze_hash(maze), 16) < share * 2**64


@cache
def _schedule(shortest: int, longest: int) -> tuple[tuple[int, int], ...]:
    """The path lengths of a round of test prompts: each level as often as its share, spread as evenly as can be."""
    ranges = {name: (max(low, shortest), min(high, longest)) for name, (low, high, _) in LEVELS.items()}
    shares = {name: LEVELS[name][2] for name, (low, high) in ranges.items() if low <= high}
    total, order = sum(shares.values()), []
    for number in range(1, total + 1):
        owed = {name: share * number - order.count(name) * total for name, share in shares.items()}
        order.append(max(owed, key=owed.__getitem__))
    return tuple(ranges[name] for name in order)
