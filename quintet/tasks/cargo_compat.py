"""The published rewards that need no compiler (github.com/Oxen-AI/GRPO-With-Cargo-Feedback), and all their weights.

They are here to compare with. Each can be had for nothing: a `todo!()` with a test module of commented-out asserts earns all
6.5.
"""

from __future__ import annotations

import re

from quintet.tasks.cargo_answer import Answer

WEIGHTS = {"build": 1.0, "clippy": 1.0, "own_tests": 2.0, "code_lines": 1.0, "test_block": 0.5, "asserts": 1.0}
"""At most 6.5 in all. `asserts` is a share of its weight: a quarter for each distinct one, up to four."""
FEWEST_LINES = 3


def compat_parts(answer: Answer) -> dict[str, float]:
    """code_lines: at least three lines that are no comments. test_block: exactly one test module. asserts: a quarter for each
    distinct line with an assert in it, comments included, as published."""
    lines = [line.strip() for line in answer.program.splitlines()]
    written = [line for line in lines if line and not line.startswith("//")]
    asserts = {match for line in lines for match in re.findall(r"assert(?:_eq)?!\(.*\)", line)}
    return {
        "code_lines": float(len(written) >= FEWEST_LINES),
        "test_block": float(answer.program.count("#[cfg(test)]") == 1),
        "asserts": min(1.0, 0.25 * len(asserts)),
    }
