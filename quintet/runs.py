"""One run from its settings to its folder: stages, evaluations, checkpoints; begun, interrupted, killed and resumed.

A run's folder: settings.toml (resolved), environment.json, metrics.jsonl, rollouts.jsonl, evaluations.jsonl, checkpoints/,
model/ (a transformers folder) and report.html; with adapters adapter/, them alone; for each stage that trains a reward model, a
transformers folder of the stage's name.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from quintet import checkpoints
from quintet.completions import Completed
from quintet.data import Batch, Rollout, Sampling
from quintet.engines import engine_of
from quintet.engines.embedded.device import pick
from quintet.environment import describe, usable_cores
from quintet.evaluate import evaluate, evaluate_pairs, evaluate_steps
from quintet.judge import Judge, Judged
from quintet.models import lora
from quintet.models.frozen import Frozen
from quintet.models.heads import load_reward_model, save_reward_model
from quintet.models.load import Policy
from quintet.observe import metrics
from quintet.observe.console import Console
from quintet.observe.diagnosis import diagnose
from quintet.observe.formats import percent
from quintet.observe.hints import Hints
from quintet.observe.journal import Journal
from quintet.observe.records import read_jsonl
from quintet.protocols import Sampler, Source, Stats, Task, TaskError
from quintet.replay import history
from quintet.report import write_report
from quintet.settings import Run, Stage
from quintet.sources import Demonstrations, Online, Pairs, Until
from quintet.train import train
from quintet.turns import with_turns


class RunError(RuntimeError):
    """A run could not go on; what it has is saved, and the message says how to resume."""


@dataclass
class Position:
    """Where a run is: everything but weights and generators that a checkpoint holds."""

    stage: int = 0
    """Number of the stage that is under way."""
    done: int = 0
    """Steps done in it."""
    total: int = 0
    """Steps done in the whole run."""
    tokens: int = 0
    """Tokens that were learned from or sampled, prompts included."""
    sampled: int = 0
    """Tokens that were sampled, whether or not they were learned from: the budget that algorithms are compared by."""
    seconds: float = 0.0
    """Seconds spent on steps, without evaluations and checkpoints."""
    stage_seconds: float = 0.0
    """Those of the stage that is under way."""
    used: dict[str, int] = field(default_factory=lambda: {"demonstrations": 0, "preferences": 0, "answers": 0})
    """How many of the task's demonstrations, pairs and prompts earlier stages used: a later stage goes on behind them."""
    learner: dict[str, Any] | None = None
    source: dict[str, Any] | None = None
    lengths: dict[str, int] = field(default_factory=dict)


def start(run: Run, quiet: bool = False) -> dict[str, Any]:
    """Train as `run` says, in its own new folder; the summary that `quintet train --json` prints.

    Raises RunError (disk, task), ValueError (model, device), KeyboardInterrupt (Ctrl-C, after saving a checkpoint)."""
    from quintet.config import render

    folder = Path(run.machine.out)
    with _disk(folder, saved=False):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.toml").write_text(render(run), encoding="utf-8")
        (folder / "environment.json").write_text(json.dumps(describe(), indent=1), encoding="utf-8")
    return _Session(run, folder, quiet).go(None)


def resume(folder: Path, quiet: bool = False) -> dict[str, Any]:
    """Go on with the run in `folder` from its last whole checkpoint: to the same bits as if it had never stopped."""
    from quintet.config import read_run

    if not (folder / "settings.toml").is_file():
        raise ValueError(
            f"{folder} holds no run to resume: it has no settings.toml. Name the folder that `quintet train` made."
        )
    run = read_run(folder / "settings.toml")
    place, complaints = checkpoints.newest(folder)
    for complaint in complaints:
        print(f"{complaint} Going on from {place.name if place else 'the start'}.", file=sys.stderr)
    return _Session(replace(run, machine=replace(run.machine, out=str(folder))), folder, quiet).go(place)


class _Session:
    """A run while this process works on it."""

    def __init__(self, run: Run, folder: Path, quiet: bool) -> None:
        self.run, self.folder, self.journal = run, folder, Journal(folder)
        self.device = pick(run.machine.device)
        torch.set_num_threads(run.machine.threads or usable_cores())
        self.console = Console(
            [(s.name, s.steps, s.expected_seconds or None) for s in run.stages], file=sys.stderr if quiet else None
        )
        self.position = Position()
        self.expected_mb = 0.0
        self.engine = engine_of(run.task)
        self.policy: Policy
        self.sampler: Sampler

    # ---- the run ---------------------------------------------------------------------------------------------------

    def go(self, place: Path | None) -> dict[str, Any]:
        """From the checkpoint at `place`, or from the start, to the end; the run's summary."""
        began = time.monotonic()
        with self.console, _disk(self.folder), _Interrupt() as interrupt:
            self.policy = self._policy(place)
            self.policy.model.to(self.device)  # type: ignore[arg-type]
            self.sampler = self._sampler_of(None)
            for remark in self.engine.remarks(self.policy, self.device, self.run.machine):
                self.console.say(remark)
            if place:
                self.position = Position(**checkpoints.read(place))
            self.journal.rewind(self.position.lengths)
            if not place:
                torch.manual_seed(self.run.machine.seed)
                self._evaluate("start")
                self._save(None, None)
                self._stop_if_asked(interrupt)
            for stage in self.run.stages[self.position.stage :]:
                self._stage(stage, interrupt)
            self.policy.save(self.folder / "model")
            if self.run.machine.lora_rank:
                lora.save(self.policy.model, self.run.machine.model, self.folder / "adapter")
            return self._summary(time.monotonic() - began)

    def _stage(self, stage: Stage, interrupt: _Interrupt) -> None:
        learner = self._learner(stage)
        if self.position.learner is not None:
            learner.restore(self.position.learner, stage.algorithm.needs)
        source = self._source(stage, learner)
        if self.position.source is not None:
            source.restore(self.position.source)
        else:
            self._foresee(stage, learner)
        clock, hints = _Clock(), Hints(stage.group_size, of_texts=getattr(self.run.task, "engine", "") != "control")

        def observe(step: int, batch: Batch, stats: Stats) -> None:
            """Record the step and say its hints; then save and evaluate where that is due."""
            passes = learner.backward_answers / len(batch.tokens)
            learner.backward_answers = 0
            more = {"backward_passes": passes, "micro_batch": float(learner.micro_batch)}
            for hint in hints.after(self._record(stage, step, batch, {**stats, **more}, clock)):
                self.console.say(f"Hint: {hint}", style="yellow")
            if step + 1 < stage.steps:  # the last step's are the stage's
                self._on_the_way(stage, learner, source, interrupt)
            clock.restart()

        try:
            train(stage.algorithm, learner, self._within(stage, source), [observe], stage.steps, self.position.done)
            if learner.score is not None:
                save_reward_model(learner.score, self.policy.tokenizer, self.folder / stage.name)
                (self._evaluate_steps if stage.algorithm.needs.of_steps else self._evaluate_pairs)(stage, learner)
            else:
                self._evaluate(f"after {stage.name}")
        except TaskError as error:  # raised between two steps: what was learned so far is whole
            self._save(learner, source)
            raise RunError(f"{error} Step {self.position.total} is saved; {self._how_to_resume()}") from error
        self.position = Position(
            stage=self.position.stage + 1,
            total=self.position.total,
            tokens=self.position.tokens,
            sampled=self.position.sampled,
            seconds=self.position.seconds,
            used={**self.position.used, stage.algorithm.needs.source: source.number},
        )
        self._save(None, None)
        self._stop_if_asked(interrupt)

    def _on_the_way(self, stage: Stage, learner: Any, source: Source, interrupt: _Interrupt) -> None:
        every, evaluation = self.run.machine.checkpoint_every, self.run.machine.eval_every
        if evaluation and self.position.done % evaluation == 0:
            self._evaluate(f"{stage.name} {self.position.done}")
        if interrupt.asked or (every and self.position.done % every == 0):
            self._save(learner, source)
        self._stop_if_asked(interrupt)

    def _stop_if_asked(self, interrupt: _Interrupt) -> None:
        if interrupt.asked:
            self.console.say(f"Stopped after step {self.position.total}, which is saved; {self._how_to_resume()}")
            raise KeyboardInterrupt

    def _how_to_resume(self) -> str:
        return f"go on with: quintet train --resume {self.folder}"

    def _policy(self, place: Path | None) -> Policy:
        machine = self.run.machine
        if not machine.lora_rank:
            return self.engine.load(str(place / "model") if place else machine.model, self.run.task, machine.seed)
        policy = self.engine.load(machine.model, self.run.task, machine.seed)
        lora.add(policy.model, machine.lora_rank, machine.lora_alpha or 2 * machine.lora_rank, machine.seed)
        if place:
            lora.restore(policy.model, place / "adapter")
        return policy

    # ---- its parts -------------------------------------------------------------------------------------------------

    def _learner(self, stage: Stage) -> Any:
        machine = self.run.machine
        sampling = self.run.sampling if stage.samples else Sampling()
        learner = self.engine.learner(self.policy, self.device, sampling, machine.micro_batch, machine.dtype, machine.recompute)
        if before := stage.algorithm.needs.begin_from:
            learner.prepare(stage.algorithm.needs, load_reward_model(self._reward_model(before))[0])
        else:
            learner.prepare(stage.algorithm.needs)
        return learner

    def _source(self, stage: Stage, learner: Any) -> Online | Demonstrations | Pairs:
        kind, tokenizer = stage.algorithm.needs.source, self.policy.tokenizer
        if kind == "demonstrations":
            source = Demonstrations(self.run.task, tokenizer, stage.prompts_per_step)
        elif kind == "preferences":
            source = Pairs(self.run.task, tokenizer, stage.prompts_per_step)
        else:
            source = Online(
                self._judged(stage),
                self._sampler(stage, learner),
                self.run.sampling,
                stage.prompts_per_step,
                stage.group_size,
                self.run.machine.seed,
                stage.algorithm.needs.resample,
                tokenizer,
                stage.token_budget,
                stage.algorithm.needs.replay,
                self._history(stage),
            )
        source.number = self.position.used[kind]
        return source

    def _within(self, stage: Stage, source: Online | Demonstrations | Pairs) -> Source:
        """The source, ended by the stage's budget of seconds if it has one."""
        if not stage.seconds_budget:
            return source
        return Until(source, lambda: self.position.stage_seconds / stage.seconds_budget)

    def _sampler(self, stage: Stage, learner: Any) -> Sampler:
        """The policy's own; or one that goes on drawing from what the policy was when the stage began."""
        return self._sampler_of(learner.reference) if stage.algorithm.needs.frozen_sampler else self.sampler

    def _sampler_of(self, frozen: Frozen | None) -> Sampler:
        """Of answers, or of conversations where the task replies."""
        sampler = self.engine.sampler(self.policy, self.device, self.run.machine.sampled_in, frozen=frozen)
        sampler.watch = self.console.answers
        return with_turns(sampler, self.run.task, self.policy.tokenizer)

    def _judged(self, stage: Stage) -> Task:
        """The task; with its reward model beside it, or with its answers' steps completed, if the stage has it so."""
        if times := stage.algorithm.needs.completions:
            return Completed(self.run.task, self.sampler, self.run.sampling, times, self.run.machine.seed)
        if not stage.reward_model:
            return self.run.task
        judge = Judge(self._reward_model(stage.reward_model), self.device)
        return Judged(self.run.task, judge, stage.reward_model_weight, stage.task_reward_weight)

    def _reward_model(self, name: str) -> str:
        """Where the reward model of that name is: in the run's folder, if one of its stages trains it."""
        made_here = name in {s.name for s in self.run.stages}
        return str(self.folder / name) if made_here else name

    def _history(self, stage: Stage) -> list[list[Rollout]]:
        """What earlier stages trained the reward model on that this one trains on."""
        needs = stage.algorithm.needs
        if not needs.replay:
            return []
        before, origin = [], {s.name: s.algorithm.needs.begin_from for s in self.run.stages}
        while (name := origin.get(before[-1] if before else stage.name)) and name in origin:
            before.append(name)
        return history(read_jsonl(self.folder / "rollouts.jsonl"), before, self.policy.tokenizer)

    def _foresee(self, stage: Stage, learner: Any) -> None:
        """Say what the stage will need, where the engine knows."""
        if self.engine.foresee is None:
            return
        expected, sentence = self.engine.foresee(learner, stage, self.policy, self.run)
        self.expected_mb = expected / 2**20
        self.console.say(sentence)

    # ---- what it writes --------------------------------------------------------------------------------------------

    def _record(self, stage: Stage, step: int, batch: Batch, stats: Stats, clock: _Clock) -> dict[str, Any]:
        """Write a step down; its row of metrics."""
        tokens = int(batch.measured.get("read_tokens", int(batch.length.sum())))
        self.position.done, self.position.total = step + 1, self.position.total + 1
        self.position.tokens += tokens
        self.position.sampled += int(batch.measured.get("sampled_tokens", 0))
        where = {"step": self.position.total, "stage": stage.name, "stage_step": self.position.done}
        seconds = clock.seconds()
        self.position.seconds += seconds
        self.position.stage_seconds += seconds
        row = {
            **where,
            "stage_steps": stage.steps,
            "stages": len(self.run.stages),
            "stage_index": self.position.stage,
            **metrics.of_batch(batch),
            **stats,
            **batch.measured,
            "num_tokens": self.position.tokens,
            "num_sampled_tokens": self.position.sampled,
            "step_time": seconds,
            "seconds/learn": seconds - sum(v for k, v in batch.measured.items() if k.startswith("seconds/")),
            "tokens_per_second": tokens / seconds,
            "peak_memory_mb": metrics.peak_memory_mb(),
            **({"expected_memory_mb": self.expected_mb} if self.expected_mb else {}),
        }
        self.journal.append("metrics", row)
        if stage.samples:
            self.journal.append("rollouts", *metrics.rollout_rows(batch, where))
            if step == 0:
                self._diagnose(batch)
        self.console.step(row)
        return row

    def _diagnose(self, batch: Batch) -> None:
        """Say after the first step what would keep the others from learning."""
        for sentence in diagnose(
            batch.reward.tolist(),
            batch.group.tolist(),
            [bool(r.verdict and r.verdict.parsed) for r in batch.rollouts],
            [r.stop_reason for r in batch.rollouts],
            [sum(r.action) for r in batch.rollouts],
            self.run.sampling.max_new_tokens,
        ):
            self.console.say(sentence)

    def _evaluate(self, label: str) -> None:
        machine = self.run.machine
        if not machine.eval_problems or not getattr(self.run.task, "has_reward", True):
            return
        sampling = replace(self.run.sampling, temperature=machine.eval_temperature)
        row = evaluate(self.run.task, self.sampler, sampling, machine.eval_problems)
        stage = self.run.stages[min(self.position.stage, len(self.run.stages) - 1)].name
        where = {
            "step": self.position.total,
            "stage": stage,
            "label": label,
            "num_tokens": self.position.tokens,
            "num_sampled_tokens": self.position.sampled,
            "seconds": self.position.seconds,
        }
        self.journal.append("evaluations", {**where, **row})

    def _evaluate_pairs(self, stage: Stage, learner: Any) -> None:
        """How often a new reward model is right about pairs of the test split."""
        offered = getattr(self.run.task, "offers_pairs", hasattr(self.run.task, "preferences"))
        if not self.run.machine.eval_problems or not offered:
            return
        row = evaluate_pairs(self.run.task, learner, self.policy.tokenizer, self.run.machine.eval_problems)
        self.console.say(
            f"{stage.name} ranks {percent(row['score'])} ({percent(row['low'])} to {percent(row['high'])}) of {row['n']} "
            f"held-out pairs right. It is saved in {self.folder / stage.name}"
        )
        row = {"step": self.position.total, "stage": stage.name, "label": f"after {stage.name}", **row}
        self.journal.append("pair_evaluations", row)

    def _evaluate_steps(self, stage: Stage, learner: Any) -> None:
        """How many steps of answers to test problems a new process reward model is right about."""
        task, problems = self.run.task, self.run.machine.eval_problems
        if not problems or not getattr(task, "judges_steps", False):
            return
        row = evaluate_steps(task, self.sampler, self.run.sampling, learner, self.policy.tokenizer, problems)
        self.console.say(
            f"{stage.name} is right about {percent(row['score'])} ({percent(row['low'])} to {percent(row['high'])}) of "
            f"{row['n']} steps of held-out answers, {percent(row['right'])} of which are right. "
            f"It is saved in {self.folder / stage.name}"
        )
        row = {"step": self.position.total, "stage": stage.name, "label": f"after {stage.name}", **row}
        self.journal.append("step_evaluations", row)

    def _save(self, learner: Any | None, source: Source | None) -> None:
        self.position.lengths = self.journal.lengths()
        state = {**vars(self.position), "learner": learner and learner.state(), "source": source and source.state()}
        checkpoints.save(self.folder, self.position.total, self.policy, state)

    def _summary(self, seconds: float) -> dict[str, Any]:
        evaluations = list(read_jsonl(self.folder / "evaluations.jsonl"))
        report = write_report(self.folder, self.folder / "report.html")
        if evaluations:
            self.console.table(evaluations)
            if len(evaluations) > 1 and evaluations[-1]["examples"] and evaluations[-1]["examples"][0]["picture"]:
                self.console.pictures(evaluations[-2]["examples"], evaluations[-1]["examples"])
        self.console.say(f"Model: {self.folder / 'model'}   Report: {report}   ({seconds:.0f} s)")
        return {
            "run": str(self.folder),
            "model": str(self.folder / "model"),
            "report": str(report),
            "steps": self.position.total,
            "tokens": self.position.tokens,
            "seconds": round(seconds, 1),
            "evaluations": [{k: v for k, v in e.items() if k not in ("examples", "outcomes")} for e in evaluations],
        }


class _Clock:
    """Seconds of a step, without the checkpoint or evaluation that may follow it."""

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        self.began = time.perf_counter()

    def seconds(self) -> float:
        return max(time.perf_counter() - self.began, 1e-9)


class _Interrupt:
    """Ctrl-C (or a scheduler's SIGTERM) asks; the run stops after the step under way, which is then saved. A second one stops
    at once. Outside the main thread signals are somebody else's."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def _ask(self, number: int, frame: Any) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nFinishing this step, then saving. Press Ctrl-C again to stop at once.", file=sys.stderr)

    def __enter__(self) -> _Interrupt:
        try:
            self._before = {s: signal.signal(s, self._ask) for s in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:
            self._before = {}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


@contextmanager
def _disk(folder: Path, saved: bool = True) -> Iterator[None]:
    """A disk that is full or read-only, said in a sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        resume = (
            f" Make room, then go on with: quintet train --resume {folder}" if saved else " Choose another folder: --out FOLDER"
        )
        raise RunError(f"The run could not write to {error.filename or folder}: {reason}.{resume}") from error
