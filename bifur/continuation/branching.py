"""Branch points of a diagram: where they are, and what passes through each.

A branch point at which the determinant changes its sign is located by the branch loop. Where it only touches zero
(three tangents), or where more than one eigenvalue vanishes at once, the loop leaves a step to be looked at: here it is
decided by the Lyapunov-Schmidt reduction whether there is a branch point in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation import exact
from bifur.continuation.branch_points import BranchPoint, branch_tangents
from bifur.continuation.equilibria import equilibrium
from bifur.continuation.results import Branch, SpecialPoint
from bifur.continuation.tracer import Ends, Piece
from bifur.systems.base import System

if TYPE_CHECKING:
    from numpy.typing import NDArray

PAIR = 1e-6  # imaginary part, relative to the largest eigenvalue, of what counts as a complex pair
ON_BRANCH = 1e-9  # relative residual above which a point is no equilibrium
ROUNDING = 1e-13
NEAR_SINGULAR = 1e-9  # how well a state is known where more than one eigenvalue vanishes
FLAT = 1e-3  # a fold this near to a pitchfork, and with a coefficient this small, is the turn of the branch there
SAME = 1e-6  # of the size of a state, and of the span: two places this near are one branch point


def classified(
    system: System, p: NDArray[np.float64], free: str, piece: Piece, critical: Sequence[float] | None
) -> Piece:
    """The piece with its branch points classified, and those found that the loop left to be looked at.

    `critical` are the values of the parameter at which algebra knows of multiple equilibria.
    """
    width = float(np.ptp(piece.branch.parameter)) if len(piece.branch) else 0.0
    if not (piece.unexplained or piece.touching or any(point.kind == "BP" for point in piece.special)):
        return piece
    special = [_named(system, point, free, critical, width) if point.kind == "BP" else point for point in piece.special]
    explained: list[Ends] = []
    found: list[SpecialPoint] = []
    for ends in (*piece.unexplained, *piece.touching):
        point = _inside(system, p, free, ends, critical, width) or _several_pairs(system, p, free, ends)
        if point is not None:
            explained.append(ends)
            kind = point.kind
            if not any(_together(point, other, free, width) for other in (*special, *found) if other.kind == kind):
                found.append(point)
    points = [point for point in (*special, *found) if point.kind == "BP"]
    kept = [point for point in special if not any(_belongs(point, other, free, width) for other in points)]
    return replace(
        piece,
        special=tuple(_without_sets(in_order(piece.branch, [*kept, *found]), free, width)),
        unexplained=tuple(ends for ends in piece.unexplained if not any(ends is other for other in explained)),
    )


def _is_simple(point: SpecialPoint) -> bool:
    return point.corank == 1 and point.normal_form.get("type") in ("transcritical", "pitchfork")


def _without_sets(points: list[SpecialPoint], free: str, width: float) -> list[SpecialPoint]:
    """Of points in a row at one value of the parameter the first: there the branch runs in a set of equilibria."""

    def inside(point: SpecialPoint, before: SpecialPoint) -> bool:
        degenerate = all(p.kind == "BP" and not _is_simple(p) for p in (point, before))
        return degenerate and abs(point.parameters[free] - before.parameters[free]) <= SAME * width

    kept: list[SpecialPoint] = []
    for point in points:
        if not kept or not inside(point, kept[-1]):
            kept.append(point)
    return kept


def _belongs(point: SpecialPoint, other: SpecialPoint, free: str, width: float) -> bool:
    """Whether a point is but a trace of this branch point in the test functions."""
    if point.kind == "LP" and other.normal_form.get("type") != "transcritical":  # the branch turns at the branch point
        scale = max(1.0, abs(float(other.normal_form.get("cubic", 0.0))))
        if abs(float(point.normal_form.get("quadratic", 0.0))) <= FLAT * scale:
            return _together(point, other, free, width, FLAT)
    # where more than one eigenvalue vanishes at once, the pair whose sum vanishes there is no pair of its own
    return point.kind in ("HB", "NS", "LP") and not _is_simple(other) and _together(point, other, free, width)


def _named(
    system: System, point: SpecialPoint, free: str, critical: Sequence[float] | None, width: float
) -> SpecialPoint:
    """A located branch point with its tangents and normal form; it stays where Newton put it if it is a simple one."""
    found = branch_tangents(system, point.state, np.array(list(point.parameters.values())), free)
    if found.corank == 0:
        return point
    if found.form["type"] not in ("transcritical", "pitchfork"):
        sharp = _special(system, point.parameters, free, found, critical, width)
        return sharp if sharp.residual <= ON_BRANCH else point
    return replace(point, normal_form=dict(found.form), tangents=found.tangents)


def _special(
    system: System,
    parameters: Mapping[str, float],
    free: str,
    found: BranchPoint,
    critical: Sequence[float] | None,
    width: float,
) -> SpecialPoint:
    """A branch point that was found by the reduction, at the value of the parameter that algebra knows of there."""
    value = min(critical or (), key=lambda c: abs(c - found.point[-1]), default=math.inf)
    if abs(value - found.point[-1]) > SAME * width:
        value = float(found.point[-1])
    values = dict(parameters) | {free: float(value)}
    state = found.point[:-1].copy()
    p = np.array(list(values.values()))
    rounding = ROUNDING if found.corank == 1 else NEAR_SINGULAR
    zeroed = np.where(np.abs(state) <= rounding * max(1.0, np.abs(state).max()), 0.0, state)
    with np.errstate(all="ignore"):
        if np.all(np.abs(system.field(zeroed, values)) <= np.abs(system.field(state, values))):
            state = zeroed
    return SpecialPoint(
        kind="BP",
        parameters=values,
        state=state,
        residual=equilibrium(system, p, state).residual,
        normal_form=dict(found.form),
        system=system,
        tangents=found.tangents,
        corank=found.corank,
    )


def _inside(
    system: System,
    p: NDArray[np.float64],
    free: str,
    ends: Ends,
    critical: Sequence[float] | None,
    width: float,
) -> SpecialPoint | None:
    """The branch point inside a step, if there is one."""
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    a, b = ends
    known = next((c for c in critical or () if min(a[-1], b[-1]) <= c <= max(a[-1], b[-1]) and a[-1] != b[-1]), None)
    tau = 0.5 if known is None else float((known - a[-1]) / (b[-1] - a[-1]))
    z = (1 - tau) * a + tau * b
    values[free] = float(z[-1])
    found = branch_tangents(system, z[:-1], np.array(list(values.values())), free)
    away = np.abs(found.point - z) / np.append(np.maximum(1.0, np.abs(z[:-1])), max(width, 1e-300))
    if found.corank == 0 or away.max() > 1e-3 or (_is_flat(found) and not _in_set(system, values)):
        return None
    point = _special(system, values, free, found, critical, width)
    value = point.parameters[free]
    off = critical is not None and min((abs(value - c) for c in critical), default=math.inf) > SAME * max(width, 1e-300)
    # between two branches that nearly meet the reduction has its zero on neither of them
    return None if off or point.residual > ON_BRANCH else point


def _several_pairs(system: System, p: NDArray[np.float64], free: str, ends: Ends) -> SpecialPoint | None:
    """The Hopf point at which several pairs cross the imaginary axis at once, as identical cells have it."""
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    parts = []
    for z in ends:
        eigenvalues = np.linalg.eigvals(system.jacobian(z[:-1], values | {free: float(z[-1])}))
        upper = eigenvalues[eigenvalues.imag > PAIR * np.abs(eigenvalues).max()]
        parts.append(upper[np.argsort(np.abs(upper.real))])
    crossing = abs(int((parts[0].real > 0).sum()) - int((parts[1].real > 0).sum()))
    if crossing < 2:
        return None
    first, last = (float(part[:crossing].real.mean()) for part in parts)
    tau = first / (first - last) if first != last else 0.5
    z = (1 - tau) * ends[0] + tau * ends[1]
    values[free] = float(z[-1])
    omega = float(np.abs(parts[0][:crossing].imag).mean())
    why = f"{crossing} pairs of eigenvalues cross at once"
    return SpecialPoint(
        kind="HB",
        parameters=values,
        state=z[:-1].copy(),
        residual=equilibrium(system, np.array(list(values.values())), z[:-1].copy()).residual,
        normal_form={"omega": omega, "period": 2 * math.pi / omega, "why": why},
        system=system,
        corank=crossing,
    )


def _is_flat(found: BranchPoint) -> bool:
    """Whether the reduction sees no form at all: a set of equilibria, or a point too near to a pole to tell."""
    return found.corank == 1 and found.order == 0


def _in_set(system: System, values: Mapping[str, float]) -> bool:
    """Whether algebra allows a set of equilibria at these parameters."""
    derived = system.derived
    return derived.polynomial and not exact.guards_hold(derived, np.array(list(values.values())))


def _together(a: SpecialPoint, b: SpecialPoint, free: str, width: float, within: float = SAME) -> bool:
    near = np.abs(a.state - b.state) <= within * np.maximum(1.0, np.abs(b.state))
    return bool(near.all()) and abs(a.parameters[free] - b.parameters[free]) <= within * width


def in_order(branch: Branch, points: list[SpecialPoint]) -> list[SpecialPoint]:
    """In the order in which the branch passes them."""
    scale = np.append(np.maximum(1.0, np.abs(branch.state).max(axis=0)), max(float(np.ptp(branch.parameter)), 1e-300))
    z = np.column_stack([branch.state, branch.parameter]) / scale

    def place(point: SpecialPoint) -> int:
        at = np.append(point.state, point.parameters[branch.free]) / scale
        return int(np.abs(z - at).sum(axis=1).argmin())

    return sorted(points, key=place)
