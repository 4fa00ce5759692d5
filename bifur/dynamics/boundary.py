"""A closed curve around everything that a planar flow does, and what the flow does across it.

Where the field points inward all along a box or an ellipse, no orbit leaves what it encloses: seen from inside,
infinity is a source. Where it points outward, infinity is a sink. Signs on the curve are proved in ball arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Vector = NDArray[np.float64]

Infinity = Literal["source", "sink", "mixed"]
Shown = Literal["proved", "sampled", ""]

GROWTH, GROWTHS = 1.5, 30  # of a side, or of an ellipse, that does not hold yet
SAMPLES = 400  # points of the curve that are looked at before a proof is tried
DEEPEST = 14  # halvings of a quarter of the curve in the proof
RUNS = 96  # runs from the curve where no box or ellipse holds
LONG = 1e9  # their duration


@dataclass(frozen=True)
class Boundary:
    """A box or an ellipse with these half axes `half` (2,) around `centre` (2,), and infinity as seen from inside.

    `infinity` is "source" where no orbit leaves, "sink" where none enters, else "mixed". `shown` says how that is
    known: "proved" (the sign of the normal component of the field all along the curve, in ball arithmetic), "sampled"
    (runs from points of the curve all arrive at equilibria inside), or not at all.
    """

    shape: Literal["box", "ellipse"]
    centre: Vector
    half: Vector
    infinity: Infinity
    shown: Shown

    @property
    def low(self) -> Vector:
        """Lower left corner (2,) of the box around it."""
        return self.centre - self.half

    @property
    def high(self) -> Vector:
        """Upper right corner (2,) of the box around it."""
        return self.centre + self.half

    def level(self, points: Vector) -> Vector:
        """Of points (..., 2): below 1 inside, 1 on the curve."""
        scaled = np.abs((points - self.centre) / self.half)
        level: Vector = scaled.max(axis=-1) if self.shape == "box" else np.hypot(scaled[..., 0], scaled[..., 1])
        return level

    def angle(self, point: Vector) -> float:
        """Where a point of the curve lies on it: an angle that grows anticlockwise."""
        x, y = (point - self.centre) / self.half
        return float(np.arctan2(y, x))

    def points(self, count: int) -> tuple[Vector, Vector]:
        """Points (count, 2) of the curve, anticlockwise, and outward normals (not of length one)."""
        t = (np.arange(count) + 0.5) / count
        if self.shape == "ellipse":
            unit = np.stack([np.cos(2 * np.pi * t), np.sin(2 * np.pi * t)], axis=-1)
            return self.centre + self.half * unit, unit / self.half
        side, along = np.divmod(4 * t, 1.0)
        along = 2 * along - 1
        corner = np.select(
            [side[:, None] == k for k in range(4)],
            [
                np.stack([along, -np.ones(count)], axis=-1),
                np.stack([np.ones(count), along], axis=-1),
                np.stack([-along, np.ones(count)], axis=-1),
                np.stack([-np.ones(count), -along], axis=-1),
            ],
        )
        normals = np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])[side.astype(int)]
        return self.centre + self.half * corner, normals


def field_on(system: System, p: Vector, u: Vector) -> Vector:
    """The field (..., n) at points (..., n); not a number where it has no value."""
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    with np.errstate(all="ignore"):
        found: Vector = np.asarray(system.field(np.moveaxis(u, -1, 0), values), dtype=np.float64)
    return np.moveaxis(np.broadcast_to(found, u.shape[-1:] + u.shape[:-1]), 0, -1)


def enclosing(system: System, p: Vector, low: Vector, high: Vector) -> Boundary:
    """A curve around the box from `low` to `high`, across which the flow goes one way if one is found."""
    for sign, infinity in ((-1.0, "source"), (1.0, "sink")):
        for shape in ("box", "ellipse"):
            found = _grown(system, p, low, high, sign, shape)
            if found is not None:
                return Boundary(shape, *found, infinity, "proved")  # type: ignore[arg-type]
    wide = Boundary("box", (low + high) / 2, 1.5 * (high - low), "mixed", "")
    return _by_runs(system, p, wide)


def _grown(
    system: System, p: Vector, low: Vector, high: Vector, sign: float, shape: Literal["box", "ellipse"]
) -> tuple[Vector, Vector] | None:
    """Centre and half axes of a curve along which sign * f · normal > 0, grown where that fails."""
    centre, half = (low + high) / 2, (high - low) / 2
    sides = np.array([half, half])  # of a box: below and above the middle
    for _ in range(GROWTHS):
        if shape == "box":
            middle, reach = centre + (sides[1] - sides[0]) / 2, sides.mean(axis=0)
        else:
            middle, reach = centre, np.sqrt(2.0) * half
        curve = Boundary(shape, middle, reach, "mixed", "")
        points, normals = curve.points(SAMPLES)
        outward = sign * (field_on(system, p, points) * normals).sum(axis=-1)
        holds = outward > 0.0
        if holds.all() and proved(system, p, curve, sign):
            return middle, reach
        if shape == "ellipse":
            half = GROWTH * half
            continue
        failing = np.unique(np.flatnonzero(~holds) * 4 // SAMPLES) if not holds.all() else range(4)
        for side in failing:  # below, right, above, left
            sides[(0, 1, 1, 0)[side], (1, 0, 1, 0)[side]] *= GROWTH
    return None


def proved(system: System, p: Vector, curve: Boundary, sign: float) -> bool:
    """Whether sign * f · normal > 0 all along the curve, in ball arithmetic over pieces of it."""
    import flint

    from bifur.continuation import balls

    with balls.precision(64):
        at = balls.Field(system, p)
        arcs = [(k, 0, 0) for k in range(4)]  # quarter, number of the piece, depth
        while arcs:
            quarter, piece, depth = arcs.pop()
            along = (flint.arb(2 * piece + 1, 1)) / 2 ** (depth + 1)  # from 0 to 1 along the quarter
            u, normal = _arc(curve, quarter, along)
            f = at.field(u)
            outward = sign * (f[0, 0] * normal[0] + f[1, 0] * normal[1])
            if outward > 0:
                continue
            if depth == DEEPEST or outward < 0:  # a wide ball may also leave the domain of a function
                return False
            arcs += [(quarter, 2 * piece, depth + 1), (quarter, 2 * piece + 1, depth + 1)]
    return True


def _arc(curve: Boundary, quarter: int, along: object) -> tuple[list, list]:
    """A piece of a quarter of the curve as balls, with its outward normal."""
    import flint

    from bifur.continuation.balls import rational

    centre, half = ([flint.arb(rational(v)) for v in part] for part in (curve.centre, curve.half))
    if curve.shape == "ellipse":
        angle = (quarter + along) / 2  # type: ignore[operator]
        unit = [flint.arb.cos_pi(angle), flint.arb.sin_pi(angle)]
        return [c + h * w for c, h, w in zip(centre, half, unit, strict=True)], [
            w / h for h, w in zip(half, unit, strict=True)
        ]
    across, fixed = (0, 1) if quarter % 2 == 0 else (1, 0)  # the state that varies, the one that does not
    outward = -1 if quarter in (0, 3) else 1
    u = [flint.arb(0), flint.arb(0)]
    u[across] = centre[across] + half[across] * (2 * along - 1)  # type: ignore[operator]
    u[fixed] = centre[fixed] + outward * half[fixed]
    normal = [flint.arb(0), flint.arb(0)]
    normal[fixed] = flint.arb(outward)
    return u, normal


def _by_runs(system: System, p: Vector, curve: Boundary) -> Boundary:
    """What runs from points of the curve say about infinity."""
    from bifur.dynamics.batch import integrate_batch
    from bifur.dynamics.runs import Reason

    starts, _ = curve.points(RUNS)
    found: tuple[tuple[float, Infinity], ...] = ((LONG, "source"), (-LONG, "sink"))
    for duration, infinity in found:
        ends, reasons, _ = integrate_batch(system, starts, duration, p, max_steps=20_000)
        if all(reason is Reason.ARRIVED for reason in reasons) and (curve.level(ends) < 1.0).all():
            return Boundary(curve.shape, curve.centre, curve.half, infinity, "sampled")
    return curve


def crossing(curve: Boundary, path: Vector) -> Vector | None:
    """Where a path (m, 2) from inside leaves the curve for the last time; None where it ends inside."""
    level = curve.level(path)
    if not level[-1] >= 1.0:
        return None
    inside = np.flatnonzero(level < 1.0)
    k = int(inside[-1]) if inside.size else 0
    a, b = path[k], path[k + 1]
    for _ in range(60):  # the level along the chord is convex: one crossing
        middle = (a + b) / 2
        a, b = (middle, b) if curve.level(middle) < 1.0 else (a, middle)
    return b


def index_sum(kinds: Sequence[str], infinity: Infinity) -> Mapping[str, int] | None:
    """`found` and `expected` sums of Poincaré's indices in the plane; None where infinity does not tell."""
    if infinity == "mixed":
        return None
    return {"found": sum(-1 if kind == "saddle" else 1 for kind in kinds), "expected": 1}
