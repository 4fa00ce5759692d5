"""The four separatrices of every saddle in the plane, as finely resolved runs, and where each of them ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from bifur.dynamics import boundary
from bifur.dynamics.runs import Reason, Trajectory
from bifur.dynamics.trajectory import integrate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.systems.base import System

    Vector = NDArray[np.float64]

START = 1e-6  # distance of the first point from the saddle, in distances to the nearest other equilibrium
RTOL, ATOL = 1e-10, 1e-10  # the latter in the smallest distance between two equilibria
LONG, MAX_STEPS = 1e12, 40_000
PARTS = 8  # points put out between two steps
NEAR = 0.05  # of the distance to the nearest other equilibrium: where a saddle's linear flow is taken for its flow


@dataclass(frozen=True)
class Track:
    """A separatrix: `points` (m, 2) from the saddle outward, and where it ends.

    `saddle` and `limit` number the equilibria, `side` is the sign of the eigenvector `direction` (2,) that it leaves
    along. `end` is "equilibrium", "infinity" or "unknown"; `why` tells of the last. `exit` (2,) is where it leaves the
    boundary for the last time.
    """

    saddle: int
    stable: bool
    side: int
    direction: Vector
    points: Vector
    end: Literal["equilibrium", "infinity", "unknown"]
    limit: int | None
    why: str = ""
    exit: Vector | None = None


def eigenbasis(system: System, p: Vector, state: Vector) -> tuple[Vector, Vector]:
    """Eigenvalues (2,) by decreasing real part and unit eigenvectors as columns (2, 2), each with its larger component

    positive; of a complex pair the real and the imaginary part of the eigenvector.
    """
    J = system.jacobian(state, dict(zip(system.parameters, p.tolist(), strict=True)))
    values, vectors = np.linalg.eig(J)
    order = np.argsort(-values.real, kind="stable")
    values, vectors = values[order], vectors[:, order]
    if values[0].imag != 0.0:
        basis = np.stack([vectors[:, 0].real, vectors[:, 0].imag], axis=1)
        return values, basis / np.linalg.norm(basis)
    basis = vectors.real / np.linalg.norm(vectors.real, axis=0)
    largest = basis[np.abs(basis).argmax(axis=0), np.arange(len(basis))]
    return values, basis * np.sign(largest)


def room(equilibria: Sequence[Equilibrium], curve: boundary.Boundary) -> Vector:
    """Distance of each equilibrium to the nearest other one; of a single one half the smaller side of the box."""
    states = np.array([e.state for e in equilibria]).reshape(-1, 2)
    apart = np.linalg.norm(states[:, None] - states[None], axis=-1)
    np.fill_diagonal(apart, np.inf)
    return np.minimum(apart.min(axis=1, initial=np.inf), curve.half.min())


def tracks(system: System, p: Vector, equilibria: Sequence[Equilibrium], curve: boundary.Boundary) -> tuple[Track, ...]:
    """The four separatrices of every saddle: unstable, then stable ones, each on its positive and negative side."""
    around, found = room(equilibria, curve), []
    for saddle, equilibrium in enumerate(equilibria):
        if equilibrium.kind != "saddle":
            continue
        _, basis = eigenbasis(system, p, equilibrium.state)
        for stable in (False, True):
            for side in (1, -1):
                direction = side * basis[:, int(stable)]
                start = equilibrium.state + START * around[saddle] * direction
                points, run = follow(system, p, start, stable, float(around.min()))
                end, limit, why, leaves = _end(points, run, equilibria, around, curve, stable)
                found.append(Track(saddle, stable, side, direction, points, end, limit, why, leaves))
    return tuple(found)


def follow(system: System, p: Vector, start: Vector, backward: bool, scale: float) -> tuple[Vector, Trajectory]:
    """The orbit from a point, forward or backward, with PARTS points for each step; and the run itself."""
    values = dict(zip(system.parameters, p.tolist(), strict=True))
    options = {"rtol": RTOL, "atol": ATOL * min(scale, 1.0), "max_steps": MAX_STEPS}
    sign = -1.0 if backward else 1.0
    run = integrate(system, start, sign * LONG, values, **options)  # type: ignore[arg-type]
    t = np.abs(run.t)
    if len(t) < 2:
        return run.state, run
    between = t[:-1, None] + np.diff(t)[:, None] * np.arange(PARTS) / PARTS
    times = np.unique(between)  # without the last: beyond it the run may not go on
    fine = integrate(system, start, sign * float(t[-1]), values, times=times, **options)  # type: ignore[arg-type]
    return np.concatenate([fine.state, run.state[-1:]]), run


def _end(
    points: Vector,
    run: Trajectory,
    equilibria: Sequence[Equilibrium],
    around: Vector,
    curve: boundary.Boundary,
    stable: bool,
) -> tuple[Literal["equilibrium", "infinity", "unknown"], int | None, str, Vector | None]:
    """Where a separatrix ends: kind, equilibrium, why not, and the place where it leaves the boundary."""
    if run.limit is not None:
        distance = np.array([np.linalg.norm(run.limit - e.state) for e in equilibria])
        nearest = int(distance.argmin())
        if distance[nearest] <= 1e-6 * around[nearest]:
            return "equilibrium", nearest, "", None
        return "unknown", None, "it arrives at an equilibrium that is not among those found", None
    leaves = boundary.crossing(curve, points)
    one_way = curve.infinity == ("source" if stable else "sink")
    if leaves is not None and (one_way or run.reason is Reason.BLEW_UP):
        return "infinity", None, "", leaves
    return "unknown", None, f"it neither arrives at an equilibrium nor goes to infinity: {run.reason}", None


def gap(track: Track, saddle: Vector, basis: Vector, rates: Vector, radius: float, own: bool) -> float:
    """Distance between an unstable separatrix and the stable one of a saddle that it passes by, over `radius`.

    Inside `radius` the flow is taken for linear, y_u' = l_u y_u and y_s' = l_s y_s in the eigenbasis: an orbit that
    is at (y_u, y_s) has passed y_s = radius at |y_u| (|y_s| / radius)^(l_u / |l_s|), where the stable one has y_u = 0.
    Infinite where it does not come near; `own`: the track starts at this saddle, and only a return counts.
    """
    y = np.abs(np.linalg.solve(basis, (track.points - saddle).T))
    away = np.hypot(*y) > radius
    if own:
        if not away.any():
            return np.inf
        y, away = y[:, int(away.argmax()) :], away[int(away.argmax()) :]
    inside = ~away & (y[1] > 0.0)
    if not inside.any():
        return np.inf
    y = y[:, inside]
    with np.errstate(divide="ignore", under="ignore"):
        # by logarithms: both factors may underflow
        logs = np.log(y[0] / radius) + rates[0].real / abs(rates[1].real) * np.log(y[1] / radius)
    # where the linear flow fits best: as near as the orbit comes
    return float(np.exp(logs[np.hypot(*y).argmin()]))
