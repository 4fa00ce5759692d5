"""Which equilibria of neighbouring nodes are one: arcs of neighbouring slices, and members of a sheet."""

from __future__ import annotations

import math

from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import linalg
from bifur.kernels.pointers import kernels_at
from bifur.kernels.step import WORK
from bifur.kernels.types import F8, I8, INTS, MATRIX, VECTOR

MOST_ARCS = 128  # of a slice in a tile, pieces of one node included; what is beyond has no number
MOST_WEIGHED = 10  # equilibria of a node
NODES = 20  # low bits of a vote: how many nodes cast it

TENSOR = types.float64[:, :, ::1]
STATES = types.float64[:, :, :, ::1]
INT_MATRIX = types.int64[:, ::1]
INT_TENSOR = types.int64[:, :, ::1]


@inline
def _apart(u, v, n):
    """Distance in the maximum norm."""
    distance = 0.0
    for i in range(n):
        distance = max(distance, abs(u[i] - v[i]))
    return distance


@inline
def _predict(K, u, change, W):
    """W.b = -J^-1 f_p change, where an equilibrium u at W.p moves to first order; False where J is singular."""
    n = len(u)
    K.jacobian(u, W.p, W.J)
    K.parameter_jacobian(u, W.p, W.Fp)
    for i in range(n):
        W.b[i] = 0.0
        for k in range(len(W.p)):
            if change[k] != 0.0:
                W.b[i] -= W.Fp[i, k] * change[k]
        for c in range(n):
            W.A[i, c] = W.J[i, c]
    if linalg.factor(W.A, n, W.pivots) == 0.0:
        return False
    linalg.solve(W.A, n, W.pivots, W.b)
    return True


@inline
def _indices(K, p, at, values, size, state, sign, W):
    """The sign of det J of every equilibrium of a slice: it is that of a sheet wherever this goes."""
    n = state.shape[2]
    for k in range(len(p)):
        W.p[k] = p[k]
    for j in range(len(values)):
        W.p[at] = values[j]
        for c in range(size[j]):
            K.jacobian(state[j, c], W.p, W.J)
            for i in range(n):
                for k in range(n):
                    W.A[i, k] = W.J[i, k]
            product = linalg.factor(W.A, n, W.pivots)
            for i in range(n):
                if W.A[i, i] < 0.0:
                    product = -product
            sign[j, c] = product


@inline
def _vote(K, p, values, change, at, state_a, arc_a, sign_a, state_b, arc_b, sign_b, asked, back, votes, W):
    """Votes that arc a of one slice and arc b of the next are one sheet; of the slice before, if this is `back`.

    At each node the states of the arcs that are `asked` are predicted across by du = -J^-1 f_p `change`. A pair of the
    same index counts where no other is nearly as near. Round a cusp an arc may be one with either of two: inside the
    wedge it is clear which, so that votes weigh more the more equilibria there are.
    """
    n, room = state_a.shape[2], state_a.shape[1]
    for j in range(len(values)):
        for k in range(len(p)):
            W.p[k] = p[k]
        W.p[at] = values[j]
        here, there = 0, 0
        for c in range(room):
            here += arc_a[j, c] >= 0
            there += arc_b[j, c] >= 0
        weight = (min(here, there, MOST_WEIGHED) ** 4 << NODES) + 1
        for a in range(room):
            if arc_a[j, a] < 0 or not asked[arc_a[j, a]]:
                continue
            u = state_a[j, a]
            if not _predict(K, u, change, W):
                continue
            best, second, index = math.inf, math.inf, -1
            for b in range(room):
                if arc_b[j, b] < 0 or sign_b[j, b] != sign_a[j, a]:
                    continue
                distance = 0.0
                for i in range(n):
                    distance = max(distance, abs(u[i] + W.b[i] - state_b[j, b, i]))
                if distance < best:
                    best, second, index = distance, best, b
                elif distance < second:
                    second = distance
            if index >= 0 and best < 0.3 * second:
                if back:
                    votes[arc_b[j, index], arc_a[j, a]] += weight
                else:
                    votes[arc_a[j, a], arc_b[j, index]] += weight


@inline
def _connect(K, p, x0, x1, free, values, state_a, arc_a, sign_a, state_b, arc_b, sign_b, traced_a, traced_b, votes,
             asked, change, W):  # fmt: skip
    """The votes from slice x0 to slice x1, and back from those arcs that got none: near a fold a slope leads astray."""
    across, at = free[0], free[1]
    p[across], change[across] = x0, x1 - x0
    for a in range(len(asked)):
        asked[a] = a < traced_a
    _vote(K, p, values, change, at, state_a, arc_a, sign_a, state_b, arc_b, sign_b, asked, False, votes, W)
    for b in range(len(asked)):
        asked[b] = b < traced_b
        for a in range(traced_a):
            asked[b] = asked[b] and votes[a, b] == 0
    p[across], change[across] = x1, x0 - x1
    _vote(K, p, values, change, at, state_b, arc_b, sign_b, state_a, arc_a, sign_a, asked, True, votes, W)


@inline
def _renumber(size, arc, number, traced):
    """Number the arcs of a slice from 0 in the order of their nodes, then those of no branch; (branches, all)."""
    room = arc.shape[1]
    for a in range(len(number)):
        number[a] = -1
    count = 0
    for j in range(len(size)):
        for c in range(size[j]):
            a = arc[j, c]
            if a >= 0 and number[a] < 0 and count < MOST_ARCS:
                number[a] = count
                count += 1
    branches = count
    for j in range(len(size)):
        for c in range(room):
            a = arc[j, c]
            traced[j, c] = a >= 0
            if c >= size[j]:
                arc[j, c] = -1
                continue
            twice = False
            if a >= 0:
                for other in range(c):
                    twice = twice or arc[j, other] == number[a]
            if a >= 0 and not twice:
                arc[j, c] = number[a]
            elif count < MOST_ARCS:
                arc[j, c] = count
                count += 1
            else:
                arc[j, c] = -1
    return branches, count


@kernel(
    types.void(
        INTS, INTS, VECTOR, VECTOR, VECTOR, INT_MATRIX, STATES, INT_TENSOR, types.boolean[:, :, ::1], INTS,
        types.int64[:, :, ::1], types.boolean[:, :, ::1], INT_TENSOR, INTS, TENSOR, types.boolean[::1],
        VECTOR, WORK,
    )
)  # fmt: skip
def survey(
    system, free, p, x, y, size, state, arc, traced, count, first, together, votes, number, sign, asked, change, W
):
    """Number the arcs of neighbouring slices, and say what is known of them.

    `free` are the places of the parameters of x and y in `p`; `size` (nx, ny), `state` (nx, ny, room, n). `arc`
    (nx, ny, room) holds numbers of any size below len(number); on return each slice counts from 0 in the order of the
    nodes, and an equilibrium that no branch passes (where `traced` is False on return) has a number of its own, -1
    where there are too many. `count` (nx,) numbers of each slice, `first` (nx, MOST_ARCS, 3): first node, place there,
    number of nodes; `together` (nx, MOST_ARCS, MOST_ARCS): whether two share a node (a < b); `votes` of the same
    shape, that a of the slice before and b are one, times 2^NODES, and how many nodes they come from. `sign`
    (nx, ny, room) becomes that of det J.
    """
    K = kernels_at(system)
    across, at = free[0], free[1]
    before = 0
    for i in range(len(x)):
        branches, count[i] = _renumber(size[i], arc[i], number, traced[i])
        for a in range(count[i]):
            first[i, a, 0] = -1
            first[i, a, 2] = 0
        for j in range(len(y)):
            for c in range(size[i, j]):
                a = arc[i, j, c]
                if a < 0:
                    continue
                if first[i, a, 0] < 0:
                    first[i, a, 0], first[i, a, 1] = j, c
                first[i, a, 2] += 1
                for d in range(size[i, j]):
                    b = arc[i, j, d]
                    if b > a:
                        together[i, a, b] = True
        p[across] = x[i]
        _indices(K, p, at, y, size[i], state[i], sign[i], W)
        if i:
            _connect(
                K, p, x[i - 1], x[i], free, y, state[i - 1], arc[i - 1], sign[i - 1], state[i], arc[i], sign[i],
                before, branches, votes[i], asked, change, W,
            )  # fmt: skip
        before = branches


@kernel(I8(INTS, MATRIX, MATRIX, TENSOR, INT_MATRIX, TENSOR, INT_MATRIX, F8, VECTOR, INTS, WORK))
def jumps(system, p, q, state_p, sheet_p, state_q, sheet_q, resolved, change, bad, W):
    """Pairs of nodes, parameters p and q (m, parameters), at which a sheet jumps: another is where it leads.

    A member whose step to the other node is longer than `resolved` of the distance to the next equilibrium tells
    nothing. `bad` (m,) becomes 1 at a jump; the number of members that were compared.
    """
    K = kernels_at(system)
    n, room = state_p.shape[2], state_p.shape[1]
    compared = 0
    for j in range(len(p)):
        bad[j] = 0
        for k in range(p.shape[1]):
            W.p[k] = p[j, k]
            change[k] = q[j, k] - p[j, k]
        for a in range(room):
            if sheet_p[j, a] < 0:
                continue
            u = state_p[j, a]
            if not _predict(K, u, change, W):
                continue
            step, gap = 0.0, math.inf
            for i in range(n):
                step = max(step, abs(W.b[i]))
            for c in range(room):
                if c != a and sheet_p[j, c] >= 0:
                    gap = min(gap, _apart(u, state_p[j, c], n))
            if not step <= resolved * gap:
                continue
            for i in range(n):
                W.u[i] = u[i] + W.b[i]
            own, other = math.inf, math.inf
            for c in range(room):
                if sheet_q[j, c] == sheet_p[j, a]:
                    own = _apart(W.u, state_q[j, c], n)
                elif sheet_q[j, c] >= 0:
                    other = min(other, _apart(W.u, state_q[j, c], n))
            if own < math.inf:
                compared += 1
                if other < resolved * own:
                    bad[j] = 1
    return compared
