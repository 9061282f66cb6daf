from __future__ import annotations

import json
import tomllib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quintet.config import ALGORITHMS, TASKS, known, read_run, render
from quintet.config.describe import Field, Kind
from quintet.config.resolve import load_record
from quintet.data import Sampling
from quintet.settings import Machine, Run, Stage

TEXTS = st.text(max_size=20)
NARROWER: dict[str, st.SearchStrategy[Any]] = {
    # names of things that have to be there
    "model": st.sampled_from(["preset:1m", "preset:50m", "owner/model", "gpt2"]),
    "device": st.sampled_from(["auto", "cpu"]),
    "out": TEXTS.filter(bool),
    "data": st.just("prompts.jsonl"),
    "reward_weights": st.sampled_from([(), (0.5,), (-1e300,)]),
    # values that go together
    "stop": st.lists(TEXTS.filter(bool), max_size=3).map(tuple),
    "temperature": st.floats(1e-3, 1e3),
    "group_size": st.integers(2, 10**12),
    "prompts_per_step": st.integers(8, 10**12),
    "minibatches": st.integers(1, 8),
    "supervision": st.just("outcome"),
    "scale": st.sampled_from(["batch", "none"]),
    "delta": st.just(0.0),
    "kl_target": st.just(0.0),
    "label_smoothing": st.just(0.0),
    "pairs": st.just("sampled"),
    "reward_model": st.just("owner/model"),
    "rounds": st.just(1),  # a run's own settings have them written out
    "begin_from": st.just("owner/model"),
    "replay": st.just(0.0),
    "labels": st.just("completions"),
    "test_share": st.floats(0.05, 0.9),
    "size": st.integers(3, 5),
    "min_steps": st.just(1),
    "demo_mistakes": st.just(0.0),
    "instructions": st.just(False),
    "min_level": st.just(1),
    "eval_problems": st.integers(0, 10**6),
}


def values(kind: Kind) -> st.SearchStrategy[Any]:
    """Anything of a kind, the ends of its range included."""
    bounds = dict(kind.bounds)
    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    match kind.base:
        case "int":
            return st.integers(None if low is None else int(low), None if high is None else int(high))
        case "float":
            return st.floats(
                low, high, exclude_min="gt" in bounds, exclude_max="lt" in bounds, allow_nan=False, allow_infinity=False
            )
        case "bool":
            return st.booleans()
        case "choice":
            return st.sampled_from(kind.choices)
        case "str":
            return TEXTS
        case "tuple" if kind.endless:
            return st.lists(values(kind.items[0]), max_size=3).map(tuple)
    return st.tuples(*map(values, kind.items))


def some(settings_: dict[str, Field]) -> st.SearchStrategy[dict[str, Any]]:
    """Values for some settings; the others keep their defaults."""
    every = {name: NARROWER.get(name, values(f.kind)) for name, f in settings_.items()}
    return st.fixed_dictionaries({}, optional=every)  # type: ignore[arg-type]


@st.composite
def stages(draw: st.DrawFn, number: int) -> Stage:
    name = draw(st.sampled_from(list(ALGORITHMS)))
    plain = load_record(ALGORITHMS[name].record)()
    update = replace(plain.update, **draw(some(known.update_alone(name))))
    chosen = draw(some(known.algorithm_alone(name)))
    if "baseline" in chosen and hasattr(plain, "scale"):  # scale=group goes with baseline=group alone
        chosen.setdefault("scale", "none")
    if chosen.get("credit") == "to-go":  # goes with two of the baselines, and with no KL in the reward
        chosen |= {"baseline": "none", "beta": 0.0}
    algorithm = replace(plain, **chosen, update=update)
    called = draw(st.sampled_from([name, "own"]))
    return Stage(called if number == 0 else f"{called}-{number + 1}", algorithm, **draw(some(known.stage_alone(name))))


@st.composite
def runs(draw: st.DrawFn) -> Run:
    task = draw(st.sampled_from([name for name in TASKS if name != "cartpole"]))  # which few stages can learn from
    given_ = draw(some(known.task(task)))
    given_ |= {"data": "prompts.jsonl" if task in ("functions", "maths") else ""} if "data" in known.task(task) else {}
    given_ |= {"reward": "reward.py"} if task == "functions" else {}
    try:
        record = load_record(TASKS[task].record)(**given_)
    except ValueError:
        record = load_record(TASKS[task].record)()
    machine = Machine(**{"out": "run", **draw(some(known.machine()))})
    machine = replace(machine, sampling_dtype="same")  # another one brings a correction, which few algorithms have
    number = draw(st.integers(1, 3))
    drawn = [draw(stages(number=i)) for i in range(number)]
    return Run(machine, Sampling(**draw(some(known.sampling()))), record, tuple(_with_pairs(stage, record) for stage in drawn))


def _with_pairs(stage: Stage, task: Any) -> Stage:
    """The stage, with pairs to learn from where the task has none of its own."""
    if stage.algorithm.needs.source != "preferences" or hasattr(task, "preferences"):
        return stage
    return replace(stage, algorithm=replace(stage.algorithm, pairs="sampled"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    row = {"completion": "x", "chosen": "x", "rejected": "y", "answer": "1", "solution": "1"}
    Path("prompts.jsonl").write_text(
        "".join(f"{json.dumps({'prompt': str(i), 'question': str(i), **row})}\n" for i in range(9))
    )
    Path("reward.py").write_text("def reward(completions, **kwargs): return [0.0] * len(completions)\n")
    return tmp_path


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(runs())
def test_settings_that_were_written_give_the_same_run_again(folder: Path, run: Run):
    path = folder / "settings.toml"
    path.write_text(render(run), encoding="utf-8")
    assert read_run(path) == run
    assert render(read_run(path)) == render(run)


def example() -> Run:
    stage = Stage("grpo", load_record(ALGORITHMS["grpo"].record)(clip=(0.2, 0.28)))
    return Run(Machine(out="runs/x"), Sampling(stop=("\n", '"')), load_record(TASKS["maze"].record)(size=4), (stage,))


def test_every_setting_is_written_with_its_meaning_above_it():
    text = render(example())
    lines = text.splitlines()
    document = tomllib.loads(text)
    assert document["model"] == "preset:1m"
    assert document["maze"]["size"] == 4
    assert document["stage"][0]["clip"] == [0.2, 0.28]
    keys = [i for i, line in enumerate(lines) if " = " in line and not line.startswith("#")]
    written = {lines[i].partition(" = ")[0] for i in keys}
    assert written == {"task", "algorithm", *known.machine(), *known.sampling(), *known.task("maze"), *known.stage("grpo")}
    assert all(lines[i - 1].startswith("# ") for i in keys)
    assert all(len(line) <= 100 for line in lines if line.startswith("#"))
    assert "# Cells a side, 3 to 10. AlphaMaze: 5. (from 3 to 10)\nsize = 4\n" in text


def test_variant_is_written_under_its_own_name():
    (stage,) = example().stages
    text = render(replace(example(), stages=(replace(stage, name="dr-grpo"),)))
    assert 'algorithm = "dr-grpo"' in text
    assert tomllib.loads(render(example()))["stage"][0]["algorithm"] == "grpo"


def test_record_that_nobody_registered_cannot_be_written():
    with pytest.raises(ValueError, match="No name is registered for"):
        render(replace(example(), task=object()))


def test_no_record_has_fields_that_are_not_written():
    stage = example().stages[0]
    described = {*known.stage("grpo"), "name", "algorithm", "update"}
    assert {f.name for part in (stage, stage.algorithm, stage.algorithm.update) for f in fields(part)} == described
