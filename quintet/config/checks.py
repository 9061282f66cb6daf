"""What settings must be to each other and to this machine. Each check yields sentences for users; naming a setting as
`setting=value` tells the caller which line to point at."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from quintet.config.describe import keys_of
from quintet.config.problems import nearest
from quintet.data import Prompt, Sampling
from quintet.settings import Machine, Stage

PRESET = "preset:"


def of_machine(machine: Machine) -> Iterator[str]:
    """The model and the device are there, and what the settings need is installed."""
    yield from of_model(machine.model)
    yield from of_device(machine.device)
    if machine.lora_rank and find_spec("peft") is None:
        yield f"lora_rank={machine.lora_rank} needs peft, which isn't installed: pip install 'quintet[lora]'."


def of_model(model: str) -> Iterator[str]:
    """A preset exists; what looks like a folder is one, with a model in it. Whether a hub id exists only the hub knows."""
    path = Path(model)
    if not model.strip():
        yield 'model="" names no model. Write preset:1m, a transformers folder or a hub id.'
    elif model.startswith(PRESET):
        homes = ("quintet.models.load", "quintet.engines.control.policy")
        presets = [PRESET + name for home in homes for name in keys_of(home, "PRESETS")]
        if model not in presets:
            near = nearest(model, presets)
            yield f"There is no preset model={model}.{f' Did you mean {near}?' if near else ''} There are {', '.join(presets)}."
    elif path.is_dir():
        if (path / "model" / "config.json").is_file():
            yield f"model={model} is a run's folder. Its model is in {path / 'model'}."
        elif not (path / "config.json").is_file():
            yield f"model={model} is a folder without a config.json, so it holds no transformers model."
    elif path.exists():
        yield f"model={model} is a file. Give the folder that holds the model and its config.json."
    elif _looks_like_a_path(model):
        yield f"model={model} is no folder here ({Path.cwd()}). Check the path, or give a hub id (owner/name) or a preset."


def _looks_like_a_path(model: str) -> bool:
    """Hub ids are NAME or OWNER/NAME; a path begins with . ~ or /, has more slashes, or lies in a folder that is there."""
    parent = Path(model).parent
    return (
        model.startswith((".", "~", "/"))
        or model.count("/") > 1
        or model.endswith("/")
        or (str(parent) != "." and parent.is_dir())
    )


def of_device(device: str) -> Iterator[str]:
    """A device that was asked for by name is there."""
    if device in ("auto", "cpu"):
        return
    import torch

    there = {"cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}[device]()
    if not there:
        yield f"This machine has no device={device}. Choose auto or cpu; `quintet doctor` shows what there is."


def of_new_folder(out: Path) -> Iterator[str]:
    """The run's folder can be made and holds no other run."""
    if out.exists() and not out.is_dir():
        yield f"out={out} is a file. Choose a folder for the run."
        return
    if any((out / name).exists() for name in ("metrics.jsonl", "checkpoints")):  # settings alone: it failed before it began
        yield f"out={out} holds a run already. Go on with it (quintet train --resume {out}) or choose another folder."
        return
    above = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    if not above.is_dir():
        yield f"out={out} can't be made: {above} is a file. Choose another folder."
    elif not os.access(above, os.W_OK | os.X_OK):
        yield f"out={out} can't be made: you may not write in {above}. Choose another folder."


def of_new_comparison(out: Path) -> Iterator[str]:
    """The comparison's folder can be made and holds no other comparison."""
    if (out / "comparison.toml").exists():
        yield f"out={out} holds a comparison already. Go on with it (quintet compare --resume {out}) or choose another folder."
    else:
        yield from of_new_folder(out)


def of_sampling(sampling: Sampling, online: bool) -> Iterator[str]:
    """`online`: a stage learns from answers that it samples."""
    if online and sampling.temperature == 0:
        yield (
            "At temperature=0 all answers to a prompt are the same, so there is nothing to learn from their differences. "
            "Set temperature=1; evaluations have a temperature of their own (eval_temperature)."
        )
    if "" in sampling.stop:
        yield 'stop=[""] would end every answer before it begins. Leave the empty text out.'


def of_task(task: Any, stages: Sequence[Stage], machine: Machine) -> Iterator[str]:
    """The task says it is whole, and has a first prompt or demonstration of each kind that the run will ask it for."""
    found = list(task.check()) if hasattr(task, "check") else []
    yield from found
    if found:
        return
    asked: dict[str, Callable[[], Iterable[Any]]] = {}
    kinds = {stage.algorithm.needs.source: stage for stage in stages}
    if "answers" in kinds:
        asked["train"] = lambda: task.prompts("train")
    if machine.eval_problems:
        asked["test"] = lambda: task.prompts("test")
    for kind, called in (("demonstrations", "demonstrations"), ("preferences", "pairs of a better and a worse answer")):
        if kind in kinds and not hasattr(task, kind):
            yield f"The task {task.name} has no {called} for {kinds[kind].name} to learn from. Choose another of the two."
        elif kind in kinds:
            asked[kind] = lambda kind=kind: (prompt for prompt, *_ in getattr(task, kind)("train"))
    yield from _of_rewards(task, stages)
    yield from _of_engine(task, stages, machine)
    told = set()
    for first in asked.values():
        if (complaint := _of_prompts(first, task.name, machine)) and complaint not in told:
            told.add(complaint)
            yield complaint


def _of_rewards(task: Any, stages: Sequence[Stage]) -> Iterator[str]:
    """Each stage that samples answers can have them graded, and by steps where it learns from steps."""
    for stage in stages:
        if not stage.samples:
            continue
        if not getattr(task, "has_reward", True) and getattr(stage.algorithm, "pairs", "") == "sampled":
            yield (
                f'{stage.name} learns from pairs. There are none here ("chosen" and "rejected" beside "prompt"), and no '
                "reward was named to rank sampled answers by. Add pairs to the data, or write --reward FILE.py."
            )
        elif not getattr(task, "has_reward", True) and not (stage.reward_model and stage.task_reward_weight == 0):
            yield (
                f"No reward was named for {stage.name} to learn from. Write --reward FILE.py, with a function "
                "reward(completions, **columns); or --reward-model FOLDER --task-reward-weight 0."
            )
        needs, judged = stage.algorithm.needs, getattr(task, "judges_steps", False)
        if getattr(stage.algorithm, "supervision", "outcome") == "process" and not judged and not stage.reward_model:
            yield (
                f"supervision=process learns from rewards of single steps, and the task {task.name} gives none with these "
                "settings. Set supervision=outcome, or reward_model to a process reward model; word-problems, arithmetic "
                "with target=steps and maths with step_rewards=equations judge steps."
            )
        if needs.of_steps and not needs.completions and not judged:
            yield (
                f"labels=task learns from the task's word on single steps, and {task.name} gives none with these settings. "
                "Set labels=completions."
            )


def _of_engine(task: Any, stages: Sequence[Stage], machine: Machine) -> Iterator[str]:
    """The model is of the kind that the task is for, and nothing reads the texts of a task that has none."""
    small = [PRESET + name for name in keys_of("quintet.engines.control.policy", "PRESETS")]
    fits = machine.model in small if hasattr(task, "preset") else machine.model not in small
    if machine.model.startswith(PRESET) and not fits:
        played = f"is played by a small network ({', '.join(small)})" if hasattr(task, "preset") else "is for language models"
        yield f"The task {task.name} {played}, and model={machine.model} is none. Leave the model out, or choose another task."
    if hasattr(task, "preset") and machine.lora_rank:
        yield f"lora_rank={machine.lora_rank} adapts language models; {task.name} has a small network. Leave it out."
    for stage in stages:
        if hasattr(task, "preset") and stage.reward_model:
            yield f"reward_model={stage.reward_model} reads texts, and {task.name} has none: it pays by itself. Leave it out."
        if hasattr(task, "preset") and stage.algorithm.needs.score:
            yield f"A reward model reads texts, and {task.name} has none: it pays by itself. Choose another than {stage.name}."


def of_reward_model(stage: Stage, stages: Sequence[Stage]) -> Iterator[str]:
    """The reward models that a stage names are folders or hub ids, or `stages` that come before and train one of their kind."""
    needs, names = stage.algorithm.needs, {s.name for s in stages}
    yield from _of_named("reward_model", stage.reward_model, stage, stages)
    yield from _of_named("begin_from", needs.begin_from, stage, stages)
    if needs.begin_from and (of_steps := _judges_steps(needs.begin_from, stages)) is not None and of_steps != needs.of_steps:
        kinds = {True: "a process reward model", False: "a reward model of whole answers"}
        yield f"begin_from={needs.begin_from} is {kinds[of_steps]}; {stage.name} trains {kinds[needs.of_steps]}."
    if needs.replay and needs.begin_from not in names and stage.rounds == 1:
        yield (
            f"replay={needs.replay} takes answers that earlier stages trained this reward model on, and there are none. "
            "Name an earlier stage in begin_from, or repeat the stage with rounds."
        )


def _of_named(key: str, wanted: str, stage: Stage, stages: Sequence[Stage]) -> Iterator[str]:
    path = Path(wanted)
    trains = {s.name: s.algorithm.needs.score for s in stages}
    before = [s.name for s in stages[: stages.index(stage)]]
    looks_local = path.is_dir() or _looks_like_a_path(wanted)
    if wanted in before and not trains[wanted]:
        yield f"{key}={wanted} names a stage that trains no reward model. Name one of the algorithm reward-model."
    elif wanted in trains and wanted not in before:
        yield f"{key}={wanted} names a stage that doesn't come before this one. Name one that does."
    elif wanted and wanted not in trains and not (path / "config.json").is_file() and looks_local:
        yield f"{key}={wanted} is no folder with a config.json, so it holds no reward model."


def of_process_supervision(stage: Stage, stages: Sequence[Stage], task: Any) -> Iterator[str]:
    """Where a stage learns from steps and has a reward model, one of task and model judges them."""
    if getattr(stage.algorithm, "supervision", "outcome") != "process" or not stage.reward_model:
        return
    by_task = stage.task_reward_weight and getattr(task, "judges_steps", False)
    if not by_task and _judges_steps(stage.reward_model, stages) is False:
        yield (
            f"supervision=process learns from rewards of steps, and reward_model={stage.reward_model} scores whole answers. "
            "Name a stage of the algorithm process-reward-model, or a folder for token classification."
        )


def _judges_steps(name: str, stages: Sequence[Stage]) -> bool | None:
    """Whether a reward model is a process reward model; None where only the hub knows."""
    for stage in stages:
        if stage.name == name:
            return stage.algorithm.needs.of_steps
    try:
        architectures = json.loads((Path(name) / "config.json").read_text(encoding="utf-8"))["architectures"]
    except (OSError, ValueError, KeyError):
        return None
    return any(str(a).endswith("ForTokenClassification") for a in architectures)


def of_scoring(task: Any) -> Iterator[str]:
    """Answers to the task can be scored without a reward model."""
    if not getattr(task, "has_reward", True):
        yield "No reward was named to score answers by. Write --reward FILE.py, with a function reward(completions, **columns)."


def _of_prompts(prompts: Callable[[], Iterable[Prompt]], name: str, machine: Machine) -> str | None:
    """What is wrong with the first prompt, if anything is."""
    try:
        prompt = next(iter(prompts()), None)
    except ValueError as error:
        return str(error)
    if prompt is None:
        return f"The task {name} has no prompts. Give it more data."
    if prompt.messages is not None and machine.model.startswith(PRESET):
        return (
            f"model={machine.model} has no chat template, but the prompts of {name} are chat messages. "
            "Use plain prompts, or start from a chat model."
        )
    if prompt.messages is not None and _has_no_template(Path(machine.model)):
        return (
            f"model={machine.model} has no chat template, but the prompts of {name} are chat messages. "
            "Use plain text prompts, or a chat model."
        )
    return None


def _has_no_template(folder: Path) -> bool:
    """Whether a folder has a tokenizer's settings and in none of its files a chat template."""
    settings = folder / "tokenizer_config.json"
    if not settings.is_file() or any(folder.glob("*chat_template*")) or (folder / "additional_chat_templates").exists():
        return False
    return '"chat_template"' not in settings.read_text(encoding="utf-8", errors="replace")
