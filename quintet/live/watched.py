"""The folder that a page shows: one run or a comparison's runs, looked at again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from quintet.live.answers import Answers
from quintet.observe.comparison_folder import START, RunAt, advice_of, is_comparison, name_of, runs_of, start_of
from quintet.observe.history import History
from quintet.observe.run_state import RunState, settings_of, state_of


@dataclass
class WatchedRun:
    """One run with all that a page asks about it."""

    at: RunAt
    history: History
    answers: Answers
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return name_of(self.at)

    @property
    def state(self) -> RunState:
        return state_of(self.at, self.history, self.settings)


class Watched:
    """What is in a folder; `look` reads what was added. A folder may be empty, or not be there yet."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs: dict[str, WatchedRun] = {}
        """By their names in addresses: "run", or "start" and LABEL/seed-K."""
        self.version = 0
        """Counts the looks that found something."""
        self.lock = Lock()
        """Held while something is read or drawn, as these happen in different threads."""
        self._said: Any = None

    @property
    def is_comparison(self) -> bool:
        return is_comparison(self.folder)

    @property
    def compared(self) -> dict[str, list[WatchedRun]]:
        """The runs by label; the common start only while no other has begun."""
        found: dict[str, list[WatchedRun]] = {}
        for run in self.runs.values():
            found.setdefault(run.at.label, []).append(run)
        others = {label: runs for label, runs in found.items() if label != START}
        begun = any(len(run.history) or run.history.evaluations for runs in others.values() for run in runs)
        return others if begun or START not in found else {START: found[START]}

    @property
    def advice(self) -> dict[str, Any]:
        """What `quintet advise` wrote; {} before."""
        return advice_of(self.folder)

    def look(self) -> bool:
        """Read some of what was added; whether more may be waiting."""
        with self.lock:
            return self._look()

    def _look(self) -> bool:
        found = False
        for identity, at in self._places():
            run = self.runs.get(identity)
            if run is None:
                run = self.runs[identity] = WatchedRun(at, History(at.folder), Answers(at.folder))
            run.at = at
            run.settings = run.settings or settings_of(at)
            found = any([run.history.look(), run.answers.look()]) or found
        said = [(identity, run.at.status) for identity, run in self.runs.items()]
        if found or said != self._said:
            self._said = said
            self.version += 1
        return found

    def _places(self) -> Iterator[tuple[str, RunAt]]:
        if not self.is_comparison:
            yield "run", RunAt(self.folder.resolve().name, -1, self.folder, {})
            return
        if (start := start_of(self.folder)) is not None:
            yield start.label, start
        for at in runs_of(self.folder):
            yield f"{at.label}/seed-{at.seed}", at
