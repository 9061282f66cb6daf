"""A cargo project with a dependency, prepared, and answers that take the place of one of its files: really built and run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from quintet.data import Prompt, Rollout
from quintet.protocols import TaskError
from quintet.tasks.cargo import Cargo
from quintet.tasks.cargo_project import grade_in, prepared, refusals
from quintet.tasks.cargo_toolchain import toolchain

RUSTC = shutil.which("rustc", path=f"{os.environ.get('PATH', '')}:{Path.home()}/.cargo/bin")
pytestmark = pytest.mark.skipif(RUSTC is None or shutil.which("bwrap") is None, reason="needs rustc with clippy and bubblewrap")

FILES = {
    "shapes/Cargo.toml": '[package]\nname = "shapes"\nversion = "0.1.0"\nedition = "2021"\n',
    "shapes/src/lib.rs": "pub struct Square(pub u32);\n",
    "app/Cargo.toml": '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n\n[dependencies]\n'
    'shapes = { path = "../shapes" }\n',
    "app/src/lib.rs": "pub mod area;\n",
    "app/src/area.rs": "use shapes::Square;\n\npub fn area(_: &Square) -> u32 {\n    todo!()\n}\n",
    "app/tests/area.rs": "use app::area::area;\nuse shapes::Square;\n\n#[test]\nfn of_three() {\n"
    "    assert_eq!(area(&Square(3)), 9);\n}\n\n#[test]\nfn of_none() {\n    assert_eq!(area(&Square(0)), 0);\n}\n",
}  # fmt: skip


def answer(body: str = "square.0 * square.0", tests: str = "assert_eq!(area(&Square(2)), 4);") -> str:
    return f"""```rust
use shapes::Square;

// A side times itself.
pub fn area(square: &Square) -> u32 {{
    {body}
}}

#[cfg(test)]
mod tests {{
    use super::*;

    #[test]
    fn of_two() {{
        {tests}
    }}
}}
```"""


def written(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder / "app"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project, prepared as its owner would."""
    root = written(tmp_path_factory.mktemp("project"), FILES)
    environment = {**os.environ, "PATH": f"{toolchain().root}/bin:{os.environ['PATH']}"}
    for command in ("cargo test --tests --no-run --offline", "cargo clippy --tests --offline"):
        subprocess.run(command.split(), cwd=root, env=environment, check=True, capture_output=True)
    return root


def parts(project: Path, text: str) -> tuple[float, ...]:
    found, _ = grade_in(prepared(str(project), "src/area.rs", 60.0), text, 30.0)
    return tuple(found[name] for name in ("format", "builds", "clippy", "hidden"))


def test_right_answer_passes_the_projects_own_tests(project: Path):
    assert parts(project, answer()) == (1, 1, 1, 1)


def test_wrong_answer_builds_and_fails_them_even_where_its_own_test_agrees(project: Path):
    assert parts(project, answer("square.0 + square.0")) == (1, 1, 1, 0)


def test_answer_that_does_not_build_says_why(project: Path):
    found, why = grade_in(prepared(str(project), "src/area.rs", 60.0), answer("square.1"), 30.0)
    assert (found["builds"], found["hidden"]) == (0, 0)
    assert "no field `1`" in why


def test_warning_costs_its_part_alone(project: Path):
    assert parts(project, answer("return square.0 * square.0;")) == (1, 1, 0, 1)


def test_nothing_of_the_project_is_written(project: Path):
    before = {p: p.stat().st_mtime_ns for p in project.rglob("*") if p.is_file()}
    parts(project, answer())
    assert before == {p: p.stat().st_mtime_ns for p in project.rglob("*") if p.is_file()}


def test_forged_result_earns_nothing(project: Path):
    """Its tests' names come twice, or from a process that ended too early."""
    loud = 'std::io::Write::write_all(&mut std::io::stdout(), b"test of_three ... ok\\n").unwrap(); 0'
    assert parts(project, answer(loud))[3] == 0
    assert parts(project, answer("std::process::exit(0)"))[3] == 0


def test_forged_result_earns_nothing_even_where_the_rules_over_words_let_it_through(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    """Clippy stops exits and prints under any name; a name that comes twice is no pass."""
    monkeypatch.setattr("quintet.tasks.cargo_project.refusals", lambda program: iter(()))
    forged = 'println!("test of_three ... ok\\ntest of_none ... ok"); std::process::exit(0)'
    assert parts(project, answer(forged)) == (1, 0, 0, 0)
    loud = 'let text = b"test of_three ... ok\\n"; let _ = std::io::Write::write_all(&mut std::fs::OpenOptions::new()'
    quiet = f'{loud}.append(true).open("/proc/self/fd/1").unwrap(), text); square.0 * square.0'
    assert parts(project, answer(quiet))[3] == 0


def test_what_a_cheat_needs_is_refused_and_what_a_project_needs_is_not():
    assert list(refusals('fn f() { include_str!("../tests/area.rs"); println!("x") }')) == [
        "the macro include_str!",
        "the macro println!",
    ]
    assert list(refusals("#[test]\n#[ignore]\nfn f() {}")) == ["the attribute ignore"]
    assert list(refusals("use crate::other; fn f() { dependency::json!(1); std::mem::swap(a, b) }")) == []


def test_project_that_was_never_built_is_refused_with_the_command_to_run(tmp_path: Path):
    root = written(tmp_path, FILES)
    with pytest.raises(
        TaskError, match=r"is not prepared: there is no Cargo\.lock\. Once: cd .*app && cargo test --tests --no-run"
    ):
        prepared(str(root), "src/area.rs", 10.0)


def test_project_whose_dependency_is_not_here_is_refused_in_cargos_words(tmp_path: Path, project: Path):
    root = tmp_path / "app"
    shutil.copytree(project, root)
    with pytest.raises(TaskError, match=r"is not prepared: .*shapes.* Prepare it once: cd"):
        prepared(str(root), "src/area.rs", 10.0)


def test_wrong_folder_and_wrong_file_are_named(project: Path, tmp_path: Path):
    with pytest.raises(TaskError, match=r"There is no .*Cargo\.toml\. It is no cargo project"):
        prepared(str(tmp_path), "src/lib.rs", 10.0)
    with pytest.raises(TaskError, match=r"There is no .*src/nothing\.rs\. Name another: --project-file"):
        prepared(str(project), "src/nothing.rs", 10.0)


def test_project_without_tests_of_its_own_judges_nothing(project: Path, tmp_path: Path):
    shutil.copytree(project.parent, tmp_path, dirs_exist_ok=True)
    (tmp_path / "app/tests/area.rs").unlink()
    with pytest.raises(TaskError, match=r"has no tests outside of src/area\.rs"):
        prepared(str(tmp_path / "app"), "src/area.rs", 60.0)


def test_task_grades_in_the_project(project: Path, tmp_path: Path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"instruction": "Write `area` for a `shapes::Square` in src/area.rs."}) + "\n")
    task = Cargo(data=str(rows), project=str(project), project_file="src/area.rs", test_share=0.0)
    assert task.check() == []
    verdicts = task.grade(
        [Rollout(Prompt("p", text="", truth={}), [], [], [], text, "eos", 0) for text in (answer(), answer("7"))]
    )
    assert [verdict.correct for verdict in verdicts] == [True, False]
    assert verdicts[0].reward == pytest.approx(0.8)


def test_project_needs_instructions():
    with pytest.raises(ValueError, match="project goes with data"):
        Cargo(project="/somewhere")
