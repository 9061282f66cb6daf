"""A comparison: its common start is trained once, then each contender with each seed, every run in a process of its own.

A run is begun by `quintet train --recipe`, and by `quintet train --resume` where it was begun before: whatever becomes of this
process or of theirs, no run starts again from its beginning and none that has ended is touched.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import quintet
from quintet import comparisons
from quintet.config import read_comparison, render, render_comparison
from quintet.environment import usable_cores
from quintet.observe.formats import duration, interval, score
from quintet.observe.records import evaluations
from quintet.settings import Experiment, Run

Say = Callable[[str], None]
POLL_SECONDS = 0.05
PR_SET_PDEATHSIG = 1


class CompareError(RuntimeError):
    """The comparison could not go on; the message says why and how to go on with it."""


def start(experiment: Experiment, say: Say = print) -> Path:
    """Run the whole comparison in its new folder, which is returned. Failed runs are told and don't stop the others.

    Raises CompareError where the common start fails, KeyboardInterrupt after Ctrl-C (every run under way is saved)."""
    folder = Path(experiment.out)
    folder.mkdir(parents=True, exist_ok=True)
    comparisons.write_whole(folder / comparisons.SETTINGS, render_comparison(experiment))
    return _go(experiment, folder, say)


def resume(folder: Path, seeds: int | None = None, say: Say = print) -> Path:
    """Go on with a comparison: runs that ended stay, the others are resumed, failed ones are tried again. `seeds`: from now on
    with so many runs of each contender."""
    comparisons.settings_of(folder)
    experiment = read_comparison(folder / comparisons.SETTINGS, seeds)
    there = max((run.seed for run in comparisons.runs_of(folder)), default=0) - experiment.contenders[0].machine.seed
    if seeds is not None and seeds < there:
        raise ValueError(f"{folder} has {there} seeds already. Name more, or leave --seeds out.")
    comparisons.write_whole(folder / comparisons.SETTINGS, render_comparison(experiment))
    return _go(experiment, folder, say)


def _go(experiment: Experiment, folder: Path, say: Say) -> Path:
    """Everything that isn't done yet."""
    jobs = prepare(experiment, folder)
    with _Interrupt() as interrupt:
        if experiment.start:
            first = Job(folder / comparisons.START, "the common start")
            _work([first], 1, say, interrupt)
            if comparisons.read_status(first.folder)["state"] != "done" and not interrupt.asked:
                reason = comparisons.read_status(first.folder)["reason"]
                raise CompareError(f"The common start failed: {reason} Mend it, then: quintet compare --resume {folder}")
        if not interrupt.asked:
            _work(jobs, experiment.how.parallel, say, interrupt)
        if interrupt.asked:
            say(f"Stopped. Go on with: quintet compare --resume {folder}")
            raise KeyboardInterrupt
    return folder


# ---- what there is to do ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """A run that is to be done."""

    folder: Path
    name: str


def prepare(experiment: Experiment, folder: Path) -> list[Job]:
    """Write the recipe of every run that isn't done; the jobs, one seed after the other, so that a comparison that is stopped
    early has as many contenders with the same seeds as can be."""
    if experiment.start:
        _write_recipe(_placed(_unwatched(experiment.start), folder / comparisons.START))
    jobs = []
    for number in range(1, experiment.how.seeds + 1):
        for contender in experiment.contenders:
            label, seed = contender.stages[0].name, contender.machine.seed + number
            place = comparisons.folder_of(folder, label, seed)
            run = _placed(contender, place, seed, max(1, _threads(contender) // experiment.how.parallel))
            _write_recipe(_from_start(run, experiment.start, folder) if experiment.start else run)
            jobs.append(Job(place, f"{label} seed {seed}"))
    return jobs


def _threads(run: Run) -> int:
    return run.machine.threads or usable_cores()


def _unwatched(start: Run) -> Run:
    """The common start without evaluations on the way: nothing is compared by them."""
    return replace(start, machine=replace(start.machine, eval_every=0))


def _placed(run: Run, place: Path, seed: int | None = None, threads: int | None = None) -> Run:
    machine = replace(run.machine, out=str(place))
    if seed is not None and threads is not None:
        machine = replace(machine, seed=seed, threads=threads)
    return replace(run, machine=machine)


def _from_start(run: Run, start: Run, folder: Path) -> Run:
    """The run, begun from what the common start made: its policy, and its reward models where a contender names one."""
    place = folder / comparisons.START
    made = {stage.name: str(place / stage.name) for stage in start.stages}
    stages = tuple(replace(s, reward_model=made.get(s.reward_model, s.reward_model)) for s in run.stages)
    return replace(run, machine=replace(run.machine, model=str(place / "model")), stages=stages)


def _write_recipe(run: Run) -> None:
    """What `quintet train` is to do there; the recipe of a run that was begun stays as it is."""
    place = Path(run.machine.out)
    place.mkdir(parents=True, exist_ok=True)
    status = comparisons.read_status(place)
    if status["state"] == "running":  # whoever was to read what it used is gone
        comparisons.write_status(place, state="stopped", unmeasured=status["unmeasured"] + 1)
    elif not (place / comparisons.STATUS).is_file():
        comparisons.write_status(place)
    if not (place / "recipe.toml").is_file():
        comparisons.write_whole(place / "recipe.toml", render(run))


# ---- doing it --------------------------------------------------------------------------------------------------------------


@dataclass
class _Working:
    """A run's process."""

    job: Job
    process: subprocess.Popen[bytes]
    lock: int
    began: float
    told: int = 0
    """How often it was asked to stop."""

    def pass_on(self, interrupt: _Interrupt) -> None:
        """Ask it to stop, once for each Ctrl-C. It hasn't been waited for, so its number is nobody else's."""
        if interrupt.asked > self.told:
            self.told = interrupt.asked
            os.kill(self.process.pid, signal.SIGINT)


def _work(jobs: Sequence[Job], parallel: int, say: Say, interrupt: _Interrupt) -> None:
    """Do the jobs that aren't done, `parallel` at a time."""
    total = len(jobs)
    waiting = [job for job in jobs if comparisons.read_status(job.folder)["state"] != "done"]
    working: list[_Working] = []
    told: set[Job] = set()
    while working or (waiting and not interrupt.asked):
        for job in [] if interrupt.asked else waiting[: parallel - len(working)]:
            begun = _begin(job)
            if begun:
                waiting.remove(job)
                working.append(begun)
            elif job not in told:
                told.add(job)
                say(f"{job.name}: a process that an earlier comparison left behind still works on it; waiting for it.")
        for one in working:
            one.pass_on(interrupt)
        time.sleep(POLL_SECONDS)
        for one in [w for w in working if _ended(w)]:
            working.remove(one)
            say(f"[{total - len(waiting) - len(working)}/{total}] {_told(one.job)}")


def _begin(job: Job) -> _Working | None:
    """A process for the run; None where another process works on it.

    Whoever works on a run holds a lock on it, which the process inherits: it is held as long as the process lives, even when
    this one is killed. On Linux a process whose parent dies is asked to save and stop."""
    lock = os.open(job.folder / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    begun = (job.folder / "settings.toml").is_file()
    what = ["--resume", str(job.folder)] if begun else ["--recipe", str(job.folder / "recipe.toml")]
    path = os.pathsep.join(filter(None, [str(Path(quintet.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]))
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    with (job.folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "quintet.cli", "train", *what],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=[lock],
            start_new_session=True,  # a terminal's Ctrl-C reaches this process alone, which passes it on once
            preexec_fn=(lambda: library.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)) if library else None,
        )
    status = comparisons.read_status(job.folder)
    comparisons.write_status(
        job.folder, state="running", reason="", attempts=status["attempts"] + 1, started=status["started"] or _now()
    )
    return _Working(job, process, lock, time.monotonic())


def _ended(working: _Working) -> bool:
    """Whether the process has ended; then what it used and how it ended is written down."""
    pid, status, usage = os.wait4(working.process.pid, os.WNOHANG)
    if pid == 0:
        return False
    code = os.waitstatus_to_exitcode(status)
    working.process.returncode = code
    os.close(working.lock)
    job, before = working.job, comparisons.read_status(working.job.folder)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    comparisons.write_status(
        job.folder,
        state={0: "done", 130: "stopped"}.get(code, "failed"),
        reason="" if code in (0, 130) else _reason(code, job.folder / "log.txt"),
        wall_seconds=before["wall_seconds"] + time.monotonic() - working.began,
        cpu_seconds=before["cpu_seconds"] + usage.ru_utime + usage.ru_stime,
        peak_memory_mb=max(before["peak_memory_mb"], usage.ru_maxrss / unit),
        ended=_now(),
    )
    return True


def _reason(code: int, log: Path) -> str:
    """Why a process failed: the last line it wrote."""
    if code == -signal.SIGKILL:
        return "The process was killed, most likely because the memory ran out. Set micro_batch=8, or fewer runs at a time."
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else f"The process ended with code {code} and wrote nothing."


def _told(job: Job) -> str:
    """A run in one line, once it has ended."""
    status = comparisons.read_status(job.folder)
    used = f"{duration(status['wall_seconds'])}, {status['peak_memory_mb']:,.0f} MB"
    if status["state"] != "done":
        return f"{job.name}: {status['state']}. {status['reason']}".rstrip()
    rows: list[dict[str, Any]] = evaluations(job.folder)
    if not rows or rows[-1].get("score") is None:
        return f"{job.name}: done ({used})"
    last, unit = rows[-1], str(rows[-1].get("unit"))
    return f"{job.name}: {score(last['score'], unit)} {interval(last['low'], last['high'], unit)} ({used})"


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


class _Interrupt:
    """Ctrl-C (or SIGTERM) is passed on to the runs, which save and stop; a second one stops them at once."""

    def __init__(self) -> None:
        self.asked = 0
        self._before: dict[int, Any] = {}

    def _ask(self, number: int, frame: Any) -> None:
        self.asked += 1
        print("\nStopping: the runs under way finish their step and save.", file=sys.stderr)

    def __enter__(self) -> _Interrupt:
        try:
            self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # outside the main thread signals are somebody else's
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
