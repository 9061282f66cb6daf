"""docs/recipes/deepseekmath.md and its figure from deepseekmath.json: pure text, so that a test can hold both against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from benchmarks.results_page import mean_and_reach

INTRODUCTION = """\
# DeepSeekMath's loop

[recipes/deepseekmath.toml](../../recipes/deepseekmath.toml) is DeepSeekMath's iterative GRPO (arXiv:2402.03300, Algorithm 1):
in each round a process reward model learns, from answers of the policy as it is then and a tenth from earlier rounds, which
steps are right; then GRPO learns from its scores, with a KL to the policy as it was when the round began. Its settings for the
real model, DeepSeekMath 7B on GSM8K, are the paper's; they have **not** been run here: no machine at hand holds that model.

<!-- not run: it takes from a minute to hours -->
```console
$ quintet train --recipe recipes/deepseekmath.toml                # a GPU with room for a model of 7 billion parameters
$ quintet train --recipe recipes/deepseekmath.toml --small        # the same loop in about a minute; too short to solve much
$ quintet train grpo --recipe recipes/deepseekmath.toml --small   # the same: GRPO with the stages that it builds on
$ make deepseekmath                                               # what follows
```

## What the paper compares, at the size of a laptop

Word problems of one to three steps (`--task word-problems`), such as

```text
Eva has 40 books. Tom has 37 apples. Eva breaks 34. Eva finds 43. How many books has Eva?
40-34=6
6+43=49
#### 49
```

and a Qwen3-shaped model of 1.4 million parameters, trained from random weights on a careless teacher's solutions (a quarter of
the *steps* slip), goes on from one start: by RFT (it imitates the start's right answers), Online RFT (its own), GRPO with
outcome supervision, with process supervision by the task's exact rule or by a trained reward model, and iterative GRPO.
"""

CAVEAT = """\
One learning rate for all, not searched, and GRPO alone is held near the start by its KL (.04, the paper's): these are the
methods at these settings after few steps, not at their best. What there is to learn, to leave a careless teacher's slips out,
suits imitation of one's right answers. Seconds are of a machine with many other processes.
"""
JUDGES = """\
With the task's exact rule process supervision works; with a reward model of the policy's own size the score falls from the
first steps on, while the reward model's own stays or rises. It has learned which operation a story asks for, but not to add:
it gives 2 + 14 = 26 the same chance as 2 + 14 = 16, for the start slips by at most 3 and it never saw a wrong ten. The policy
finds such answers, and a round's eight steps on them don't teach the reward model to add. More steps don't either
([the log](../log.md)).
"""
COLOURS = ("#8a8a8a", "#c9a227", "#3b6fb6", "#2f8f5b", "#b5485d", "#7a4fa3")
ORDERINGS = (
    ("Online RFT > RFT", "online-rft", "rft"),
    ("GRPO (outcome) > Online RFT", "grpo-os", "online-rft"),
    ("GRPO, process > GRPO, outcome", "grpo-ps", "grpo-os"),
    ("iterative > reward model trained once", "iterative", "grpo-ps-model"),
)
"""The paper's: what it says, and which contender should be above which."""


def page(data: Mapping[str, Any]) -> str:
    """The whole page."""
    parts = [INTRODUCTION, _setting(data), _table(data), _orderings(data), _judges(data), _majority(data), _recipes(data)]
    return "\n".join(filter(None, parts))


def _setting(data: Mapping[str, Any]) -> str:
    machine, before, reward = data["machine"], data["start"]["final"], data["reward"]["reward_models"]
    versions = ", ".join(f"{name} {machine[name.lower()]}" for name in ("Python", "torch", "transformers", "Quintet"))
    judged = f" The reward model is right about {_percent(reward[-1])} of steps of held-out answers." if reward else ""
    return (
        f"Each run: {data['steps']} steps of 16 questions with 8 answers each, the same learning rate for all (1e-4, not "
        f"searched).\nThe start solves {_percent(before)} of {before['n']:,} held-out problems.{judged}\n"
        "Scores are shares of held-out problems solved by one answer sampled at temperature 1. In brackets: 95 % intervals by\n"
        "Wilson; those of means and differences are Student's t over seeds.\n\n"
        f"{_unmeasured(data['unmeasured'])}"
        f"Machine: {machine['processor']}, {machine['cores']} cores shared with other work, one thread; {versions}.\n"
    )


def _unmeasured(titles: Sequence[str]) -> str:
    if not titles:
        return ""
    return f"**Not measured yet**, for want of time on that machine: {'; '.join(titles)}. `make deepseekmath` does them.\n\n"


def _table(data: Mapping[str, Any]) -> str:
    seeds = [run["seed"] for run in next(iter(data["contenders"].values()))["runs"]]
    lines = [
        "![Held-out score along the steps](deepseekmath.svg)",
        "",
        f"| | {' | '.join(f'seed {s}' for s in seeds)} | mean | tokens sampled | wall seconds of steps |",
        f"|---|{'---|' * (len(seeds) + 3)}",
    ]
    for found in data["contenders"].values():
        some = found["runs"]
        by_seed = {run["seed"]: _percent(run["final"]) for run in some}
        cells = [found["title"], *(by_seed.get(seed, "") for seed in seeds), _mean(some)]
        cells += [_span([run["sampled_tokens"] for run in some]), _span([run["seconds"] for run in some])]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _orderings(data: Mapping[str, Any]) -> str:
    """Which of the paper's orderings hold: by the mean of the seeds' differences, with its interval."""
    lines = [
        "## The paper's orderings",
        "",
        "In percentage points.",
        "",
        "| the paper | difference here, seed by seed | mean | so |",
        "|---|---|---|---|",
    ]
    for said, above, below in ORDERINGS:
        if not {above, below} <= set(data["contenders"]):
            lines.append(f"| {said} | not measured | | |")
            continue
        others = {run["seed"]: run["final"]["score"] for run in data["contenders"][below]["runs"]}
        runs = [run for run in data["contenders"][above]["runs"] if run["seed"] in others]
        gains = [run["final"]["score"] - others[run["seed"]] for run in runs]
        lines.append(f"| {said} | {', '.join(f'{100 * g:+.1f}' for g in gains)} | {_gain(gains)} | {verdict(gains)} |")
    return "\n".join([*lines, "", CAVEAT])


def verdict(gains: Sequence[float]) -> str:
    """What differences between two contenders, a seed each, say.  Example: .1, .1, .12 hold; .1, −.1, 0 are a tie."""
    if len(gains) < 2:
        return "one seed says nothing"
    mean, reach = mean_and_reach(list(gains))
    if abs(mean) <= reach:
        return f"a tie ({'for' if mean > 0 else 'against'} it by the mean)"
    return "holds" if mean > 0 else "the other way round"


def _judges(data: Mapping[str, Any]) -> str:
    """What the reward models of iterative GRPO are worth, round by round."""
    if "iterative" not in data["contenders"]:
        return ""
    lines = [
        "## A reward model that is fooled",
        "",
        JUDGES,
        "| | held-out steps that it judges rightly, round by round | of these answers' steps are right |",
        "|---|---|---|",
    ]
    for run in data["contenders"]["iterative"]["runs"]:
        right, share = ([f"{100 * r[key]:.1f}" for r in run["reward_models"]] for key in ("score", "right"))
        lines.append(f"| seed {run['seed']} | {', '.join(right)} % | {', '.join(share)} % |")
    return "\n".join(lines) + "\n"


def _majority(data: Mapping[str, Any]) -> str:
    """Maj@K against Pass@K, before and after."""
    before = data["start"]["several"]
    most = max(map(int, before["pass"]))
    lines = [
        "## Maj@K and Pass@K",
        "",
        f"The paper: reinforcement lifts Maj@K, not Pass@K. Of {before['n']} held-out problems, {most} answers each:",
        "",
        f"| | Pass@1 | Maj@{most} | Pass@{most} |",
        "|---|---|---|---|",
        f"| start | {_several(before, most)} |",
    ]
    for found in data["contenders"].values():
        some = [run["several"] for run in found["runs"] if run["several"]]
        for number, one in enumerate(some):
            lines.append(f"| {found['title']}, seed {found['runs'][number]['seed']} | {_several(one, most)} |")
    return "\n".join(lines) + "\n"


def _recipes(data: Mapping[str, Any]) -> str:
    blocks = "\n\n".join(f"# ---- {name}\n{text}" for name, text in data["recipes"].items())
    return f"## The recipes\n\n<!-- not run: it takes from a minute to hours -->\n```toml\n{blocks}\n```\n"


# ---- the figure ------------------------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 760, 380, 56, 20, 220, 40


def figure(data: Mapping[str, Any]) -> str:
    """Mean held-out score over seeds against steps of the policy, a curve for each contender, as SVG."""
    curves = {found["title"]: mean_curve(found["runs"], data["start"]["final"]) for found in data["contenders"].values()}
    points = [y for curve in curves.values() for _, y in curve]
    low, high = min(points) - 0.02, max(points) + 0.02

    def x(steps: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * steps / data["steps"]

    def y(score: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - score) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        "<title>Share of held-out word problems solved, by steps of training</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for tenth in range(int(low * 20) + 1, int(high * 20) + 1):
        at = y(tenth / 20)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}" stroke="#e2e2e2"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" fill="#555">{5 * tenth} %</text>')
    parts += [
        f'<text x="{x(steps):.1f}" y="{HEIGHT - 18}" text-anchor="middle" fill="#555">{steps}</text>'
        for steps in sorted({steps for curve in curves.values() for steps, _ in curve})
    ]
    parts.append(f'<text x="{x(data["steps"] / 2):.1f}" y="{HEIGHT - 2}" text-anchor="middle" fill="#555">steps</text>')
    ends = _apart([y(curve[-1][1]) for curve in curves.values()])
    for (title, curve), colour, end in zip(curves.items(), COLOURS, ends, strict=False):
        line = " ".join(f"{x(steps):.1f},{y(score):.1f}" for steps, score in curve)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{WIDTH - RIGHT + 8}" y="{end + 4:.1f}" fill="{colour}">{title}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def mean_curve(some: Sequence[Mapping[str, Any]], begun: Mapping[str, Any]) -> list[tuple[int, float]]:
    """(steps, mean score over seeds) from the common start on; the last point is that of the final evaluation."""
    found: dict[int, list[float]] = {}
    for run in some:
        last = max(point["steps"] for point in run["curve"])
        for point in run["curve"]:
            if point["steps"]:
                score = run["final"]["score"] if point["steps"] == last else point["score"]
                found.setdefault(point["steps"], []).append(score)
    return [(0, begun["score"]), *((steps, sum(s) / len(s)) for steps, s in sorted(found.items()))]


def _apart(places: Sequence[float], gap: float = 15) -> list[float]:
    """Places of labels, moved down where two would touch."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    found = list(places)
    for before, after in pairwise(order):
        found[after] = max(found[after], found[before] + gap)
    return found


# ---- numbers ---------------------------------------------------------------------------------------------------------------


def _percent(row: Mapping[str, float]) -> str:
    return f"{row['score']:.1%} ({100 * row['low']:.1f}–{100 * row['high']:.1f})".replace("%", " %")


def _several(row: Mapping[str, Any], most: int) -> str:
    return " | ".join(_percent(row[kind][str(k)]) for kind, k in (("pass", 1), ("maj", most), ("pass", most)))


def _mean(some: Sequence[Mapping[str, Any]]) -> str:
    scores = [run["final"]["score"] for run in some]
    if len(scores) < 2:
        return f"**{100 * scores[0]:.1f} %**"
    mean, reach = mean_and_reach(scores)
    return f"**{100 * mean:.1f} %** ± {100 * reach:.1f}"


def _gain(gains: Sequence[float]) -> str:
    if len(gains) < 2:
        return f"{100 * gains[0]:+.1f}"
    mean, reach = mean_and_reach(list(gains))
    return f"{100 * mean:+.1f} ± {100 * reach:.1f}"


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):,.0f}", f"{max(values):,.0f}"
    return low if low == high else f"{low}–{high}"
