"""What a run comes to: trajectories, the events along them, and the reasons for which they end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np

from bifur._say import numbers
from bifur.kernels import flow, follow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

EVENT = 9  # the code of an event that ends a run, beside those of the kernels


class Reason(Enum):
    """Why a trajectory ends; the text says what it means."""

    END = "it reached the end of the duration"
    ARRIVED = "it arrived at a stable equilibrium: within the tolerances of it, where its Lyapunov function falls"
    BLEW_UP = "it grows beyond every scale, or does so within a time too short to resolve: it goes to infinity"
    STEP_TOO_SMALL = (
        "the step fell below what the time can resolve: the field is singular or discontinuous there; "
        "the states up to here are right"
    )
    TOO_MANY_STEPS = "max_steps were taken; raise max_steps or the tolerances, or shorten the duration"
    NOT_FINITE = "the field is not finite there: a pole, or a state outside the domain of the system"
    LEFT = "it left the bounds of the states"
    COLLAPSED = (
        "it collapsed in finite time: a norm that the field divides by fell to zero, and the flow ends there; "
        "the states up to here are right"
    )
    DIVIDES_BY_ZERO = (
        "a divisor of the field fell to zero in finite time, and the flow ends there; the states up to here are right"
    )
    EVENT = "an event that ends the run was met"

    def __str__(self) -> str:
        return self.value


REASONS = {
    flow.END: Reason.END,
    flow.ARRIVED: Reason.ARRIVED,
    flow.BLEW_UP: Reason.BLEW_UP,
    flow.STEP_TOO_SMALL: Reason.STEP_TOO_SMALL,
    flow.TOO_MANY_STEPS: Reason.TOO_MANY_STEPS,
    flow.NOT_FINITE: Reason.NOT_FINITE,
    follow.LEFT: Reason.LEFT,
    follow.DIVIDES: Reason.DIVIDES_BY_ZERO,
    EVENT: Reason.EVENT,
}


def reason_of(system: System, code: int) -> Reason:
    """A code in words: a divisor that vanishes is collapse in a system that declares what collapse is."""
    return Reason.COLLAPSED if code == follow.DIVIDES and system.collapse else REASONS[code]


def reasons_of(system: System, codes: NDArray[np.int64]) -> NDArray[np.object_]:
    """The same for many codes."""
    table = np.empty(max(REASONS) + 1, dtype=object)
    for code in REASONS:
        table[code] = reason_of(system, code)
    return table[codes]


@dataclass(frozen=True)
class Crossings:
    """The zeros of one event along a run: `t` (k,), `state` (k, n), and whether it grows there, `rising` (k,)."""

    name: str
    t: NDArray[np.float64]
    state: NDArray[np.float64]
    rising: NDArray[np.bool_]

    def __post_init__(self) -> None:
        if self.state.ndim != 2 or not len(self.t) == len(self.state) == len(self.rising):
            raise ValueError(f"`t`, `state` and `rising` must have one row per zero, not {self.state.shape}")

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        return f"Crossings({self.name!r}, t=({numbers(self.t)}))"


@dataclass(frozen=True)
class Trajectory:
    """A solution of u' = f(u; p): `t` (m,), `state` (m, n), and why it ends.

    `limit` (n,) is the equilibrium where the trajectory arrived, else None. `events` holds the `Crossings` of each
    event asked for, in their order. `stats` counts steps (accepted, stiff; rejected ones for at most 12 states),
    evaluations (fields, jacobians) and seconds.
    """

    system: System
    parameters: Mapping[str, float]
    t: NDArray[np.float64]
    state: NDArray[np.float64]
    reason: Reason
    limit: NDArray[np.float64] | None = None
    stats: Mapping[str, float] = field(default_factory=dict)
    events: tuple[Crossings, ...] = ()

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        end = numbers(self.state[-1]) if len(self) else "no points"
        return f"Trajectory({self.system.name}, {len(self)} points, t={self.t[-1:]}, ({end}), {self.reason.name})"
