from __future__ import annotations

from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.models.randomness import keys, uniforms

whole = st.integers(0, 2**31 - 1)


def test_numbers_are_in_the_unit_interval_and_never_one():
    numbers = uniforms(keys(0, np.arange(200_000), np.zeros(200_000, int)), 0)
    assert numbers.dtype == np.float32
    assert float(numbers.min()) >= 0
    assert float(numbers.max()) < 1
    assert float(numbers.max()) > 1 - 1e-4


@pytest.mark.parametrize("along", ["prompts", "siblings", "positions", "seeds"])
def test_numbers_are_uniform_along_every_counter(along):
    """χ² over 64 bins and the correlation of neighbours, 2¹³ numbers: within 4 standard deviations."""
    n = 2**13
    i, zero = np.arange(n), np.zeros(n, int)
    numbers = {
        "prompts": lambda: uniforms(keys(3, i, zero), 5),
        "siblings": lambda: uniforms(keys(3, zero, i), 5),
        "positions": lambda: np.concatenate([uniforms(keys(3, zero[:1], zero[:1]), int(p)) for p in i]),
        "seeds": lambda: np.concatenate([uniforms(keys(int(s), zero[:1], zero[:1]), 5) for s in i]),
    }[along]()
    counts = np.bincount((numbers * 64).astype(int), minlength=64)
    statistic = float(((counts - n / 64) ** 2 / (n / 64)).sum())
    assert abs(statistic - 63) < 4 * sqrt(2 * 63)
    centred = numbers.astype(np.float64) - 0.5
    assert abs(float((centred[1:] * centred[:-1]).mean()) * 12) < 4 / sqrt(n)


def test_different_seeds_prompts_siblings_and_positions_have_different_numbers():
    seen = {
        float(uniforms(keys(seed, np.array([prompt]), np.array([sibling])), position)[0])
        for seed in range(6)
        for prompt in range(6)
        for sibling in range(6)
        for position in range(6)
    }
    assert len(seen) == 6**4


@given(whole, st.lists(st.tuples(whole, st.integers(0, 4096)), min_size=2, max_size=6), st.integers(0, 4096))
def test_number_of_an_answer_does_not_depend_on_its_neighbours(seed, answers, position):
    prompts, siblings = (np.array(column) for column in zip(*answers, strict=True))
    together = uniforms(keys(seed, prompts, siblings), position)
    alone = [uniforms(keys(seed, prompts[i : i + 1], siblings[i : i + 1]), position)[0] for i in range(len(answers))]
    assert together.tolist() == [float(a) for a in alone]


def split_mix(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
    return x ^ (x >> 31)


@given(whole, whole, st.integers(0, 4096), st.integers(0, 4096))
def test_numbers_are_those_of_split_mix_in_whole_numbers(seed, prompt, sibling, position):
    """A resumed run draws what it would have drawn, also on another machine and after an upgrade."""
    golden, word = 0x9E3779B97F4A7C15, 2**64
    key = split_mix((seed + golden) % word)
    key = split_mix((key + prompt * golden) % word)
    key = split_mix((key + (sibling + 1) * golden) % word)
    expected = (split_mix((key + (position + 1) * golden) % word) >> 40) / 2**24
    assert float(uniforms(keys(seed, np.array([prompt]), np.array([sibling])), position)[0]) == expected
