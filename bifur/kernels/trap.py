"""Trapping ellipsoids of sinks, proved in interval arithmetic, and runs that end in them.

With y = R (x - u) and J(X) the Jacobian over a box X that holds the ellipsoid |y| <= c, two solutions in it approach
each other where R J R^-1 + (R J R^-1)' is negative definite for every J in J(X): the flow contracts |y| (Lohmiller &
Slotine 1998; the Lyapunov function is y'y). Where it also points inward at |y| = c in spite of f(u) not being exactly
zero, every solution that enters stays, and goes to the one equilibrium inside. Of an ellipsoid that reaches beyond a
bound of the states the part within the bounds is meant, and the flow must not leave through that bound.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import flow, wall
from bifur.kernels import interval as iv
from bifur.kernels.enclosure import at_point, jacobian_over, load
from bifur.kernels.program import CONSTANT, PROGRAM, RESULTS, WHOLE, run
from bifur.kernels.stepper import ATOL, NEXT, WORK, T, copy
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

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
    """A rate m with x'(A + A')x <= -m x'x, A = R J R^-1, by Gershgorin from R J S, |R S - 1| <= defect; 0 of none.

    The defect is below 1e-6. R J S = A R S: with E = R S - 1 the form of A in coordinates R S z is W + W' + E'W + W'E.
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
def box_of(V, u, S, radius, low, high):
    """A box that holds the ellipsoid, as far as the bounds go, into the first slots."""
    n = len(u)
    for i in range(n):
        square = 0.0
        for j in range(n):
            square = iv.up(square + iv.up(S[i, j] * S[i, j]))
        half = iv.up(iv.up(radius * iv.up(math.sqrt(square))) * (1.0 + 4e-6))  # R^-1 = S (R S)^-1
        V[i, 0], V[i, 1] = max(low[i], iv.down(u[i] - half)), min(high[i], iv.up(u[i] + half))


@inline
def keeps_in(P, V, u, S, radius, low, high):
    """Whether the flow does not leave through a bound that the box reaches."""
    for i in range(len(u)):
        for k in range(2):
            box_of(V, u, S, radius, low, high)
            bound = low[i] if k == 0 else high[i]
            if V[i, k] != bound or not math.isfinite(bound):
                continue
            V[i, 0] = V[i, 1] = bound
            if run(P, V, P.head[CONSTANT], len(P.operations), False) != WHOLE:
                return False
            result = P.head[RESULTS + i]
            if (k == 0 and not V[result, 0] >= 0.0) or (k == 1 and not V[result, 1] <= 0.0):
                return False
    return True


@inline
def traps(P, V, u, R, S, defect, radius, low, high, room):
    """Whether |R (x - u)| <= radius is an ellipsoid that the flow contracts and enters."""
    n = len(u)
    box_of(V, u, S, radius, low, high)
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
    inward = iv.up(2.0 * iv.up(math.sqrt(drift))) < iv.down(rate * radius * 0.5)
    return inward and keeps_in(P, V, u, S, radius, low, high)


@kernel(F8(PROGRAM, MATRIX, VECTOR, VECTOR, MATRIX, MATRIX, F8, F8, VECTOR, VECTOR, ROOM))
def largest(P, V, p, u, R, S, defect, radius, low, high, room):
    """The largest radius of a trapping ellipsoid that is found from `radius` downward; 0 of none."""
    if load(P, V, p) != WHOLE:
        return 0.0
    c = radius
    for _ in range(100):
        if traps(P, V, u, R, S, defect, c, low, high, room):
            break
        c *= 0.5
    else:
        return 0.0
    for factor in (1.6, 1.25, 1.1):
        if c * factor < radius and traps(P, V, u, R, S, defect, c * factor, low, high, room):
            c *= factor
    return c


@kernel(I8(PROGRAM, MATRIX, VECTOR, I8, F8, types.boolean, VECTOR, VECTOR))
def wall_kind(P, V, p, i, bound, lower, low, high):
    """Whether no solution within the bounds leaves through that of state i: the field vanishes on it, or points inward.

    The other states are all between their bounds, infinite ones too: a factor that is zero on the bound does it.
    """
    if load(P, V, p) != WHOLE:
        return wall.LOOSE
    for k in range(len(low)):
        V[k, 0], V[k, 1] = low[k], high[k]
    V[i, 0] = V[i, 1] = bound
    if run(P, V, P.head[CONSTANT], len(P.operations), False) != WHOLE:
        return wall.LOOSE
    result = P.head[RESULTS + i]
    if V[result, 0] == 0.0 and V[result, 1] == 0.0:
        return wall.INVARIANT
    inward = V[result, 0] >= 0.0 if lower else V[result, 1] <= 0.0
    return wall.CLOSED if inward else wall.LOOSE


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


@inline
def bulges(a, b, slope_a, slope_b, h, low, high):
    """Whether the cubic Hermite interpolant of a step from a to b, both within the bounds, has an extremum beyond."""
    c1, c2 = h * slope_a, 3.0 * (b - a) - h * (2.0 * slope_a + slope_b)
    c3 = h * (slope_a + slope_b) - 2.0 * (b - a)
    if abs(c1) + abs(c2) + abs(c3) < min(a - low, high - a):
        return False
    discriminant = c2 * c2 - 3.0 * c1 * c3
    if not discriminant > 0.0:
        return False
    q = -(c2 + math.copysign(math.sqrt(discriminant), c2))
    for s in (c1 / q, q / (3.0 * c3)):  # of c1 + 2 c2 s + 3 c3 s^2
        if 0.0 < s < 1.0:
            value = a + s * (c1 + s * (c2 + s * c3))
            if not low <= value <= high:
                return True
    return False


@inline
def stays(kernels, p, before, after, h, low, high, work):
    """Whether a step stays within the bounds, between its ends too; work.new, work.stage are free."""
    if not inside(after, low, high):
        return False
    kernels.field(before, p, work.new)
    kernels.field(after, p, work.stage)
    for i in range(before.shape[0]):
        if low[i] > -math.inf or high[i] < math.inf:
            if bulges(before[i], after[i], work.new[i], work.stage[i], h, low[i], high[i]):
                return False
    return True


@kernel(
    types.void(
        KERNELS, MATRIX, MATRIX, MATRIX, types.int64[:, ::1], VECTOR, WORK, MATRIX, CUBE, VECTOR, VECTOR, VECTOR,
        MATRIX, types.int64[:, ::1], VECTOR, VECTOR, VECTOR, VECTOR, MATRIX, INTS, INTS,
    )
)  # fmt: skip
def settle(
    kernels, p, states, clocks, counts, options, work, centres, shapes, radii, low, high, walls, kinds, logs, start,
    times, t_out, u_out, codes, limits,
):  # fmt: skip
    """Each row of `states` (b, n) goes on as in `flow.march` until it is in an ellipsoid or outside the bounds.

    p (1, q); ellipsoids |shapes[k] (x - centres[k])| < radii[k]; room: logs and start (n,), `times` empty, t_out (c,),
    u_out (c, n). codes (b,) become ARRIVED or OUTSIDE or a code of `march`, limits (b,) the number of the ellipsoid or
    -1. A step leaves the bounds where one of its ends or its interpolant does; beyond `walls` (2, n) of `kinds` (2, n),
    see `wall`, only its error can lead.
    """
    bounded, level = False, max(wall.LEVEL, wall.ERRORS * options[ATOL])
    for i in range(low.shape[0]):
        bounded = bounded or low[i] > -math.inf or high[i] < math.inf
    for row in range(states.shape[0]):
        one = slice(row, row + 1)
        u, clock, held = states[row], clocks[row], 0
        limits[row] = trapped(u, centres, shapes, radii)
        codes[row] = flow.FULL
        if limits[row] >= 0:
            codes[row] = flow.ARRIVED
        elif not inside(u, low, high):
            codes[row] = OUTSIDE
        while codes[row] == flow.FULL:
            counts[row, NEXT] = 0
            held = wall.hold(u, walls, kinds, level, logs, held)
            t0 = clock[T]
            copy(u, start)
            flow.march(
                kernels, p, states[one], clocks[one], counts[one], options, work, times, t_out, u_out, codes[one]
            )
            wall.put_back(u, walls)
            for step in range(counts[row, NEXT]):
                before, h = start if step == 0 else u_out[step - 1], t_out[step] - t0
                if held != 0:
                    part, which = wall.carry(kernels, p[0], before, u_out[step], h, level, logs, held, work)
                    if which != 0:
                        wall.let_go(u, before, u_out[step], h, part, which, walls, level, clock, t0, work)
                        held &= ~which
                        codes[row] = flow.FULL
                        break
                if bounded and not stays(kernels, p[0], before, u_out[step], h, low, high, work):
                    codes[row] = OUTSIDE
                    break
                t0 = t_out[step]
                limits[row] = trapped(u_out[step], centres, shapes, radii)
                if limits[row] >= 0:
                    codes[row] = flow.ARRIVED
                    break
        if codes[row] == flow.ARRIVED and not inside(u, low, high):
            codes[row] = OUTSIDE
