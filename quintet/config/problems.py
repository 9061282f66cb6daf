"""What is wrong with some settings, all of it at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True)
class Problem:
    """One thing to mend."""

    where: str
    """What it is about: `recipe.toml:12`, `--lr`, or empty where it is about something that is missing."""
    what: str
    """What is wrong, why, and what to do about it."""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class SettingsError(ValueError):
    """Settings that can't be used; `problems` has every reason, and str() gives one a line."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(dict.fromkeys(problems), key=_place))
        super().__init__("\n".join(map(str, self.problems)))


def _place(problem: Problem) -> tuple[bool, str, int]:
    """Lines of files in their order first, then everything else as it was found."""
    file, colon, line = problem.where.rpartition(":")
    return (False, file, int(line)) if colon and line.isdigit() else (True, "", 0)


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name most like `name`, if any is.  Example: nearest("temprature", ["top_p", "temperature"]) == "temperature" """
    by_folded = {n.casefold(): n for n in names}
    found = get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.6)
    found.sort(key=lambda near: sorted(near) != sorted(name.casefold()))  # two letters swapped are the likeliest slip
    return by_folded[found[0]] if found else None


def did_you_mean(name: str, names: Iterable[str], otherwise: str = "") -> str:
    """The question whether the nearest name was meant, with a space before it; `otherwise` where no name is near."""
    found = nearest(name, names)
    return f' Did you mean "{found}"?' if found else otherwise
