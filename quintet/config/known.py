"""Which settings there are, where each belongs, and what to say of one that doesn't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from quintet.config import registry
from quintet.config.describe import Field, describe
from quintet.config.problems import nearest

Fields = Mapping[str, Field]

OF_SAMPLES = ("group_size", "token_budget", "reward_model", "reward_model_weight", "task_reward_weight")
"""Settings of a stage that only matter where answers are sampled."""
HOME = {"machine": "the top of a recipe", "sampling": "[sampling]", "stage": "[[stage]]"}


def machine() -> dict[str, Field]:
    """The settings at the top of a recipe."""
    return _by_name(describe(registry.MACHINE).fields)


def sampling() -> dict[str, Field]:
    """The settings of [sampling]."""
    return _by_name(describe(registry.SAMPLING).fields)


def comparison() -> dict[str, Field]:
    """The settings of [comparison]."""
    return _by_name(describe(registry.COMPARISON).fields)


def task(name: str) -> dict[str, Field]:
    """The settings of a task; of none that isn't registered."""
    return _by_name(describe(registry.TASKS[name].record).fields) if name in registry.TASKS else {}


def stage_alone(algorithm: str) -> dict[str, Field]:
    """A stage's own settings. Where an algorithm learns from demonstrations nobody samples a group or has it scored."""
    entry = registry.ALGORITHMS.get(algorithm)
    shown = entry is not None and entry.learns_from == "demonstrations"
    return _by_name(f for f in describe(registry.STAGE).fields if not (shown and f.name in OF_SAMPLES))


def algorithm_alone(algorithm: str) -> dict[str, Field]:
    """An algorithm's own settings, without those of its update."""
    entry = registry.ALGORITHMS.get(algorithm)
    return _with_defaults(describe(entry.record).fields, entry.defaults) if entry else {}


def update_alone(algorithm: str) -> dict[str, Field]:
    """The settings of an algorithm's update."""
    entry = registry.ALGORITHMS.get(algorithm)
    update = describe(entry.record).update if entry else None
    return _with_defaults(update.fields, entry.defaults) if entry and update else {}


def stage(algorithm: str) -> dict[str, Field]:
    """All settings of a stage of that algorithm: the stage's, the algorithm's and its update's, flat."""
    return {**stage_alone(algorithm), **algorithm_alone(algorithm), **update_alone(algorithm)}


def switches() -> set[str]:
    """The settings, of whatever section, that are true or false: their flags stand alone."""
    return {f.name for fields in _every_section() for f in fields.values() if f.kind.base == "bool"}


def every_name() -> list[str]:
    """Every setting of every section."""
    return list(dict.fromkeys(name for fields in _every_section() for name in fields))


def owners(key: str) -> dict[str, list[str]]:
    """Who has the setting `key`: names of tasks and algorithms (variants left out: they have what their record has), and the
    sections machine and sampling.

    Example: owners("temperature") == {"section": ["sampling"]}
    """
    found = {
        "section": [n for n, fields in (("machine", machine()), ("sampling", sampling())) if key in fields],
        "task": [n for n in registry.TASKS if key in task(n)],
        "algorithm": [n for n, entry in registry.ALGORITHMS.items() if not entry.variant and key in stage(n)],
    }
    return {kind: names for kind, names in found.items() if names}


def unknown(key: str, place: str, valid: Iterable[str], spell: Callable[[str], str] = str) -> str:
    """What to say of the setting `key` where `place` (machine, sampling, or a task's or algorithm's name) has none of that
    name: whose it is, or else which is nearest. `spell` writes a setting's name as the reader would."""
    valid, owned = list(valid), owners(key)
    same_kind = "task" if place in registry.TASKS else "algorithm" if place in registry.ALGORITHMS else None
    if same_kind and same_kind in owned:
        return f"{key} is a setting of {_listed(owned[same_kind])}, not of {place}."
    if owned:
        return f"{key} doesn't belong here: {_home(owned)}."
    translated = registry.OTHER_NAMES.get(key)
    if translated:
        home = "" if translated in valid else f", and {_home(owners(translated))}"
        return f"There is no setting {key}; here it is called {spell(translated)}{home}."
    near = nearest(key, valid) or nearest(key, every_name())
    if near and near not in valid:
        return f'There is no setting {key}. Did you mean "{spell(near)}"? {_home(owners(near), start=True)}.'
    return f"There is no setting {key}." + (f' Did you mean "{spell(near)}"?' if near else f" {_listing(place, valid)}")


def _home(owned: Mapping[str, list[str]], start: bool = False) -> str:
    it = "It" if start else "it"
    if "section" in owned:
        return f"{it} is a setting of {' and '.join(HOME[s] for s in owned['section'])}"
    if "task" in owned:
        return f"{it} is a setting of the task {_listed(owned['task'])}"
    return f"{it} is a setting of a stage ({_listed(owned['algorithm'])})"


def _listing(place: str, valid: list[str]) -> str:
    if not valid:
        return "There are none here."
    if len(valid) <= 12:
        return f"There are {', '.join(valid)}."
    command = f"quintet train {place} --help" if place in registry.ALGORITHMS else "quintet train --help"
    return f"`{command}` lists those there are."


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _every_section() -> list[dict[str, Field]]:
    return [machine(), sampling(), *map(task, registry.TASKS), *map(stage, registry.ALGORITHMS)]


def _by_name(fields: Iterable[Field]) -> dict[str, Field]:
    return {f.name: f for f in fields}


def _with_defaults(fields: Iterable[Field], defaults: Mapping[str, object]) -> dict[str, Field]:
    return {f.name: replace(f, default=defaults.get(f.name, f.default)) for f in fields}
