"""Trajectories: one with its points, or the ends of many."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur._say import listed, numbers
from bifur.dynamics import large
from bifur.kernels import arrival, flow, stepper
from bifur.systems import System, get_system, sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CHUNK = 4096  # accepted steps between two calls of the kernel
SHARE = 64  # runs of a batch that a thread takes at a time


class Reason(Enum):
    """Why a trajectory ends; the text says what it means."""

    END = "it reached the end of the duration"
    ARRIVED = "it arrived at a stable equilibrium: it is within the tolerances of it and can only go there"
    BLEW_UP = "it grows beyond every scale, or does so within a time too short to resolve: it goes to infinity"
    STEP_TOO_SMALL = (
        "the step fell below what the time can resolve: the field is singular or discontinuous there; "
        "the states up to here are right"
    )
    TOO_MANY_STEPS = "max_steps were taken; raise max_steps or the tolerances, or shorten the duration"
    NOT_FINITE = "the field is not finite there: a pole, or a state outside the domain of the system"

    def __str__(self) -> str:
        return self.value


_REASONS = {
    flow.END: Reason.END,
    flow.ARRIVED: Reason.ARRIVED,
    flow.BLEW_UP: Reason.BLEW_UP,
    flow.STEP_TOO_SMALL: Reason.STEP_TOO_SMALL,
    flow.TOO_MANY_STEPS: Reason.TOO_MANY_STEPS,
    flow.NOT_FINITE: Reason.NOT_FINITE,
}


@dataclass(frozen=True)
class Trajectory:
    """A solution of u' = f(u; p): `t` (m,), `state` (m, n), and why it ends.

    `limit` (n,) is the equilibrium where the trajectory arrived, else None. `stats` counts steps
    (accepted, stiff; rejected ones for at most 12 states), evaluations (fields, jacobians) and seconds.
    """

    system: System
    parameters: Mapping[str, float]
    t: NDArray[np.float64]
    state: NDArray[np.float64]
    reason: Reason
    limit: NDArray[np.float64] | None = None
    stats: Mapping[str, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        end = numbers(self.state[-1]) if len(self) else "no points"
        return f"Trajectory({self.system.name}, {len(self)} points, t={self.t[-1:]}, ({end}), {self.reason.name})"


def integrate(
    system: System | str,
    u0: ArrayLike,
    duration: float | None = None,
    parameters: Mapping[str, float] | None = None,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    times: ArrayLike | None = None,
    max_steps: int = 100_000,
    **more: float,
) -> Trajectory:
    """Follow the flow from `u0` for `duration`, or until it arrives at a stable equilibrium.

    An explicit method (Dormand & Prince 1980, order 5) with PI step control gives way to a stiff
    one (RODAS, Hairer & Wanner, Solving ODEs II, order 4, L-stable) when stability, not accuracy,
    limits the step. More than 12 states are left to scipy's DOP853 or Radau. Arrival is claimed
    only where Newton from the state converges to a sink within 10 tolerances and a Lyapunov
    function shows that the flow contracts to it: slow saddles are passed.

    Parameters
    ----------
    system
        A `System` or the name of a bundled one.
    u0
        (n,) initial state.
    duration
        Time to go on for; negative: backward. Optional where `times` is given.
    parameters, **more
        Parameters of the system by name; the others have their defaults.
    rtol, atol
        Local error per step: root mean square over the components of error / (atol + rtol |u|).
    times
        (m,) increasing distances in time from the start at which the state is asked for; the run
        then does not end early on arrival. Without it every accepted step is kept.
    max_steps
        Steps tried at most.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    start = time.perf_counter()
    system = get_system(system)
    p = system.values(parameters, **more)
    u = _state(system, u0)
    wanted = _times(times, duration)
    span = _duration(duration if duration is not None else (wanted[-1] if wanted.size else None))
    options = _options(rtol, atol, max_steps, arrival.AT_END if wanted.size else arrival.WHEN_NEAR)
    if sparse.is_large(system):
        return _large(system, p, large.run(system, u, p, span, options, wanted, True), start)
    states, codes = u[None].copy(), np.array([flow.FULL])
    clocks, counts = flow.make_clocks(states, span), np.zeros((1, 8), np.int64)
    work, kernels = stepper.make_work(system.dimension), system.derived.kernels()
    size = wanted.size or CHUNK
    blocks: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    if not wanted.size:
        blocks.append((np.zeros(1), u[None]))
    while codes[0] == flow.FULL:
        t_out, u_out = np.empty(size), np.empty((size, system.dimension))
        counts[0, stepper.NEXT] = 0
        flow.march(kernels, p[None], states, clocks, counts, options, work, wanted, t_out, u_out, codes)
        filled = int(counts[0, stepper.NEXT])
        blocks.append((t_out[:filled], u_out[:filled]))
    code, counted = int(codes[0]), counts[0]
    return Trajectory(
        system,
        dict(zip(system.parameters, p.tolist(), strict=True)),
        np.concatenate([block[0] for block in blocks]),
        np.concatenate([block[1] for block in blocks]),
        _REASONS[code],
        work.limit.copy() if code == flow.ARRIVED else None,
        {
            "accepted": int(counted[stepper.ACCEPTED]),
            "rejected": int(counted[stepper.REJECTED]),
            "stiff": int(counted[stepper.METHOD] == stepper.RODAS),
            "fields": int(counted[stepper.FIELDS]),
            "jacobians": int(counted[stepper.JACOBIANS]),
            "seconds": time.perf_counter() - start,
        },
    )


def _large(system: System, p: NDArray[np.float64], run: large.Run, start: float) -> Trajectory:
    """The trajectory of a system with many states."""
    return Trajectory(
        system,
        dict(zip(system.parameters, p.tolist(), strict=True)),
        np.array(run.t),
        np.array(run.states).reshape(-1, system.dimension),
        _REASONS[run.code],
        run.limit,
        {
            "accepted": run.accepted,
            "stiff": int(run.stiff),
            "fields": run.fields,
            "jacobians": run.jacobians,
            "seconds": time.perf_counter() - start,
        },
    )


def integrate_batch(
    system: System | str,
    u0: ArrayLike,
    duration: float,
    parameters: ArrayLike | Mapping[str, float] | None = None,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    max_steps: int = 100_000,
    **more: float,
) -> tuple[NDArray[np.float64], NDArray[np.object_], NDArray[np.float64]]:
    """Where many runs end: final states (b, n), reasons (b,) of `Reason`, times (b,).

    A run ends as soon as it is certain to go to a sink (see `integrate`), at the time when that
    became certain; its final state is then the sink itself.

    Parameters
    ----------
    u0
        (b, n) initial states.
    parameters
        (b, q) in the order of the system's, one row per run; or (q,), or names and values, for all.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    system = get_system(system)
    states = np.array(u0, dtype=np.float64, order="C")
    if states.ndim != 2 or states.shape[1] != system.dimension or not np.isfinite(states).all():
        raise ValueError(
            f"`u0` must be finite numbers of shape (b, {system.dimension}) for {system.name}, not {_shape(u0)}"
        )
    rows = _rows(system, parameters, more, len(states))
    span = _duration(duration)
    options = _options(rtol, atol, max_steps, arrival.WHEN_CERTAIN)
    if sparse.is_large(system):
        runs = [large.run(system, u, p, span, options, np.empty(0), False) for u, p in zip(states, rows, strict=True)]
        ended = np.array([_REASONS[run.code] for run in runs], dtype=object)
        return (
            np.array([run.end for run in runs]).reshape(states.shape),
            ended,
            math.copysign(1.0, span) * np.array([run.time for run in runs]),
        )
    kernels = system.derived.kernels()
    codes, clocks = np.zeros(len(states), np.int64), flow.make_clocks(states, span)
    nothing = np.empty(0), np.empty(0), np.empty((0, system.dimension))

    def part(low: int) -> None:
        rest = slice(low, low + SHARE)
        counts, work = np.zeros((len(states[rest]), 8), np.int64), stepper.make_work(system.dimension)
        flow.march(kernels, rows[rest], states[rest], clocks[rest], counts, options, work, *nothing, codes[rest])

    with ThreadPoolExecutor(min(os.cpu_count() or 1, 32)) as pool:
        list(pool.map(part, range(0, len(states), SHARE)))
    reasons = np.array([_REASONS[int(code)] for code in codes], dtype=object)
    return states, reasons, math.copysign(1.0, span) * clocks[:, stepper.T]


def _shape(value: Any) -> str:
    array = np.asarray(value)
    kind = "" if array.dtype.kind in "fiu" and np.isfinite(array).all() else " with entries that are not finite numbers"
    return f"shape {array.shape}{kind}"


def _state(system: System, u0: Any) -> NDArray[np.float64]:
    try:
        u = np.array(u0, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`u0` must be {system.dimension} finite numbers, not {u0!r}") from None
    if u.shape != (system.dimension,) or not np.isfinite(u).all():
        raise ValueError(f"`u0` must be {system.dimension} finite numbers ({listed(system.states)}), not {_shape(u0)}")
    return u


def _duration(value: Any) -> float:
    try:
        span = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"`duration` must be a finite number other than 0 (or give `times`), not {value!r}") from None
    if not math.isfinite(span) or span == 0.0:
        raise ValueError(f"`duration` must be a finite number other than 0, not {span}")
    return span


def _times(times: Any, duration: Any) -> NDArray[np.float64]:
    if times is None:
        return np.empty(0)
    wanted = np.array(times, dtype=np.float64)
    end = abs(float(duration)) if duration is not None else math.inf
    good = wanted.ndim == 1 and wanted.size > 0 and np.isfinite(wanted).all() and wanted[0] >= 0.0
    if not good or not (np.diff(wanted) > 0).all() or wanted[-1] > end:
        raise ValueError(
            f"`times` must be increasing numbers from 0 up to the duration, shape (m,), not {np.array2string(wanted)}"
        )
    return wanted


def _options(rtol: float, atol: float, max_steps: int, when: int) -> NDArray[np.float64]:
    for name, value in (("rtol", rtol), ("atol", atol)):
        if not 1e-15 < value < 1.0 if name == "rtol" else not 0.0 < value < math.inf:
            raise ValueError(f"`{name}` must be {'between 1e-15 and 1' if name == 'rtol' else 'above 0'}, not {value}")
    if max_steps < 1:
        raise ValueError(f"`max_steps` must be at least 1, not {max_steps}")
    return np.array([rtol, atol, max_steps, when], dtype=np.float64)


def _rows(system: System, parameters: Any, more: Mapping[str, float], b: int) -> NDArray[np.float64]:
    q = len(system.parameters)
    if parameters is None or isinstance(parameters, Mapping):
        return np.tile(system.values(parameters, **more), (b, 1))
    if more:
        raise ValueError(f"`parameters` is an array of all parameters, so {', '.join(more)} cannot be given beside it")
    given = np.asarray(parameters, dtype=np.float64)
    if given.shape not in ((q,), (b, q)) or not np.isfinite(given).all():
        raise ValueError(
            f"`parameters` must be finite numbers of shape ({b}, {q}) or ({q},), in the order "
            f"{', '.join(system.parameters)}, not {_shape(parameters)}"
        )
    return np.array(np.broadcast_to(given, (b, q)), dtype=np.float64, order="C")
