"""One diagram's arguments, checked: the slice of a system along one parameter."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import unknown
from bifur.continuation import branching, dense, large_search
from bifur.continuation.equilibria import equilibrium, find_equilibria
from bifur.continuation.large import LargeTracer
from bifur.continuation.results import Equilibrium, EquilibriumSet, SpecialPoint
from bifur.continuation.settings import Settings
from bifur.continuation.tracer import Piece, Tracer
from bifur.kernels import arrays, engine, step
from bifur.systems import sparse
from bifur.systems.base import System, Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

Event = Callable[[Any, Any], Any]
Box = tuple["NDArray[np.float64]", "NDArray[np.float64]"]


@dataclass(frozen=True)
class Problem:
    """The arguments of one call, checked."""

    system: System
    p: NDArray[np.float64]
    free: str
    span: tuple[float, float]
    box: Box
    bounds: Mapping[str, tuple[float, float]] | None
    settings: Settings
    landing: NDArray[np.float64]

    @property
    def index(self) -> int:
        return list(self.system.parameters).index(self.free)

    def tracer(self, grid: NDArray[np.float64], largest: float = 0.0) -> Tracer | LargeTracer:
        """What traces branches that land on the values of `grid`, and hold states of size `largest`."""
        if sparse.is_large(self.system):
            return LargeTracer(*self.slice, grid, self.settings)
        return Tracer(*self.slice, grid, self.settings, largest)

    @property
    def slice(self) -> tuple[System, NDArray[np.float64], str, tuple[float, float], Box]:
        """What tracers take first: the system, all parameters, the free one, its span, the bounds of the states."""
        return self.system, self.p, self.free, self.span, self.box

    def classified(self, piece: Piece, critical: Sequence[float] | None) -> Piece:
        """The piece with its branch points classified; `critical` values are known by algebra."""
        critical = None if critical is None else (*critical, *self.span)
        with dense.one_thread() if sparse.is_large(self.system) else nullcontext():
            return branching.classified(self.system, self.p, self.free, piece, critical)

    def at(self, value: float) -> NDArray[np.float64]:
        """All parameters, the free one at this value."""
        p = self.p.copy()
        p[self.index] = value
        return p

    def named(self, value: float) -> dict[str, float]:
        """As `at`, by name."""
        return dict(zip(self.system.parameters, self.at(value).tolist(), strict=True))

    def equilibria(self, value: float) -> EquilibriumSet:
        """All equilibria at this value of the free parameter."""
        return find_equilibria(
            _unbounded(self.system),
            self.named(value),
            bounds=self._state_bounds(),
        )

    def _state_bounds(self) -> dict[str, tuple[float, float]]:
        return {name: (float(a), float(b)) for name, a, b in zip(self.system.states, *self.box, strict=True)}

    def holds(self, state: NDArray[np.float64]) -> bool:
        """Whether a state lies inside the bounds."""
        return bool(np.all((state >= self.box[0]) & (state <= self.box[1])))

    def landings(self, pieces: Sequence[Piece], complete: bool) -> list[tuple[float, Equilibrium]]:
        """The equilibria at the values asked for: all of them, or those on the branches where nothing says all."""
        if not len(self.landing):
            return []
        if complete:
            return [(float(value), e) for value in self.landing for e in self.equilibria(value)]
        tracer = self.tracer(self.landing)
        found = []
        for piece in pieces:
            again = tracer.both(piece.branch.state[0], float(piece.branch.parameter[0]), piece.branch.tangent[0].copy())
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
            corrected = self.corrected(ends[0] + middle * row, row)
            if corrected is None:
                break  # what was reached so far carries its value
            z = corrected
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

    def corrected(self, z: NDArray[np.float64], row: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """The equilibrium near z = (u, parameter) in the plane through z with this normal, None where there is none."""
        target, weight = float(row @ z), np.ones(len(z))
        if sparse.is_large(self.system):
            at = dense.Slice(sparse.functions(self.system), self.p, self.index, log=False)
            found = at.correct(z, row, target, weight, 0.9, 20)
            return found.z if found.code == dense.CONVERGED else None
        work = step.make_work(self.system.dimension, len(self.p))
        work.p[:] = self.p
        history = np.empty(arrays.MAX_HISTORY)
        addresses = self.system.derived.addresses
        code, _ = engine.settle(engine.PARTS, addresses, z, row, target, weight, self.index, 0, 0.9, 20, history, work)
        return z if code == step.CONVERGED else None

    def newton(self, state: NDArray[np.float64], value: float) -> NDArray[np.float64] | None:
        """The equilibrium that Newton finds from a state, None where it finds none."""
        if sparse.is_large(self.system):
            return large_search.newton(self.system, state, self.at(value))
        work = step.make_work(self.system.dimension, len(self.p))
        work.p[:] = self.at(value)
        u = state.copy()
        code, _ = engine.newton(self.system.derived.addresses, u, work, 50)
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


def checked_span(
    system: System, free: str, span: tuple[float, float], bounds: Mapping[str, tuple[float, float]] | None
) -> tuple[float, float]:
    """(low, high) as floats inside the bounds of the parameter, else a ValueError."""
    if free not in system.parameters:
        raise ValueError(f"`free`: {unknown('parameter', free, system.parameters)}")
    try:
        low, high = (float(value) for value in span)
    except (TypeError, ValueError):
        raise ValueError(f"`span` must be two numbers (low, high), not {span!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`span` must be finite with low < high, not ({low:g}, {high:g})")
    if not isinstance(bounds, Mapping | None):
        raise ValueError(f"`bounds` must be names with (low, high), as in {{'x': (0, 1)}}, not {bounds!r}")
    least, most = (bounds or {}).get(free, system.bounds.get(free, (-math.inf, math.inf)))
    if low < least or high > most:
        raise ValueError(f"`span` ({low:g}, {high:g}) leaves the bounds [{least:g}, {most:g}] of {free}")
    return low, high


def checked_events(system: System, events: Sequence[Event]) -> None:
    """Whether events are functions of (u, p) that can be called; else a ValueError."""
    if isinstance(events, str) or not isinstance(events, Sequence) or not all(callable(event) for event in events):
        raise ValueError(
            f"`events` must be a list of functions of (u, p), as in [lambda u, p: u[0] - 1], not {events!r}"
        )
    for number, event in enumerate(events):
        try:
            with np.errstate(all="ignore"):
                float(event(tuple(np.ones(system.dimension)), Values(dict(system.parameters))))
        except Exception as error:
            raise ValueError(
                f"`events`: number {number} fails as a function of (u, p) that returns a number: {error}"
            ) from error


def checked_landing(
    system: System, free: str, span: tuple[float, float], at: Mapping[str, Sequence[float]] | None
) -> NDArray[np.float64]:
    """The values to land on, increasing, else a ValueError."""
    for name in at or {}:
        if name != free:
            raise ValueError(f"`at` takes values of the free parameter {free}, not of {name!r}")
    values = np.unique(np.array((at or {}).get(free, ()), float))
    if not np.all((values >= span[0]) & (values <= span[1])):
        raise ValueError(f"`at` must lie in the span [{span[0]:g}, {span[1]:g}]")
    return values
