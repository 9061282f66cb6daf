"""Prompts with their columns, from a file with a JSON object a line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

RESERVED = ("prompt", "completion", "completion_ids", "chosen", "rejected")
"""Keys of a row that are no columns for reward functions."""
MEANT = ("messages", "question", "query", "instruction", "input", "problem", "text")
"""What other data sets call a prompt, for the complaint about a row that has none."""
MOST_COMPLAINTS = 5


@dataclass(frozen=True)
class Row:
    """One line of the file."""

    line: int
    """From 1."""
    prompt: str | tuple[Mapping[str, str], ...]
    """A text, or chat messages."""
    completion: str | None
    """A right answer, where the file shows one."""
    columns: Mapping[str, Any]
    """All the rest."""
    pair: tuple[str, str] | None = None
    """A preferred and a rejected answer, where the file has them."""

    @property
    def key(self) -> str:
        """The prompt as text that is the same wherever the same prompt stands."""
        return self.prompt if isinstance(self.prompt, str) else json.dumps(self.prompt, sort_keys=True)

    @property
    def place(self) -> int:
        """A number below 2⁶⁴ that follows from the prompt alone: the split is made by it."""
        return int.from_bytes(blake2b(self.key.encode(), digest_size=8).digest(), "big")


def read_rows(path: Path) -> tuple[list[Row], list[str]]:
    """The rows of a file, and what is wrong with the lines that give none (FILE:LINE first).

    A row is {"prompt": text or messages, ...} and may have a "completion", a text or one assistant's message; or, as a
    pair, "chosen" and "rejected", the prompt then being what two conversations have in common where none is given. Empty lines
    are skipped. Raises ValueError where there is no such file, or no text in it."""
    rows: list[Row] = []
    complaints: list[str] = []
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, 1):
                if not line.strip():
                    continue
                try:
                    rows.append(_row(number, json.loads(line)))
                except json.JSONDecodeError as error:
                    what = f"this is no JSON: {error.msg} in column {error.colno}.{_slip(line, error)}"
                    complaints.append(f"{path}:{number}: {what}")
                except ValueError as error:
                    complaints.append(f"{path}:{number}: {error}")
    except UnicodeDecodeError:
        raise ValueError(
            f"{path} is no text in UTF-8. Prompts are read from JSON lines, one object a line: save the file as UTF-8."
        ) from None
    except OSError as error:
        reason = f"There is no file {path} in {Path.cwd()}" if isinstance(error, FileNotFoundError) else error.strerror
        raise ValueError(f"The prompts can't be read from data={path}: {reason}.") from None
    if complaints and not rows and (other := _other_format(path)):
        raise ValueError(other)
    if not rows and not complaints:
        raise ValueError(f'{path} has no rows. Write one JSON object a line, such as {{"prompt": "2 + 2 = ", "answer": 4}}.')
    if len(complaints) > MOST_COMPLAINTS:
        left = len(complaints) - MOST_COMPLAINTS
        complaints[MOST_COMPLAINTS:] = [f"{path}: {left} more lines can't be used either."]
    return rows, complaints


def _other_format(path: Path) -> str | None:
    """What a file is, in a sentence with the way out, if it is none of JSON lines but something else that one meets."""
    text = path.read_text(encoding="utf-8-sig").lstrip()
    lines = f'{path} must have one JSON object a line, such as {{"prompt": "2 + 2 = ", "answer": 4}}'
    rewrite = f"python -c 'import {{0}}, json; [print(json.dumps(row)) for row in {{1}}]' > {path.stem}-lines.jsonl"
    if path.suffix == ".py":
        return f"{path} is a Python file. Are data and reward swapped? {lines}."
    if text[:1] == "[" or (text[:1] == "{" and text[1:2].isspace()):
        command = rewrite.format("sys", f'json.load(open("{path}"))')
        return f"{lines}; it is one JSON text over several lines or a list. A list is rewritten by: {command}"
    if path.suffix in (".csv", ".tsv") or (text[:1] not in "{[" and "," in text.partition("\n")[0]):
        command = rewrite.format("csv", f'csv.DictReader(open("{path}"))')
        return f"{lines}; it looks like a table (CSV). It is rewritten by: {command}"
    return None


def _slip(line: str, error: json.JSONDecodeError) -> str:
    """What is likely to be wrong with a line that is nearly JSON; empty where there is no telling."""
    if line.rstrip().endswith(","):
        return " Lines end without a comma."
    return " Keys and texts stand in double quotes." if line[error.pos : error.pos + 1] == "'" else ""


def _row(number: int, row: Any) -> Row:
    if not isinstance(row, dict):
        raise ValueError(f"a row must be a JSON object, not {_named(row)}.")
    if "prompt" not in row and {"chosen", "rejected"} <= set(row):
        row = _with_prompt(row)
    if "prompt" not in row:
        named = next((key for key in MEANT if key in row), None)
        rename = f' Rename "{named}" to "prompt".' if named else ""
        raise ValueError(f'a row needs the key "prompt"; this one has {", ".join(row) or "none"}.{rename}')
    columns = {key: value for key, value in row.items() if key not in RESERVED}
    better, worse = (_completion(row.get(key), key) for key in ("chosen", "rejected"))
    if (better is None) != (worse is None):
        raise ValueError('a pair needs both "chosen" and "rejected".')
    pair = None if better is None or worse is None else (better, worse)
    return Row(number, _prompt(row["prompt"]), _completion(row.get("completion")), columns, pair)


def _with_prompt(row: dict[str, Any]) -> dict[str, Any]:
    """The row of two conversations that begin alike and differ in their last message: that beginning is the prompt."""
    better, worse = row["chosen"], row["rejected"]
    chats = all(isinstance(chat, list) and len(chat) > 1 and all(map(_is_message, chat)) for chat in (better, worse))
    if not chats or better[:-1] != worse[:-1]:
        raise ValueError(
            'a pair without a "prompt" must be two lists of messages that differ in the last one only. Add a "prompt".'
        )
    return {**row, "prompt": better[:-1], "chosen": better[-1:], "rejected": worse[-1:]}


def _prompt(prompt: Any) -> str | tuple[Mapping[str, str], ...]:
    if isinstance(prompt, str) and prompt:
        return prompt
    if isinstance(prompt, list) and prompt and all(map(_is_message, prompt)):
        return tuple(prompt)
    raise ValueError('"prompt" must be a text or a list of messages {"role": …, "content": …}, both texts, and not empty.')


def _completion(completion: Any, key: str = "completion") -> str | None:
    if completion is None or isinstance(completion, str):
        return completion
    if isinstance(completion, list) and len(completion) == 1 and _is_message(completion[0]):
        return completion[0]["content"]
    raise ValueError(f'"{key}" must be a text or a list of one message {{"role": "assistant", "content": …}}.')


def _is_message(message: Any) -> bool:
    return isinstance(message, dict) and all(isinstance(message.get(key), str) for key in ("role", "content"))


def _named(value: Any) -> str:
    return {list: "a list", str: "a text", bool: "true or false", type(None): "null"}.get(type(value), "a number")
