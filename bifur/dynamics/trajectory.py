"""One trajectory with its points."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bifur.dynamics import arguments, large
from bifur.dynamics.divisors import divisors
from bifur.dynamics.events import Watch, checked, kernel_steps
from bifur.dynamics.runs import EVENT, Trajectory, reason_of
from bifur.kernels import arrival, flow, follow, stepper
from bifur.systems import System, get_system, sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

CHUNK = 4096  # accepted steps between two calls of the kernel
FIRST = 64  # the same at the start of a run that an event may end


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
    events: Sequence[Any] = (),
    bounds: Mapping[str, tuple[float, float]] | None = None,
    leave: Literal["stop", "go on"] | None = None,
    **more: float,
) -> Trajectory:
    """Follow the flow from `u0` for `duration`, or until it arrives at a stable equilibrium.

    An explicit method (Dormand & Prince 1980, order 5) with PI step control gives way to a stiff
    one (RODAS, Hairer & Wanner, Solving ODEs II, order 4, L-stable) when stability, not accuracy,
    limits the step. More than 12 states are left to scipy's DOP853 or Radau. Arrival is claimed
    only where Newton from the state converges to a sink within 10 tolerances and its Lyapunov
    function falls as far out as the Jacobian was looked at (no proof: `find_basins` has traps that
    are proved): slow saddles are passed. Where something that the
    field divides by falls to zero in finite time, as the norms of `cosine-modes` do, the run ends.

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
    events
        What is watched for: functions of (u, p) in plain arithmetic, the same as text ("p_h - 0.5"), or `Event`s, which
        may have a direction and end the run. Their zeros are located to rounding on the dense output.
    bounds
        (low, high) of states; a run that leaves them by more than ten tolerances ends there. They override those of the
        system.
    leave
        "stop": the run ends where it leaves the bounds, of the system or given; "go on": it does not. By default
        it ends where `bounds` are given.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    start = time.perf_counter()
    system = get_system(system)
    p = system.values(parameters, **more)
    u = arguments.state(system, u0)
    wanted = arguments.times(times, duration)
    span = arguments.duration(duration if duration is not None else (wanted[-1] if wanted.size else None))
    options = arguments.options(rtol, atol, max_steps, arrival.AT_END if wanted.size else arrival.WHEN_NEAR)
    limits = arguments.box(system, bounds, leave, u[None])
    watch = None
    found = checked(system, events)
    if found or np.isfinite(limits).any() or len(divisors(system)):
        margin = arrival.NEAR * (atol + rtol * np.abs(np.where(np.isfinite(limits), limits, 0.0)))
        watch = Watch(system, dict(zip(system.parameters, p.tolist(), strict=True)), found, limits, margin)
    if sparse.is_large(system):
        return _large(system, p, large.run(system, u, p, span, options, wanted, True, watch), watch, span, start)
    run = _Run(system, u, p, span, options, wanted)
    code = run.march() if watch is None else run.watched(watch, limits)
    return run.trajectory(code, watch, start)


class _Run:
    """One run in the kernels, and what it has put out so far."""

    def __init__(self, system: System, u: Floats, p: Floats, span: float, options: Floats, wanted: Floats) -> None:
        self.system, self.p, self.span, self.options, self.wanted = system, p, span, options, wanted
        self.states, self.codes = u[None].copy(), np.array([flow.FULL])
        self.clocks, self.counts = flow.make_clocks(self.states, span), np.zeros((1, 8), np.int64)
        self.work, self.kernels = stepper.make_work(system.dimension), system.derived.kernels()
        self.blocks: list[tuple[Floats, Floats]] = []
        if not wanted.size:
            self.blocks.append((np.zeros(1), u[None]))

    def march(self) -> int:
        """To the end, with nothing to watch for."""
        size = self.wanted.size or CHUNK
        while self.codes[0] == flow.FULL:
            t_out, u_out = np.empty(size), np.empty((size, self.system.dimension))
            self.counts[0, stepper.NEXT] = 0
            flow.march(
                self.kernels,
                self.p[None],
                self.states,
                self.clocks,
                self.counts,
                self.options,
                self.work,
                self.wanted,
                t_out,
                u_out,
                self.codes,
            )
            filled = int(self.counts[0, stepper.NEXT])
            self.blocks.append((t_out[:filled], u_out[:filled]))
        return int(self.codes[0])

    def watched(self, watch: Watch, limits: Floats) -> int:
        """To the end, or to where an event or a bound ends it: in blocks of steps that are looked at afterwards."""
        n, size = self.system.dimension, FIRST if watch.events else CHUNK
        by = divisors(self.system)
        sizes, callback = np.zeros((2, len(by))), by.callback if len(by) else self.kernels.field
        while self.codes[0] == flow.FULL:
            t_out, u_out = np.empty(size), np.empty((1, size, n))
            dense, methods = np.empty((size, 5, n)), np.empty(size, np.int64)
            self.counts[0, stepper.NEXT] = 0
            before = self.clocks[0, stepper.T]
            follow.follow(
                self.kernels,
                callback,
                self.p[None],
                self.states,
                self.clocks,
                self.counts,
                self.options,
                self.work,
                limits,
                sizes,
                np.empty(0),
                t_out,
                u_out,
                dense,
                methods,
                self.codes,
            )
            filled, size = int(self.counts[0, stepper.NEXT]), min(CHUNK, 4 * size)
            if filled:
                steps = kernel_steps(np.append(before, np.abs(t_out[:filled])), dense[:filled], methods[:filled])
                place = watch.look(steps)
                left = watch.leaves(steps) if self.codes[0] == follow.LEFT else math.inf
                self._put_out(steps, u_out[0, :filled], min(place, left))
                if place < left:
                    return EVENT
        return int(self.codes[0])

    def _put_out(self, steps: Any, ends: Floats, stop: float) -> None:
        """What is asked for of these steps, up to the place where the run stops."""
        direction = math.copysign(1.0, self.span)
        last = steps.t[-1] if stop >= len(steps) else steps.time(stop)
        if self.wanted.size:
            first = -1.0 if steps.t[0] == 0.0 else steps.t[0]
            t = self.wanted[(self.wanted > first) & (self.wanted <= last)]
            self.blocks.append((direction * t, steps.at(steps.places(t)) if t.size else np.empty((0, ends.shape[1]))))
            return
        whole = int(np.searchsorted(steps.t[1:], last, side="right"))
        t, u = steps.t[1 : whole + 1], ends[:whole]
        if stop < len(steps):
            inside = t < last
            t, u = np.append(t[inside], last), np.vstack([u[inside], steps.at(np.array([stop]))])
        self.blocks.append((direction * t, u))

    def trajectory(self, code: int, watch: Watch | None, start: float) -> Trajectory:
        counted = self.counts[0]
        return Trajectory(
            self.system,
            dict(zip(self.system.parameters, self.p.tolist(), strict=True)),
            np.concatenate([block[0] for block in self.blocks]),
            np.concatenate([block[1] for block in self.blocks]),
            reason_of(self.system, code),
            self.work.limit.copy() if code == flow.ARRIVED else None,
            {
                "accepted": int(counted[stepper.ACCEPTED]),
                "rejected": int(counted[stepper.REJECTED]),
                "stiff": int(counted[stepper.METHOD] == stepper.RODAS),
                "fields": int(counted[stepper.FIELDS]),
                "jacobians": int(counted[stepper.JACOBIANS]),
                "seconds": time.perf_counter() - start,
            },
            watch.crossings(math.copysign(1.0, self.span)) if watch is not None else (),
        )


def _large(system: System, p: Floats, run: large.Run, watch: Watch | None, span: float, start: float) -> Trajectory:
    """The trajectory of a system with many states."""
    return Trajectory(
        system,
        dict(zip(system.parameters, p.tolist(), strict=True)),
        np.array(run.t),
        np.array(run.states).reshape(-1, system.dimension),
        reason_of(system, run.code),
        run.limit,
        {
            "accepted": run.accepted,
            "stiff": int(run.stiff),
            "fields": run.fields,
            "jacobians": run.jacobians,
            "seconds": time.perf_counter() - start,
        },
        watch.crossings(math.copysign(1.0, span)) if watch is not None else (),
    )
