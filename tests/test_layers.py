"""Imports point only upward in the list of layers (ARCHITECTURE.md), and inheritance is one step deep. Read from the source, so
that a lazy import inside a function counts too."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "quintet"
SOURCES = {
    "quintet." + ".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): ast.parse(p.read_text("utf-8"))
    for p in sorted(ROOT.rglob("*.py"))
    if p != ROOT / "__init__.py"
}

NOUNS = {"data", "knobs"}
ENGINE = {"data", "protocols", "equations", "updates", "models", "settings"}
SEEN = {"observe", "report", "environment", "intervals"}
RUN = {
    *ENGINE,
    *SEEN,
    "engines",
    "sources",
    "train",
    "evaluate",
    "checkpoints",
    "settings",
    "config",
    "judge",
    "completions",
    "replay",
    "turns",
}
KNOWS: dict[str, set[str]] = {
    "knobs": set(),
    "data": {"knobs"},
    "intervals": set(),
    "pass_at_k": {"intervals"},
    "statistics": {"intervals"},
    "comparisons": set(),
    "compare": {"", "comparisons", "config", "environment", "observe", "settings"},
    "advise": {"comparisons", "config", "observe", "statistics"},
    "environment": {""},
    "protocols": {"data"},
    "equations": set(),
    "updates": {*NOUNS, "protocols", "equations"},
    "algorithms": {*NOUNS, "protocols", "equations", "updates"},
    "tasks": {*NOUNS, "protocols"},
    "models": {"data"},
    "engines": ENGINE,
    "judge": {"data", "protocols", "models"},
    "completions": {"data", "protocols"},
    "replay": {"data", "models.text"},
    "sources": {"data", "protocols", "models.text", "replay"},
    "turns": {"data", "protocols", "models"},
    "train": {"data", "protocols"},
    "settings": NOUNS,
    "rounds": {"settings"},
    "evaluate": {"data", "protocols", "intervals", "pass_at_k", "settings", "sources", "engines", "models", "turns"},
    "observe": {"data", "equations", "comparisons"},
    "report": {"data", "observe"},
    "live": {"", "observe", "report"},
    "checkpoints": {"models"},
    "runs": RUN,
    "check": RUN,
}
"""What each layer may import of quintet beside itself; "" is the package (its version)."""
EVERYTHING = {"config", "cli", "commands", "doctor"}
"""The outermost: what they may not do is said below."""


def layer_of(module: str) -> str:
    return module.split(".")[1]


def imports(tree: ast.AST) -> list[str]:
    """Every module that is imported anywhere in a file, `from x import y` as x.y (y may be a module)."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide where they point"
            found += [f"{node.module}.{a.name}" for a in node.names]
    return found


def may(module: str, imported: str) -> bool:
    path = imported.removeprefix("quintet").removeprefix(".")
    allowed = {layer_of(module), *KNOWS[layer_of(module)]}
    return any(path == a or path.startswith(a + ".") if a else path.count(".") == 0 and path not in LAYERS for a in allowed)


LAYERS = {layer_of(m) for m in SOURCES}
IMPORTS = {module: imports(tree) for module, tree in SOURCES.items()}


def test_every_layer_is_in_the_list():
    assert set(KNOWS) | EVERYTHING >= LAYERS


@pytest.mark.parametrize("module", [m for m in SOURCES if layer_of(m) not in EVERYTHING])
def test_imports_point_upward(module):
    ours = [i for i in IMPORTS[module] if i.split(".")[0] == "quintet"]
    assert [i for i in ours if not may(module, i)] == []


def outside(module: str) -> set[str]:
    return {i.split(".")[0] for i in IMPORTS[module]} - {"quintet", "__future__"}


def of_layer(*layers: str) -> list[str]:
    return [m for m in SOURCES if layer_of(m) in layers]


@pytest.mark.parametrize("module", of_layer("equations"))
def test_equations_import_torch_and_each_other(module):
    assert outside(module) <= {"torch", "collections", "typing", "math"}


@pytest.mark.parametrize("module", of_layer("tasks"))
def test_tasks_import_no_heavy_library(module):
    assert not outside(module) & {"torch", "transformers", "tokenizers", "datasets"}


@pytest.mark.parametrize("module", of_layer("tasks"))
def test_tasks_know_no_protocol_but_the_error(module):
    assert {i for i in IMPORTS[module] if i.startswith("quintet.protocols")} <= {"quintet.protocols.TaskError"}


@pytest.mark.parametrize("module", of_layer("data", "knobs", "protocols", "settings", "config", "cli", "commands"))
def test_what_every_command_reads_loads_no_heavy_library_at_its_top(module):
    top = ast.Module([n for n in SOURCES[module].body if isinstance(n, ast.Import | ast.ImportFrom)], [])
    assert not {i.split(".")[0] for i in imports(top)} & {"torch", "transformers", "tokenizers"}


@pytest.mark.parametrize("module", [m for m in SOURCES if layer_of(m) not in {"config", "algorithms", "tasks"}])
def test_no_file_but_the_registry_names_an_algorithm_or_a_task(module):
    named = [i for i in IMPORTS[module] if i.startswith(("quintet.algorithms", "quintet.tasks"))]
    texts = [n.value for n in ast.walk(SOURCES[module]) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    assert named + [t for t in texts if t.startswith(("quintet.algorithms.", "quintet.tasks."))] == []


@pytest.mark.parametrize("module", of_layer("config"))
def test_even_the_registry_names_them_by_strings(module):
    assert [i for i in IMPORTS[module] if i.startswith(("quintet.algorithms", "quintet.tasks"))] == []


def classes() -> dict[str, set[str]]:
    """Every class of ours by its name, with the names of its bases (of all its namesakes together)."""
    found: dict[str, set[str]] = {}
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases = {ast.unparse(b).split("[")[0].split(".")[-1] for b in node.bases}
                found.setdefault(node.name, set()).update(bases)
    return found


def test_inheritance_is_one_step_deep():
    """Counted in classes of ours: what Python's exceptions and libraries' classes inherit from is theirs to answer for."""
    ours = classes()
    for name, bases in ours.items():
        for base in bases & set(ours):
            assert not ours[base] & set(ours), f"{name} inherits from {base}, which inherits from {ours[base]}"


def test_an_error_swallowed_in_silence_is_nowhere():
    for module, tree in SOURCES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ExceptHandler):
                broad = node.type is None or ast.unparse(node.type) in ("Exception", "BaseException")
                silent = all(isinstance(s, ast.Pass | ast.Continue) for s in node.body)
                assert not (broad and silent), f"{module}, line {node.lineno}"


def test_the_list_itself_points_upward():
    """No two layers import each other, not even in a circle."""

    def above(layer: str, path: tuple[str, ...] = ()) -> None:
        assert layer not in path, f"{' → '.join((*path, layer))}"
        for known in KNOWS.get(layer, set()):
            above(known.split(".")[0], (*path, layer))

    for layer in KNOWS:
        above(layer)
