"""Integration with an eye on more: bounds that end a run, divisors that may not be jumped, steps that are kept.

The loop is that of `flow.march`, which stays as fast as it is for runs that ask for none of it. A divisor is what the
field divides by, or takes the root or the logarithm of: where one falls to zero in finite time the flow cannot go on,
and a step across that zero would be garbage that the estimate of its error need not notice (below the absolute
tolerance both sides look alike). So no step is accepted on which a divisor loses more than half of its size: the steps
shrink towards the zero until time can resolve no more.
"""

from __future__ import annotations

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.arrival import NEAR, WHEN_CERTAIN
from bifur.kernels.flow import (
    ARRIVED,
    BLEW_UP,
    INT_MATRIX,
    NOT_FINITE,
    STEP_TOO_SMALL,
    _accept,
    _look,
    _record,
    _try_step,
    _watch_stiffness,
    _why_no_step,
)
from bifur.kernels.stepper import (
    ACCEPTED,
    ARRIVAL,
    ATOL,
    DOPRI5,
    DURATION,
    ERROR,
    METHOD,
    NEXT,
    REJECTED,
    RTOL,
    WORK,
    H,
    T,
    copy,
    field_at,
    first_step,
    next_step,
)
from bifur.kernels.types import INTS, KERNELS, MATRIX, VECTOR, VECTOR_CALLBACK

OUTPUT = types.float64[:, :, ::1]

# codes of `follow` beside those of `march`
LEFT, DIVIDES = 7, 8
KEEPS = 0.5  # a divisor keeps at least this share of its size over a step
NO_TIME = 1e-13  # of the time gone by: a divisor that takes less to fall to zero ends the run
VANISHES = 1e-3  # where the last step that time can resolve takes this share of a divisor, the divisor goes to zero


@inline
def _outside(u, bounds, options):
    """Whether a state lies beyond its bounds (2, n) by more than the tolerances: one may rest on a bound."""
    rtol, atol = options[RTOL], options[ATOL]
    for i in range(u.shape[0]):
        low, high = bounds[0, i], bounds[1, i]
        if u[i] < low - NEAR * (atol + rtol * abs(low)) or u[i] > high + NEAR * (atol + rtol * abs(high)):
            return True
    return False


@inline
def _falls(divisor, p, u, sizes):
    """The largest share that a divisor loses from sizes[0] to u, whose divisors go into sizes[1]; NaN counts as all."""
    lost = 0.0
    if sizes.shape[1] > 0:
        divisor(u, p, sizes[1])
    for j in range(sizes.shape[1]):
        share = 1.0 - sizes[1, j] / sizes[0, j]
        lost = max(lost, share if np.isfinite(share) else 1.0)
    return lost


@inline
def _vanishes(code, lost, sizes):
    """Whether it is a divisor that ends the run: it is zero, or goes there within what is left of a step."""
    if code != BLEW_UP and code != STEP_TOO_SMALL and code != NOT_FINITE:
        return False
    for j in range(sizes.shape[1]):
        if sizes[0, j] == 0.0:
            return True
    return sizes.shape[1] > 0 and lost >= VANISHES


@inline
def _keep(work, method, dense_out, methods, place):
    """The dense output of the accepted step that ends at row `place` of the output."""
    for k in range(5):
        for i in range(work.dense.shape[1]):
            dense_out[place, k, i] = work.dense[k, i]
    methods[place] = method


@inline
def _step(
    kernels,
    divisor,
    p,
    u,
    h,
    last,
    moved_on,
    lost,
    clock,
    counts,
    options,
    work,
    sizes,
    times,
    t_out,
    out,
    dense_out,
    methods,
    filled,
):
    """As `flow._step`: also the largest share that a divisor lost in the last accepted step."""
    method = counts[METHOD]
    error = _try_step(kernels, p, u, h, not moved_on, clock, counts, options, work)
    clock[H] = next_step(method, h, error, clock)
    fall = np.inf
    if error <= 1.0:
        fall = _falls(divisor, p, work.new, sizes)
        if fall > KEEPS:
            clock[H] = 0.5 * h
    if not fall <= KEEPS:
        counts[REJECTED] += 1
        return False, np.inf, lost, filled
    counts[ACCEPTED] += 1
    clock[ERROR] = error
    clock[T] = clock[DURATION] if last else clock[T] + h
    for j in range(sizes.shape[1]):
        sizes[0, j] = sizes[1, j]
    keep = dense_out.shape[0] > 0
    moved, stiff = _accept(kernels, p, u, h, clock, counts, options, work, times.shape[0] > 0 or keep)
    place = filled
    filled = _record(u, clock, counts, work, h, times, t_out, out, filled)
    if keep:
        _keep(work, method, dense_out, methods, place)
    if method == DOPRI5:  # after the output, which belongs to the method of this step
        _watch_stiffness(stiff, counts)
    return True, moved, fall, filled


@kernel(
    types.void(
        KERNELS,
        types.FunctionType(VECTOR_CALLBACK),
        MATRIX,
        MATRIX,
        MATRIX,
        INT_MATRIX,
        VECTOR,
        WORK,
        MATRIX,
        MATRIX,
        VECTOR,
        VECTOR,
        OUTPUT,
        OUTPUT,
        INTS,
        INTS,
    )
)
def follow(
    kernels,
    divisor,
    parameters,
    states,
    clocks,
    all_counts,
    options,
    work,
    bounds,
    sizes,
    times,
    t_out,
    u_out,
    dense_out,
    methods,
    codes,
):
    """As `flow.march`: each row of `states` (b, n) goes on from its clock and counts to its code.

    `bounds` (2, n) of the states end a run, infinite ones never. `divisor(u, p, out)` gives the m divisors, m columns
    of the room `sizes` (2, m); with m = 0 it is not called. Output: at `times` (m,), since the start, into rows of
    `u_out` (b, m, n), t_out (m,); or, where `times` is empty, every step of a single run into `t_out` (size,), `u_out`
    (1, size, n), `dense_out` (size, 5, n) and `methods` (size,); or, where `t_out` is empty, none.
    """
    for row in range(states.shape[0]):
        p, u, clock, counts = parameters[row], states[row], clocks[row], all_counts[row]
        out = u_out[row] if t_out.shape[0] > 0 else u_out[0]
        filled, code = counts[NEXT], -1
        accepted, moved, lost = True, 0.0 if clock[H] <= 0.0 else np.inf, 0.0
        field_at(kernels, u, p, clock, counts, work.slope)
        if sizes.shape[1] > 0:
            divisor(u, p, sizes[0])
        while code < 0:
            if accepted:
                code = _look(kernels, p, u, moved, clock, counts, options, work)
                if code < 0 and _outside(u, bounds, options):
                    code = LEFT
                if code >= 0:
                    break
                if clock[H] <= 0.0:
                    clock[H] = first_step(kernels, p, u, clock, counts, options, work)
            h = clock[H]
            last = clock[T] + 1.01 * h >= clock[DURATION]
            if last:
                h = clock[DURATION] - clock[T]
            code = _why_no_step(h, last, filled, clock, counts, options, times, t_out, u, work)
            if code >= 0:
                break
            accepted, moved, lost, filled = _step(
                kernels,
                divisor,
                p,
                u,
                h,
                last,
                accepted,
                lost,
                clock,
                counts,
                options,
                work,
                sizes,
                times,
                t_out,
                out,
                dense_out,
                methods,
                filled,
            )
            if accepted and lost >= VANISHES and h <= NO_TIME * lost * clock[T]:
                code = DIVIDES
        counts[NEXT] = filled
        if code == ARRIVED and options[ARRIVAL] == WHEN_CERTAIN:
            copy(work.limit, u)
        codes[row] = DIVIDES if _vanishes(code, lost, sizes) else code
