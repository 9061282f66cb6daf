"""What a settings record says of itself, read from its source: names, types, ranges, defaults and docstrings.

Nothing is imported, so that help and checks need neither torch nor the algorithm they are about. In exchange a record keeps
to simple annotations (int, float, str, bool, Literal, tuple, Annotated with annotated_types' bounds, or names of these) and to
literal defaults; anything else is an AssertionError that names the line.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

Base = Literal["int", "float", "str", "bool", "choice", "tuple"]
BOUNDS = {"Ge": "ge", "Gt": "gt", "Le": "le", "Lt": "lt"}


@dataclass(frozen=True)
class Kind:
    """A setting's type and range."""

    base: Base
    bounds: tuple[tuple[str, float], ...] = ()
    """(ge | gt | le | lt, number) pairs."""
    choices: tuple[Any, ...] = ()
    items: tuple[Kind, ...] = ()
    """A tuple's members."""
    endless: bool = False
    """A tuple of any length, all of the kind `items[0]`."""


@dataclass(frozen=True)
class Field:
    """One setting."""

    name: str
    kind: Kind
    default: Any
    doc: str
    """Its docstring in one line."""


@dataclass(frozen=True)
class Record:
    """A dataclass of settings."""

    path: str
    doc: str
    """Its docstring's first paragraph in one line."""
    fields: tuple[Field, ...]
    update: Record | None = None
    """The record in its field `update`, with the defaults that this one gives it."""


@cache
def describe(path: str) -> Record:
    """The record MODULE:CLASS.  Example: describe("quintet.data:Sampling").fields[0].name == "temperature"

    Fields without a default and private names are no settings and are left out."""
    module, name = path.split(":")
    source = _Module(module)
    node = source.definition(name)
    assert isinstance(node, ast.ClassDef), f"{path} is no class"
    fields, update = [], None
    for statement, follower in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or statement.value is None:
            continue
        assert isinstance(statement.target, ast.Name)
        if statement.target.id == "update":
            update = _update(source, statement)
        else:
            kind = source.kind(statement.annotation)
            default = _literal(statement.value, source)
            default = float(default) if kind.base == "float" else default
            fields.append(Field(statement.target.id, kind, default, _text(follower)))
    return Record(path, _paragraph(ast.get_docstring(node) or ""), tuple(fields), update)


def keys_of(module: str, name: str) -> list[str]:
    """The keys of a dictionary that a module writes out.  Example: keys_of("quintet.models.load", "PRESETS")[0] == "1m" """
    value = _Module(module).definition(name)
    assert isinstance(value, ast.Dict)
    return [ast.literal_eval(key) for key in value.keys if key is not None]


@cache
def changes_of(path: str) -> dict[str, Any]:
    """What MODULE:NAME, written as `NAME = replace(RECORD(), key=literal, …)`, changes; an update's changes are among them.

    Example: changes_of("quintet.algorithms.family:DR_GRPO") == {"scale": "none", "per": "constant"}"""
    module, name = path.split(":")
    source = _Module(module)
    node = source.definition(name)
    assert isinstance(node, ast.Call), f"{path} is no replace(…)"
    found: dict[str, Any] = {}
    for keyword in node.keywords:
        assert keyword.arg is not None, source.place(node)
        if keyword.arg == "update":
            assert isinstance(keyword.value, ast.Call), source.place(node)
            found |= {k.arg or "": _literal(k.value, source) for k in keyword.value.keywords}
        else:
            found[keyword.arg] = _literal(keyword.value, source)
    return found


def _update(source: _Module, statement: ast.AnnAssign) -> Record:
    """The record of `update: R = field(default_factory=R)` or `… = field(default_factory=lambda: R(lr=1e-3))`."""
    assert isinstance(statement.annotation, ast.Name), source.place(statement)
    assert isinstance(statement.value, ast.Call), source.place(statement)
    record = describe(source.import_path(statement.annotation.id))
    factory = statement.value.keywords[0].value
    if not isinstance(factory, ast.Lambda):
        return record
    assert isinstance(factory.body, ast.Call), source.place(statement)
    given = {keyword.arg: _literal(keyword.value, source) for keyword in factory.body.keywords}
    return replace(record, fields=tuple(replace(f, default=given.get(f.name, f.default)) for f in record.fields))


class _Module:
    """A module's source, with what its names stand for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tree = _parsed(name)

    def place(self, node: ast.AST) -> str:
        return f"{self.name}:{getattr(node, 'lineno', '?')}: settings need simple annotations and literal defaults"

    def definition(self, name: str) -> ast.AST | None:
        """The class or the assigned value of that name."""
        for node in self.tree.body:
            if isinstance(node, ast.ClassDef) and node.name == name:
                return node
            targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
            if any(isinstance(t, ast.Name) and t.id == name for t in targets):
                return node.value  # type: ignore[union-attr]
        return None

    def import_path(self, name: str) -> str:
        """MODULE:NAME of a name that this module defines or imports from another."""
        for node in self.tree.body:
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if (alias.asname or alias.name) == name:
                        return f"{node.module}:{alias.name}"
        return f"{self.name}:{name}"

    def kind(self, node: ast.AST) -> Kind:
        """The kind that an annotation stands for."""
        if isinstance(node, ast.Name):
            if node.id in ("int", "float", "str", "bool"):
                return Kind(node.id)  # type: ignore[arg-type]
            module, name = self.import_path(node.id).split(":")
            source = self if module == self.name else _Module(module)
            definition = source.definition(name)
            assert definition is not None, self.place(node)
            return source.kind(definition)
        assert isinstance(node, ast.Subscript), self.place(node)
        assert isinstance(node.value, ast.Name), self.place(node)
        members = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        match node.value.id:
            case "Literal":
                return Kind("choice", choices=tuple(ast.literal_eval(m) for m in members))
            case "Annotated":
                return replace(self.kind(members[0]), bounds=tuple(self._bound(m) for m in members[1:]))
            case "tuple":
                endless = isinstance(members[-1], ast.Constant) and members[-1].value is ...
                return Kind("tuple", items=tuple(self.kind(m) for m in members[: -1 if endless else None]), endless=endless)
        raise AssertionError(self.place(node))

    def _bound(self, node: ast.AST) -> tuple[str, float]:
        assert isinstance(node, ast.Call), self.place(node)
        assert isinstance(node.func, ast.Name), self.place(node)
        assert node.func.id in BOUNDS, self.place(node)
        return BOUNDS[node.func.id], ast.literal_eval(node.args[0])


@cache
def _parsed(module: str) -> ast.Module:
    spec = find_spec(module)
    assert spec is not None, f"there is no module {module}"
    assert spec.origin is not None, f"{module} has no source"
    return ast.parse(Path(spec.origin).read_text(encoding="utf-8"))


def _literal(node: ast.AST, source: _Module) -> Any:
    try:
        return ast.literal_eval(node)  # type: ignore[arg-type]
    except ValueError:
        raise AssertionError(source.place(node)) from None


def _text(node: ast.AST | None) -> str:
    """The docstring below a field; empty where there is none."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return " ".join(node.value.value.split())
    return ""


def _paragraph(docstring: str) -> str:
    return " ".join(docstring.partition("\n\n")[0].split())
