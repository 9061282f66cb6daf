"""Walks over every setting there is."""

from __future__ import annotations

import ast
import dataclasses
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest

import quintet
from quintet.config import ALGORITHMS, TASKS, known, registry
from quintet.config.describe import Kind, Record, describe
from quintet.config.resolve import load_record

PATHS = [
    registry.MACHINE,
    registry.SAMPLING,
    registry.STAGE,
    registry.COMPARISON,
    *(e.record for e in TASKS.values()),
    *(e.record for e in ALGORITHMS.values()),
]


def records() -> dict[str, Record]:
    """Every record of settings, updates included."""
    described = [describe(path) for path in PATHS]
    return {r.path: r for d in described for r in (d, d.update) if r}


@pytest.mark.parametrize("record", records().values(), ids=records().keys())
def test_every_setting_has_a_docstring(record: Record):
    assert [f.name for f in record.fields if not f.doc.endswith(".")] == []


def attributes_read() -> Counter[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in Path(quintet.__file__).parent.rglob("*.py"))
    return Counter(
        node.attr
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load)
    )


@pytest.mark.parametrize("record", records().values(), ids=records().keys())
def test_every_setting_is_read_somewhere(record: Record):
    read = attributes_read()
    assert [f.name for f in record.fields if not read[f.name]] == []


@pytest.mark.parametrize("path", records())
def test_what_the_source_says_is_what_python_makes_of_it(path: str):
    cls, record = load_record(path), records()[path]
    made = {f.name: f for f in dataclasses.fields(cls) if f.name != "update" and f.default is not dataclasses.MISSING}
    assert {f.name: f.default for f in describe(path).fields} == {name: f.default for name, f in made.items()}
    hints = get_type_hints(cls, include_extras=True)
    assert {f.name: f.kind for f in record.fields} == {name: kind_of(hints[name]) for name in made}


def kind_of(hint: Any) -> Kind:
    if get_origin(hint) is Annotated:
        inner, *bounds = get_args(hint)
        pairs = tuple((type(b).__name__.lower(), getattr(b, type(b).__name__.lower())) for b in bounds)
        return dataclasses.replace(kind_of(inner), bounds=pairs)
    if get_origin(hint) is tuple:
        endless = get_args(hint)[-1] is ...
        members = get_args(hint)[: -1 if endless else None]
        return Kind("tuple", items=tuple(map(kind_of, members)), endless=endless)
    if hint in (int, float, str, bool):
        return Kind(hint.__name__)  # type: ignore[arg-type]
    return Kind("choice", choices=get_args(hint))


@pytest.mark.parametrize("name", ALGORITHMS)
def test_update_defaults_are_those_of_the_algorithm(name: str):
    algorithm = load_record(ALGORITHMS[name].record)()
    values = {n: f.default for n, f in known.update_alone(name).items()}
    variant = {k: v for k, v in ALGORITHMS[name].defaults.items() if k in values}
    assert values == {**dataclasses.asdict(algorithm.update), **variant}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_registry_knows_what_each_algorithm_learns_from(name: str):
    algorithm = load_record(ALGORITHMS[name].record)()
    assert algorithm.needs.source == ("answers" if name == "dpo" else ALGORITHMS[name].learns_from)


@pytest.mark.parametrize("name", [n for n, entry in ALGORITHMS.items() if entry.variant])
def test_variant_is_what_its_source_says(name: str):
    entry = ALGORITHMS[name]
    plain, variant = load_record(entry.record)(), load_record(entry.variant)
    own = {k: v for k, v in entry.defaults.items() if hasattr(plain, k)}
    update = dataclasses.replace(plain.update, **{k: v for k, v in entry.defaults.items() if k not in own})
    assert dataclasses.replace(plain, **own, update=update) == variant
    assert variant != plain


@pytest.mark.parametrize("name", TASKS)
def test_tasks_are_registered_under_their_own_names(name: str):
    assert load_record(TASKS[name].record).name == name


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_two_sections_of_a_run_share_a_name(task: str, algorithm: str):
    """Otherwise a flag would have to say which it means although there is one stage only."""
    sections = [known.machine(), known.sampling(), known.task(task)]
    sections += [known.stage_alone(algorithm), known.algorithm_alone(algorithm), known.update_alone(algorithm)]
    assert [name for name, times in Counter(n for s in sections for n in s).items() if times > 1] == []


def test_what_is_a_switch_in_one_section_is_one_in_all():
    kinds: dict[str, set[bool]] = {}
    for record in records().values():
        for field in record.fields:
            kinds.setdefault(field.name, set()).add(field.kind.base == "bool")
    assert [name for name, found in kinds.items() if len(found) > 1] == []
    assert known.switches() >= {"instructions", "mask_truncated", "whiten", "online"}


def test_other_libraries_names_lead_to_settings_there_are():
    names = set(known.every_name())
    assert {k: v for k, v in registry.OTHER_NAMES.items() if v not in names or k in names} == {}
