"""Limit cycles of planar systems: found where a run goes round and round, made sharp on a section."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.dynamics.tracks import follow, room

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium
    from bifur.dynamics.boundary import Boundary
    from bifur.dynamics.graph import ConnectionGraph
    from bifur.dynamics.tracks import Track
    from bifur.systems.base import System

    Vector = NDArray[np.float64]

RTOL, ATOL = 1e-11, 1e-13
TURNS = 60  # rounds that a run is followed to come near a cycle
NEWTONS = 20
LONG = 1e4  # times the first turn of the field: a round that takes longer is given up
CLOSED = 1e-10


@dataclass(frozen=True)
class Cycle:
    """A closed orbit: `points` (m, 2) around it, its `period`, and `multiplier` exp(∮ div f dt).

    It is stable where the multiplier is below 1. `closure` is the distance between its two ends.
    """

    points: Vector
    period: float
    multiplier: float
    closure: float

    @property
    def stable(self) -> bool:
        """Whether neighbouring orbits go to it."""
        return self.multiplier < 1.0


def cycle_near(system: System, p: Vector, start: Vector, backward: bool = False) -> Cycle | None:
    """The cycle that the orbit from `start` goes to (in backward time: comes from); None if none is found.

    The orbit is followed for some rounds, each through the section normal to the field where it began; Newton on the
    first return then gives the cycle, the slope being exp(∫ div f dt) (Andronov et al. 1973, Theory of bifurcations of
    dynamic systems on a plane, section 13).
    """
    flow = _Flow(system, p, -1.0 if backward else 1.0)
    point = start
    for turn in range(TURNS):
        back = flow.round(point)
        if back is None:
            return None
        moved, point = float(np.linalg.norm(back.end - point)), back.end
        if turn and moved <= 1e-4 * float(np.ptp(back.points, axis=0).max()):
            break
    return _sharpened(flow, point)


@dataclass(frozen=True)
class _Round:
    """From a point to the next crossing of its section: end, time, ∫ div f dt, and the points on the way."""

    end: Vector
    time: float
    growth: float
    points: Vector


def _sharpened(flow: _Flow, point: Vector) -> Cycle | None:
    for _ in range(NEWTONS):
        back = flow.round(point)
        if back is None:
            return None
        before, after = flow.field(point), flow.field(back.end)
        section = np.array([-before[1], before[0]]) / np.hypot(*before)
        off = float((back.end - point) @ section)
        if abs(off) <= CLOSED * float(np.ptp(back.points, axis=0).max()):
            return Cycle(back.points, back.time, math.exp(flow.sign * back.growth), abs(off))
        # the flow carries areas by exp(growth): |f| dx before is |f| dx exp(growth) after, across the section
        slope = math.exp(back.growth) * float(np.hypot(*before)) ** 2 / float(before @ after)
        if not math.isfinite(slope) or slope == 1.0:
            return None
        point = point + off / (1.0 - slope) * section
    return None


class _Flow:
    """u' = f, or -f, with the growth of areas; by DOP853 of scipy, whose events find the section."""

    def __init__(self, system: System, p: Vector, sign: float) -> None:
        self.system, self.values, self.sign = system, dict(zip(system.parameters, p.tolist(), strict=True)), sign

    def field(self, u: Vector) -> Vector:
        out: Vector = self.sign * np.asarray(self.system.field(u, self.values), dtype=np.float64)
        return out

    def _with_growth(self, _: float, y: Vector) -> Vector:
        J = self.system.jacobian(y[:2], self.values)
        return np.append(self.field(y[:2]), self.sign * (J[0, 0] + J[1, 1]))

    def round(self, point: Vector) -> _Round | None:
        """Once around; None where the orbit does not come back within LONG."""
        from scipy.integrate import solve_ivp

        normal = self.field(point)
        speed = float(np.hypot(*normal))
        if not 0.0 < speed < math.inf:
            return None

        def section(t: float, y: Vector) -> float:
            return float((y[:2] - point) @ normal) / speed if t > 0.0 else 1e-300  # it begins by leaving upward

        section.terminal, section.direction = True, 1.0  # type: ignore[attr-defined]
        turning = float(np.linalg.norm(self.system.jacobian(point, self.values))) or 1.0
        with np.errstate(all="ignore"):
            run: Any = solve_ivp(
                self._with_growth,
                (0.0, LONG / turning),
                np.append(point, 0.0),
                method="DOP853",
                rtol=RTOL,
                atol=ATOL,
                events=section,
                max_step=math.inf,
                dense_output=True,
            )
        if run.status != 1:
            return None
        time, end = float(run.t_events[0][-1]), run.y_events[0][-1]
        points = run.sol(np.linspace(0.0, time, 401))[:2].T
        return _Round(end[:2], time, float(end[2]), points)


def cycles_of(
    system: System,
    p: Vector,
    equilibria: Sequence[Equilibrium],
    runs: Sequence[Track],
    graph: ConnectionGraph,
    curve: Boundary,
    certain: bool,
) -> tuple[tuple[Cycle, ...], bool, str]:
    """The limit cycles met inside the boundary, whether there are certainly none, and why or why not.

    A cycle goes around an equilibrium (Poincaré) and crosses no orbit. So where the separatrices join all equilibria
    and infinity to one connected graph there is none: the graph would lie on both sides of it. Without saddles an orbit
    between infinity and the one equilibrium does the same.
    """
    if certain and graph.parts == 1:
        return (
            (),
            True,
            "no limit cycle: the separatrices join all equilibria and infinity, and a cycle would cross them",
        )
    starts = [(track.points[-1], track.stable) for track in runs if track.end == "unknown"]
    if len(equilibria) == 1 and curve.infinity != "mixed":
        backward = curve.infinity == "sink"
        start, _ = curve.points(8)
        points, run = follow(system, p, start[0], backward, float(room(equilibria, curve).min()))
        if certain and run.limit is not None and curve.level(points[-1]) < 1.0:
            return (
                (),
                True,
                "no limit cycle: an orbit joins infinity and the only equilibrium, and a cycle would cross it",
            )
        starts.append((points[-1], backward))
    starts += [(_beside(e, curve), e.kind == "sink") for e in equilibria if e.kind in ("sink", "source")]
    cycles: list[Cycle] = []
    for start_, backward in starts:
        if not np.isfinite(start_).all() or not curve.level(start_) < 2.0:
            continue
        found = cycle_near(system, p, start_, backward)
        if found is not None and not any(_same(found, known) for known in cycles):
            cycles.append(found)
    return tuple(cycles), False, "the separatrices do not join all equilibria and infinity"


def _beside(equilibrium: Equilibrium, curve: Boundary) -> Vector:
    place: Vector = equilibrium.state + 1e-3 * curve.half
    return place


def _same(a: Cycle, b: Cycle) -> bool:
    size = float(np.ptp(a.points, axis=0).max())
    apart = np.linalg.norm(b.points - a.points[0], axis=1).min()
    return abs(a.period - b.period) <= 1e-6 * a.period and bool(apart <= 0.05 * size)
