"""The same problems as each evaluation's model answered them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quintet.observe.before_after import kept_columns, pairs, tally
from quintet.observe.rollout_groups import prompt_text
from quintet.report.blocks import Limits, badge, block, folded, section
from quintet.report.facts import Facts
from quintet.report.markup import Markup, tag


def samples(facts: Facts, limits: Limits) -> Markup | None:
    """The same held-out problems answered by each evaluation's model, with their pictures."""
    with_examples = [row for row in facts.evaluations if _examples(row)]
    if with_examples:
        last = with_examples[-1]
        with_examples = [r for r in with_examples if (r.get("task"), r.get("split")) == (last.get("task"), last.get("split"))]
    columns = kept_columns(with_examples, 3)
    if not columns:
        return None
    latest = _examples(columns[-1])
    note = None
    if len(columns) > 1:
        matched = pairs(_examples(columns[-2]), latest)
        latest = [pair.after for pair in matched]
        note = tag("p", f"{tally(matched)} Problems whose outcome changed come first.", class_="note")
    cards = [_sample(example, columns, limits) for example in latest[: limits.samples]]
    return section("samples", "The same problems, before and after", note, *cards) if cards else None


def _examples(evaluation: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    examples = evaluation.get("examples")
    return [e for e in examples if isinstance(e, Mapping)] if isinstance(examples, list) else []


def _sample(example: Mapping[str, Any], columns: Sequence[Mapping[str, Any]], limits: Limits) -> Markup:
    answers = []
    for row in columns:
        same = [e for e in _examples(row) if e.get("prompt_id") == example.get("prompt_id")]
        if same:
            answers.append(_answer(str(row.get("label") or row.get("step", "")), same[0], limits))
    return tag(
        "article",
        tag("h3", str(example.get("prompt_id", "")), " ", tag("small", str(example.get("level") or ""))),
        tag("div", *answers, class_="side-by-side"),
        folded("Prompt", prompt_text(example.get("prompt")), limits.text),
        class_="sample",
    )


def _answer(label: str, example: Mapping[str, Any], limits: Limits) -> Markup:
    picture = example.get("picture")
    text = str(example.get("text", ""))
    shown = block(str(picture), limits.text, "picture") if picture else block(text, limits.text, "text")
    return tag("div", tag("h4", label, " ", badge(example)), shown, folded("Answer", text, limits.text) if picture else None)
