"""All equilibria in a box by interval branch and prune, for systems that elimination does not take.

Boxes of states wait on a stack. Of each one
1. it is dropped where the field, over all of it, cannot be zero, or where its equilibrium is known already;
2. the Krawczyk operator over the box, made a tenth larger, is computed: no equilibrium lies outside its image; if the
   image lies inside, exactly one does, which is kept, and the box is done;
3. else it shrinks to the image, or is cut in two along the side that is longest beside the whole box.
A box is made larger so that an equilibrium on the seam of two boxes is found from both: enclosures tell that it is one.
(Kearfott 1996, Rigorous Global Search, chapter 4; Neumaier 1990, section 5.2.)
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import interval as iv
from bifur.kernels.enclosure import (
    EXACT,
    FIELD,
    HIGH,
    LOW,
    ROOM,
    SIDES,
    at_point,
    defect,
    enclose,
    invert,
    jacobian_over,
    newton_step,
    sides,
)
from bifur.kernels.program import CONSTANT, NOWHERE, PROGRAM, RESULTS, WHOLE, run
from bifur.kernels.types import I8, INTS, MATRIX, VECTOR

# codes beside those of `roots` (-1 .. -3) and `count` (-4)
BUDGET = -10  # more boxes than were granted
CLUSTER = -11  # a tiny box in which the number stays open: a multiple equilibrium, a set of them, or a pole
EDGE = -9  # an equilibrium too near to a bound to tell on which side it is
FULL = -7  # more equilibria than there is room for
LARGER = 0.1  # by which a box is made larger on each side
CUT = 0.4871  # where it is cut: not in the middle, where equilibria like to lie
SHRUNK = 0.7  # a box that shrinks less is cut
THIN = 1e-9  # relative to the whole box
SMALL = 1e-11  # relative to the size of the states
CHORDS = 30
DEEP = 4000


class Boxes(NamedTuple):
    """Boxes that wait (DEEP, 2 n) as low, high of each state; those of known equilibria; one box, larger, its image."""

    waiting: np.ndarray
    known: np.ndarray
    radius: np.ndarray
    lines: np.ndarray
    used: np.ndarray  # (1,) boxes looked at


BOXES = types.NamedTuple([MATRIX, MATRIX, VECTOR, MATRIX, INTS], Boxes)
BOX, OUTER, IMAGE = range(3)


def make_boxes(n: int, equilibria: int) -> Boxes:
    """Work for one thread."""
    return Boxes(
        np.zeros((DEEP, 2 * n)),
        np.zeros((equilibria, 2 * n)),
        np.zeros(equilibria),
        np.zeros((3, 2 * n)),
        np.zeros(1, np.int64),
    )


INSIDE, OUTSIDE, ON_EDGE = 0, 1, 2


@inline
def place(u, radius, low, high):
    """Where the equilibrium within `radius` of u lies: INSIDE the bounds, OUTSIDE, or ON_EDGE, which is not known.

    Its box may be slimmer than a cube; that decides a little less often, and never wrongly.

    At EXACT it is u itself, and a bound counts as inside.
    """
    r = 0.0 if radius == EXACT else radius
    where = INSIDE
    for i in range(len(u)):
        if u[i] + r < low[i] or u[i] - r > high[i]:
            return OUTSIDE
        if not (iv.down(u[i] - r) >= low[i] and iv.up(u[i] + r) <= high[i]) and not (
            r == 0.0 and low[i] <= u[i] <= high[i]
        ):
            where = ON_EDGE
    return where


DROPPED, UNIQUE, SMALLER, OPEN = range(4)


@kernel(I8(PROGRAM, MATRIX, ROOM, VECTOR, VECTOR, VECTOR))
def _look(P, V, R, box, outer, image):
    """Steps 1 and 2 for a box: DROPPED, UNIQUE (one equilibrium in `outer`), SMALLER (see `image`) or OPEN."""
    n = len(box) // 2
    for i in range(n):
        V[i, 0], V[i, 1] = box[2 * i], box[2 * i + 1]
    where = run(P, V, P.head[CONSTANT], len(P.operations), False)
    if where == NOWHERE:
        return DROPPED
    for i in range(n):
        result = P.head[RESULTS + i]
        if V[result, 0] > 0.0 or V[result, 1] < 0.0:
            return DROPPED
    L, H, f = R.matrices[LOW], R.matrices[HIGH], R.rows[FIELD]
    for larger in (LARGER, 0.0):
        for i in range(n):
            more = larger * (box[2 * i + 1] - box[2 * i])
            outer[2 * i], outer[2 * i + 1] = box[2 * i] - more, box[2 * i + 1] + more
            V[i, 0], V[i, 1] = outer[2 * i], outer[2 * i + 1]
        where = jacobian_over(P, V, L, H)
        if where == WHOLE:
            break
    if where != WHOLE:
        return OPEN
    for i in range(n):
        image[i] = 0.5 * (box[2 * i] + box[2 * i + 1])
    if at_point(P, V, image[:n], f) != WHOLE:
        return OPEN
    # the mean value form: f(m) + J (X - m)
    for i in range(n):
        low, high = f[2 * i], f[2 * i + 1]
        for j in range(n):
            a, _ = iv.add(box[2 * j], box[2 * j], -image[j], -image[j])
            _, b = iv.add(box[2 * j + 1], box[2 * j + 1], -image[j], -image[j])
            lo, hi = iv.multiply(L[i, j], H[i, j], a, b)
            low, high = iv.add(low, high, lo, hi)
        if low > 0.0 or high < 0.0:
            return DROPPED
    if not invert(R, n):
        return OPEN
    inside, empty = True, False
    # the middle is read last, as the image takes its place
    for i in range(n - 1, -1, -1):
        middle = 0.5 * (box[2 * i] + box[2 * i + 1])
        low, high = newton_step(R, i, n)
        low, high = iv.add(middle, middle, -high, -low)
        for j in range(n):
            centre = 0.5 * (box[2 * j] + box[2 * j + 1])
            reach = iv.up(max(outer[2 * j + 1] - centre, centre - outer[2 * j]))
            lo, hi = defect(R, i, j, n)
            spread = iv.up(iv.magnitude(lo, hi) * reach)
            low, high = iv.down(low - spread), iv.up(high + spread)
        if not low <= high:
            return OPEN
        inside = inside and low > outer[2 * i] and high < outer[2 * i + 1]
        empty = empty or low > box[2 * i + 1] or high < box[2 * i]
        image[2 * i], image[2 * i + 1] = low, high
    if inside:
        return UNIQUE
    return DROPPED if empty else SMALLER


@inline
def _covered(known, found, box):
    """Whether the box lies in that of a known equilibrium."""
    for k in range(found):
        inside = True
        for c in range(0, len(box), 2):
            inside = inside and known[k, c] <= box[c] and box[c + 1] <= known[k, c + 1]
        if inside:
            return True
    return False


@inline
def _settle(P, V, D, R, u):
    """From u to the equilibrium, by chords with the inverse at hand, then its enclosure."""
    n = len(u)
    before = math.inf
    for _ in range(CHORDS):
        at_point(P, V, u, R.rows[FIELD])
        step = 0.0
        for i in range(n):
            low, high = newton_step(R, i, n)
            R.rows[0, i] = 0.5 * (low + high)
            step = max(step, abs(R.rows[0, i]))
        if not step < before:
            break
        for i in range(n):
            u[i] -= R.rows[0, i]
        before = step
    radius, _ = enclose(P, V, D, u, False, R)
    return radius


@inline
def _inside(u, radius, box):
    """Whether the enclosure of u lies in the box."""
    inside = True
    for i in range(len(u)):
        inside = inside and box[2 * i] <= iv.down(u[i] - radius) and iv.up(u[i] + radius) <= box[2 * i + 1]
    return inside


@inline
def _holds(u, radius, box, R):
    """Whether the box lies in the enclosure of u."""
    sides(u, R)
    holds = True
    for i in range(len(u)):
        half = radius * R.rows[SIDES, i]
        holds = holds and iv.up(u[i] - half) <= box[2 * i] and box[2 * i + 1] <= iv.down(u[i] + half)
    return holds


@inline
def _known(B, found, out, u, radius, image, R):
    """The place of this equilibrium among those found, `found` if it is new, -1 if that is not certain.

    Each known box and each enclosure holds one equilibrium only: one that is known to lie in it is that one.
    """
    for k in range(found):
        if _inside(u, radius, B.known[k]) or _holds(out[k], B.radius[k], image, R):
            return k
        apart = False
        for i in range(len(u)):
            apart = apart or abs(u[i] - out[k, i]) > iv.up(radius + B.radius[k])
        if not apart:
            return -1
    return found


@kernel(I8(PROGRAM, MATRIX, MATRIX, ROOM, VECTOR, VECTOR, I8, BOXES, MATRIX))
def prune(P, V, D, R, low, high, budget, B, out):
    """All equilibria with low <= u <= high as rows of `out`, each proved; their number, or a code.

    The parameters are those of `load`; at most `budget` boxes are looked at. B.radius holds the radii.
    """
    n = len(low)
    B.used[0] = 0
    box, outer, image = B.lines[BOX], B.lines[OUTER], B.lines[IMAGE]
    for i in range(n):
        B.waiting[0, 2 * i], B.waiting[0, 2 * i + 1] = low[i], high[i]
    depth, found = 1, 0
    while depth > 0:
        depth -= 1
        for c in range(2 * n):
            box[c] = B.waiting[depth, c]
        if B.used[0] >= budget:
            return BUDGET
        B.used[0] += 1
        if _covered(B.known, found, box):
            continue
        answer = _look(P, V, R, box, outer, image)
        if answer == DROPPED:
            continue
        if answer == UNIQUE:
            if found == len(out):
                return FULL
            u = out[found]
            for i in range(n):
                u[i] = 0.5 * (image[2 * i] + image[2 * i + 1])
            radius = _settle(P, V, D, R, u)
            # the box is thinner than the enclosure, or wider: either way both hold one and the same equilibrium
            if not radius > 0.0 or not (_inside(u, radius, outer) or _holds(u, radius, image, R)):
                return CLUSTER
            same = _known(B, found, out, u, radius, image, R)
            if same < 0:
                return CLUSTER
            for c in range(2 * n):
                B.known[same, c] = outer[c]
            if same == found:
                B.radius[found] = radius
                found += 1
            continue
        parts = 2
        if answer == SMALLER:
            for i in range(n):
                before = box[2 * i + 1] - box[2 * i]
                least = THIN * (high[i] - low[i])
                a, b = max(box[2 * i], image[2 * i]), min(box[2 * i + 1], image[2 * i + 1])
                if b - a < least:  # a box much thinner than it is long helps nobody
                    a, b = max(box[2 * i], a - 0.5 * least), min(box[2 * i + 1], b + 0.5 * least)
                box[2 * i], box[2 * i + 1] = a, b
                if b - a < SHRUNK * before:
                    parts = 1
        side, longest, tiny = 0, -1.0, True
        for i in range(n):
            width = box[2 * i + 1] - box[2 * i]
            size = max(abs(box[2 * i]), abs(box[2 * i + 1]))
            tiny = tiny and width <= SMALL * max(size, 1e-3 * (high[i] - low[i]))
            width /= high[i] - low[i]
            if width > longest:
                side, longest = i, width
        if tiny:
            return CLUSTER
        if depth + parts > DEEP:
            return BUDGET
        for part in range(parts):
            for c in range(2 * n):
                B.waiting[depth, c] = box[c]
            if parts == 2:
                cut = box[2 * side] + CUT * (box[2 * side + 1] - box[2 * side])
                B.waiting[depth, 2 * side + 1 - part] = cut
            depth += 1
    kept = 0
    for k in range(found):
        where = place(out[k], B.radius[k], low, high)
        if where == ON_EDGE:
            return EDGE
        if where == INSIDE:
            for i in range(n):
                out[kept, i] = out[k, i]
            B.radius[kept] = B.radius[k]
            kept += 1
    return kept
