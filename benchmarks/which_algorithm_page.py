"""docs/which-algorithm.md from measured comparisons: the table that guides repeat, with measured columns, and each of its
claims marked by a rule that only looks at the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from statistics import median
from typing import Any

from quintet.observe.formats import interval, score, short

Measured = Mapping[str, Any]
"""By comparison: {"machine", "minutes", "advice"}."""
SHOWN, NOT_SHOWN, WRONG, OPEN = "shown", "not shown", "wrong here", "not measured yet"
FIVE = ("reinforce", "trpo", "ppo", "dpo", "grpo")
SOURCE = "https://company.hpc-ai.com/blog/grpo-vs-other-rl-algorithms-a-simple-clear-guide"
TOLD = {
    "reinforce": ("no", "low", "simple tasks, teaching"),
    "trpo": ("yes", "high", "control, where stability counts"),
    "ppo": ("yes", "medium to high", "general; RLHF with a reward model"),
    "dpo": ("no", "low", "preferences"),
    "grpo": ("no", "low to medium", "reasoning with checkable answers"),
}
"""What the guide's table says: critic needed, computational cost, typical use."""
CHECKABLE = ("maze", "arithmetic")
"""Comparisons whose answers are right or wrong."""
LONG = ("cartpole", "guess")
"""Comparisons with many decisions between a beginning and its reward."""


@dataclass(frozen=True)
class Claim:
    """Something that is said, and the rule that marks it: (mark, evidence) from the comparisons and the measured memory."""

    said: str
    rule: Callable[[Measured, Mapping[str, Any]], tuple[str, str]]


def page(measured: Measured, memory: Mapping[str, Any], planned: Sequence[str]) -> str:
    """The whole page."""
    missing = [name for name in planned if name not in measured]
    lines = [*_intro(), *_table(measured, memory), *_claims(measured, memory)]
    for name, found in measured.items():
        lines += ["", *_comparison(name, found)]
    if missing:
        lines += ["", f"Prepared and not measured yet: {', '.join(missing)} (`python -m benchmarks.which_algorithm`)."]
    return "\n".join(lines) + "\n"


def _intro() -> Iterator[str]:
    yield "# Which algorithm?"
    yield ""
    yield "Measure it on your own task: `quintet compare --algorithms reinforce,trpo,ppo,dpo,grpo --task …`, then"
    yield "`quintet advise`. This page does that on several tasks; `python -m benchmarks.which_algorithm` repeats it."
    yield "The numbers are in docs/comparisons/; each mark below follows from them by a rule in"
    yield "benchmarks/which_algorithm_page.py."
    yield ""
    yield "What data you have decides first: `quintet advise --data FILE` says which algorithms apply at all."
    yield ""


def _table(measured: Measured, memory: Mapping[str, Any]) -> Iterator[str]:
    yield "## The table that guides repeat, and what was measured"
    yield ""
    yield "The three columns after the name are what guides say, in our words, for example"
    yield f"[this one]({SOURCE})."
    yield "The others are measured: peak memory of a policy with 328 million parameters ([how](results.md#peak-memory)); for"
    yield "each comparison CPU seconds of a run against REINFORCE's, backward passes for each answer sampled, and the held-out"
    yield "score with its 95 % interval."
    yield ""
    heads = [head for name in measured for head in (f"{name}: cost", f"{name}: passes", f"{name}: score")]
    yield _line(["algorithm", "critic needed?", "computational cost", "typical use", "networks held", "peak MB", *heads])
    yield _line(["---"] * (6 + len(heads)))
    for name in FIVE:
        held = memory["algorithms"][name]
        yield _line([name, *TOLD[name], held["networks"], f"{held['peak_memory_mb']:,.0f}", *_cells(name, measured)])
    yield ""


def _cells(algorithm: str, measured: Measured) -> Iterator[str]:
    for found in measured.values():
        rows, advice = _rows(found), found["advice"]
        row, base = rows.get(algorithm), rows.get("reinforce")
        if row is None:
            yield from ("–", "–", "–")
            continue
        yield f"{row['cpu_seconds'] / base['cpu_seconds']:.1f}×" if base else f"{row['cpu_seconds']:,.0f} s"
        yield short(row["passes"], 2) if row["passes"] is not None else "–"
        yield _scored(row, advice["unit"])


def _claims(measured: Measured, memory: Mapping[str, Any]) -> Iterator[str]:
    yield "## Claims, marked"
    yield ""
    yield _line(["claim", "here", "evidence"])
    yield _line(["---"] * 3)
    for claim in CLAIMS:
        mark, evidence = claim.rule(measured, memory)
        yield _line([claim.said, f"**{mark}**", evidence])


def _comparison(name: str, found: Mapping[str, Any]) -> Iterator[str]:
    advice, machine = found["advice"], found["machine"]
    budget, unit, start = advice["budget"], advice["unit"], advice["start"]
    bounds = [f"{budget['tokens']:,} sampled tokens"] if budget["tokens"] else []
    bounds += [f"{budget['seconds']:.0f} seconds of training"] if budget["seconds"] else []
    yield f"## {name}: {' and '.join(bounds)} a run, {budget['seeds']} seeds"
    yield ""
    yield f"Start: {_scored(start, unit)} of {advice['problems']:,} held-out problems."
    yield (
        f"Machine: {machine['processor']}, {machine['cores']} cores, {budget['parallel']} runs at a time; Python "
        f"{machine['python']}, torch {machine['torch']}, transformers {machine['transformers']}, Quintet {machine['quintet']}."
    )
    yield f"Command: `quintet compare --recipe recipes/compare-{name}.toml`; {found['minutes']:.0f} minutes by the clock."
    yield ""
    target = score(advice["target"], unit) if advice["target"] is not None else "–"
    yield _line(
        ["", "score (95 %)", "middle half", "area", f"tokens to {target}", f"seconds to {target}", "CPU s", "peak MB", "passes",
         "diverged"]
    )  # fmt: skip
    yield _line(["---"] * 10)
    for row in advice["rows"]:
        yield _line(
            [
                row["label"],
                _scored(row, unit),
                score(row["iqm"], unit),
                _known(row["area"], lambda value: score(value, unit)),
                _known(row["tokens_to"], lambda value: f"{value:,.0f}"),
                _known(row["seconds_to"], short),
                _known(row["cpu_seconds"], short),
                f"{row['peak_memory_mb']:,.0f}",
                _known(row["passes"], lambda value: short(value, 2)),
                f"{row['diverged']} of {row['seeds']}",
            ]
        )
    yield ""
    apart = [f"{pair['a']} and {pair['b']}" for pair in advice["pairs"] if not pair["tie"]]
    yield f"Told apart: {'; '.join(apart) if apart else 'none; all pairs are ties'}."
    yield f"Advice: {' '.join(advice['sentences'])}"
    yield f"Next: {advice['next']}"
    yield from (f"Note: {warning}" for warning in advice["warnings"])


# ---- rules -------------------------------------------------------------------------------------------------------------------


def _rows(found: Mapping[str, Any]) -> dict[str, Any]:
    return {row["label"]: row for row in found["advice"]["rows"]}


def _those(measured: Measured, names: Sequence[str], *algorithms: str) -> dict[str, dict[str, Any]]:
    """The rows of those comparisons that were measured and have these contenders."""
    found = {name: _rows(measured[name]) for name in names or measured if name in measured}
    return {name: rows for name, rows in found.items() if all(algorithm in rows for algorithm in algorithms)}


def _less(memory: Mapping[str, Any], algorithm: str) -> float:
    """Peak memory without the libraries', MB."""
    return memory["algorithms"][algorithm]["peak_memory_mb"] - memory["imports_mb"]


def critic_doubles(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """PPO's memory at least 1.9 times GRPO's is double; less is not."""
    ratio = _less(memory, "ppo") / _less(memory, "grpo")
    return (
        SHOWN if ratio >= 1.9 else WRONG
    ), f"PPO's peak is {ratio:.2f} times GRPO's (328 million parameters, libraries left out)"


def grpo_saves_memory(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """More than 40 % is as claimed; from 30 % on it is not shown to be wrong in kind."""
    saved = 1 - _less(memory, "grpo") / _less(memory, "ppo")
    mark = SHOWN if saved > 0.4 else NOT_SHOWN if saved > 0.3 else WRONG
    return mark, f"{100 * saved:.1f} % less than PPO without counting the libraries"


def one_backward_pass(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """GRPO differentiates each answer at most once, PPO at least twice."""
    found = _those(measured, (), "grpo", "ppo")
    passes = {name: (rows["grpo"]["passes"], rows["ppo"]["passes"]) for name, rows in found.items()}
    right = [grpo <= 1.05 and ppo >= 1.95 for grpo, ppo in passes.values()]
    told = "; ".join(f"{name}: GRPO {short(grpo, 2)}, PPO {short(ppo, 2)}" for name, (grpo, ppo) in passes.items())
    return _mark(right), told + " (PPO's epochs and its critic's passes included)" * bool(told)


def half_the_compute(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """GRPO's CPU seconds are at most 55 % of PPO's, on the same tokens."""
    found = _those(measured, (), "grpo", "ppo")
    shares = {
        name: rows["grpo"]["cpu_seconds"] / rows["ppo"]["cpu_seconds"]
        for name, rows in found.items()
        if _tokens(measured, name)
    }
    told = "; ".join(f"{name}: {100 * share:.0f} %" for name, share in shares.items())
    return _mark([share <= 0.55 for share in shares.values()]), f"GRPO's CPU seconds against PPO's: {told}" if told else ""


def trpo_is_dearest(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """TRPO has the most CPU seconds of all, on the same tokens."""
    found = {name: rows for name, rows in _those(measured, (), *FIVE).items() if _tokens(measured, name)}
    right = [rows["trpo"]["cpu_seconds"] == max(row["cpu_seconds"] for row in rows.values()) for rows in found.values()]
    told = "; ".join(f"{name}: {rows['trpo']['cpu_seconds']:,.0f} s" for name, rows in found.items())
    return _mark(right), f"CPU seconds of a TRPO run: {told}" if told else ""


def reinforce_is_noisy(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """REINFORCE's interval is at least 1.5 times as wide as the others' middle one."""
    found, told, right = _those(measured, (), *FIVE), [], []
    for name, rows in found.items():
        widths = {label: rows[label]["high"] - rows[label]["low"] for label in FIVE if rows[label]["low"] is not None}
        if len(widths) == len(FIVE) and median(widths.values()) > 0:  # else nearly all reached the most there is
            ratio = widths.pop("reinforce") / median(widths.values())
            right.append(ratio >= 1.5)
            told.append(f"{name}: {ratio:.1f} times as wide")
    return _mark(right), f"its interval against the others' middle one: {'; '.join(told)}" if told else ""


def grpo_is_best_at_reasoning(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """GRPO is apart from all others and above them where answers can be checked; below one and apart is wrong; else a tie."""
    found = _those(measured, CHECKABLE, "grpo")
    told, above, below = [], [], []
    for name in found:
        advice = measured[name]["advice"]
        pairs = [pair for pair in advice["pairs"] if "grpo" in (pair["a"], pair["b"])]
        better = [pair for pair in pairs if not pair["tie"] and (pair["difference"] > 0) == (pair["a"] == "grpo")]
        worse = [pair for pair in pairs if not pair["tie"] and pair not in better]
        above.append(len(better) == len(pairs))
        below.append(bool(worse))
        told.append(f"{name}: ahead of {len(better)}, behind {len(worse)}, tied with {len(pairs) - len(better) - len(worse)}")
    mark = OPEN if not found else WRONG if any(below) else SHOWN if all(above) else NOT_SHOWN
    return mark, "; ".join(told)


def dpo_is_not_for_reasoning(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """DPO on sampled pairs improves on the start and ties with the best where answers can be checked: then that is wrong."""
    found, told, wrong = _those(measured, CHECKABLE, "dpo"), [], []
    for name, rows in found.items():
        advice = measured[name]["advice"]
        behind = [p for p in advice["pairs"] if not p["tie"] and {p["a"], p["b"]} >= {"dpo", advice["rows"][0]["label"]}]
        improved = rows["dpo"]["low"] is not None and rows["dpo"]["low"] > advice["start"]["high"]
        wrong.append(improved and not behind)
        told.append(
            f"{name}: {_scored(rows['dpo'], advice['unit'])}{', tied with the best' if not behind else ', behind the best'}"
        )
    mark = OPEN if not found else WRONG if all(wrong) else NOT_SHOWN if any(wrong) else SHOWN
    return mark, "; ".join(told)


def critic_pays_on_long_tasks(measured: Measured, memory: Mapping[str, Any]) -> tuple[str, str]:
    """The best with a critic is apart from every one without, and above; or it gets half of the way on at most half the tokens
    that any without needs."""
    told, right = [], []
    for name in [name for name in LONG if name in measured]:
        advice, rows = measured[name]["advice"], _rows(measured[name])
        critics = {label for label, row in rows.items() if "critic" in row["networks"] or "value head" in row["networks"]}
        others = set(rows) - critics
        best = next((label for label in rows if label in critics), None)
        beaten = {p["b"] for p in advice["pairs"] if p["a"] == best and not p["tie"] and p["difference"] > 0} & others
        soon, late = (
            min((rows[label]["tokens_to"] for label in labels if rows[label]["tokens_to"]), default=None)
            for labels in (critics, others)
        )
        sooner = bool(soon and late and soon <= late / 2)
        right.append(bool(best) and (beaten == others or sooner))
        told.append(
            f"{name}: {best or 'none with a critic'} is ahead of {len(beaten)} of {len(others)} without; half of the way after "
            f"{soon or nan:,.0f} tokens with a critic, {late or nan:,.0f} without"
        )
    return _mark(right), "; ".join(told)


def _mark(right: Sequence[bool]) -> str:
    """Shown where it holds everywhere, wrong where nowhere."""
    return OPEN if not right else SHOWN if all(right) else NOT_SHOWN if any(right) else WRONG


def _tokens(measured: Measured, name: str) -> bool:
    return bool(measured[name]["advice"]["budget"]["tokens"])


CLAIMS = (
    Claim("A critic doubles the memory", critic_doubles),
    Claim("GRPO cuts peak memory by over 40 %", grpo_saves_memory),
    Claim("GRPO needs one backward pass an update where PPO needs two", one_backward_pass),
    Claim("GRPO halves PPO's compute", half_the_compute),
    Claim("TRPO is the most expensive", trpo_is_dearest),
    Claim("REINFORCE is cheap but its results vary most", reinforce_is_noisy),
    Claim("GRPO is the best at reasoning", grpo_is_best_at_reasoning),
    Claim("DPO is for preferences, not for reasoning", dpo_is_not_for_reasoning),
    Claim("A critic earns its keep on long tasks", critic_pays_on_long_tasks),
)


def _scored(row: Mapping[str, Any], unit: str) -> str:
    limits = interval(row["low"], row["high"], unit) if row["low"] is not None else ""
    return f"{score(row['score'], unit)} {limits}".strip()


def _known(value: Any, say: Callable[[float], str]) -> str:
    return "–" if value is None else say(value)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
