"""The grader's own crate: the answer's code and its mutants as modules, and hidden tests that the answer never sees.

Every module has a name that nobody can guess, so a test can't ask whether it runs against the answer or against a mutant.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from secrets import token_hex

from quintet.tasks.cargo_answer import Answer, test_names, with_public
from quintet.tasks.cargo_mutants import mutants
from quintet.tasks.cargo_tokens import closing, code

MUTANTS = 4
_TEST_LINE = re.compile(r"^test (\S+) \.\.\. (ok|FAILED|ignored.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Harness:
    """A crate."""

    files: dict[str, str]
    main: str
    hidden: str
    """Name of the module of hidden tests."""
    hidden_tests: tuple[str, ...]
    """Their names without modules."""
    own: str
    """Name of the answer's module."""
    wrong: tuple[str, ...]
    """Names of its mutants' modules."""
    common: str
    """What the names of `own` and `wrong` begin with."""


def harness(answer: Answer, hidden: str, signature: str, *, with_tests: bool, num_mutants: int = MUTANTS) -> Harness:
    """The crate for an answer. `hidden`: functions marked #[test], or statements; empty for none. `signature`: that of the
    function they test; empty: they test whichever functions they name. `with_tests` False leaves the answer's tests out."""
    asked = _asked(answer, hidden, signature)
    body = with_public(answer.body, asked)
    tests = answer.test_code if with_tests else ""
    secret = token_hex(8)
    wrong = mutants(body, asked[0] if asked else "", num_mutants) if tests and answer.tests else []
    names = [f"m{secret}{token_hex(4)}" for _ in range(1 + len(wrong))]
    files = {f"{name}.rs": f"{text}\n{tests}" for name, text in zip(names, [body, *wrong], strict=True)}
    hidden_name = f"h{token_hex(8)}"
    main = "use std::collections::*;\n" + "".join(f'#[path = "{name}.rs"] mod {name};\n' for name in names)
    if hidden:
        wrapped = hidden if "#[test]" in hidden else f"#[test]\nfn holds() {{\n{hidden}\n}}"
        name, kind = function_type(signature)
        pinned = f"const _: {kind} = {name};\n" if kind else ""  # or a type of the answer's own could equal everything
        main += f"use {names[0]}::{{{', '.join(asked)}}};\n{pinned}mod {hidden_name} {{\nuse super::*;\n{wrapped}\n}}\n"
        hidden = wrapped
    found = tuple(test_names(code(hidden)))
    return Harness({"harness.rs": main, **files}, "harness.rs", hidden_name, found, names[0], tuple(names[1:]), f"m{secret}")


def without(crate: Harness, broken: Sequence[str]) -> Harness:
    """The crate without those mutants, which do not compile."""
    main = "".join(line for line in crate.files["harness.rs"].splitlines(True) if not any(f'"{b}.rs"' in line for b in broken))
    files = {name: text for name, text in crate.files.items() if name.removesuffix(".rs") not in broken}
    kept = tuple(name for name in crate.wrong if name not in broken)
    return replace(crate, files={**files, "harness.rs": main}, wrong=kept)


def outcomes(stdout: str) -> dict[str, str]:
    """What became of each test by its path: ok, FAILED or ignored. A path that comes twice FAILED."""
    found: dict[str, str] = {}
    for path, outcome in _TEST_LINE.findall(stdout):
        found[path] = "FAILED" if path in found else outcome
    return found


def function_type(signature: str) -> tuple[str, str]:
    """A signature's name and its type as a function pointer; the type is empty where it has generic types.

    Example: function_type("fn f(a: &str, n: usize) -> bool") == ("f", "fn(&str, usize) -> bool")"""
    words = code(signature)
    texts = [t.text for t in words]
    if "fn" not in texts or len(words) < texts.index("fn") + 3:
        return "", ""
    place = texts.index("fn")
    name, opening = texts[place + 1], place + 2
    last = closing(words, opening)
    lifetimes = ""
    if (
        texts[opening] == "<"
        and ">" in texts
        and all(t.kind == "lifetime" or t.text == "," for t in words[opening + 1 : texts.index(">")])
    ):
        lifetimes = f"for<{' '.join(texts[opening + 1 : texts.index('>')])}> "
        opening = texts.index(">") + 1
        last = closing(words, opening)
    if texts[opening] != "(" or last is None or "where" in texts or "impl" in texts:
        return name, ""
    types = [part.partition(":")[2].strip() for part in _parts(signature[words[opening].end : words[last].start])]
    returned = signature[words[last].end :].strip().rstrip("{;").strip()
    return name, f"{lifetimes}fn({', '.join(types)}) {returned}".strip()


def _parts(text: str) -> list[str]:
    """A list at its top-level commas."""
    parts, depth = [""], 0
    for letter in text.replace("->", "→"):
        depth += (letter in "([<") - (letter in ")]>")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter.replace("→", "->")
    return [part for part in parts if part.strip()]


def _asked(answer: Answer, hidden: str, signature: str) -> list[str]:
    """The functions that are tested: the signature's, or those that the hidden tests name, or the first."""
    if name := function_type(signature)[0]:
        return [name]
    named = {t.text for t in code(hidden)}
    return [f for f in answer.functions if f in named] or list(answer.functions[:1])
