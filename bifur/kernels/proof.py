"""What a proof at one parameter point needs, and all equilibria there from the charts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import count, linalg, roots
from bifur.kernels.count import ALGEBRA, CHARTS, ISOLATION, LENGTH, Algebra, Isolation, make_isolation
from bifur.kernels.enclosure import ROOM, Room, load, make_room
from bifur.kernels.lanes import LANE_WORK, Lanes, make_lanes
from bifur.kernels.pointers import kernels_at
from bifur.kernels.program import CONSTANT, PROGRAM, RESULTS, Program, run
from bifur.kernels.prune import BOXES, Boxes, make_boxes, prune
from bifur.kernels.step import CONVERGED, WORK, newton
from bifur.kernels.types import I8, INTS, KERNELS, MATRIX, VECTOR

LOST = -5  # Newton led from two roots to one equilibrium, or nowhere
TOGETHER = 1e-10  # two equilibria are not told apart within this, relative to their size


class Proof(NamedTuple):
    """A system's programs with work for one thread: slots of each program, in doubles and twofold, and the rest."""

    field: Program
    slots: np.ndarray
    twofold: np.ndarray
    room: Room
    algebra: Algebra
    chart_slots: np.ndarray
    lift_slots: np.ndarray
    isolation: Isolation
    boxes: Boxes
    lanes: Lanes


PROOF = types.NamedTuple([PROGRAM, MATRIX, MATRIX, ROOM, ALGEBRA, MATRIX, MATRIX, ISOLATION, BOXES, LANE_WORK], Proof)
MOST = 256  # equilibria at one point


def make_proof(
    field: Program,
    slots: np.ndarray,
    twofold: np.ndarray,
    algebra: Algebra,
    chart_slots: np.ndarray,
    lift_slots: np.ndarray,
) -> Proof:
    """With work for one thread beside the programs and their slots."""
    n = int(field.head[0])
    return Proof(
        field,
        slots,
        twofold,
        make_room(n),
        algebra,
        chart_slots,
        lift_slots,
        make_isolation(int(algebra.shape[LENGTH])),
        make_boxes(n, MOST),
        make_lanes(field, slots),
    )


@inline
def size_of(u):
    """The largest state."""
    size = 0.0
    for i in range(len(u)):
        size = max(size, abs(u[i]))
    return size


@inline
def sharpen(u, W):
    """One more correction by the Jacobian that Newton ended with: a small state deserves all its digits."""
    n = len(u)
    for i in range(n):
        W.b[i] = -W.field[i]
        for j in range(n):
            W.A[i, j] = W.J[i, j]
    if linalg.factor(W.A, n, W.pivots) != 0.0:
        linalg.solve(W.A, n, W.pivots, W.b)
        for i in range(n):
            u[i] += W.b[i]


@inline
def settled(K, rows, index, W):
    """Newton on row `index`; whether it converges, to none of the rows before.

    Two are the same within TOGETHER of their size, and of where Newton began: one that has run into zero is no new one.
    """
    u = rows[index]
    began = size_of(u)
    code, _ = newton(K, u, W, 20)
    if code != CONVERGED:
        return False
    sharpen(u, W)
    began = max(began, size_of(u))
    for other in range(index):
        distance = 0.0
        for i in range(len(u)):
            distance = max(distance, abs(u[i] - rows[other, i]))
        if distance <= TOGETHER * max(began, size_of(rows[other])):
            return False
    return True


@kernel(I8(KERNELS, PROOF, MATRIX, WORK))
def from_charts(K, X, out, W):
    """All equilibria at W.p as rows of `out`, sharpened by Newton; their proved number, or a negative code.

    With a negative code nothing is proved, and the rows written so far are not returned.
    """
    A, V, H, C, n = X.algebra, X.chart_slots, X.lift_slots, X.isolation, len(W.u)
    for k in range(len(W.p)):
        V[k, 0] = V[k, 1] = H[1 + k, 0] = H[1 + k, 1] = W.p[k]
    run(A.charts, V, 0, len(A.charts.operations), False)
    if not count.guarded(A, V):
        return count.GUARD
    run(A.lifts, H, 0, A.lifts.head[CONSTANT], False)
    total = 0
    for chart in range(A.shape[CHARTS]):
        if not count.take(A, V, chart, C):
            return roots.UNDECIDED
        found = roots.real_roots(C.coef, C.bound, A.shape[LENGTH], C.low, C.high, C.root, C.t, C.e, C.stack)
        if found < 0:
            return found
        for i in range(found):
            if total == len(out):
                return LOST
            H[0, 0] = H[0, 1] = C.root[i]
            run(A.lifts, H, A.lifts.head[CONSTANT], len(A.lifts.operations), False)
            u = out[total]
            for j in range(n):
                slot = A.lifts.head[RESULTS + chart * n + j]
                u[j] = 0.5 * (H[slot, 0] + H[slot, 1])
            if not settled(K, out, total, W):
                return LOST
            total += 1
    return total


@kernel(I8(INTS, PROOF, MATRIX, WORK))
def by_charts(K, X, out, W):
    """`from_charts`, for a system given by its addresses."""
    return from_charts(kernels_at(K), X, out, W)


@kernel(I8(PROOF, VECTOR, VECTOR, VECTOR, I8, MATRIX))
def by_pruning(X, p, low, high, budget, out):
    """`prune.prune` at these parameters."""
    load(X.field, X.slots, p)
    return prune(X.field, X.slots, X.twofold, X.room, low, high, budget, X.boxes, out)
