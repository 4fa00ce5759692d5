"""Invariant bounds of states: how far a state is from one, by its logarithm where doubles and tolerances lose it.

Where f_i vanishes on the face x_i = b, x_i - b obeys (x_i - b)' = J_ii (x_i - b) to first order beside it. A state that
is closer than a level is put on the face, and log |x_i - b| is carried along by Simpson's rule on J_ii; where it grows
back beyond the level, the run goes on from there. In `phinet-full` s falls below e^-2000 and grows again.
"""

from __future__ import annotations

import math

from bifur._jit import inline
from bifur.kernels.stepper import H, T

LEVEL, ERRORS = 1e-14, 100.0  # the level is that, or so many absolute tolerances
LOOKS = 16  # places of a step at which a return is looked for

LOOSE, CLOSED, INVARIANT = range(3)  # a bound that may be left, that is not, on which the field moreover vanishes


@inline
def hold(u, walls, kinds, level, logs, held):
    """Put the states that are close to an invariant wall on it; the bits of those held, 2 for each state."""
    for i in range(u.shape[0]):
        for side in range(2):
            bit = 1 << (2 * i + side)
            distance = abs(u[i] - walls[side, i])
            if kinds[side, i] == INVARIANT and not held & bit and distance < level:
                logs[i] = math.log(distance) if distance > 0.0 else -math.inf
                u[i] = walls[side, i]
                held |= bit
    return held


@inline
def put_back(u, walls):
    """Undo what an error of a step did beyond a wall."""
    for i in range(u.shape[0]):
        u[i] = min(max(u[i], walls[0, i]), walls[1, i])


@inline
def rise(h, r0, r1, r2, s):
    """The integral over [0, s] of the parabola through r0, r1, r2 at 0, 1/2, 1, times h."""
    return h * s * (r0 + s * (0.5 * (4.0 * r1 - 3.0 * r0 - r2) + s * (2.0 * r0 - 4.0 * r1 + 2.0 * r2) / 3.0))


@inline
def carry(kernels, p, before, after, h, level, logs, held, work):
    """Carry the logarithms over a step, as far as the part of it after which one is back at twice the level.

    Returns that part and the bit of the state; (2, 0) if none is back.
    work.new, stage, limit, scratch, matrix and power are free between two steps.
    """
    n = before.shape[0]
    kernels.field(before, p, work.new)
    kernels.field(after, p, work.stage)
    for i in range(n):
        work.limit[i] = 0.5 * (before[i] + after[i]) + 0.125 * h * (work.new[i] - work.stage[i])
    kernels.jacobian(before, p, work.scratch)
    kernels.jacobian(work.limit, p, work.matrix)
    kernels.jacobian(after, p, work.power)
    least, which, enough = 2.0, 0, math.log(2.0 * level)
    for bit in range(2 * n):
        if not held & (1 << bit):
            continue
        i = bit // 2
        r0, r1, r2 = work.scratch[i, i], work.matrix[i, i], work.power[i, i]
        for k in range(1, LOOKS + 1):
            if logs[i] + rise(h, r0, r1, r2, k / LOOKS) >= enough:
                a, b = (k - 1) / LOOKS, k / LOOKS
                for _ in range(50):
                    middle = 0.5 * (a + b)
                    if logs[i] + rise(h, r0, r1, r2, middle) >= enough:
                        b = middle
                    else:
                        a = middle
                if b < least:
                    least, which = b, 1 << bit
                break
    part = min(least, 1.0)
    for bit in range(2 * n):
        if held & (1 << bit):
            i = bit // 2
            logs[i] += rise(h, work.scratch[i, i], work.matrix[i, i], work.power[i, i], part)
    return least, which


@inline
def let_go(u, before, after, h, part, which, walls, level, clock, t0, work):
    """Set a run back to the part of a step where a state is back, off its wall; work holds the slopes from `carry`."""
    s = part
    r = 1.0 - s
    for i in range(u.shape[0]):
        u[i] = (
            r * r * (1.0 + 2.0 * s) * before[i]
            + s * s * (3.0 - 2.0 * s) * after[i]
            + h * s * r * (r * work.new[i] - s * work.stage[i])
        )
        for side in range(2):
            if which & (1 << (2 * i + side)):
                u[i] = walls[side, i] + (2.0 * level if side == 0 else -2.0 * level)
    clock[T] = t0 + s * h
    clock[H] = 0.0  # the first step is found anew
