from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import fields, replace
from hashlib import sha256
from itertools import islice
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.data import Prompt, Rollout, Verdict
from quintet.protocols import Task, Teacher
from quintet.tasks.maze import MazeTask
from quintet.tasks.maze_format import encode, parse_maze
from quintet.tasks.maze_scorers import score_compat, score_strict
from quintet.tasks.mazes import Maze, maze_hash, random_maze

# 3×3: 0-0 – 0-1 – 0-2, 0-1 – 1-1 – 1-2; from 0-0 to 1-2
TRUTH = {"size": 3, "walls": [7, 1, 11, 15, 6, 11, 15, 15, 15], "origin": 0, "target": 5, "moves": ["right", "down", "right"]}
RIGHT = "<|right|><|down|><|right|>"
tasks = st.builds(
    MazeTask,
    size=st.integers(3, 6),
    target=st.sampled_from(["direct", "path", "walk", "steps", "reset"]),
    min_steps=st.integers(1, 4),
    max_steps=st.integers(4, 8),
    demo_max_steps=st.sampled_from([0, 4, 6]),
    test_share=st.floats(0.05, 0.95),
    task_seed=st.integers(0, 1000),
)
splits = st.sampled_from(["train", "test"])


def answered(text: str, truth: Any = None) -> Rollout:
    prompt = Prompt("p", text="", truth=truth or TRUTH)
    return Rollout(prompt, [], [], [], text, "eos", policy_version=0)


def grade(task: MazeTask, text: str) -> Verdict:
    (verdict,) = task.grade([answered(text)])
    return verdict


def split_greedily(text: str, pieces: list[str]) -> list[str]:
    """The text as a tokenizer of these pieces would cut it, the longest that fits first."""
    pattern = re.compile("|".join(map(re.escape, sorted(pieces, key=len, reverse=True))))
    cut = pattern.findall(text)
    assert "".join(cut) == text
    return cut


def maze_of(prompt: Prompt) -> Maze:
    return Maze(prompt.truth["size"], tuple(prompt.truth["walls"]), prompt.truth["origin"], prompt.truth["target"])


def test_maze_task_is_a_task_and_a_teacher():
    task: Task = MazeTask()
    teacher: Teacher = MazeTask()
    assert task.name == teacher.name == "maze"
    assert "name" not in {field.name for field in fields(MazeTask)}


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_prompt_depends_on_its_number_alone(task, split, start):
    first, second, third = islice(task.prompts(split, start), 3)
    assert next(task.prompts(split, start + 2)) == third
    assert next(replace(task).prompts(split, start)) == first
    assert [first.id, second.id] == [f"maze-{split}-{start}", f"maze-{split}-{start + 1}"]
    demonstrations = list(islice(task.demonstrations(split, start), 2))
    assert next(task.demonstrations(split, start + 1)) == demonstrations[1]


def test_seed_and_split_change_the_prompts():
    drawn = [
        [p.text for p in islice(MazeTask(task_seed=seed).prompts(split), 5)] for seed in (0, 1) for split in ("train", "test")
    ]
    assert len({text for texts in drawn for text in texts}) == 20


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_prompts_and_demonstrations_stay_on_their_side_of_the_split(task, split, start):
    prompts = list(islice(task.prompts(split, start), 5)) + [p for p, _ in islice(task.demonstrations(split, start), 5)]
    for prompt in prompts:
        assert (int(maze_hash(maze_of(prompt)), 16) / 2**64 < task.test_share) == (split == "test")


def test_no_test_maze_is_among_thousands_of_training_mazes_even_where_there_are_few_mazes():
    task = MazeTask(size=3)
    test = {p.text for p in islice(task.prompts("test"), 2000)}
    train = {p.text for p in islice(task.prompts("train"), 6000)} | {
        p.text for p, _ in islice(task.demonstrations("train"), 6000)
    }
    assert len(test) > 500
    assert len(train) > 4000
    assert not test & train
    other_seed = {p.text for p in islice(replace(task, task_seed=9).prompts("test"), 2000)}
    assert not other_seed & train


def test_share_of_mazes_held_out_is_the_one_asked_for():
    drawn = [int(maze_hash(random_maze(Random(i), 5)), 16) < 0.1 * 2**64 for i in range(4000)]
    assert abs(sum(drawn) - 400) < 95  # five standard deviations


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_prompt_states_its_maze_and_truth_is_all_a_grader_needs(task, split, start):
    for prompt in islice(task.prompts(split, start), 4):
        assert prompt.text is not None
        assert prompt.text.endswith("|>\n")
        assert json.loads(json.dumps(prompt.truth)) == prompt.truth
        assert parse_maze(prompt.text) == maze_of(prompt)
        steps = len(prompt.truth["moves"])
        assert task.min_steps <= steps <= min(task.max_steps, task.size**2 - 1)
        assert prompt.level == ("easy" if steps <= 4 else "medium" if steps <= 8 else "hard")


@settings(max_examples=40, deadline=None)
@given(tasks, splits, st.integers(0, 10**6))
def test_demonstrations_are_right_within_their_length_and_cut_into_pieces(task, split, start):
    for prompt, answer in islice(task.demonstrations(split, start), 3):
        steps = len(prompt.truth["moves"])
        assert task.min_steps <= steps <= (task.demo_max_steps or task.max_steps)
        rollout = Rollout(prompt, [], [], [], answer, "eos", policy_version=0)
        assert task.grade([rollout]) == [Verdict(1.0, {"solved": 1.0}, True, True)]
        assert replace(task, scorer="compat").grade([rollout])[0].correct == (task.target != "direct")
        assert len(split_greedily(answer, task.pieces())) < task.longest_answer()
        split_greedily(prompt.text or "", task.pieces())


def test_demonstrations_show_what_the_target_says():
    tasks = MazeTask(), MazeTask(target="steps"), MazeTask(target="reset")
    direct, steps, reset = ([answer for _, answer in islice(task.demonstrations("train"), 30)] for task in tasks)
    assert all(answer.startswith("<|") for answer in direct)
    assert [answer.split("</think>\n\n")[1] for answer in steps] == direct == [a.split("</think>\n\n")[1] for a in reset]
    assert not any("RESET" in answer for answer in steps)
    assert sum("RESET" in answer for answer in reset) > 20
    assert any("Hit a dead end." in answer for answer in reset)
    assert any("Heading in the wrong direction." in answer for answer in reset)


def test_path_shows_the_cells_of_the_grid_that_the_moves_visit_and_then_the_moves():
    direct, path = (islice(MazeTask(target=t).demonstrations("train"), 30) for t in ("direct", "path"))
    for (prompt, moves), (same, answer) in zip(direct, path, strict=True):
        assert prompt == same
        thinking, said = answer.removeprefix("<think>").split("</think>")
        cells = re.findall(r"<\|(\d)-(\d)\|><\|\w+\|><\|\w+\|>", thinking)
        assert said == moves
        assert "".join(m.group() for m in re.finditer(r"<\|\d-\d\|><\|\w+\|><\|\w+\|>", thinking)) == thinking
        assert [5 * int(row) + int(column) for row, column in cells] == list(MazeTask().score(prompt.truth, moves).path)
        assert all(cell.group() in str(prompt.text) for cell in re.finditer(r"<\|\d-\d\|><\|\w+\|><\|\w+\|>", thinking))


def test_demonstrations_and_prompts_are_different_draws():
    task = MazeTask()
    assert next(task.demonstrations("train"))[0].text != next(task.prompts("train")).text


def test_test_split_has_mazebench_proportions():
    prompts = list(islice(MazeTask().prompts("test"), 100))
    assert Counter(p.level for p in prompts) == {"easy": 50, "medium": 40, "hard": 10}
    assert Counter(p.level for p in prompts[20:40]) == {"easy": 10, "medium": 8, "hard": 2}
    assert {len(p.truth["moves"]) for p in prompts} <= set(range(1, 14))
    assert len({p.text for p in prompts}) == 100


def test_mazes_of_the_benchmark_never_change():
    """The first 100: who compares two models years apart compares them on the same mazes."""
    hashes = [maze_hash(maze_of(p)) for p in islice(MazeTask(target="path").prompts("test"), 100)]
    assert len(set(hashes)) == 100
    assert sha256(" ".join(hashes).encode()).hexdigest()[:16] == "d175fee5fa355adf"
    levels = {"easy": range(1, 5), "medium": range(5, 9), "hard": range(9, 14)}
    for prompt in islice(MazeTask().prompts("test"), 1000):
        assert len(prompt.truth["moves"]) in levels[prompt.level]


def test_test_split_shares_out_what_an_impossible_level_leaves():
    small = Counter(p.level for p in islice(MazeTask(size=3).prompts("test"), 90))
    assert small == {"easy": 50, "medium": 40}  # the longest path of 3×3 has 8 steps
    long = Counter(p.level for p in islice(MazeTask(min_steps=6).prompts("test"), 50))
    assert long == {"medium": 40, "hard": 10}
    assert {p.level for p in islice(MazeTask(max_steps=3).prompts("test"), 20)} == {"easy"}


def test_zero_max_steps_allows_whatever_the_size_does():
    lengths = [len(p.truth["moves"]) for p in islice(MazeTask(size=8, max_steps=0).prompts("train"), 50)]
    assert max(lengths) > 13
    assert MazeTask(size=8, max_steps=0).longest_answer() == 64


def test_longest_answer_counts_tokens():
    assert MazeTask().longest_answer() == 14  # 13 moves and the end of text
    assert MazeTask(size=3).longest_answer() == 9
    assert MazeTask(target="steps").longest_answer() == 13 * 36 + 13 + 12 == 493
    assert MazeTask(target="path").longest_answer() == 14 + 2 + 13 + 1  # cells, tags, moves, end of text
    assert MazeTask(target="walk").longest_answer() == 14 + 13 + 2 + 13 + 1
    # a step: 5 words, 9 cells and 2 newlines, 2 newlines; then 8 moves, 12 for tags, newlines, reset, end
    assert MazeTask(size=3, target="steps").longest_answer() == 8 * 18 + 8 + 12
    assert MazeTask(size=3, target="reset").longest_answer() == (8 + 10) * 18 + 8 + 12


def test_instructions_are_a_chat_message_around_the_same_grid():
    plain, chat = next(MazeTask().prompts("test")), next(MazeTask(instructions=True).prompts("test"))
    assert chat.text is None
    assert chat.messages is not None
    (message,) = chat.messages
    assert message["role"] == "user"
    assert message["content"].endswith("\n\n" + str(plain.text))
    assert "<think>" not in message["content"]
    assert (chat.truth, chat.level, chat.id) == (plain.truth, plain.level, plain.id)
    thinking = next(MazeTask(instructions=True, target="reset").prompts("test"))
    assert thinking.messages is not None
    assert "between <think> and </think>" in thinking.messages[0]["content"]


def test_solved_reward_is_one_for_correct_and_else_zero():
    assert grade(MazeTask(), RIGHT) == Verdict(1.0, {"solved": 1.0}, correct=True, parsed=True)
    assert grade(MazeTask(), "<|right|>") == Verdict(0.0, {"solved": 0.0}, correct=False, parsed=True)
    assert grade(MazeTask(), "the way is right") == Verdict(0.0, {"solved": 0.0}, correct=False, parsed=False)


def test_scorer_decides_what_is_correct():
    back_again = f"<think></think>{RIGHT}<|left|><|right|>"
    assert grade(MazeTask(scorer="compat"), back_again).correct
    assert not grade(MazeTask(scorer="strict"), back_again).correct
    assert not grade(MazeTask(scorer="compat"), RIGHT).correct


def test_alphamaze_reward_is_the_sum_of_its_parts():
    verdict = grade(MazeTask(reward="alphamaze"), f"<think>\nso\n</think>\n\n{RIGHT}")
    assert verdict.parts == {"correctness": pytest.approx(0.6), "validity": 1.0, "think_tags": 0.25}
    assert verdict.reward == pytest.approx(1.85)
    as_in_the_paper = MazeTask(reward="alphamaze", alphamaze_validity=0.5)
    assert grade(as_in_the_paper, f"<think>\nso\n</think>\n\n{RIGHT}").reward == pytest.approx(1.35)
    detour = grade(as_in_the_paper, "<|right|><|right|><|left|><|down|><|right|>")
    assert (detour.reward, detour.correct) == (0.5, True)


def test_votes_are_counted_by_the_moves_behind_the_thinking():
    task = MazeTask()
    assert task.answer_of(RIGHT) == task.answer_of(f"<think>up?</think>\n{RIGHT[:9]} {RIGHT[9:]}\n") == RIGHT
    assert task.answer_of("<think><|up|>") is None
    assert task.answer_of("<think>up</think> ") is None


def test_verdicts_come_in_the_order_of_the_answers():
    verdicts = MazeTask().grade([answered(text) for text in (RIGHT, "", "<|up|>", RIGHT)])
    assert [verdict.correct for verdict in verdicts] == [True, False, False, True]
    assert MazeTask().grade([]) == []


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(["<|up|>", "<|right|>", "<think>", "</think>", "<|", " "])).map("".join))
def test_any_text_gets_a_verdict(text):
    for task, judge in ((MazeTask(), score_strict), (MazeTask(scorer="compat", reward="alphamaze"), score_compat)):
        verdict = grade(task, text)
        score = judge(Maze(3, tuple(TRUTH["walls"]), 0, 5), text)
        assert (verdict.correct, verdict.parsed) == (score.correct, score.parsed)
        assert verdict.reward == sum(verdict.parts.values())


def test_picture_shows_the_way_and_what_went_wrong():
    prompt = Prompt("p", text="", truth=TRUTH)
    assert MazeTask().picture(prompt, RIGHT).split("\n") == [
        "┌───────────┐",
        "│ S   •     │",
        "├───┐   ╶───┤",
        "│   │ •   T │",
        "├───┼───┬───┤",
        "│   │   │   │",
        "└───┴───┴───┘",
    ]
    lines = MazeTask().picture(prompt, "<|right|><|right|><|down|>").split("\n")
    assert lines[1:3] == ["│ S   •   • │", "├───┐   ╶─×─┤"]
    assert lines[-1] == "move 3 (down) hits a wall at 0-2"
    assert "•" not in MazeTask().picture(prompt, "?")


def test_picture_is_of_the_answer_whatever_was_thought_before_it():
    for number in range(5):
        prompt, moves = next(MazeTask().demonstrations("test", number))
        drawn = MazeTask().picture(prompt, moves)
        assert drawn.count("•") == len(prompt.truth["moves"]) - 1
        for target in ("path", "walk", "steps", "reset"):
            task = MazeTask(target=target)
            same, answer = next(task.demonstrations("test", number))
            assert task.picture(same, answer) == drawn


def test_pieces_have_no_repeats_and_steps_need_more():
    direct, path, reset = (MazeTask(target=target).pieces() for target in ("direct", "path", "reset"))
    assert len(path) == len(set(path)) == 5 + 693 + 24 + 11
    assert len(direct) == len(set(direct)) == 5 + 693
    assert len(reset) == len(set(reset)) == 5 + 1617 + 24 + 11  # 24 step numbers, 11 words and tags


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"size": 2}, "3 to 10 cells a side; size=2"),
        ({"size": 11}, "size=11"),
        ({"size": 3, "min_steps": 9}, "paths of up to 8 moves, but min_steps=9"),
        ({"min_steps": 14}, "max_steps=13 leave paths of up to 13 moves"),
        ({"min_steps": 0}, "min_steps=0"),
        ({"min_steps": 5, "demo_max_steps": 4}, "demo_max_steps=4 leave paths of up to 4 moves"),
        ({"max_steps": -1}, "max_steps=-1"),
    ],
)
def test_impossible_settings_are_refused_at_once(wrong, complaint):
    with pytest.raises(ValueError, match=complaint):
        MazeTask(**wrong)


def test_unknown_or_empty_splits_are_refused_when_asked_for():
    with pytest.raises(ValueError, match="splits train and test; split='dev'"):
        MazeTask().prompts("dev")
    with pytest.raises(ValueError, match="splits train and test"):
        MazeTask().demonstrations("dev")
    with pytest.raises(ValueError, match="test_share=0 leaves no mazes for test"):
        MazeTask(test_share=0).prompts("test")
    with pytest.raises(ValueError, match="test_share=1 leaves no mazes for train"):
        MazeTask(test_share=1).demonstrations("train")
    assert next(MazeTask(test_share=0).prompts("train")).text


def test_prompt_of_today_is_the_prompt_of_tomorrow():
    prompt = next(MazeTask(size=3).prompts("train"))
    assert prompt.truth == {
        "size": 3,
        "walls": [5, 3, 9, 4, 11, 12, 14, 7, 10],
        "origin": 5,
        "target": 7,
        "moves": ["down", "left"],
    }
    assert prompt.text == encode(maze_of(prompt)) + "\n"


def test_careless_teacher_is_wrong_as_often_as_asked():
    task = MazeTask(size=4, demo_mistakes=0.5)
    shown = [Rollout(p, [], [], [], answer, "eos", policy_version=0) for p, answer in islice(task.demonstrations("train"), 400)]
    right = sum(bool(verdict.correct) for verdict in task.grade(shown))
    assert 160 < right < 240
    with pytest.raises(ValueError, match="reset"):
        MazeTask(target="reset", demo_mistakes=0.5)


@pytest.mark.parametrize("split", ["train", "test"])
def test_pairs_are_a_way_through_and_a_way_astray(split: str):
    task = MazeTask(size=4, target="steps")
    some = list(islice(task.preferences(split), 40))
    for prompt, better, worse in some:
        assert score_strict(_maze_of(prompt), better).correct
        assert not score_strict(_maze_of(prompt), worse).correct
    assert some[5:] == list(islice(task.preferences(split, 5), 35))


def _maze_of(prompt: Prompt) -> Maze:
    return Maze(prompt.truth["size"], tuple(prompt.truth["walls"]), prompt.truth["origin"], prompt.truth["target"])
