"""Equilibria at one parameter point from many starts, by two methods whose agreement makes them probable."""

from __future__ import annotations

import math

from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import linalg
from bifur.kernels.pointers import kernels_at
from bifur.kernels.step import CONVERGED, SINGULAR, WORK, newton
from bifur.kernels.types import I8, INTS, KERNELS, MATRIX, VECTOR

RESOLVED = 1e-3  # largest uncertainty of an equilibrium that was searched, relative to its size
ITERATIONS = 60
SAME = 1e-7  # relative distance within which two searches have found one equilibrium


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


@inline
def _kept(K, u, low, high, W):
    """Sharpen u; whether it is an equilibrium inside the bounds."""
    code, _ = newton(K, u, W, 12)
    if not (code == CONVERGED or (code == SINGULAR and _vanishes(K, u, W))):
        return False
    _snap(K, u, W)
    # far out exp and the like leave nothing but rounding errors of the field, which pass for a zero
    size = 1.0
    for i in range(len(u)):
        size = max(size, abs(u[i]))
    inside = uncertainty(K, u, W) <= RESOLVED * size or _vanishes(K, u, W)
    for i in range(len(u)):
        inside = inside and low[i] <= u[i] <= high[i]
    return inside


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
        for _ in range(ITERATIONS):
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
        if alive and _kept(K, u, low, high, W):
            found += 1
    return found


@inline
def _same(u, v):
    distance, size = 0.0, 1.0
    for i in range(len(u)):
        distance, size = max(distance, abs(u[i] - v[i])), max(size, abs(u[i]))
    return distance <= SAME * size


@kernel(I8(KERNELS, MATRIX, VECTOR, VECTOR, MATRIX, WORK))
def by_deflation(K, starts, low, high, out, W):
    """`from_starts` by Newton on m f, m = product of (1 + 1 / |u - r|^2) over what was found, which keeps away from it.

    Its step is that of f divided by 1 - (grad m . step) / m (Farrell, Birkisson & Funke 2015, SIAM J. Sci. Comput. 37).
    A start is used again until nothing new comes of it.
    """
    n = len(W.u)
    known = 0
    for s in range(len(starts)):
        again = True
        while again and known < len(out):
            again = False
            u = out[known]
            for i in range(n):
                u[i] = starts[s, i]
            for _ in range(ITERATIONS):
                K.field(u, W.p, W.field)
                K.jacobian(u, W.p, W.J)
                total = 0.0
                for i in range(n):
                    total += W.field[i]
                    W.b[i] = -W.field[i]
                    for j in range(n):
                        W.A[i, j] = W.J[i, j]
                        total += W.J[i, j]
                if not math.isfinite(total) or linalg.factor(W.A, n, W.pivots) == 0.0:
                    break
                linalg.solve(W.A, n, W.pivots, W.b)
                slope = change = size = 0.0
                for k in range(known):
                    square = along = 0.0
                    for i in range(n):
                        away = u[i] - out[k, i]
                        square += away * away
                        along += away * W.b[i]
                    if square > 0.0:
                        slope -= 2.0 * along / (square * (square + 1.0))
                scale = 1.0 / (1.0 - slope) if abs(1.0 - slope) > 1e-3 else 1.0
                for i in range(n):
                    u[i] += scale * W.b[i]
                    change, size = max(change, abs(W.b[i])), max(size, abs(u[i]))
                if change <= 1e-10 * size or not size < 1e12:
                    break
            if _kept(K, u, low, high, W):
                new = True
                for k in range(known):
                    new = new and not _same(u, out[k])
                if new:
                    known += 1
                    again = True
    return known


@kernel(I8(KERNELS, MATRIX, I8, WORK))
def distinct(K, rows, found, W):
    """Keep each equilibrium once: two are the same where their Newton-Kantorovich balls overlap."""
    n = rows.shape[1]
    kept = 0
    for s in range(found):
        radius = uncertainty(K, rows[s], W)
        same = False
        for t in range(kept):
            distance = 0.0
            for i in range(n):
                distance = max(distance, abs(rows[s, i] - rows[t, i]))
            if distance <= radius + uncertainty(K, rows[t], W):
                same = True
                break
        if not same:
            for i in range(n):
                rows[kept, i] = rows[s, i]
            kept += 1
    return kept


@kernel(types.UniTuple(I8, 2)(KERNELS, MATRIX, VECTOR, VECTOR, MATRIX, WORK))
def by_both(K, starts, low, high, out, W):
    """Damped Newton from one half of the starts, deflated Newton from the other; (number found, 1 if they agree).

    The rows of `out` hold every equilibrium once.
    """
    half = len(starts) // 2
    first = distinct(K, out, from_starts(K, starts[:half], low, high, out, W), W)
    room = out[first:]
    second = distinct(K, room, by_deflation(K, starts[half:], low, high, room, W), W)
    together = distinct(K, out, first + second, W)
    return together, 1 if first == second == together else 0


@kernel(I8(INTS, I8, MATRIX, VECTOR, VECTOR, MATRIX, WORK))
def search(K, deflated, starts, low, high, out, W):
    """`from_starts`, or `by_deflation`, for a system given by its addresses."""
    if deflated:
        return by_deflation(kernels_at(K), starts, low, high, out, W)
    return from_starts(kernels_at(K), starts, low, high, out, W)
