"""One-parameter diagrams: every branch over the span, connected or not.

How a diagram is made complete:
1. Elimination gives every critical value of the free parameter: folds, branch points, poles. Between two of them every
   branch is a smooth graph over the parameter (Collins 1975, cylindrical algebraic decomposition).
2. All equilibria are found at one value inside each interval, and at the ends of the span.
3. Each of them that no branch has landed on yet starts a branch, traced in both directions.
So an isola or a branch that no other meets is found without being asked for. Where there is no elimination, step 1 is
replaced by evenly spread values, and the verdict by "probable".
"""

from __future__ import annotations

import math
import reprlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, numbers, unknown
from bifur.continuation import dense, doubts, exact, large_search
from bifur.continuation.cover import Cover
from bifur.continuation.equilibria import equilibrium, find_equilibria, state_bounds
from bifur.continuation.large import LargeTracer
from bifur.continuation.results import Branch, Completeness, Diagram, Equilibrium, EquilibriumSet, SpecialPoint
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import Piece, Tracer
from bifur.kernels import engine, step
from bifur.systems import sparse
from bifur.systems.base import System, Values, get_system, merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

Event = Callable[[Any, Any], Any]
Start = Any  # a state, a list of states, a SpecialPoint or a Branch

SPREAD = 24  # sampled values where no elimination tells where to look
SPREAD_LARGE = 4  # and where many states make each of them cost seconds


def trace(
    system: System | str,
    parameters: Mapping[str, float] | None = None,
    *,
    free: str,
    span: tuple[float, float],
    start: Start = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    at: Mapping[str, Sequence[float]] | None = None,
    events: Sequence[Event] = (),
    settings: Settings | None = None,
    **more: float,
) -> Diagram:
    """The bifurcation diagram of the equilibria in one parameter.

    Parameters
    ----------
    system
        A system or the name of a bundled one.
    parameters, **more
        The other parameters; the system's defaults where not given.
    free, span
        The free parameter and its (low, high).
    start
        A state, a list of states (corrected at the value of the free parameter in `parameters`, else at the low end), a
        `SpecialPoint` or a `Branch` to go on from. None: all branches over the span.
    bounds
        (low, high) of states or of the free parameter; they override those of the system.
    at
        {free: values} to land on exactly: `Diagram.landed`.
    events
        Functions of (u, p) in plain arithmetic whose zeros are located.
    settings
        Step control.

    Raises
    ------
    ValueError
        Names the argument, what was found, and what is accepted.
    """
    began = time.perf_counter()
    system = get_system(system)
    settings = settings or Settings()
    span = _span(system, free, span, bounds)
    given = merged(parameters, more)
    value = given.pop(free, None)
    p = system.values(given)
    landing = _landing(system, free, span, at)
    low, high = state_bounds(system, bounds)
    settings.is_log(span)
    problem = _Problem(system, p, free, span, (low, high), bounds, settings, landing)
    if start is None:
        pieces, completeness, notes = _complete(problem)
    else:
        pieces, completeness, notes = _from_start(problem, start, value)
    special = [
        replace(point, branch=i)
        for i, piece in enumerate(pieces)
        for point in (*piece.special, *problem.located(piece, events))
    ]
    notes += [note for i, piece in enumerate(pieces) for note in doubts.ends(i, piece)]
    return Diagram(
        system=system,
        free=free,
        span=span,
        parameters={name: float(x) for name, x in zip(system.parameters, p, strict=True) if name != free},
        branches=tuple(piece.branch for piece in pieces),
        special_points=tuple(special),
        completeness=completeness,
        landed=tuple(problem.landings(pieces, start is None and system.derived.polynomial)),
        notes=tuple(notes),
        stats={
            "points": sum(len(piece.branch) for piece in pieces),
            "rejected": sum(piece.rejected for piece in pieces),
            "newton": sum(piece.newton for piece in pieces),
            "seconds": time.perf_counter() - began,
        },
    )


def _span(
    system: System, free: str, span: tuple[float, float], bounds: Mapping[str, tuple[float, float]] | None
) -> tuple[float, float]:
    if free not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', free, system.parameters)}")
    try:
        low, high = (float(value) for value in span)
    except (TypeError, ValueError):
        raise ValueError(f"`span` must be two numbers (low, high), not {span!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`span` must be finite with low < high, not ({low:g}, {high:g})")
    least, most = (bounds or {}).get(free, system.bounds.get(free, (-math.inf, math.inf)))
    if low < least or high > most:
        raise ValueError(f"`span` ({low:g}, {high:g}) leaves the bounds [{least:g}, {most:g}] of {free}")
    return low, high


def _landing(
    system: System, free: str, span: tuple[float, float], at: Mapping[str, Sequence[float]] | None
) -> NDArray[np.float64]:
    for name in at or {}:
        if name != free:
            raise ValueError(f"`at` takes values of the free parameter {free}, not of {name!r}")
    values = np.unique(np.array((at or {}).get(free, ()), float))
    if not np.all((values >= span[0]) & (values <= span[1])):
        raise ValueError(f"`at` must lie in the span [{span[0]:g}, {span[1]:g}]")
    return values


@dataclass(frozen=True)
class _Problem:
    """The arguments of one call, checked."""

    system: System
    p: NDArray[np.float64]
    free: str
    span: tuple[float, float]
    box: tuple[NDArray[np.float64], NDArray[np.float64]]
    bounds: Mapping[str, tuple[float, float]] | None
    settings: Settings
    landing: NDArray[np.float64]

    @property
    def index(self) -> int:
        return list(self.system.parameters).index(self.free)

    def tracer(self, grid: NDArray[np.float64]) -> Tracer | LargeTracer:
        kind = LargeTracer if sparse.is_large(self.system) else Tracer
        return kind(self.system, self.p, self.free, self.span, self.box, grid, self.settings)

    def at(self, value: float) -> NDArray[np.float64]:
        p = self.p.copy()
        p[self.index] = value
        return p

    def equilibria(self, value: float) -> EquilibriumSet:
        return find_equilibria(
            _unbounded(self.system),
            dict(zip(self.system.parameters, self.at(value), strict=True)),
            bounds=self._state_bounds(),
        )

    def _state_bounds(self) -> dict[str, tuple[float, float]]:
        return {name: (float(a), float(b)) for name, a, b in zip(self.system.states, *self.box, strict=True)}

    def landings(self, pieces: Sequence[Piece], complete: bool) -> list[tuple[float, Equilibrium]]:
        """The equilibria at the values asked for: all of them, or those on the branches where nothing says all."""
        if not len(self.landing):
            return []
        if complete:
            return [(float(value), e) for value in self.landing for e in self.equilibria(value)]
        tracer = self.tracer(self.landing)
        found = []
        for piece in pieces:
            again = tracer.both(piece.branch.state[0], float(piece.branch.parameter[0]), _row(piece.branch))
            for k, state in again.landed if again else ():
                value = float(self.landing[k])
                found.append((value, equilibrium(self.system, self.at(value), state)))
        return found

    def located(self, piece: Piece, events: Sequence[Event]) -> list[SpecialPoint]:
        """Zeros of the users' functions along a branch, by bisection between accepted points."""
        found = []
        for number, event in enumerate(events):
            b = piece.branch
            values = dict(zip(self.system.parameters, self.p, strict=True)) | {self.free: b.parameter}
            along = np.broadcast_to(np.asarray(event(tuple(b.state.T), Values(values)), float), b.parameter.shape)
            for i in np.flatnonzero(along[:-1] * along[1:] < 0):
                found.append(self._bisect(piece, int(i), event, number, float(along[i])))
        return found

    def _bisect(self, piece: Piece, i: int, event: Event, number: int, first: float) -> SpecialPoint:
        b, system = piece.branch, self.system
        ends = [np.append(b.state[k], b.parameter[k]) for k in (i, i + 1)]
        row = ends[1] - ends[0]
        lo, hi, z = 0.0, 1.0, ends[0]
        for _ in range(52):
            middle = 0.5 * (lo + hi)
            z = self._corrected(ends[0] + middle * row, row)
            p = self.at(z[-1])
            value = float(event(tuple(z[:-1]), Values(dict(zip(system.parameters, p, strict=True)))))
            lo, hi = (middle, hi) if value * first > 0 else (lo, middle)
        return SpecialPoint(
            kind="event",
            parameters=dict(zip(system.parameters, self.at(z[-1]).tolist(), strict=True)),
            state=z[:-1].copy(),
            residual=equilibrium(system, self.at(z[-1]), z[:-1]).residual,
            normal_form={"event": float(number), "value": value},
            system=system,
        )

    def _corrected(self, z: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64]:
        """The equilibrium near z = (u, parameter) in the plane through z with this normal."""
        target, weight = float(row @ z), np.ones(len(z))
        if sparse.is_large(self.system):
            at = dense.Slice(sparse.functions(self.system), self.p, self.index, log=False)
            return at.correct(z, row, target, weight, 0.9, 20).z
        work = step.make_work(self.system.dimension, len(self.p))
        work.p[:] = self.p
        free, logs = np.array([self.index], np.int64), np.zeros(1, np.int64)
        kernels = self.system.derived.kernels()
        engine.correct(engine.solvers, step.EQUILIBRIUM, kernels, z, row, target, weight, free, logs, 0.9, 20, work)
        return z

    def newton(self, state: NDArray[np.float64], value: float) -> NDArray[np.float64] | None:
        """The equilibrium that Newton finds from a state, None where it finds none."""
        if sparse.is_large(self.system):
            return large_search.newton(self.system, state, self.at(value))
        work = step.make_work(self.system.dimension, len(self.p))
        work.p[:] = self.at(value)
        u = state.copy()
        code, _ = step.newton(self.system.derived.kernels(), u, work, 50)
        return u if code == step.CONVERGED else None


def _unbounded(system: System) -> System:
    """Bounds of parameters were checked against the span already, and `bounds` may have widened them."""
    if not any(name in system.parameters for name in system.bounds):
        return system
    copy = object.__new__(System)
    copy.__dict__.update(system.__dict__)
    copy.bounds = {name: pair for name, pair in system.bounds.items() if name not in system.parameters}
    copy._derived = system.derived
    return copy


def _row(branch: Branch) -> NDArray[np.float64]:
    return branch.tangent[0].copy()


# ---- all branches ---------------------------------------------------------------------------


def _complete(problem: _Problem) -> tuple[list[Piece], Completeness, list[str]]:
    critical = None
    if problem.system.derived.polynomial:
        critical = exact.critical_values(problem.system.derived, problem.p, problem.index, problem.span, *problem.box)
    values = _samples(problem, critical)
    sets = [problem.equilibria(value) for value in values]
    cover = Cover(values, sets)
    tracer = problem.tracer(values)
    notes: list[str] = []
    # inner values first: at the ends of the span an equilibrium may be degenerate
    for k in sorted(range(len(values)), key=lambda k: (k in (0, len(values) - 1), k)):
        for j, found in enumerate(sets[k]):
            if not cover.needs(k, j):
                continue
            piece = tracer.both(found.state, float(values[k]))
            if piece is None:
                notes.append(f"no branch could be started at {problem.free} = {values[k]:.6g}, state {found.state}")
            else:
                cover.add(piece, k)
    cut_short = any(doubts.cut_short(piece.branch, problem.span, end) for piece in cover.pieces for end in (0, -1))
    against = doubts.contradictions(problem.free, problem.span, cover.pieces, values, sets, critical)
    losses = doubts.losses(cover.pieces)
    complete = critical is not None and not notes and not cut_short and all(_counted(found) for found in sets[1:-1])
    complete = complete and not against and not losses
    notes += against + losses
    passed = cover.passed()
    missed = [k for k in range(1, len(values) - 1) if passed[k] != len(sets[k])]
    for k in missed:
        notes.append(
            f"at {problem.free} = {values[k]:.6g} the branches pass {passed[k]} times where {len(sets[k])} equilibria "
            "were found: a branch is missing or was traced twice; try a smaller `ds_max`"
        )
    if complete and not missed:
        return cover.pieces, "proved", notes
    if critical is None:
        notes.append(
            "no elimination for this system: branches are those through equilibria found at evenly spread values"
        )
    verdict: Completeness = "probable" if all(found.completeness != "unknown" for found in sets[1:-1]) else "unknown"
    return cover.pieces, "unknown" if missed or cut_short or against else verdict, notes


def _counted(found: EquilibriumSet) -> bool:
    return found.completeness == "proved" or found.reason.startswith("the number is proved")


def _samples(problem: _Problem, critical: list[float] | None) -> NDArray[np.float64]:
    """The ends of the span, and one value between each two critical ones."""
    log = problem.settings.is_log(problem.span)
    forward, back = (math.log, math.exp) if log else (float, float)
    low, high = (forward(end) for end in problem.span)
    if critical is None:
        spread = SPREAD_LARGE if sparse.is_large(problem.system) else SPREAD
        inner = np.linspace(low, high, spread + 2)[1:-1].tolist()
    else:
        edges = [low, *(forward(value) for value in critical), high]
        inner = [0.5 * (a + b) for a, b in pairwise(edges)]
    values = [problem.span[0], *(back(value) for value in inner), problem.span[1]]
    return np.unique(np.array(values))


# ---- from a start ---------------------------------------------------------------------------


def _from_start(problem: _Problem, start: Start, value: float | None) -> tuple[list[Piece], Completeness, list[str]]:
    tracer = problem.tracer(np.empty(0))
    note = ["only the branches through the given start were traced"]
    if isinstance(start, SpecialPoint):
        row = None
        if start.null_vector is not None:
            row = np.append(start.null_vector, 0.0)
        return _pieces(problem, tracer, [(start.state, start.parameters[problem.free], row)]), "unknown", note
    if isinstance(start, Branch):
        row = start.tangent[-1].copy()
        return _pieces(problem, tracer, [(start.state[-1], float(start.parameter[-1]), row)]), "unknown", note
    try:
        states = np.atleast_2d(np.asarray(start, float))
    except (TypeError, ValueError):
        states = np.empty((0, 0))
    if states.ndim != 2 or states.shape[1] != problem.system.dimension or not np.isfinite(states).all():
        raise ValueError(
            f"`start` must be finite states ({listed(problem.system.states)}), a SpecialPoint or a Branch, "
            f"not {reprlib.repr(start)}"
        )
    first = problem.span[0] if value is None else problem.system.check_parameter(problem.free, value)
    if not problem.span[0] <= first <= problem.span[1]:
        raise ValueError(f"`start` is at {problem.free} = {first:g}, outside `span` {problem.span}")
    starts = []
    for state in states:
        u = problem.newton(state, first)
        if u is None and np.any(problem.system.field(state, _named(problem, first)) != 0):
            raise ValueError(
                f"`start` ({numbers(state)}): Newton finds no equilibrium near it at {problem.free} = {first:g}"
            )
        starts.append((state.copy() if u is None else u, first, None))
    return _pieces(problem, tracer, starts), "unknown", note


def _named(problem: _Problem, value: float) -> dict[str, float]:
    return dict(zip(problem.system.parameters, problem.at(value).tolist(), strict=True))


def _pieces(
    problem: _Problem,
    tracer: Tracer | LargeTracer,
    starts: Sequence[tuple[NDArray[np.float64], float, NDArray[np.float64] | None]],
) -> list[Piece]:
    found = [tracer.both(state, value, row) for state, value, row in starts]
    if any(piece is None for piece in found):
        raise ValueError("`start` has no unique tangent: it is a branch point; start from a point beside it")
    return [piece for piece in found if piece is not None]
