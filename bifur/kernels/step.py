"""One step of pseudo-arclength continuation of equilibria: the linearised field, the corrector, the tangent.

The unknown z = (u, s) holds the states and the free parameter, as it is or by its logarithm. f(z) = 0 has one equation
less than unknowns; a row fixes the point along the branch (Keller 1977):

    [ J  f_s ]        [  f(z)      ]
    [ row^T  ] dz = - [ row.z - g  ]
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import callback, hot, kernel
from bifur.kernels import linalg
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

CONVERGED, DIVERGED, NOT_FINITE, SINGULAR = range(4)

# relative to the sum of absolute terms of the linearised equation, and absolute in the unknowns
RESIDUAL = 1e-11
FLOOR = 1e-15


class Work(NamedTuple):
    """Scratch of one thread, for n states, q parameters, 2 n + 3 equations at most."""

    u: np.ndarray
    p: np.ndarray
    L: np.ndarray  # (n, n + 2): J, f_s, f
    f: np.ndarray
    H: np.ndarray
    field: np.ndarray
    J: np.ndarray
    Fp: np.ndarray
    along: np.ndarray
    second: np.ndarray
    magnitude: np.ndarray
    A: np.ndarray
    b: np.ndarray
    pivots: np.ndarray
    scale: np.ndarray
    re: np.ndarray
    im: np.ndarray


WORK = types.NamedTuple(
    [
        VECTOR,
        VECTOR,
        MATRIX,
        VECTOR,
        MATRIX,
        VECTOR,
        MATRIX,
        MATRIX,
        VECTOR,
        MATRIX,
        VECTOR,
        MATRIX,
        VECTOR,
        INTS,
        VECTOR,
        VECTOR,
        VECTOR,
    ],
    Work,
)


def make_work(n: int, q: int) -> Work:
    """Scratch that is large enough for every defining system."""
    m = 2 * n + 3
    vector, matrix = np.zeros, np.zeros
    return Work(
        u=vector(n),
        p=vector(q),
        L=matrix((n, n + 2)),
        f=vector(m),
        H=matrix((m, m + 1)),
        field=vector(n),
        J=matrix((n, n)),
        Fp=matrix((n, q)),
        along=vector(n + q),
        second=matrix((n, n + q)),
        magnitude=vector(n),
        A=matrix((m + 1, m + 1)),
        b=vector(m + 1),
        pivots=np.zeros(m + 1, np.int64),
        scale=vector(n + 1),
        re=vector(n),
        im=vector(n),
    )


# ---- along a branch: z = (u, s), L = [J f_s f] ------------------------------------------------


@hot
def linearise(K, z, free, log, u, p, L):
    """L = [J, df/ds, f] at z, s the parameter or its logarithm; False where not finite. u and p are those of z."""
    n = len(u)
    for i in range(n):
        u[i] = z[i]
    value = math.exp(z[n]) if log else z[n]
    p[free] = value
    K.linear(u, p, free, L)
    scale, total = value if log else 1.0, 0.0
    for i in range(n):
        L[i, n] *= scale
        for j in range(n + 2):
            total += L[i, j]
    return math.isfinite(total)


@hot
def settled(L, z, n):
    """Whether every component of f is below RESIDUAL of its linearised terms, or of an error FLOOR in the unknowns."""
    for i in range(n):
        terms = sides = 0.0
        for j in range(n + 1):
            terms += abs(L[i, j] * z[j])
            sides += abs(L[i, j])
        if not abs(L[i, n + 1]) <= RESIDUAL * terms + FLOOR * sides:
            return False
    return True


@hot
def factor_with(L, row, A, pivots, scale, n):
    """Factor [J f_s; row], its rows times `scale`; the sign of its determinant, 0 where singular.

    Rows are brought to one size, or pivoting would take the border for a large row of J and drown J in rounding.
    """
    for i in range(n + 1):
        largest = 0.0
        for j in range(n + 1):
            A[i, j] = L[i, j] if i < n else row[j]
            largest = max(largest, abs(A[i, j]))
        scale[i] = 1.0 / largest if 1e-300 < largest < 1e300 else 1.0
        for j in range(n + 1):
            A[i, j] *= scale[i]
    sign = linalg.factor(A, n + 1, pivots)
    for j in range(n + 1):
        if A[j, j] < 0.0:
            sign = -sign
    return sign


@hot
def settle(K, z, row, target, weight, free, log, contraction, max_newton, u, p, L, A, b, pivots, scale, history):
    """Newton on f(z) = 0, row.z = target, in place; (code, corrections made). At success L is that of z.

    `contraction` bounds the ratio of successive corrections in the weighted norm: a slow start means that the step
    was too long to be sure of the branch. `history` takes the corrections.
    """
    n = len(u)
    before = -1.0
    for iteration in range(max_newton + 1):
        if not linearise(K, z, free, log, u, p, L):
            return NOT_FINITE, iteration
        if iteration > 0 and settled(L, z, n):
            return CONVERGED, iteration
        if iteration == max_newton:
            break
        if factor_with(L, row, A, pivots, scale, n) == 0.0:
            return SINGULAR, iteration
        along = 0.0
        for j in range(n + 1):
            along += row[j] * z[j]
            if j < n:
                b[j] = -L[j, n + 1] * scale[j]
        b[n] = (target - along) * scale[n]
        linalg.solve(A, n + 1, pivots, b)
        change = 0.0
        for j in range(n + 1):
            z[j] += b[j]
            change += (weight[j] * b[j]) ** 2
        change = math.sqrt(change)
        if iteration < len(history):
            history[iteration] = change
        if not math.isfinite(change):
            return NOT_FINITE, iteration + 1
        if change < 1e-15:
            if not linearise(K, z, free, log, u, p, L):
                return NOT_FINITE, iteration + 1
            return CONVERGED, iteration + 1
        if before > 1e-12 and change > contraction * before:
            return DIVERGED, iteration + 1
        before = change
    return DIVERGED, max_newton


@hot
def direction(L, row, weight, t, A, b, pivots, scale, n):
    """The tangent t with row.t > 0 and weighted length 1; (sign of the determinant of [J f_s; row], its size).

    Sign 0: singular.
    """
    sign = factor_with(L, row, A, pivots, scale, n)
    if sign == 0.0:
        return 0.0, 0.0
    size = 1.0
    for j in range(n + 1):
        size *= abs(A[j, j]) / scale[j]
        b[j] = 0.0
    b[n] = scale[n]
    linalg.solve(A, n + 1, pivots, b)
    norm = 0.0
    for j in range(n + 1):
        norm += (weight[j] * b[j]) ** 2
    norm = math.sqrt(norm)
    if not (norm > 0.0 and norm < np.inf):
        return 0.0, 0.0
    for j in range(n + 1):
        t[j] = b[j] / norm
    return sign, size


SETTLE = types.UniTuple(I8, 2)(KERNELS, VECTOR, VECTOR, F8, VECTOR, I8, I8, F8, I8, VECTOR, WORK)


@callback(SETTLE)
def settle_at(K, z, row, target, weight, free, log, contraction, max_newton, history, W):
    """`settle`, to be reached by pointer."""
    return settle(
        K, z, row, target, weight, free, log != 0, contraction, max_newton,
        W.u, W.p, W.L, W.A, W.b, W.pivots, W.scale, history,
    )  # fmt: skip


@kernel(types.Tuple((I8, F8))(KERNELS, VECTOR, WORK, I8))
def newton(K, u, W, max_newton):
    """Newton on f(u; W.p) = 0 at fixed parameters, in place; (code, first correction in the maximum norm).

    At success W.field and W.J belong to u.
    """
    n = len(u)
    first = 0.0
    for iteration in range(max_newton + 1):
        K.field(u, W.p, W.field)
        K.jacobian(u, W.p, W.J)
        good, total = iteration > 0, 0.0
        for i in range(n):
            terms = sides = 0.0
            total += W.field[i]
            for j in range(n):
                W.A[i, j] = W.J[i, j]
                total += W.J[i, j]
                terms += abs(W.J[i, j] * u[j])
                sides += abs(W.J[i, j])
            W.b[i] = -W.field[i]
            # a hundred times sharper than along a branch: these points are kept
            if not abs(W.field[i]) <= 1e-2 * RESIDUAL * terms + FLOOR * sides:
                good = False
        if not math.isfinite(total):
            return NOT_FINITE, first
        if good:
            return CONVERGED, first
        if iteration == max_newton:
            break
        if linalg.factor(W.A, n, W.pivots) == 0.0:
            return SINGULAR, first
        linalg.solve(W.A, n, W.pivots, W.b)
        change = 0.0
        for i in range(n):
            u[i] += W.b[i]
            change = max(change, abs(W.b[i]))
        if iteration == 0:
            first = change
        if change <= 1e-300:
            return CONVERGED, first
    return DIVERGED, first


@kernel(F8(KERNELS, VECTOR, WORK))
def relative_residual(K, u, W):
    """max |f_i| / (sum of the absolute terms of f_i), at u and W.p."""
    K.field(u, W.p, W.field)
    K.magnitude(u, W.p, W.magnitude)
    worst = 0.0
    for i in range(len(u)):
        if W.field[i] != 0.0:
            worst = max(worst, abs(W.field[i]) / W.magnitude[i])
    return worst
