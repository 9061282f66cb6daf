"""Problems with their answers from files, folders and the hub, whichever of the known layouts they have."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from importlib import import_module
from pathlib import Path
from typing import Any

from quintet.tasks.maths_answers import bare, final_answer

SUFFIXES = (".jsonl", ".json", ".parquet")
LAYOUTS = (
    'GSM8K: question, answer with "#### N"; MATH: problem, solution with a box or answer, level, subject; '
    "SVAMP: Body, Question, Equation, Answer, Type; or any with question (or problem) and answer"
)
PARQUET = "pip install pyarrow"
HUB = "pip install datasets"

_CALCULATOR = re.compile(r"<<[^<>\n]*>>")
_WHOLE = re.compile(r"(?<![0-9.])([0-9]+)\.0+(?![0-9])")


@dataclass(frozen=True)
class Problem:
    """One problem, whatever layout it came in."""

    place: str
    """FILE:ROW, rows from 1."""
    question: str
    answer: str
    """The final answer alone."""
    solution: str | None = None
    """Worked, the final answer perhaps included; None where the data have none."""
    level: str = ""
    """`level 3` of MATH, the type of SVAMP, or a column `level`; empty where there is none."""
    subject: str = ""
    """MATH's subject (or `type`, as some copies call it); empty where there is none."""

    @property
    def hash(self) -> int:
        """A number below 2⁶⁴ that follows from the question alone: the split is made by it."""
        return int.from_bytes(blake2b(self.question.encode(), digest_size=8).digest(), "big")


Splits = Mapping[str, Sequence[Problem]]


def read_splits(data: str, test_share: float) -> Splits:
    """The problems of `train` and `test`.

    `data` is a file (.jsonl, .json, .parquet), a folder of such files, or a hub id, OWNER/NAME or OWNER/NAME:CONFIGURATION.
    Files (or folders in the folder) whose names begin with test are the test split, those that begin with train the training
    split; where nothing is named test, `test_share` of all problems is, by the hash of the question.
    Raises ValueError, in a sentence, where there is no such thing, or a row has no known layout."""
    named = _from_disk(Path(data)) if Path(data).exists() else _from_hub(data)
    if "test" in named:
        return {"train": named.get("train", []), "test": named["test"]}
    problems = [problem for some in named.values() for problem in some]
    if not problems:
        raise ValueError(f"data={data} has no problems in it. {_wanted()}")
    return _by_hash(problems, test_share)


def problem_of(row: Any, place: str) -> Problem:
    """A row as a problem. Raises ValueError where it has no known layout, or no final answer.

    Example: problem_of({"question": "1+1?", "answer": "1+1=<<1+1=2>>2\\n#### 2"}, "a:1").solution == "1+1=2\\n#### 2" """
    if not isinstance(row, Mapping):
        raise ValueError(f"{place}: a row must be an object with columns. {_wanted()}")
    problem = _svamp(row, place) if {"Body", "Question", "Answer"} <= set(row) else _worked(row, place)
    if problem is None:
        raise ValueError(f"{place}: no layout that is known here has the columns {', '.join(row) or 'none'}. {_wanted()}")
    if not problem.question or not problem.answer:
        what = "question" if not problem.question else "final answer"
        raise ValueError(f"{place}: this row has no {what}. Leave it out, or give it one.")
    return problem


def _svamp(row: Mapping[str, Any], place: str) -> Problem:
    question, answer = f"{_text(row['Body'])} {_text(row['Question'])}".strip(), _text(row["Answer"])
    equation = _WHOLE.sub(r"\1", _text(row.get("Equation")))
    if equation.startswith("( ") and equation.endswith(" )") and "(" not in equation[1:]:
        equation = equation[2:-2]
    solution = f"{equation} = {answer}" if equation else None
    return Problem(place, question, answer, solution, level=_text(row.get("Type")))


def _worked(row: Mapping[str, Any], place: str) -> Problem | None:
    question = next((_text(row[key]) for key in ("question", "problem") if key in row), None)
    if question is None or not {"answer", "solution"} & set(row):
        return None
    solution, answer = _text(row.get("solution")), _text(row.get("answer"))
    if (final := final_answer(answer)) and not solution:
        solution = _CALCULATOR.sub("", answer)
    answer = final or bare(answer) or final_answer(solution) or ""
    level = _text(row.get("level")).lower()
    return Problem(
        place,
        question,
        answer,
        solution or None,
        level=f"level {level}" if level.isdecimal() else level,
        subject=_text(row.get("subject", row.get("type"))),
    )


def _text(value: Any) -> str:
    """A cell as text: 51.0 is 51, nothing is nothing."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _by_hash(problems: Sequence[Problem], share: float) -> Splits:
    places = sorted({problem.hash for problem in problems})
    held = {place for place in places if place < share * 2**64}
    if share > 0 and len(places) > 1:  # a handful of problems may all fall on one side
        held |= {places[0]}
    if share < 1:
        held -= {places[-1]}
    return {
        "train": [problem for problem in problems if problem.hash not in held],
        "test": [problem for problem in problems if problem.hash in held],
    }


# ---- where rows come from ----------------------------------------------------------------------------------------------------


def _from_disk(path: Path) -> dict[str, list[Problem]]:
    """Problems by the split that file names say they are of; "" for files that say nothing."""
    files = sorted(f for f in path.rglob("*") if f.suffix in SUFFIXES and not _hidden(f, path)) if path.is_dir() else [path]
    named: dict[str, list[Path]] = {}
    for file in files:
        named.setdefault(_split_of(file.relative_to(path) if path.is_dir() else Path(path.name)), []).append(file)
    if "test" in named or "train" in named:  # validation sets, and what else lies about
        named.pop("", None)
    if not files:
        raise ValueError(f"data={path} has no file in it that ends in {', '.join(SUFFIXES)}.")
    return {split: [problem for file in some for problem in _problems(file)] for split, some in named.items()}


def _split_of(path: Path) -> str:
    """train or test, where the file's name or that of a folder above it begins so."""
    named = (re.match(r"(train|test)(?![a-z])", part.lower()) for part in path.parts)
    return next((found[1] for found in named if found), "")


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _problems(file: Path) -> Iterator[Problem]:
    read = READERS.get(file.suffix)
    if read is None:
        raise ValueError(f"data={file} is no file of problems: its name ends in none of {', '.join(SUFFIXES)}.")
    return (problem_of(row, f"{file}:{number}") for number, row in read(file))


def _json_lines(file: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(_read(file).split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except json.JSONDecodeError as error:
                raise ValueError(f"{file}:{number}: this is no JSON: {error.msg} in column {error.colno}.") from None


def _json(file: Path) -> Iterable[tuple[int, Any]]:
    """A list of objects, one object, or, as some files of lines are called .json, an object a line."""
    text = _read(file)
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        if not text.lstrip().startswith("["):
            return _json_lines(file)
        raise ValueError(f"{file}:{error.lineno}: this is no JSON: {error.msg} in column {error.colno}.") from None
    return enumerate(found if isinstance(found, list) else [found], 1)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
        raise ValueError(f"The problems can't be read from data={file}: {reason}.") from None


def _parquet(file: Path) -> Iterator[tuple[int, Any]]:
    table = _optional("pyarrow.parquet", f"{file} is a parquet file, which pyarrow reads", PARQUET).read_table(file)
    return enumerate(table.to_pylist(), 1)


READERS: Mapping[str, Callable[[Path], Iterable[tuple[int, Any]]]] = {
    ".jsonl": _json_lines,
    ".json": _json,
    ".parquet": _parquet,
}


def _from_hub(name: str) -> dict[str, list[Problem]]:
    """The splits train and test of a data set that `datasets` finds by its id, or in a folder with the hub's layout."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(:[\w.-]+)?", name) or name.endswith(SUFFIXES):
        raise ValueError(
            f"There is no data={name} in {Path.cwd()}. Name a file, a folder or a hub id (OWNER/NAME). {_wanted()}"
        )
    library = _optional("datasets", f"There is no data={name} in {Path.cwd()}, and hub ids are looked up by datasets", HUB)
    return hub_splits(library, *name.split(":"))


def hub_splits(library: Any, name: str, configuration: str | None = None) -> dict[str, list[Problem]]:
    """What `datasets.load_dataset` gives for an id or a folder. ValueError, with its own words, where it gives nothing."""
    try:
        found = library.load_dataset(name, configuration)
    except Exception as error:  # each kind of trouble (network, name, configuration) has a class of its own there
        said = " ".join(str(error).split())
        raise ValueError(f"data={name} can't be had from the hub: {type(error).__name__}: {said}") from error
    wanted = [split for split in ("train", "test") if split in found] or list(found)
    return {split: [problem_of(row, f"{name}/{split}:{i}") for i, row in enumerate(found[split], 1)] for split in wanted}


def _optional(module: str, need: str, install: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise ValueError(f"{need}; it isn't installed. Run: {install}") from None


def _wanted() -> str:
    return f"The layouts known are {LAYOUTS}."
