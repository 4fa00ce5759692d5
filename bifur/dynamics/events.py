"""Events along a run: where functions of the state cross zero, on the dense output of the steps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur.dynamics.runs import Crossings
from bifur.kernels import stepper
from bifur.systems import expression, ops
from bifur.systems.base import Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

    Floats = NDArray[np.float64]

PARTS = 8  # a step is looked at in so many pieces
FLAT = 0.25  # a smallest value between three looks is looked for where a parabola goes below this share of the least


@dataclass(frozen=True)
class Event:
    """A function of the state whose zeros along a run are located.

    Parameters
    ----------
    function
        `function(u, p)` in plain arithmetic (`u` holds n arrays, `p.name` the parameters); or the same as text in the
        names of the system, as in "p_h - 0.5".
    terminal
        Whether its first zero ends the run.
    direction
        1: only where it grows as the run goes on, -1: only where it falls, 0: both.
    """

    function: Callable[[Any, Any], Any] | str
    terminal: bool = False
    direction: Literal[-1, 0, 1] = 0

    def __post_init__(self) -> None:
        if not (callable(self.function) or isinstance(self.function, str)):
            raise ValueError(f"`function` must be a function of (u, p) or text in the names, not {self.function!r}")
        if self.direction not in (-1, 0, 1):
            raise ValueError(f"`direction` must be -1, 0 or 1, not {self.direction!r}")

    @property
    def name(self) -> str:
        """The text, or the name of the function."""
        return self.function if isinstance(self.function, str) else getattr(self.function, "__name__", "event")


def checked(system: System, events: Any) -> tuple[Event, ...]:
    """Each as an `Event` with a function that was tried, else a ValueError."""
    if isinstance(events, str) or not isinstance(events, Sequence):
        raise ValueError(
            f"`events` must be a list of functions of (u, p), texts such as 'p_h - 0.5', or bifur.Event, not {events!r}"
        )
    found = []
    for number, event in enumerate(events):
        if not isinstance(event, Event):
            try:
                event = Event(event)
            except ValueError as error:
                raise ValueError(f"`events`: number {number}: {error}") from None
        function = _parsed(system, event.function, number) if isinstance(event.function, str) else event.function
        try:
            with np.errstate(all="ignore"):
                float(function(tuple(np.ones(system.dimension)), Values(dict(system.parameters))))
        except Exception as error:
            raise ValueError(
                f"`events`: number {number} fails as a function of (u, p) that returns a number: {error}"
            ) from error
        found.append(event)
    return tuple(found)


def _parsed(system: System, text: str, number: int) -> Callable[[Any, Any], Any]:
    names = (*system.states, *system.parameters)
    try:
        tree = (expression.parse(text, names),)
    except ValueError as error:
        raise ValueError(f"`events`: number {number}: {error}") from None

    def function(u: Any, p: Any) -> Any:
        values = {**dict(zip(system.states, u, strict=True)), **vars(p)}
        return expression.evaluate(tree, values, float, ops.apply)[0]

    return function


@dataclass(frozen=True)
class Steps:
    """Accepted steps in a row: their ends `t` (k + 1,), counted from the start of the run, and what lies between.

    `between(step, theta)` (j, n) are states at the shares `theta` (j,) of the steps of these numbers (j,).
    """

    t: Floats
    between: Callable[[NDArray[np.int64], Floats], Floats]

    def __len__(self) -> int:
        return len(self.t) - 1

    def at(self, x: Floats) -> Floats:
        """States (j, n) at the places x (j,): the number of a step plus the share of it."""
        step = np.clip(np.floor(x).astype(np.int64), 0, len(self) - 1)
        return self.between(step, x - step)

    def time(self, x: float) -> float:
        """The time at a place."""
        step = min(int(x), len(self) - 1)
        return float(self.t[step] + (x - step) * (self.t[step + 1] - self.t[step]))

    def places(self, t: Floats) -> Floats:
        """The places of times inside."""
        step = np.clip(np.searchsorted(self.t, t, side="left") - 1, 0, len(self) - 1)
        return step + (t - self.t[step]) / (self.t[step + 1] - self.t[step])


def kernel_steps(t: Floats, dense: Floats, methods: NDArray[np.int64]) -> Steps:
    """From the dense output (k, 5, n) of the kernels; the formulas are those of `stepper.interpolate`."""

    def between(step: NDArray[np.int64], theta: Floats) -> Floats:
        d, theta = dense[step].swapaxes(0, 1), theta[:, None]
        rest = 1.0 - theta
        explicit = d[0] + theta * (d[1] + rest * (d[2] + theta * (d[3] + rest * d[4])))
        stiff = rest * d[0] + theta * (d[1] + rest * (d[2] + theta * d[3]))
        return np.where((methods[step] == stepper.DOPRI5)[:, None], explicit, stiff)

    return Steps(t, between)


class Watch:
    """What is watched along a run: events, and bounds (2, n) that it may not leave by more than `margin` (2, n)."""

    def __init__(
        self, system: System, parameters: Mapping[str, float], events: Sequence[Event], box: Floats, margin: Floats
    ) -> None:
        self.system, self.events = system, events
        self.parameters = Values(dict(parameters))
        self.functions = [
            _parsed(system, event.function, k) if isinstance(event.function, str) else event.function
            for k, event in enumerate(events)
        ]
        self.low, self.high = box[0] - margin[0], box[1] + margin[1]
        self.found: list[list[tuple[float, Floats, bool]]] = [[] for _ in events]

    def look(self, steps: Steps) -> float:
        """Add the crossings inside; the place where the first terminal one ends the run, infinite where none does."""
        seen, stop = [], math.inf
        for event, function in zip(self.events, self.functions, strict=True):
            places = [
                (x, rising)
                for x, rising in _zeros(steps, self._along(function, steps))
                if event.direction in (0, 1 if rising else -1)
            ]
            seen.append(places)
            if event.terminal and places:
                stop = min(stop, places[0][0])
        for found, places in zip(self.found, seen, strict=True):
            for x, rising in places:
                if x <= stop:
                    found.append((steps.time(x), steps.at(np.array([x]))[0], rising))
        return stop

    def _along(self, function: Callable[[Any, Any], Any], steps: Steps) -> Callable[[Floats], Floats]:
        def values(x: Floats) -> Floats:
            with np.errstate(all="ignore"):
                found = function(tuple(steps.at(x).T), self.parameters)
            return np.array(np.broadcast_to(np.asarray(found, float), x.shape))

        return values

    def leaves(self, steps: Steps) -> float:
        """The place in the last step where the state goes beyond a bound."""

        def beyond(x: Floats) -> Floats:
            u = steps.at(x)
            return np.maximum(self.low - u, u - self.high).max(axis=1)

        zeros = [x for x, rising in _zeros(steps, beyond) if rising]
        return zeros[0] if zeros else float(len(steps))

    def crossings(self, direction: float) -> tuple[Crossings, ...]:
        """All that was found, in the time of the run."""
        n = self.system.dimension
        return tuple(
            Crossings(
                event.name,
                np.array([direction * t for t, _, _ in found]),
                np.array([u for _, u, _ in found]).reshape(-1, n),
                np.array([rising for _, _, rising in found], dtype=bool),
            )
            for event, found in zip(self.events, self.found, strict=True)
        )


def _zeros(steps: Steps, values: Callable[[Floats], Floats]) -> list[tuple[float, bool]]:
    """Places where a function changes its sign, in order, and whether it grows there.

    A zero at the very start is none. Between looks, PARTS of a step apart, a pair of zeros is found where the function
    bends towards zero.
    """
    x = np.arange(len(steps) * PARTS + 1) / PARTS
    g = values(x)
    x, g = _with_dips(x, g, values)
    side = _sides(g)
    found = []
    for j in np.flatnonzero(side[:-1] * side[1:] < 0):
        found.append((_root(values, x[j], x[j + 1]), bool(side[j + 1] > 0)))
    return found


def _sides(g: Floats) -> Floats:
    """Signs, where an exact zero has the sign before it, and at the start that after it."""
    side = np.sign(g)
    known = np.flatnonzero((side != 0) & ~np.isnan(side))
    if not known.size:
        return np.zeros_like(side)
    last = np.maximum.accumulate(np.where(side != 0, np.arange(len(side)), -1))
    return np.where(last >= 0, side[last], side[known[0]])


def _with_dips(x: Floats, g: Floats, values: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
    """The looks, with those added where the function dips beyond zero between them."""
    from scipy.optimize import minimize_scalar

    a, b, c = g[:-2], g[1:-1], g[2:]
    bend = a - 2 * b + c
    with np.errstate(all="ignore"):
        least = b - (c - a) ** 2 / (8 * bend)
        dips = (np.sign(a) == np.sign(b)) & (np.sign(b) == np.sign(c)) & (np.abs(b) <= np.minimum(abs(a), abs(c)))
        dips &= (bend * np.sign(b) > 0) & (least * np.sign(b) < FLAT * np.abs(b))
    more = []
    for j in np.flatnonzero(dips) + 1:
        sign = np.sign(g[j])
        low = minimize_scalar(
            lambda y, sign=sign: float(sign * values(np.array([y]))[0]), bounds=(x[j - 1], x[j + 1]), method="bounded"
        )
        if low.fun < 0.0:
            more.append((float(low.x), sign * low.fun))
    if not more:
        return x, g
    x, g = np.append(x, [place for place, _ in more]), np.append(g, [value for _, value in more])
    order = np.argsort(x, kind="stable")
    return x[order], g[order]


def _root(values: Callable[[Floats], Floats], low: float, high: float) -> float:
    """The zero between two places, to rounding."""
    from scipy.optimize import brentq

    ends = values(np.array([low, high]))
    if ends[0] * ends[1] > 0:  # an exact zero before `low` that has the other sign
        return low
    return float(brentq(lambda y: float(values(np.array([y]))[0]), low, high, xtol=4e-16, rtol=9e-16))
