"""Stable and unstable manifolds of the saddles of planar systems, traced by arclength.

The invariant curve leaves the saddle s as P(x) = s + x v + x^2 w with J v = l v and (J - 2 l) w = -B(v, v) / 2, which
carries x' = l x up to x^3 (Cabre, Fontich & de la Llave 2005, the parametrisation method). From there du/ds = +-f / |f|
is integrated by DOPRI5 (Dormand & Prince 1980): in arclength slow equilibria are not slow and a blow-up is no
singularity. Errors are relative to the distance from the nearest equilibrium, so what is small around one stays right.
The points put out lie on the dense output of each step (order 4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.pointers import kernels_at
from bifur.kernels.stepper import D_DOPRI
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

# codes of `trace`; the limit is that of EQUILIBRIUM alone
EQUILIBRIUM, LEAVES, LENGTH, FULL, TOO_MANY_STEPS, SINGULAR, NO_START = range(7)
# settings: largest distance of points, of the curve from its chords, error of a step relative to the distance from
# the nearest equilibrium, largest length, most steps tried
SPACING, FLATNESS, TOLERANCE, LONGEST, STEPS = range(5)
# rows of `box`: low and high corner beyond which a curve is not followed, and of the window in which the spacing holds
LOW, HIGH, WINDOW_LOW, WINDOW_HIGH = range(4)
UNKNOWN = -1  # in place of the number of unstable eigenvalues of a degenerate or undecided equilibrium

START = 1e-8  # error of the start relative to its distance from the saddle
CONNECTED = 1e-6  # a saddle is reached where its manifold is missed by so much of the distance to the next equilibrium
AROUND = 8
COARSER = 0.05  # outside the window the spacing is so much of the distance from it


class Room(NamedTuple):
    """Work for one thread: state and field (2,), Jacobian (2, 2), direction (2 + q,), second derivatives (2, 2 + q)."""

    u: np.ndarray
    f: np.ndarray
    J: np.ndarray
    v: np.ndarray
    H: np.ndarray


ROOM = types.NamedTuple([VECTOR, VECTOR, MATRIX, VECTOR, MATRIX], Room)


def make_room(q: int) -> Room:
    """Work for a planar system of q parameters."""
    return Room(np.zeros(2), np.zeros(2), np.zeros((2, 2)), np.zeros(2 + q), np.zeros((2, 2 + q)))


# ---- the field and the local expansion -----------------------------------------------------------


@inline
def direction(kernels, p, sign, x, y, room):
    """The unit vector along sign * f at (x, y), and |f|; NaN where f vanishes or is not finite."""
    room.u[0], room.u[1] = x, y
    kernels.field(room.u, p, room.f)
    speed = math.hypot(room.f[0], room.f[1])
    return sign * room.f[0] / speed, sign * room.f[1] / speed, speed


@inline
def jacobian(kernels, p, x, y, room):
    room.u[0], room.u[1] = x, y
    kernels.jacobian(room.u, p, room.J)
    return room.J[0, 0], room.J[0, 1], room.J[1, 0], room.J[1, 1]


@inline
def solve_shifted(a, b, c, d, shift, f, g):
    """(J - shift) x = (f, g)."""
    a, d = a - shift, d - shift
    determinant = a * d - b * c
    return (d * f - b * g) / determinant, (a * g - c * f) / determinant


@inline
def expansion(kernels, p, sx, sy, stable, room):
    """(l, v, w) of the stable or unstable manifold of a saddle: eigenvalue, unit eigenvector, half the bend.

    The larger component of v is positive. NaN where J has no eigenvalues of opposite signs.
    """
    a, b, c, d = jacobian(kernels, p, sx, sy, room)
    mean, half = 0.5 * (a + d), 0.5 * (a - d)
    large = mean + math.copysign(math.sqrt(half * half + b * c), mean)
    small = (a * d - b * c) / large  # by a difference it would lose its digits
    value = min(large, small) if stable else max(large, small)
    if not large * small < 0.0:
        value = math.nan
    vx, vy = b, value - a
    if math.hypot(value - d, c) > math.hypot(vx, vy):
        vx, vy = value - d, c
    size = math.copysign(math.hypot(vx, vy), vx if abs(vx) >= abs(vy) else vy)
    vx, vy = vx / size, vy / size
    for i in range(room.v.shape[0]):
        room.v[i] = 0.0
    room.v[0], room.v[1] = vx, vy
    room.u[0], room.u[1] = sx, sy
    kernels.second(room.u, p, room.v, room.H)
    bx, by = room.H[0, 0] * vx + room.H[0, 1] * vy, room.H[1, 0] * vx + room.H[1, 1] * vy
    wx, wy = solve_shifted(a, b, c, d, 2.0 * value, -0.5 * bx, -0.5 * by)
    return value, vx, vy, wx, wy


@inline
def missed(kernels, p, sx, sy, t, value, vx, vy, wx, wy, room):
    """Distance of P(t) from the manifold: the term of order 3 and more that the invariance equation still wants."""
    room.u[0], room.u[1] = sx + t * (vx + t * wx), sy + t * (vy + t * wy)
    kernels.field(room.u, p, room.f)
    f = value * t * (vx + 2.0 * t * wx) - room.f[0]
    g = value * t * (vy + 2.0 * t * wy) - room.f[1]
    a, b, c, d = jacobian(kernels, p, sx, sy, room)
    ex, ey = solve_shifted(a, b, c, d, 3.0 * value, f, g)
    return math.hypot(ex, ey)


@inline
def departure(kernels, p, sx, sy, side, farthest, value, vx, vy, wx, wy, room):
    """The parameter where the expansion is as good as START, or as rounding lets it be; NaN where it is not."""
    t, best, ratio = farthest * side, math.nan, 1e-3
    for _ in range(48):
        error = missed(kernels, p, sx, sy, t, value, vx, vy, wx, wy, room) / abs(t)
        if error < ratio and abs(t) * math.hypot(wx, wy) < 0.05:
            best, ratio = t, error
            if error < START:
                # an error that vanishes here by chance does not vanish at half the distance too
                if missed(kernels, p, sx, sy, 0.5 * t, value, vx, vy, wx, wy, room) < START * abs(0.5 * t):
                    break
        t *= 0.5
    return best


# ---- what is around ------------------------------------------------------------------------------


@inline
def nearest(equilibria, x, y):
    """(index, distance) of the nearest equilibrium; (-1, infinity) of none."""
    index, least = -1, np.inf
    for k in range(equilibria.shape[0]):
        distance = math.hypot(x - equilibria[k, 0], y - equilibria[k, 1])
        if distance < least:
            index, least = k, distance
    return index, least


@inline
def gap_of(equilibria, k, size):
    """Distance from an equilibrium to the next one, at most `size`."""
    least = size
    for i in range(equilibria.shape[0]):
        if i != k:
            least = min(least, math.hypot(equilibria[i, 0] - equilibria[k, 0], equilibria[i, 1] - equilibria[k, 1]))
    return least


@inline
def spacing_at(box, settings, x, y):
    """The largest distance of points: coarser outside the window."""
    outside = max(box[WINDOW_LOW, 0] - x, x - box[WINDOW_HIGH, 0], box[WINDOW_LOW, 1] - y, y - box[WINDOW_HIGH, 1])
    return max(settings[SPACING], COARSER * outside)


@inline
def settles(kernels, p, sign, x, y, ex, ey, room):
    """Whether the flow (backward: sign -1) from (x, y) can only end at the equilibrium (ex, ey), as in `arrival`.

    V = e'Pe with A'P + PA = -1 falls along the flow while 2 |P| |A(u) - A| < 1 on its level set through (x, y). The
    change of A over the disc that holds that set is taken from AROUND points of its edge, doubled: no proof.
    """
    a, b, c, d = jacobian(kernels, p, ex, ey, room)
    a, b, c, d = sign * a, sign * b, sign * c, sign * d
    trace_, determinant = a + d, a * d - b * c
    if not (trace_ < 0.0 and determinant > 0.0):
        return False
    scale = -0.5 / (trace_ * determinant)  # P = -(det + adj(A)' adj(A)) / (2 trace det)
    p11, p12, p22 = (
        scale * (determinant + d * d + c * c),
        -scale * (b * d + a * c),
        scale * (determinant + a * a + b * b),
    )
    size = math.sqrt(p11 * p11 + 2.0 * p12 * p12 + p22 * p22)
    reach = max(1.0, math.sqrt(2.0 * size * math.sqrt(a * a + b * b + c * c + d * d)))
    dx, dy, change = reach * (x - ex), reach * (y - ey), 0.0
    cosine, sine = math.cos(2.0 * math.pi / AROUND), math.sin(2.0 * math.pi / AROUND)
    for _ in range(AROUND):
        dx, dy = cosine * dx - sine * dy, sine * dx + cosine * dy
        e, f, g, h = jacobian(kernels, p, ex + dx, ey + dy, room)
        square = (sign * e - a) ** 2 + (sign * f - b) ** 2 + (sign * g - c) ** 2 + (sign * h - d) ** 2
        change = max(change, math.sqrt(square))
    return 4.0 * size * change < 1.0


@inline
def connects(kernels, p, sign, x, y, ex, ey, gap, room):
    """Whether the curve comes in along the manifold of the saddle (ex, ey), where its expansion is good enough."""
    forward = sign > 0.0
    value, vx, vy, wx, wy = expansion(kernels, p, ex, ey, forward, room)
    _, ox, oy, _, _ = expansion(kernels, p, ex, ey, not forward, room)
    determinant = vx * oy - vy * ox
    if not abs(determinant) > 0.0:
        return False
    dx, dy = x - ex, y - ey
    along, across = (dx * oy - dy * ox) / determinant, (vx * dy - vy * dx) / determinant
    bent = (vx * wy - vy * wx) / determinant
    tolerance = CONNECTED * gap
    if not missed(kernels, p, ex, ey, along, value, vx, vy, wx, wy, room) < 0.1 * tolerance:
        return False
    return abs(across - bent * along * along) < tolerance


@inline
def reached(kernels, p, sign, x, y, gx, gy, k, distance, size, spacing, equilibria, unstable, room):
    """Whether the curve at (x, y) ends at equilibrium k, the nearest one."""
    ex, ey, kind = equilibria[k, 0], equilibria[k, 1], unstable[k]
    if kind == 1:
        gap = gap_of(equilibria, k, size)
        inward = gx * (ex - x) + gy * (ey - y) > 0.0
        return inward and distance < 0.05 * gap and connects(kernels, p, sign, x, y, ex, ey, gap, room)
    if kind == UNKNOWN:
        return distance < 1e-6 * gap_of(equilibria, k, size)
    if kind != (0 if sign > 0.0 else 2) or distance > spacing:
        return False
    return settles(kernels, p, sign, x, y, ex, ey, room) or distance < 1e-9 * gap_of(equilibria, k, size)


# ---- the curve -----------------------------------------------------------------------------------


@inline
def quartic(g1, g3, g4, g5, g6, g7):
    """What the dense output has beyond the cubic Hermite interpolant."""
    return D_DOPRI[0] * g1 + D_DOPRI[2] * g3 + D_DOPRI[3] * g4 + D_DOPRI[4] * g5 + D_DOPRI[5] * g6 + D_DOPRI[6] * g7


@inline
def step(kernels, p, sign, x, y, g1, f1, h, room):
    """DOPRI5 along the unit field from (x, y), where it is (g1, f1): new point, its direction, dense output, error."""
    g2, f2, _ = direction(kernels, p, sign, x + h * 0.2 * g1, y + h * 0.2 * f1, room)
    g3, f3, _ = direction(
        kernels, p, sign, x + h * (3 / 40 * g1 + 9 / 40 * g2), y + h * (3 / 40 * f1 + 9 / 40 * f2), room
    )
    g4, f4, _ = direction(
        kernels,
        p,
        sign,
        x + h * (44 / 45 * g1 - 56 / 15 * g2 + 32 / 9 * g3),
        y + h * (44 / 45 * f1 - 56 / 15 * f2 + 32 / 9 * f3),
        room,
    )
    g5, f5, _ = direction(
        kernels,
        p,
        sign,
        x + h * (19372 / 6561 * g1 - 25360 / 2187 * g2 + 64448 / 6561 * g3 - 212 / 729 * g4),
        y + h * (19372 / 6561 * f1 - 25360 / 2187 * f2 + 64448 / 6561 * f3 - 212 / 729 * f4),
        room,
    )
    g6, f6, _ = direction(
        kernels,
        p,
        sign,
        x + h * (9017 / 3168 * g1 - 355 / 33 * g2 + 46732 / 5247 * g3 + 49 / 176 * g4 - 5103 / 18656 * g5),
        y + h * (9017 / 3168 * f1 - 355 / 33 * f2 + 46732 / 5247 * f3 + 49 / 176 * f4 - 5103 / 18656 * f5),
        room,
    )
    nx = x + h * (35 / 384 * g1 + 500 / 1113 * g3 + 125 / 192 * g4 - 2187 / 6784 * g5 + 11 / 84 * g6)
    ny = y + h * (35 / 384 * f1 + 500 / 1113 * f3 + 125 / 192 * f4 - 2187 / 6784 * f5 + 11 / 84 * f6)
    g7, f7, _ = direction(kernels, p, sign, nx, ny, room)
    ex = 71 / 57600 * g1 - 71 / 16695 * g3 + 71 / 1920 * g4 - 17253 / 339200 * g5 + 22 / 525 * g6 - 1 / 40 * g7
    ey = 71 / 57600 * f1 - 71 / 16695 * f3 + 71 / 1920 * f4 - 17253 / 339200 * f5 + 22 / 525 * f6 - 1 / 40 * f7
    qx, qy = quartic(g1, g3, g4, g5, g6, g7), quartic(f1, f3, f4, f5, f6, f7)
    return nx, ny, g7, f7, h * qx, h * qy, h * math.hypot(ex, ey)


@inline
def put_out(x, y, gx, gy, nx, ny, hx, hy, qx, qy, h, spacing, flatness, points, filled):
    """Points on the step from (x, y) to (nx, ny), the last one included; how many there are now."""
    turn = math.acos(max(-1.0, min(1.0, gx * hx + gy * hy)))
    parts = min(1000.0, math.ceil(max(h / spacing, math.sqrt(0.125 * h * turn / flatness), 1.0)))
    for part in range(1, int(parts) + 1):
        if filled == points.shape[0]:
            return filled + 1  # says that there was no room
        s = part / parts
        r = 1.0 - s
        a, b, c, d, e = r * r * (1.0 + 2.0 * s), s * s * (3.0 - 2.0 * s), h * s * r * r, -h * s * s * r, (s * r) ** 2
        points[filled, 0] = a * x + b * nx + c * gx + d * hx + e * qx
        points[filled, 1] = a * y + b * ny + c * gy + d * hy + e * qy
        filled += 1
    points[filled - 1, 0], points[filled - 1, 1] = nx, ny
    return filled


@kernel(types.UniTuple(I8, 4)(KERNELS, VECTOR, I8, I8, I8, MATRIX, INTS, MATRIX, VECTOR, MATRIX, ROOM))
def trace(kernels, p, saddle, stable, side, equilibria, unstable, box, settings, points, room):
    """One arm of a manifold of equilibria[saddle] into `points` (m, 2): (code, points filled, limit, steps tried).

    `stable` 1 or 0, `side` +1 or -1 along the eigenvector whose larger component is positive; equilibria (k, 2) with
    the number of unstable eigenvalues of each (k,), or UNKNOWN; box (4, 2). The first point is the saddle, the last one
    the equilibrium where there is one to name.
    """
    sx, sy = equilibria[saddle, 0], equilibria[saddle, 1]
    sign = -1.0 if stable else 1.0
    size = min(box[HIGH, 0] - box[LOW, 0], box[HIGH, 1] - box[LOW, 1])
    value, vx, vy, wx, wy = expansion(kernels, p, sx, sy, stable, room)
    flat = 2.0 * math.sqrt(settings[FLATNESS] / max(math.hypot(wx, wy), 1e-300))
    farthest = min(0.01 * gap_of(equilibria, saddle, size), settings[SPACING], flat)
    t = departure(kernels, p, sx, sy, side, farthest, value, vx, vy, wx, wy, room)
    points[0, 0], points[0, 1] = sx, sy
    if not math.isfinite(t):
        return NO_START, 1, -1, 0
    x, y = sx + t * (vx + t * wx), sy + t * (vy + t * wy)
    points[1, 0], points[1, 1] = x, y
    gx, gy, _ = direction(kernels, p, sign, x, y, room)
    filled, tried, length, h = 2, 0, abs(t), 0.25 * abs(t)
    k, distance = nearest(equilibria, x, y)
    while True:
        if tried >= settings[STEPS]:
            return TOO_MANY_STEPS, filled, -1, tried
        if length >= settings[LONGEST]:
            return LENGTH, filled, -1, tried
        h = min(h, 0.5 * distance, 0.1 * size)
        if not h > 1e-15 * (abs(x) + abs(y)):
            return SINGULAR, filled, -1, tried
        tried += 1
        nx, ny, hx, hy, qx, qy, error = step(kernels, p, sign, x, y, gx, gy, h, room)
        error /= settings[TOLERANCE] * min(distance, size)
        if not error <= 1.0:
            h *= max(0.2, 0.9 * error**-0.2) if error < np.inf else 0.2
            continue
        spacing = spacing_at(box, settings, nx, ny)
        flatness = settings[FLATNESS] * spacing / settings[SPACING]
        filled = put_out(x, y, gx, gy, nx, ny, hx, hy, qx, qy, h, spacing, flatness, points, filled)
        if filled > points.shape[0]:
            return FULL, filled - 1, -1, tried
        x, y, gx, gy = nx, ny, hx, hy
        length += h
        h *= min(5.0, 0.9 * max(error, 1e-10) ** -0.2)
        if not (box[LOW, 0] <= x <= box[HIGH, 0] and box[LOW, 1] <= y <= box[HIGH, 1]):
            return LEAVES, filled, -1, tried
        k, distance = nearest(equilibria, x, y)
        if reached(kernels, p, sign, x, y, gx, gy, k, distance, size, spacing, equilibria, unstable, room):
            if filled == points.shape[0]:
                return FULL, filled, -1, tried
            points[filled, 0], points[filled, 1] = equilibria[k, 0], equilibria[k, 1]
            return EQUILIBRIUM, filled + 1, k, tried


@kernel(types.UniTuple(I8, 4)(INTS, VECTOR, I8, I8, I8, MATRIX, INTS, MATRIX, VECTOR, MATRIX, ROOM))
def trace_at(K, p, saddle, stable, side, equilibria, unstable, box, settings, points, room):
    """`trace` for Python, which passes addresses."""
    return trace(kernels_at(K), p, saddle, stable, side, equilibria, unstable, box, settings, points, room)


@kernel(F8(INTS, VECTOR, VECTOR, I8, I8, F8, VECTOR, ROOM))
def start_at(K, p, saddle, stable, side, gap, out, room):
    """The start (2,) of an arm into `out`, for tests: returns its parameter along the eigenvector."""
    kernels = kernels_at(K)
    value, vx, vy, wx, wy = expansion(kernels, p, saddle[0], saddle[1], stable, room)
    t = departure(kernels, p, saddle[0], saddle[1], side, 0.01 * gap, value, vx, vy, wx, wy, room)
    out[0], out[1] = saddle[0] + t * (vx + t * wx), saddle[1] + t * (vy + t * wy)
    return t
