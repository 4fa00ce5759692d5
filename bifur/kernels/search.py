"""All equilibria at one parameter point: from the charts where there are any, from many starts otherwise."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import linalg, roots
from bifur.kernels.pointers import eliminant_at, kernels_at
from bifur.kernels.step import CONVERGED, SINGULAR, WORK, newton
from bifur.kernels.types import ELIMINANT, I8, INTS, KERNELS, MATRIX, VECTOR

# codes of `from_charts`, beside those of roots (-1 undecided, -2 vanishing, -3 zero)
GUARD = -4  # a guard may be zero: the charts do not speak there
LOST = -5  # Newton left the isolating interval of a root

RESOLVED = 1e-3  # largest uncertainty of an equilibrium that was searched, relative to its size
# parameters outside are left to exact arithmetic: powers of them could leave the range of doubles
SMALLEST, LARGEST = 1e-25, 1e25


class Charts(NamedTuple):
    """Room for the charts at one point: (2 charts, degree + 1) coefficients and bounds, (2, guards), and work."""

    coefficients: np.ndarray
    guards: np.ndarray
    coef: np.ndarray
    bound: np.ndarray
    low: np.ndarray
    high: np.ndarray
    root: np.ndarray
    t: np.ndarray
    e: np.ndarray
    stack: np.ndarray
    x: np.ndarray


CHARTS = types.NamedTuple([MATRIX, MATRIX, *[VECTOR] * 9], Charts)


def make_charts(charts: int, degree: int, guards: int) -> Charts:
    """Room for the charts at one point."""
    length = degree + 2
    return Charts(
        np.zeros((2 * charts, degree + 1)),
        np.zeros((2, guards)),
        *(np.zeros(length) for _ in range(7)),
        stack=np.zeros(roots.MAX_STACK + 4),
        x=np.zeros(2),
    )


@kernel(I8(KERNELS, ELIMINANT, I8, I8, CHARTS, MATRIX, WORK))
def from_charts(K, E, charts, variable, C, out, W):
    """All equilibria at W.p as rows of `out`, sharpened by Newton; their proved number, or a negative code.

    With a negative code nothing is proved, and the rows written so far are not returned.
    """
    for k in range(len(W.p)):
        if W.p[k] != 0.0 and not SMALLEST <= abs(W.p[k]) <= LARGEST:
            return roots.UNDECIDED
    E.guards(W.u, W.p, C.guards)
    for k in range(C.guards.shape[1]):
        if not abs(C.guards[0, k]) > C.guards[1, k]:
            return GUARD
    E.coefficients(W.u, W.p, C.coefficients)
    total = 0
    length = C.coefficients.shape[1]
    for chart in range(charts):
        for k in range(length):
            C.coef[k], C.bound[k] = C.coefficients[chart, k], C.coefficients[charts + chart, k]
            if not math.isfinite(C.coef[k] + C.bound[k]):
                return roots.UNDECIDED
        found = roots.real_roots(C.coef, C.bound, length, C.low, C.high, C.root, C.t, C.e, C.stack)
        if found < 0:
            return found
        for i in range(found):
            if total == len(out):
                return LOST
            u = out[total]
            C.x[0], C.x[1] = chart, C.root[i]
            E.lift(C.x, W.p, u)
            code, _ = newton(K, u, W, 20)
            if code != CONVERGED or not C.low[i] <= u[variable] <= C.high[i]:
                return LOST
            for other in range(total):
                near, size = 0.0, 0.0
                for j in range(len(u)):
                    near = max(near, abs(out[other, j] - u[j]))
                    size = max(size, abs(u[j]))
                if near <= 4e-16 * size:
                    return LOST  # two roots led to one equilibrium
            total += 1
    return total


@inline
def _vanishes(K, u, W):
    """Whether the field is exactly zero: a point of a set of equilibria."""
    K.field(u, W.p, W.field)
    for i in range(len(u)):
        if W.field[i] != 0.0:
            return False
    return True


@inline
def _snap(K, u, W):
    """States that are zero but for rounding become zero, where the field does not grow by that."""
    n, size, before, after = len(u), 1.0, 0.0, 0.0
    for i in range(n):
        size = max(size, abs(u[i]))
    for i in range(n):
        W.u[i] = 0.0 if abs(u[i]) <= 1e-14 * size else u[i]
    K.field(u, W.p, W.field)
    for i in range(n):
        before = max(before, abs(W.field[i]))
    K.field(W.u, W.p, W.field)
    for i in range(n):
        after = max(after, abs(W.field[i]))
    if after <= before:
        for i in range(n):
            u[i] = W.u[i]


@inline
def uncertainty(K, u, W):
    """Radius of the Newton-Kantorovich ball around a converged u: twice the next correction, rounding included."""
    n = len(u)
    K.field(u, W.p, W.field)
    K.jacobian(u, W.p, W.J)
    K.magnitude(u, W.p, W.magnitude)
    for i in range(n):
        for j in range(n):
            W.A[i, j] = W.J[i, j]
    if linalg.factor(W.A, n, W.pivots) == 0.0:
        return math.inf
    radius = 0.0
    for k in range(n):  # column by column of |J^-1| (|f| + rounding)
        for i in range(n):
            W.b[i] = 0.0
        W.b[k] = abs(W.field[k]) + 1e-15 * W.magnitude[k] + 1e-300
        linalg.solve(W.A, n, W.pivots, W.b)
        for i in range(n):
            radius = max(radius, 2.0 * n * abs(W.b[i]))
    return radius


@kernel(I8(KERNELS, MATRIX, VECTOR, VECTOR, MATRIX, WORK))
def from_starts(K, starts, low, high, out, W):
    """Damped Newton from every start; the converged states inside [low, high] as rows of `out`, their number.

    Damping halves the step until the norm of the field falls (Deuflhard 2011, section 3.1).
    """
    n = len(W.u)
    found = 0
    for s in range(len(starts)):
        if found == len(out):
            break
        u = out[found]
        for i in range(n):
            u[i] = starts[s, i]
        alive = True
        for _ in range(60):
            K.field(u, W.p, W.field)
            K.jacobian(u, W.p, W.J)
            norm = total = 0.0
            for i in range(n):
                norm += W.field[i] * W.field[i]
                W.b[i] = -W.field[i]
                for j in range(n):
                    W.A[i, j] = W.J[i, j]
                    total += W.J[i, j]
            if not math.isfinite(total + norm):
                alive = False
                break
            if norm == 0.0:
                break
            if linalg.factor(W.A, n, W.pivots) == 0.0:
                alive = False
                break
            linalg.solve(W.A, n, W.pivots, W.b)
            damping, fell = 1.0, False
            while damping > 1e-4 and not fell:
                for i in range(n):
                    W.u[i] = u[i] + damping * W.b[i]
                K.field(W.u, W.p, W.field)
                new = 0.0
                for i in range(n):
                    new += W.field[i] * W.field[i]
                fell = new < norm
                if not fell:
                    damping *= 0.5
            if not fell:
                break
            change = size = 0.0
            for i in range(n):
                change = max(change, abs(W.u[i] - u[i]))
                size = max(size, abs(u[i]))
                u[i] = W.u[i]
            if change <= 1e-12 * size:
                break
        if not alive:
            continue
        code, _ = newton(K, u, W, 12)
        inside = code == CONVERGED or (code == SINGULAR and _vanishes(K, u, W))
        if inside:
            _snap(K, u, W)
            # far out exp and the like leave nothing but rounding errors of the field, which pass for a zero
            size = 1.0
            for i in range(n):
                size = max(size, abs(u[i]))
            inside = uncertainty(K, u, W) <= RESOLVED * size or _vanishes(K, u, W)
        for i in range(n):
            inside = inside and low[i] <= u[i] <= high[i]
        if inside:
            found += 1
    return found


@kernel(I8(INTS, INTS, I8, I8, CHARTS, MATRIX, WORK))
def by_charts(K, E, charts, variable, C, out, W):
    """`from_charts`, for a system given by its addresses."""
    return from_charts(kernels_at(K), eliminant_at(E), charts, variable, C, out, W)


@kernel(I8(INTS, MATRIX, VECTOR, VECTOR, MATRIX, WORK))
def by_starts(K, starts, low, high, out, W):
    """`from_starts`, for a system given by its addresses."""
    return from_starts(kernels_at(K), starts, low, high, out, W)
