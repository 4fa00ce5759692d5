"""Many runs at once: where they end, or their states at common times."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from bifur.dynamics import arguments, large
from bifur.dynamics.divisors import divisors
from bifur.dynamics.events import Watch
from bifur.dynamics.runs import reasons_of
from bifur.kernels import arrival, flow, follow, stepper
from bifur.systems import System, get_system, sparse

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SHARE = 64  # runs of a batch that a thread takes at a time, at most


class Ends(NamedTuple):
    """What many runs come to: `state` (b, n), or (b, m, n) at m times, `reason` (b,) of `Reason`, `t` (b,)."""

    state: Floats
    reason: NDArray[np.object_]
    t: Floats


def integrate_batch(
    system: System | str,
    u0: ArrayLike,
    duration: float | None = None,
    parameters: ArrayLike | Mapping[str, float] | None = None,
    *,
    rtol: float = 1e-8,
    atol: float = 1e-10,
    times: ArrayLike | None = None,
    max_steps: int = 100_000,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    leave: Literal["stop", "go on"] | None = None,
    **more: float,
) -> Ends:
    """Where many runs end: final states (b, n), reasons (b,) of `Reason`, times (b,); or their states at common times.

    A run ends as soon as a look at the Jacobian around a sink says that it goes there (see
    `integrate`), at that time; its final state is then the sink itself. With `times` (m,) the runs go on to the
    last of them and the states are (b, m, n), NaN after the end of a run that ended before.

    Parameters
    ----------
    u0
        (b, n) initial states.
    duration
        Time to go on for, negative: backward; optional where `times` is given.
    parameters
        (b, q) in the order of the system's, one row per run; or (q,), or names and values, for all.
    rtol, atol, times, max_steps, bounds, leave
        As for `integrate`; a run that leaves the bounds ends with the first step outside.

    Raises
    ------
    ValueError
        An argument is wrong.
    """
    system = get_system(system)
    states = arguments.states(system, u0)
    rows = arguments.rows(system, parameters, more, len(states))
    wanted = arguments.times(times, duration)
    span = arguments.duration(duration if duration is not None else (wanted[-1] if wanted.size else None))
    options = arguments.options(rtol, atol, max_steps, arrival.AT_END if wanted.size else arrival.WHEN_CERTAIN)
    limits = arguments.box(system, bounds, leave, states)
    return run(system, states, np.full(len(states), span), rows, options, limits, wanted)


def run(
    system: System, states: Floats, spans: Floats, rows: Floats, options: Floats, limits: Floats, wanted: Floats
) -> Ends:
    """As `integrate_batch`, its arguments checked, each run with its own duration; `states` are overwritten."""
    if sparse.is_large(system):
        return _large(system, states, spans, rows, options, limits, wanted)
    clocks = flow.make_clocks(states, 1.0)
    clocks[:, stepper.DURATION], clocks[:, stepper.DIRECTION] = np.abs(spans), np.sign(spans)
    codes, kernels, n = np.zeros(len(states), np.int64), system.derived.kernels(), system.dimension
    by = divisors(system)
    watched = wanted.size > 0 or np.isfinite(limits).any() or len(by) > 0
    callback = by.callback if len(by) else kernels.field
    out = np.full((len(states), wanted.size, n), np.nan) if wanted.size else np.empty((1, 0, n))
    nothing = np.empty(0), np.empty(0), np.empty((0, n))

    threads = min(os.cpu_count() or 1, 32)
    share = max(1, min(SHARE, len(states) // (4 * threads)))

    def part(low: int) -> None:
        rest = slice(low, low + share)
        counts, work = np.zeros((len(states[rest]), 8), np.int64), stepper.make_work(n)
        given = kernels, rows[rest], states[rest], clocks[rest], counts, options, work
        if not watched:
            flow.march(*given, *nothing, codes[rest])
            return
        follow.follow(
            kernels,
            callback,
            *given[1:],
            limits,
            np.zeros((2, len(by))),
            wanted,
            np.empty(wanted.size),
            out[rest] if wanted.size else out,
            np.empty((0, 5, n)),
            np.empty(0, np.int64),
            codes[rest],
        )

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(part, range(0, len(states), share)))
    return Ends(out if wanted.size else states, reasons_of(system, codes), np.sign(spans) * clocks[:, stepper.T])


def _large(
    system: System, states: Floats, spans: Floats, rows: Floats, options: Floats, limits: Floats, wanted: Floats
) -> Ends:
    runs: list[large.Run] = []
    margin = arrival.NEAR * (
        options[stepper.ATOL] + options[stepper.RTOL] * np.abs(np.nan_to_num(limits, posinf=0, neginf=0))
    )
    for u, p, span in zip(states, rows, spans, strict=True):
        watch = None
        if np.isfinite(limits).any() or len(divisors(system)):
            watch = Watch(system, dict(zip(system.parameters, p.tolist(), strict=True)), (), limits, margin)
        runs.append(large.run(system, u, p, float(span), options, wanted, wanted.size > 0, watch))
    codes = np.array([one.code for one in runs], np.int64)
    t = np.array([math.copysign(one.time, span) for one, span in zip(runs, spans, strict=True)])
    if not wanted.size:
        return Ends(np.array([one.end for one in runs]).reshape(states.shape), reasons_of(system, codes), t)
    out = np.full((len(states), wanted.size, system.dimension), np.nan)
    for row, one in zip(out, runs, strict=True):
        row[: len(one.states)] = np.array(one.states).reshape(-1, system.dimension)
    return Ends(out, reasons_of(system, codes), t)
