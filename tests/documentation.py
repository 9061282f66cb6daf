"""The code blocks of README and docs, and how each is run.

A comment in front of a block, which no reader sees, may say `<!-- run with: --steps 1 -->` (flags behind every `quintet train`
and `quintet check` of it, so that they are short), `<!-- not run: why -->`, or `<!-- output differs: why -->` (where the
lines below a command are not compared).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "website").glob("*.md")]
)
_BLOCK = re.compile(r"(?:<!-- ([a-z ]+): ([^\n]*?) -->\n)?^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
MARKS = ("run with", "not run", "output differs")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: str
    line: int
    """Of its fence, from 1."""
    language: str
    text: str
    mark: str = ""
    """One of `MARKS`, or empty."""
    said: str = ""
    """What the mark says."""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"

    @property
    def file(self) -> str | None:
        """The name of the file it shows: `# reward.py` in its first line."""
        found = re.match(r"# ([\w-]+\.(?:py|toml))\n", self.text)
        return found[1] if found else None

    @property
    def extra(self) -> str:
        """Flags that make its commands short."""
        return self.said if self.mark == "run with" else ""


@dataclass(frozen=True)
class Command:
    """A command and what the page says that it prints."""

    text: str
    output: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start(3)) + 1, found[3].strip(), found[4], found[1] or "", found[2] or "")
        for found in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[Command]:
    """What stands behind each `$`, continued lines joined and comments taken off, with the lines that follow it.

    Example: "$ make test   # all of it" is `make test`"""
    joined = block.text.replace("\\\n", " ")
    found: list[Command] = []
    for line in joined.splitlines():
        if line.startswith("$ "):
            found.append(Command(" ".join(re.sub(r"\s{2,}#.*|\s# .*", "", line[2:]).split()), ""))
        else:
            assert found, f"{block.place}: a console block begins with a command, $ …"
            found[-1] = Command(found[-1].text, f"{found[-1].output}{line}\n")
    return found
