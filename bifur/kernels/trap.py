"""Trapping ellipsoids of sinks, proved in interval arithmetic, and runs that end in them.

With y = R (x - u) and J(X) the Jacobian over a box X that holds the ellipsoid |y| <= c, two solutions in it approach
each other where R J R^-1 + (R J R^-1)' is negative definite for every J in J(X): the flow contracts |y| (Lohmiller &
Slotine 1998; the Lyapunov function is y'y). Where it also points inward at |y| = c in spite of f(u) not being exactly
zero, every solution that enters stays, and goes to the one equilibrium inside.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import flow
from bifur.kernels import interval as iv
from bifur.kernels.enclosure import at_point, jacobian_over, load
from bifur.kernels.program import PROGRAM, WHOLE
from bifur.kernels.stepper import NEXT, WORK
from bifur.kernels.types import F8, INTS, KERNELS, MATRIX, VECTOR

OUTSIDE = 7  # beside the codes of `flow.march`: the run left the bounds
CHUNK = 4  # accepted steps between two looks
SAFE = 1.0 - 1e-9  # more than the rounding of |y|

CUBE = types.float64[:, :, ::1]


class Room(NamedTuple):
    """Intervals: the Jacobian and two products (n, n) each, low and high in turn; the field (2 n,)."""

    matrices: np.ndarray
    field: np.ndarray


ROOM = types.NamedTuple([CUBE, VECTOR], Room)


def make_room(n: int) -> Room:
    """Work for one thread."""
    return Room(np.zeros((6, n, n)), np.zeros(2 * n))


@inline
def times_right(low, high, S, out_low, out_high):
    """[low, high] S."""
    n = S.shape[0]
    for i in range(n):
        for j in range(n):
            lo = hi = 0.0
            for k in range(n):
                a, b = iv.multiply(low[i, k], high[i, k], S[k, j], S[k, j])
                lo, hi = iv.add(lo, hi, a, b)
            out_low[i, j], out_high[i, j] = lo, hi


@inline
def times_left(R, low, high, out_low, out_high):
    """R [low, high]."""
    n = R.shape[0]
    for i in range(n):
        for j in range(n):
            lo = hi = 0.0
            for k in range(n):
                a, b = iv.multiply(R[i, k], R[i, k], low[k, j], high[k, j])
                lo, hi = iv.add(lo, hi, a, b)
            out_low[i, j], out_high[i, j] = lo, hi


@inline
def contraction(W, defect):
    """A rate m with x'(A + A')x <= -m x'x, A = R J R^-1, by Gershgorin from R J S; 0 of none. |R S - 1| <= defect < 1e-6.

    R J S = A R S, so with E = R S - 1 the form of A in coordinates R S z is W + W' + E'W + W'E.
    """
    low, high = W[4], W[5]
    n, total, rate = low.shape[0], 0.0, math.inf
    for i in range(n):
        for j in range(n):
            size = iv.magnitude(low[i, j], high[i, j])
            total = iv.up(total + iv.up(size * size))
    extra = iv.up(2.0 * iv.up(defect * iv.up(math.sqrt(total))))
    for i in range(n):
        row = iv.up(2.0 * high[i, i] + extra)
        for j in range(n):
            if j != i:
                a, b = iv.add(low[i, j], high[i, j], low[j, i], high[j, i])
                row = iv.up(row + iv.magnitude(a, b))
        rate = min(rate, -row)
    # |z| and |R S z| differ by the defect
    return iv.down(rate * (1.0 - 4e-6)) if rate > 0.0 else 0.0


@inline
def traps(P, V, u, R, S, defect, radius, room):
    """Whether |R (x - u)| <= radius is an ellipsoid that the flow contracts and enters."""
    n = len(u)
    for i in range(n):
        square = 0.0
        for j in range(n):
            square = iv.up(square + iv.up(S[i, j] * S[i, j]))
        half = iv.up(iv.up(radius * iv.up(math.sqrt(square))) * (1.0 + 4e-6))  # R^-1 = S (R S)^-1
        V[i, 0], V[i, 1] = iv.down(u[i] - half), iv.up(u[i] + half)
    W = room.matrices
    if jacobian_over(P, V, W[0], W[1]) != WHOLE:
        return False
    times_right(W[0], W[1], S, W[2], W[3])
    times_left(R, W[2], W[3], W[4], W[5])
    rate = contraction(W, defect)
    if not rate > 0.0:
        return False
    if at_point(P, V, u, room.field) != WHOLE:
        return False
    drift = 0.0
    for i in range(n):
        lo = hi = 0.0
        for k in range(n):
            a, b = iv.multiply(R[i, k], R[i, k], room.field[2 * k], room.field[2 * k + 1])
            lo, hi = iv.add(lo, hi, a, b)
        size = iv.magnitude(lo, hi)
        drift = iv.up(drift + iv.up(size * size))
    return iv.up(2.0 * iv.up(math.sqrt(drift))) < iv.down(rate * radius * 0.5)


@kernel(F8(PROGRAM, MATRIX, VECTOR, VECTOR, MATRIX, MATRIX, F8, F8, ROOM))
def largest(P, V, p, u, R, S, defect, radius, room):
    """The largest radius of a trapping ellipsoid that is found from `radius` downward; 0 of none."""
    if load(P, V, p) != WHOLE:
        return 0.0
    c = radius
    for _ in range(100):
        if traps(P, V, u, R, S, defect, c, room):
            break
        c *= 0.5
    else:
        return 0.0
    for factor in (1.6, 1.25, 1.1):
        if c * factor < radius and traps(P, V, u, R, S, defect, c * factor, room):
            c *= factor
    return c


@inline
def trapped(u, centres, shapes, radii):
    """The number of the ellipsoid that holds u, or -1."""
    n = u.shape[0]
    for k in range(centres.shape[0]):
        total = 0.0
        for i in range(n):
            y = 0.0
            for j in range(n):
                y += shapes[k, i, j] * (u[j] - centres[k, j])
            total += y * y
        if total < (SAFE * radii[k]) ** 2:
            return k
    return -1


@inline
def inside(u, low, high):
    for i in range(u.shape[0]):
        if not low[i] <= u[i] <= high[i]:
            return False
    return True


@kernel(
    types.void(
        KERNELS, MATRIX, MATRIX, MATRIX, types.int64[:, ::1], VECTOR, WORK, MATRIX, CUBE, VECTOR, VECTOR, VECTOR,
        VECTOR, VECTOR, MATRIX, INTS, INTS,
    )
)  # fmt: skip
def settle(
    kernels, p, states, clocks, counts, options, work, centres, shapes, radii, low, high, times, t_out, u_out, codes,
    limits,
):  # fmt: skip
    """Each row of `states` (b, n) goes on as in `flow.march` until it is in an ellipsoid or outside the bounds.

    p (1, q); ellipsoids |shapes[k] (x - centres[k])| < radii[k]; `times` empty, t_out (c,), u_out (c, n). codes (b,)
    become ARRIVED or OUTSIDE or a code of `march`, limits (b,) the number of the ellipsoid or -1.
    """
    for row in range(states.shape[0]):
        one = slice(row, row + 1)
        limits[row] = trapped(states[row], centres, shapes, radii)
        codes[row] = flow.FULL
        if limits[row] >= 0:
            codes[row] = flow.ARRIVED
        elif not inside(states[row], low, high):
            codes[row] = OUTSIDE
        while codes[row] == flow.FULL:
            counts[row, NEXT] = 0
            flow.march(
                kernels, p, states[one], clocks[one], counts[one], options, work, times, t_out, u_out, codes[one]
            )
            for step in range(counts[row, NEXT]):
                if not inside(u_out[step], low, high):
                    codes[row] = OUTSIDE
                    break
                limits[row] = trapped(u_out[step], centres, shapes, radii)
                if limits[row] >= 0:
                    codes[row] = flow.ARRIVED
                    break
        if codes[row] == flow.ARRIVED and not inside(states[row], low, high):
            codes[row] = OUTSIDE
