"""Curves of special points in two parameters: defining systems, the corrector, the tangent.

The unknown z ends in the two free parameters s1, s2, each as it is or by its logarithm:

    FOLD     f = 0, J v = 0, v.v = 1                                  z = (u, v, s1, s2)
    HOPF     f = 0, J J v + k v = 0, v.v = 1, c.v = 0                 z = (u, v, k, s1, s2),  k = omega^2
    BRANCH   f + b w = 0, J^T w = 0, w.(d1 f_s1 + d2 f_s2) = 0, w.w = 1   z = (u, w, b, s1, s2)

(Moore & Spence 1980; Roose & Hlavacek 1985; Moore 1980.) One equation fewer than unknowns; a row fixes the place on the
curve (Keller 1977):

    [ H_z   ]        [  H(z)      ]
    [ row^T ] dz = - [ row.z - g  ]

The anchors c and d move with the curve: c lies in the plane of the Hopf vectors, orthogonal to v; d is normal to the
curve in the plane of the parameters, because along the curve itself a branch point does not move through anything.
A curve of branch points exists only where b stays zero.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from bifur._jit import callback, inline, kernel
from bifur.kernels import linalg
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

FOLD, HOPF, BRANCH = range(3)
CONVERGED, DIVERGED, NOT_FINITE, SINGULAR = range(4)

# relative to the sum of absolute terms of the linearised equation, and absolute in the unknowns
RESIDUAL = 1e-11
FLOOR = 1e-15
SMALL = 1e-3  # unknowns below this size are measured by it: one that is zero has no relative error


class CurveWork(NamedTuple):
    """Scratch of one thread, for n states, q parameters, m = 2 n + 2 equations."""

    u: np.ndarray
    p: np.ndarray
    f: np.ndarray
    H: np.ndarray
    field: np.ndarray
    J: np.ndarray
    Fp: np.ndarray
    along: np.ndarray
    second: np.ndarray
    Jv: np.ndarray
    A: np.ndarray
    b: np.ndarray
    pivots: np.ndarray
    anchor: np.ndarray


CURVE_WORK = types.NamedTuple(
    [VECTOR, VECTOR, VECTOR, MATRIX, VECTOR, MATRIX, MATRIX, VECTOR, MATRIX, VECTOR, MATRIX, VECTOR, INTS, VECTOR],
    CurveWork,
)


def make_curve_work(n: int, q: int) -> CurveWork:
    """Scratch that is large enough for every kind of curve."""
    m = 2 * n + 2
    vector, matrix = np.zeros, np.zeros
    return CurveWork(
        u=vector(n),
        p=vector(q),
        f=vector(m),
        H=matrix((m, m + 1)),
        field=vector(n),
        J=matrix((n, n)),
        Fp=matrix((n, q)),
        along=vector(n + q),
        second=matrix((n, n + q)),
        Jv=vector(n),
        A=matrix((m + 1, m + 1)),
        b=vector(m + 1),
        pivots=np.zeros(m + 1, np.int64),
        anchor=vector(max(n, 2)),
    )


@inline
def unknowns(kind, n):
    """Length of z."""
    return 2 * n + 2 if kind == FOLD else 2 * n + 3


@inline
def _scale(j, free, logs, W):
    """d(parameter j) / d(s_j)."""
    return W.p[free[j]] if logs[j] else 1.0


@inline
def _derivative_along(K, W, v):
    """W.second = d(J v) / d(u, p)."""
    n = len(W.u)
    for j in range(n):
        W.along[j] = v[j]
    for k in range(len(W.p)):
        W.along[n + k] = 0.0
    K.second(W.u, W.p, W.along, W.second)


@inline
def _fold_rows(K, z, free, logs, W):
    n = len(W.u)
    _derivative_along(K, W, z[n : 2 * n])
    norm = 0.0
    for i in range(n):
        value = 0.0
        for j in range(n):
            value += W.J[i, j] * z[n + j]
            W.H[i, n + j] = 0.0
            W.H[n + i, j] = W.second[i, j]
            W.H[n + i, n + j] = W.J[i, j]
        for j in range(2):
            W.H[n + i, 2 * n + j] = W.second[i, n + free[j]] * _scale(j, free, logs, W)
        W.f[n + i] = value
        W.H[2 * n, i], W.H[2 * n, n + i] = 0.0, 2.0 * z[n + i]
        norm += z[n + i] * z[n + i]
    W.f[2 * n] = norm - 1.0
    W.H[2 * n, 2 * n] = W.H[2 * n, 2 * n + 1] = 0.0


@inline
def _hopf_rows(K, z, free, logs, W):
    n = len(W.u)
    k = z[2 * n]
    _derivative_along(K, W, z[n : 2 * n])  # then J d(J v) is the first half of d(J J v)
    for i in range(n):
        W.Jv[i] = 0.0
        for j in range(n):
            value = 0.0
            for r in range(n):
                value += W.J[i, r] * W.second[r, j]
            W.H[n + i, j] = value
            W.Jv[i] += W.J[i, j] * z[n + j]
        for j in range(2):
            value = 0.0
            for r in range(n):
                value += W.J[i, r] * W.second[r, n + free[j]]
            W.H[n + i, 2 * n + 1 + j] = value * _scale(j, free, logs, W)
    _derivative_along(K, W, W.Jv)
    norm = projection = 0.0
    for i in range(n):
        twice = 0.0
        for j in range(n):
            twice += W.J[i, j] * W.Jv[j]
            square = 0.0
            for r in range(n):
                square += W.J[i, r] * W.J[r, j]
            W.H[i, n + j], W.H[n + i, n + j] = 0.0, square
            W.H[n + i, j] += W.second[i, j]
        for j in range(2):
            W.H[n + i, 2 * n + 1 + j] += W.second[i, n + free[j]] * _scale(j, free, logs, W)
        W.H[n + i, n + i] += k
        W.H[i, 2 * n], W.H[n + i, 2 * n] = 0.0, z[n + i]
        W.f[n + i] = twice + k * z[n + i]
        W.H[2 * n, i], W.H[2 * n, n + i] = 0.0, 2.0 * z[n + i]
        W.H[2 * n + 1, i], W.H[2 * n + 1, n + i] = 0.0, W.anchor[i]
        norm += z[n + i] * z[n + i]
        projection += W.anchor[i] * z[n + i]
    for j in range(3):
        W.H[2 * n, 2 * n + j] = W.H[2 * n + 1, 2 * n + j] = 0.0
    W.f[2 * n], W.f[2 * n + 1] = norm - 1.0, projection


@inline
def _branch_rows(K, z, free, logs, W):
    n, q = len(W.u), len(W.p)
    b = z[2 * n]
    norm = product = 0.0
    for i in range(n):
        left = 0.0
        for j in range(n):
            left += W.J[j, i] * z[n + j]
            W.H[i, n + j], W.H[n + i, n + j] = 0.0, W.J[j, i]
        W.H[i, n + i] = b
        W.H[i, 2 * n], W.H[n + i, 2 * n] = z[n + i], 0.0
        W.f[i] += b * z[n + i]
        W.f[n + i] = left
        along = 0.0
        for j in range(2):
            along += W.anchor[j] * _scale(j, free, logs, W) * W.Fp[i, free[j]]
        product += along * z[n + i]
        norm += z[n + i] * z[n + i]
        W.H[2 * n, n + i] = along
        W.H[2 * n + 1, i], W.H[2 * n + 1, n + i] = 0.0, 2.0 * z[n + i]
    for row in range(n + 1):  # w.f differentiated by state `row`, or along d, and by everything
        for j in range(n + q):
            W.along[j] = 0.0
        if row < n:
            W.along[row] = 1.0
        else:
            for j in range(2):
                W.along[n + free[j]] = W.anchor[j] * _scale(j, free, logs, W)
        K.second(W.u, W.p, W.along, W.second)
        for j in range(n + 2):
            source = j if j < n else n + free[j - n]
            value = 0.0
            for i in range(n):
                value += z[n + i] * W.second[i, source]
            W.H[n + row, j if j < n else n + 1 + j] = value * (1.0 if j < n else _scale(j - n, free, logs, W))
    for j in range(2):
        if logs[j]:  # the scale is itself a function of s_j
            for i in range(n):
                W.H[2 * n, 2 * n + 1 + j] += W.anchor[j] * W.p[free[j]] * W.Fp[i, free[j]] * z[n + i]
    W.H[2 * n, 2 * n] = 0.0
    for j in range(3):
        W.H[2 * n + 1, 2 * n + j] = 0.0
    W.f[2 * n], W.f[2 * n + 1] = product, norm - 1.0


@kernel(types.boolean(I8, KERNELS, VECTOR, INTS, INTS, CURVE_WORK))
def evaluate(kind, K, z, free, logs, W):
    """H(z) into W.f and H_z into W.H, f, J and f_p of the system beside them; False where not finite."""
    n = len(W.u)
    size = unknowns(kind, n)
    for i in range(n):
        W.u[i] = z[i]
    for j in range(2):
        s = z[size - 2 + j]
        W.p[free[j]] = math.exp(s) if logs[j] else s
    K.field(W.u, W.p, W.field)
    K.jacobian(W.u, W.p, W.J)
    K.parameter_jacobian(W.u, W.p, W.Fp)
    for i in range(n):
        W.f[i] = W.field[i]
        for j in range(n):
            W.H[i, j] = W.J[i, j]
        for j in range(2):
            W.H[i, size - 2 + j] = W.Fp[i, free[j]] * _scale(j, free, logs, W)
    if kind == FOLD:
        _fold_rows(K, z, free, logs, W)
    elif kind == HOPF:
        _hopf_rows(K, z, free, logs, W)
    else:
        _branch_rows(K, z, free, logs, W)
    total = 0.0
    for i in range(size - 1):
        total += W.f[i]
        for j in range(size):
            total += W.H[i, j]
    return math.isfinite(total)


@inline
def _small(W, z, size):
    """Whether every equation holds to RESIDUAL of its terms, or to an error FLOOR of the unknowns."""
    for i in range(size - 1):
        terms = sides = 0.0
        for j in range(size):
            terms += abs(W.H[i, j] * z[j])
            sides += abs(W.H[i, j])
        if not abs(W.f[i]) <= RESIDUAL * terms + FLOOR * sides:
            return False
    return True


@kernel(F8(VECTOR, I8, CURVE_WORK))
def relative_residual(z, size, W):
    """The largest residual of an equation relative to its absolute terms; W was evaluated at z."""
    worst = 0.0
    for i in range(size - 1):
        terms = sides = 0.0
        for j in range(size):
            terms += abs(W.H[i, j] * z[j])
            sides += abs(W.H[i, j])
        worst = max(worst, abs(W.f[i]) / max(terms, SMALL * sides, 1e-300))
    return worst


@inline
def _bordered(W, row, size):
    """Factor [H_z; row]; the sign of its determinant, 0 where singular."""
    for i in range(size - 1):
        for j in range(size):
            W.A[i, j] = W.H[i, j]
    for j in range(size):
        W.A[size - 1, j] = row[j]
    sign = linalg.factor(W.A, size, W.pivots)
    for j in range(size):
        if W.A[j, j] < 0.0:
            sign = -sign
    return sign


CORRECT = types.UniTuple(I8, 2)(I8, KERNELS, VECTOR, VECTOR, F8, VECTOR, INTS, INTS, F8, F8, I8, I8, CURVE_WORK)


@callback(CORRECT)
def correct(kind, K, z, row, target, weight, free, logs, contraction, least, max_newton, polish, W):
    """Newton on H(z) = 0, row.z = target, in place; (code, iterations). At success W holds H_z at z.

    `contraction` bounds the ratio of successive corrections in the weighted norm: a slow start means that the step was
    too long to be sure of the curve, but corrections up to `least` are harmless. `polish` more corrections are made
    where it has converged.
    """
    size = unknowns(kind, len(W.u))
    before, more = -1.0, polish
    for iteration in range(max_newton + polish + 1):
        if not evaluate(kind, K, z, free, logs, W):
            return NOT_FINITE, iteration
        if iteration > 0 and _small(W, z, size):
            if more == 0:
                return CONVERGED, iteration
            more -= 1
        if iteration >= max_newton and more == polish:
            break
        if _bordered(W, row, size) == 0.0:
            return SINGULAR, iteration
        along = 0.0
        for j in range(size):
            along += row[j] * z[j]
            if j < size - 1:
                W.b[j] = -W.f[j]
        W.b[size - 1] = target - along
        linalg.solve(W.A, size, W.pivots, W.b)
        change = 0.0
        for j in range(size):
            z[j] += W.b[j]
            change += (weight[j] * W.b[j]) ** 2
        change = math.sqrt(change)
        if not math.isfinite(change):
            return NOT_FINITE, iteration
        if change < 1e-15:
            if not evaluate(kind, K, z, free, logs, W):
                return NOT_FINITE, iteration
            return CONVERGED, iteration + 1
        if more == polish and change > least and before >= 0.0 and change > contraction * before:
            return DIVERGED, iteration
        before = change
    return (CONVERGED if more < polish else DIVERGED), max_newton


TANGENT = F8(I8, VECTOR, VECTOR, VECTOR, CURVE_WORK)


@callback(TANGENT)
def tangent(kind, row, weight, t, W):
    """The tangent with row.t > 0 and weighted norm 1, from W.H; the sign of the bordered determinant, 0: singular."""
    size = unknowns(kind, len(W.u))
    sign = _bordered(W, row, size)
    if sign == 0.0:
        return 0.0
    for j in range(size - 1):
        W.b[j] = 0.0
    W.b[size - 1] = 1.0
    linalg.solve(W.A, size, W.pivots, W.b)
    norm = 0.0
    for j in range(size):
        norm += (weight[j] * W.b[j]) ** 2
    norm = math.sqrt(norm)
    if not (norm > 0.0 and norm < np.inf):
        return 0.0
    for j in range(size):
        t[j] = W.b[j] / norm
    return sign


MEASURE = types.void(I8, VECTOR, VECTOR, types.boolean, VECTOR, VECTOR, VECTOR, CURVE_WORK)


class CurveSolvers(NamedTuple):
    """Reached by pointer, so that the loop compiles without them."""

    correct: Any
    tangent: Any
    measure: Any


CURVE_SOLVERS = types.NamedTuple(
    [types.FunctionType(CORRECT), types.FunctionType(TANGENT), types.FunctionType(MEASURE)], CurveSolvers
)
