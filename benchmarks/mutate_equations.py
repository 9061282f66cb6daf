"""Whether the tests would notice a wrong equation: one small change at a time to quintet/equations, and the tests must fail.

    python -m benchmarks.mutate_equations [module ...]

Works on a copy in a temporary folder. Each mutant runs in a forked process of its own (so POSIX only), one at a time and on one
thread: first the test file that mirrors the mutated module, then, where that passes, the rest of tests/equations and
tests/algorithms. A mutant that runs longer than the limit counts as killed. Prints survivors; fails where one is
not in EXPLAINED.
"""

from __future__ import annotations

import ast
import copy
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SECONDS = 60
"""Longest time for one mutant; without a mutation the tests take less than half."""

LAST_IS_FIRST = "the tensor has one dimension, so the last is the first"
UNUSED_ROW = "one row more than there are groups; nothing is added to it and nothing reads it"
EXPLAINED: dict[tuple[str, str, str], str] = {
    ("advantages", "return total(group[equal].unique() >= 0) / total(group.unique() >= 0).clamp(min=1)", "0 → -1"): (
        "groups are numbered from 0: the comparison is a way to count them"
    ),
    ("advantages", "groups = int(group.max()) + 1 if len(group) else 0", "1 → 2"): UNUSED_ROW,
    ("advantages", "groups = int(group.max()) + 1 if len(group) else 0", "0 → 1"): UNUSED_ROW,
    (
        "advantages",
        'low = empty.scatter_reduce(0, group, torch.where(known, reward, torch.inf), "amin", include_self=False)',
        "0 → -1",
    ): LAST_IS_FIRST,
    (
        "advantages",
        'high = empty.scatter_reduce(0, group, torch.where(known, reward, -torch.inf), "amax", include_self=False)',
        "0 → -1",
    ): LAST_IS_FIRST,
    ("natural", "for d, r in zip(direction, residual, strict=True):", "True → False"): (
        "both have one tensor a parameter: strict guards against a slip of ours, which no caller can make"
    ),
    ("preferences", "rows = ((group == number) & torch.isfinite(reward)).nonzero()[:, 0]", "0 → -1"): (
        "the indices of a tensor with one dimension have one column"
    ),
    ("preferences", "best = rows[reward[rows].argsort(descending=True, stable=True)]", "True → False"): (
        "torch's sort on a CPU happens to be stable; asked for, so that it is on other devices"
    ),
    ("preferences", "worst = best.flip(0)", "0 → -1"): LAST_IS_FIRST,
    (
        "preferences",
        "return torch.zeros_like(reward).index_fill(0, chosen, 1.0).index_fill(0, rejected, -1.0)",
        "0 → -1",
    ): LAST_IS_FIRST,
    (
        "preferences",
        "both = loss.new_zeros(rows).index_copy(0, chosen, loss).index_copy(0, rejected, loss)",
        "0 → -1",
    ): LAST_IS_FIRST,
    (
        "reduce",
        "sums = torch.zeros(int(group.max()) + 1 if len(group) else 0, dtype=x.dtype, device=x.device)",
        "1 → 2",
    ): UNUSED_ROW,
    (
        "reduce",
        "sums = torch.zeros(int(group.max()) + 1 if len(group) else 0, dtype=x.dtype, device=x.device)",
        "0 → 1",
    ): UNUSED_ROW,
    ("reduce", "return sums.index_add(0, group, x)[group]", "0 → -1"): LAST_IS_FIRST,
    ("reduce", "if before > longest:", "Gt → GtE"): "a norm of exactly the limit is scaled by 1",
    (
        "reduce",
        "self._largest[name] = max(self._largest.get(name, 0.0), float(torch.where(mask, x, 0.0).max()))",
        "0.0 → -1",
    ): "of the second 0: entries left out count as -1, and the largest is 0 at least whatever they count",
}
"""Mutants that no test can kill: (module, source line, change), and why."""

Change = tuple[str, int, ast.Module]
"""What was done, in which line, and the module afterwards."""

OPERATORS: dict[type, list[type]] = {
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.BitAnd: [ast.BitOr],
    ast.BitOr: [ast.BitAnd],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
}
OTHER_NAMES = {
    "min": "max",
    "minimum": "maximum",
    "amin": "amax",
    "any": "all",
    "max": "min",
    "maximum": "minimum",
    "amax": "amin",
    "all": "any",
}
DROPPED = ("clamp", "detach", "flip", "sqrt", "exp", "cumsum", "sum", "unique")
"""Calls of methods that are left out in turn."""


def changes_of(node: ast.AST) -> Iterator[tuple[str, ast.AST | None]]:
    """What to put in a node's place, with a name for the change."""

    def changed(what: str, **fields: Any) -> tuple[str, ast.AST]:
        other = copy.deepcopy(node)
        for name, value in fields.items():
            setattr(other, name, value)
        return what, other

    match node:
        case ast.Compare(ops=[op]):
            for other in OPERATORS.get(type(op), []):
                yield changed(f"{type(op).__name__} → {other.__name__}", ops=[other()])
        case ast.BinOp(op=op) | ast.BoolOp(op=op):
            for other in OPERATORS.get(type(op), []):
                yield changed(f"{type(op).__name__} → {other.__name__}", op=other())
        case ast.UnaryOp(op=op, operand=operand):
            yield f"{type(op).__name__} dropped", operand
        case ast.IfExp(test=test) | ast.If(test=test):
            yield changed("condition negated", test=ast.UnaryOp(ast.Not(), test))
        case ast.Constant(value=bool(value)):
            yield changed(f"{value} → {not value}", value=not value)
        case ast.Constant(value=int(value) | float(value)):
            for other in (value + 1, value - 1):
                yield changed(f"{value} → {other:g}", value=other)
        case ast.Constant(value=str(value)):
            other = OTHER_NAMES.get(value, value + "?")
            yield changed(f"{value!r} → {other!r}", value=other)
        case ast.Name(id=name) if name in OTHER_NAMES:
            yield changed(f"{name} → {OTHER_NAMES[name]}", id=OTHER_NAMES[name])
        case ast.Attribute(attr=name) if name in OTHER_NAMES:
            yield changed(f".{name} → .{OTHER_NAMES[name]}", attr=OTHER_NAMES[name])
        case ast.keyword(arg=str(name)) if name in OTHER_NAMES:
            yield changed(f"{name}= → {OTHER_NAMES[name]}=", arg=OTHER_NAMES[name])
        case ast.Break():
            yield "break → pass", ast.Pass()
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr=name)) if name in DROPPED:
            yield f".{name}() dropped", inner
        case ast.Call(func=ast.Attribute(attr="where"), args=[condition, yes, no]):
            yield changed("where: branches swapped", args=[condition, no, yes])


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Where a node hangs: (parent, field, index). Docstrings and annotations are left alone."""
    for name, value in ast.iter_fields(tree):
        if name in ("annotation", "returns"):
            continue
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            docstring = isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant)
            if not isinstance(child, ast.AST) or docstring or isinstance(child, ast.ImportFrom):
                continue
            yield tree, name, index
            yield from places(child)


def mutants(source: str) -> Iterator[Change]:
    tree = ast.parse(source)
    for parent, name, index in list(places(tree)):
        value = getattr(parent, name)
        node = value if index is None else value[index]
        placed = node if hasattr(node, "lineno") else getattr(node, "value", None)  # a keyword has the line of its value
        line = getattr(placed, "lineno", 0)
        for what, other in changes_of(node):
            put(parent, name, index, other)
            yield what, line, ast.fix_missing_locations(copy.deepcopy(tree))
        put(parent, name, index, node)


def put(parent: ast.AST, name: str, index: int | None, node: ast.AST | None) -> None:
    if index is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[index] = node


def is_type(source: str, line: int) -> bool:
    """Whether a line only defines a type's other name; nothing runs it."""
    return source.splitlines()[line - 1].lstrip().startswith(("Denominator = Literal", "Vector = "))


def killed(module: str, folder: Path) -> bool:
    """Whether a test fails (or never ends) in a forked process with `folder`'s package."""
    child = os.fork()
    if child == 0:
        os._exit(run(module, folder))
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def run(module: str, folder: Path) -> int:
    """In the child: 0 where every test passes."""
    import pytest

    os.chdir(folder)
    sys.path.insert(0, str(folder))
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    mirror = f"tests/equations/test_{module}.py"
    options = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "--tb=no"]
    return pytest.main([*options, mirror]) or pytest.main(
        [*options, f"--ignore={mirror}", "tests/equations", "tests/algorithms"]
    )


def prepare(folder: Path) -> None:
    """A copy of the package and its tests; everything heavy that they import, and none of ours, loaded before the forks."""
    for name in ("quintet", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    sys.dont_write_bytecode = True
    sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != ROOT]
    import torch
    from hypothesis import Phase, settings
    from transformers import (  # noqa: F401
        GPT2LMHeadModel,
        LlamaForCausalLM,
        MistralForCausalLM,
        PreTrainedTokenizerFast,
        Qwen3ForCausalLM,
    )

    torch.set_num_threads(1)
    settings.register_profile("mutants", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")  # the profile of tests/conftest.py takes over what it does not name
    assert not any(name.split(".")[0] == "quintet" for name in sys.modules)


def main(names: list[str]) -> int:
    counts = {"mutants": 0, "killed": 0, "explained": 0}
    unexplained, unused = 0, {key for key in EXPLAINED if not names or key[0] in names}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        began = time.monotonic()
        assert not killed("reduce", folder), "the tests fail without any mutation"
        print(f"without a mutation: {time.monotonic() - began:.0f} s", flush=True)
        for path in sorted((ROOT / "quintet" / "equations").glob("[a-z]*.py")):
            if names and path.stem not in names:
                continue
            source, target = path.read_text("utf-8"), folder / path.relative_to(ROOT)
            for what, line, tree in mutants(source):
                if is_type(source, line):
                    continue
                counts["mutants"] += 1
                target.write_text(ast.unparse(tree), "utf-8")
                if killed(path.stem, folder):
                    counts["killed"] += 1
                    continue
                key = (path.stem, source.splitlines()[line - 1].strip(), what)
                unused.discard(key)
                counts["explained"] += key in EXPLAINED
                unexplained += key not in EXPLAINED
                print(f"{path.relative_to(ROOT)}:{line}: {what}: {EXPLAINED.get(key, 'SURVIVED')}\n    {key[1]}", flush=True)
            target.write_text(source, "utf-8")
    for key in unused:
        print(f"explained, but killed or gone: {key}")
    print(f"{counts['mutants']} mutants, {counts['killed']} killed, {counts['explained']} explained, {unexplained} survived")
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if unexplained or unused else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
