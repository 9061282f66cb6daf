"""A careless teacher of Rust: answers with one mistake of a kind that learners make.

Imitating such demonstrations gives a start that is worth improving by feedback: what is wrong in them is mixed with what is
right, and cargo can tell which is which.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from random import Random

from quintet.tasks.cargo_mutants import mutants
from quintet.tasks.rust_exercises import Exercise, in_contract
from quintet.tasks.rust_family import KINDS, between

SLIPS = (
    (r"\|&&(\w+)\|", r"|\1|"), (r"\|&(\w+)\|", r"|\1|"), (r"\|&?\((\w+), (\w+)\)\|", r"|\1, \2|"), (r"\.copied\(\)", ""),
    (r"\.iter\(\)", ""), (r"\.chars\(\)", ""), (r"\.collect\(\)", ""), (r"let mut ", "let "), (r" as \w+", ""),
    (r"\.to_string\(\)", ""), (r"\.to_vec\(\)", ""), (r"\.unwrap_or\(\w+\)", ""), (r"Some\(([^()]*)\)", r"\1"), (r";$", ""),
)  # fmt: skip
"""What is easily forgotten: a pattern's reference, a conversion, `mut`. Almost always it does not compile without."""


def careless(made: Exercise, rng: Random) -> str:
    """The exercise's answer with one mistake in it: one that does not compile, one that gives wrong results, one that clippy
    warns of, or a test that expects the wrong thing. Where the drawn kind has no place in this answer it is a slip."""
    make = MISTAKES[between(rng, 0, len(MISTAKES) - 1)]
    return make(made, rng) or slip(made, rng)


def slip(made: Exercise, rng: Random) -> str:
    """Something forgotten, or an argument called by another name."""
    head, body = _taken_apart(made)
    found = [new for old, to in SLIPS if (new := re.sub(old, to, body, flags=re.MULTILINE)) != body]
    argument, kind = _argument(made)
    others = [name for name in KINDS_BY_TYPE.get(kind, ()) if f"{name}:" not in made.signature and name not in body]
    if others and re.search(rf"\b{argument}\b", body):
        found.append(re.sub(rf"\b{argument}\b", others[between(rng, 0, len(others) - 1)], body))
    if not found:
        return in_contract(made.function.replace(f" -> {made.signature.rpartition(' -> ')[2]} {{", " {", 1), made.own_tests)
    return in_contract(head + found[between(rng, 0, len(found) - 1)], made.own_tests)


def wrong(made: Exercise, rng: Random) -> str | None:
    """One sign, number or word that is another."""
    head, body = _taken_apart(made)
    found = mutants(body, "", 8)
    return in_contract(head + found[between(rng, 0, len(found) - 1)], made.own_tests) if found else None


def habit(made: Exercise, rng: Random) -> str | None:
    """A `return` that nothing needs."""
    head, body = _taken_apart(made)
    found = re.search(r"\n    ([\w(\"$][^\n]*[^\n};])\n\}$", body)
    if not found or (found.group(1).startswith("let ")):
        return None
    return in_contract(head + body[: found.start()] + f"\n    return {found.group(1)};\n}}", made.own_tests)


def wrong_test(made: Exercise, rng: Random) -> str | None:
    """An assert that holds the function to something else."""
    asserts = [line for line in made.own_tests.splitlines() if "assert" in line]
    line = asserts[between(rng, 0, len(asserts) - 1)]
    if "assert!(" in line:
        other = line.replace("assert!(!", "assert!(", 1) if "assert!(!" in line else line.replace("assert!(", "assert!(!", 1)
    else:
        other = re.sub(r"(\d+)(\D*\);)$", lambda m: f"{int(m.group(1)) + 1}{m.group(2)}", line)
    return in_contract(made.function, made.own_tests.replace(line, other, 1)) if other != line else None


def _taken_apart(made: Exercise) -> tuple[str, str]:
    """Comment and signature, and the body with its braces."""
    head, sign, body = made.function.partition(f"{made.signature} {{")
    return head + sign.removesuffix("{"), "{" + body


def _argument(made: Exercise) -> tuple[str, str]:
    """The first argument's name and type."""
    found = re.search(r"\((\w+): ([^,)]+|&?\[?\([^)]*\)\]?)", made.signature)
    return (found.group(1), found.group(2)) if found else ("", "")


KINDS_BY_TYPE = {kind.type: kind.names for kind in KINDS.values()}
MISTAKES: tuple[Callable[[Exercise, Random], str | None], ...] = (slip,) * 4 + (wrong,) * 3 + (habit, wrong_test)
"""Most of a learner's mistakes don't compile, fewer are wrong, fewer still only bad style or a wrong expectation in a test."""
