"""Graded Rust exercises without end, each with a signature, a reference solution and hidden tests, each a function of a number.

A family (`rust_family`) is one idea; a number k, the arguments' names and the tests' inputs vary. A family is wholly in train
or wholly in test, so held-out exercises are about ideas that training never showed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from random import Random
from typing import Any

from quintet.tasks import rust_lists, rust_numbers, rust_texts
from quintet.tasks.rust_family import KINDS, Family, between

FAMILIES: tuple[Family, ...] = (*rust_numbers.FAMILIES, *rust_lists.FAMILIES, *rust_texts.FAMILIES)
HIDDEN_CASES, SHOWN_CASES = 10, 3
_OUTER = re.compile(r"(\w+)<(.*)>$")


@dataclass(frozen=True)
class Exercise:
    """One exercise."""

    family: str
    level: int
    instruction: str
    """What the function does, a sentence that names it."""
    signature: str
    function: str
    """The reference: a comment and the function."""
    own_tests: str
    """The reference's own test module."""
    hidden: str
    """A function marked #[test]."""

    @property
    def answer(self) -> str:
        """The reference as an answer in the contract's form."""
        return in_contract(self.function, self.own_tests)


def in_contract(function: str, tests: str) -> str:
    """A function and a test module as an answer in the contract's form."""
    return f"```rust\n{function}\n\n{tests}\n```"


@cache
def families(split: str, test_share: float, levels: tuple[int, ...]) -> tuple[Family, ...]:
    """The families of a split, levels mixed; of each level the same share is held out, by the hash of the names."""
    found: list[Family] = []
    for level in levels:
        some = sorted((f for f in FAMILIES if f.level == level), key=lambda f: _place(f.name))
        held = round(test_share * len(some))
        found += some[:held] if split == "test" else some[held:]
    return tuple(sorted(found, key=lambda f: _place(f.name)))


def exercise(family: Family, rng: Random) -> Exercise:
    """A random exercise of a family."""
    k = family.ks[between(rng, 0, len(family.ks) - 1)] if family.ks else None
    kinds = [KINDS[name] for name in family.takes.split()]
    names: list[str] = []
    for kind in kinds:
        names.append(_pick(rng, [n for n in kind.names if n not in names]))
    fill = _filler(names, k)
    name = fill(family.name).replace("-", "minus_")
    signature = f"fn {name}({', '.join(f'{n}: {kind.type}' for n, kind in zip(names, kinds, strict=True))}) -> {family.gives}"
    cases = _cases(family, k, rng)
    asserts = [_assertion(name, [kind.type for kind in kinds], family.gives, *case) for case in cases]
    what = fill(family.what)
    body = "\n".join(f"    {line}" for line in fill(family.body).splitlines())
    return Exercise(
        family=family.name,
        level=family.level,
        instruction=f"Write a function `{name}` that {what}.",
        signature=signature,
        function=f"// {what[0].upper()}{what[1:]}.\n{signature} {{\n{body}\n}}",
        own_tests=_module(name, asserts[:SHOWN_CASES]),
        hidden="#[test]\nfn hidden_cases() {\n" + "\n".join(f"    {a}" for a in asserts[SHOWN_CASES:]) + "\n}",
    )


def _cases(family: Family, k: int | None, rng: Random) -> list[tuple[list[Any], Any]]:
    """Arguments with what the function gives: those shown first, which are of the shorter half, as whoever writes tests by hand
    would choose them, and give different things where that can be had."""
    drawn: list[tuple[list[Any], Any]] = []
    for _ in range(4 * (HIDDEN_CASES + SHOWN_CASES)):
        arguments = [KINDS[name].draw(rng) for name in family.takes.split()]
        if all(arguments != other for other, _ in drawn):
            drawn.append((arguments, family.oracle(*arguments, *([] if k is None else [k]))))
    half = sorted(len(str(case)) for case in drawn)[len(drawn) // 2]
    short_first = sorted(drawn, key=lambda case: len(str(case)) > half)
    different = [case for i, case in enumerate(short_first) if all(case[1] != other[1] for other in short_first[:i])]
    shown = (different + [case for case in short_first if case not in different])[:SHOWN_CASES]
    rest = [case for case in drawn if case not in shown][:HIDDEN_CASES]
    return [*shown, *(rest or shown)]


def _module(name: str, asserts: list[str]) -> str:
    inside = "\n".join(f"        {a}" for a in asserts)
    return f"#[cfg(test)]\nmod tests {{\n    use super::*;\n\n    #[test]\n    fn test_{name}() {{\n{inside}\n    }}\n}}"


def _assertion(name: str, types: list[str], gives: str, arguments: list[Any], value: Any) -> str:
    call = f"{name}({', '.join(literal(a, t) for a, t in zip(arguments, types, strict=True))})"
    if gives == "bool":
        return f"assert!({'' if value else '!'}{call});"
    if value == [] and gives.startswith("Vec"):
        return f"assert!({call}.is_empty());"
    if gives == "String":
        return f"assert_eq!({call}, {_quoted(value)});"
    return f"assert_eq!({call}, {literal(value, gives)});"


def literal(value: Any, type_: str) -> str:
    """A Python value as Rust of that type.  Example: literal([1, None], "Vec<Option<i32>>") == "vec![Some(1), None]" """
    if type_.startswith("&["):
        return f"&[{', '.join(literal(v, type_[2:-1]) for v in value)}]"
    if type_.startswith("("):
        return f"({', '.join(literal(v, t.strip()) for v, t in zip(value, type_[1:-1].split(','), strict=True))})"
    outer = _OUTER.match(type_)
    match outer.group(1) if outer else type_:
        case "Vec":
            return f"vec![{', '.join(literal(v, _inner(outer)) for v in value)}]"
        case "Option":
            return "None" if value is None else f"Some({literal(value, _inner(outer))})"
        case "Result":
            return f"{value[0]}({literal(value[1], _inner(outer).split(', ')[value[0] == 'Err'])})"
        case "String":
            return f"{_quoted(value)}.to_string()"
        case "&str":
            return _quoted(value)
        case "char":
            return f"'{value}'"
        case "bool":
            return str(value).lower()
    return str(value)


def _inner(outer: re.Match[str] | None) -> str:
    assert outer is not None
    return outer.group(2)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _filler(names: list[str], k: int | None) -> Any:
    given = {"a": names[0], "b": names[-1], "k": str(k)}
    return lambda text: re.sub(r"\$\{([abk])\}|\$([abk])", lambda m: given[m.group(1) or m.group(2)], text)


def _pick(rng: Random, some: list[str]) -> str:
    return some[between(rng, 0, len(some) - 1)]


def _place(name: str) -> bytes:
    return blake2b(name.encode(), digest_size=8).digest()
