"""Every setting, every metric and every recipe, from the records, the table and the files themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator

from quintet.config import known, registry
from quintet.config.describe import Field
from quintet.config.draft import Given
from quintet.config.flags import spelled
from quintet.config.values import shown, wanted
from quintet.observe.glossary import GLOSSARY
from website.pages import ROOT

MADE = "This page is made from the code; `{}` says the same in the terminal."


def settings_page() -> str:
    """Every setting by section, from the records' own docstrings."""
    lines = [
        "# Every setting",
        "",
        MADE.format("quintet train ALGORITHM --help"),
        "A setting stands in a recipe as `key = value`, or is a flag: `max_new_tokens` is `--max-new-tokens`. "
        "What is true or false is switched by `--name` and `--no-name`.",
        "",
    ]
    lines += _section("The run", "At the top of a recipe.", known.machine())
    lines += _section("Sampling", "In `[sampling]`.", known.sampling())
    lines += _section("A stage", "In each `[[stage]]`, whatever its algorithm.", known.stage_alone("grpo"))
    lines += ["## Algorithms", ""]
    for name, entry in registry.ALGORITHMS.items():
        lines += [f"### {name}", "", _sentence(entry.summary), ""]
        if entry.variant:
            base = next(n for n, e in registry.ALGORITHMS.items() if e.record == entry.record and not e.variant)
            lines += [f"The settings of [{base}](#{base}), with other defaults:", "", *_changed(entry.defaults), ""]
        else:
            lines += [*_table(known.algorithm_alone(name).values()), "", "Its steps:", ""]
            lines += [*_table(known.update_alone(name).values()), ""]
    lines += ["## Tasks", ""]
    for name, entry in registry.TASKS.items():
        lines += [f"### --task {name}", "", _sentence(entry.summary), "", *_table(known.task(name).values()), ""]
    return "\n".join(lines)


def _section(title: str, where: str, fields: known.Fields) -> list[str]:
    return [f"## {title}", "", where, "", *_table(fields.values()), ""]


def _table(fields: Iterable[Field]) -> list[str]:
    return [
        "| setting | default | what it may be | what it does |",
        "|---|---|---|---|",
        *(f"| `{spelled(f.name)}` | {_default(f.default)} | {cell(wanted(f.kind))} | {cell(f.doc)} |" for f in fields),
    ]


def _changed(defaults: object) -> list[str]:
    assert isinstance(defaults, dict)
    return ["| setting | here |", "|---|---|", *(f"| `{spelled(k)}` | {_default(v)} |" for k, v in defaults.items())]


def _default(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else shown(Given(value, "")).strip('"')
    return f"`{text}`" if text else "none"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def cell(text: str) -> str:
    """A text within a row of a table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def metrics_page() -> str:
    """Every metric, from `quintet.observe.glossary`."""
    lines = [
        "# Every metric",
        "",
        "A run writes one JSON object a step into `metrics.jsonl`. Names are TRL's where TRL has one. This page is made from "
        "the table in `quintet/observe/glossary.py`, which a test holds against what runs write. While a run goes on, `Hint:` "
        "lines say which of these numbers is off; `quintet report RUN` draws them.",
        "",
    ]
    for group in GLOSSARY:
        lines += [f"## {group.title}", "", "| metric | unit | what it is | what is healthy |", "|---|---|---|---|"]
        lines += [f"| `{m.key}` | {m.unit or '–'} | {cell(m.meaning)} | {cell(m.healthy) or 'any'} |" for m in group.metrics]
        lines.append("")
    return "\n".join(lines)


def recipes_page() -> str:
    """How recipes work, and each one in recipes/, whole."""
    guide = (ROOT / "website" / "recipes.md").read_text(encoding="utf-8")
    return "\n".join([guide.rstrip(), "", *_recipes()])


def _recipes() -> Iterator[str]:
    for path in sorted((ROOT / "recipes").glob("*.toml")):
        text = path.read_text(encoding="utf-8")
        small = " --small" if "small" in tomllib.loads(text) else ""
        about = [line.lstrip("# ").rstrip() for line in text.split("\n\n")[0].splitlines() if line.startswith("#")]
        yield from [f"### {path.stem}", "", " ".join(about).strip() or path.stem, ""]
        yield from [f"Run it with `quintet train --recipe recipes/{path.name}`"]
        yield from [f"(`{small.strip()}` for its short version)." if small else ".", "", "```toml", text.rstrip(), "```", ""]
