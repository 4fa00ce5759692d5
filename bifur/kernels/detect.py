"""Special points of equilibria: test functions, and Newton on the defining systems.

    LP (fold)           f = 0, J v = 0, v.v = 1                              in (u, v, l)
    BP (branch point)   f + b w = 0, J^T w = 0, f_l.w = 0, w.w = 1           in (u, w, l, b)
    HB (Hopf)           f = 0, J J v + k v = 0, v.v = 1, v.c = 0, k = omega^2   in (u, v, l, k)

(Moore & Spence 1980; Moore 1980; Roose & Hlavacek 1985.) A root of the third with k < 0 is a neutral
saddle: two real eigenvalues of opposite sign. All derivatives come from the definition.
"""

from __future__ import annotations

import math

from bifur._jit import callback, hot, inline
from bifur.kernels import linalg
from bifur.kernels.arrays import BP, LOCATE, LP
from bifur.kernels.step import CONVERGED, DIVERGED, NOT_FINITE, SINGULAR

MAX_NEWTON = 20
SETTLED = 1e-15  # relative correction of every state and of the parameter
FLOOR = 1e-3  # unknowns below this size are measured by it: one that is zero has no relative error


@hot
def hopf_test(re, im, n):
    """The product of the sums of all pairs of eigenvalues, by their size: zero at Hopf points, neutral saddles."""
    if n == 2:
        size = abs(re[0]) + abs(re[1]) + abs(im[0]) + abs(im[1])
        return (re[0] + re[1]) / size if size > 0.0 else 0.0
    product_re, product_im = 1.0, 0.0
    for i in range(n):
        for j in range(i):
            a, b = re[i] + re[j], im[i] + im[j]
            size = math.hypot(re[i], im[i]) + math.hypot(re[j], im[j])
            if size == 0.0:
                return 0.0
            a, b = a / size, b / size
            product_re, product_im = product_re * a - product_im * b, product_re * b + product_im * a
    return product_re


@inline
def _derivative_along(K, W, v, q):
    """W.second = d([J f_p] (v, 0)) / d(u, p)."""
    n = len(W.u)
    for j in range(n):
        W.along[j] = v[j]
    for k in range(q):
        W.along[n + k] = 0.0
    K.second(W.u, W.p, W.along, W.second)


@inline
def _fold_system(K, x, free, W):
    """Residual and derivative in x = (u, v, l)."""
    n = len(W.u)
    m = 2 * n + 1
    _derivative_along(K, W, x[n : 2 * n], len(W.p))
    norm = 0.0
    for i in range(n):
        value = 0.0
        for j in range(n):
            value += W.J[i, j] * x[n + j]
            W.A[i, j], W.A[i, n + j] = W.J[i, j], 0.0
            W.A[n + i, j], W.A[n + i, n + j] = W.second[i, j], W.J[i, j]
        W.A[i, 2 * n] = W.Fp[i, free]
        W.A[n + i, 2 * n] = W.second[i, n + free]
        W.A[2 * n, i], W.A[2 * n, n + i] = 0.0, 2.0 * x[n + i]
        W.b[i], W.b[n + i] = -W.field[i], -value
        norm += x[n + i] ** 2
    W.A[2 * n, 2 * n] = 0.0
    W.b[2 * n] = 1.0 - norm
    return m


@inline
def _branch_point_system(K, x, free, W):
    """Residual and derivative in x = (u, w, l, b)."""
    n, q = len(W.u), len(W.p)
    m = 2 * n + 2
    b = x[2 * n + 1]
    norm = product = 0.0
    for i in range(n):
        left = 0.0
        for j in range(n):
            left += W.J[j, i] * x[n + j]
            W.A[i, j], W.A[i, n + j] = W.J[i, j], 0.0
            W.A[n + i, n + j] = W.J[j, i]
        W.A[i, n + i] = b
        W.A[i, 2 * n], W.A[i, 2 * n + 1] = W.Fp[i, free], x[n + i]
        W.A[n + i, 2 * n + 1] = 0.0
        W.b[i] = -(W.field[i] + b * x[n + i])
        W.b[n + i] = -left
        product += W.Fp[i, free] * x[n + i]
        norm += x[n + i] ** 2
        W.A[2 * n, n + i] = W.Fp[i, free]
        W.A[2 * n + 1, i], W.A[2 * n + 1, n + i] = 0.0, 2.0 * x[n + i]
    for k in range(n + 1):  # row k of w^T second(e_k): second derivatives of w.f
        for j in range(n + q):
            W.along[j] = 0.0
        W.along[k if k < n else n + free] = 1.0
        K.second(W.u, W.p, W.along, W.second)
        for j in range(n + 1):
            value = 0.0
            for i in range(n):
                value += x[n + i] * W.second[i, j if j < n else n + free]
            W.A[n + k, j if j < n else 2 * n] = value
    W.A[2 * n, 2 * n + 1] = W.A[2 * n + 1, 2 * n] = W.A[2 * n + 1, 2 * n + 1] = 0.0
    W.b[2 * n], W.b[2 * n + 1] = -product, 1.0 - norm
    return m


@inline
def _hopf_system(K, x, free, anchor, W):
    """Residual and derivative in x = (u, v, l, k)."""
    n, q = len(W.u), len(W.p)
    m = 2 * n + 2
    k = x[2 * n + 1]
    _derivative_along(K, W, x[n : 2 * n], q)  # d(J v): then J d(J v) is the second half of d(J J v)
    for i in range(n):
        for j in range(n + 1):
            column = j if j < n else n + free
            value = 0.0
            for r in range(n):
                value += W.J[i, r] * W.second[r, column]
            W.A[n + i, j if j < n else 2 * n] = value
        W.f[i] = 0.0
        for j in range(n):
            W.f[i] += W.J[i, j] * x[n + j]
    _derivative_along(K, W, W.f, q)
    norm = projection = 0.0
    for i in range(n):
        twice = 0.0
        for j in range(n):
            twice += W.J[i, j] * W.f[j]
            W.A[i, j], W.A[i, n + j] = W.J[i, j], 0.0
            W.A[n + i, j] += W.second[i, j]
            square = 0.0
            for r in range(n):
                square += W.J[i, r] * W.J[r, j]
            W.A[n + i, n + j] = square
        W.A[n + i, n + i] += k
        W.A[n + i, 2 * n] += W.second[i, n + free]
        W.A[n + i, 2 * n + 1] = x[n + i]
        W.A[i, 2 * n], W.A[i, 2 * n + 1] = W.Fp[i, free], 0.0
        W.b[i], W.b[n + i] = -W.field[i], -(twice + k * x[n + i])
        W.A[2 * n, i], W.A[2 * n, n + i] = 0.0, 2.0 * x[n + i]
        W.A[2 * n + 1, i], W.A[2 * n + 1, n + i] = 0.0, anchor[i]
        norm += x[n + i] ** 2
        projection += anchor[i] * x[n + i]
    for row in range(2 * n, m):
        for column in range(2 * n, m):
            W.A[row, column] = 0.0
    W.b[2 * n], W.b[2 * n + 1] = 1.0 - norm, -projection
    return m


@callback(LOCATE)
def locate(kind, K, x, free, anchor, W):
    """Newton on the defining system of `kind`, x in place; (code, residual relative to its absolute terms).

    x = (u, null vector, parameter[, b or k]); W.p holds the other parameters.
    """
    n = len(W.u)
    before, change = math.inf, math.inf
    for iteration in range(MAX_NEWTON + 1):
        for i in range(n):
            W.u[i] = x[i]
        W.p[free] = x[2 * n]
        K.field(W.u, W.p, W.field)
        K.jacobian(W.u, W.p, W.J)
        K.parameter_jacobian(W.u, W.p, W.Fp)
        if kind == LP:
            m = _fold_system(K, x, free, W)
        elif kind == BP:
            m = _branch_point_system(K, x, free, W)
        else:
            m = _hopf_system(K, x, free, anchor, W)
        worst, good = 0.0, iteration > 0
        for i in range(m):
            terms = sides = 0.0
            for j in range(m):
                terms += abs(W.A[i, j] * x[j])
                sides += abs(W.A[i, j])
            if not math.isfinite(terms + W.b[i]):
                return NOT_FINITE, math.inf
            if not abs(W.b[i]) <= 1e-12 * terms + 1e-15 * sides:
                good = False
            worst = max(worst, abs(W.b[i]) / max(terms, FLOOR * sides, 1e-300))
        # a small residual says little of an unknown that the equations hardly depend on: go on while corrections shrink
        if good and (change <= SETTLED or change >= 0.25 * before or iteration == MAX_NEWTON):
            return CONVERGED, worst
        if iteration == MAX_NEWTON:
            break
        if linalg.factor(W.A, m, W.pivots) == 0.0:
            return SINGULAR, worst
        linalg.solve(W.A, m, W.pivots, W.b)
        before, change = change, 0.0
        for i in range(m):
            x[i] += W.b[i]
            if i < n or i == 2 * n:  # of the point itself; each of its coordinates may be the one that matters
                change = max(change, abs(W.b[i]) / abs(x[i]) if x[i] != 0.0 else 0.0)
    return DIVERGED, worst
