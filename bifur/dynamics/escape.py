"""The separatrix of collapse: the value of one state from which on a start escapes it."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur._say import listed, unknown
from bifur.continuation.results import collapsed
from bifur.dynamics import arguments, batch
from bifur.dynamics.brackets import Brackets
from bifur.dynamics.runs import Reason
from bifur.kernels import arrival, stepper
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

LEAST, MOST = 1e-8, 1e4  # a span of its own: zero, and between these on a log scale
LOOKS = 48  # starts over the span at which outcomes are compared first
COARSE, COARSE_WIDTH = 1e-8, 1e-5  # tolerance and width of the brackets that are narrowed first
COLLAPSE, ESCAPE, INFINITY, UNDECIDED = range(4)


class Verdict(Enum):
    """Whether there is a critical value, and why not."""

    FOUND = "starts collapse on one side of it and escape on the other"
    ALL_COLLAPSE = "both ends of the span collapse, and all that was tried between them: widen the span"
    ALL_ESCAPE = "both ends of the span escape collapse, and all that was tried between them"
    NO_ESCAPE = "starts collapse or go to infinity: none that was tried reaches an equilibrium that has not collapsed"
    UNDECIDED = (
        "a run ended at no equilibrium: raise duration or max_steps, and look at the parameters: "
        "at rho = 0 there are whole sets of equilibria"
    )
    NOT_CONFIRMED = "the bracket does not hold at a tenth of the tolerances: lower rtol and atol"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class Escape:
    """Critical values of the state `free` at given other states and parameters, arrays of one common shape (...).

    `value` (...) is the middle of a bracket and `error` (...) half its width, NaN where `verdict` (...) is not FOUND.
    `side` (...) is 1 where starts above it escape, -1 where those below do; `changes` (...) counts how often the
    outcome changes between collapse and escape over the span: above 1 the value is the lowest of several. `limit`
    (..., n) is the sink that starts beyond it go to. `states` and `parameters` hold what was given.
    """

    system: System
    free: str
    states: Mapping[str, Floats]
    parameters: Mapping[str, Floats]
    value: Floats
    error: Floats
    side: NDArray[np.int64]
    changes: NDArray[np.int64]
    limit: Floats
    verdict: NDArray[np.object_]
    stats: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shapes = {np.shape(a) for a in (self.value, self.error, self.side, self.changes, self.verdict)}
        if len(shapes) != 1 or self.limit.shape != (*self.value.shape, self.system.dimension):
            raise ValueError(f"`value`, `error`, `side`, `changes` and `verdict` must have one shape, not {shapes}")

    def __repr__(self) -> str:
        found = self.verdict == Verdict.FOUND
        if self.value.ndim == 0:
            told = f"{self.value:.12g} ± {self.error:.1g}" if found else str(self.verdict[()])
        else:
            told = f"{int(found.sum())} of {self.value.size} found"
        return f"Escape({self.system.name}, {self.free}: {told})"

    def plot(self, ax: Any = None) -> Any:
        """A figure of the critical values over what they were asked for."""
        return _late.plotting().plot_escape(self, ax=ax)


def find_escape(
    system: System | str,
    start: Mapping[str, ArrayLike] | None = None,
    parameters: Mapping[str, ArrayLike] | None = None,
    *,
    free: str = "s",
    span: tuple[float, float] | None = None,
    tolerance: float = 1e-10,
    rtol: float = 1e-12,
    atol: float = 1e-14,
    duration: float = 1e9,
    max_steps: int = 100_000,
    **more: ArrayLike,
) -> Escape:
    """The value of one initial state that separates collapse from escape, the other states given.

    It lies on the stable manifold of a saddle. Off the parabola s = p^2 of the `-full` systems a negative p(0) escapes
    collapse if s(0) is large enough: `find_escape("l2-full", p=-0.1, sigma2=0.1, rho=0.01)`. The outcomes of starts
    spread over the span bracket the value, bisection narrows the bracket, and its ends are confirmed at a tenth of the
    tolerances, or moved apart until they are. A bracket is not narrower than `atol`: smaller states are not resolved.

    Parameters
    ----------
    system
        A `System` that declares what collapse is, or the name of a bundled one.
    start, parameters, **more
        The other states and the parameters by name, numbers or arrays of one common shape (...); the parameters have
        their defaults, the states none.
    free
        The state that is looked for.
    span
        (low, high) of it; by default from its lower bound, zero, to 10^4, looked at on a log scale.
    tolerance
        Width of the bracket relative to the value, above 1e-14; to come near to it takes an `rtol` as small.
    rtol, atol, duration, max_steps
        Of the runs, as in `integrate`.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    began = time.perf_counter()
    system = get_system(system)
    problem = _problem(system, start, parameters, more, free)
    low, high = _span(system, free, span)
    if not 1e-14 < tolerance < 1:
        raise ValueError(f"`tolerance` must be between 1e-14 and 1, not {tolerance}")
    if not 1e-14 < rtol < 1:
        raise ValueError(f"`rtol` must be between 1e-14 and 1: a tenth of it is used too, not {rtol}")
    problem.spans = arguments.duration(duration)
    problem.options = arguments.options(rtol, atol, max_steps, arrival.WHEN_CERTAIN)
    blunt = max(1.0, COARSE / rtol)
    found = _Search(problem, _grid(low, high), blunt)
    found.narrow(tolerance, blunt)
    return found.result(time.perf_counter() - began)


class _Problem:
    """Starts (b, n) whose component `index` is free, with their parameters (b, q); `shape` is that of the answer."""

    def __init__(self, system: System, free: str, given: Mapping[str, Floats], shape: tuple[int, ...]) -> None:
        self.system, self.free, self.given, self.shape = system, free, given, shape
        self.index = system.states.index(free)
        size = math.prod(shape)
        self.starts, self.rows = np.zeros((size, system.dimension)), np.tile(system.values(), (size, 1))
        for name, values in given.items():
            target, names = (
                (self.starts, system.states) if name in system.states else (self.rows, list(system.parameters))
            )
            target[:, names.index(name)] = np.broadcast_to(values, shape).ravel()
        self.options, self.spans, self.runs = np.empty(0), 0.0, 0

    def outcomes(self, which: NDArray[np.int64], values: Floats, factor: float) -> tuple[NDArray[Any], Floats]:
        """What becomes of the starts `which` (k,) with these values (k,) of the free state, and where they end (k, n).

        The tolerances are multiplied by `factor`.
        """
        states = self.starts[which]
        states[:, self.index] = values
        options = self.options.copy()
        options[[stepper.RTOL, stepper.ATOL]] *= factor
        limits = np.tile([[-math.inf], [math.inf]], (1, self.system.dimension))
        spans = np.full(len(which), self.spans)
        ends = batch.run(self.system, states, spans, self.rows[which], options, limits, np.empty(0))
        self.runs += len(which)
        outcome = np.full(len(which), UNDECIDED)
        arrived = ends.reason == Reason.ARRIVED
        gone = collapsed(self.system, ends.state)
        outcome[arrived & ~gone] = ESCAPE
        outcome[(arrived & gone) | (ends.reason == Reason.COLLAPSED)] = COLLAPSE
        outcome[ends.reason == Reason.BLEW_UP] = INFINITY
        return outcome, ends.state


class _Search:
    """The critical values (b,): brackets from the outcomes over a grid, narrowed."""

    def __init__(self, problem: _Problem, grid: Floats, factor: float) -> None:
        self.problem, b = problem, len(problem.starts)
        outcome, _ = problem.outcomes(np.repeat(np.arange(b), len(grid)), np.tile(grid, b), factor)
        outcome = outcome.reshape(b, len(grid))
        pair = np.stack([outcome[:, :-1], outcome[:, 1:]])
        change = (pair.min(axis=0) == COLLAPSE) & (pair.max(axis=0) == ESCAPE)
        self.changes, first = change.sum(axis=1), change.argmax(axis=1)
        rows = np.arange(b)
        self.verdict = np.array([_verdict(row) for row in outcome], dtype=object)
        self.brackets = Brackets(
            grid[first],
            grid[first + 1],
            outcome[rows, first],
            outcome[rows, first + 1],
            lambda which, values, factor: problem.outcomes(which, values, factor)[0],
        )
        self.brackets.good = change.any(axis=1)

    def narrow(self, tolerance: float, blunt: float) -> None:
        """With blunt tolerances first, then with those asked for; confirmed at a tenth of them."""
        least = float(self.problem.options[stepper.ATOL])
        self.brackets.narrow(COARSE_WIDTH, blunt * least, blunt)
        self.brackets.confirm(1.0)
        self.brackets.narrow(tolerance, least, 1.0)
        self.brackets.confirm(0.1)
        self.verdict[self.brackets.odd] = Verdict.UNDECIDED
        self.verdict[self.brackets.shaky] = Verdict.NOT_CONFIRMED

    def result(self, seconds: float) -> Escape:
        problem, shape, known = self.problem, self.problem.shape, self.brackets.good
        low, high = self.brackets.low, self.brackets.high
        above = self.brackets.above == ESCAPE
        system, limit = problem.system, np.full((len(low), problem.system.dimension), np.nan)
        which = np.flatnonzero(known)
        limit[which] = problem.outcomes(which, np.where(above, high, low)[which], 1.0)[1]
        given = {**system.parameters, **problem.given}
        return Escape(
            system,
            problem.free,
            {name: np.array(given[name]) for name in system.states if name != problem.free},
            {name: np.array(given[name]) for name in system.parameters},
            np.where(known, 0.5 * (low + high), np.nan).reshape(shape),
            np.where(known, 0.5 * (high - low), np.nan).reshape(shape),
            np.where(known, np.where(above, 1, -1), 0).reshape(shape),
            self.changes.reshape(shape),
            limit.reshape(*shape, system.dimension),
            self.verdict.reshape(shape),
            {"runs": problem.runs, "seconds": seconds},
        )


def _verdict(outcome: NDArray[np.int64]) -> Verdict:
    """From the outcomes over the span."""
    has = [bool((outcome == kind).any()) for kind in (COLLAPSE, ESCAPE, INFINITY, UNDECIDED)]
    pairs = {(int(a), int(b)) for a, b in itertools.pairwise(outcome)}
    if (COLLAPSE, ESCAPE) in pairs or (ESCAPE, COLLAPSE) in pairs:
        return Verdict.FOUND
    if has[UNDECIDED]:
        return Verdict.UNDECIDED
    if has[INFINITY] and not has[ESCAPE]:
        return Verdict.NO_ESCAPE
    return Verdict.ALL_COLLAPSE if has[COLLAPSE] else Verdict.ALL_ESCAPE


def _problem(
    system: System,
    start: Mapping[str, ArrayLike] | None,
    parameters: Mapping[str, ArrayLike] | None,
    more: Mapping[str, ArrayLike],
    free: str,
) -> _Problem:
    """What was given by name, checked and broadcast."""
    if not system.collapse:
        raise ValueError(f"`system`: {system.name} does not declare which states vanish in `collapse`")
    if free not in system.states:
        raise ValueError(f"`free`: {unknown('state', free, system.states)}")
    given: dict[str, Any] = {}
    names = (*system.states, *system.parameters)
    for argument, accepted, part in (
        ("start", system.states, start),
        ("parameters", tuple(system.parameters), parameters),
        ("", names, more),
    ):
        if not isinstance(part, Mapping | None):
            raise ValueError(f"`{argument}` must be names with values, as in {{'p': -0.1}}, not {part!r}")
        for name, value in (part or {}).items():
            if name not in accepted:
                kind = "name" if not argument else "state" if argument == "start" else "parameter"
                raise ValueError(f"{f'`{argument}`: ' if argument else ''}{unknown(kind, name, accepted)}")
            if name in given:
                raise ValueError(f"`{name}` is given twice")
            given[name] = _numbers(system, name, value)
    if free in given:
        raise ValueError(f"`{free}` is given, but it is the state that is looked for; `free` names another one")
    missing = [name for name in system.states if name != free and name not in given]
    if missing:
        raise ValueError(f"the start needs a value for {listed(missing)}, as in {missing[0]}=-0.1")
    try:
        shape = np.broadcast_shapes(*(np.shape(value) for value in given.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {np.shape(value)}" for name, value in given.items())
        raise ValueError(f"`start` and `parameters` must have one common shape, not {shapes}") from None
    return _Problem(system, free, given, shape)


def _numbers(system: System, name: str, value: Any) -> Floats:
    try:
        found = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be a number or an array of numbers, not {value!r}") from None
    low, high = system.bounds.get(name, (-math.inf, math.inf))
    if not np.isfinite(found).all() or (found < low).any() or (found > high).any():
        raise ValueError(f"`{name}` of {system.name} must be finite and lie in [{low:g}, {high:g}], not {value!r}")
    return found


def _span(system: System, free: str, span: Any) -> tuple[float, float]:
    bounds = system.bounds.get(free, (-math.inf, math.inf))
    if span is None:
        if bounds[0] != 0.0:
            raise ValueError(f"`span` is needed: (low, high) of {free}, which is not bounded by zero from below")
        return 0.0, min(MOST, bounds[1])
    try:
        low, high = (float(value) for value in span)
    except (TypeError, ValueError):
        raise ValueError(f"`span` must be two numbers (low, high), not {span!r}") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(f"`span` must be finite with low < high, not ({low:g}, {high:g})")
    if low < bounds[0] or high > bounds[1]:
        raise ValueError(f"`span` ({low:g}, {high:g}) leaves the bounds [{bounds[0]:g}, {bounds[1]:g}] of {free}")
    return low, high


def _grid(low: float, high: float) -> Floats:
    """Values to look at: evenly spread, or by their logarithm where the span begins at zero or is wide."""
    if low < 0.0 or (low > 0.0 and high / low < 100):
        return np.linspace(low, high, LOOKS)
    first = max(low, LEAST * min(1.0, high))
    return np.unique(np.concatenate([[low], np.geomspace(first, high, LOOKS)]))
