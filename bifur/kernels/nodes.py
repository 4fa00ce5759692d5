"""All equilibria at the nodes of a few neighbouring slices.

A node whose number is proved starts from the equilibria of the node before: Newton from each, and as many different
ones must come out. Where that fails the charts are solved. What is proved to lie outside the bounds is taken off the
number where these are different equilibria for certain; of those inside `verify` asks the same. Without charts a box of
states is searched by branch and prune, or else from many starts.
"""

from __future__ import annotations

import math

from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import enclosure
from bifur.kernels.arrays import PROBLEM
from bifur.kernels.count import CHARTS, INT_MATRIX, count_patches
from bifur.kernels.pointers import kernels_at
from bifur.kernels.proof import LOST, PROOF, from_charts, settled
from bifur.kernels.prune import EDGE, INSIDE, OUTSIDE, place, prune
from bifur.kernels.search import by_both
from bifur.kernels.step import WORK
from bifur.kernels.types import I8, INTS, MATRIX, VECTOR

# codes of a node's number beside those of roots, count, proof and prune (-1 .. -5, -9 .. -11)
SEARCHED = -6  # two searches agree: found, not proved
OVERFLOW = -7  # more equilibria than there is room for
NOT_ENCLOSED = -8  # an equilibrium could not be enclosed
DISAGREE = -12  # two searches do not agree
DEGENERATE = -16  # solved exactly: an equilibrium is multiple, or there is a set of them
GIVEN_UP = 3  # failures of branch and prune in a row, after which it is tried at every SELDOM-th node
SELDOM = 16

BLOCK = types.float64[:, :, :, ::1]


@inline
def _copy(source, count, target):
    for c in range(count):
        for i in range(source.shape[1]):
            target[c, i] = source[c, i]


@inline
def _follow(K, before, count, rows, W):
    """Newton from the equilibria of a neighbour; whether as many different ones came out."""
    _copy(before, count, rows)
    for c in range(count):
        if not settled(K, rows, c, W):
            return False
    return True


@inline
def _keep(X, P, rows, found, sure, state, p, loaded):
    """Rows inside the bounds into `state` (room, n); (how many, the number that is proved or a code).

    LOST where two rows outside may be one equilibrium, which must not be taken off twice.
    """
    n = rows.shape[1]
    number, size, outside, lost = found, 0, X.boxes.radius, False
    for c in range(found):
        outside[c] = math.nan
        u = rows[c]
        inside = near = True
        for i in range(n):
            inside = inside and P.low[i] <= u[i] <= P.high[i]
            near = near and P.low[i] < u[i] < P.high[i]
        if not near and sure:  # outside, or on a bound
            if not loaded:
                enclosure.load(X.field, X.slots, p)
                loaded = True
            radius, _ = enclosure.enclose(X.field, X.slots, X.twofold, u, False, X.room)
            if math.isnan(radius):
                number = NOT_ENCLOSED
            else:
                where = place(u, radius, P.low, P.high)
                if where == OUTSIDE:
                    for other in range(c):
                        if not math.isnan(outside[other]):
                            lost = lost or not enclosure.apart(u, radius, rows[other], outside[other], X.room)
                    outside[c] = radius
                    number -= 1 if number > 0 else 0
                    continue
                if where != INSIDE:
                    number = EDGE
        elif not inside:
            continue
        if size == len(state):
            return size, OVERFLOW
        for i in range(n):
            state[size, i] = u[i]
        size += 1
    return size, (LOST if lost else number)


@kernel(
    types.void(
        INTS, PROOF, INTS, MATRIX, PROBLEM, VECTOR, I8, I8, INT_MATRIX, INT_MATRIX, INT_MATRIX, BLOCK,
        types.float64[:, :, ::1], WORK,
    )
)  # fmt: skip
def solve(system, X, free, starts, P, x, budget, prunes, stack, count, size, state, rows, W):
    """`count` (nx, ny) proved numbers or codes, `size` held and `state` (nx, ny, room, n), at every node.

    `free` = places of the parameters of x and of P.values in W.p, which holds the others. `prunes`: whether branch and
    prune may be tried, with `budget` boxes. `rows` (3, MOST, n) and `stack` are work.
    """
    K, y = kernels_at(system), P.values
    charts = X.algebra.shape[CHARTS]
    if charts > 0:
        count_patches(X.algebra, X.chart_slots, X.isolation, W.p, free, x, y, count, stack)
    now, before, first = rows[0], rows[1], rows[2]
    known_first, failures = -1, 0
    for i in range(len(x)):
        W.p[free[0]] = x[i]
        known = known_first
        _copy(first, max(known, 0), before)
        for j in range(len(y)):
            W.p[free[1]] = y[j]
            if charts > 0:
                found = number = count[i, j]
                followed = found >= 0 and known == found and _follow(K, before, found, now, W)
                if followed:
                    size[i, j], number = _keep(X, P, now, found, True, state[i, j], W.p, False)
                if found >= 0 and (not followed or number == LOST):
                    solved = from_charts(K, X, now, W)
                    found = solved if solved < 0 or solved == found else LOST
                    for c in range(len(state[i, j])):
                        for k in range(state.shape[3]):
                            state[i, j, c, k] = math.nan
                    size[i, j], number = _keep(X, P, now, max(found, 0), True, state[i, j], W.p, False)
                count[i, j] = found if found < 0 else number
            else:
                code = SEARCHED
                if prunes and (failures < GIVEN_UP or j % SELDOM == 0):
                    enclosure.load(X.field, X.slots, W.p)
                    found = prune(X.field, X.slots, X.twofold, X.room, P.low, P.high, budget, X.boxes, now)
                    failures = 0 if found >= 0 else failures + 1
                    code = found
                if code < 0:
                    found, agree = by_both(K, starts, P.low, P.high, now, W)
                    code = code if agree else DISAGREE
                size[i, j], number = _keep(X, P, now, found, False, state[i, j], W.p, True)
                count[i, j] = code if code < 0 or number == OVERFLOW else number
                if number == OVERFLOW:
                    count[i, j] = OVERFLOW
            known = found
            _copy(now, max(found, 0), before)
            if j == 0:
                known_first = found
                _copy(now, max(found, 0), first)
