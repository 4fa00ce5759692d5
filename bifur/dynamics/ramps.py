"""Slow drift: trajectories while a parameter goes from one value to another."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur import _late
from bifur.dynamics import arguments
from bifur.dynamics.events import Event
from bifur.dynamics.ramp_task import Task, make_task
from bifur.dynamics.ramped import START
from bifur.dynamics.runs import Reason
from bifur.dynamics.trajectory import integrate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from bifur.continuation.results import Equilibrium, SpecialPoint
    from bifur.dynamics.followed import Followed
    from bifur.systems import System

    Floats = NDArray[np.float64]

RESOLVED = 100  # absolute tolerances: nearer to the branch than that, noise may decide when the state leaves it


@dataclass(frozen=True)
class Ramp:
    """A trajectory `t` (m,), `state` (m, n) while `parameter` has the values `value` (m,).

    `branch` is the branch of equilibria that the state follows, `distance` (m,) that from it, beyond its end from its
    last point (NaN where no branch is known). `static` is the first special point at which this branch ends or stops
    being stable. `limit` is the sink that the state goes to when the parameter is held at the end, and `kept` tells
    whether it is the one on the branch (None: neither is known). `lost_at` is the value of the parameter, `lost_time`
    the time, at which the distance passes `departure` for the last time, or the state goes to infinity; NaN where the
    state is kept. `delay` is by how much `lost_at` lies beyond `static` on the way, `delay_time` the time since it was
    passed.
    """

    system: System
    parameter: str
    parameters: Mapping[str, float]
    span: tuple[float, float]
    schedule: str | Callable[[Any], Any]
    back: bool
    rate: float
    t: Floats
    value: Floats
    state: Floats
    distance: Floats
    branch: Followed | None
    limit: Floats | None
    kept: bool | None
    departure: float
    lost_at: float
    lost_time: float
    delay: float
    delay_time: float
    reason: Reason
    notes: tuple[str, ...] = ()
    stats: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not len(self.t) == len(self.value) == len(self.state) == len(self.distance):
            raise ValueError(f"`t`, `value`, `state` and `distance` must have one length, not {len(self.t)}, ...")

    @property
    def static(self) -> SpecialPoint | None:
        """The special point of the branch that the state passes."""
        return self.branch.static if self.branch is not None else None

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        told = {True: "kept", False: f"lost at {self.parameter}={self.lost_at:.6g}", None: "undecided"}[self.kept]
        first, last = self.span
        return f"Ramp({self.system.name}, {self.parameter} {first:g} to {last:g} at rate {self.rate:g}: {told})"

    def plot(self, ax: Any = None, component: str | None = None) -> Any:
        """A figure of the state and its branch over the parameter."""
        return _late.plotting().plot_ramp(self, ax=ax, component=component)


def ramp(
    system: System | str,
    start: ArrayLike | Equilibrium | None = None,
    parameters: Mapping[str, float] | None = None,
    *,
    parameter: str,
    span: tuple[float, float],
    rate: float | None = None,
    duration: float | None = None,
    schedule: str | Callable[[Any], Any] = "linear",
    back: bool = False,
    departure: float | None = None,
    rtol: float = 1e-10,
    atol: float = 1e-14,
    max_steps: int = 1_000_000,
    **more: float,
) -> Ramp:
    """Follow the flow while one parameter drifts, and tell where the state loses its branch of equilibria.

    The time of the drift is a state of its own, so that the step control sees it. Beyond a fold the state stays for a
    time of the order rate^(2/3) (Haberman 1979); beyond an exchange of stability for about as long as it was attracted
    before (Neishtadt 1987).

    Parameters
    ----------
    system
        A `System` or the name of a bundled one.
    start
        (n,) initial state, or an `Equilibrium`; by default the only sink at span[0] that has not collapsed.
    parameters, **more
        The other parameters by name.
    parameter, span
        The parameter that drifts, and its first and last value.
    rate, duration
        One of them: how fast it drifts (of the logarithm where the schedule is exponential; the mean where it is not
        linear), or how long it takes one way.
    schedule
        "linear", "exponential", "cosine" (half a period, slow at both ends), or a function from the share of the time
        to the share of the way, 0 at 0 and 1 at 1, in the arithmetic of a definition.
    back
        Whether the parameter returns to its first value in the same way.
    departure
        The distance from the branch at which the state counts as lost; by default half of that between the branch and
        the sink where it ends.
    rtol, atol, max_steps
        As in `integrate`. A state that comes nearer to a branch than `atol` leaves it too early; a note says so.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    began = time.perf_counter()
    task = make_task(system, start, parameters, more, parameter, span, schedule, rtol, atol)
    speed = _speed(task, rate, duration)
    arguments.options(rtol, atol, max_steps, 0)
    if departure is not None and not (math.isfinite(departure) and departure > 0):
        raise ValueError(f"`departure` must be a number above 0, not {departure!r}")
    legs = _legs(task, speed, back, max_steps)
    return _judged(task, legs, back, speed * task.drift.way(*task.span), departure, began)


def _speed(task: Task, rate: Any, duration: Any) -> float:
    """Of the clock, which goes on by 1."""
    if (rate is None) == (duration is None):
        raise ValueError("one of `rate` and `duration` must be given")
    name, value = ("rate", rate) if rate is not None else ("duration", duration)
    try:
        found = float(value)
    except (TypeError, ValueError):
        found = math.nan
    if not (math.isfinite(found) and found > 0):
        raise ValueError(f"`{name}` must be a finite number above 0, not {value!r}")
    return found / task.drift.way(*task.span) if rate is not None else 1.0 / found


@dataclass(frozen=True)
class Leg:
    """One way of a ramp: `t` (m,) from the start of all, states with the clock (m, n + 1), values (m,), its ends."""

    t: Floats
    states: Floats
    value: Floats
    ends: tuple[float, float]
    parameters: Floats
    reason: Reason
    stats: Mapping[str, float]


def _legs(task: Task, speed: float, back: bool, max_steps: int) -> list[Leg]:
    legs: list[Leg] = []
    u, since = task.start, 0.0
    for ends in (task.span, task.span[::-1])[: 2 if back else 1]:
        row = task.drift.rows(task.p, *ends, np.array([speed]))[0]
        named = dict(zip(task.drift.system.parameters, row, strict=True))
        run = integrate(
            task.drift.system,
            np.append(u, START),
            1.0 / speed,
            named,
            rtol=task.rtol,
            atol=task.atol,
            max_steps=max_steps,
        )
        value = np.asarray(task.drift.between(*ends, run.state[:, -1]), dtype=np.float64)
        legs.append(Leg(since + run.t, run.state, value, ends, row, run.reason, run.stats))
        u, since = run.state[-1, :-1], since + 1.0 / speed
        if run.reason is not Reason.END:
            break
    return legs


def _judged(task: Task, legs: list[Leg], back: bool, rate: float, departure: float | None, began: float) -> Ramp:
    """What became of the state."""
    last, n = legs[-1], task.system.dimension
    parts = [slice(0 if k == 0 else 1, None) for k in range(len(legs))]
    t = np.concatenate([leg.t[part] for leg, part in zip(legs, parts, strict=True)])
    value = np.concatenate([leg.value[part] for leg, part in zip(legs, parts, strict=True)])
    state = np.concatenate([leg.states[part, :n] for leg, part in zip(legs, parts, strict=True)])
    distance = task.branch.distance(value, state) if task.branch is not None else np.full(len(t), np.nan)
    limit, kept = _outcome(task, last)
    if departure is None:
        departure = math.nan
        if limit is not None and task.branch is not None:
            departure = 0.5 * float(np.linalg.norm(limit - task.branch.at(np.array([last.ends[1]]))[0]))
    found = (math.nan, math.nan, 0)
    if kept is False and last.reason is Reason.BLEW_UP:
        found = float(value[-1]), float(t[-1]), len(legs) - 1
    elif kept is False and departure > 0:
        found = _departed(task, legs, departure)
        if math.isnan(found[0]):
            task.notes.append("at the end the state is still within the departure of its branch, but is lost when held")
    elif kept is False:
        task.notes.append("the state is lost only when held at the end; `departure` says where that begins")
    delay = _delay(task, legs, *found)
    _doubts(task, value, distance)
    return Ramp(
        task.system,
        task.drift.parameter,
        {
            name: float(x)
            for name, x in zip(task.system.parameters, task.p, strict=True)
            if name != task.drift.parameter
        },
        task.span,
        task.drift.schedule,
        back,
        rate,
        t,
        value,
        state,
        distance,
        task.branch,
        limit,
        kept,
        departure,
        found[0],
        found[1],
        *delay,
        last.reason,
        tuple(task.notes),
        {
            "steps": sum(leg.stats["accepted"] for leg in legs),
            "fields": sum(leg.stats["fields"] for leg in legs),
            "seconds": time.perf_counter() - began,
        },
    )


def _outcome(task: Task, last: Leg) -> tuple[Floats | None, bool | None]:
    """The sink where the state ends when the parameter is held, and whether it is that of the branch."""
    if last.reason is Reason.BLEW_UP:
        return None, False
    if last.reason is not Reason.END:
        task.notes.append(f"the ramp ended early: {last.reason}")
        return None, None
    limit, arrived, blown = task.held(last.states[-1:, :-1], last.ends[1])
    if blown[0]:
        return None, False
    if not arrived[0]:
        task.notes.append("held at the end, the state goes to no sink")
        return None, None
    return limit[0], (bool(task.on_branch(last.ends[1], limit)[0]) if task.branch is not None else None)


def _departed(task: Task, legs: list[Leg], departure: float) -> tuple[float, float, int]:
    """Value and time at which the distance passes the departure for the last time, and on which leg."""
    assert task.branch is not None
    for number in reversed(range(len(legs))):
        leg = legs[number]
        beyond = task.branch.distance(leg.value, leg.states[:, :-1]) > departure
        rises = np.flatnonzero(~beyond[:-1] & beyond[1:])
        if not rises.size:
            continue
        k = int(rises[-1])
        time, value = _refined(task, leg, k, departure)
        return value, time, number
    return math.nan, math.nan, 0


def _refined(task: Task, leg: Leg, k: int, departure: float) -> tuple[float, float]:
    """Time and value of the crossing in step k, on the dense output of a run over that step alone."""
    branch, between = task.branch, task.drift.between
    assert branch is not None

    def beyond(u: Any, _: Any) -> Any:
        columns = np.broadcast_arrays(*np.atleast_1d(*u))
        values = np.asarray(between(*leg.ends, columns[-1]), dtype=np.float64)
        found = branch.distance(values, np.stack(columns[:-1], axis=1)) - departure
        return found if np.ndim(u[0]) else found[0]

    run = integrate(
        task.drift.system,
        leg.states[k],
        float(leg.t[k + 1] - leg.t[k]),
        dict(zip(task.drift.system.parameters, leg.parameters, strict=True)),
        rtol=task.rtol,
        atol=task.atol,
        events=[Event(beyond, terminal=True, direction=1)],
    )
    if not len(run.events[0]):
        return float(leg.t[k + 1]), float(leg.value[k + 1])
    return float(leg.t[k] + run.t[-1]), float(between(*leg.ends, run.state[-1, -1]))


def _delay(task: Task, legs: list[Leg], value: float, when: float, leg: int) -> tuple[float, float]:
    """By how much, and how long, beyond the static special point the state was lost."""
    static = task.branch.static if task.branch is not None else None
    if static is None or math.isnan(value):
        return math.nan, math.nan
    there, first = static.parameters[task.drift.parameter], legs[0]
    sign = math.copysign(1.0, first.ends[1] - first.ends[0])
    way = sign * (first.value - there)
    if way[-1] < 0:  # it was lost before
        return (sign * (value - there) if leg == 0 else math.nan), math.nan
    k = int(np.argmax(way >= 0))
    passed = first.t[0] if k == 0 else _passed(task, first, k, there)
    return (sign * (value - there) if leg == 0 else math.nan), when - float(passed)


def _passed(task: Task, leg: Leg, k: int, there: float) -> float:
    """The time at which the parameter has a value in step k - 1: the schedule's inverse."""
    from scipy.optimize import brentq

    low, high = leg.states[k - 1, -1], leg.states[k, -1]
    clock = brentq(lambda x: float(task.drift.between(*leg.ends, x)) - there, low, high, xtol=1e-15)
    return float(leg.t[k - 1] + (clock - low) / (high - low) * (leg.t[k] - leg.t[k - 1]))


def _doubts(task: Task, value: Floats, distance: Floats) -> None:
    static = task.branch.static if task.branch is not None else None
    if static is None or static.kind == "LP" or not np.isfinite(distance).any():
        return
    nearest = float(np.nanmin(distance))
    if 0.0 < nearest < RESOLVED * task.atol:
        task.notes.append(
            f"the state came within {nearest:.1g} of the branch, near the absolute tolerance {task.atol:g}: "
            "when it leaves it again depends on that; lower atol"
        )
    elif nearest == 0.0:
        task.notes.append(
            "the state came onto the branch to the last digit: what does not push it off does not make it leave"
        )
