"""Recipes and flags → a comparison. What its runs share stands where a run's settings stand; `[comparison]` says how often and
within which budget, `[[start]]` how the common start is trained, `[[contender]]` what is compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from pathlib import Path
from time import strftime
from typing import Any

from quintet.config import checks, known, registry
from quintet.config.draft import Draft, Given, Section, algorithm_of, stage_names
from quintet.config.flags import Flag, put
from quintet.config.problems import Problem, SettingsError
from quintet.config.recipe import Reader, read_toml
from quintet.config.render import BUDGETS
from quintet.config.resolve import Resolver
from quintet.settings import Comparison, Experiment, Run

START = "start"
"""The folder of the common start, and so no contender's label."""
ENDLESS = 1_000_000
"""Steps of a stage that its budget ends."""


@dataclass
class _Draft:
    """A comparison's settings before they are checked."""

    shared: Draft = field(default_factory=Draft)
    how: Section = field(default_factory=dict)
    start: list[Section] = field(default_factory=list)
    contenders: list[Section] = field(default_factory=list)

    def over(self, base: _Draft) -> _Draft:
        """These settings in front of those of `base`."""
        start, contenders = (
            Draft(stages=ours).over(Draft(stages=theirs)).stages
            for ours, theirs in ((self.start, base.start), (self.contenders, base.contenders))
        )
        return _Draft(self.shared.over(base.shared), {**base.how, **self.how}, start, contenders)

    def with_stages(self, stages: list[Section]) -> Draft:
        """What is shared, with these stages: a run's settings."""
        shared = self.shared
        return Draft(shared.task, dict(shared.machine), dict(shared.sampling), shared.tasks, stages)


def new_comparison(
    recipe: Path | None, small: bool, algorithms: Sequence[str], flags: Sequence[Flag], problems: Sequence[Problem] = ()
) -> Experiment:
    """The comparison that `quintet compare` is asked for; its folder is free.

    `algorithms`: those to compare, or labels of the recipe's contenders; none takes all of the recipe's. Raises SettingsError
    with everything that is wrong with any of its runs."""
    found = list(problems)
    draft = _read(recipe, small, found) if recipe else _Draft()
    if small and not recipe:
        found.append(Problem("--small", "There is no recipe whose [small] table it could use. Write --recipe FILE, too."))
    _choose(draft, algorithms, found)
    _put(flags, draft, found)
    return _resolve(draft, found, new=True)


def read_comparison(path: Path, seeds: int | None = None) -> Experiment:
    """The comparison that a comparison.toml describes, in the file's folder; `seeds`: with so many runs of each contender."""
    problems: list[Problem] = []
    draft = _read(path, False, problems)
    draft.shared.machine["out"] = Given(str(path.parent), str(path))
    if seeds is not None:
        draft.how["seeds"] = Given(seeds, "--seeds")
    return _resolve(draft, problems, new=False)


# ---- reading ---------------------------------------------------------------------------------------------------------------


def _read(path: Path, small: bool, problems: list[Problem]) -> _Draft:
    document, reader = read_toml(path, problems)
    overrides = document.pop("small", None)
    draft = _draft(reader, document, ())
    if not small:
        return draft
    if not isinstance(overrides, Mapping):
        problems.append(Problem(str(path), "There is no [small] table for --small to use."))
        return draft
    return _draft(reader, overrides, ("small",)).over(draft)


def _draft(reader: Reader, table: Mapping[str, Any], at: tuple[str | int, ...]) -> _Draft:
    """The settings of a document, or of its table [small]."""
    rest = {key: value for key, value in table.items() if key not in ("comparison", "start", "contender")}
    if "stage" in rest:
        what = "A comparison has no [[stage]]: write [[start]] for what trains the common start and [[contender]] for each run."
        reader.complain((*at, "stage"), what)
        del rest["stage"]
    draft = _Draft(reader.draft(rest, at))
    if "comparison" in table:
        draft.how = reader.section(table["comparison"], (*at, "comparison"))
    if "start" in table:
        draft.start = reader.stages(table["start"], (*at, "start"))
    if "contender" in table:
        sections = reader.stages(table["contender"], (*at, "contender"))
        draft.contenders = [{"name" if k == "label" else k: given for k, given in s.items()} for s in sections]
    return draft


def _choose(draft: _Draft, algorithms: Sequence[str], problems: list[Problem]) -> None:
    """Only the contenders named, by label or algorithm; those that the recipe hasn't got, with their defaults."""
    if not algorithms:
        if not draft.contenders:
            there = ", ".join(registry.ALGORITHMS)
            problems.append(Problem("", f"Nothing is compared yet. Write --algorithms A,B,… ({there}), or a recipe."))
        return
    chosen: list[Section] = []
    named = list(zip(stage_names(draft.contenders), draft.contenders, strict=True))
    for name in dict.fromkeys(algorithms):
        hits = [s for label, s in named if name in (label, s["algorithm"].value if "algorithm" in s else None)]
        chosen += [s for s in hits if s not in chosen] or [{"algorithm": Given(name, "--algorithms")}]
    draft.contenders = chosen


def _put(flags: Sequence[Flag], draft: _Draft, problems: list[Problem]) -> None:
    """Put flags into the sections that have their settings: a contender's setting, where no label stands before it, into every
    contender that has it."""
    comparison = known.comparison()
    everywhere = {**known.machine(), **known.sampling(), **known.task(_task_named(flags, draft) or "")}
    names = stage_names([*draft.start, *draft.contenders])[len(draft.start) :]
    owned = {name: known.stage(algorithm_of(s) or "") for name, s in zip(names, draft.contenders, strict=True)}
    expanded: list[Flag] = []
    for flag in flags:
        if flag.place in ("", "comparison") and flag.key in comparison:
            draft.how[flag.key] = flag.given
        elif flag.place or flag.key in everywhere or flag.name == "task":
            expanded.append(flag)
        else:
            owners = [name for name, fields in owned.items() if flag.key in fields]
            expanded += [Flag(f"{name}.{flag.key}", flag.value, flag.written) for name in owners] or [flag]
    whole = replace(draft.shared, stages=[*draft.start, *draft.contenders])
    put(expanded, whole, problems, known.machine(), training=True)
    draft.shared.task = whole.task


def _task_named(flags: Sequence[Flag], draft: _Draft) -> str | None:
    """The task that --task, a flag such as --data or the recipe chooses."""
    given = {flag.name: flag.value for flag in flags}
    chosen = given.get("task") or next((t for key, t in registry.CHOOSES_TASK.items() if key in given), None)
    return str(chosen) if chosen in registry.TASKS else draft.shared.task_name()


# ---- from a draft to an experiment -----------------------------------------------------------------------------------------


def _resolve(draft: _Draft, problems: list[Problem], new: bool) -> Experiment:
    """Every run resolved by itself; all that is wrong with any of them at once."""
    how = _how(draft, problems)
    task = draft.shared.task_name() or ""
    out = str(draft.shared.machine["out"].value) if "out" in draft.shared.machine else str(_free_folder(task))
    draft.shared.machine["out"] = Given(out, draft.shared.machine["out"].where if "out" in draft.shared.machine else "")
    if new:
        problems += [Problem("--out", what) for what in checks.of_new_comparison(Path(out))]
    problems += list(_of_parallel(how, draft)) if new else []
    names = stage_names([*draft.start, *draft.contenders])[len(draft.start) :]
    contenders = [_contender(draft, how, n, s, problems) for n, s in zip(names, draft.contenders, strict=True)]
    problems += [Problem("", what) for what in _of_labels(names)]
    problems += [Problem("", what) for what in _of_scores(next((run for run in contenders if run), None))]
    start = _run(draft.with_stages(draft.start), problems) if draft.start else None
    if problems:
        raise SettingsError(problems)
    return Experiment(out, how, start, tuple(run for run in contenders if run))


def _how(draft: _Draft, problems: list[Problem]) -> Comparison:
    """How often and within which budget; a budget of seconds alone leaves the tokens unbounded."""
    resolver = Resolver(Draft())
    values = resolver.values(draft.how, known.comparison(), "comparison")
    problems += resolver.problems
    how = Comparison(**values)
    if how.seconds and "tokens" not in draft.how:
        how = replace(how, tokens=0)
    if not how.tokens and not how.seconds:
        what = "Without a budget nothing is compared on equal terms. Set tokens=60000 (sampled tokens a run), or seconds=60."
        problems.append(Problem(draft.how["tokens"].where if "tokens" in draft.how else "", what))
    return how


def _of_parallel(how: Comparison, draft: _Draft) -> list[Problem]:
    from quintet.environment import usable_cores

    cores = usable_cores()
    if how.parallel <= cores:
        return []
    where = draft.how["parallel"].where if "parallel" in draft.how else ""
    return [Problem(where, f"parallel={how.parallel} is more than the {cores} cores this process may use. Set it to {cores}.")]


def _of_scores(run: Run | None) -> Iterator[str]:
    """Without held-out scores there would be nothing to compare in the end."""
    if run is not None:
        yield from checks.of_scoring(run.task)
        if not run.machine.eval_problems:
            yield "eval_problems=0 scores nothing, so there would be nothing to compare. Set eval_problems=500 or more."


def _of_labels(names: Sequence[str]) -> list[str]:
    """Labels are folders, each its own; a file system may not tell capitals from small letters."""
    if START in names:
        return [f'"{START}" is the folder of the common start. Give this contender another label.']
    folded = [name.casefold() for name in names]
    double = [name for name in names if folded.count(name.casefold()) > 1]
    return [f"Labels must differ: {', '.join(double)}. Give each contender a label of its own."] if double else []


def _contender(draft: _Draft, how: Comparison, name: str, given: Section, problems: list[Problem]) -> Run | None:
    """A contender's run, within the comparison's budget."""
    own = [given[key] for key in BUDGETS if key in given]
    problems += [Problem(g.where, "All contenders have the comparison's budget. Set tokens or seconds there.") for g in own]
    section = {**given, "name": Given(name, given["name"].where if "name" in given else "")}
    run = _run(draft.with_stages([section]), problems)
    if run is None:
        return None
    (stage,) = run.stages
    if stage.algorithm.needs.score:
        where = given["algorithm"].where
        problems.append(Problem(where, f"{name} trains a reward model, no policy. Make it a [[start]] stage of a recipe."))
        return None
    steps = stage.steps
    if "steps" not in given:
        if not stage.samples and not how.seconds:
            what = f"{name} samples nothing, so a budget of tokens has no end for it. Set its steps, or a budget of seconds."
            problems.append(Problem(given["algorithm"].where, what))
        # each answer is at least a token long: no run can need more steps than this to use up its tokens
        least = stage.prompts_per_step * stage.group_size
        steps = ceil(how.tokens / least) if how.tokens and stage.samples else ENDLESS
    tokens = how.tokens if stage.samples else 0
    return replace(run, stages=(replace(stage, steps=steps, token_budget=tokens, seconds_budget=how.seconds),))


def _run(draft: Draft, problems: list[Problem]) -> Run | None:
    """The run, or None and its problems."""
    try:
        return Resolver(draft).run(new=False)
    except SettingsError as error:
        problems += error.problems
        return None


def _free_folder(task: str) -> Path:
    """A folder that isn't there yet, named after the task and the time."""
    name = "-".join(filter(None, ["compare", task, strftime("%Y%m%d-%H%M%S")]))
    path, number = Path("runs") / name, 1
    while path.exists():
        number += 1
        path = Path("runs") / f"{name}-{number}"
    return path
