from __future__ import annotations

import asyncio
import inspect
import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from quintet.protocols import TaskError
from quintet.tasks.rewards import RewardError, call_rewards, load_rewards, missing_arguments


def load(tmp_path: Path, source: str, names: str = "") -> dict[str, Any]:
    path = tmp_path / "r.py"
    path.write_text(source)
    return load_rewards(f"{path}:{names}" if names else str(path))


def call(*functions: Any, **columns: Any) -> dict[str, list[float | None]]:
    """What functions say of the completions "a" and "bcd"."""
    arguments = {"prompts": ["p", "q"], "completions": ["a", "bcd"], **columns}
    return call_rewards({getattr(f, "__name__", "it"): f for f in functions}, arguments, 2)


# ---- finding them ----------------------------------------------------------------------------------------------------------


def test_function_called_reward_is_the_reward(tmp_path: Path):
    assert list(load(tmp_path, "def other_reward(): 0\ndef reward(): 0\n")) == ["reward"]


def test_without_it_every_function_that_says_reward_is_one(tmp_path: Path):
    source = (
        "def helper(): 0\ndef b_reward(): 0\ndef _hidden_reward(): 0\ndef reward_a(): 0\nclass reward_kind: pass\nrewards = 3\n"
    )
    assert list(load(tmp_path, source)) == ["b_reward", "reward_a"]


def test_imported_functions_count_only_by_name(tmp_path: Path):
    (tmp_path / "shared_by_test.py").write_text("def length_reward(completions, **kwargs): return [1.0]\n")
    source = "from shared_by_test import length_reward\ndef own_reward(completions): return [2.0]\n"
    assert list(load(tmp_path, source)) == ["own_reward"]
    assert list(load(tmp_path, source, "own_reward, length_reward")) == ["own_reward", "length_reward"]


def test_objects_and_partials_are_functions_too(tmp_path: Path):
    source = (
        "from functools import partial\n"
        "class Scorer:\n    def __call__(self, completions): return [1.0]\n"
        "def _score(completions, by): return [by]\n"
        "object_reward = Scorer()\npartial_reward = partial(_score, by=3.0)\n"
    )
    found = load(tmp_path, source)
    assert call_rewards(found, {"completions": ["x"]}, 1) == {"object_reward": [1.0], "partial_reward": [3.0]}


@pytest.mark.parametrize(
    ("source", "names", "reason"),
    [
        ("def score(): 0\n", "", r"no function named reward, reward… or …_reward; it has score\. Rename one, or name it"),
        ("x = 1\n", "", "it has none"),
        ("def reward(): 0\n", "rewrd", r"has no function rewrd\. It has reward\."),
        ("import nothing_of_that_name\n", "", r"can't be run: ModuleNotFoundError: .* \(r.py, line 1\)"),
        ("def reward(:\n", "", r"can't be run: SyntaxError: .*line 1"),
        ("raise SystemExit(3)\n", "", "can't be run: SystemExit: 3"),
        ("x = 1\n\n1 / 0\n", "", r"can't be run: ZeroDivisionError: division by zero \(r.py, line 3\)\. Mend it"),
    ],
)
def test_file_without_a_usable_reward_says_why(tmp_path: Path, source: str, names: str, reason: str):
    with pytest.raises(RewardError, match=reason):
        load(tmp_path, source, names)


def test_missing_file_and_other_kinds_of_file_say_so(tmp_path: Path):
    with pytest.raises(RewardError, match=r"There is no file reward=gone\.py in"):
        load_rewards("gone.py:reward")
    (tmp_path / "r.txt").write_text("def reward(): 0\n")
    with pytest.raises(RewardError, match="is no Python file"):
        load_rewards(str(tmp_path / "r.txt"))


def test_files_of_one_name_do_not_meet(tmp_path: Path):
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "r.py").write_text(f"def reward(): return {name!r}\n")
    a, b = (load_rewards(str(tmp_path / name / "r.py"))["reward"] for name in "ab")
    assert (a(), b()) == ("a", "b")
    assert sys.modules[a.__module__] is not sys.modules[b.__module__]


# ---- calling them ----------------------------------------------------------------------------------------------------------


def test_functions_are_called_with_keywords_only():
    def reward(prompts, completions, answer, **kwargs):
        assert set(kwargs) == {"more"}
        return [float(p + c == a) for p, c, a in zip(prompts, completions, answer, strict=True)]

    assert call(reward, answer=["pa", "x"], more=[1, 2]) == {"reward": [1.0, 0.0]}


def test_function_without_kwargs_gets_what_it_names():
    def reward(completions):
        return [len(c) for c in completions]

    assert call(reward, answer=[1, 2]) == {"reward": [1.0, 3.0]}
    assert call(partial(reward), answer=[1, 2]) == {"it": [1.0, 3.0]}


def test_numbers_of_every_kind_become_floats():
    numpy, torch = pytest.importorskip("numpy"), pytest.importorskip("torch")
    for values in ([True, 2], (1, 2.0), numpy.array([1, 2]), torch.tensor([1.0, 2.0]), [numpy.float32(1), torch.tensor(2)]):
        (found,) = call(lambda completions, values=values: values).values()
        assert found == [1.0, 2.0]
        assert [type(v) for v in found] == [float, float]


def test_none_and_nan_are_kept():
    (found,) = call(lambda completions: [None, math.nan]).values()
    assert found[0] is None
    assert math.isnan(found[1] or 0.0)


def test_coroutines_run_together():
    met = asyncio.Event()

    async def first(completions, **kwargs):
        await asyncio.wait_for(met.wait(), 5)  # waits for the other: one after the other would never end
        return [1.0, 1.0]

    async def second(completions, **kwargs):
        met.set()
        return [2.0, 2.0]

    assert call(first, lambda completions: [0, 0], second) == {
        "first": [1.0, 1.0],
        "<lambda>": [0.0, 0.0],
        "second": [2.0, 2.0],
    }


def test_coroutines_run_within_a_running_loop():
    async def reward(completions, **kwargs):
        await asyncio.sleep(0)
        return [1.0, 2.0]

    async def notebook():
        return call(reward)

    assert asyncio.run(notebook()) == {"reward": [1.0, 2.0]}


def broken(completions, **kwargs):
    return [c["content"] for c in completions]


async def broken_later(completions, **kwargs):
    await asyncio.sleep(0)
    raise KeyError("answer")


def test_coroutine_that_nobody_will_await_is_closed():
    begun = []

    def first(completions, **kwargs):
        begun.append(broken_later(completions))
        return begun[0]

    with pytest.raises(RewardError, match="The reward broken raised"):
        call(first, broken)
    assert inspect.getcoroutinestate(begun[0]) == inspect.CORO_CLOSED


def test_function_that_raises_is_named_with_the_reason_and_the_first_prompt():
    with pytest.raises(RewardError) as error:
        call(broken_later, broken)
    assert "The reward broken raised TypeError: string indices must be integers" in str(error.value)
    assert "(test_rewards.py, line " in str(error.value)
    assert str(error.value).endswith("The batch's first prompt: 'p'. Mend it; `quintet check` calls it without training.")
    with pytest.raises(RewardError, match="The reward broken_later raised KeyError: 'answer'"):
        call(broken_later)
    assert issubclass(RewardError, TaskError)


def test_long_prompt_is_quoted_in_part():
    with pytest.raises(RewardError) as error:
        call_rewards({"broken": broken}, {"prompts": ["x" * 5000], "completions": ["a"]}, 1)
    assert len(str(error.value)) < 400


def test_steps_have_rewards_of_their_own():
    numpy = pytest.importorskip("numpy")
    assert call(lambda completions: [[(8, 1), (3, numpy.float32(0.5))], []])["<lambda>"] == [((3, 0.5), (8, 1.0)), ()]
    assert call(lambda completions: [numpy.array([[3, 1]]).tolist(), 1])["<lambda>"] == [((3, 1.0),), 1.0]


@pytest.mark.parametrize("pairs", [[(0, 1.0)], [(1.5, 1.0)], [(1, math.nan)], ["12"], [(1, 2, 3)], [(1, "a")], [1, 2]])
def test_steps_that_are_no_pairs_of_characters_and_reward_are_refused(pairs: list):
    with pytest.raises(RewardError, match=r"or lists of \(characters, reward\) pairs.*among its values is \["):
        call(lambda completions: [1.0, pairs])


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (None, r"must return a list of 2 numbers; it returned None \(NoneType\)"),
        (1.0, r"must return a list of 2 numbers; it returned 1.0 \(float\)"),
        ([1.0], "a number for each of the 2 completions; it returned 1"),
        ([1, "1"], r"must return numbers or None; among its values is '1' \(str\)"),
        ([1, [2]], "must return numbers or None"),
        ([1, 1j], "must return numbers or None"),
        ("ab", "must return a list of 2 numbers"),
    ],
)
def test_what_is_no_list_of_numbers_is_refused(values: object, reason: str):
    with pytest.raises(RewardError, match=reason):
        call(lambda completions: values)


def test_column_that_nobody_offers_is_found_before_the_call():
    def reward(completions, solution, by=1, *rest, **kwargs):
        return []

    assert missing_arguments({"reward": reward}, ["prompts", "completions", "answer"]) == [
        "The reward reward asks for solution, which the data don't have. They offer prompts, completions, answer."
    ]
    assert missing_arguments({"reward": reward}, ["completions", "solution"]) == []
