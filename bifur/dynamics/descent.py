"""Gradient descent as a map, u <- u + eta f(u): one run with its iterates, the ends of many, orbit diagrams.

With momentum m it is the heavy ball v <- m v + f(u), u <- u + eta v from v = 0. That is the convention of
`torch.optim.SGD(lr=eta, momentum=m)`, without dampening or Nesterov, where -f is the gradient: the one that training
runs use. Polyak (1964) scales v by eta; while eta does not change the two are the same.
"""

from __future__ import annotations

import numbers
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur._say import numbers as shown
from bifur.dynamics import arguments
from bifur.dynamics.critical import CriticalPoint, find_critical_rates
from bifur.dynamics.stability import checked_momentum, checked_rate
from bifur.kernels import descent as kernel
from bifur.systems import System, get_system

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SHARE = 64  # runs of a batch that a thread takes at a time
LONGEST = 64  # the longest period that is looked for
MOST_NUMBERS = 50_000_000  # of the recorded states: 400 MB


class DescentReason(Enum):
    """Why gradient descent ends; the text says what it means."""

    END = "all steps were done"
    FIXED = "it settled at a fixed point: it is within the tolerances of it, and all multipliers there are inside 1"
    CYCLE = "it settled on a cycle: it is within the tolerances of it, and all its multipliers are inside 1"
    REPEATS = (
        "the iterates repeat to the last bit, so nothing will change, but what they repeat does not attract: "
        "an unstable point that was the start, or one of a set of equilibria"
    )
    DIVERGED = "it grows beyond every scale: the learning rate is too large for this start"
    NOT_FINITE = "the field is not finite there: a pole, or a state outside the domain of the system"

    def __str__(self) -> str:
        return self.value


_REASONS = {
    kernel.END: DescentReason.END,
    kernel.FIXED: DescentReason.FIXED,
    kernel.CYCLE: DescentReason.CYCLE,
    kernel.REPEATS: DescentReason.REPEATS,
    kernel.DIVERGED: DescentReason.DIVERGED,
    kernel.NOT_FINITE: DescentReason.NOT_FINITE,
}


@dataclass(frozen=True)
class Descent:
    """A run of gradient descent: `step` (m,) and `state` (m, n) of the recorded iterates, the last one among them.

    Where it diverged the last state may be infinite.

    `velocity` (n,) is that of the last iterate, `period` that of the cycle it settled on or repeats (1: a fixed
    point; 0: none), `cycle` (period, n) its points in order, or None. `stats` counts steps, looks for cycles
    and seconds.
    """

    system: System
    parameters: Mapping[str, float]
    learning_rate: float
    momentum: float
    step: NDArray[np.int64]
    state: Floats
    velocity: Floats
    reason: DescentReason
    period: int = 0
    cycle: Floats | None = None
    stats: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.step)

    def __repr__(self) -> str:
        end = f"period {self.period}, " if self.period > 1 else ""
        return (
            f"Descent({self.system.name}, learning_rate={self.learning_rate:g}, momentum={self.momentum:g}, "
            f"step {self.step[-1]}: ({shown(self.state[-1])}), {end}{self.reason.name})"
        )

    def plot(self, **options: Any) -> Any:
        """Draw the iterates with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_descent(self, **options)


@dataclass(frozen=True)
class OrbitDiagram:
    """Where gradient descent goes for many learning rates.

    `learning_rate` (b,), `state` (b, k, n): k iterates after the transient, NaN where it `diverged` (b,).
    `critical_points` are the flips and Neimark-Sacker points within these rates where equilibria lose their stability.
    """

    system: System
    parameters: Mapping[str, float]
    momentum: float
    learning_rate: Floats
    state: Floats
    diverged: NDArray[np.bool_]
    critical_points: tuple[CriticalPoint, ...] = ()

    def plot(self, **options: Any) -> Any:
        """Draw the iterates against the learning rate with matplotlib (needs the extra `plot`)."""
        return _late.plotting().plot_orbit_diagram(self, **options)


def descend(
    system: System | str,
    u0: ArrayLike,
    parameters: Mapping[str, float] | None = None,
    *,
    learning_rate: float,
    steps: int = 10_000,
    momentum: float = 0.0,
    velocity: ArrayLike | None = None,
    every: int = 1,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    settle: bool = True,
    **more: float,
) -> Descent:
    """Iterate u <- u + eta f(u) from `u0`, or v <- m v + f(u), u <- u + eta v from v = 0, with momentum m.

    The velocity is that of `torch.optim.SGD(lr=eta, momentum=m)` on a loss whose gradient is -f. A run that returns to
    where it was is at a fixed point or on a cycle only if Newton on the iterated map finds it within 10 tolerances and
    the powers of its Jacobian vanish: slow saddles are passed, and so is the neighbourhood of a flip.

    Parameters
    ----------
    system
        A `System` of at most 12 states, or the name of a bundled one.
    u0
        (n,) initial state.
    parameters, **more
        Parameters of the system by name; the others have their defaults.
    learning_rate
        eta, positive: one step takes the time eta of the flow u' = f(u).
    steps
        Steps at most.
    momentum
        m in [0, 1).
    velocity
        (n,) v at the start, 0 if not given; with the last state and `velocity` of a run another goes on.
    every
        The start and every so many steps are recorded, and the last one.
    rtol, atol
        A state counts as the same where each component agrees to atol + rtol |u|.
    settle
        False: all steps are done whatever happens, unless the run diverges.

    Returns
    -------
    Descent

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    began = time.perf_counter()
    system = get_system(system)
    p = system.values(parameters, **more)
    u = arguments.state(system, u0)
    eta, m = checked_rate(learning_rate), checked_momentum(momentum)
    count, every = checked_count(steps, "steps", 0), checked_count(every, "every", 1)
    rows = count // every + 1
    if rows * system.dimension > MOST_NUMBERS:
        raise ValueError(f"`every`: {rows} states would be recorded; raise `every` to keep fewer")
    options = _options(rtol, atol, LONGEST if settle else 0, every, 0)
    run = _Batch(system, p[None], np.array([eta]), np.array([m]), u[None], count, options, rows)
    if velocity is not None:
        run.velocities[0] = _velocity(system, velocity)
    run.part(slice(0, 1))
    done, filled, period = (int(run.counts[0, place]) for place in (kernel.STEPS, kernel.ROWS, kernel.PERIOD))
    step, states = every * np.arange(filled), run.out[0, :filled]
    if step[-1] != done:
        step, states = np.append(step, done), np.concatenate([states, run.states])
    reason = _REASONS[int(run.codes[0])]
    return Descent(
        system,
        dict(zip(system.parameters, p.tolist(), strict=True)),
        eta,
        m,
        step,
        states,
        run.velocities[0],
        reason,
        period,
        _points(system, p, eta, m, run.limits[0], period) if period else None,
        {"steps": done, "looks": int(run.counts[0, kernel.NEWTON]), "seconds": time.perf_counter() - began},
    )


def descend_batch(
    system: System | str,
    u0: ArrayLike,
    parameters: ArrayLike | Mapping[str, float] | None = None,
    *,
    learning_rate: ArrayLike,
    steps: int = 10_000,
    momentum: float = 0.0,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    **more: float,
) -> tuple[Floats, NDArray[np.object_], NDArray[np.int64], NDArray[np.int64]]:
    """Where many runs end: final states (b, n), reasons (b,) of `DescentReason`, steps (b,), periods (b,).

    The final state of a run that settled is a point of its fixed point or cycle, by Newton.

    Parameters
    ----------
    u0
        (b, n) initial states, or (n,) for all.
    parameters
        (b, q) in the order of the system's, one row per run; or (q,), or names and values, for all.
    learning_rate
        A number, or (b,).

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    system = get_system(system)
    rates, states = _starts(system, u0, learning_rate)
    rows = arguments.rows(system, parameters, more, len(states))
    options = _options(rtol, atol, LONGEST, 1, 0)
    momenta = np.full(len(states), checked_momentum(momentum))
    run = _Batch(system, rows, rates, momenta, states, checked_count(steps, "steps", 0), options, 0)
    run.all()
    settled = np.isin(run.codes, (kernel.FIXED, kernel.CYCLE))
    ends = np.where(settled[:, None], run.limits[:, : system.dimension], run.states)
    reasons = np.array([_REASONS[int(code)] for code in run.codes], dtype=object)
    return ends, reasons, run.counts[:, kernel.STEPS].copy(), run.counts[:, kernel.PERIOD].copy()


def orbit_diagram(
    system: System | str,
    u0: ArrayLike,
    parameters: Mapping[str, float] | None = None,
    *,
    learning_rate: ArrayLike,
    momentum: float = 0.0,
    transient: int = 2000,
    keep: int = 100,
    **more: float,
) -> OrbitDiagram:
    """The iterates that are left after a transient, for each of many learning rates, all from the same start.

    Parameters
    ----------
    u0
        (n,) initial state.
    learning_rate
        (b,) rates.
    transient, keep
        So many steps are dropped, and so many kept.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    system = get_system(system)
    p, u = system.values(parameters, **more), arguments.state(system, u0)
    rates, states = _starts(system, u, learning_rate)
    first, kept = checked_count(transient, "transient", 0), checked_count(keep, "keep", 1)
    if len(rates) * kept * system.dimension > MOST_NUMBERS:
        raise ValueError(f"`keep`: {len(rates) * kept} states would be kept; lower `keep` or take fewer rates")
    m = checked_momentum(momentum)
    options = _options(1e-10, 1e-12, 0, 1, first)
    b = len(rates)
    run = _Batch(system, np.tile(p, (b, 1)), rates, np.full(b, m), states, first + kept - 1, options, kept)
    run.out[:] = np.nan
    run.all()
    lost = run.codes != kernel.END
    run.out[lost] = np.nan
    named = dict(zip(system.parameters, p.tolist(), strict=True))
    low, high = float(rates.min()), float(rates.max())
    critical = tuple(
        point
        for point in find_critical_rates(system, named, momentum=m)
        if point.loses_stability and low <= point.learning_rate <= high
    )
    return OrbitDiagram(system, named, m, rates, run.out, lost, critical)


class _Batch:
    """Arrays of b runs as the kernel takes them, and the call."""

    def __init__(
        self,
        system: System,
        parameters: Floats,
        rates: Floats,
        momenta: Floats,
        states: Floats,
        steps: int,
        options: Floats,
        rows: int,
    ) -> None:
        b, n = states.shape
        self.addresses = system.derived.addresses
        self.parameters, self.rates, self.momenta = parameters, rates, momenta
        self.states, self.velocities = np.array(states, order="C"), np.zeros((b, n))
        self.steps, self.options, self.out = steps, options, np.empty((b, rows, n))
        self.heavy = bool((momenta > 0).any())
        self.counts, self.codes = np.zeros((b, 4), np.int64), np.zeros(b, np.int64)
        self.limits = np.empty((b, 2 * n if self.heavy else n))

    def part(self, rows: slice) -> None:
        """Some of the runs."""
        kernel.descend(
            self.addresses, self.parameters[rows], self.rates[rows], self.momenta[rows], self.states[rows],
            self.velocities[rows], self.steps, self.options, kernel.make_work(self.states.shape[1], self.heavy),
            self.out[rows], self.counts[rows], self.limits[rows], self.codes[rows],
        )  # fmt: skip

    def all(self) -> None:
        """All runs, in threads."""
        parts = [slice(low, low + SHARE) for low in range(0, len(self.states), SHARE)]
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 32)) as pool:
            list(pool.map(self.part, parts))


def iterates(system: System, p: Floats, eta: float, m: float, w: Floats, count: int) -> Floats:
    """(count, N): w and the next count - 1 iterates of the map; velocities after the states where w has them."""
    n = system.dimension
    out, slope = np.empty((count, len(w))), np.empty(n)
    module = system.derived.module
    u, v = w[:n].copy(), w[n:].copy() if len(w) > n else np.zeros(n)
    for k in range(count):
        out[k, :n], out[k, n:] = u, v[: len(w) - n]
        module.field(u, p, slope)
        v = m * v + slope
        u = u + eta * v
    return out


def _points(system: System, p: Floats, eta: float, m: float, limit: Floats, period: int) -> Floats:
    """(period, n): the states of a cycle in order, from one point of it."""
    return iterates(system, p, eta, m, limit, period)[:, : system.dimension].copy()


def checked_count(value: Any, name: str, least: int) -> int:
    """A whole number of at least `least`, else a ValueError."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}, not {value!r}")
    return int(value)


def _velocity(system: System, velocity: Any) -> Floats:
    try:
        v = np.array(velocity, dtype=np.float64)
    except (TypeError, ValueError):
        v = np.empty(0)
    if v.shape != (system.dimension,) or not np.isfinite(v).all():
        raise ValueError(f"`velocity` must be {system.dimension} finite numbers, not {velocity!r}")
    return v


def _starts(system: System, u0: Any, learning_rate: Any) -> tuple[Floats, Floats]:
    """Rates (b,) and states (b, n), one row per run."""
    try:
        rates = np.array(learning_rate, dtype=np.float64)
    except (TypeError, ValueError):
        rates = np.empty(0)
    if rates.ndim > 1 or rates.size == 0 or not (np.isfinite(rates) & (rates > 0)).all():
        raise ValueError(
            f"`learning_rate` must be positive finite numbers, one or one for each run, not {learning_rate!r}"
        )
    states = np.array(u0, dtype=np.float64, order="C")
    n = system.dimension
    if states.ndim not in (1, 2) or states.shape[-1] != n or not np.isfinite(states).all():
        raise ValueError(
            f"`u0` must be finite numbers of shape (b, {n}) or ({n},) for {system.name}, not {arguments.shape(u0)}"
        )
    b = len(states) if states.ndim == 2 else rates.size
    if rates.ndim == 1 and rates.size != b:
        raise ValueError(f"`learning_rate` has {rates.size} values for {b} starts in `u0`")
    return np.array(np.broadcast_to(rates, (b,))), np.array(np.broadcast_to(states, (b, n)), order="C")


def _options(rtol: float, atol: float, longest: int, every: int, first: int) -> Floats:
    if not 1e-15 < rtol < 1.0:
        raise ValueError(f"`rtol` must be between 1e-15 and 1, not {rtol!r}")
    if not 0.0 < atol < np.inf:
        raise ValueError(f"`atol` must be above 0, not {atol!r}")
    return np.array([rtol, atol, longest, every, first], dtype=np.float64)
