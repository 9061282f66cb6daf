"""A run or a comparison as one HTML file: no script, no request to anywhere, small enough to be mailed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from quintet.observe.comparison_folder import is_comparison
from quintet.report.again import settings
from quintet.report.blocks import Limits
from quintet.report.comparison import Compared, header, read_comparison, sections, title_of
from quintet.report.facts import Facts, read_facts
from quintet.report.headline import explanation, headline, key_facts
from quintet.report.markup import Markup, join, tag
from quintet.report.rollouts import rollout_section
from quintet.report.samples import samples
from quintet.report.scores import before_after
from quintet.report.training import curve_section

MOST_BYTES = 500_000
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""What a browser may load for this page: nothing but its own styles."""


def write_report(run: Path, out: Path) -> Path:
    """Write the report of the run or comparison in folder `run` to the file `out`, under 500 kB whatever its size; `out`.

    Files the run doesn't have leave their sections out. The file is replaced in one move, so a reader never sees half of it.
    Raises ValueError when the folder holds no run or a file in it can't be read.
    """
    page = render_comparison(read_comparison(run)) if is_comparison(run) else render(read_facts(Path(run)))
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.{os.getpid()}")
    draft.write_text(page, encoding="utf-8")
    draft.replace(out)
    return out


def render(facts: Facts) -> str:
    """The page of a run, with shorter samples where it would grow beyond `MOST_BYTES`."""
    return _fitting(lambda limits: _page(facts, limits))


def render_comparison(compared: Compared) -> str:
    """The page of a comparison, as small."""
    return _fitting(lambda limits: document(title_of(compared), header(compared), sections(compared, limits), compared.name))


def _fitting(page_within: Callable[[Limits], str]) -> str:
    limits = Limits()
    page = page_within(limits)
    while len(page.encode()) >= MOST_BYTES and limits.text > 50:
        limits = replace(limits, text=limits.text // 3, settings=limits.settings // 3, levels=max(4, limits.levels // 2))
        page = page_within(limits)
    return page


def _page(facts: Facts, limits: Limits) -> str:
    found = (
        before_after(facts, limits),
        curve_section(facts),
        samples(facts, limits),
        rollout_section(facts, limits),
        settings(facts, limits),
    )
    return document(f"{facts.task or 'Quintet'} · {facts.name}", _header(facts), found, facts.name)


def document(title: str, top: Markup, found: Iterable[Markup | None], name: str) -> str:
    """A whole page of these sections: what a browser may do with it is nothing but show it."""
    style = Markup(Path(__file__).with_name("style.css").read_text(encoding="utf-8"))
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name_="color-scheme", content="light dark"),
        tag("meta", name_="referrer", content="no-referrer"),
        tag("title", title),
        tag("style", style),
    )
    body = tag("body", top, tag("main", *found), tag("footer", f"Written by Quintet from {name}."))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def _header(facts: Facts) -> Markup:
    strip = (tag("div", tag("dt", name), tag("dd", value)) for name, value in key_facts(facts))
    told = explanation(facts)
    return join(
        tag(
            "header",
            tag("p", f"Quintet · {facts.name}", class_="kicker"),
            tag("h1", headline(facts)),
            tag("p", told, class_="lede") if told else None,
            tag("dl", *strip, class_="facts"),
        )
    )
