"""Integration: one loop over the steps of `stepper`, until `arrival` or something else ends the run.

A run starts with DOPRI5 and goes over to RODAS for good when the step is held down by stability.
"""

from __future__ import annotations

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.arrival import WHEN_CERTAIN, arrives
from bifur.kernels.stepper import (
    ACCEPTED,
    ARRIVAL,
    ATOL,
    DIRECTION,
    DOPRI5,
    DURATION,
    ERROR,
    MAX_STEPS,
    METHOD,
    NEXT,
    NOT_STIFF,
    REJECTED,
    RODAS,
    RTOL,
    SCALE,
    STIFF,
    WORK,
    H,
    T,
    copy,
    dense_dopri,
    dense_rodas,
    field_at,
    finite,
    first_step,
    in_tolerances,
    interpolate,
    jacobian_at,
    looks_stiff,
    next_step,
    step_dopri,
    step_rodas,
)
from bifur.kernels.types import INTS, KERNELS, MATRIX, VECTOR

INT_MATRIX = types.int64[:, ::1]

# codes of `march`
FULL, END, ARRIVED, BLEW_UP, STEP_TOO_SMALL, TOO_MANY_STEPS, NOT_FINITE = range(7)
FARTHEST = 1e12  # a state this many times its first size has left every scale


@inline
def _record(u, clock, counts, work, h, times, t_out, u_out, filled):
    """Put what is asked for of the accepted step into the output; the number of rows filled."""
    if t_out.shape[0] == 0:
        return filled
    if times.shape[0] == 0:
        t_out[filled] = clock[DIRECTION] * clock[T]
        copy(u, u_out[filled])
        return filled + 1
    while counts[NEXT] < times.shape[0] and times[counts[NEXT]] <= clock[T]:
        theta = 1.0 - (clock[T] - times[counts[NEXT]]) / h
        t_out[counts[NEXT]] = clock[DIRECTION] * times[counts[NEXT]]
        interpolate(counts[METHOD], theta, work.dense, u_out[counts[NEXT]])
        counts[NEXT] += 1
    return counts[NEXT]


@inline
def _grows(u, slope):
    product = 0.0
    for i in range(u.shape[0]):
        product += u[i] * slope[i]
    return product > 0.0


@inline
def _beyond(u, scale):
    largest = 0.0
    for value in u:
        largest = max(largest, abs(value))
    return largest >= FARTHEST * scale


@inline
def _watch_stiffness(stiff, counts):
    """15 signs without 6 others in a row between them (Hairer, Norsett & Wanner, Solving ODEs I)."""
    if stiff:
        counts[NOT_STIFF] = 0
        counts[STIFF] += 1
        if counts[STIFF] == 15:
            counts[METHOD] = RODAS
    else:
        counts[NOT_STIFF] += 1
        if counts[NOT_STIFF] == 6:
            counts[STIFF] = 0


@inline
def _try_step(kernels, p, u, h, fresh, clock, counts, options, work):
    """A step of the current method from u to work.new; `fresh` tells that work.jacobian is J(u)."""
    if counts[METHOD] == DOPRI5:
        return step_dopri(kernels, p, u, h, clock, counts, options, work)
    if not fresh:
        jacobian_at(kernels, u, p, clock, counts, work.jacobian)
    return step_rodas(kernels, p, u, h, clock, counts, options, work)


@inline
def _accept(kernels, p, u, h, clock, counts, options, work, dense):
    """u <- work.new with its slope; returns the length of the step in tolerances, and whether it looks stiff."""
    stiff = False
    if counts[METHOD] == DOPRI5:
        stiff = looks_stiff(h, work)
        if dense:
            dense_dopri(u, h, work)
    elif dense:
        dense_rodas(u, work)
    for i in range(u.shape[0]):
        work.stage[i] = work.new[i] - u[i]
    moved = in_tolerances(work.stage, u, work.new, options[RTOL], options[ATOL])
    copy(work.new, u)
    if counts[METHOD] == DOPRI5:
        copy(work.k[6], work.slope)
    else:
        field_at(kernels, u, p, clock, counts, work.slope)
    return moved, stiff


@inline
def _why_no_step(h, last, filled, clock, counts, options, times, t_out, u, work):
    """The code that forbids another step, or -1."""
    if clock[T] >= clock[DURATION]:
        return END
    if counts[ACCEPTED] + counts[REJECTED] >= options[MAX_STEPS]:
        return TOO_MANY_STEPS
    if times.shape[0] == 0 and 0 < t_out.shape[0] == filled:
        return FULL
    if h < 1e-300 or (not last and clock[T] + 0.1 * h <= clock[T]):
        return BLEW_UP if _grows(u, work.slope) else STEP_TOO_SMALL
    return -1


@inline
def _look(kernels, p, u, moved, clock, counts, options, work):
    """The code that ends the run at an accepted state, or -1."""
    if not finite(work.slope):
        return NOT_FINITE
    if _beyond(u, clock[SCALE]):
        return BLEW_UP
    if arrives(kernels, p, u, moved, clock, counts, options, work):
        return ARRIVED
    return -1


@inline
def _step(kernels, p, u, h, last, fresh, clock, counts, options, work, times, t_out, u_out, filled):
    """Try one step; whether it is accepted, its length in tolerances, and the rows filled."""
    method = counts[METHOD]
    error = _try_step(kernels, p, u, h, fresh, clock, counts, options, work)
    clock[H] = next_step(method, h, error, clock)
    if not error <= 1.0:
        counts[REJECTED] += 1
        return False, np.inf, filled
    counts[ACCEPTED] += 1
    clock[ERROR] = error
    clock[T] = clock[DURATION] if last else clock[T] + h
    moved, stiff = _accept(kernels, p, u, h, clock, counts, options, work, times.shape[0] > 0)
    filled = _record(u, clock, counts, work, h, times, t_out, u_out, filled)
    if method == DOPRI5:  # after the output, which belongs to the method of this step
        _watch_stiffness(stiff, counts)
    return True, moved, filled


@kernel(types.void(KERNELS, MATRIX, MATRIX, MATRIX, INT_MATRIX, VECTOR, WORK, VECTOR, VECTOR, MATRIX, INTS))
def march(kernels, parameters, states, clocks, all_counts, options, work, times, t_out, u_out, codes):
    """Each row of `states` (b, n) goes on, in place, from its clock (b, 6) and counts (b, 8), to its code (b,).

    Output is for a single run: `times` (m,) since the start, increasing, or empty: then every
    accepted step is put out, or nothing where `t_out` is empty. counts[NEXT] is the number of rows
    put out so far. A run that arrives leaves the equilibrium in work.limit; where certainty is
    enough, it ends on the equilibrium itself.
    """
    for row in range(states.shape[0]):
        p, u, clock, counts = parameters[row], states[row], clocks[row], all_counts[row]
        filled, code = counts[NEXT], -1
        accepted, moved = True, 0.0 if clock[H] <= 0.0 else np.inf
        field_at(kernels, u, p, clock, counts, work.slope)
        while code < 0:
            if accepted:
                code = _look(kernels, p, u, moved, clock, counts, options, work)
                if code >= 0:
                    break
                if clock[H] <= 0.0:
                    clock[H] = first_step(kernels, p, u, clock, counts, options, work)
            h = clock[H]
            last = clock[T] + 1.01 * h >= clock[DURATION]
            if last:
                h = clock[DURATION] - clock[T]
            code = _why_no_step(h, last, filled, clock, counts, options, times, t_out, u, work)
            if code < 0:
                accepted, moved, filled = _step(
                    kernels, p, u, h, last, not accepted, clock, counts, options, work, times, t_out, u_out, filled
                )
        counts[NEXT] = filled
        if code == ARRIVED and options[ARRIVAL] == WHEN_CERTAIN:
            copy(work.limit, u)
        codes[row] = code


def make_clocks(states, duration):
    """Clocks (b, 6) at the start of runs from `states` (b, n) over a signed duration."""
    clocks = np.zeros((len(states), 6))
    clocks[:, DURATION], clocks[:, DIRECTION] = abs(duration), np.sign(duration)
    clocks[:, ERROR], clocks[:, SCALE] = 1e-4, np.abs(states).max(axis=1, initial=1.0)
    return clocks
