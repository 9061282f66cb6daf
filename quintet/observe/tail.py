"""A journal read while somebody else writes it: each look costs what was added, not what is there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from quintet.observe.records import Row

MOST_BYTES = 16 * 2**20
"""Bytes of one look; a file that is far ahead is caught up with in several."""


class Line(NamedTuple):
    """One line of a file, without its end."""

    start: int
    """Where it begins, in bytes."""
    raw: bytes


class Tail:
    """The lines of a file that grows. A resumed run cuts its journals back: then reading begins again, which `begun` counts."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self.path, self.most = path, most
        self.begun = 0
        """How often reading began at the file's start because the file was cut back or replaced."""
        self.at = 0
        """Bytes read so far."""
        self.size = 0
        """Bytes in the file when it was last looked at."""
        self._last = b""

    def lines(self) -> list[Line]:
        """The whole lines added since the last look, at most `most` bytes of them; none where there is no file (yet).

        A line without its newline is still being written and comes with a later look, however long it is.
        """
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return []
        with file:
            self._notice_a_cut(file)
            file.seek(self.at)
            chunk = file.read(self.most)
            while chunk and b"\n" not in chunk and (more := file.read(self.most)):
                chunk += more
        whole = chunk[: chunk.rfind(b"\n") + 1]
        found, start = [], self.at
        for raw in _split(whole):
            found.append(Line(start, raw.rstrip(b"\n")))
            start += len(raw)
        self.at += len(whole)
        self._last = whole[-64:] or self._last
        return found

    def rows(self) -> Iterator[Row]:
        """The objects on those lines; what can't be read is left out, as a display has nobody to complain to."""
        for line in self.lines():
            row = parsed(line.raw)
            if row is not None:
                yield row

    def _notice_a_cut(self, file: Any) -> None:
        """Begin again where the file is shorter than what was read, or no longer holds what was read last."""
        self.size = file.seek(0, 2)
        file.seek(max(0, self.at - len(self._last)))
        if self.size < self.at or file.read(len(self._last)) != self._last:
            self.begun += 1
            self.at, self._last = 0, b""


def _split(text: bytes) -> list[bytes]:
    """Lines ended by newlines alone: bytes.splitlines takes a carriage return for an end as well."""
    return [line + b"\n" for line in text.split(b"\n")[:-1]]


def parsed(raw: bytes) -> Row | None:
    """The object on a line; None where there is none.  Example: parsed(b'{"step": 1}') == {"step": 1}"""
    try:
        row = json.loads(raw)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
