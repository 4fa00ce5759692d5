"""Pseudo-arclength continuation in numpy, for curves H(z) = 0 of few points: m - 1 equations for m unknowns.

A step is taken along the tangent and corrected by Newton in the plane across it (Keller 1977). Some unknowns, such as
null vectors, are no part of the geometry: lengths and angles are those of the others, weighted. A step counts only
where it is as long as it was meant to be and agrees with the tangents at both ends; else it is halved.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.settings import Settings

    Vector = NDArray[np.float64]
    Matrix = NDArray[np.float64]

Code = Literal["bound", "closed", "step", "steps", "finite", "singular"]

RESIDUAL = 1e-11  # of the terms of an equation
LONGER, APART = 1.2, 0.05  # a step may be longer than meant by this factor, and off its tangents by this part
ON_BOUND = 1e-12


class Equations(NamedTuple):
    """What is followed.

    `evaluate(z)` gives H (m - 1,) and H_z (m - 1, m); `weight(z)` (m,) of the unknowns in lengths, zero where they do
    not count; `low`, `high` (m,) bounds; `renew(z)` z with another choice of the unknowns that do not count.
    """

    evaluate: Callable[[Vector], tuple[Vector, Matrix]]
    weight: Callable[[Vector], Vector]
    low: Vector
    high: Vector
    renew: Callable[[Vector], Vector]


@dataclass(frozen=True)
class Path:
    """Points (k, m) from the start on, why it ends, and the unknown that reached its bound (else -1)."""

    z: Matrix
    code: Code
    at_bound: int
    rejected: int


def correct(
    equations: Equations,
    z: Vector,
    row: Vector,
    target: float,
    max_newton: int = 10,
    contraction: float = math.inf,
) -> Vector | None:
    """Newton on H(z) = 0, row.z = target; None where it does not converge, or its steps do not shrink fast enough."""
    z, last = z.copy(), math.inf
    for _ in range(max_newton + 1):
        f, H = equations.evaluate(z)
        matrix = np.vstack([H, row])
        if not np.isfinite(matrix).all() or not np.isfinite(f).all():
            return None
        scale = np.abs(matrix).max(axis=1)
        if not scale.all():
            return None
        right = np.append(f, row @ z - target) / scale
        try:
            step = np.linalg.solve(matrix / scale[:, None], right)
        except np.linalg.LinAlgError:
            return None
        size = float(np.abs(step / np.maximum(1.0, np.abs(z))).max())
        if not math.isfinite(size) or (size > contraction * last and size > 1e-8):
            return None
        z = z - step
        if size < 1e-13 or (size < 1e-9 and size >= 0.5 * last):
            return z if holds(equations, z) else None
        last = size
    return z if last < 1e-9 and holds(equations, z) else None


def residual(equations: Equations, z: Vector) -> float:
    """The largest residual of an equation relative to the absolute terms of its linearisation."""
    f, H = equations.evaluate(z)
    terms = np.abs(H) @ np.maximum(np.abs(z), 1e-3)
    return float((np.abs(f) / np.maximum(terms, 1e-300)).max())


def holds(equations: Equations, z: Vector) -> bool:
    """Whether z lies on the curve up to rounding."""
    return residual(equations, z) < RESIDUAL


def tangent(equations: Equations, z: Vector, row: Vector | None = None) -> Vector | None:
    """The tangent of length one, on the side of `row`; None where it is not unique."""
    _, H = equations.evaluate(z)
    weight = equations.weight(z)
    if not np.isfinite(H).all():
        return None
    if row is None:
        scale = np.where(weight > 0, weight, 1.0)
        scaled = H / scale
        rows = np.abs(scaled).max(axis=1)
        if not rows.all():
            return None
        t = np.linalg.svd(scaled / rows[:, None])[2][-1] / scale
    else:
        matrix = np.vstack([H, row])
        size = np.abs(matrix).max(axis=1)
        if not size.all():
            return None
        right = np.zeros(len(z))
        right[-1] = 1.0 / size[-1]
        try:
            t = np.linalg.solve(matrix / size[:, None], right)
        except np.linalg.LinAlgError:
            return None
    length = float(np.linalg.norm(weight * t))
    return t / length if 0 < length < math.inf else None


def follow(equations: Equations, start: Vector, sense: float, settings: Settings) -> Path:
    """From a point on the curve to its end, forward or backward along the first tangent."""
    z, ds, rejected = start, settings.ds, 0
    t = tangent(equations, z)
    points = [z]
    if t is None:
        return Path(np.array(points), "singular", -1, 0)
    # the sign of a null vector is arbitrary: forward is where the last of the unknowns that move grows
    leading = np.flatnonzero(np.abs(equations.weight(z) * t) > 0.1 * np.abs(equations.weight(z) * t).max())[-1]
    t = sense * math.copysign(1.0, t[leading]) * t
    first = (z, t)
    place = _leaves(equations, z, t)
    if place >= 0:
        return Path(np.array(points), "bound", place, 0)
    while len(points) <= settings.max_steps:
        weight = equations.weight(z)
        row = weight**2 * t
        new = correct(equations, z + ds * t, row, float(row @ z) + ds, settings.max_newton, settings.contraction)
        turned = None if new is None else _step(equations, z, t, new, ds, settings)
        if new is None or turned is None:
            rejected += 1
            ds /= 2
            if ds < settings.ds_min:
                return Path(np.array(points), _why(equations, z + 2 * ds * t), -1, rejected)
            continue
        place = _beyond(equations, new)
        if place >= 0:
            landed = _land(equations, z, new, place)
            if landed is None:
                rejected += 1
                ds /= 2
                if ds < settings.ds_min:
                    return Path(np.array(points), "step", place, rejected)
                continue
            return Path(np.array([*points, landed]), "bound", place, rejected)
        if len(points) > 2 and _closes(equations, z, new, turned, first):
            return Path(np.array([*points, first[0]]), "closed", -1, rejected)
        angle = math.acos(min(1.0, float((weight * t) @ (weight * turned)) / float(np.linalg.norm(weight * turned))))
        points.append(new)
        z = equations.renew(new)
        renewed = tangent(equations, z, equations.weight(z) ** 2 * turned)
        if renewed is None:
            return Path(np.array(points), "singular", -1, rejected)
        t = renewed
        if angle < settings.turn / 2:
            ds = min(1.5 * ds, settings.ds_max)
    return Path(np.array(points), "steps", -1, rejected)


def _step(equations: Equations, z: Vector, t: Vector, new: Vector, ds: float, settings: Settings) -> Vector | None:
    """The tangent at the end of a step, or None where the step cannot be trusted."""
    weight = equations.weight(z)
    turned = tangent(equations, new, weight**2 * t)
    if turned is None:
        return None
    turned = turned / np.linalg.norm(weight * turned)
    way = weight * (new - z)
    length = float(np.linalg.norm(way))
    if not length <= LONGER * ds or float((weight * t) @ (weight * turned)) < math.cos(settings.turn):
        return None
    off = float(np.linalg.norm(way - length * weight * (t + turned) / np.linalg.norm(weight * (t + turned))))
    return turned if off <= APART * length else None


def _why(equations: Equations, z: Vector) -> Code:
    f, H = equations.evaluate(z)
    return "step" if np.isfinite(f).all() and np.isfinite(H).all() else "finite"


def _beyond(equations: Equations, z: Vector) -> int:
    """The unknown that is farthest outside its bounds, or -1."""
    with np.errstate(invalid="ignore"):
        out = np.maximum(equations.low - z, z - equations.high)
    return int(out.argmax()) if out.max() > 0 else -1


def _leaves(equations: Equations, z: Vector, t: Vector) -> int:
    """The unknown on its bound that the tangent takes outside, or -1."""
    for k in range(len(z)):
        near = ON_BOUND * max(1.0, abs(z[k]))
        if (z[k] >= equations.high[k] - near and t[k] > 0) or (z[k] <= equations.low[k] + near and t[k] < 0):
            return k
    return -1


def _land(equations: Equations, z: Vector, new: Vector, place: int) -> Vector | None:
    """The point of the step at which the unknown has the value of its bound."""
    bound = equations.high[place] if new[place] > equations.high[place] else equations.low[place]
    share = (bound - z[place]) / (new[place] - z[place])
    row = np.zeros(len(z))
    row[place] = 1.0
    landed = correct(equations, z + share * (new - z), row, float(bound))
    if landed is None:
        return None
    weight = equations.weight(z)
    off = np.linalg.norm(weight * (landed - z - share * (new - z)))
    if off > 0.2 * np.linalg.norm(weight * (new - z)):
        return None
    landed[place] = bound
    rest = _beyond(equations, landed)
    return landed if rest < 0 else None


def _closes(equations: Equations, z: Vector, new: Vector, t: Vector, first: tuple[Vector, Vector]) -> bool:
    """Whether the step from z to new passes through the start, in its direction."""
    start, along = first
    weight = equations.weight(start)
    way, back = weight * (new - z), weight * (start - z)
    length = float(np.linalg.norm(way))
    share = float(back @ way) / length**2
    if not 0.0 <= share <= 1.0 or np.linalg.norm(back - share * way) > 0.1 * length:
        return False
    return float((weight * along) @ (weight * t)) > 0.9
