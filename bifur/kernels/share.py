"""How much of a product law lies in each basin of a planar system, from the stable manifolds of its saddles.

The basins are bounded by curves. With F the distribution functions of the two states and x to the right, Green's
theorem gives the probability of a region A from its boundary alone: on a curve that is followed in its direction, with
the region L to its left and R to its right,

    P(L) = + integral of F_x dF_y,    P(R) = - the same,

summed over all curves up to x = X, the right end of the law, and there P(A) gains the part of the law of y on the edge
of A. Which basins lie beside a manifold tell the two arms of the saddle's unstable manifold, which are followed before.
What the curves do not decide is said (`edges`, codes), for trajectories to decide.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.manifold import (
    EQUILIBRIUM,
    HIGH,
    LEAVES,
    LOW,
    ROOM,
    WINDOW_HIGH,
    WINDOW_LOW,
    direction,
    expansion,
    trace,
)
from bifur.kernels.pointers import kernels_at
from bifur.kernels.types import F8, INTS, MATRIX, VECTOR

# codes of a node
DONE, NOT_KNOWN, NOT_TRACED, NOT_TOLD, CONTRADICTION = range(5)
# fates beside numbers of slots
EDGE, ESCAPES, UNTOLD = -3, -2, -1
# what an arm is: its points, and the fates on its two sides when it is followed outward
FIRST, LAST, LEFT, RIGHT = range(4)
EMPTY = -2  # in place of the number of unstable eigenvalues
UNIFORM, NORMAL = 0.0, 1.0
MARGINS = (4.0, 32.0)  # of the hull of law and equilibria, beyond which manifolds are not followed
GAUSS = np.array([0.5 - math.sqrt(0.15), 0.5, 0.5 + math.sqrt(0.15)])
WEIGHT = np.array([5 / 18, 8 / 18, 5 / 18])

CUBE = types.float64[:, :, ::1]
INT_MATRIX = types.int64[:, ::1]
INT_CUBE = types.int64[:, :, ::1]


# ---- the law -------------------------------------------------------------------------------------


@inline
def distribution(law, x):
    """F(x) of (kind, low or mean, high or standard deviation)."""
    if law[0] == UNIFORM:
        return min(1.0, max(0.0, (x - law[1]) / (law[2] - law[1])))
    return 0.5 * math.erfc((law[1] - x) / (law[2] * math.sqrt(2.0)))


@inline
def density(law, x):
    """F'(x)."""
    if law[0] == UNIFORM:
        return 1.0 / (law[2] - law[1]) if law[1] <= x <= law[2] else 0.0
    z = (x - law[1]) / law[2]
    return math.exp(-0.5 * z * z) / (law[2] * math.sqrt(2.0 * math.pi))


@inline
def on_curve(a, b, ga, gb, t):
    """The cubic Hermite interpolant at t."""
    r = 1.0 - t
    return r * r * ((1.0 + 2.0 * t) * a + t * ga) + t * t * ((3.0 - 2.0 * t) * b - r * gb)


@inline
def slope_on_curve(a, b, ga, gb, t):
    """Its derivative."""
    return 6.0 * t * (1.0 - t) * (b - a) + (1.0 - t) * (1.0 - 3.0 * t) * ga + t * (3.0 * t - 2.0) * gb


@inline
def crossing(a, b, ga, gb, level):
    """Where in (0, 1) the interpolant passes the level that lies between a and b."""
    low, high = 0.0, 1.0
    for _ in range(50):
        t = 0.5 * (low + high)
        if (on_curve(a, b, ga, gb, t) - level) * (b - a) > 0.0:
            high = t
        else:
            low = t
    return 0.5 * (low + high)


@inline
def along(law, ends, xa, ya, xb, yb, gxa, gya, gxb, gyb, cuts):
    """The integral of F_x dF_y over one piece, as far as it lies left of the right end of the law."""
    count = 0
    for i in range(2):
        if (xa - ends[i, 0]) * (xb - ends[i, 0]) < 0.0:
            cuts[count] = crossing(xa, xb, gxa, gxb, ends[i, 0])
            count += 1
        if (ya - ends[i, 1]) * (yb - ends[i, 1]) < 0.0:
            cuts[count] = crossing(ya, yb, gya, gyb, ends[i, 1])
            count += 1
    for i in range(1, count):  # few, and all but sorted
        j = i
        while j > 0 and cuts[j] < cuts[j - 1]:
            cuts[j], cuts[j - 1] = cuts[j - 1], cuts[j]
            j -= 1
    cuts[count] = 1.0
    total, start = 0.0, 0.0
    for i in range(count + 1):
        width = cuts[i] - start
        if on_curve(xa, xb, gxa, gxb, start + 0.5 * width) < ends[1, 0]:
            for j in range(3):
                t = start + width * GAUSS[j]
                x, y = on_curve(xa, xb, gxa, gxb, t), on_curve(ya, yb, gya, gyb, t)
                slope = slope_on_curve(ya, yb, gya, gyb, t)
                total += WEIGHT[j] * width * distribution(law[0], x) * density(law[1], y) * slope
        start = cuts[i]
    return total


@inline
def sweep(law, ends, points, tangents, first, last, stride, cuts):
    """The same over an arm, from every point or every other one."""
    total, i = 0.0, first
    while i < last:
        j = min(i + stride, last)
        xa, ya, xb, yb = points[i, 0], points[i, 1], points[j, 0], points[j, 1]
        c = math.hypot(xb - xa, yb - ya)
        total += along(
            law, ends, xa, ya, xb, yb,
            c * tangents[i, 0], c * tangents[i, 1], c * tangents[j, 0], c * tangents[j, 1], cuts,
        )  # fmt: skip
        i = j
    return total


# ---- the arms ------------------------------------------------------------------------------------


@inline
def put_tangents(kernels, p, points, tangents, first, last, sx, sy, room):
    """Unit tangents of a stable arm, outward; at an equilibrium that of the chord."""
    for i in range(first, last + 1):
        gx, gy, speed = direction(kernels, p, -1.0, points[i, 0], points[i, 1], room)
        if i == first or not speed > 0.0 or not math.isfinite(gx + gy):
            a, b = max(first, i - 1), min(last, i + 1)
            if i == first or i == last:
                gx, gy = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1]
            size = math.hypot(gx, gy)
            gx, gy = gx / size, gy / size
        tangents[i, 0], tangents[i, 1] = gx, gy
    # the last point of an arm that ends at an equilibrium lies beside it, where the field says nothing
    dx, dy = points[last, 0] - points[last - 1, 0], points[last, 1] - points[last - 1, 1]
    size = math.hypot(dx, dy)
    if size > 0.0 and tangents[last, 0] * dx + tangents[last, 1] * dy < 0.9 * size:
        tangents[last, 0], tangents[last, 1] = dx / size, dy / size


@inline
def put_box(equilibria, ends, bounds, spread, box):
    """Into `box` the hull of law and equilibria with a margin, inside the bounds of the states."""
    for i in range(2):
        low, high = ends[0, i], ends[1, i]
        for k in range(equilibria.shape[0]):
            low, high = min(low, equilibria[k, i]), max(high, equilibria[k, i])
        margin = spread * (high - low)
        box[LOW, i], box[HIGH, i] = max(low - margin, bounds[0, i]), min(high + margin, bounds[1, i])
        box[WINDOW_LOW, i], box[WINDOW_HIGH, i] = ends[0, i], ends[1, i]


# ---- what lies where -----------------------------------------------------------------------------


@inline
def beside(points, tangents, arms, count, axis, level, at):
    """Nearest crossings of the arms with the line where state `axis` is `level`, below and above `at` on it.

    (place below or at it, the fate that faces `at` from there, place above, the fate that faces it from there).
    """
    other = 1 - axis
    below, above, from_below, from_above = -np.inf, np.inf, EDGE, EDGE
    for arm in range(count):
        for i in range(arms[arm, FIRST], arms[arm, LAST]):
            a, b = points[i, axis], points[i + 1, axis]
            if (a < level) == (b < level):
                continue
            c = math.hypot(points[i + 1, 0] - points[i, 0], points[i + 1, 1] - points[i, 1])
            t = crossing(a, b, c * tangents[i, axis], c * tangents[i + 1, axis], level)
            place = on_curve(
                points[i, other], points[i + 1, other], c * tangents[i, other], c * tangents[i + 1, other], t
            )
            # upward, the left side has smaller x; to the right, it has larger y
            left_is_low = (b > a) == (axis == 1)
            low = arms[arm, LEFT] if left_is_low else arms[arm, RIGHT]
            high = arms[arm, RIGHT] if left_is_low else arms[arm, LEFT]
            if below < place <= at:
                below, from_below = place, high
            if at < place < above:
                above, from_above = place, low
    return below, from_below, above, from_above


@inline
def walk(points, tangents, arms, count, law, ends, axis, level, add, shares):
    """Along the line where state `axis` is `level`, over the support of the other: (fates at both ends, contradiction).

    The fates between two crossings, as the one and the other tell them, must agree. `add` adds the parts of the law of
    the other state to `shares`. EDGE where nothing crosses the line.
    """
    other = 1 - axis
    at, end = ends[0, other], ends[1, other]
    total, first, last, met = distribution(law[other], at), EDGE, EDGE, False
    for _ in range(1000):
        _, _, place, fate = beside(points, tangents, arms, count, axis, level, at)
        if not place < end:
            break
        if met and fate != last:
            return first, last, True
        if not met:
            first = fate
        met = True
        at = place
        if add:
            part = distribution(law[other], at)
            shares[fate] += part - total
            total = part
        _, last, _, _ = beside(points, tangents, arms, count, axis, level, at)
    if met and add:
        shares[last] += distribution(law[other], end) - total
    return first, last, False


@inline
def perimeter(points, tangents, arms, count, law, ends, shares):
    """Round the support of the law, the right edge added to `shares`: (a fate of that edge or EDGE, contradiction).

    A curve that left the box and came back without being followed would show: the fates on both sides of it meet.
    """
    s0, e0, c0 = walk(points, tangents, arms, count, law, ends, 1, ends[0, 1], False, shares)
    s1, e1, c1 = walk(points, tangents, arms, count, law, ends, 0, ends[1, 0], True, shares)
    s2, e2, c2 = walk(points, tangents, arms, count, law, ends, 1, ends[1, 1], False, shares)
    s3, e3, c3 = walk(points, tangents, arms, count, law, ends, 0, ends[0, 0], False, shares)
    if c0 or c1 or c2 or c3:
        return e1, True
    first = current = EDGE
    for into, out in ((s0, e0), (s1, e1), (e2, s2), (e3, s3)):
        if into != EDGE:
            if current != EDGE and current != into:
                return e1, True
            if first == EDGE:
                first = into
            current = out
    return e1, first != current


@inline
def predict(points, tangents, arms, count, ends, x, y, least):
    """The fate of a start from the curves beside it: UNTOLD where it lies on one, EDGE where there is none at all."""
    below, from_below, above, from_above = beside(points, tangents, arms, count, 1, y, x)
    if min(x - below, above - x) < least:
        return UNTOLD, False
    if from_below == EDGE and from_above == EDGE:  # then it shares the fate of the edge beside it
        below, from_below, above, from_above = beside(points, tangents, arms, count, 0, ends[1, 0], y)
    if from_below != EDGE and from_above != EDGE and from_below != from_above:
        return UNTOLD, True
    return (from_below if from_below != EDGE else from_above), False


# ---- nodes ---------------------------------------------------------------------------------------


@inline
def told_sides(kernels, p, equilibria, told, k, room):
    """(v of the stable arms, the fates left and right of them as trajectories told them)."""
    _, sx, sy, _, _ = expansion(kernels, p, equilibria[k, 0], equilibria[k, 1], 1, room)
    _, ux, uy, _, _ = expansion(kernels, p, equilibria[k, 0], equilibria[k, 1], 0, room)
    turn = 1 if sx * uy - sy * ux > 0.0 else 0  # the unstable arm that is left of the stable ones
    return sx, sy, told[k, turn], told[k, 1 - turn]


@inline
def lay_arms(
    kernels, p, equilibria, unstable, told, law, ends, settings, box, points, tangents, arms, cuts, room, shares
):
    """Stable arms between two basins, and their parts of `shares`: (code, error, arms)."""
    count, filled, error = 0, 0, 0.0
    for k in range(unstable.shape[0]):
        if unstable[k] < 0:
            return NOT_KNOWN, error, count
        if unstable[k] != 1:
            continue
        sx, sy, left, right = told_sides(kernels, p, equilibria, told, k, room)
        if left < ESCAPES or left == UNTOLD or right < ESCAPES or right == UNTOLD:
            return NOT_TOLD, error, count
        if left == right:
            continue  # no boundary of two basins
        left, right = left % shares.shape[0], right % shares.shape[0]  # the last but one is ESCAPES
        for side in range(2):
            code, number, _, _ = trace(
                kernels, p, k, 1, 2 * side - 1, equilibria, unstable, box, settings, points[filled:], room
            )
            if (code != EQUILIBRIUM and code != LEAVES) or number < 2 or count == arms.shape[0]:
                return NOT_TRACED, error, count
            first, last = filled, filled + number - 1
            put_tangents(kernels, p, points, tangents, first, last, sx, sy, room)
            arms[count, FIRST], arms[count, LAST] = first, last
            arms[count, LEFT], arms[count, RIGHT] = (left, right) if side == 1 else (right, left)
            fine = sweep(law, ends, points, tangents, first, last, 1, cuts)
            error += abs(fine - sweep(law, ends, points, tangents, first, last, 2, cuts))
            shares[arms[count, LEFT]] += fine
            shares[arms[count, RIGHT]] -= fine
            count, filled = count + 1, filled + number
    return DONE, error, count


@inline
def node(
    kernels, p, equilibria, unstable, told, bounds, law, ends, settings, box, points, tangents, arms, cuts, room, shares
):
    """Shares of one node, in a larger box where the curves contradict: (code, error, arms, a fate of the edge)."""
    code, error, count, edge = NOT_KNOWN, 0.0, 0, EDGE
    for margin in MARGINS:
        for k in range(shares.shape[0]):
            shares[k] = 0.0
        put_box(equilibria, ends, bounds, margin, box)
        code, error, count = lay_arms(
            kernels, p, equilibria, unstable, told, law, ends, settings, box, points, tangents, arms, cuts, room, shares
        )
        if code != DONE:
            return code, error, count, EDGE
        edge, contradiction = perimeter(points, tangents, arms, count, law, ends, shares)
        if not contradiction:
            return DONE, error, count, edge
    return CONTRADICTION, error, count, edge


@kernel(
    types.void(
        INTS, MATRIX, CUBE, INT_MATRIX, INT_CUBE, MATRIX, MATRIX, MATRIX, VECTOR, MATRIX, MATRIX, MATRIX, INT_MATRIX,
        VECTOR, ROOM, MATRIX, F8, MATRIX, VECTOR, INTS, INT_MATRIX, INTS,
    )
)  # fmt: skip
def share_nodes(
    K, parameters, states, unstable, told, bounds, law, ends, settings, box, points, tangents, arms, cuts, room, probes,
    least, shares, errors, edges, predicted, codes,
):  # fmt: skip
    """Shares (N, k + 2) of the sinks of N nodes, with errors (N,), and what trajectories have yet to tell.

    `states` (N, k, 2) and `unstable` (N, k), the number of unstable eigenvalues of each, the filled slots first and
    EMPTY after them; `told` (N, k, 2) where the unstable arms of a saddle go, on the negative and the positive side of
    its `expansion`: a slot or ESCAPES, which has the last place but one of `shares`. `bounds` (2, 2) of the states,
    `law` (2, 3) of each, `ends` (2, 2) of its support. Where no arm meets the right edge, `edges` is EDGE, and all of
    its mass belongs to the basin that holds it. `predicted` (N, m) is the fate of the probes (m, 2) as the curves tell
    it, EDGE for that of the edge, UNTOLD within `least` of a curve; the last one is the middle of the edge, for which
    any distance will do.
    """
    kernels = kernels_at(K)
    for i in range(parameters.shape[0]):
        filled = 0
        while filled < unstable.shape[1] and unstable[i, filled] != EMPTY:
            filled += 1
        codes[i], errors[i], count, edges[i] = node(
            kernels, parameters[i], states[i, :filled], unstable[i, :filled], told[i], bounds, law, ends, settings, box,
            points, tangents, arms, cuts, room, shares[i],
        )  # fmt: skip
        for j in range(probes.shape[0]):
            predicted[i, j] = UNTOLD
            if codes[i] == DONE:
                aside = least if j < probes.shape[0] - 1 else 0.0
                predicted[i, j], contradiction = predict(
                    points, tangents, arms, count, ends, probes[j, 0], probes[j, 1], aside
                )
                if contradiction:
                    codes[i] = CONTRADICTION
