"""Comparisons from recipes and flags: everything that is wrong with any run, before any begins."""

from __future__ import annotations

from pathlib import Path

import pytest

from quintet.config import SettingsError, new_comparison, read_comparison, render_comparison
from quintet.config.flags import Flag
from quintet.settings import Comparison, Experiment

RECIPE = """
task = "maze"
out = "compared"
seed = 4
[maze]
size = 3
[comparison]
seeds = 2
tokens = 5000
[[start]]
algorithm = "sft"
steps = 7
[[contender]]
algorithm = "grpo"
lr = 1e-4
[[contender]]
label = "grpo-hot"
algorithm = "grpo"
lr = 1e-3
steps = 9
[[contender]]
algorithm = "trpo"
[small.comparison]
tokens = 100
[[small.start]]
steps = 1
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipe.toml").write_text(RECIPE)


def compared(*flags: str, algorithms: str = "", recipe: str | None = None, small: bool = False) -> Experiment:
    """What `quintet compare` is asked for; flags as NAME=VALUE."""
    given = [Flag(*flag.split("=", 1), f"--{flag.split('=')[0]}") for flag in flags]  # type: ignore[arg-type]
    return new_comparison(Path(recipe) if recipe else None, small, [a for a in algorithms.split(",") if a], given)


def complaints(*flags: str, **how) -> str:
    with pytest.raises(SettingsError) as caught:
        compared(*flags, **how)
    return str(caught.value)


def labels(experiment: Experiment) -> list[str]:
    return [run.stages[0].name for run in experiment.contenders]


def test_algorithms_and_a_task_are_enough():
    found = compared("task=maze", algorithms="reinforce,trpo,ppo,dpo,grpo")
    assert labels(found) == ["reinforce", "trpo", "ppo", "dpo", "grpo"]
    assert found.how == Comparison()
    assert found.start is None
    assert {run.stages[0].token_budget for run in found.contenders} == {60_000}


def test_no_run_can_end_by_its_steps_before_its_tokens_are_used():
    """Each answer is a token at least: 60,000 tokens are at most 1,000 steps of 60 answers."""
    (run,) = compared("task=maze", "prompts_per_step=10", "group_size=6", algorithms="grpo").contenders
    assert run.stages[0].steps == 1000


def test_recipe_has_start_contenders_and_budget():
    found = compared(recipe="recipe.toml")
    assert labels(found) == ["grpo", "grpo-hot", "trpo"]
    assert found.start is not None
    assert [(s.name, s.steps) for s in found.start.stages] == [("sft", 7)]
    assert [run.stages[0].steps for run in found.contenders] == [20, 9, 20]  # 5,000 tokens of 32·8 answers; 9 as written
    assert (found.how.seeds, found.how.tokens, found.out) == (2, 5000, "compared")
    assert {run.machine.seed for run in found.contenders} == {4}


def test_small_version_stands_in_front():
    found = compared(recipe="recipe.toml", small=True)
    assert found.start is not None
    assert (found.how.tokens, found.how.seeds, found.start.stages[0].steps) == (100, 2, 1)


def test_a_flag_without_a_label_goes_to_every_contender_that_has_it_and_with_one_to_that():
    found = compared("group_size=4", "clip=0.1,0.3", "grpo-hot.lr=0.5", "seeds=5", recipe="recipe.toml")
    grpo, hot, trpo = (run.stages[0] for run in found.contenders)
    assert (grpo.group_size, hot.group_size, trpo.group_size) == (4, 4, 4)
    assert (grpo.algorithm.clip, hot.algorithm.clip) == ((0.1, 0.3), (0.1, 0.3))
    assert (grpo.algorithm.update.lr, hot.algorithm.update.lr) == (1e-4, 0.5)
    assert found.how.seeds == 5


def test_contenders_are_chosen_by_label_or_algorithm():
    assert labels(compared(algorithms="grpo-hot", recipe="recipe.toml")) == ["grpo-hot"]
    assert labels(compared(algorithms="grpo,ppo", recipe="recipe.toml")) == ["grpo", "grpo-hot", "ppo"]


def test_a_budget_of_seconds_alone_leaves_the_tokens_unbounded():
    found = compared("task=maze", "seconds=30", algorithms="grpo")
    stage = found.contenders[0].stages[0]
    assert (stage.token_budget, stage.seconds_budget) == (0, 30.0)
    both = compared("task=maze", "seconds=30", "tokens=50", algorithms="grpo").contenders[0].stages[0]
    assert (both.token_budget, both.seconds_budget) == (50, 30.0)


def test_what_is_written_down_is_read_again():
    found = compared(recipe="recipe.toml")
    Path("compared").mkdir()
    path = Path("compared") / "comparison.toml"
    path.write_text(render_comparison(found))
    assert read_comparison(path) == found
    assert read_comparison(path, seeds=7).how.seeds == 7


def test_everything_that_is_wrong_is_said_at_once():
    said = complaints("seeds=0", "lr=fast", "temprature=2", "grpo.baseline=critic", algorithms="grpo,pro", recipe="recipe.toml")
    assert "--seeds: seeds must be a whole number of at least 1" in said
    assert 'lr must be a number above 0 and at most 1, not "fast".' in said
    assert 'There is no setting temprature. Did you mean "--temperature"?' in said
    assert 'There is no algorithm "pro".' in said
    assert "baseline must be" in said


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("[[stage]]\nalgorithm = 'grpo'", "A comparison has no [[stage]]"),
        ("[[contender]]\nalgorithm = 'ppo'\ntoken_budget = 5", "All contenders have the comparison's budget."),
        ("[[contender]]\nalgorithm = 'ppo'\nlabel = 'start'", "the folder of the common start"),
        ("[[contender]]\nalgorithm = 'ppo'\nlabel = 'GRPO'", "Labels must differ: grpo, GRPO."),
        ("[[contender]]\nalgorithm = 'reward-model'", "trains a reward model, no policy"),
        ("[[contender]]\nalgorithm = 'sft'", "samples nothing, so a budget of tokens has no end for it"),
        ("[[contender]]\nlabel = 'x'", "needs a line such as algorithm"),
    ],
)
def test_what_has_no_place_in_a_comparison_is_named(lines: str, told: str):
    Path("recipe.toml").write_text(RECIPE.replace("[small.comparison]", f"{lines}\n[small.comparison]"))
    assert told in complaints(recipe="recipe.toml")


def test_nothing_to_compare_no_budget_and_more_runs_than_cores_are_told():
    assert "Nothing is compared yet." in complaints("task=maze")
    assert "Without a budget" in complaints("task=maze", "tokens=0", algorithms="grpo")
    assert "eval_problems=0 scores nothing" in complaints("task=maze", "eval_problems=0", algorithms="grpo")
    assert "parallel=999 is more than" in complaints("task=maze", "parallel=999", algorithms="grpo")


def test_a_folder_that_holds_a_comparison_is_left_alone():
    Path("compared").mkdir()
    (Path("compared") / "comparison.toml").touch()
    assert "quintet compare --resume compared" in complaints(recipe="recipe.toml")


@pytest.mark.parametrize(
    "recipe", sorted((Path(__file__).parent.parent.parent / "recipes").glob("compare-*.toml")), ids=lambda p: p.stem
)
def test_recipes_that_come_with_quintet_are_right(recipe: Path):
    whole, small = (compared("out=x", "parallel=1", recipe=str(recipe), small=small) for small in (False, True))
    assert labels(whole) == labels(small)
    assert whole.how.seeds == 3
    assert whole.start is not None or whole.contenders[0].machine.model == "preset:mlp"  # which begins from random weights
    assert {"reinforce", "trpo", "ppo", "dpo", "grpo"} <= set(labels(whole))
