"""Flags: any setting on the command line, in front of what a recipe says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from quintet.config import known, registry
from quintet.config.draft import Draft, Given, Section, algorithm_of, stage_names
from quintet.config.problems import Problem, did_you_mean, nearest


@dataclass(frozen=True)
class Flag:
    """`--grpo.lr 1e-5` is Flag("grpo.lr", "1e-5"); `--no-instructions` is Flag("instructions", False)."""

    name: str
    """In snake case, with the stage or section before it where one was named."""
    value: str | bool
    written: str
    """As the user wrote it, without its value."""

    @property
    def key(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def place(self) -> str:
        return self.name.rpartition(".")[0]

    @property
    def given(self) -> Given:
        return Given(self.value, self.written, text=True)


@dataclass
class CommandLine:
    """What was written after `quintet COMMAND`."""

    words: list[str] = field(default_factory=list)
    """What is no flag, in order."""
    options: dict[str, str | bool] = field(default_factory=dict)
    """The command's own flags."""
    flags: list[Flag] = field(default_factory=list)
    """Settings."""
    problems: list[Problem] = field(default_factory=list)


def spelled(key: str) -> str:
    """A setting as a flag.  Example: spelled("max_new_tokens") == "--max-new-tokens" """
    return f"--{key.replace('_', '-')}"


def split(arguments: Sequence[str], options: Mapping[str, bool], settings: bool = True) -> CommandLine:
    """Words, flags and their values. `options`: the command's own flags, True for those that take a value. `settings`: it has
    those of runs, too."""
    line, switches, rest = CommandLine(), known.switches(), list(arguments)
    while rest:
        argument = rest.pop(0)
        if not argument.startswith("--"):
            short = {"-h": "help", "-o": "out"}.get(argument)
            if short is None and argument[:1] == "-" and argument[1:2].isalpha():
                line.problems.append(Problem(argument, f"Flags begin with two dashes: -{argument}"))
                if rest and not rest[0].startswith("-"):
                    rest.pop(0)  # its value
                continue
            if short is None:
                line.words.append(argument)
                continue
            argument = f"--{short}"
        written, equals, value = argument.partition("=")
        name = _snake(written.removeprefix("--"))
        place, dot, key = name.rpartition(".")
        positive = f"{place}{dot}{key.removeprefix('no_')}"
        if not equals and options.get(name) is False:
            line.options[name] = True
        elif not equals and key in switches and name not in options:
            line.flags.append(Flag(name, True, written))
        elif not equals and key.startswith("no_") and key.removeprefix("no_") in switches:
            line.flags.append(Flag(positive, False, written))
        else:
            text = value if equals else _value(rest)
            if text is None:
                line.problems.append(Problem(written, _without_value(name, options, settings)))
            elif any("\ud800" <= character <= "\udfff" for character in text):
                line.problems.append(Problem(written, "Its value is no text in UTF-8."))
            elif name in options:
                line.options[name] = text
            elif option := _option_meant(name, options, settings):
                line.problems.append(Problem(written, f'There is no such flag. Did you mean "{spelled(option)}"?'))
            else:
                line.flags.append(Flag(name, text, written))
    return line


def _value(rest: list[str]) -> str | None:
    """The next argument, unless it is a flag or there is none; a number below 0 is a value."""
    return rest.pop(0) if rest and not rest[0].startswith("--") else None


def _without_value(name: str, options: Mapping[str, bool], settings: bool) -> str:
    if name in options or known.owners(name.rpartition(".")[2]) or name == "task":
        return "It needs a value behind it."
    if option := _option_meant(name, options, settings):
        return f'There is no such flag. Did you mean "{spelled(option)}"?'
    return _unknown_flag(name.rpartition(".")[2], "machine", [*known.machine(), *options])


def _option_meant(name: str, options: Mapping[str, bool], settings: bool) -> str | None:
    """The command's own flag that was meant by a name that nothing has, if no setting is nearer."""
    if not settings:
        return nearest(name, options)
    near = None if name == "task" or known.owners(name) else nearest(name, [*options, *known.every_name()])
    return near if near in options else None


def _snake(name: str) -> str:
    """The key in snake case; a stage's name before it stays as it is."""
    place, dot, key = name.rpartition(".")
    return f"{place}{dot}{key.replace('-', '_')}"


def _unknown_flag(key: str, place: str, valid: Iterable[str]) -> str:
    return known.unknown(key, place, valid, spelled)


def put(flags: Sequence[Flag], draft: Draft, problems: list[Problem], machine: known.Fields, training: bool) -> None:
    """Put flags into a draft, each into the one section that has its setting; what fits nowhere is added to `problems`.

    `machine`: the settings of Machine that this command has. A command that doesn't train has no stages."""
    _choose_task(flags, draft)
    places = _places(draft, machine)
    for flag in flags:
        if flag.name == "task":
            continue
        hits = [p for p in places if flag.key in p.fields and flag.place in ("", p.name)]
        if len(hits) == 1:
            hits[0].section[flag.key] = flag.given
        elif hits:
            spellings = " or ".join(spelled(f"{p.name}.{flag.key}") for p in hits)
            problems.append(Problem(flag.written, f"{len(hits)} sections have this setting. Write {spellings}."))
        elif what := _nowhere(flag, places, draft, training):
            problems.append(Problem(flag.written, what))


@dataclass(frozen=True)
class _Place:
    """A section a flag can go to."""

    name: str
    fields: known.Fields
    section: Section
    topic: str
    """What a complaint about it calls it: a section's, task's or algorithm's name."""


def _places(draft: Draft, machine: known.Fields) -> list[_Place]:
    places = [
        _Place("machine", machine, draft.machine, "machine"),
        _Place("sampling", known.sampling(), draft.sampling, "sampling"),
    ]
    if task := draft.task_name():
        places.append(_Place(task, known.task(task), draft.tasks.setdefault(task, {}), task))
    for name, section in zip(stage_names(draft.stages), draft.stages, strict=True):
        algorithm = algorithm_of(section)
        if algorithm:
            places.append(_Place(name, known.stage(algorithm), section, algorithm))
    return places


def _choose_task(flags: Sequence[Flag], draft: Draft) -> None:
    """--task, or else a flag that names its task by itself."""
    by_name = {flag.name: flag for flag in flags}
    if "task" in by_name:
        draft.task = by_name["task"].given
        return
    for key, task in registry.CHOOSES_TASK.items():
        taken = known.task(draft.task_name() or "")
        if key in by_name and (draft.task is None or key not in taken):
            draft.task = Given(task, by_name[key].written)


def _nowhere(flag: Flag, places: Sequence[_Place], draft: Draft, training: bool) -> str | None:
    """Why a flag fits nowhere. None where the reason is said elsewhere: no task or algorithm was named, or an unknown one."""
    owned = known.owners(flag.key)
    if flag.place:
        here = [p for p in places if p.name == flag.place]
        if not here:
            names = [p.name for p in places]
            return (
                f'There is no section or stage "{flag.place}".{did_you_mean(flag.place, names)} There are {", ".join(names)}.'
            )
        return _unknown_flag(flag.key, here[0].topic, here[0].fields)
    if "task" in owned and draft.task_name() is None:
        return None
    algorithms = [p for p in places if p.topic in registry.ALGORITHMS]
    if "algorithm" in owned and training and len(algorithms) < max(1, len(draft.stages)):
        return None
    if not training and ("algorithm" in owned or "machine" in owned.get("section", [])):
        return f"{flag.key} is a setting of training, not of this command."
    topic = next((p.topic for p in places if p.topic in registry.TASKS), "machine")
    if "algorithm" in owned and algorithms:
        topic = algorithms[0].topic if len(algorithms) == 1 else "stages"
    return _unknown_flag(flag.key, topic, [key for place in places for key in place.fields])
