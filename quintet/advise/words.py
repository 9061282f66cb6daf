"""What the table says, in sentences: nothing that doesn't follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from quintet.comparisons import RunAt
from quintet.observe.formats import interval, score, short

Row = dict[str, Any]
ENOUGH_SEEDS = 3


def sentences(advice: dict[str, Any]) -> list[str]:
    """Two sentences: how the contenders stand, and which to take."""
    top = _at_the_top(advice)
    return [_standing(advice, top), _choice(advice, top)]


def _at_the_top(advice: dict[str, Any]) -> list[Row]:
    """The best row and all that tie with it."""
    best = advice["rows"][0]["label"]
    tied = {
        pair["b"] if pair["a"] == best else pair["a"]
        for pair in advice["pairs"]
        if pair["tie"] and best in (pair["a"], pair["b"])
    }
    return [row for row in advice["rows"] if row["label"] == best or row["label"] in tied]


def _standing(advice: dict[str, Any], top: Sequence[Row]) -> str:
    unit, rows, best, start = advice["unit"], advice["rows"], top[0], advice["start"]
    behind = [row["label"] for row in rows if row not in top]
    from_start = f"from a start of {score(start['score'], unit)}"
    if len(rows) == 1:
        return f"{best['label']} reaches {_scored(best, unit)} {from_start}; there is nothing to compare it with."
    if len(top) == 1:
        return f"{best['label']} is ahead of {_listed(behind)} with {_scored(best, unit)} {from_start}, intervals apart."
    spread = f"{score(top[-1]['score'], unit)} to {score(best['score'], unit)} {from_start}"
    who = f"All {len(top)} tie" if not behind else f"{_listed([row['label'] for row in top])} tie at the top"
    rest = f"; {_listed(behind)} {'is' if len(behind) == 1 else 'are'} behind" if behind else ""
    return f"{who}, with {spread}{rest}."


def _choice(advice: dict[str, Any], top: Sequence[Row]) -> str:
    gained = [row for row in top if (row["low"] if isfinite(row["low"]) else row["score"]) > advice["start"]["high"]]
    if not gained:
        return (
            "None of them is above the start beyond its interval, so take none yet: the diagnoses say what held them back, and "
            "a longer budget or another learning rate comes before more seeds."
        )
    top = [row for row in gained if not row["diverged"]] or gained or top
    if len(top) == 1:
        return f"Take {top[0]['label']}: it costs {_cost(top[0])}."
    cheap = min(top, key=lambda row: row["cpu_seconds"] or float("inf"))
    dear = max(top, key=lambda row: row["cpu_seconds"] or 0.0)
    ratio = dear["cpu_seconds"] / cheap["cpu_seconds"] if cheap["cpu_seconds"] else float("nan")
    against = f"; {dear['label']} costs {short(ratio, 2)} times the time" if isfinite(ratio) and ratio >= 1.1 else ""
    return f"Take {cheap['label']}: of those that tie it costs least, {_cost(cheap)}{against}."


def next_step(advice: dict[str, Any], folder: Path) -> str:
    """What to run next to settle what the table leaves open."""
    seeds = _seeds(advice["rows"])
    command = f"quintet compare --resume {folder}"
    if seeds < ENOUGH_SEEDS:
        return f"Run {ENOUGH_SEEDS} seeds before believing any of this: {command} --seeds {ENOUGH_SEEDS}"
    top = _at_the_top(advice)
    if len(top) == 1:
        best = top[0]["label"]
        return f"Nothing at the top is left to settle. To see how far {best} goes, train it alone with a larger budget."
    tied = [pair for pair in advice["pairs"] if pair["tie"] and top[0]["label"] in (pair["a"], pair["b"])]
    settled = [pair for pair in tied if pair["seeds_to_settle"]]
    if not settled:
        return (
            "No number of seeds up to 100 would part those that tie: at this budget they are the same for you, or the held-out "
            f"problems ({advice['problems']:,}) are too few to tell. Choose by cost, or compare with a larger eval_problems."
        )
    pair = min(settled, key=lambda pair: pair["seeds_to_settle"])
    number = pair["seeds_to_settle"]
    who = f"{pair['a']} and {pair['b']}"
    return f"About {number} seeds each would part {who}, if they stay as they are: {command} --seeds {number}"


def warnings(runs: Sequence[RunAt], rows: Sequence[Row], left_out: int, settings: dict[str, Any]) -> list[str]:
    """What a reader of the table has to know."""
    found = []
    if (seeds := _seeds(rows)) < ENOUGH_SEEDS:
        which = "one seed says nothing of the spread between seeds" if seeds == 1 else "two seeds say little of their spread"
        found.append(f"Fewer than {ENOUGH_SEEDS} seeds: {which}.")
    for run in runs:
        if run.status["state"] != "done":
            reason = f" {run.status['reason']}" if run.status["reason"] else ""
            found.append(f"{run.label} seed {run.seed} is {run.status['state']} and isn't counted.{reason}")
    killed = [f"{run.label} seed {run.seed}" for run in runs if run.status["unmeasured"]]
    if killed:
        found.append(f"Killed once and resumed: {_listed(killed)}. Seconds and memory lack what the killed process had used.")
    if left_out:
        found.append(f"{left_out} problems are left out: some run's answer to them could not be judged.")
    if not settings.get("eval_every"):
        found.append(
            "Scores were taken at the start and at the end only: areas and times to a score are straight lines' (eval_every)."
        )
    if settings["comparison"]["parallel"] > 1:
        found.append(
            f"{settings['comparison']['parallel']} runs shared the machine at a time: trust CPU seconds before wall-clock."
        )
    return found


def of_runs(told: Sequence[tuple[int, str]]) -> str:
    """The diagnoses of a contender's runs in one text."""
    return " ".join(f"Seed {seed}: {sentence}" for seed, sentence in told)


def _scored(row: Row, unit: str) -> str:
    limits = interval(row["low"], row["high"], unit) if row["low"] is not None else ""
    return f"{score(row['score'], unit)} {limits}".strip()


def _cost(row: Row) -> str:
    extra = row["networks"][1:]
    held = f"with a {' and a '.join(extra)} beside the policy" if extra else "with no network beside the policy"
    return f"{short(row['cpu_seconds'], 3)} CPU seconds a run and {row['peak_memory_mb']:,.0f} MB at its peak, {held}"


def _seeds(rows: Sequence[Row]) -> int:
    return min(row["seeds"] for row in rows)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
