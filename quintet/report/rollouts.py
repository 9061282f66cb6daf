"""A few answers that training learned from, beside their siblings."""

from __future__ import annotations

from collections.abc import Sequence

from quintet.observe.before_after import outcome
from quintet.observe.formats import short, signed
from quintet.observe.records import Row, number
from quintet.observe.rollout_groups import by_group, parts, prompt_text
from quintet.report.blocks import Limits, badge, block, folded, section
from quintet.report.facts import Facts
from quintet.report.markup import Markup, join, tag


def rollout_section(facts: Facts, limits: Limits) -> Markup | None:
    """A few answers of the first and of the last step that sampled any, best advantage first."""
    if not facts.first_rollouts:
        return None
    steps = [("First step with rollouts", facts.first_rollouts)]
    if facts.last_rollouts is not facts.first_rollouts:
        steps.append(("Last step", facts.last_rollouts))
    blocks = [_rollout_step(title, rows, limits) for title, rows in steps]
    note = (
        "A few prompts of one step; the answers to each sorted by advantage (the signed number), the best first. "
        "Equal answers are shown once."
    )
    return section("rollouts", "Rollouts", tag("p", note, class_="note"), *blocks)


def _rollout_step(title: str, rows: Sequence[Row], limits: Limits) -> Markup:
    groups = by_group(rows)
    telling = sorted(groups.values(), key=_is_tied)[: limits.groups]
    articles = [_rollout_group(members, limits) for members in telling]
    where = f"step {rows[0]['step']:,}, {rows[0].get('stage', '')}; {len(telling)} of {len(groups)} prompts"
    return join(tag("h3", title, " ", tag("small", where)), *articles)


def _is_tied(rows: Sequence[Row]) -> bool:
    return len({number(row, "reward") for row in rows}) < 2


def _rollout_group(rows: Sequence[Row], limits: Limits) -> Markup:
    merged = _merged(rows)
    shown = _ends(merged, limits.answers)
    prompt = prompt_text(rows[0].get("prompt"))
    left_out = len(rows) - sum(times for _, times in shown)
    return tag(
        "article",
        tag("h4", str(rows[0].get("prompt_id", "")), " ", tag("small", str(rows[0].get("level") or ""))),
        folded("Prompt", prompt, limits.text),
        tag("ol", *(_rollout(row, times, limits) for row, times in shown), class_="rollouts"),
        tag("p", f"{left_out} answers in between are left out.", class_="note") if left_out else None,
    )


def _merged(rows: Sequence[Row]) -> list[tuple[Row, int]]:
    """Siblings that say the same and earned the same, once, with their number."""
    times: dict[tuple[str, float, float], list[Row]] = {}
    for row in rows:
        times.setdefault((str(row.get("text", "")), number(row, "reward"), number(row, "advantage")), []).append(row)
    return [(same[0], len(same)) for same in times.values()]


def _ends(rows: Sequence[tuple[Row, int]], most: int) -> Sequence[tuple[Row, int]]:
    """The best and the worst, in order.  Example: _ends([1, 2, 3, 4, 5], 3) == [1, 2, 5]"""
    return rows if len(rows) <= most else [*rows[: most - most // 2], *rows[len(rows) - most // 2 :]]


def _rollout(row: Row, times: int, limits: Limits) -> Markup:
    advantage = number(row, "advantage")
    sign = "better" if advantage > 0 else "worse" if advantage < 0 else None
    small = [f"reward {short(number(row, 'reward'))}", *parts(row)]
    small.append(f"{short(number(row, 'tokens'))} tokens, {row.get('stop_reason', '')}")
    about = tag(
        "div",
        tag("b", signed(advantage), class_=sign, title="advantage"),
        badge(row) if outcome(row) else None,
        tag("span", f"×{times}", class_="badge") if times > 1 else None,
        tag("small", " · ".join(small)),
        class_="about",
    )
    return tag("li", about, block(str(row.get("text", "")), limits.text, "text"))
