"""An answer in Rust: its code, its parts, and what in it could fool a grader.

The rules are lists of what is allowed, over tokens. What an honest answer to "write one function and its tests" needs is
little, and a list of what is forbidden would always lack the next trick.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quintet.tasks.cargo_tokens import Token, closing, code

ATTRIBUTES = {"test", "cfg(test)", "derive", "must_use", "inline"}
MACROS = {"assert", "assert_eq", "assert_ne", "debug_assert", "debug_assert_eq", "debug_assert_ne", "format", "matches",
"panic",
          "todo", "unimplemented", "unreachable", "vec", "write", "writeln"}  # fmt: skip
STD = {"ascii", "borrow", "boxed", "cell", "char", "cmp", "collections", "convert", "default", "error", "f32", "f64", "fmt",
"hash",
       "i8", "i16", "i32", "i64", "i128", "isize", "iter", "marker", "mem", "num", "ops", "option", "rc", "result", "slice",
       "str",
       "string", "u8", "u16", "u32", "u64", "u128", "usize", "vec"}  # fmt: skip
FORBIDDEN = {
    "unsafe": "unsafe code",
    "extern": "foreign code",
    "macro_rules": "a macro of its own",
    "macro": "a macro of its own",
    "crate": "a path from the crate's root",
    "static": "a static variable",
    "main": "a main function",
}
LONGEST = 20_000
"""Characters of code that are still looked at; a function and its tests have a tenth of it."""

_FENCE = re.compile(r"^[ \t]*```[ \t]*(\w*)[^\n]*\n(.*?)(?:^[ \t]*```[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Answer:
    """What an answer's text has in it."""

    program: str
    """All its Rust; empty where there is none."""
    body: str
    """The same without the test module."""
    functions: tuple[str, ...]
    """Names of the body's functions at the top level."""
    tests: tuple[str, ...]
    """Names of the functions marked #[test] in the test module."""
    module: str
    """The test module's name."""
    test_code: str
    """The test module."""
    refused: tuple[str, ...]
    """Why it is not run: what it uses that a function and its tests don't need."""
    in_form: bool
    """Whether it keeps to the contract's form."""


def read_answer(text: str) -> Answer:
    """Take an answer apart. Whatever it is, this gives a result."""
    program, well_fenced = extract(text)
    words = code(program)
    span = _test_module(words)
    body = program if span is None else program[: words[span[0]].start] + program[words[span[1]].end :]
    inside = [] if span is None else words[span[0] : span[1] + 1]
    test_code = program[inside[0].start : inside[-1].end] if inside else ""
    tests = tuple(test_names(inside))
    refused = tuple(dict.fromkeys(_refusals(program, words, span)))
    functions = tuple(_functions(code(body)))
    asserts = any(t.text in ("assert", "assert_eq", "assert_ne") for t in inside)
    uses_super = "use super :: *" in " ".join(t.text for t in inside)
    commented = "//" in body[: body.find("fn ")]
    in_form = well_fenced and bool(functions and tests) and asserts and uses_super and commented and not refused
    return Answer(program, body, functions, tests, inside[8].text if inside else "", test_code, refused, in_form)


def extract(text: str) -> tuple[str, bool]:
    """The Rust code in an answer, and whether it stood in exactly one closed ```rust fence.

    Several Rust fences are one program (function and tests apart), unless they define the same function: then the last is
    meant. Without a Rust fence one without a language will do, without any fence a text that has a function in it. A fence
    that is never closed goes on to the end."""
    fences = [(m.group(1).lower(), m.group(2), m.group().rstrip().endswith("```")) for m in _FENCE.finditer(text)]
    rust = [(inside, closed) for language, inside, closed in fences if language in ("rust", "rs")]
    if not rust:
        plain = [inside for language, inside, _ in fences if not language and "fn " in inside]
        bare = text if not fences and re.search(r"\bfn\s+\w+", text) else ""
        return (plain[-1] if plain else bare), False
    named = [set(_functions(code(inside))) for inside, _ in rust]
    twice = any(a & b for i, a in enumerate(named) for b in named[:i])
    program = rust[-1][0] if twice else "\n".join(inside for inside, _ in rust)
    return program, len(fences) == 1 and rust[0][1]


def with_public(body: str, names: Sequence[str]) -> str:
    """The code with those top-level functions made public, so that tests outside can call them."""
    places = [words.start for words in _function_starts(code(body), names)]
    for place in reversed(places):
        body = f"{body[:place]}pub {body[place:]}"
    return body


def _functions(words: Sequence[Token]) -> Iterator[str]:
    for place, depth in _depths(words):
        if depth == 0 and words[place].text == "fn" and place + 1 < len(words):
            yield words[place + 1].text


def _function_starts(words: Sequence[Token], names: Sequence[str]) -> Iterator[Token]:
    """The first word (fn, const or async) of each private function."""
    for place, depth in _depths(words):
        if depth == 0 and words[place].text == "fn" and place + 1 < len(words) and words[place + 1].text in names:
            first = place
            while first and words[first - 1].text in ("const", "async"):
                first -= 1
            if not first or words[first - 1].text not in ("pub", ")"):
                yield words[first]


def _depths(words: Sequence[Token]) -> Iterator[tuple[int, int]]:
    depth = 0
    for place, word in enumerate(words):
        if word.kind == "sign":
            depth -= word.text in (")", "]", "}")
        yield place, depth
        if word.kind == "sign":
            depth += word.text in ("(", "[", "{")


def _test_module(words: Sequence[Token]) -> tuple[int, int] | None:
    """First and last token of `#[cfg(test)] mod NAME { … }` at the top level."""
    for place, depth in _depths(words):
        heading = [t.text for t in words[place : place + 10]]
        if depth == 0 and heading[:8] == ["#", "[", "cfg", "(", "test", ")", "]", "mod"] and heading[9:] == ["{"]:
            last = closing(words, place + 9)
            return None if last is None else (place, last)
    return None


def test_names(words: Sequence[Token]) -> Iterator[str]:
    """Names of the functions marked #[test]."""
    texts = [t.text for t in words]
    for place in range(len(texts) - 5):
        if texts[place : place + 5] == ["#", "[", "test", "]", "fn"]:
            yield texts[place + 5]


# ---- what is refused ---------------------------------------------------------------------------------------------------------


def _refusals(program: str, words: Sequence[Token], tests: tuple[int, int] | None) -> Iterator[str]:
    if len(program) > LONGEST:
        yield f"more than {LONGEST} characters"
    for place, word in enumerate(words):
        following = [t.text for t in words[place + 1 : place + 4]]
        before = words[place - 1].text if place else ""
        if word.text == "#" and word.kind == "sign":
            yield from _of_attribute(words, place)
        if word.kind != "word":
            continue
        name = word.text.removeprefix("r#")
        harmless = (name == "main" and before != "fn") or (name == "crate" and before == "(" and following[:1] == [")"])
        if name in FORBIDDEN and not harmless:
            yield FORBIDDEN[name]
        if following[:1] == ["!"] and following[1:2] and following[1] in ("(", "[", "{") and name not in MACROS:
            yield f"the macro {name}!"
        if name == "mod" and (tests is None or place != tests[0] + 7):
            yield "a module beside its tests"
        if name == "super" and (tests is None or not tests[0] < place < tests[1] or "super" in following):
            yield "a path out of its module"
        if name in ("std", "core", "alloc"):
            yield from _of_library(words, place)


def _of_attribute(words: Sequence[Token], place: int) -> Iterator[str]:
    if place + 1 < len(words) and words[place + 1].text == "!":
        yield "an inner attribute"
        return
    last = closing(words, place + 1) if place + 1 < len(words) else None
    name = "".join(t.text for t in words[place + 2 : last])
    if name not in ATTRIBUTES and name.partition("(")[0] not in ATTRIBUTES:
        yield f"the attribute {name[:40]}"


def _of_library(words: Sequence[Token], place: int) -> Iterator[str]:
    """Paths into the standard library must lead to a part of it that is listed."""
    following = [t.text for t in words[place + 1 : place + 3]]
    before = words[place - 1].text if place else ""
    if following[:1] != ["::"]:
        if before in ("use", "::", "{", ","):
            yield "the standard library under another name"
        return
    if following[1:] == ["{"]:
        last = closing(words, place + 2) or len(words) - 1
        roots = [
            words[place + 3 + i].text
            for i, depth in _depths(words[place + 3 : last])
            if depth == 0 and words[place + 2 + i].text in ("{", ",") and words[place + 3 + i].text != ","
        ]
    else:
        roots = following[1:]
    for root in roots:
        if root not in STD:
            yield f"std::{root}"
