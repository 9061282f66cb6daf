"""The figures of docs/performance.md and docs/growth.svg from benchmarks/results: `python -m benchmarks.performance_page`.
Pure text, so that a test can hold both against the data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS, PAGE, FIGURE = ROOT / "benchmarks" / "results", ROOT / "docs" / "performance.md", ROOT / "docs" / "growth.svg"
BEGIN, END = "<!-- figures: python -m benchmarks.performance_page -->\n", "<!-- end of figures -->\n"
AIMS = {"128-128": 3.0, "512-64": 5.0, "64-512": 2.5, "ragged": 4.0}
"""The times TRL's samples a second that we wanted of a GRPO step with 5 million parameters."""


def main() -> None:
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    PAGE.write_text(before + BEGIN + figures() + END + rest.split(END)[1])
    for told in results("growth-"):
        FIGURE.write_text(growth_figure(told))
    print(f"Written: {PAGE.relative_to(ROOT)}")


def results(kind: str) -> list[dict[str, Any]]:
    """What is committed of a kind (growth-, memory-; speed-), by name and so by date."""
    return [json.loads(file.read_text()) | {"file": file.name} for file in sorted(RESULTS.glob(f"{kind}*.json"))]


def figures() -> str:
    """All tables."""
    parts = [_speed(told) for told in results("speed-")]
    parts += ["".join(f"{line}\n" for line in _growth(told)) for told in results("growth-")]
    parts += ["".join(f"{line}\n" for line in _memory(told)) for told in results("memory-")]
    return "\n" + "\n".join(parts) + "\n"


# ---- against TRL -----------------------------------------------------------------------------------------------------------


def _speed(told: Mapping[str, Any]) -> str:
    grpo = [one for one in told["settings"] if one["floor"]]
    others = [one for one in told["settings"] if not one["floor"]]
    lines = [*_where(told), "", *_grpo(grpo)]
    if others:
        lines += ["", *_others(others)]
    return "".join(f"{line}\n" for line in lines)


def _where(told: Mapping[str, Any]) -> Iterator[str]:
    machine, sides = told["machine"], told["settings"][0]["sides"]
    vectors = ", ".join(machine["vectors"])
    versions = [v["versions"] for name, v in sides.items() if name != "quintet"]
    trl = " and ".join(v["trl"] for v in versions)
    yield f"### {machine['processor']}, {machine['cores']} cores ({vectors}), {told['threads']} threads"
    yield ""
    yield f"torch {versions[0]['torch']}; TRL {trl} with transformers {versions[0]['transformers']}. Medians over all measured"
    yield f"steps; in brackets the smallest and largest ratio of the rounds. Data: benchmarks/results/{told['file']}."


def _grpo(some: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "A GRPO step, 4 prompts with 8 answers each, against the faster of the two TRL. *Bound*: TRL's step over the time of"
    yield "the step's matrix products alone, each prompt read once: who computes these here can't have a larger ratio."
    yield "*Over products*: our own time over theirs, of writing, of learning and of the whole step."
    yield ""
    titles = "model, prompt-answer tokens | Quintet | TRL | samples/s | aim | bound | writing | learning | peak memory"
    yield f"| {titles} | over products |"
    yield f"|{'---|' * 10}"
    for one in some:
        ours, theirs = one["sides"]["quintet"], faster(one)
        writing, learning = one["floor"]["writing_seconds"], one["floor"]["learning_seconds"]
        over = (ours["generate_seconds"] / writing, ours["learn_seconds"] / learning, one["step_over_floor"])
        cells = [
            *_times_as_fast(one),
            _aim(one),
            f"{theirs['step_seconds'] / (writing + learning):.1f}×",
            _times(one["decode_ratio"]),
            _times(one["learn_ratio"]),
            _peak(one),
            ", ".join(f"{x:.1f}" for x in over),
        ]
        yield f"| {' | '.join(cells)} |"


def _others(some: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "Other work. *decode*: answers alone, against transformers' generate. PPO has a reward model, a reference and a"
    yield "critic on both sides, as TRL's can't do without; of the two only 1.9.2 has it."
    yield ""
    yield "| what | Quintet | TRL | samples/s | peak memory |"
    yield "|---|---|---|---|---|"
    for one in some:
        cells = [
            *_times_as_fast(one),
            _peak(one),
        ]
        yield f"| {' | '.join(cells)} |"


def faster(one: Mapping[str, Any]) -> Mapping[str, Any]:
    """The peer that a setting's ratios are against."""
    return min((side for name, side in one["sides"].items() if name != "quintet"), key=lambda side: side["step_seconds"])


def _times_as_fast(one: Mapping[str, Any]) -> list[str]:
    """Four cells: what was measured, both sides' seconds, the ratio with its spread."""
    low, high = one["ratio_spread"]
    seconds = [f"{side['step_seconds']:.2f} s" for side in (one["sides"]["quintet"], faster(one))]
    return [_name(one), *seconds, f"**{one['samples_per_second_ratio']:.2f}×** ({low:.2f}–{high:.2f})"]


def _peak(one: Mapping[str, Any]) -> str:
    """Nothing where loading the model took more than the work did."""
    if not one["sides"]["quintet"]["peak_mb"]:
        return "less than loading"
    return f"{one['peak_memory_ratio']:.2f}× ({one['sides']['quintet']['peak_mb']:,.0f} MiB)"


def _name(one: Mapping[str, Any]) -> str:
    size, _, rest = one["setting"].partition("-")
    lengths, _, algorithm = rest.partition("+")
    few = "" if one["runs"] >= 5 else f", {one['runs']} {'run' if one['runs'] == 1 else 'runs'}"
    return f"{algorithm} {size.upper()} {lengths}, {one['dtype']}{few}".strip()


def _aim(one: Mapping[str, Any]) -> str:
    size, _, lengths = one["setting"].partition("-")
    return f"{AIMS[lengths]:g}×" if size == "5m" else ""


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}×"


# ---- growth and memory -----------------------------------------------------------------------------------------------------

TITLES = {
    "group": "answers to each of 4 prompts",
    "prompts": "prompts, 8 answers each",
    "prompt": "tokens of each prompt",
    "answer": "tokens of each answer",
    "size": "model",
}


def _growth(told: Mapping[str, Any]) -> Iterator[str]:
    peer = told["peer"]
    yield "### How a step's cost grows"
    yield ""
    yield "![Seconds and memory of a step against what varies](growth.svg)"
    yield ""
    yield "One thing varied at a time around 4 prompts of 128 tokens with 8 answers of 64 tokens each, 5M parameters, float32;"
    yield f"one step each after one that isn't counted. The same machine; {peer.upper()[:3]}{peer[3:]}."
    yield f"`python -m benchmarks.growth`, benchmarks/results/{told['file']}."
    yield ""
    yield "| varied | | Quintet | TRL | times as fast | peak memory |"
    yield "|---|---|---|---|---|---|"
    for axis, points in told["axes"].items():
        for n, one in enumerate(points):
            ours, theirs = one["quintet"], one[peer]
            ratio, memory = theirs["step_seconds"] / ours["step_seconds"], ours["peak_mb"] / theirs["peak_mb"]
            cells = [
                TITLES[axis] if n == 0 else "",
                one[axis],
                f"{ours['step_seconds']:.2f} s",
                f"{theirs['step_seconds']:.2f} s",
            ]
            yield f"| {' | '.join(map(str, cells))} | {ratio:.2f}× | {memory:.2f}× |"


def _memory(told: Mapping[str, Any]) -> Iterator[str]:
    yield "### Memory, expected and measured"
    yield ""
    yield "What the line before a stage expects of the process, and what it then had at its peak; three steps on 5×5 mazes."
    yield f"`python -m benchmarks.memory_forecast`, benchmarks/results/{told['file']}."
    yield ""
    yield "| preset | algorithm | expected | measured | ratio |"
    yield "|---|---|---|---|---|"
    for row in told["cases"]:
        expected, measured = row["expected_mb"], row["measured_mb"]
        yield (
            f"| {row['preset']} | {row['algorithm']} | {expected:,.0f} MiB | {measured:,.0f} MiB | {expected / measured:.2f} |"
        )


# ---- the figure ------------------------------------------------------------------------------------------------------------

PANEL, GAP, LEFT, TOP, HEIGHT = 150, 28, 44, 34, 120
COLOURS = {"quintet": "#2f8f5b", "peer": "#8a8a8a"}
ROWS = (("step_seconds", "seconds"), ("peak_mb", "MiB"))


def growth_figure(told: Mapping[str, Any]) -> str:
    """Seconds above, memory below, a column for each thing that varies; both axes logarithmic, as SVG."""
    axes = told["axes"]
    width, height = LEFT + len(axes) * (PANEL + GAP), 2 * (HEIGHT + 50) + TOP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        "<title>Seconds and memory of a GRPO step, Quintet (green) and TRL (grey)</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="{LEFT}" y="14" fill="{COLOURS["quintet"]}">Quintet</text>',
        f'<text x="{LEFT + 52}" y="14" fill="{COLOURS["peer"]}">{told["peer"].replace("trl", "TRL")}</text>',
    ]
    for row, (key, unit) in enumerate(ROWS):
        values = [one[side][key] for points in axes.values() for one in points for side in ("quintet", told["peer"])]
        low, high = min(values) / 1.2, max(values) * 1.2
        top = TOP + row * (HEIGHT + 50)
        for column, (axis, points) in enumerate(axes.items()):
            parts += _panel(points, axis, key, unit if column == 0 else "", told["peer"], (low, high), column, top)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(
    points: Sequence[Mapping[str, Any]],
    axis: str,
    key: str,
    unit: str,
    peer: str,
    reach: tuple[float, float],
    column: int,
    top: float,
) -> Iterator[str]:
    left = LEFT + column * (PANEL + GAP)

    def x(n: int) -> float:
        return left + PANEL * n / max(1, len(points) - 1)

    def y(value: float) -> float:
        return top + HEIGHT * (1 - log(value / reach[0]) / log(reach[1] / reach[0]))

    for tick in (0.1, 1, 10, 100, 1000, 10_000):
        if reach[0] <= tick <= reach[1]:
            yield f'<line x1="{left}" x2="{left + PANEL}" y1="{y(tick):.1f}" y2="{y(tick):.1f}" stroke="#e2e2e2"/>'
            if unit:
                yield f'<text x="{left - 6}" y="{y(tick) + 4:.1f}" text-anchor="end" fill="#555">{tick:g}</text>'
    if unit:
        yield f'<text x="{left - 6}" y="{top + 4}" text-anchor="end" fill="#555">{unit}</text>'
    for n, one in enumerate(points):
        yield f'<text x="{x(n):.1f}" y="{top + HEIGHT + 14}" text-anchor="middle" fill="#555">{one[axis]}</text>'
    yield f'<text x="{left + PANEL / 2}" y="{top + HEIGHT + 28}" text-anchor="middle" fill="#222">{TITLES[axis]}</text>'
    for side, colour in ((peer, COLOURS["peer"]), ("quintet", COLOURS["quintet"])):
        line = " ".join(f"{x(n):.1f},{y(one[side][key]):.1f}" for n, one in enumerate(points))
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>'


if __name__ == "__main__":
    main()
