"""Systems one of whose parameters drifts: the time of the drift is a further state, nothing is held piecewise."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import nearest
from bifur.systems import System, ops
from bifur.systems.base import Values

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# from the share of the time that has gone by to the share of the way
Share = Callable[[Any], Any]
SCHEDULES = ("linear", "exponential", "cosine")
_KNOWN: dict[tuple[Any, ...], Drift] = {}
_RECENT = 32


def _linear(x: Any) -> Any:
    return x


def _cosine(x: Any) -> Any:
    return (1 - ops.cos(math.pi * x)) / 2


_SHARES: dict[str, Share] = {"linear": _linear, "cosine": _cosine}
START = 1.0  # of the clock: at zero a relative tolerance would have no scale


class Drift:
    """`system` with `parameter` going from one value to another while a clock, its last state, goes from 1 to 2.

    The two values and the speed of the clock are parameters, so that one compiled system serves every ramp.
    """

    def __init__(self, system: System, parameter: str, schedule: str | Share) -> None:
        self.base, self.parameter, self.schedule = system, parameter, schedule
        taken = {*system.states, *system.parameters}
        self.clock, self.first, self.last, self.speed = (
            _free(name, taken) for name in ("ramp_clock", "ramp_from", "ramp_to", "ramp_speed")
        )
        others = {name: value for name, value in system.parameters.items() if name != parameter}
        self.system = System(
            f"{system.name}-ramp",
            self._field,
            states=(*system.states, self.clock),
            parameters={**others, self.first: 1.0, self.last: 2.0, self.speed: 1.0},
        )

    def _field(self, u: Any, p: Any) -> tuple[Any, ...]:
        own = vars(p)
        value = self.between(own[self.first], own[self.last], u[-1])
        values = {name: own[name] for name in self.base.parameters if name != self.parameter}
        components = self.base.definition(tuple(u[:-1]), Values({**values, self.parameter: value}))
        components = components if isinstance(components, tuple | list) else (components,)
        return (*components, own[self.speed])

    def between(self, first: Any, last: Any, clock: Any) -> Any:
        """The parameter at a time of the clock."""
        x = clock - 1
        if self.schedule == "exponential":
            return first * ops.exp(x * ops.log(last / first))
        share = self.schedule if callable(self.schedule) else _SHARES[str(self.schedule)]
        return first + (last - first) * share(x)

    def rows(self, p: Floats, first: float, last: float, speeds: Floats) -> Floats:
        """(k, q + 2) parameters of ramps at these speeds (k,), `p` (q,) being those of the system."""
        known = dict(zip(self.base.parameters, p, strict=True)) | {self.first: first, self.last: last}
        one = [known.get(name, 0.0) for name in self.system.parameters]
        rows = np.tile(np.array(one, dtype=np.float64), (len(speeds), 1))
        rows[:, list(self.system.parameters).index(self.speed)] = speeds
        return rows

    def way(self, first: float, last: float) -> float:
        """What a rate is counted in: the way of the parameter, or of its logarithm where the drift is exponential."""
        return abs(math.log(last / first)) if self.schedule == "exponential" else abs(last - first)


def drift(system: System, parameter: str, schedule: Any, span: tuple[float, float]) -> Drift:
    """The drifting system, made once; the schedule is checked."""
    if isinstance(schedule, str):
        if schedule not in SCHEDULES:
            hint = nearest(schedule, SCHEDULES)
            raise ValueError(f"`schedule` must be {', '.join(SCHEDULES)} or a function, not {schedule!r}{hint}")
        if schedule == "exponential" and not min(span) > 0:
            raise ValueError(f"`span` must be positive where the schedule is exponential, not {span}")
    elif callable(schedule):
        try:
            ends = float(schedule(0.0)), float(schedule(1.0))
        except Exception as error:
            raise ValueError(f"`schedule` fails as a function of a number between 0 and 1: {error}") from error
        if not np.allclose(ends, (0, 1), atol=1e-9):
            raise ValueError(f"`schedule` must go from 0 at 0 to 1 at 1, not from {ends[0]:g} to {ends[1]:g}")
    else:
        raise ValueError(f"`schedule` must be {', '.join(SCHEDULES)} or a function, not {schedule!r}")
    key = (system.digest, system.name, parameter, schedule)
    if key not in _KNOWN:
        while len(_KNOWN) >= _RECENT:
            _KNOWN.pop(next(iter(_KNOWN)), None)
        _KNOWN[key] = Drift(system, parameter, schedule)
    return _KNOWN[key]


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
