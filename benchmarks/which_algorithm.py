"""Regenerates docs/which-algorithm.md: every recipes/compare-*.toml run by `quintet compare`, its advice and the machine kept
in docs/comparisons/. What is done already (runs/which-algorithm) is not done again, and what was stopped goes on.

    python -m benchmarks.which_algorithm                 all comparisons, then the page
    python -m benchmarks.which_algorithm --only maze     one of them, then the page
    python -m benchmarks.which_algorithm --page          the page alone, from what is in docs/comparisons/
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.which_algorithm_page import page
from quintet import comparisons
from quintet.environment import describe

ROOT = Path(__file__).parent.parent
RUNS, DATA, PAGE = ROOT / "runs" / "which-algorithm", ROOT / "docs" / "comparisons", ROOT / "docs" / "which-algorithm.md"
MEMORY = ROOT / "docs" / "memory.json"


def recipes() -> dict[str, Path]:
    """Every comparison there is a recipe for, by its name: compare-maze.toml is maze."""
    return {path.stem.removeprefix("compare-"): path for path in sorted((ROOT / "recipes").glob("compare-*.toml"))}


def measure(name: str, recipe: Path) -> None:
    """Run a comparison, or go on with it, and keep what it says."""
    folder = RUNS / name
    what = (
        ["--resume", str(folder)] if (folder / "comparison.toml").is_file() else ["--recipe", str(recipe), "--out", str(folder)]
    )
    command = [sys.executable, "-m", "quintet.cli", "compare", *what]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise SystemExit(f"{' '.join(command)} did not end well; run this again to go on with it.")
    advice = json.loads((folder / "advice.json").read_text())
    advice["next"] = advice["next"].replace(str(folder), str(folder.relative_to(ROOT)))
    advice["start"]["model"] = Path(advice["start"]["model"]).name
    machine = {k: v for k, v in describe().items() if k not in ("command", "started", "gpu")}
    DATA.mkdir(exist_ok=True)
    found = {"machine": machine, "minutes": round(minutes(folder), 1), "advice": advice}
    (DATA / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")


def minutes(folder: Path) -> float:
    """How long at least one run was under way; where all was stopped, nothing counts."""
    runs = [comparisons.read_status(path.parent) for path in folder.rglob(comparisons.STATUS)]
    spans = sorted(tuple(datetime.fromisoformat(run[key]).timestamp() for key in ("started", "ended")) for run in runs)
    seconds, reached = 0.0, 0.0
    for began, ended in spans:
        seconds += max(0.0, ended - max(began, reached))
        reached = max(reached, ended)
    return seconds / 60


def kept() -> dict[str, Any]:
    """Every comparison that was measured, by its name."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(DATA.glob("*.json"))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=recipes(), help="run this comparison alone")
    parser.add_argument("--page", action="store_true", help="only write the page")
    options = parser.parse_args()
    for name, recipe in recipes().items():
        if not options.page and options.only in (None, name):
            measure(name, recipe)
    PAGE.write_text(page(kept(), json.loads(MEMORY.read_text()), list(recipes())))
    print(f"Written: {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
