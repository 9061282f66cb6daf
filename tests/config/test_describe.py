from __future__ import annotations

import sys
from pathlib import Path

import pytest

from quintet.config.describe import Kind, changes_of, describe, keys_of

RECORD = '''
from dataclasses import dataclass, field
from typing import Annotated, Literal
from annotated_types import Ge, Le
from quintet.equations.reduce import Denominator
from quintet.knobs import Positive
from quintet.updates import FirstOrder

Level = Annotated[int, Ge(1), Le(5)]

@dataclass(frozen=True)
class Fake:
    """What it is,
    in two lines.

    And more."""

    name = "fake"
    level: Level = 3
    """How hard;
    a second line."""
    rates: tuple[Positive, Positive] = (1.0, 2.0)
    words: tuple[str, ...] = ()
    """Words."""
    per: Denominator = "token"
    mode: Literal["a", "b"] = "b"
    low: float = -1
    without_default: str
    update: FirstOrder = field(default_factory=lambda: FirstOrder(lr=0.5))
'''


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"fake_record_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(RECORD)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_record_is_read_without_importing_it(fake: str):
    record = describe(f"{fake}:Fake")
    assert fake not in sys.modules
    assert record.doc == "What it is, in two lines."
    assert [f.name for f in record.fields] == ["level", "rates", "words", "per", "mode", "low"]


def test_types_and_ranges_are_followed_through_names_and_modules(fake: str):
    kinds = {f.name: f.kind for f in describe(f"{fake}:Fake").fields}
    positive = Kind("float", (("gt", 0),))
    assert kinds["level"] == Kind("int", (("ge", 1), ("le", 5)))
    assert kinds["rates"] == Kind("tuple", items=(positive, positive))
    assert kinds["words"] == Kind("tuple", items=(Kind("str"),), endless=True)
    assert kinds["per"] == Kind("choice", choices=("answer", "token", "constant", "sum"))
    assert kinds["mode"] == Kind("choice", choices=("a", "b"))


def test_defaults_and_docstrings_belong_to_the_field_above(fake: str):
    fields = {f.name: f for f in describe(f"{fake}:Fake").fields}
    assert fields["level"].default == 3
    assert fields["level"].doc == "How hard; a second line."
    assert fields["rates"].doc == ""
    assert fields["words"].doc == "Words."
    assert fields["low"].default == -1.0
    assert isinstance(fields["low"].default, float)


def test_update_has_the_defaults_that_its_algorithm_gives_it(fake: str):
    update = describe(f"{fake}:Fake").update
    assert update is not None
    fields = {f.name: f.default for f in update.fields}
    assert (fields["lr"], fields["epochs"]) == (0.5, 1)
    plain = describe("quintet.updates:FirstOrder")
    assert {f.name: f.default for f in plain.fields}["lr"] == 1e-5


@pytest.mark.parametrize("annotation", ["dict[str, int]", "int | None", "Annotated[int, len]", "Nowhere"])
def test_annotation_that_cannot_be_described_names_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, annotation: str):
    name = f"odd_record_{abs(hash(annotation))}"
    (tmp_path / f"{name}.py").write_text(f"class Odd:\n    x: {annotation} = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(AssertionError, match=f"{name}:2"):
        describe(f"{name}:Odd")


def test_keys_of_a_dictionary_are_read():
    assert keys_of("quintet.models.load", "PRESETS") == ["1m", "5m", "50m"]


VARIANTS = """
FLAT = replace(Fake(), level=2, rates=(0.5, 4.0), words=("a",), update=FirstOrder(lr=0.25, epochs=3))
SAME = replace(Fake())
NUMBER = 3
SPREAD = replace(Fake(), **OTHER)
READ = replace(Fake(), level=LEVEL)
SHARED = replace(Fake(), update=SLOW)
"""


@pytest.fixture
def variants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    name = f"variants_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(VARIANTS)
    monkeypatch.syspath_prepend(tmp_path)
    return name


def test_changes_of_a_variant_are_read_with_those_of_its_update(variants: str):
    assert changes_of(f"{variants}:FLAT") == {"level": 2, "rates": (0.5, 4.0), "words": ("a",), "lr": 0.25, "epochs": 3}
    assert changes_of(f"{variants}:SAME") == {}
    assert variants not in sys.modules
    assert changes_of("quintet.algorithms.family:DR_GRPO") == {"scale": "none", "per": "constant"}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NUMBER", "NUMBER is no replace"),
        ("NOWHERE", "NOWHERE is no replace"),
        ("SPREAD", ":5: settings need simple annotations and literal defaults"),
        ("READ", ":6: settings need simple annotations and literal defaults"),
        ("SHARED", ":7: settings need simple annotations and literal defaults"),
    ],
)
def test_variant_that_cannot_be_read_is_named(variants: str, name: str, said: str):
    with pytest.raises(AssertionError, match=said):
        changes_of(f"{variants}:{name}")
