"""The API from the sources' docstrings, a page for each layer. Nothing is imported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from website.pages import ROOT

LAYERS = (
    "data",
    "protocols",
    "equations",
    "updates",
    "algorithms",
    "tasks",
    "models",
    "engines",
    "sources",
    "train",
    "evaluate",
    "intervals",
    "pass_at_k",
    "judge",
    "checkpoints",
    "settings",
    "runs",
    "check",
    "doctor",
    "observe",
    "report",
)
"""In the order of the layers; a layer that is new is put behind them."""
LEFT_OUT = ("cli", "commands", "config", "knobs", "environment")
"""Not for use from Python."""
WIDTH = 100


def api_pages() -> dict[str, str]:
    """api/index.md and a page for each layer: paths and texts."""
    package = ROOT / "quintet"
    there = [path.stem for path in sorted(package.iterdir()) if path.suffix == ".py" or (path / "__init__.py").exists()]
    names = [n for n in LAYERS if n in there]
    names += [n for n in there if n not in LAYERS and n not in LEFT_OUT and not n.startswith("_")]
    pages = {f"api/{name}.md": "\n".join(_page(name, _files(package, name))) for name in names}
    return {"api/index.md": "\n".join(_index(package, names)), **pages}


def _files(package: Path, name: str) -> list[Path]:
    module = package / f"{name}.py"
    return [module] if module.exists() else sorted((package / name).rglob("*.py"))


def _index(package: Path, names: list[str]) -> Iterator[str]:
    yield from ["# API", "", "Each layer knows those above it. The pages are made from the sources' docstrings.", ""]
    yield from ["| module | what it is |", "|---|---|"]
    for name in names:
        file = package / f"{name}.py"
        doc = ast.get_docstring(_parsed(file if file.exists() else package / name / "__init__.py")) or ""
        yield (
            f"| [`quintet.{name}`]({name}.md) | "
            f"{_prose(doc.split(chr(10) * 2)[0]).replace(chr(10), ' ').replace('|', chr(92) + '|')} |"
        )


def _page(name: str, files: list[Path]) -> Iterator[str]:
    yield from [f"# quintet.{name}", ""]
    for file in files:
        tree = _parsed(file)
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if module != f"quintet.{name}":
            yield from [f"## {module}", ""]
        yield from [_prose(ast.get_docstring(tree) or ""), ""]
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                yield from _entry(node, module)


def _entry(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef, module: str, level: int = 3) -> Iterator[str]:
    """A class with its fields and methods, or a function."""
    yield from [f"{'#' * level} {node.name}", "", "```python", _signature(node), "```", ""]
    yield from [_prose(ast.get_docstring(node) or ""), ""]
    if not isinstance(node, ast.ClassDef):
        return
    fields = list(_fields(node))
    yield from fields
    if fields:
        yield ""
    for child in node.body:
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not child.name.startswith("_"):
            yield from _entry(child, module, level + 1)


def _signature(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        return f"class {node.name}({bases})" if bases else f"class {node.name}"
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    one_line = f"{node.name}({ast.unparse(node.args)}){returns}"
    if len(one_line) <= WIDTH:
        return one_line
    arguments = ast.unparse(node.args)
    return f"{node.name}(\n    {arguments}\n){returns}"


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for statement, follower in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.target.id[0] != "_":
            default = f" = {ast.unparse(statement.value)}" if statement.value else ""
            said = follower.value.value if isinstance(follower, ast.Expr) and isinstance(follower.value, ast.Constant) else ""
            text = f": {_prose(' '.join(str(said).split()))}" if said else ""
            yield f"- `{statement.target.id}: {ast.unparse(statement.annotation)}{default}`{text}"


def _prose(docstring: str) -> str:
    """A docstring as Markdown: what stands in backticks as it is, every other character as itself. An example or a listing
    that is indented stays a block."""
    blocks = [block if block.startswith("    ") else _escaped(block) for block in docstring.split("\n\n")]
    return "\n\n".join(blocks)


def _escaped(text: str) -> str:
    return "".join(
        piece if piece.startswith("`") else re.sub(r"([\\*_\[\]<>#|])", r"\\\1", piece)
        for piece in re.split(r"(`[^`]*`)", text)
    )


def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
