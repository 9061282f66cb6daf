"""The reward in docs/tasks-cargo.md is run as it stands there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "tasks-cargo.md"


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap")
def test_python_reward_of_the_page_runs_programs_and_stops_attacks(tmp_path: Path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 1
    outside: dict = {}
    exec(blocks[0], outside)
    leak = f"print(open({str(PAGE)!r}).read()[:1])"
    programs = ["print(sum(range(5)))", "print(11)", "import os; os.fork(); print(10)", "raise SystemExit(3)", leak]
    rewards = outside["prints_what_is_expected"](programs, ["10", "10", "10", "", "#"])
    assert rewards == [1.0, 0.0, 0.0, 1.0, 0.0]
