"""Many slices of a plane: the arcs that connect the equilibria at the nodes along each slice.

Per slice (one value of x, the free parameter y on its grid):
1. All equilibria at every node are there already (kernels.nodes).
2. Tracing: each equilibrium that no branch has landed on starts one. Every landing is matched with an equilibrium of
   step 1, which gets the number of the arc: a piece of branch between two folds.
So nothing is missed that either of the two finds, and where they disagree the node says so.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.arrays import (
    LANDED,
    LOST_LANDINGS,
    LP,
    POINTS,
    PROBLEM,
    REJECTED,
    SCRATCH,
    SPECIAL,
    STEPS,
    TRACE,
    UNLOCATED,
)
from bifur.kernels.nodes import DEGENERATE
from bifur.kernels.parts import engine_at
from bifur.kernels.pointers import kernels_at
from bifur.kernels.step import WORK
from bifur.kernels.types import I8, INTS, MATRIX, VECTOR

MAX_ARCS = 400
MAX_TRACES = 60
# places in Slices.info
STEPS_TAKEN, REJECTIONS, LOST, SIGNS, TRACES = range(5)

TENSOR = types.float64[:, :, ::1]
INT_MATRIX = types.int64[:, ::1]


class Slice(NamedTuple):
    """One slice: `count` (ny,) proved number or a code, `size` (ny,) held, `state` (ny, k, n), `arc` (ny, k)."""

    count: np.ndarray
    size: np.ndarray
    state: np.ndarray
    arc: np.ndarray
    fold: np.ndarray  # (f, 2n + 2): u, v, y
    folds: np.ndarray  # (1,)
    info: np.ndarray  # (5,)


SLICE = types.NamedTuple(
    [types.int64[::1], types.int64[::1], TENSOR, INT_MATRIX, MATRIX, types.int64[::1], types.int64[::1]], Slice
)


def make_slice(count: np.ndarray, size: np.ndarray, state: np.ndarray) -> Slice:
    """A slice whose equilibria are known."""
    ny, room, n = state.shape
    return Slice(
        count,
        size,
        state,
        np.full((ny, room), -1, np.int64),
        np.zeros((64, 2 * n + 2)),
        np.zeros(1, np.int64),
        np.zeros(5, np.int64),
    )


@inline
def _find(parent, arc):
    while parent[arc] != arc:
        arc = parent[arc]
    return arc


@inline
def _exactly(Z, node, index, u):
    """Whether the landed state is this equilibrium to rounding: at a branch point of several arcs it is not."""
    distance, size = 0.0, 1.0
    for i in range(len(u)):
        distance = max(distance, abs(Z.state[node, index, i] - u[i]))
        size = max(size, abs(u[i]))
    return distance <= 1e-11 * size


@inline
def _match(Z, j, u):
    """The equilibrium at node j that a landed state is: much nearer than any other; -1 none, -2 not clear."""
    n = len(u)
    best, second, index = math.inf, math.inf, -1
    size = 1e-300
    for i in range(n):
        size = max(size, abs(u[i]))
    for c in range(Z.size[j]):
        distance = 0.0
        for i in range(n):
            distance = max(distance, abs(Z.state[j, c, i] - u[i]))
        if distance < best:
            best, second, index = distance, best, c
        elif distance < second:
            second = distance
    if index >= 0 and best <= 1e-3 * second and best <= 1e-5 * max(1.0, size):
        return index
    return -1 if best > 1e-5 * max(1.0, size) else -2


@kernel(I8(I8, types.int64[::1], TRACE, SLICE))
def take(arc0, parent, T, Z):
    """Give the arcs of a branch to the equilibria that it landed on, keep its folds; the next free arc number."""
    n = T.land_u.shape[1]
    Z.info[STEPS_TAKEN] += T.count[POINTS]
    Z.info[REJECTIONS] += T.count[REJECTED]
    Z.info[LOST] += T.count[LOST_LANDINGS]
    Z.info[SIGNS] += T.count[UNLOCATED]
    top = arc0 + 1
    for i in range(T.count[LANDED]):
        node, arc = T.land_k[i], min(T.land_arc[i], MAX_ARCS - 1)
        top = max(top, arc + 1)
        index = _match(Z, node, T.land_u[i])
        if index == -1 and Z.size[node] < Z.arc.shape[1] and Z.count[node] < 0 and Z.count[node] != DEGENERATE:
            # the number at this node is not proved: what a branch passes there is kept
            index = Z.size[node]
            for c in range(n):
                Z.state[node, index, c] = T.land_u[i, c]
            Z.size[node] += 1
        if index < 0:
            Z.info[LOST] += 1
        elif Z.arc[node, index] < 0:
            Z.arc[node, index] = arc
        elif _exactly(Z, node, index, T.land_u[i]):
            a, b = _find(parent, Z.arc[node, index]), _find(parent, arc)
            parent[max(a, b)] = min(a, b)
    for k in range(T.count[SPECIAL]):
        f = Z.folds[0]
        if T.special_kind[k] == LP and f < len(Z.fold):
            known = False
            for other in range(f):
                near = 0.0
                for c in range(n):
                    near = max(near, abs(Z.fold[other, c] - T.special_x[k, c]))
                gap = abs(Z.fold[other, 2 * n] - T.special_x[k, 2 * n])
                known = known or (near <= 1e-7 and gap <= 1e-9 * abs(T.special_x[k, 2 * n]))
            if not known:
                for c in range(2 * n + 1):
                    Z.fold[f, c] = T.special_x[k, c]
                Z.folds[0] = f + 1
    return top


@kernel(types.void(INTS, INTS, VECTOR, INTS, PROBLEM, STEPS, SCRATCH, TRACE, SLICE, WORK))
def arcs(engine, system, axis, parent, P, st, S, T, Z, W):
    """Step 2: trace until every equilibrium of the slice lies on an arc."""
    E, K = engine_at(engine), kernels_at(system)
    for a in range(MAX_ARCS):
        parent[a] = a
    next_arc = 0
    for j in range(len(P.values)):
        for c in range(Z.size[j]):
            if Z.arc[j, c] >= 0 or Z.info[TRACES] >= MAX_TRACES or next_arc >= MAX_ARCS - 2:
                continue
            first, back = next_arc, next_arc
            Z.arc[j, c] = first
            Z.info[TRACES] += 1
            for direction in (1.0, -1.0):
                for k in range(len(T.count)):
                    T.count[k] = 0
                back = min(next_arc, MAX_ARCS - 1)
                E.trace_branch(E.parts, K, Z.state[j, c], P.grid[j], axis, direction, back, P, st, S, T, W)
                next_arc = take(back, parent, T, Z)
            a, b = _find(parent, first), _find(parent, back)
            parent[max(a, b)] = min(a, b)
    for j in range(len(P.values)):
        for c in range(Z.size[j]):
            if Z.arc[j, c] >= 0:
                Z.arc[j, c] = _find(parent, Z.arc[j, c])
