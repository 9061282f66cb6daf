"""An answer as one file of a cargo project of the user's own, with its dependencies and tests; offline, in the sandbox.

The project is only read. In the sandbox it lies at its own place with the answer in place of one file, and a copy of its target
folder is built on, so that only what depends on that file is compiled. Its dependencies must be there already: fetched and
built once by its owner, outside, with `PREPARE`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quintet.protocols import TaskError
from quintet.tasks.cargo_answer import ATTRIBUTES, FORBIDDEN, LONGEST, STD, extract
from quintet.tasks.cargo_tokens import closing, code
from quintet.tasks.cargo_toolchain import CLIPPY_SETTINGS, MEMORY_MB, toolchain
from quintet.tasks.sandbox import Result, run

PREPARE = "cargo test --tests --no-run && cargo clippy --tests"
COPIED = ("debug/.fingerprint", "debug/deps", "debug/build")
SPARE_MB = 512
"""Room beside the copied target folder, for what is compiled anew."""
FORBIDDEN_MACROS = {"asm", "env", "eprint", "eprintln", "file", "global_asm", "include", "include_bytes", "include_str",
                    "module_path", "option_env", "print", "println"}  # fmt: skip
SCRIPT = """
cd "$1/target/debug" && mkdir -p /work/target/debug && cp -a .fingerprint deps build /work/target/debug || exit 1
cd "$1"; file=$2 lints=$3; shift 3
cargo clippy --frozen --quiet --tests --message-format=short -- $lints 2>/work/said; cat /work/said >&2
grep -F "$file:" /work/said | grep -q 'use of a disallowed' && { echo forbidden; exit 1; }
grep -qF "$file:" /work/said && echo "clippy 1" || echo "clippy 0"
cargo test --frozen --quiet --tests --no-run >&2; built=$?; echo "built $built"
[ $built = 0 ] || exit 1
exec cargo test --frozen --tests --no-fail-fast -- --color=never "$@"
"""
"""It says on stdout how far it came, before anything of the answer's runs. What clippy says of other files doesn't count."""
LINTS = "-Wclippy::all -Wclippy::disallowed_methods -Wclippy::disallowed_macros"
_LINE = re.compile(r"^test (.+) \.\.\. (ok|FAILED|ignored.*)$", re.MULTILINE)
_LISTED = re.compile(r"^(.+): test$", re.MULTILINE)


@dataclass(frozen=True)
class Project:
    """A prepared project."""

    folder: Path
    file: Path
    """The file that answers replace."""
    seen: tuple[Path, ...]
    """What of the host is there to read: the project, its path dependencies, cargo's registry, the toolchain."""
    tests: tuple[str, ...]
    """Names of the tests that the project has outside of that file, each as often as there are tests of that name."""
    target_mb: int


@cache
def prepared(folder: str, file: str, seconds: float) -> Project:
    """The project, after it has proven that it can be tested offline in the sandbox. TaskError, with what to do, where not."""
    root = Path(folder).expanduser().resolve()
    _there(root, file)
    target = root / "target"
    packages = _packages(root)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    seen = (root, *packages, *(p for p in (home / "registry", home / "git") if p.exists()), toolchain().root)
    size = sum(p.stat().st_size for part in COPIED for p in (target / part).rglob("*") if p.is_file()) >> 20
    project = Project(root, root / file, tuple(dict.fromkeys(seen)), (), size)
    blank = _run(project, "", seconds, "--list", clippy=False)  # the tests that are not in the file itself
    whole = _run(project, None, seconds, "--list", clippy=False) if "built 0" not in blank.stdout else blank
    if "built 0" not in whole.stdout:
        raise TaskError(
            f"The project {root} can't be built offline in the sandbox: {_first_error(whole)} "
            f"Prepare it once, outside: cd {root} && {PREPARE}"
        )
    inside = set(_own_tests((root / file).read_text())) if whole is not blank else set()
    tests = [name for name in _LISTED.findall(whole.stdout) if name.rpartition("::")[2] not in inside]
    if not tests:
        raise TaskError(
            f"The project {root} has no tests outside of {file}, so nothing could tell a right answer. Write some in tests/."
        )
    return Project(root, root / file, project.seen, tuple(sorted(tests)), size)


def grade_in(project: Project, text: str, seconds: float) -> tuple[dict[str, float], str]:
    """The parts format, builds, clippy and hidden of an answer, and why the worst is what it is. hidden: exactly the project's
    own tests ran, beside those the answer brings along, and all passed."""
    program, in_form = extract(text)
    parts = {"format": 0.0, "builds": 0.0, "clippy": 0.0, "hidden": 0.0}
    refused = list(dict.fromkeys(refusals(program)))
    if not program.strip() or refused:
        return parts, f"not run: it has {', '.join(refused)}" if refused else "there is no code in it"
    parts["format"] = float(in_form)
    ran = _run(project, program, seconds)
    if ran.stdout == "forbidden\n":
        return parts, f"not run: {next(line for line in ran.stderr.splitlines() if 'use of a disallowed' in line)}"
    head, _, tested = ran.stdout.partition("built 0\n")
    parts["builds"] = float("built 0\n" in ran.stdout and bool(tested or ran.returncode == 0 or ran.timed_out))
    parts["clippy"] = float(head.startswith("clippy 0\n") and parts["builds"] == 1)
    if not parts["builds"]:
        return parts, _first_error(ran)
    parts["hidden"] = float(ran.returncode == 0 and _all_passed(tested, project, program))
    return parts, "" if parts[
        "hidden"
    ] else "the project's tests fail" if not ran.timed_out else f"not done after {seconds:g} s"


def refusals(program: str) -> Iterator[str]:
    """What no answer needs and a cheat might. Macros and paths of the project and its dependencies are the owner's business."""
    if len(program) > LONGEST:
        yield f"more than {LONGEST} characters"
    words = code(program)
    for place, word in enumerate(words):
        following = [t.text for t in words[place + 1 : place + 3]]
        name = word.text.removeprefix("r#")
        if word.text == "#" and word.kind == "sign":
            last = closing(words, place + 1) if following else None
            attribute = "".join(t.text for t in words[place + 2 : last])
            if following[:1] == ["!"] or attribute.partition("(")[0] not in {a.partition("(")[0] for a in ATTRIBUTES}:
                yield f"the attribute {attribute[:40]}"
        if word.kind == "word" and name in FORBIDDEN and name != "crate":
            yield FORBIDDEN[name]
        if name in FORBIDDEN_MACROS and following[:1] == ["!"]:
            yield f"the macro {name}!"
        if name in ("std", "core", "alloc") and (following[:1] != ["::"] or following[1] not in STD):
            yield f"{name}::{following[1] if following[:1] == ['::'] and following[1:] else ''}"


def _there(root: Path, file: str) -> None:
    for path, what in (
        (root / "Cargo.toml", "It is no cargo project."),
        (root / file, "Name another: --project-file src/lib.rs"),
    ):
        if not path.is_file():
            raise TaskError(f"There is no {path}. {what}")
    if (root / file).resolve() != root / file:
        raise TaskError(f"--project-file must be a file inside {root}; {file} leads elsewhere.")
    for path in (root / "Cargo.lock", root / "target" / "debug"):
        if not path.exists():
            raise TaskError(f"The project {root} is not prepared: there is no {path.name}. Once: cd {root} && {PREPARE}")


def _packages(root: Path) -> list[Path]:
    """Folders of the path dependencies, and of the workspace."""
    said = subprocess.run(
        [toolchain().root / "bin" / "cargo", "metadata", "--format-version", "1", "--offline", "--locked"],
        cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "PATH": f"{toolchain().root}/bin:{os.environ.get('PATH', '')}"},
    )  # fmt: skip
    if said.returncode != 0:
        why = " ".join(said.stderr.split())[:300]
        raise TaskError(f"The project {root} is not prepared: {why} Prepare it once: cd {root} && {PREPARE}")
    found = json.loads(said.stdout)
    if Path(found["target_directory"]) != root / "target":
        raise TaskError(f"The project {root} builds in {found['target_directory']}; its target folder must be its own.")
    return [Path(p["manifest_path"]).parent for p in found["packages"] if p["source"] is None]


def _run(project: Project, program: str | None, seconds: float, *arguments: str, clippy: bool = True) -> Result:
    """cargo in the sandbox, with the answer in place of the file; None leaves the file as it is."""
    root = toolchain().root
    file = str(project.file.relative_to(project.folder))
    script = SCRIPT if clippy else SCRIPT.replace("cargo clippy", "true")
    return run(
        ["/bin/sh", "-c", script, "cargo", str(project.folder), file, LINTS, *arguments],
        files={"clippy/clippy.toml": CLIPPY_SETTINGS},
        read_only=project.seen,
        replaced={} if program is None else {project.file: program},
        environment={
            "PATH": f"{root}/bin:/usr/bin:/bin", "CARGO_TARGET_DIR": "/work/target", "CLIPPY_CONF_DIR": "/work/clippy",
            "CARGO_HOME": os.environ.get("CARGO_HOME", str(Path.home() / ".cargo")), "CARGO_TERM_COLOR": "never",
        },
        seconds=seconds, memory_mb=MEMORY_MB, disk_mb=project.target_mb + SPARE_MB, inodes=100_000, processes=128, threads=128,
    )  # fmt: skip


def _all_passed(said: str, project: Project, program: str) -> bool:
    """Whether each of the project's tests ran once and passed, and nothing beside them but the answer's own."""
    found = _LINE.findall(said)
    own = set(_own_tests(program))
    counted = Counter(name for name, _ in found if name.rpartition("::")[2] not in own or name in project.tests)
    return all(outcome == "ok" for _, outcome in found) and counted == Counter(project.tests)


def _own_tests(program: str) -> Iterator[str]:
    texts = [t.text for t in code(program)]
    for place in range(len(texts) - 5):
        if texts[place : place + 5] == ["#", "[", "test", "]", "fn"]:
            yield texts[place + 5]


def _first_error(result: Result) -> str:
    errors = sorted((e for e in result.stderr.splitlines() if "error" in e[:200]), key=lambda e: "error[E" not in e)
    if result.timed_out:
        return f"not done after {result.seconds:.0f} s."
    return (errors or result.stderr.strip().splitlines()[-1:] or [f"it ended with {result.returncode}"])[0][:300]
