"""Labels of starts, by integration: what all ways to find basins share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bifur.continuation.equilibria import equilibrium
from bifur.dynamics import batch
from bifur.dynamics.divisors import divisors
from bifur.dynamics.runs import Reason
from bifur.dynamics.traps import Trap, Walls, find_trap, find_walls, no_walls, run
from bifur.kernels import arrival, flow, trap
from bifur.systems import sparse

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.continuation.results import Equilibrium, EquilibriumSet
    from bifur.systems import System

UNDECIDED, ESCAPES = -1, -2
LONG = 100.0  # durations in units of the slowest rate
SAME = 1e-6  # two sinks are one within this, relative to their size

_WHY = {
    flow.END: "no sink is reached within the duration; a cycle, a saddle or a set of equilibria holds them",
    flow.TOO_MANY_STEPS: "`max_steps` steps reach no sink; a cycle holds them, or `max_steps` is too small",
    flow.STEP_TOO_SMALL: "the field is singular or discontinuous where they come to",
    flow.NOT_FINITE: "they come to a pole or leave the domain of the field",
}


@dataclass(frozen=True)
class Counts:
    """How the labels of a window came to be.

    `components` of the cut window; `confirmed` of them by trajectories that agree, `probes` trajectories in all;
    `refined` components integrated node by node; `integrated` nodes, probes included.
    """

    components: int = 0
    confirmed: int = 0
    probes: int = 0
    refined: int = 0
    integrated: int = 0


@dataclass
class Deciding:
    """Labels of states by integration at one parameter point, and a record of what was done and doubted."""

    system: System
    p: NDArray[np.float64]
    equilibria: EquilibriumSet
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]]
    duration: float
    tolerances: tuple[float, float]
    max_steps: int
    attractors: list[Equilibrium]
    traps: list[Trap | None]
    walls: Walls
    counts: Counts = field(default_factory=Counts)
    notes: list[str] = field(default_factory=list)
    undecided: dict[str, int] = field(default_factory=dict)

    @classmethod
    def make(
        cls,
        system: System,
        p: NDArray[np.float64],
        equilibria: EquilibriumSet,
        bounds: tuple[NDArray[np.float64], NDArray[np.float64]],
        duration: float | None,
        tolerances: tuple[float, float],
        max_steps: int,
    ) -> Deciding:
        """With the sinks as attractors, a trap around each, and a duration by the slowest rate."""
        _check(duration, tolerances, max_steps)
        walls = Walls(*no_walls(system.dimension)) if sparse.is_large(system) else find_walls(system, p, bounds)
        sinks = [e for e in equilibria if e.kind == "sink"]
        traps: list[Trap | None]
        traps = (
            [None] * len(sinks)
            if sparse.is_large(system)
            else [find_trap(system, p, e, equilibria, bounds) for e in sinks]
        )
        rates = np.abs(np.concatenate([e.eigenvalues.real for e in equilibria])) if len(equilibria) else np.empty(0)
        rates = rates[rates > 0]
        span = float(duration) if duration is not None else LONG / float(rates.min(initial=1.0))
        return cls(system, p, equilibria, bounds, span, tolerances, max_steps, sinks, traps, walls)

    def note(self, words: str) -> None:
        """Say something once."""
        if words not in self.notes:
            self.notes.append(words)

    def count(self, **more: int) -> None:
        """Add to the counts."""
        self.counts = replace(self.counts, **{k: getattr(self.counts, k) + value for k, value in more.items()})

    def labels(self, states: NDArray[np.float64]) -> NDArray[np.int64]:
        """Labels (b,) of starts (b, n)."""
        self.count(integrated=len(states))
        if not len(states):
            return np.empty(0, np.int64)
        if self.watched:
            return self._watched(states)
        ends = run(
            self.system,
            self.p,
            states,
            self.duration,
            self.traps,
            self.bounds,
            self.walls,
            self.tolerances,
            self.max_steps,
        )
        outside = ~self.within(states)
        ends.codes[outside], ends.limits[outside] = trap.OUTSIDE, -1
        return self._named(ends.codes, ends.limits, ends.states)

    @property
    def watched(self) -> bool:
        """Whether runs are those of `integrate_batch`: of many states, or of a field that divides by its states."""
        return sparse.is_large(self.system) or len(divisors(self.system)) > 0

    def _watched(self, states: NDArray[np.float64]) -> NDArray[np.int64]:
        limits = np.where(np.isfinite(self.walls.at), np.array([[-np.inf], [np.inf]]), np.array(self.bounds))
        found = np.full(len(states), ESCAPES)
        inside = self.within(states)
        starts = np.ascontiguousarray(states[inside])
        options = np.array([*self.tolerances, self.max_steps, arrival.WHEN_CERTAIN], np.float64)
        rows = np.tile(self.p, (len(starts), 1))
        spans = np.full(len(starts), self.duration)
        ends = batch.run(self.system, starts, spans, rows, options, limits, np.empty(0))
        labels = np.full(len(starts), UNDECIDED)
        for row, (state, reason) in enumerate(zip(ends.state, ends.reason, strict=True)):
            if reason is Reason.ARRIVED:
                labels[row] = self.attractor(state)
            elif reason in (Reason.BLEW_UP, Reason.LEFT):
                labels[row] = ESCAPES
            else:
                self._doubt(str(reason), 1)
        found[inside] = labels
        return found

    def _doubt(self, why: str, number: int) -> None:
        self.undecided[why] = self.undecided.get(why, 0) + number

    def within(self, states: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether states (..., n) lie inside the bounds."""
        return np.asarray(((states >= self.bounds[0]) & (states <= self.bounds[1])).all(axis=-1))

    def _named(
        self, codes: NDArray[np.int64], limits: NDArray[np.int64], ended: NDArray[np.float64]
    ) -> NDArray[np.int64]:
        found = np.full(len(codes), UNDECIDED)
        found[(codes == flow.BLEW_UP) | (codes == trap.OUTSIDE)] = ESCAPES
        arrived = codes == flow.ARRIVED
        found[arrived] = limits[arrived]
        for row in np.flatnonzero(arrived & (limits < 0)):
            found[row] = self.attractor(ended[row])
        for code in _WHY:
            number = int((codes == code).sum())
            if number:
                self._doubt(_WHY[code], number)
        return found

    def attractor(self, state: NDArray[np.float64]) -> int:
        """The index of the sink where a run arrived; one that was not known is added, and said."""
        for index, known in enumerate(self.attractors):
            if np.abs(known.state - state).max() <= SAME * (1e-3 + np.abs(state).max()):
                return index
        new = equilibrium(self.system, self.p, state.copy())
        self.attractors.append(new)
        self.traps.append(
            None if sparse.is_large(self.system) else find_trap(self.system, self.p, new, (), self.bounds)
        )
        self.note(f"runs arrive at a sink that `find_equilibria` did not find: {state.tolist()}")
        return len(self.attractors) - 1

    def all_notes(self) -> tuple[str, ...]:
        """What is not certain, in words."""
        words = list(self.notes)
        if self.equilibria.completeness == "unknown":
            words.append(f"equilibria may be missing: {self.equilibria.reason}")
        if self.equilibria.degenerate:
            words.append(self.equilibria.degenerate)
        missing = sum(one is None for one in self.traps)
        if missing:
            words.append(
                f"{missing} of {len(self.traps)} sinks have no trapping ellipsoid that is proved; arrival there is "
                "judged by a Lyapunov function at the sink"
            )
        words += [f"{number} of the integrated starts are undecided: {why}" for why, number in self.undecided.items()]
        return tuple(words)


def _check(duration: float | None, tolerances: Sequence[float], max_steps: int) -> None:
    if duration is not None and (isinstance(duration, bool) or not 0 < float(duration) < np.inf):
        raise ValueError(f"`duration` must be a finite time above 0, not {duration!r}")
    for name, value in zip(("rtol", "atol"), tolerances, strict=True):
        if not 0.0 < value < 1.0:
            raise ValueError(f"`{name}` must be between 0 and 1, not {value!r}")
    if isinstance(max_steps, bool) or not isinstance(max_steps, int | np.integer) or max_steps < 1:
        raise ValueError(f"`max_steps` must be a whole number of at least 1, not {max_steps!r}")
