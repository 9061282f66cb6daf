"""Small wrongs done to a program. Tests that mean something notice most of them.

A mutant keeps the program's types where that can be told from the words alone; one that does not compile is dropped later.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import blake2b

from quintet.tasks.cargo_tokens import Token, closing, tokens

SWAPS = {
    "==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">", "&&": "||", "||": "&&",
    "+": "-", "-": "+", "*": "+", "/": "*", "%": "/", "+=": "-=", "-=": "+=", "*=": "+=",
    "true": "false", "false": "true", "min": "max", "max": "min", "any": "all", "all": "any", "first": "last", "last": "first",
}  # fmt: skip
BINARY = {"<", ">", "&&", "||", "+", "-", "*", "/", "%"}
"""Signs that are operators only between spaces: `a < b`, not `Vec<T>`, `&&x`, `-x`, `|x|`."""
HAVE_DEFAULT = {"bool", "char", "String", "Vec", "Option", "HashMap", "HashSet", "BTreeMap", "BTreeSet", "&str", "&'static str",
                *(f"{kind}{bits}" for kind in "iu" for bits in (8, 16, 32, 64, 128, "size")), "f32", "f64"}  # fmt: skip


def mutants(body: str, function: str, most: int) -> list[str]:
    """At most `most` wrong versions of the code: first one whose `function` always gives the same, then single words changed,
    spread over the code. The same code gives the same mutants."""
    words = tokens(body)
    found = list(_emptied(body, words, function))
    changes = sorted(_changes(words), key=lambda c: blake2b(f"{c}".encode(), digest_size=8).digest())
    found += [body[: word.start] + text + body[word.end :] for word, text in changes[: max(0, most - len(found))]]
    return [mutant for mutant in dict.fromkeys(found) if mutant != body][:most]


def _emptied(body: str, words: Sequence[Token], function: str) -> Iterator[str]:
    """The function with nothing in it but a default value of its type, or a panic where there is none."""
    bare = [t for t in words if t.kind not in ("space", "comment")]
    for place, word in enumerate(bare[:-1]):
        if word.text != "fn" or bare[place + 1].text != function:
            continue
        opening = next((i for i in range(place, len(bare)) if bare[i].text == "{"), None)
        last = None if opening is None else closing(bare, opening)
        if opening is None or last is None:
            return
        arrow = next((i for i in range(place, opening) if bare[i].text == "->"), None)
        returned = body[bare[arrow].end : bare[opening].start].strip() if arrow is not None else ""
        value = "Default::default()" if returned.partition("<")[0] in HAVE_DEFAULT else "panic!()"
        yield f"{body[: bare[opening].end]} {value} {body[bare[last].start :]}"
        return


def _changes(words: Sequence[Token]) -> Iterator[tuple[Token, str]]:
    for place, word in enumerate(words[1:-1], 1):
        before, after = words[place - 1], words[place + 1]
        if word.text in BINARY and not (before.kind == after.kind == "space"):
            continue
        if word.text in ("min", "max", "any", "all", "first", "last") and not (before.text == "." and after.text == "("):
            continue
        if word.text in SWAPS:
            yield word, SWAPS[word.text]
        elif word.kind == "number" and word.text.isdigit() and before.text != ";":
            yield word, str(int(word.text) + 1)
