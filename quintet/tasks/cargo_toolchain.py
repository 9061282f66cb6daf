"""The Rust compiler of this machine, and how it is called in a sandbox."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from quintet.protocols import TaskError
from quintet.tasks.sandbox import Result, run

MEMORY_MB = 4096
"""Address space of one compiler process: rustc maps its whole library several times."""
OUTPUT_BYTES = 32 << 20
"""The largest test program that is fetched out of the sandbox: its stdout."""
CLIPPY_SETTINGS = """\
disallowed-methods = ["std::process::exit", "std::process::abort", "std::process::Command::new", "std::env::args",
    "std::env::var", "std::fs::read", "std::fs::read_to_string", "std::fs::write", "std::fs::File::open", "std::io::stdout",
    "std::io::stderr", "std::panic::catch_unwind", "std::panic::set_hook", "std::thread::current", "std::any::type_name"]
disallowed-macros = ["std::print", "std::println", "std::eprint", "std::eprintln", "std::include", "std::include_str",
    "std::include_bytes", "std::env", "std::option_env", "std::file", "std::module_path"]
"""
FORBID = ["-Funsafe_code", "-Fclippy::disallowed_methods", "-Fclippy::disallowed_macros"]


class NoToolchain(TaskError):
    """Rust isn't installed here."""


@dataclass(frozen=True)
class Toolchain:
    """Where it is."""

    root: Path

    def lint(self, program: str, seconds: float, *, tests: bool, strict: bool) -> Result:
        """clippy over a crate of that one file; its stderr is JSON, a diagnostic a line. Nothing is made."""
        return run(
            [
                f"{self.root}/bin/clippy-driver", *COMMON, "--crate-type=lib", *(["--test"] if tests else ["-Adead_code"]),
                *(FORBID if strict else []), "--emit=metadata", "-o", "/tmp/answer.rmeta", "answer.rs",
            ],
            files={"answer.rs": program, "clippy.toml": CLIPPY_SETTINGS},
            environment={"CLIPPY_CONF_DIR": "/work"},
            **self._limits(seconds),
        )  # fmt: skip

    def build_tests(self, files: Mapping[str, str], main: str, seconds: float, *, strict: bool) -> Result:
        """One test program of those files; its bytes are stdout, where returncode is 0, and JSON diagnostics are stderr."""
        return run(
            [
                "/bin/sh", "-c", 'exec 3>&1 1>&2; "$@" && cat /tmp/tests >&3', "build",
                f"{self.root}/bin/rustc", *COMMON, "--test", "--cap-lints=allow", *(FORBID[:1] if strict else []),
                "-Cdebuginfo=0", "-Clink-arg=-Wl,-s", "-o", "/tmp/tests", main,
            ],
            files=files,
            output_bytes=OUTPUT_BYTES,
            **self._limits(seconds),
        )  # fmt: skip

    def _limits(self, seconds: float) -> dict:
        return {
            "read_only": [self.root], "seconds": seconds, "memory_mb": MEMORY_MB, "disk_mb": 128, "processes": 64,
        }  # fmt: skip


COMMON = ["--edition=2021", "--error-format=json", "--crate-name=answer"]


def run_tests(program: bytes, names: str, seconds: float) -> Result:
    """Run the tests whose name has `names` in it."""
    return run(
        ["/work/tests", names, "--color=never"],
        files={"tests": program},
        seconds=seconds,
        memory_mb=1024,
        disk_mb=32,
        environment={"RUST_TEST_THREADS": "4", "MALLOC_ARENA_MAX": "1", "RUST_BACKTRACE": "0"},
    )


@cache
def toolchain() -> Toolchain:
    """The one that `rustc` on the path, or in ~/.cargo/bin, belongs to. Raises NoToolchain where there is none with clippy."""
    rustc = shutil.which("rustc", path=f"{os.environ.get('PATH', '')}:{Path.home()}/.cargo/bin")
    advice = "Install Rust with clippy: https://rustup.rs, then `rustup component add clippy`."
    if rustc is None:
        raise NoToolchain(f"The task cargo needs a Rust compiler, and there is no rustc here. {advice}")
    said = subprocess.run([rustc, "--print", "sysroot"], capture_output=True, text=True, check=False)
    root = Path(said.stdout.strip())
    if said.returncode != 0 or not (root / "bin" / "rustc").exists():
        raise NoToolchain(
            f"{rustc} does not say where its toolchain is: {said.stderr.strip() or said.stdout.strip()}. {advice}"
        )
    if not (root / "bin" / "clippy-driver").exists():
        raise NoToolchain(f"The toolchain in {root} has no clippy. {advice}")
    return Toolchain(root)
