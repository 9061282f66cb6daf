from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from quintet.equations.natural import Vector, add, conjugate_gradients, longest_step


def times(matrix: list[list[float]], calls: list[int] | None = None) -> Callable[[Vector], Vector]:
    """F·v for a matrix that is written down, v in one tensor."""
    f = torch.tensor(matrix, dtype=torch.float64)

    def product(v: Vector) -> Vector:
        if calls is not None:
            calls.append(1)
        return [f @ v[0]]

    return product


def vector(*numbers: float) -> Vector:
    return [torch.tensor(numbers, dtype=torch.float64)]


def test_conjugate_gradients_solve_two_unknowns_in_two_iterations():
    found = conjugate_gradients(times([[1, 0], [0, 4]]), vector(1, 2), iterations=2)
    assert found[0].tolist() == pytest.approx([1, 0.5])


def test_first_iteration_is_steepest_descent():
    """Length |r|²/r·F·r = 5/17 along (1, 2)."""
    found = conjugate_gradients(times([[1, 0], [0, 4]]), vector(1, 2), iterations=1)
    assert found[0].tolist() == pytest.approx([5 / 17, 10 / 17])


@pytest.mark.parametrize("seed", range(5))
def test_conjugate_gradients_agree_with_the_direct_solution(seed):
    """Seven unknowns in two tensors of different shapes, curvatures between .1 and about 30."""
    torch.manual_seed(seed)
    a = torch.randn(7, 7, dtype=torch.float64)
    f = a @ a.T + 0.1 * torch.eye(7, dtype=torch.float64)
    target = torch.randn(7, dtype=torch.float64)

    def split(v: Tensor) -> Vector:
        return [v[:4].view(2, 2), v[4:]]

    def product(v: Vector) -> Vector:
        return split(f @ torch.cat([p.flatten() for p in v]))

    found = conjugate_gradients(product, split(target), iterations=20, tolerance=1e-24)
    exact = split(torch.linalg.solve(f, target))
    assert [p.shape for p in found] == [(2, 2), (3,)]
    assert all(torch.allclose(x, y, rtol=1e-7, atol=1e-9) for x, y in zip(found, exact, strict=True))


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_iterations_end_once_the_residual_is_a_small_share_of_the_target(size):
    """F = diag(1, 1.1) and target (1, 1): the first step, 2/2.1, leaves (1, −1)/21, 1/441 of the target's square."""
    calls = {}
    for tolerance in (1.01 / 441, 0.99 / 441):
        calls[tolerance] = []
        conjugate_gradients(times([[1, 0], [0, 1.1]], calls[tolerance]), vector(size, size), 2, tolerance)
    assert [len(c) for c in calls.values()] == [1, 2]


def test_solution_that_is_exact_ends_the_iterations_by_default():
    calls: list[int] = []
    assert conjugate_gradients(times([[2, 0], [0, 2]], calls), vector(2, 4), 10)[0].tolist() == [1, 2]
    assert len(calls) == 1


def test_residual_of_a_thousandth_is_not_small_enough_by_default():
    calls: list[int] = []
    conjugate_gradients(times([[1, 0], [0, 1.002]], calls), vector(1, 1), 2)
    assert len(calls) == 2


def test_target_of_zero_needs_no_product():
    calls: list[int] = []
    assert conjugate_gradients(times([[1, 0], [0, 1]], calls), vector(0, 0), 10)[0].tolist() == [0, 0]
    assert calls == []


def test_matrix_without_curvature_gives_no_direction():
    assert conjugate_gradients(times([[0, 0], [0, 0]]), vector(1, 2), 10)[0].tolist() == [0, 0]
    assert conjugate_gradients(times([[-1, 0], [0, -1]]), vector(1, 2), 10)[0].tolist() == [0, 0]


def test_what_was_found_before_a_negative_curvature_is_kept():
    """F = diag(1, −1), target (2, 1): the first step is 5/3 long; the second direction, (20, 40)/9, has a curvature below 0."""
    found = conjugate_gradients(times([[1, 0], [0, -1]]), vector(2, 1), 10)
    assert found[0].tolist() == pytest.approx([10 / 3, 5 / 3])


def test_target_and_product_are_left_as_they_were():
    target = vector(1, 2)
    conjugate_gradients(times([[1, 0], [0, 4]]), target, 2)
    assert target[0].tolist() == [1, 2]


def test_sum_with_a_multiple():
    changed = vector(1, 2)
    add(changed, vector(1, 0), 3.0)
    assert changed[0].tolist() == [4, 2]
    with pytest.raises(ValueError, match="zip"):
        add(vector(1), [], 1.0)


def test_longest_step_reaches_the_bound():
    """√(2 · .01 / 8) = .05; the quadratic estimate of the KL there is ½ · .05² · 8 = .01."""
    assert longest_step(8, 0.01) == pytest.approx(0.05)
    assert longest_step(0.5, 0.01) == pytest.approx(0.2)


@pytest.mark.parametrize("curvature", [0.0, -1.0, float("nan")])
def test_without_curvature_there_is_no_step(curvature):
    assert longest_step(curvature, 0.01) == 0
