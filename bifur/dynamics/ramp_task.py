"""What `ramp` and `critical_rate` share: their arguments, checked, and the branch that the state follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import numbers, unknown
from bifur.continuation.equilibria import find_equilibria
from bifur.continuation.results import Equilibrium
from bifur.dynamics import arguments
from bifur.dynamics.batch import integrate_batch
from bifur.dynamics.followed import Followed, follow
from bifur.dynamics.ramped import Drift, drift
from bifur.dynamics.runs import Reason
from bifur.systems import System, get_system
from bifur.systems.base import merged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HOLD = 1e9  # how long the parameter is held at the end, to see where the state goes
SAME = 1e-6  # relative distance at which two equilibria are one


class Task:
    """What a ramp is about, checked: system, parameters `p` at the start of the span, the branch that is followed."""

    def __init__(self, system: System, p: Floats, span: tuple[float, float], moving: Drift, u: Floats) -> None:
        self.system, self.p, self.span, self.drift, self.start = system, p, span, moving, u
        self.index = list(system.parameters).index(moving.parameter)
        self.rtol, self.atol = 1e-10, 1e-14
        self.notes: list[str] = []
        self.branch: Followed | None = None

    def at(self, value: float) -> Floats:
        """All parameters, the drifting one at a value."""
        p = self.p.copy()
        p[self.index] = value
        return p

    def held(self, states: Floats, value: float) -> tuple[Floats, NDArray[np.bool_], NDArray[np.bool_]]:
        """Where states (k, n) go when the parameter is held at a value; whether they arrive, or go to infinity."""
        ends = integrate_batch(self.system, states, HOLD, self.at(value), rtol=self.rtol, atol=self.atol)
        return ends.state, np.asarray(ends.reason == Reason.ARRIVED), np.asarray(ends.reason == Reason.BLEW_UP)

    def on_branch(self, value: float, limits: Floats) -> NDArray[np.bool_]:
        """Whether sinks (k, n) at a value lie on the branch."""
        if self.branch is None:
            return np.zeros(len(limits), dtype=bool)
        low, high = self.branch.value.min(), self.branch.value.max()
        if not low <= value <= high:
            return np.zeros(len(limits), dtype=bool)
        there = self.branch.at(np.array([value]))[0]
        return np.asarray(np.linalg.norm(limits - there, axis=1) <= SAME * (1.0 + np.linalg.norm(there)))


def make_task(
    system: System | str,
    start: Any,
    parameters: Mapping[str, float] | None,
    more: Mapping[str, float],
    parameter: str,
    span: Any,
    schedule: Any,
    rtol: float,
    atol: float,
) -> Task:
    """The arguments that `ramp` and `critical_rate` share, checked, and the branch traced."""
    system = get_system(system)
    if parameter not in system.parameters:
        raise ValueError(f"`parameter`: {unknown('parameter', parameter, system.parameters)}")
    given = merged(parameters, more)
    if parameter in given:
        raise ValueError(f"`{parameter}` drifts, so its values are those of `span`; it cannot be given as well")
    ends = _ends(system, parameter, span)
    p = system.values(given | {parameter: ends[0]})
    moving = drift(system, parameter, schedule, ends)
    task = Task(system, p, ends, moving, _start(system, p, start))
    arguments.options(rtol, atol, 1, 0)
    task.rtol, task.atol = rtol, atol
    limit, arrived, _ = task.held(task.start[None], ends[0])
    if not arrived[0]:
        task.notes.append(f"at {parameter} = {ends[0]:g} the start goes to no sink: there is no branch to follow")
        return task
    task.branch = follow(system, p, parameter, ends, limit[0])
    if task.branch is None:
        task.notes.append("the branch of equilibria could not be traced")
    return task


def _ends(system: System, parameter: str, span: Any) -> tuple[float, float]:
    try:
        first, last = span
    except (TypeError, ValueError):
        raise ValueError(f"`span` must be two numbers (first, last), not {span!r}") from None
    ends = system.check_parameter(parameter, first), system.check_parameter(parameter, last)
    if ends[0] == ends[1]:
        raise ValueError(f"`span` must have two different values, not {ends[0]:g} twice")
    return ends


def _start(system: System, p: Floats, start: Any) -> Floats:
    if isinstance(start, Equilibrium):
        return arguments.state(system, start.state, "start")
    if start is not None:
        return arguments.state(system, start, "start")
    named = dict(zip(system.parameters, p.tolist(), strict=True))
    sinks = [e for e in find_equilibria(system, named) if e.kind == "sink" and not e.collapsed]
    if len(sinks) != 1:
        found = "; ".join(f"({numbers(e.state)})" for e in sinks) or "none"
        raise ValueError(f"`start` is needed: the sinks that have not collapsed at the start of the span are {found}")
    return sinks[0].state
