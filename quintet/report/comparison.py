"""A comparison as one HTML file: the advice, curves with bands, what differs, answers side by side, how to repeat it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from quintet.observe import records
from quintet.observe.comparison_folder import RunAt, advice_of, experiment_of, name_of, runs_of
from quintet.observe.formats import duration_in_words, short
from quintet.observe.history import History
from quintet.observe.records import Row, number
from quintet.observe.rollout_groups import prompt_text
from quintet.report.band_chart import chart_of, figure, legend
from quintet.report.blocks import Limits, badge, block, folded, scrolling, section
from quintet.report.differing import settings_that_differ
from quintet.report.facts import named
from quintet.report.label_curves import SCORE, metrics_of
from quintet.report.markup import Markup, join, tag
from quintet.report.verdict import verdict

METRICS = 10
"""Metrics that get a chart beside the score."""


@dataclass(frozen=True)
class Member:
    """One run with what the page needs of it."""

    at: RunAt
    history: History
    settings: Row
    environment: Row
    last: Row
    """Its newest evaluation, examples and all; {} where there is none."""


@dataclass(frozen=True)
class Compared:
    """A comparison's folder, read once."""

    name: str
    experiment_text: str
    experiment: Row
    advice: Row
    members: list[Member]

    @property
    def seeds(self) -> dict[str, list[Member]]:
        """The runs that wrote anything, by label."""
        found: dict[str, list[Member]] = {}
        for member in self.members:
            if len(member.history) or member.history.evaluations:
                found.setdefault(member.at.label, []).append(member)
        return found


def read_comparison(folder: Path) -> Compared:
    """Everything the page shows; ValueError where a file that it needs can't be read."""
    text = (folder / "comparison.toml").read_text(encoding="utf-8", errors="replace")
    members = [_member(at) for at in runs_of(folder)]
    return Compared(folder.resolve().name, text, experiment_of(folder), advice_of(folder), members)


def _member(at: RunAt) -> Member:
    history = History(at.folder)
    while history.look():
        pass
    evaluations = records.evaluations(at.folder)
    return Member(at, history, records.settings(at.folder)[1], records.environment(at.folder), (evaluations or [{}])[-1])


def title_of(compared: Compared) -> str:
    """What the page is called."""
    return f"{_task(compared) or 'Quintet'} · {compared.name}"


def header(compared: Compared) -> Markup:
    """What came out, in the advice's first sentence, and the facts below it."""
    sentences = compared.advice.get("sentences") or []
    told = str(sentences[0]) if sentences else f"{len(compared.seeds)} algorithms, side by side"
    strip = (tag("div", tag("dt", name), tag("dd", value)) for name, value in _facts(compared))
    kicker = tag("p", f"Quintet · {compared.name}", class_="kicker")
    return tag("header", kicker, tag("h1", told), tag("dl", *strip, class_="facts"))


def sections(compared: Compared, limits: Limits) -> list[Markup | None]:
    """The page's parts in reading order; None where the folder has nothing for one."""
    first = {label: runs[0].settings for label, runs in compared.seeds.items()}
    return [
        verdict(compared.advice, compared.name),
        _curves(compared),
        _samples(compared, limits),
        settings_that_differ(first),
        _runs(compared),
        _again(compared, limits),
    ]


def _task(compared: Compared) -> str:
    told = next((str(member.last["task"]) for member in compared.members if member.last.get("task")), "")
    return told or named(compared.experiment.get("task")) or ""


def _facts(compared: Compared) -> list[tuple[str, str]]:
    seconds = [number(m.at.status, "wall_seconds") for m in compared.members]
    memory = [number(m.at.status, "peak_memory_mb") for m in compared.members]
    found = [
        ("Task", _task(compared)),
        ("Model", named(compared.experiment.get("model")) or ""),
        ("Runs", f"{len(compared.seeds)} algorithms × {max(map(len, compared.seeds.values()), default=0)} seeds"),
        ("Budget of each", _budget(compared.advice.get("budget"))),
        ("Time of all", duration_in_words(sum(filter(isfinite, seconds))) if any(map(isfinite, seconds)) else ""),
        ("Peak memory", f"{max(filter(isfinite, memory)):,.0f} MB" if any(map(isfinite, memory)) else ""),
    ]
    return [(name, value) for name, value in found if value]


def _budget(budget: Any) -> str:
    """Example: _budget({"tokens": 66000, "seconds": 0.0}) == "66,000 sampled tokens" """
    known = budget if isinstance(budget, Mapping) else {}
    tokens, seconds = number(known, "tokens"), number(known, "seconds")
    told = [f"{tokens:,.0f} sampled tokens"] if tokens > 0 else []
    return ", ".join([*told, *([duration_in_words(seconds)] if seconds > 0 else [])])


def _curves(compared: Compared) -> Markup | None:
    seeds = {label: [member.history for member in runs] for label, runs in compared.seeds.items()}
    everyone = [run for runs in seeds.values() for run in runs]
    scores = [chart for axis in ("tokens", "seconds") if (chart := chart_of(seeds, SCORE, axis)) is not None]
    wanted = [metric for metric in metrics_of(everyone) if metric is not SCORE][:METRICS]
    others = [chart for metric in wanted if (chart := chart_of(seeds, metric, "steps")) is not None]
    if not scores and not others:
        return None
    note = "Lines: means over the seeds, as far as all of them have come. Bands: from the lowest seed to the highest."
    return section(
        "curves",
        "Curves",
        tag("p", note, class_="note"),
        legend(list(seeds)),
        tag("div", *(figure(chart, f"s{index}", 220) for index, chart in enumerate(scores)), class_="charts"),
        tag("div", *(figure(chart, f"m{index}", 110) for index, chart in enumerate(others)), class_="charts"),
    )


def _samples(compared: Compared, limits: Limits) -> Markup | None:
    """The same held-out problems as the first seed of each label answered them at its end."""
    answers = {label: _examples(runs[0].last) for label, runs in compared.seeds.items()}
    known = dict.fromkeys(key for examples in answers.values() for key in examples)
    shared = [key for key in known if sum(key in examples for examples in answers.values()) > 1]
    telling = sorted(shared, key=lambda key: len({str(a[key].get("correct")) for a in answers.values() if key in a}) < 2)
    cards = [_card(key, answers, limits) for key in telling[: limits.samples]]
    note = "As the first seed of each answered at its end. Problems on which they disagree come first."
    return section("samples", "The same problems", tag("p", note, class_="note"), *cards) if cards else None


def _examples(evaluation: Row) -> dict[str, Mapping[str, Any]]:
    examples = evaluation.get("examples")
    some = [e for e in examples if isinstance(e, Mapping)] if isinstance(examples, list) else []
    return {str(example.get("prompt_id")): example for example in some}


def _card(key: str, answers: dict[str, dict[str, Mapping[str, Any]]], limits: Limits) -> Markup:
    found = {label: examples[key] for label, examples in answers.items() if key in examples}
    shown = [
        tag(
            "div",
            tag("h4", label, " ", badge(example)),
            block(str(example["picture"]), limits.text, "picture")
            if example.get("picture")
            else block(str(example.get("text", "")), limits.text, "text"),
        )
        for label, example in found.items()
    ]
    one = next(iter(found.values()))
    prompt = folded("Prompt", prompt_text(one.get("prompt")), limits.text)
    heading = tag("h3", key, " ", tag("small", str(one.get("level") or "")))
    return tag("article", heading, tag("div", *shown, class_="side-by-side"), prompt, class_="sample")


def _runs(compared: Compared) -> Markup:
    """Each run and how it ended: nobody who failed is left out in silence."""
    names = ["run", "state", "steps", "sampled tokens", "wall time"]
    names += ["why"] if any(member.at.status.get("reason") for member in compared.members) else []
    rows = []
    for member in compared.members:
        status, last = member.at.status, member.history.last
        told = (
            str(status.get("state", "")),
            short(number(last, "step")),
            short(number(last, "num_sampled_tokens"), 6),
            duration_in_words(seconds) if isfinite(seconds := number(status, "wall_seconds")) else "–",
            str(status.get("reason") or ""),
        )
        rows.append(
            tag("tr", tag("th", name_of(member.at), scope="row"), *(tag("td", cell) for cell in told[: len(names) - 1]))
        )
    head = tag("tr", *(tag("th", name, scope="col") for name in names))
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    return section("members", "Every run", scrolling(table, "Every run and how it ended"))


def _again(compared: Compared, limits: Limits) -> Markup:
    commands = [f"quintet train --recipe {m.at.label}/seed-{m.at.seed}/settings.toml --out FOLDER" for m in compared.members]
    whole = f"quintet compare --recipe {compared.name}/comparison.toml"
    machines = list(
        dict.fromkeys(json.dumps(m.environment, indent=1, sort_keys=True) for m in compared.members if m.environment)
    )
    return section(
        "again",
        "To reproduce it",
        tag("h3", "All of it"),
        block(whole, limits.settings, "text"),
        folded("One run at a time", "\n".join(commands), limits.settings),
        join(tag("h3", "The experiment"), block(compared.experiment_text, limits.settings, "text")),
        join(tag("h3", "Environment"), *(block(machine, limits.settings, "text") for machine in machines[:3])),
    )
