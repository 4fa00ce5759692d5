"""A polynomial program and the Krawczyk operator over several boxes at once: most enclosures, at a part of the cost.

The same interval arithmetic as in `program`, in which every bound is the least or largest of all products, so that no
sign is asked for and processors work on all lanes together. Only sums, products and whole powers: a program with other
operations has no lanes. What does not succeed here is tried again one by one, so a bound may be wider, never narrower.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import hot, inline, kernel
from bifur.kernels import interval as iv
from bifur.kernels.interval import TINY, WIDER
from bifur.kernels.program import (
    ADD,
    BASE,
    MULTIPLY,
    NEGATE,
    POWER,
    PROGRAM,
    RESULTS,
    SUBTRACT,
    VARIABLES,
    Program,
)
from bifur.kernels.types import MATRIX, VECTOR

LANES = 16


class Lanes(NamedTuple):
    """Work for one thread: `slots` (slots, 2 + 2 n, LANES), none where the program has other operations.

    For each lane: `fields` (2 n, LANES) intervals of the field, `inverse` (n^2, LANES) of the Jacobian, `sides`
    (n, LANES) and `radii` (LANES,) of the boxes, `places` (LANES, 2) node and slot of the equilibrium, `steps` (LANES,)
    the largest |Y f| in sides, infinite where a box does not contract. `rows` (5, LANES) are for sums.
    """

    slots: np.ndarray
    fields: np.ndarray
    inverse: np.ndarray
    sides: np.ndarray
    rows: np.ndarray
    radii: np.ndarray
    steps: np.ndarray
    places: np.ndarray


TENSOR = types.float64[:, :, ::1]
LANE_WORK = types.NamedTuple([TENSOR, *[MATRIX] * 4, *[VECTOR] * 2, types.int64[:, ::1]], Lanes)


def make_lanes(program: Program, slots: np.ndarray) -> Lanes:
    """From the slots of one box, in which the numbers stand."""
    codes, exponents = program.operations[:, 0], program.operations[:, 2]
    plain = np.isin(codes, [ADD, SUBTRACT, MULTIPLY, NEGATE]) | ((codes == POWER) & (exponents >= 2))
    whole = np.broadcast_to(slots[..., None], (*slots.shape, LANES))
    n = int(program.head[VARIABLES])
    return Lanes(
        np.array(whole if plain.all() else whole[:0], order="C"),
        np.zeros((2 * n, LANES)),
        np.zeros((n * n, LANES)),
        np.ones((n, LANES)),
        np.zeros((5, LANES)),
        np.ones(LANES),
        np.zeros(LANES),
        np.zeros((LANES, 2), np.int64),
    )


@hot
def _smaller(a, b):
    return a if a < b else b


@hot
def _larger(a, b):
    return a if a > b else b


@hot
def _times(a, b, c, d):
    """[a, b] * [c, d]; nothing is known where a product is not finite."""
    w, x, y, z = a * c, a * d, b * c, b * d
    total = w + x + y + z
    known = total - total == 0.0
    low, high = _smaller(_smaller(w, x), _smaller(y, z)), _larger(_larger(w, x), _larger(y, z))
    low, high = low - (abs(low) * WIDER + TINY), high + (abs(high) * WIDER + TINY)
    return low if known else -math.inf, high if known else math.inf


# Rows of a slot are taken before a loop over the lanes, whose number the compiler must not know: else it writes the
# loop out before it could use vectors.


@hot
def _product(a, b, c, d, low, high):
    """Rows low, high = [a, b] * [c, d]."""
    for lane in range(len(low)):
        low[lane], high[lane] = _times(a[lane], b[lane], c[lane], d[lane])


@hot
def _product_and(a, b, c, d, e, f, g, h, low, high):
    """Rows low, high = [a, b] * [c, d] + [e, f] * [g, h]."""
    for lane in range(len(low)):
        lo, hi = _times(a[lane], b[lane], c[lane], d[lane])
        least, most = _times(e[lane], f[lane], g[lane], h[lane])
        lo, hi = lo + least, hi + most
        low[lane], high[lane] = lo - abs(lo) * WIDER, hi + abs(hi) * WIDER


@hot
def _sum(a, b, c, d, low, high):
    """Rows low, high = [a, b] + [c, d]."""
    for lane in range(len(low)):
        lo, hi = a[lane] + c[lane], b[lane] + d[lane]
        low[lane], high[lane] = lo - abs(lo) * WIDER, hi + abs(hi) * WIDER


@hot
def _difference(a, b, c, d, low, high):
    """Rows low, high = [a, b] - [c, d]."""
    for lane in range(len(low)):
        lo, hi = a[lane] - d[lane], b[lane] - c[lane]
        low[lane], high[lane] = lo - abs(lo) * WIDER, hi + abs(hi) * WIDER


@hot
def _same(a, b, low, high):
    for lane in range(len(low)):
        low[lane], high[lane] = a[lane], b[lane]


@hot
def _negative(a, b, low, high):
    for lane in range(len(low)):
        low[lane], high[lane] = -b[lane], -a[lane]


@hot
def _ends(a, b, odd):
    """The sizes whose powers bound those of [a, b], and whether zero lies between and each end counts for itself."""
    x, y = abs(a), abs(b)
    mixed = a <= 0.0 and b >= 0.0
    apart = mixed and odd
    first = (x if odd else 0.0) if mixed else _smaller(x, y)
    return first, (y if apart else _larger(x, y)), apart


@hot
def _power(a, b, n, factor, low, high):
    """Rows low, high = factor [a, b]^n, n > 0, factor > 0."""
    odd = n & 1 == 1
    for lane in range(len(low)):
        low[lane], high[lane], _ = _ends(a[lane], b[lane], odd)
    for k in range(n):
        for lane in range(len(low)):
            first, second, apart = _ends(a[lane], b[lane], odd)
            x = low[lane] * (first if k < n - 1 else factor)
            y = high[lane] * (second if k < n - 1 else factor)
            error = x * WIDER + TINY
            x = x + error if apart else x - error
            low[lane], high[lane] = x if x > 0.0 else 0.0, y + (y * WIDER + TINY)
    for lane in range(len(low)):
        x, y = low[lane], high[lane]
        known = (x + y) - (x + y) == 0.0 and (a[lane] + b[lane]) - (a[lane] + b[lane]) == 0.0
        least = (x if a[lane] > 0.0 else (-y if b[lane] < 0.0 else -x)) if odd else x
        most = (-x if b[lane] < 0.0 else y) if odd else y
        low[lane], high[lane] = least if known else -math.inf, most if known else math.inf


@inline
def _slopes_of_sum(V, target, left, a, right, b, negative):
    i = 2
    while left != 0 or right != 0:
        low, high = V[target, i], V[target, i + 1]
        if left & 1 and right & 1:
            if negative:
                _difference(V[a, i], V[a, i + 1], V[b, i], V[b, i + 1], low, high)
            else:
                _sum(V[a, i], V[a, i + 1], V[b, i], V[b, i + 1], low, high)
        elif left & 1:
            _same(V[a, i], V[a, i + 1], low, high)
        elif right & 1:
            if negative:
                _negative(V[b, i], V[b, i + 1], low, high)
            else:
                _same(V[b, i], V[b, i + 1], low, high)
        left >>= 1
        right >>= 1
        i += 2


@inline
def _slopes_of_product(V, target, left, a, right, b):
    i = 2
    al, ah, bl, bh = V[a, 0], V[a, 1], V[b, 0], V[b, 1]
    while left != 0 or right != 0:
        low, high = V[target, i], V[target, i + 1]
        if left & 1 and right & 1:
            _product_and(bl, bh, V[a, i], V[a, i + 1], al, ah, V[b, i], V[b, i + 1], low, high)
        elif left & 1:
            _product(bl, bh, V[a, i], V[a, i + 1], low, high)
        elif right & 1:
            _product(al, ah, V[b, i], V[b, i + 1], low, high)
        left >>= 1
        right >>= 1
        i += 2


@inline
def _slopes_of_power(V, target, left, a, n, F):
    """n a^(n - 1) times those of slot a."""
    _power(V[a, 0], V[a, 1], n - 1, float(n), F[0], F[1])
    i = 2
    while left != 0:
        if left & 1:
            _product(F[0], F[1], V[a, i], V[a, i + 1], V[target, i], V[target, i + 1])
        left >>= 1
        i += 2


@inline
def put(L, lane, u, p, radius, sides, field, j, c):
    """The box of half widths radius * sides around u into a lane, for equilibrium c of node j."""
    V, n = L.slots, len(u)
    for i in range(n):
        half = radius * sides[i]
        V[i, 0, lane], V[i, 1, lane] = iv.down(u[i] - half), iv.up(u[i] + half)
        L.sides[i, lane] = sides[i]
    for k in range(len(p)):
        V[n + k, 0, lane] = V[n + k, 1, lane] = p[k]
    for i in range(2 * n):
        L.fields[i, lane] = field[i]
    L.radii[lane], L.places[lane, 0], L.places[lane, 1] = radius, j, c


@inline
def jacobian_in(P, L, lane, low, high):
    """The Jacobian over the box of a lane, into low and high."""
    n = P.head[VARIABLES]
    for i in range(n):
        for j in range(n):
            result = P.head[RESULTS + i]
            low[i, j], high[i, j] = L.slots[result, 2 + 2 * j, lane], L.slots[result, 3 + 2 * j, lane]


@hot
def _start(value, low, high):
    for lane in range(len(low)):
        low[lane] = high[lane] = value


@hot
def _add_scaled(sense, x, a, b, low, high):
    """Rows low, high += sense x [a, b]."""
    for lane in range(len(low)):
        lo, hi = iv.scale(sense * x[lane], a[lane], b[lane])
        low[lane], high[lane] = iv.add(low[lane], high[lane], lo, hi)


@hot
def _add_size(low, high, side, row):
    """Row += the largest size in [low, high], times side."""
    for lane in range(len(row)):
        size = _larger(-low[lane], high[lane]) if low[lane] <= high[lane] else math.inf
        row[lane] = iv.up(row[lane] + size * side[lane])  # a product with a power of two is exact


@hot
def _judge(low, high, row, side, radii, steps):
    """One component of `contract`."""
    for lane in range(len(row)):
        moved = _larger(-low[lane], high[lane]) if low[lane] <= high[lane] else math.inf
        inside = iv.up(moved + iv.up(row[lane] * radii[lane])) < radii[lane] * side[lane]
        steps[lane] = _larger(steps[lane], moved / side[lane]) if inside else math.inf


@inline
def contract(P, L):
    """`enclosure.contracts` in every lane, from the inverses and what `run_lanes` left: `steps`."""
    n, low, high, row = P.head[VARIABLES], L.rows[0], L.rows[1], L.rows[2]
    _start(0.0, L.steps, L.steps)
    for i in range(n):
        _start(0.0, row, row)
        for j in range(n):
            _start(1.0 if i == j else 0.0, low, high)
            for k in range(n):
                J = L.slots[P.head[RESULTS + k]]
                _add_scaled(-1.0, L.inverse[i * n + k], J[2 + 2 * j], J[3 + 2 * j], low, high)
            _add_size(low, high, L.sides[j], row)
        _start(0.0, low, high)
        for k in range(n):
            _add_scaled(1.0, L.inverse[i * n + k], L.fields[2 * k], L.fields[2 * k + 1], low, high)
        _judge(low, high, row, L.sides[i], L.radii, L.steps)


@kernel(types.void(PROGRAM, TENSOR, MATRIX))
def run_lanes(P, V, F):
    """All operations with their derivatives, in every lane; a bound that is not finite is not known."""
    base = P.head[BASE]
    for k in range(len(P.operations)):
        operation = P.operations[k]
        code, a, b, left, right, target = operation[0], operation[1], operation[2], operation[3], operation[4], base + k
        low, high = V[target, 0], V[target, 1]
        if code == MULTIPLY and a != b:
            _product(V[a, 0], V[a, 1], V[b, 0], V[b, 1], low, high)
            _slopes_of_product(V, target, left, a, right, b)
        elif code == ADD:
            _sum(V[a, 0], V[a, 1], V[b, 0], V[b, 1], low, high)
            _slopes_of_sum(V, target, left, a, right, b, False)
        elif code == SUBTRACT:
            _difference(V[a, 0], V[a, 1], V[b, 0], V[b, 1], low, high)
            _slopes_of_sum(V, target, left, a, right, b, True)
        elif code == NEGATE:
            _negative(V[a, 0], V[a, 1], low, high)
            _slopes_of_sum(V, target, 0, a, left, a, True)
        else:
            n = 2 if code == MULTIPLY else b
            _power(V[a, 0], V[a, 1], n, 1.0, low, high)
            _slopes_of_power(V, target, left, a, n, F)
