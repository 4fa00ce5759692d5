"""One step of continuation, and the defining systems of special points, through LAPACK: for many states.

The same equations and the same criteria as in `kernels/step.py` and `kernels/detect.py`, which are for few states:

    [ J    f_s ]        [ f           ]
    [ row^T    ] dz = - [ row . z - g ]

and, with the derivatives of J v along the rows,

    LP   f = 0, J v = 0, v.v = 1                                      in (u, v, l)
    BP   f + b w = 0, J^T w = 0, f_l.w = 0, w.w = 1                   in (u, w, l, b)
    HB   f = 0, Re lambda = 0                                         in (u, l)

(Moore & Spence 1980; Moore 1980.) The third differentiates the eigenvalue by its eigenvectors: the square of J, which
serves for few states, loses half of the digits where J is as stiff as a discretised Laplacian.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.sparse import Functions

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

_lock = threading.Lock()
_inside, _limit = 0, None


@contextmanager
def one_thread() -> Iterator[None]:
    """LAPACK in one thread: on matrices of a few hundred rows its threads gain nothing, and wait for each other.

    On cores that are busy they make it ten times slower.
    """
    global _inside, _limit
    import scipy.linalg.lapack  # noqa: F401  its library must be loaded to be limited
    from threadpoolctl import threadpool_limits

    with _lock:
        if _inside == 0:
            _limit = threadpool_limits(1, "blas")
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0 and _limit is not None:
                _limit.restore_original_limits()


# how Newton ended
CONVERGED, DIVERGED, NOT_FINITE, SINGULAR = range(4)
# relative to the sum of absolute terms of the linearised equation, and absolute in the unknowns
RESIDUAL, FLOOR = 1e-11, 1e-15
SPECIAL_RESIDUAL = 1e-12
SMALLEST = 1e-3  # unknowns below this size are measured by it: one that is zero has no relative error
MAX_NEWTON = 20


@dataclass(frozen=True)
class Factors:
    """LU factors of a square matrix whose rows were multiplied by `scale`.

    `sign` is that of its determinant, 0 where it is singular or not finite.
    """

    lu: Matrix
    pivots: NDArray[np.intp]
    scale: Vector
    sign: float

    def solve(self, b: Vector) -> Vector:
        from scipy.linalg.lapack import dgetrs

        return dgetrs(self.lu, self.pivots, b * self.scale)[0]


def factor(A: Matrix) -> Factors:
    """LU with partial pivoting of the rows brought to one size, or a border could drown J in rounding."""
    from scipy.linalg.lapack import dgetrf

    largest = np.abs(A).max(axis=1, initial=0.0)
    if not np.isfinite(largest).all():
        return Factors(A, np.arange(len(A)), largest, 0.0)
    scale = np.where((largest > 1e-300) & (largest < 1e300), 1.0 / np.maximum(largest, 1e-300), 1.0)
    lu, pivots, info = dgetrf(A * scale[:, None])
    negative = np.count_nonzero(np.diagonal(lu) < 0) + np.count_nonzero(pivots != np.arange(len(A)))
    return Factors(lu, pivots, scale, 0.0 if info else (-1.0 if negative % 2 else 1.0))


@dataclass(frozen=True)
class Corrected:
    """Where the corrector ended: the point z = (u, s), [J f_s] there (n, n + 1), how, and its corrections' lengths."""

    code: int
    z: Vector
    H: Matrix
    iterations: int
    corrections: tuple[float, ...] = ()


class Slice:
    """f(u; p) with one free parameter l, which is s or exp(s), the others fixed."""

    def __init__(self, functions: Functions, p: Vector, index: int, log: bool) -> None:
        self.functions, self.p, self.index, self.log = functions, p, index, log
        self.n = functions.n

    def value(self, s: float) -> float:
        """The parameter l at s."""
        return math.exp(s) if self.log else float(s)

    def parameters(self, value: float) -> Vector:
        """All parameters where the free one has this value."""
        p = self.p.copy()
        p[self.index] = value
        return p

    def at(self, u: Vector, value: float) -> tuple[Vector, Matrix]:
        """f and [J f_l]."""
        f, both = self.functions.both(u, self.parameters(value))
        return f, np.column_stack([both[:, : self.n], both[:, self.n + self.index]])

    def evaluate(self, z: Vector) -> tuple[Vector, Matrix]:
        """f and [J f_s] at z = (u, s)."""
        try:
            value = self.value(z[-1])
        except OverflowError:
            value = math.inf
        f, H = self.at(z[:-1], value)
        H[:, -1] *= value if self.log else 1.0
        return f, H

    def along(self, u: Vector, value: float, v: Vector) -> Matrix:
        """d(J v) / d(u, l), (n, n + 1)."""
        out = np.empty((self.n, self.functions.m))
        direction = np.concatenate([v, np.zeros(len(self.p))])
        self.functions.second(u, self.parameters(value), direction, out)
        return np.column_stack([out[:, : self.n], out[:, self.n + self.index]])

    def magnitude(self, u: Vector, value: float) -> Vector:
        """The sum of the absolute terms of each component."""
        out = np.empty(self.n)
        self.functions.magnitude(u, self.parameters(value), out)
        return out

    # ---- a step --------------------------------------------------------------------------

    def correct(
        self, z: Vector, row: Vector, target: float, weight: Vector, contraction: float, max_newton: int
    ) -> Corrected:
        """Newton on f = 0, row . z = target. Corrections must shrink by `contraction` in the weighted norm."""
        before, z = -1.0, z.copy()
        made: list[float] = []
        for iteration in range(max_newton + 1):
            f, H = self.evaluate(z)
            if not (np.isfinite(f).all() and np.isfinite(H).all()):
                return Corrected(NOT_FINITE, z, H, iteration, tuple(made))
            if iteration > 0 and _small(f, H, z, RESIDUAL):
                return Corrected(CONVERGED, z, H, iteration, tuple(made))
            if iteration == max_newton:
                break
            factors = factor(np.vstack([H, row]))
            if factors.sign == 0.0:
                return Corrected(SINGULAR, z, H, iteration, tuple(made))
            dz = factors.solve(np.append(-f, target - row @ z))
            z = z + dz
            change = float(np.linalg.norm(weight * dz))
            made.append(change)
            if not math.isfinite(change):
                return Corrected(NOT_FINITE, z, H, iteration, tuple(made))
            if change < 1e-15:
                f, H = self.evaluate(z)
                finite = np.isfinite(f).all() and np.isfinite(H).all()
                return Corrected(CONVERGED if finite else NOT_FINITE, z, H, iteration + 1, tuple(made))
            if before > 1e-12 and change > contraction * before:
                return Corrected(DIVERGED, z, H, iteration, tuple(made))
            before = change
        return Corrected(DIVERGED, z, H, max_newton, tuple(made))

    def newton(self, u: Vector, value: float, max_newton: int) -> tuple[int, Vector, float, Matrix]:
        """Newton at a fixed parameter; (code, state, largest first correction, J there)."""
        first, u = 0.0, u.copy()
        for iteration in range(max_newton + 1):
            f, H = self.at(u, value)
            J = H[:, :-1]
            if not (np.isfinite(f).all() and np.isfinite(J).all()):
                return NOT_FINITE, u, first, J
            if iteration > 0 and converged(f, J, u):
                return CONVERGED, u, first, J
            if iteration == max_newton:
                break
            factors = factor(J)
            if factors.sign == 0.0:
                return SINGULAR, u, first, J
            du = factors.solve(-f)
            u = u + du
            change = float(np.abs(du).max())
            first = change if iteration == 0 else first
            if change <= 1e-300:
                return CONVERGED, u, first, J
        return DIVERGED, u, first, J


def converged(f: Vector, J: Matrix, u: Vector) -> bool:
    """Whether u is an equilibrium, a hundred times sharper than along a branch: these points are kept."""
    return _small(f, J, u, 1e-2 * RESIDUAL)


def _small(f: Vector, H: Matrix, z: Vector, tolerance: float) -> bool:
    """Whether every equation holds to `tolerance` of its terms, or to an error FLOOR of the unknowns."""
    size = np.abs(H)
    return bool(np.all(np.abs(f) <= tolerance * (size @ np.abs(z)) + FLOOR * size.sum(axis=1)))


def tangent(H: Matrix, row: Vector, weight: Vector) -> tuple[Vector, float]:
    """The tangent t with row . t > 0 and weighted norm 1, and the sign of det [H; row], 0 where it is singular."""
    factors = factor(np.vstack([H, row]))
    if factors.sign == 0.0:
        return np.zeros(len(row)), 0.0
    t = factors.solve(np.append(np.zeros(len(H)), 1.0))
    norm = float(np.linalg.norm(weight * t))
    if not 0.0 < norm < math.inf:
        return np.zeros(len(row)), 0.0
    return t / norm, factors.sign


# ---- defining systems ---------------------------------------------------------------------------


def fold_system(at: Slice, x: Vector) -> tuple[Vector, Matrix]:
    """Residual and derivative in x = (u, v, l).

    [ J      0   f_l    ]
    [ Jv_u   J   Jv_l   ]
    [ 0     2v^T  0     ]
    """
    n = at.n
    u, v, value = x[:n], x[n : 2 * n], float(x[2 * n])
    f, H = at.at(u, value)
    A = np.zeros((2 * n + 1, 2 * n + 1))
    D = at.along(u, value, v)
    A[:n, :n], A[:n, 2 * n] = H[:, :n], H[:, n]
    A[n : 2 * n, :n], A[n : 2 * n, n : 2 * n], A[n : 2 * n, 2 * n] = D[:, :n], H[:, :n], D[:, n]
    A[2 * n, n : 2 * n] = 2 * v
    return np.concatenate([f, H[:, :n] @ v, [v @ v - 1]]), A


def branch_point_system(at: Slice, x: Vector) -> tuple[Vector, Matrix]:
    """Residual and derivative in x = (u, w, l, b).

    [ J          b    f_l        w ]
    [ (w.f)_uu   J^T  (w.f)_ul   0 ]
    [ (w.f)_lu  f_l^T (w.f)_ll   0 ]
    [ 0         2w^T  0          0 ]
    """
    n = at.n
    u, w, value, b = x[:n], x[n : 2 * n], float(x[2 * n]), x[2 * n + 1]
    f, H = at.at(u, value)
    free = [*range(n), n + at.index]
    second = at.functions.hessian(u, at.parameters(value), w)[np.ix_(free, free)]
    A = np.zeros((2 * n + 2, 2 * n + 2))
    A[:n, :n], A[:n, 2 * n], A[:n, 2 * n + 1] = H[:, :n], H[:, n], w
    A[:n, n : 2 * n] = b * np.eye(n)
    A[n : 2 * n + 1, :n], A[n : 2 * n + 1, n : 2 * n], A[n : 2 * n + 1, 2 * n] = second[:, :n], H.T, second[:, n]
    A[2 * n + 1, n : 2 * n] = 2 * w
    return np.concatenate([f + b * w, H.T @ w, [w @ w - 1]]), A


def locate(at: Slice, kind: str, x: Vector) -> tuple[int, Vector, float]:
    """Newton on the defining system of LP or BP; (code, x, residual relative to its absolute terms)."""
    system = fold_system if kind == "LP" else branch_point_system
    worst, good = math.inf, False
    for iteration in range(MAX_NEWTON + 1):
        r, A = system(at, x)
        if not (np.isfinite(r).all() and np.isfinite(A).all()):
            return NOT_FINITE, x, math.inf
        worst, small = _residual(r, np.abs(A), np.abs(x))
        if small and good:
            return CONVERGED, x, worst
        good = small and iteration > 0  # and once more: where J is stiff the criterion is not sharp
        if iteration == MAX_NEWTON:
            break
        factors = factor(A)
        if factors.sign == 0.0:
            return SINGULAR, x, worst
        x = x - factors.solve(r)
    return DIVERGED, x, worst


def _residual(r: Vector, size: Matrix, x: Vector) -> tuple[float, bool]:
    """The largest residual relative to the terms of its equation, and whether all are small."""
    terms, sides = size @ x, size.sum(axis=1)
    worst = float((np.abs(r) / np.maximum(np.maximum(terms, SMALLEST * sides), 1e-300)).max())
    return worst, bool(np.all(np.abs(r) <= SPECIAL_RESIDUAL * terms + FLOOR * sides))


@dataclass(frozen=True)
class Pair:
    """Where two eigenvalues add up to zero: a Hopf point if they are +-i omega, a neutral saddle if they are real."""

    code: int
    u: Vector
    value: float
    eigenvalues: tuple[complex, complex]
    residual: float


def locate_pair(at: Slice, u: Vector, value: float, pair: tuple[complex, complex]) -> Pair:
    """Newton on f = 0, g = 0 in (u, l), where g = Re lambda of a complex pair, or lambda + mu of a real one.

    The derivative of a simple eigenvalue is w^H d(J v) for its right and left eigenvectors, w^H v = 1. The residual
    is that of f = 0, J v = i omega v (of J v = lambda v, J v' = -lambda v').

    [ J    f_l ]
    [ g_u  g_l ]
    """
    n, good, worst = at.n, False, math.inf
    shifts: tuple[complex, ...] = pair[:1] if pair[0].imag else pair
    for iteration in range(MAX_NEWTON + 1):
        f, H = at.at(u, value)
        if not (np.isfinite(f).all() and np.isfinite(H).all()):
            return Pair(NOT_FINITE, u, value, pair, math.inf)
        J = H[:, :n]
        found = [eigenpair(J, shift) for shift in shifts]
        shifts = tuple(eigenvalue for eigenvalue, _, _ in found)
        if not np.isfinite(shifts).all():
            return Pair(SINGULAR, u, value, pair, math.inf)
        pair = (shifts[0], shifts[0].conjugate() if len(shifts) == 1 else shifts[1])
        centre = 0.5 * (pair[0] - pair[1])  # i omega, or lambda
        worst, small = _residual(f, np.abs(H), np.abs(np.append(u, value)))
        gradient = np.zeros(n + 1)
        for (_, v, w), target in zip(found, (centre, -centre), strict=False):
            D = at.along(u, value, v.real) + 1j * at.along(u, value, v.imag)
            gradient += (w @ D).real
            terms = np.abs(J) @ np.abs(v) + abs(centre) * np.abs(v)
            rest = float((np.abs(J @ v - target * v) / np.maximum(terms, SMALLEST * terms.max())).max())
            worst, small = max(worst, rest), small and rest <= SPECIAL_RESIDUAL
        if small and good:
            return Pair(CONVERGED, u, value, pair, worst)
        good = small and iteration > 0
        factors = factor(np.vstack([H, gradient]))
        if factors.sign == 0.0:
            return Pair(SINGULAR, u, value, pair, worst)
        step = factors.solve(np.append(f, sum(shift.real for shift in shifts)))
        u, value = u - step[:n], value - float(step[n])
    return Pair(DIVERGED, u, value, pair, worst)


# ---- spectra --------------------------------------------------------------------------------------


def spectrum(J: Matrix) -> NDArray[np.complex128]:
    """Eigenvalues by decreasing real part, of a pair the one with positive imaginary part first; NaN if none came."""
    try:
        values = np.linalg.eigvals(J).astype(np.complex128)
    except np.linalg.LinAlgError:
        return np.full(len(J), complex(math.nan, math.nan))
    return values[np.lexsort((-values.imag, -values.real))]


def pair_sign(eigenvalues: NDArray[np.complex128]) -> float:
    """The sign of the product of the sums of all pairs of eigenvalues: it changes at Hopf points, neutral saddles.

    Sums of eigenvalues that are not conjugate to each other come in conjugate pairs unless both are real.
    """
    real = eigenvalues[eigenvalues.imag == 0].real
    pairs = eigenvalues[eigenvalues.imag > 0].real
    sums = (real[:, None] + real)[np.triu_indices(len(real), 1)]
    if np.any(sums == 0) or np.any(pairs == 0):
        return 0.0
    return -1.0 if (np.count_nonzero(sums < 0) + np.count_nonzero(pairs < 0)) % 2 else 1.0


def eigenpair(J: Matrix, shift: complex) -> tuple[complex, NDArray[Any], NDArray[Any]]:
    """The eigenvalue nearest to `shift` with v and w: J v = lambda v, w J = lambda w, |v| = 1, w . v = 1.

    By inverse iteration with two-sided Rayleigh quotients (Ostrowski 1959); NaN where it breaks down.
    """
    from scipy.linalg.lapack import zgetrf, zgetrs

    n = len(J)
    v = w = np.linspace(1.0, 1.5, n) + 0.3 * np.cos(np.arange(n) ** 2)  # not orthogonal to smooth or rough vectors
    real = complex(shift).imag == 0
    failed = complex(math.nan, math.nan), v, w
    for _ in range(3):
        lu, pivots, info = zgetrf(J - (shift + 1e-14 * (abs(shift) + 1e-30)) * np.eye(n))
        if info:  # exactly singular: the shift is an eigenvalue up to rounding
            lu[np.arange(n), np.arange(n)] += 1e-300 + 1e-16 * np.abs(lu).max() * (np.diagonal(lu) == 0)
        for _ in range(3):
            v, w = zgetrs(lu, pivots, v)[0], zgetrs(lu, pivots, w, trans=1)[0]
            v, w = v / np.linalg.norm(v), w / np.linalg.norm(w)
        product = w @ v
        if not (np.isfinite(v).all() and np.isfinite(w).all() and abs(product) > 1e-13):
            return failed
        shift = complex((w @ J @ v) / product)
        shift = complex(shift.real) if real else shift
    return shift, v, w / product
