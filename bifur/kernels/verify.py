"""What is said of every equilibrium of a plane, and proved of it: spectrum, kind, enclosure, stability.

The verdict of a node follows from the number that was proved and the enclosures that are proved here: as many of these,
disjoint and inside the bounds, are all equilibria there are.
"""

from __future__ import annotations

import math

from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.enclosure import (
    EXACT,
    FIELD,
    HIGH,
    INVERSE,
    LOW,
    NEAR,
    SIDES,
    UNDECIDED,
    apart,
    at_point,
    box_around,
    contracts,
    enclose,
    first_radius,
    has_tiny,
    invert,
    jacobian_over,
    load,
    reach,
    reached,
    sides,
    take_field,
    unstable_beside,
)
from bifur.kernels.enclosure import unstable as unstable_of
from bifur.kernels.lanes import LANES, contract, jacobian_in, put, run_lanes
from bifur.kernels.nodes import NOT_ENCLOSED
from bifur.kernels.parts import engine_at
from bifur.kernels.pointers import kernels_at
from bifur.kernels.program import VARIABLES, WHOLE
from bifur.kernels.proof import PROOF
from bifur.kernels.prune import EDGE, INSIDE, place
from bifur.kernels.step import WORK
from bifur.kernels.twofold import at_point_twofold, load_twofold
from bifur.kernels.types import INTS, MATRIX, VECTOR

OVERLAP = -13  # two enclosures overlap
DIFFERS = -14  # the number of equilibria held is not the number proved
UNSTABLE_OPEN = -15  # the number is proved; a real part is too close to zero to tell its sign

SINK, SOURCE, SADDLE, DEGENERATE, OPEN = 1, 2, 3, 4, 5  # as in atlas.plane.KINDS
ROUNDING = 1e-12  # of the largest entry of J: a real part below cannot be told from zero

TENSOR = types.float64[:, :, ::1]
INT_MATRIX = types.int64[:, ::1]


@inline
def kind_of(unstable, n):
    """From the number of unstable eigenvalues."""
    return SINK if unstable == 0 else (SOURCE if unstable == n else SADDLE)


@inline
def overlapping(state, radius, filled, R):
    """Whether two of the enclosures of one node meet."""
    for a in range(len(state)):
        if filled[a] == 0:
            continue
        for b in range(a):
            if filled[b] != 0 and not apart(state[a], radius[a], state[b], radius[b], R):
                return True
    return False


@inline
def residual_in(W, n):
    """The largest component of W.field relative to the sum of its absolute terms."""
    worst = 0.0
    for i in range(n):
        if W.field[i] != 0.0:
            worst = max(worst, abs(W.field[i]) / W.magnitude[i])
    return worst


@inline
def _enclose_lanes(X, held, radius, unstable):
    """What the first `held` lanes prove: radius and number of unstable eigenvalues of their equilibria."""
    P, L, R = X.field, X.lanes, X.room
    n, low, high = P.head[VARIABLES], R.matrices[LOW], R.matrices[HIGH]
    run_lanes(P, L.slots, L.rows)
    for lane in range(held):
        jacobian_in(P, L, lane, low, high)
        regular = invert(R, n)
        for i in range(n):
            for k in range(n):
                L.inverse[i * n + k, lane] = R.matrices[INVERSE, i, k] if regular else math.nan
    contract(P, L)
    for lane in range(held):
        r = L.radii[lane]
        if L.steps[lane] < (r if r == EXACT else NEAR * r):
            jacobian_in(P, L, lane, low, high)
            number = unstable_of(R, n)
            if number != UNDECIDED or n <= 2:
                radius[L.places[lane, 0], L.places[lane, 1]] = r
                unstable[L.places[lane, 0], L.places[lane, 1]] = number


@kernel(types.void(INTS, PROOF, MATRIX, INT_MATRIX, TENSOR, INT_MATRIX, MATRIX, MATRIX, WORK))
def enclose_many(system, X, parameters, filled, state, unstable, residual, radius, W):
    """The first attempt of `enclose`, of many equilibria at a time; `radius` stays NaN where it does not succeed.

    Nothing is sharpened here. Sets `residual` and `unstable` where it sets the radius.
    """
    K, L, R, n = kernels_at(system), X.lanes, X.room, state.shape[2]
    held, (least, most) = 0, reach(X.field)
    for j in range(len(state)):
        for k in range(parameters.shape[1]):
            W.p[k] = parameters[j, k]
        usual = len(L.slots) > 0 and reached(W.p, least, most)
        for c in range(state.shape[1]):
            radius[j, c] = math.nan
            if filled[j, c] != 1 or not usual:
                continue
            u = state[j, c]
            if has_tiny(u) or not reached(u, least, most):
                continue
            K.field(u, W.p, W.field)
            K.magnitude(u, W.p, W.magnitude)
            residual[j, c] = residual_in(W, n)
            take_field(X.field, W.field, W.magnitude, R)
            sides(u, R)
            put(L, held, u, W.p, first_radius(u, R), R.rows[SIDES], R.rows[FIELD], j, c)
            held += 1
            if held == LANES:
                _enclose_lanes(X, held, radius, unstable)
                held = 0
    if held > 0:
        _enclose_lanes(X, held, radius, unstable)


@kernel(
    types.void(
        INTS, INTS, PROOF, MATRIX, INTS, VECTOR, VECTOR, INT_MATRIX, TENSOR, TENSOR, TENSOR, INT_MATRIX, INT_MATRIX,
        INT_MATRIX, MATRIX, MATRIX, INTS, WORK,
    )
)  # fmt: skip
def verify(
    E, system, X, parameters, expected, low, high, filled, state, re, im, kind, unstable, oscillatory, residual, radius,
    verdict, W,
):  # fmt: skip
    """For m nodes with k slots: all that is known of each equilibrium, and of each node why it is not proved.

    `parameters` (m, q), `expected` (m,) proved numbers or codes, `filled` (m, k) 0, 1, or 2 for a degenerate one;
    `state` (m, k, n) is sharpened. `radius` NaN: not enclosed; `verdict` 0: all is proved, else a code. A kind is
    proved where the enclosure is; else it follows from the eigenvalues.
    """
    K, solvers = kernels_at(system), engine_at(E).parts.solvers
    n, room = state.shape[2], state.shape[1]
    enclose_many(system, X, parameters, filled, state, unstable, residual, radius, W)
    for j in range(len(state)):
        for k in range(parameters.shape[1]):
            W.p[k] = parameters[j, k]
        held, enclosed, inside, decided, loaded = 0, True, True, True, False
        for c in range(room):
            if filled[j, c] == 0:
                continue
            held += 1
            u = state[j, c]
            number = unstable[j, c]
            if math.isnan(radius[j, c]):
                number = UNDECIDED
                if filled[j, c] == 1:
                    if not loaded:
                        load(X.field, X.slots, W.p)
                        loaded = True
                    K.field(u, W.p, W.field)
                    K.magnitude(u, W.p, W.magnitude)
                    least, most = reach(X.field)
                    ready = reached(W.p, least, most) and reached(u, least, most)
                    take_field(X.field, W.field, W.magnitude, X.room)
                    radius[j, c], number = enclose(X.field, X.slots, X.twofold, u, ready, X.room)
                K.field(u, W.p, W.field)  # it may have been sharpened
                K.magnitude(u, W.p, W.magnitude)
                residual[j, c] = residual_in(W, n)
            K.jacobian(u, W.p, W.J)
            size = 0.0
            for i in range(n):
                for r in range(n):
                    size = max(size, abs(W.J[i, r]))
            failed = solvers.eigenvalues(W.J, n, W.A, re[j, c], im[j, c]) != 0
            oscillatory[j, c] = im[j, c, 0] != 0.0
            positive, smallest = 0, math.inf
            for i in range(n):
                positive += re[j, c, i] > 0.0
                smallest = min(smallest, abs(re[j, c, i]))
            if math.isnan(radius[j, c]):
                enclosed = False
                open_ = failed or not smallest > ROUNDING * size
                kind[j, c] = DEGENERATE if filled[j, c] == 2 else (OPEN if open_ else kind_of(positive, n))
                unstable[j, c] = positive
                continue
            if number == UNDECIDED and n > 2 and not failed:
                number = unstable_beside(X.room, 0.5 * smallest, n)
            inside = inside and place(u, radius[j, c], low, high) == INSIDE
            decided = decided and number != UNDECIDED
            kind[j, c] = OPEN if number == UNDECIDED else kind_of(number, n)
            unstable[j, c] = positive if number == UNDECIDED else number
        if expected[j] < 0:
            verdict[j] = expected[j]
        elif held != expected[j]:
            verdict[j] = DIFFERS
        elif not enclosed:
            verdict[j] = NOT_ENCLOSED
        elif not inside:
            verdict[j] = EDGE
        elif overlapping(state[j], radius[j], filled[j], X.room):
            verdict[j] = OVERLAP
        else:
            verdict[j] = 0 if decided else UNSTABLE_OPEN


@kernel(types.void(PROOF, MATRIX, INT_MATRIX, TENSOR, TENSOR, MATRIX, INT_MATRIX, INT_MATRIX))
def check_boxes(X, parameters, filled, state, re, radius, holds, unstable):
    """Whether each box (m, k) that is claimed holds one equilibrium for certain, and how many of its eigenvalues.

    Nothing is sharpened; `re` (m, k, n) only helps to decide. `unstable` UNDECIDED: not told in doubles.
    """
    P, V, R, n = X.field, X.slots, X.room, state.shape[2]
    for j in range(len(state)):
        load(P, V, parameters[j])
        for c in range(state.shape[1]):
            holds[j, c], unstable[j, c] = 0, UNDECIDED
            if filled[j, c] == 0 or not radius[j, c] > 0.0:
                continue
            u, r = state[j, c], radius[j, c]
            good = at_point(P, V, u, R.rows[FIELD]) == WHOLE
            sides(u, R)
            box_around(V, u, r, R)
            good = good and jacobian_over(P, V, R.matrices[LOW], R.matrices[HIGH]) == WHOLE and invert(R, n)
            if not good:
                continue
            inside, _, _ = contracts(R, r, n)
            if not inside:
                load_twofold(P, V, X.twofold)
                at_point_twofold(P, X.twofold, u, R.rows[FIELD])
                inside, _, _ = contracts(R, r, n)
            if not inside:
                continue
            holds[j, c] = 1
            number, smallest = unstable_of(R, n), math.inf
            for i in range(n):
                smallest = min(smallest, abs(re[j, c, i]))
            if number == UNDECIDED and n > 2:
                number = unstable_beside(R, 0.5 * smallest, n)
            unstable[j, c] = number
