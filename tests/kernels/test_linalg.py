"""LU, determinants and eigenvalues against numpy."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from bifur.kernels import linalg, step


@numba.njit
def solved(A, b, transposed):
    m = len(b)
    pivots = np.zeros(m, np.int64)
    sign = linalg.factor(A, m, pivots)
    if transposed:
        linalg.solve_transposed(A, m, pivots, b)
    else:
        linalg.solve(A, m, pivots, b)
    return sign


@numba.njit
def spectrum(J):
    n = len(J)
    re, im = np.empty(n), np.empty(n)
    code = linalg.eigenvalues(J, n, np.empty((n + 2, n + 2)), re, im)
    return code, re, im


def eigenvalues(A):
    code, re, im = spectrum(np.ascontiguousarray(A, float))
    assert code == 0
    return re + 1j * im


def matched(found, expected):
    """The largest distance in the best pairing."""
    from scipy.optimize import linear_sum_assignment

    distance = np.abs(found[:, None] - expected[None, :])
    return distance[linear_sum_assignment(distance)].max()


@pytest.mark.parametrize("n", range(1, 9))
def test_solutions_have_small_residuals(n):
    rng = np.random.default_rng(n)
    for scale in (1.0, 1e150, 1e-150):
        for _ in range(100):
            A, b = rng.normal(size=(n, n)) * scale, rng.normal(size=n)
            for transposed in (False, True):
                x = b.copy()
                assert abs(solved(A.copy(), x, transposed)) == 1
                M = A.T if transposed else A
                assert np.abs(M @ x - b).max() <= 1e-13 * n * (np.abs(M) @ np.abs(x)).max()


@pytest.mark.parametrize("n", range(1, 9))
def test_rows_of_very_different_size_do_no_harm(n):
    rng = np.random.default_rng(10 + n)
    for _ in range(100):
        A, x = rng.normal(size=(n, n)) * 10.0 ** rng.integers(-8, 9, (n, 1)), rng.normal(size=n)
        b = A @ x
        solved(A.copy(), b, False)
        assert np.abs(b - x).max() <= 1e-15 * n * np.linalg.cond(A / np.abs(A).max(axis=1)[:, None]) ** 2 + 1e-9


@pytest.mark.parametrize("n", range(1, 9))
def test_determinants(n):
    rng = np.random.default_rng(20 + n)
    pivots = np.zeros(n, np.int64)
    for _ in range(100):
        A = rng.normal(size=(n, n))
        assert linalg.determinant(A.copy(), n, pivots) == pytest.approx(np.linalg.det(A), rel=1e-9, abs=1e-12)
    assert linalg.determinant(np.eye(n)[::-1].copy(), n, pivots) == (-1) ** (n // 2)
    assert linalg.determinant(np.zeros((n, n)), n, pivots) == 0
    assert linalg.determinant(np.full((n, n), 3.0), n, pivots) == (3 if n == 1 else 0)


def test_a_matrix_that_is_not_finite_is_singular():
    assert solved(np.array([[np.nan, 1.0], [1.0, 2.0]]), np.ones(2), False) == 0 or np.isnan(
        solved(np.array([[1.0, np.nan], [1.0, 2.0]]), np.ones(2), False)
    )


@pytest.mark.parametrize("n", range(1, 9))
def test_eigenvalues_are_those_of_numpy(n):
    rng = np.random.default_rng(30 + n)
    for _ in range(300):
        A = rng.normal(size=(n, n)) * 10.0 ** rng.uniform(-3, 3)
        found, expected = eigenvalues(A), np.linalg.eigvals(A)
        condition = np.linalg.cond(np.linalg.eig(A)[1])
        assert matched(found, expected) <= 1e-13 * n * condition * np.abs(A).max()
        assert np.all(np.diff(found.real) <= 0), "by decreasing real part"


@pytest.mark.parametrize("n", range(2, 9))
def test_eigenvalues_of_badly_scaled_matrices(n):
    """D^-1 A D has the spectrum of A; balancing finds D."""
    rng = np.random.default_rng(40 + n)
    for _ in range(100):
        A = rng.normal(size=(n, n))
        d = 2.0 ** rng.integers(-20, 21, n)
        condition = np.linalg.cond(np.linalg.eig(A)[1])
        assert matched(eigenvalues(A * d / d[:, None]), np.linalg.eigvals(A)) <= 1e-9 * condition


@pytest.mark.parametrize("n", range(2, 9))
def test_defective_matrices(n):
    """A Jordan block: eps^(1/n) is what any backward stable method may lose."""
    rng = np.random.default_rng(50 + n)
    J = np.diag(np.full(n, 2.0)) + np.diag(np.ones(n - 1), 1)
    np.testing.assert_array_equal(eigenvalues(J), np.full(n, 2.0))
    Q = np.linalg.qr(rng.normal(size=(n, n)))[0]
    assert np.abs(eigenvalues(Q @ J @ Q.T) - 2.0).max() <= 20 * 2.2e-16 ** (1 / n)


@pytest.mark.parametrize("n", range(1, 9))
def test_special_matrices(n):
    np.testing.assert_array_equal(eigenvalues(np.zeros((n, n))), np.zeros(n))
    np.testing.assert_array_equal(eigenvalues(np.diag(np.arange(n) - 2.0)), np.arange(n)[::-1] - 2.0)
    np.testing.assert_allclose(eigenvalues(np.triu(np.ones((n, n)))), np.ones(n), rtol=1e-15)
    cyclic = np.roll(np.eye(n), 1, axis=1)  # the roots of unity: unshifted QR does not move on this one
    assert matched(eigenvalues(cyclic), np.exp(2j * np.pi * np.arange(n) / n)) <= 1e-13
    roots = np.arange(1.0, n + 1)
    companion = np.diag(np.ones(n - 1), -1)
    companion[:, -1] = -np.poly(roots)[:0:-1]
    np.testing.assert_allclose(eigenvalues(companion), roots[::-1], rtol=1e-6)


def test_complex_pairs_stand_together():
    A = np.zeros((4, 4))
    A[:2, :2], A[2:, 2:] = [[1, 5], [-5, 1]], [[1, 2], [-2, 1]]
    found = eigenvalues(A)
    assert matched(found, np.array([1 + 5j, 1 - 5j, 1 + 2j, 1 - 2j])) <= 1e-13
    rng = np.random.default_rng(60)
    for _ in range(200):
        found = eigenvalues(rng.normal(size=(6, 6)))
        i = 0
        while i < 6:
            if found[i].imag != 0:
                assert found[i + 1] == found[i].conjugate()
                assert found[i].imag > 0
                i += 1
            i += 1


def test_two_by_two_eigenvalues_keep_the_small_one():
    """The small eigenvalue comes from the product: 1e-16 beside 1 to full precision."""
    A = np.array([[1.0, 1e-8], [1e-8, 2e-16]])
    small = (1.0 * 2e-16 - 1e-16) / 1.0
    assert eigenvalues(A)[1].real == pytest.approx(small, rel=1e-12)


@pytest.mark.parametrize("n", range(1, 5))
def test_nan_is_said(n):
    A = np.eye(n)
    A[0, 0] = np.nan
    assert spectrum(A)[0] == 1


def test_work_is_large_enough_for_the_defining_systems():
    for n in (1, 2, 5):
        work = step.make_work(n, 3)
        assert work.A.shape[0] >= 2 * n + 2
        assert work.H.shape[0] >= 2 * n + 1
