from __future__ import annotations

import tomllib
from typing import Any

import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from quintet.config.lines import line_numbers, line_of

TEXT = '''\
# a comment with key = 1 and [table]
model = "x" # and [another]
"quoted key" = 'literal # no comment'
long = [
  1, # ]
  "]",
]
text = """
seed = 3
\\"""
[not.a.table]
"""
raw = \'\'\'
lr = 1\'\'\'
dotted.key = {inline = 1, other = [1, 2]}
last_of_top = 1

[maze] # comment
size = 4
  indented = true
[[stage]]
lr = 1
[stage.sub]
x = 1
[[ stage ]]
lr = 2
[small]
seed = 1
[[small.stage]]
steps = 1
[[small.stage]]
steps = 2
'''


def test_every_key_is_found_on_its_line():
    lines = line_numbers(TEXT)
    at = dict(enumerate(TEXT.splitlines(), 1))
    assert lines["model",] == 2
    assert lines["quoted key",] == 3
    assert lines["long",] == 4
    assert at[lines["text",]] == 'text = """'
    assert ("seed",) not in lines
    assert at[lines["raw",]] == "raw = '''"
    assert at[lines["dotted", "key"]].startswith("dotted.key")
    assert at[lines["last_of_top",]] == "last_of_top = 1"
    assert at[lines["maze", "size"]] == "size = 4"
    assert at[lines["maze", "indented"]] == "  indented = true"


def test_tables_of_an_array_are_numbered():
    lines = line_numbers(TEXT)
    assert lines["stage", 0, "lr"] < lines["stage", 0, "sub", "x"] < lines["stage", 1, "lr"]
    assert lines["small", "stage", 0, "steps"] + 2 == lines["small", "stage", 1, "steps"]
    assert lines["small", "seed"] < lines["small", "stage"]


def test_key_inside_a_line_has_its_parents_line():
    lines = line_numbers(TEXT)
    assert line_of(("dotted", "key", "inline"), lines) == lines["dotted", "key"]
    assert line_of(("nothing", "like", "it"), lines) == 1


KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\r"), min_size=1, max_size=6)
LEAVES = st.one_of(st.integers(-9, 9), st.booleans(), st.text(max_size=12), st.lists(st.text(max_size=3), max_size=3))
DOCUMENTS = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=3),
    lambda inner: st.dictionaries(KEYS, st.one_of(LEAVES, inner, st.lists(inner, min_size=1, max_size=2)), max_size=3),
    max_leaves=8,
)


@given(DOCUMENTS, st.booleans())
def test_every_key_of_any_document_stands_on_a_line_that_has_it(document: dict, multiline: bool):
    text = tomli_w.dumps(document, multiline_strings=multiline)
    lines, at = line_numbers(text), text.split("\n")

    def keys(table: dict, path: tuple) -> None:
        for key, value in table.items():
            here = (*path, key)
            assert 1 <= line_of(here, lines) <= len(at)
            if here in lines and not isinstance(value, dict | list):
                written = at[lines[here] - 1].strip()
                assert tomllib.loads(written.partition("=")[0] + "= 0") if "=" not in key else True
                assert written.startswith((key, '"', "'"))
            elif isinstance(value, dict):
                keys(value, here)

    keys(document, ())
    assert not [path for path in lines if not _holds(tomllib.loads(text), path)]


def _holds(document: Any, path: tuple) -> bool:
    for key in path:
        if not isinstance(document, dict | list) or key not in (
            document if isinstance(document, dict) else range(len(document))
        ):
            return False
        document = document[key]
    return True
