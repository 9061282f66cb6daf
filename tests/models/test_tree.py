from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quintet.models.tree import Tree

GROUP = Tree((3, 2, 1), (-1, 0, 0))
"""A prompt of three tokens and two answers."""
TURNS = Tree((2, 1, 2, 1, 1, 3), (-1, 0, 1, 1, 0, -1))
"""0 is continued by 1 and 4, 1 by 2 and 3; 5 stands alone."""


def path(tree: Tree, piece: int) -> list[int]:
    """The places of a text from its beginning to the end of a piece."""
    places: list[int] = []
    while piece >= 0:
        places = [*range(tree.starts[piece], tree.starts[piece + 1]), *places]
        piece = tree.parents[piece]
    return places


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree: each piece continues one of those on the way to the piece before it, or begins."""
    parents, lengths = [-1], draw(st.lists(st.integers(1, 5), min_size=1, max_size=9))
    for i in range(1, len(lengths)):
        way, above = [-1], i - 1
        while above >= 0:
            way.append(above)
            above = parents[above]
        parents.append(draw(st.sampled_from(way)))
    return Tree(tuple(lengths), tuple(parents))


def test_positions_begin_where_the_piece_above_ends():
    assert GROUP.positions.tolist() == [[0, 1, 2, 3, 4, 3]]
    assert TURNS.positions.tolist() == [[0, 1, 2, 3, 4, 3, 2, 0, 1, 2]]
    assert (GROUP.longest, TURNS.longest) == (5, 5)


def test_all_that_is_under_a_piece_stands_behind_it():
    assert [(a.below, a.piece) for a in GROUP.above] == [(slice(3, 6), slice(0, 3))]
    assert [(a.below, a.piece) for a in TURNS.above] == [(slice(2, 7), slice(0, 2)), (slice(3, 6), slice(2, 3))]
    assert list(TURNS.roots()) == [slice(0, 7), slice(7, 10)]


def test_pieces_of_like_length_stand_side_by_side():
    tree = Tree((10, 9, 8, 4, 4), (-1,) * 5)
    assert [a.places.shape for a in tree.alike] == [(3, 10), (2, 4)]
    first, second = tree.alike
    assert first.places[2].tolist() == [19, 20, 21, 22, 23, 24, 25, 26, 26, 26]
    assert first.real[2].tolist() == [True] * 8 + [False] * 2
    assert second.flat.tolist() == list(range(27, 35))


def test_who_sees_whom_by_hand():
    rows = [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 1, 1, 1, 0],
        [1, 1, 1, 0, 0, 1],
    ]
    assert GROUP.sees(slice(0, 6)).int().tolist() == rows


@pytest.mark.parametrize("window", [1, 2, 3])
def test_window_counts_positions_and_not_places(window):
    seen = GROUP.sees(slice(0, 6), window)
    assert seen[5].nonzero()[:, 0].tolist() == {1: [5], 2: [2, 5], 3: [1, 2, 5]}[window]


@given(trees())
def test_every_token_is_once_in_a_run_and_sees_its_own_text(tree):
    total = sum(tree.lengths)
    assert sorted(torch.cat([a.flat for a in tree.alike]).tolist()) == list(range(total))
    seen = torch.zeros(total, total, dtype=torch.bool)
    for root in tree.roots():
        seen[root, root] = tree.sees(root)
    for piece, length in enumerate(tree.lengths):
        text = path(tree, piece)
        assert tree.positions[0, text].tolist() == list(range(len(text)))
        for place in text[-length:]:
            assert seen[place].nonzero()[:, 0].tolist() == text[: text.index(place) + 1]


@given(trees())
def test_parts_of_the_attention_are_who_sees_whom(tree):
    """A piece sees itself causally, and all that is under it sees it whole: nothing else, and nothing twice."""
    total = sum(tree.lengths)
    count = torch.zeros(total, total)
    for start, stop in zip(tree.starts, tree.starts[1:], strict=False):
        count[start:stop, start:stop] += torch.ones(stop - start, stop - start).tril()
    for part in tree.above:
        count[part.below, part.piece] += 1
    for root in tree.roots():
        assert torch.equal(count[root, root] == 1, tree.sees(root))
    assert count.max() == 1
    assert count.sum() == sum(int(tree.sees(root).sum()) for root in tree.roots())
