"""Existence, uniqueness and stability of an equilibrium, proved in interval arithmetic.

With Y near J^-1 the Krawczyk operator K(X) = m - Y f(m) + (1 - Y J(X)) (X - m) maps the box X around m into its
interior: then exactly one zero of f lies in X (Krawczyk 1969; Rump 2010, theorem 13.3). J(X) holds the Jacobian at that
zero, so the signs of its eigenvalues' real parts follow from it by the Routh-Hurwitz criterion (Gantmacher 1959,
chapter XV), each number an interval: what does not exclude zero is not decided.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import interval as iv
from bifur.kernels import linalg
from bifur.kernels.program import CONSTANT, PROGRAM, REACH, RESULTS, ROUNDINGS, VARIABLES, WHOLE, run
from bifur.kernels.twofold import at_point_twofold, load_twofold
from bifur.kernels.types import F8, I8, INTS, MATRIX, VECTOR

UNDECIDED = -1
FIRST = 2.0**-40  # radius that is tried first, relative to the largest state
ATTEMPTS = 8
ZERO = 1e-11  # relative to the largest state, or absolute where all are small
GROWN = 1.001
SHARPENED = 4  # corrections at most
NEAR = 0.0625  # of the radius: a state whose correction is larger is sharpened
NOTHING = -1_000_000
SLIMMEST = 20  # a side of a box is at least 2^-20 of the longest
SLIM = 2.0**-SLIMMEST
# radius around a state at which the field is zero without any rounding; all others are larger
EXACT, SMALLEST = 2.0**-125, 2.0**-120
LARGEST = 2.0**120  # a file holds radii in single precision
LOST = 1e-190  # what underflows amounts to at most


class Room(NamedTuple):
    """Work for n states: n x n matrices (see below), pivots, vectors and rows of Routh's array (6, 2 n + 6)."""

    matrices: np.ndarray
    pivots: np.ndarray
    rows: np.ndarray


ROOM = types.NamedTuple([types.float64[:, :, ::1], INTS, MATRIX], Room)
# Room.matrices: an approximate inverse, LU factors, intervals of the Jacobian and of two products
INVERSE, FACTORS, LOW, HIGH, POWER_LOW, POWER_HIGH, NEXT_LOW, NEXT_HIGH = range(8)
# Room.rows
COLUMN, FIELD, POLYNOMIAL, ABOVE, BELOW, SIDES = range(6)


def make_room(n: int) -> Room:
    """Work for one thread."""
    return Room(np.zeros((8, n, n)), np.zeros(n, np.int64), np.zeros((6, 2 * n + 6)))


@inline
def load(P, V, p):
    """Put parameters into their slots and run what depends on them alone; WHOLE where that has a value."""
    n = P.head[VARIABLES]
    for k in range(len(p)):
        V[n + k, 0] = V[n + k, 1] = p[k]
    return run(P, V, 0, P.head[CONSTANT], False)


@inline
def at_point(P, V, u, f):
    """The field at u, low, high, low, ..., into f."""
    n = len(u)
    for i in range(n):
        V[i, 0] = V[i, 1] = u[i]
    where = run(P, V, P.head[CONSTANT], len(P.operations), False)
    for i in range(n):
        f[2 * i], f[2 * i + 1] = V[P.head[RESULTS + i], 0], V[P.head[RESULTS + i], 1]
    return where


@inline
def jacobian_over(P, V, low, high):
    """The Jacobian over the box in the first slots, into low and high."""
    n = P.head[VARIABLES]
    where = run(P, V, P.head[CONSTANT], len(P.operations), True)
    for i in range(n):
        for j in range(n):
            result = P.head[RESULTS + i]
            low[i, j], high[i, j] = V[result, 2 + 2 * j], V[result, 3 + 2 * j]
    return where


@inline
def _invert_two(low, high, inverse):
    """`invert` of two rows, by the cofactors."""
    a, b = 0.5 * (low[0, 0] + high[0, 0]), 0.5 * (low[0, 1] + high[0, 1])
    c, d = 0.5 * (low[1, 0] + high[1, 0]), 0.5 * (low[1, 1] + high[1, 1])
    determinant = a * d - b * c
    if determinant == 0.0:
        return False
    scale = 1.0 / determinant
    inverse[0, 0], inverse[0, 1] = scale * d, -scale * b
    inverse[1, 0], inverse[1, 1] = -scale * c, scale * a
    return math.isfinite(inverse[0, 0] + inverse[0, 1] + inverse[1, 0] + inverse[1, 1])


@inline
def invert(R, n):
    """The inverse of the middle of the Jacobian, in plain arithmetic; False where it is singular or not finite."""
    low, high, factors, column = R.matrices[LOW], R.matrices[HIGH], R.matrices[FACTORS], R.rows[COLUMN]
    if n == 2:
        return _invert_two(low, high, R.matrices[INVERSE])
    total = 0.0
    for i in range(n):
        for j in range(n):
            factors[i, j] = 0.5 * (low[i, j] + high[i, j])
            total += factors[i, j]
    if not math.isfinite(total) or linalg.factor(factors, n, R.pivots) == 0.0:
        return False
    for j in range(n):
        for i in range(n):
            column[i] = 1.0 if i == j else 0.0
        linalg.solve(factors, n, R.pivots, column)
        for i in range(n):
            R.matrices[INVERSE, i, j] = column[i]
            total += column[i]
    return math.isfinite(total)


@inline
def newton_step(R, i, n):
    """The interval of (Y f)_i."""
    low = high = 0.0
    for k in range(n):
        lo, hi = iv.scale(R.matrices[INVERSE, i, k], R.rows[FIELD, 2 * k], R.rows[FIELD, 2 * k + 1])
        low, high = iv.add(low, high, lo, hi)
    return low, high


@inline
def defect(R, i, j, n):
    """The interval of (1 - Y J)_ij."""
    low = high = 1.0 if i == j else 0.0
    for k in range(n):
        lo, hi = iv.scale(-R.matrices[INVERSE, i, k], R.matrices[LOW, k, j], R.matrices[HIGH, k, j])
        low, high = iv.add(low, high, lo, hi)
    return low, high


@inline
def correction(R, n):
    """The largest component of |Y f|, in SIDES."""
    step = 0.0
    for i in range(n):
        low, high = newton_step(R, i, n)
        step = max(step, iv.magnitude(low, high) / R.rows[SIDES, i])
    return step


@inline
def sides(u, R):
    """Sides of the boxes around u into SIDES: powers of two as the states have them, the longest 1.

    Where one state is 10^5 and another 1, a cube that holds the rounding of the first is too large for the second.
    """
    largest = NOTHING
    for i in range(len(u)):
        exponent = NOTHING
        if u[i] != 0.0:
            _, exponent = math.frexp(u[i])
        R.rows[SIDES, i] = exponent
        largest = max(largest, exponent)
    for i in range(len(u)):
        below = int(R.rows[SIDES, i]) - largest
        R.rows[SIDES, i] = 1.0 if below == 0 else (SLIM if below <= -SLIMMEST else math.ldexp(1.0, below))


@inline
def apart(u, r, v, s, R):
    """Whether the boxes of radius r around u and of radius s around v are disjoint: in one state they are."""
    distance = 0.0
    for i in range(len(u)):
        distance = max(distance, abs(u[i] - v[i]))
    if distance * (1.0 - 1e-15) > (r + s) * (1.0 + 1e-15):  # most often cubes are
        return True
    sides(u, R)
    for i in range(len(u)):
        R.rows[COLUMN, i] = R.rows[SIDES, i]
    sides(v, R)
    for i in range(len(u)):
        half = r * R.rows[COLUMN, i] + s * R.rows[SIDES, i]
        if abs(u[i] - v[i]) * (1.0 - 1e-15) > half * (1.0 + 1e-15):
            return True
    return False


@inline
def box_around(V, u, radius, R):
    """The box of half widths radius * SIDES around u into the first slots, rounded outward."""
    for i in range(len(u)):
        half = radius * R.rows[SIDES, i]
        V[i, 0], V[i, 1] = iv.down(u[i] - half), iv.up(u[i] + half)


@inline
def contracts(R, radius, n):
    """Whether K maps the box into its interior; the largest |Y f| and row of |1 - Y J|, both in SIDES."""
    inside, step, contraction = True, 0.0, 0.0
    for i in range(n):
        low, high = newton_step(R, i, n)
        moved, row = iv.magnitude(low, high), 0.0
        for j in range(n):
            low, high = defect(R, i, j, n)
            row = iv.up(row + iv.magnitude(low, high) * R.rows[SIDES, j])  # a product with a power of two is exact
        side = R.rows[SIDES, i]
        inside = inside and iv.up(moved + iv.up(row * radius)) < radius * side
        step, contraction = max(step, moved / side), max(contraction, row / side)
    return inside, step, contraction


@inline
def sharpen(P, V, D, u, R):
    """Move u by the middle of -Y f as long as that halves the correction, with f to twice the digits; f is in FIELD."""
    n = len(u)
    load_twofold(P, V, D)
    at_point_twofold(P, D, u, R.rows[FIELD])
    step = correction(R, n)
    for _ in range(SHARPENED):
        for i in range(n):
            low, high = newton_step(R, i, n)
            R.rows[COLUMN, i] = u[i]
            u[i] -= 0.5 * (low + high)
        at_point_twofold(P, D, u, R.rows[FIELD])
        new = correction(R, n)
        if not new <= 0.5 * step:
            if not new <= step:
                for i in range(n):
                    u[i] = R.rows[COLUMN, i]
                at_point_twofold(P, D, u, R.rows[FIELD])
                new = step
            return new
        step = new
    return step


@inline
def power_of_two(x):
    """A power of two not below x, which every format of numbers holds."""
    _, exponent = math.frexp(x)
    return math.ldexp(1.0, exponent)


# ---- stability ----------------------------------------------------------------------------------


@inline
def _sign(low, high):
    return 1 if low > 0.0 else (-1 if high < 0.0 else 0)


@inline
def characteristic(R, n):
    """Coefficients of det(x - J), leading one first, as low, high, low, ... into POLYNOMIAL (Faddeev & LeVerrier).

    M_1 = J, c_k = -tr M_k / k, M_(k+1) = J (M_k + c_k).
    """
    L, H, polynomial = R.matrices[LOW], R.matrices[HIGH], R.rows[POLYNOMIAL]
    A, B, C, D = R.matrices[POWER_LOW], R.matrices[POWER_HIGH], R.matrices[NEXT_LOW], R.matrices[NEXT_HIGH]
    for i in range(n):
        for j in range(n):
            A[i, j], B[i, j] = L[i, j], H[i, j]
    polynomial[0] = polynomial[1] = 1.0
    for k in range(1, n + 1):
        low = high = 0.0
        for i in range(n):
            low, high = iv.add(low, high, A[i, i], B[i, i])
        low, high = iv.divide(-high, -low, float(k), float(k))
        polynomial[2 * k], polynomial[2 * k + 1] = low, high
        if k == n:
            break
        for i in range(n):
            A[i, i], B[i, i] = iv.add(A[i, i], B[i, i], low, high)
        for i in range(n):
            for j in range(n):
                low = high = 0.0
                for m in range(n):
                    lo, hi = iv.multiply(L[i, m], H[i, m], A[m, j], B[m, j])
                    low, high = iv.add(low, high, lo, hi)
                C[i, j], D[i, j] = low, high
        for i in range(n):
            for j in range(n):
                A[i, j], B[i, j] = C[i, j], D[i, j]


@inline
def routh(R, n):
    """Sign changes in the first column of Routh's array of POLYNOMIAL: its roots to the right.

    With a row a_0 a_1 ... above b_0 b_1 ... the next one is (b_0 a_(i+1) - a_0 b_(i+1)) / b_0.
    """
    polynomial, above, below = R.rows[POLYNOMIAL], R.rows[ABOVE], R.rows[BELOW]
    for i in range(len(above)):
        above[i] = below[i] = 0.0
    for k in range(n + 1):
        row = above if k % 2 == 0 else below
        row[k // 2 * 2], row[k // 2 * 2 + 1] = polynomial[2 * k], polynomial[2 * k + 1]
    changes, sign = 0, 1
    for _ in range(n):
        new = _sign(below[0], below[1])
        if new == 0:
            return UNDECIDED
        changes += new != sign
        sign = new
        a_low, a_high, b_low, b_high = above[0], above[1], below[0], below[1]
        for i in range(0, len(above) - 2, 2):
            lo, hi = iv.multiply(a_low, a_high, below[i + 2], below[i + 3])
            lo, hi = iv.divide(lo, hi, b_low, b_high)
            lo, hi = iv.add(above[i + 2], above[i + 3], -hi, -lo)
            above[i], above[i + 1] = below[i], below[i + 1]
            below[i], below[i + 1] = lo, hi
        above[len(above) - 2] = above[len(above) - 1] = 0.0
        below[len(above) - 2] = below[len(above) - 1] = 0.0
    return changes


@kernel(I8(ROOM, I8))
def by_routh(R, n):
    """`unstable` by Routh's array of the characteristic polynomial."""
    characteristic(R, n)
    return routh(R, n)


@kernel(I8(ROOM, I8))
def unstable(R, n):
    """The number of eigenvalues with positive real part of every matrix between LOW and HIGH; UNDECIDED: it varies."""
    L, H = R.matrices[LOW], R.matrices[HIGH]
    if n == 1:
        sign = _sign(L[0, 0], H[0, 0])
        return UNDECIDED if sign == 0 else (1 if sign > 0 else 0)
    if n == 2:
        low, high = iv.multiply(L[0, 0], H[0, 0], L[1, 1], H[1, 1])
        lo, hi = iv.multiply(L[0, 1], H[0, 1], L[1, 0], H[1, 0])
        low, high = iv.add(low, high, -hi, -lo)
        sign = _sign(low, high)
        if sign < 0:
            return 1
        low, high = iv.add(L[0, 0], H[0, 0], L[1, 1], H[1, 1])
        trace = _sign(low, high)
        return UNDECIDED if sign == 0 or trace == 0 else (2 if trace > 0 else 0)
    return by_routh(R, n)


@kernel(I8(ROOM, F8, I8))
def unstable_beside(R, shift, n):
    """`unstable` where Routh's array breaks down because two eigenvalues add up to zero, though neither is near it.

    The numbers to the right of +shift and of -shift agree; a shift of half the smallest real part makes no sum vanish.
    Moves the Jacobian.
    """
    L, H = R.matrices[LOW], R.matrices[HIGH]
    for i in range(n):
        L[i, i], H[i, i] = iv.add(L[i, i], H[i, i], -shift, -shift)
    right = by_routh(R, n)
    for i in range(n):
        L[i, i], H[i, i] = iv.add(L[i, i], H[i, i], 2.0 * shift, 2.0 * shift)
    return right if right == by_routh(R, n) else UNDECIDED


# ---- both ----------------------------------------------------------------------------------------


@inline
def vanishes(R, n):
    """Whether the field is zero without any rounding."""
    for i in range(2 * n):
        if R.rows[FIELD, i] != 0.0:
            return False
    return True


@inline
def _largest(u, least):
    size = least
    for i in range(len(u)):
        size = max(size, abs(u[i]))
    return size


@inline
def has_tiny(u):
    """Whether a state may be zero but for rounding."""
    size, tiny = _largest(u, 1.0), False
    for i in range(len(u)):
        tiny = tiny or 0.0 < abs(u[i]) <= ZERO * size
    return tiny


@inline
def snap(P, V, u, R):
    """States that are zero but for rounding become zero, where no component of the field grows by that.

    All together, then each alone. Whether it was tried.
    """
    if not has_tiny(u):
        return False
    n, size = len(u), _largest(u, 1.0)
    good = at_point(P, V, u, R.rows[ABOVE]) == WHOLE
    for which in range(-1, n):  # -1: all at once
        if which >= 0 and not 0.0 < abs(u[which]) <= ZERO * size:
            continue
        for i in range(n):
            R.rows[COLUMN, i] = u[i]
            if abs(u[i]) <= ZERO * size and (which < 0 or which == i):
                u[i] = 0.0
        better = good and at_point(P, V, u, R.rows[BELOW]) == WHOLE
        for i in range(0, 2 * n, 2):
            before = iv.magnitude(R.rows[ABOVE, i], R.rows[ABOVE, i + 1])
            better = better and iv.magnitude(R.rows[BELOW, i], R.rows[BELOW, i + 1]) <= GROWN * before
        if not better:
            for i in range(n):
                u[i] = R.rows[COLUMN, i]
    return True


@inline
def first_radius(u, R):
    """The radius that is tried first around u, with the field there in FIELD; EXACT where that is zero."""
    if vanishes(R, len(u)):
        return EXACT
    return min(power_of_two(max(_largest(u, 0.0) * FIRST, SMALLEST)), LARGEST)


@inline
def reach(P):
    """(least, most): sizes of states and parameters with which `take_field` bounds all errors; none where most is 0.

    Where one is so large that what underflows on the way might be multiplied by much, or so small that a sum of
    absolute terms might underflow, it does not (see `systems.program`).
    """
    if P.head[ROUNDINGS] < 0:
        return math.inf, 0.0
    return math.ldexp(1.0, -P.head[REACH]), math.ldexp(1.0, P.head[REACH])


@inline
def reached(values, least, most):
    """Whether all sizes are zero or between least and most."""
    good = True
    for i in range(len(values)):
        good = good and (values[i] == 0.0 or least <= abs(values[i]) <= most)
    return good


@inline
def take_field(P, f, magnitude, R):
    """The field in plain doubles, with its sum of absolute terms, as intervals into FIELD.

    For states and parameters that are `reached`. Such a sum is then zero only where every term has a factor zero, and
    so is the component, without any rounding.
    """
    # twice the bound: for the roundings of the magnitude and of this
    unit = (2.0 * P.head[ROUNDINGS] + 8.0) * 1.2e-16
    for i in range(len(f)):
        error = unit * magnitude[i] + LOST if magnitude[i] != 0.0 else 0.0
        R.rows[FIELD, 2 * i], R.rows[FIELD, 2 * i + 1] = f[i] - error, f[i] + error


@kernel(types.Tuple((F8, I8))(PROGRAM, MATRIX, MATRIX, VECTOR, types.boolean, ROOM))
def enclose(P, V, D, u, ready, R):
    """(radius, number of unstable eigenvalues): exactly one equilibrium lies in the box around u.

    Its half widths are the radius times `sides`, which are then in SIDES. u is sharpened first; the parameters are
    those of `load`; `ready`: FIELD holds the field at u. Radius NaN: not proved; number UNDECIDED: a real part is too
    close to zero, or see `unstable_beside`. A radius is a power of two; EXACT says that u itself is the equilibrium.
    """
    n = len(u)
    if (snap(P, V, u, R) or not ready) and at_point(P, V, u, R.rows[FIELD]) != WHOLE:
        return math.nan, UNDECIDED
    size, radius = _largest(u, 0.0), first_radius(u, R)
    sharp = radius == EXACT
    for _ in range(ATTEMPTS):
        sides(u, R)
        box_around(V, u, radius, R)
        if not (jacobian_over(P, V, R.matrices[LOW], R.matrices[HIGH]) == WHOLE and invert(R, n)):
            radius = max(0.0625 * radius, SMALLEST)
            continue
        inside, step, contraction = contracts(R, radius, n)
        if not sharp and not step < NEAR * radius:
            step = sharpen(P, V, D, u, R)
            radius = min(power_of_two(max(4.0 * step, 2.0**-8 * FIRST * size, SMALLEST)), LARGEST)
            sharp = True
            continue
        if inside:
            return radius, unstable(R, n)
        if not step < 1e-3 * size + 1e-30:
            break
        wanted = min(power_of_two(max(4.0 * step, SMALLEST)), LARGEST)
        # a box that is too small grows; one over which J changes too much shrinks
        radius = wanted if wanted > radius or contraction < 0.5 else max(0.125 * radius, wanted)
    return math.nan, UNDECIDED
