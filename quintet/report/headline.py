"""The one sentence a reader takes away, and the facts below it."""

from __future__ import annotations

from math import isfinite

from quintet.observe.before_after import Cell, Comparison, comparisons
from quintet.observe.formats import duration_in_words, interval, score, short
from quintet.report.curves import KNOWN, curve, stages
from quintet.report.facts import Facts
from quintet.report.markup import Markup, join, tag


def headline(facts: Facts) -> Markup:
    """What came out: the held-out score before and after where there is one, else what training itself shows.

    Example: "Held-out maze problems solved: 61.0 % → 72.3 %, intervals apart"
    """
    found = comparisons(facts.evaluations)
    if found:
        return _of_evaluations(found[0])
    return _of_training(facts)


def _of_evaluations(comparison: Comparison) -> Markup:
    held_out = "Problems" if comparison.split == "train" else "Held-out problems"
    what = f"{held_out} of {comparison.task}" if comparison.task else held_out
    if comparison.task and comparison.split != "train":
        what = f"Held-out {comparison.task} problems"
    start = f"{what} solved: " if comparison.unit == "solved" else f"Mean reward on {what[0].lower()}{what[1:]}: "
    cells = [cell for cell in comparison.total.cells[-2:] if cell is not None]
    if not cells:
        return join(start, "not measured")
    values = tag("strong", " → ".join(score(cell.score, comparison.unit) for cell in cells))
    verdict = {True: ", intervals apart", False: ", a tie: intervals overlap", None: ""}[comparison.total.apart]
    return join(start, values, verdict)


def _of_training(facts: Facts) -> Markup:
    for key, what in (("reward", "Reward in training"), ("loss", "Loss in training")):
        known = next(k for k in KNOWN if k.key == key)
        for name, rows in reversed(stages(facts.steps)):
            if (found := curve(rows, known)) is not None:
                values = f"{short(found.segments[0].start)} → {short(found.segments[0].end)}"
                return join(f"{what} ({name}): ", tag("strong", values))
    return join(f"Run {facts.name}")


def explanation(facts: Facts) -> str:
    """What the headline's numbers are."""
    found = comparisons(facts.evaluations)
    if not found:
        return "Means over the first and the last tenth of the steps; no held-out problems were evaluated." * bool(facts.steps)
    total, labels = found[0].total, found[0].labels
    told = [
        f"{label} {_told(cell, found[0].unit)}"
        for label, cell in zip(labels[-2:], total.cells[-2:], strict=True)
        if cell is not None
    ]
    count = next((f"On {cell.n:,} problems: " for cell in reversed(total.cells) if cell is not None and cell.n), "")
    return f"{count}{', '.join(told)}." if told else ""


def _told(cell: Cell, unit: str) -> str:
    return f"{score(cell.score, unit)} {interval(cell.low, cell.high, unit)}".rstrip()


def key_facts(facts: Facts) -> list[tuple[str, str]]:
    """Names and values for the strip below the headline; what isn't known is left out."""
    seconds, tokens, memory = facts.total("step_time"), facts.largest("num_tokens"), facts.largest("peak_memory_mb")
    told = [
        ("Task", facts.task),
        ("Model", facts.model),
        ("Stages", " → ".join(f"{name} × {steps:,}" for name, steps in facts.stages)),
        ("Training time", duration_in_words(seconds) if isfinite(seconds) else ""),
        ("Tokens", short(tokens) if isfinite(tokens) else ""),
        ("Peak memory", f"{memory:,.0f} MB" if isfinite(memory) else ""),
    ]
    return [(name, value) for name, value in told if value]
