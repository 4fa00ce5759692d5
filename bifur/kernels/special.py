"""One special point inside a step: guessed by the test functions, located by Newton, and what it must pass."""

from __future__ import annotations

import math

from bifur._jit import callback
from bifur.kernels import linalg
from bifur.kernels.arrays import BP, FIND, HB, LP, POINTS, SPECIAL
from bifur.kernels.metric import distance, hermite
from bifur.kernels.step import CONVERGED

INSIDE = 1e-3  # of a step: how far out of it a special point may lie, by the curvature of the branch


@callback(FIND)
def special(solvers, kind, K, ta, tb, tau, P, S, T, W):
    """Locate and record a special point near the fraction tau of the step from S.a to S.b; False: not there."""
    n = len(W.u)
    x, index = S.x, T.count[SPECIAL]
    if index == len(T.special_kind):
        return True
    hermite(S.a, S.b, ta, tb, S.weight, tau, S.guess)
    for i in range(n):
        x[i] = W.u[i] = S.guess[i]
    W.p[P.free[0]] = x[2 * n] = math.exp(S.guess[n]) if P.logs[0] else S.guess[n]
    x[2 * n + 1] = 0.0
    K.jacobian(W.u, W.p, W.J)
    v = x[n : 2 * n]
    if kind == LP:
        norm = 0.0
        for i in range(n):
            v[i] = (1.0 - tau) * ta[i] + tau * tb[i]
            norm += v[i] * v[i]
        for i in range(n):
            v[i] /= math.sqrt(norm)
    elif kind == BP:
        linalg.null_vector(W.J, n, True, v, W.A, W.pivots)
    else:
        solvers.eigenvalues(W.J, n, W.A, W.re, W.im)
        best, square = math.inf, 0.0
        for i in range(n):
            for j in range(i):
                size = math.hypot(W.re[i] + W.re[j], W.im[i] + W.im[j])
                if size < best:
                    best, square = size, W.re[i] * W.re[j] - W.im[i] * W.im[j]
        for i in range(n):
            for j in range(n):
                W.H[i, j] = square if i == j else 0.0
                for r in range(n):
                    W.H[i, j] += W.J[i, r] * W.J[r, j]
        linalg.null_vector(W.H, n, False, v, W.A, W.pivots)
        x[2 * n + 1] = square
        along = 0.0
        for i in range(n):
            S.anchor[i] = 0.0
            for j in range(n):
                S.anchor[i] += W.J[i, j] * v[j]
            along += S.anchor[i] * v[i]
        for i in range(n):
            S.anchor[i] -= along * v[i]
    code, residual = solvers.locate(kind, K, x, P.free[0], S.anchor, W)
    if code != CONVERGED:
        return False
    if kind == BP:  # f + b w = 0: where b is not zero two branches pass each other without meeting
        K.magnitude(W.u, W.p, W.magnitude)
        size = 0.0
        for i in range(n):  # b = -w.f, whose rounding is that of the components that w weighs, and of states near 0
            sides = 0.0
            for j in range(n):
                sides += abs(W.J[i, j])
            size += abs(x[n + i]) * max(W.magnitude[i], 0.1 * sides)
        if abs(x[2 * n + 1]) > 1e-14 * size + 1e-300:
            return False
    if kind == HB:  # where k < 0 one eigenvector that is orthogonal to the anchor solves the system as well
        solvers.eigenvalues(W.J, n, W.A, W.re, W.im)
        nearest, size = math.inf, 0.0
        for i in range(n):
            size = max(size, math.hypot(W.re[i], W.im[i]))
            for j in range(i):
                nearest = min(nearest, math.hypot(W.re[i] + W.re[j], W.im[i] + W.im[j]))
        if not nearest <= 1e-6 * size:
            return False
    value = math.log(x[2 * n]) if P.logs[0] and x[2 * n] > 0.0 else x[2 * n]
    for i in range(n):
        S.guess[i] = x[i]
    S.guess[n] = value
    step = distance(S.a, S.b, S.weight)
    if not min(distance(S.guess, S.a, S.weight), distance(S.guess, S.b, S.weight)) <= step:
        return False
    along = whole = 0.0
    for j in range(n + 1):
        along += S.weight[j] ** 2 * ta[j] * (S.guess[j] - S.a[j])
        whole += S.weight[j] ** 2 * ta[j] * (S.b[j] - S.a[j])
    if not -INSIDE * whole <= along <= (1.0 + INSIDE) * whole:
        return False  # it belongs to a neighbouring step
    slack = 1e-9 * (P.span[1] - P.span[0])
    if not P.span[0] - slack <= value <= P.span[1] + slack:
        return False
    for i in range(n):
        slack = 1e-9 * max(1.0, abs(x[i]))
        if not P.low[i] - slack <= x[i] <= P.high[i] + slack:
            return False
    for j in range(2 * n + 2):
        T.special_x[index, j] = x[j]
    T.special_kind[index], T.special_at[index], T.special_residual[index] = kind, T.count[POINTS] - 1, residual
    T.count[SPECIAL] = index + 1
    return True
