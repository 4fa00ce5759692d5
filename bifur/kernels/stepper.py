"""One step of u' = f(u; p): an explicit method, a stiff one, and the first and the next step size.

DOPRI5, order 5(4) with a dense output of order 4: Dormand & Prince 1980; step control and
stiffness test as in `dopri5.f` of Hairer, Norsett & Wanner, Solving ODEs I, II.4 and IV.2.
RODAS, order 4(3), stiffly accurate and L-stable, dense output of order 3: `rodas.f` of Hairer &
Wanner, Solving ODEs II, IV.7.
Time runs backward where the direction is -1: f and J are then taken with the opposite sign.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline
from bifur.kernels.linalg import factor, solve
from bifur.kernels.types import INTS, MATRIX, VECTOR

# clock: time since the start, step, duration, direction, last error, scale of the start
T, H, DURATION, DIRECTION, ERROR, SCALE = range(6)
# counts: method, accepted, rejected, fields, jacobians, stiff signs, other signs, next of the times asked for
METHOD, ACCEPTED, REJECTED, FIELDS, JACOBIANS, STIFF, NOT_STIFF, NEXT = range(8)
# options: tolerances, number of steps, and when arrival ends the run
RTOL, ATOL, MAX_STEPS, ARRIVAL = range(4)
DOPRI5, RODAS = 0, 1

A_DOPRI = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656, 0],
        [35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84],
    ]
)
E_DOPRI = np.array([71 / 57600, 0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40])
D_DOPRI = np.array(
    [
        -12715105075 / 11282082432,
        0,
        87487479700 / 32700410799,
        -10690763975 / 1880347072,
        701980252875 / 199316789632,
        -1453857185 / 822651844,
        69997945 / 29380423,
    ]
)

GAMMA = 0.25
A_RODAS = np.array(
    [
        [0, 0, 0, 0, 0],
        [1.544, 0, 0, 0, 0],
        [0.9466785280815826, 0.2557011698983284, 0, 0, 0],
        [3.314825187068521, 2.896124015972201, 0.9986419139977817, 0, 0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 0],
        [1.221224509226641, 6.019134481288629, 12.53708332932087, -0.6878860361058950, 1],
    ]
)
C_RODAS = np.array(
    [
        [0, 0, 0, 0, 0],
        [-5.6688, 0, 0, 0, 0],
        [-2.430093356833875, -0.2063599157091915, 0, 0, 0],
        [-0.1073529058151375, -9.594562251023355, -20.47028614809616, 0, 0],
        [7.496443313967647, -10.24680431464352, -33.99990352819905, 11.70890893206160, 0],
        [8.083246795921522, -7.981132988064893, -31.52159432874371, 16.31930543123136, -6.058818238834054],
    ]
)
D2_RODAS = np.array([10.12623508344586, -7.487995877610167, -34.80091861555747, -7.992771707568823, 1.025137723295662])
D3_RODAS = np.array([-0.6762803392801253, 6.087714651680015, 16.43084320892478, 24.76722511418386, -6.594389125716872])


class Work(NamedTuple):
    """Room for one run: stages `k` (7, n), dense output `dense` (5, n), vectors (n,), matrices (n, n).

    `slope` is f(u) at the accepted state, `new` the state after the step, `limit` the equilibrium
    that a run arrives at; `stage` and `scratch` are free for any helper.
    """

    k: Any
    dense: Any
    slope: Any
    new: Any
    stage: Any
    limit: Any
    jacobian: Any
    matrix: Any
    pivot: Any
    power: Any
    lyapunov: Any
    scratch: Any


WORK = types.NamedTuple([MATRIX] * 2 + [VECTOR] * 4 + [MATRIX] * 2 + [INTS] + [MATRIX] * 3, Work)


def make_work(n: int) -> Work:
    """Arrays for a system of n states."""
    vectors = [np.zeros(n) for _ in range(4)]
    square = [np.zeros((n, n)) for _ in range(5)]
    return Work(np.zeros((7, n)), np.zeros((5, n)), *vectors, *square[:2], np.zeros(n, np.int64), *square[2:])


# ---- norms --------------------------------------------------------------------------------


@inline
def frobenius(a):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j] ** 2
    return np.sqrt(total)


@inline
def in_tolerances(x, u, v, rtol, atol):
    """Root mean square of x_i / (atol + rtol max(|u_i|, |v_i|)), infinite where anything is not finite."""
    total = 0.0
    for i in range(x.shape[0]):
        total += (x[i] / (atol + rtol * max(abs(u[i]), abs(v[i])))) ** 2
    total = np.sqrt(total / x.shape[0])
    return total if np.isfinite(total) else np.inf


@inline
def copy(source, target):
    """Entry by entry: an assignment of slices compiles ten times as long."""
    for i in range(target.shape[0]):
        target[i] = source[i]


@inline
def finite(x):
    """Whether no entry is infinite or not a number: 0 times such a value is not 0."""
    total = 0.0
    for value in x:
        total += 0.0 * value
    return total == 0.0


# ---- the field in the direction of time ---------------------------------------------------


@inline
def field_at(kernels, u, p, clock, counts, out):
    kernels.field(u, p, out)
    counts[FIELDS] += 1
    if clock[DIRECTION] < 0.0:
        for i in range(out.shape[0]):
            out[i] = -out[i]


@inline
def jacobian_at(kernels, u, p, clock, counts, out):
    kernels.jacobian(u, p, out)
    counts[JACOBIANS] += 1
    if clock[DIRECTION] < 0.0:
        for i in range(out.shape[0]):
            for j in range(out.shape[0]):
                out[i, j] = -out[i, j]


@inline
def first_step(kernels, p, u, clock, counts, options, work):
    """Hairer, Norsett & Wanner, Solving ODEs I, II.4, algorithm for the first step."""
    rtol, atol = options[RTOL], options[ATOL]
    slope = work.slope
    size, speed = in_tolerances(u, u, u, rtol, atol), in_tolerances(slope, u, u, rtol, atol)
    h = 1e-6 if size < 1e-5 or speed < 1e-5 else 0.01 * size / speed
    h = min(h, clock[DURATION])
    for i in range(u.shape[0]):
        work.stage[i] = u[i] + h * slope[i]
    field_at(kernels, work.stage, p, clock, counts, work.k[1])
    for i in range(u.shape[0]):
        work.k[1, i] -= slope[i]
    bend = max(in_tolerances(work.k[1], u, u, rtol, atol) / h, speed)
    if np.isfinite(bend):
        h = min(100.0 * h, max(1e-6, 1e-3 * h) if bend <= 1e-15 else (0.01 / bend) ** 0.2)
    return min(h, clock[DURATION])


# ---- one step of each method: from u and work.slope to work.new; returns the error in tolerances ----


@inline
def step_dopri(kernels, p, u, h, clock, counts, options, work):
    n = u.shape[0]
    k = work.k
    copy(work.slope, k[0])
    for stage in range(1, 7):
        target = work.new if stage == 6 else work.stage
        for i in range(n):
            total = 0.0
            for j in range(stage):
                total += A_DOPRI[stage, j] * k[j, i]
            target[i] = u[i] + h * total
        field_at(kernels, target, p, clock, counts, k[stage])
    for i in range(n):
        total = 0.0
        for j in range(7):
            total += E_DOPRI[j] * k[j, i]
        work.limit[i] = h * total
    return in_tolerances(work.limit, u, work.new, options[RTOL], options[ATOL])


@inline
def looks_stiff(h, work):
    """Whether |h lambda|, from stages 6 and 7 (which share their time), is near the stability limit of 3.3.

    `dopri5.f` asks for 3.25; at tight tolerances the step creeps up to that over thousands of steps.
    """
    difference, distance = 0.0, 0.0
    for i in range(work.new.shape[0]):
        difference += (work.k[6, i] - work.k[5, i]) ** 2
        distance += (work.new[i] - work.stage[i]) ** 2
    return distance > 0.0 and h * np.sqrt(difference / distance) > 2.0


@inline
def dense_dopri(u, h, work):
    k, dense = work.k, work.dense
    for i in range(u.shape[0]):
        difference = work.new[i] - u[i]
        dense[0, i] = u[i]
        dense[1, i] = difference
        dense[2, i] = h * k[0, i] - difference
        dense[3, i] = difference - h * k[6, i] - dense[2, i]
        total = 0.0
        for j in range(7):
            total += D_DOPRI[j] * k[j, i]
        dense[4, i] = h * total


@inline
def step_rodas(kernels, p, u, h, clock, counts, options, work):
    """(I / (h gamma) - J) k_i = f(u + sum a_ij k_j) + sum c_ij k_j / h; new = u_6 + k_6, error k_6."""
    n = u.shape[0]
    k = work.k
    for i in range(n):
        for j in range(n):
            work.matrix[i, j] = -work.jacobian[i, j]
        work.matrix[i, i] += 1.0 / (h * GAMMA)
    if factor(work.matrix, n, work.pivot) == 0.0:
        return np.inf
    copy(work.slope, k[0])
    solve(work.matrix, n, work.pivot, k[0])
    for stage in range(1, 6):
        for i in range(n):
            work.stage[i] = u[i]
            for j in range(stage):
                work.stage[i] += A_RODAS[stage, j] * k[j, i]
        field_at(kernels, work.stage, p, clock, counts, k[stage])
        for i in range(n):
            for j in range(stage):
                k[stage, i] += C_RODAS[stage, j] * k[j, i] / h
        solve(work.matrix, n, work.pivot, k[stage])
    for i in range(n):
        work.new[i] = work.stage[i] + k[5, i]
    return in_tolerances(k[5], u, work.new, options[RTOL], options[ATOL])


@inline
def dense_rodas(u, work):
    k, dense = work.k, work.dense
    for i in range(u.shape[0]):
        dense[0, i] = u[i]
        dense[1, i] = work.new[i]
        dense[2, i] = 0.0
        dense[3, i] = 0.0
        for j in range(5):
            dense[2, i] += D2_RODAS[j] * k[j, i]
            dense[3, i] += D3_RODAS[j] * k[j, i]


@inline
def interpolate(method, theta, dense, out):
    rest = 1.0 - theta
    for i in range(out.shape[0]):
        if method == DOPRI5:
            inner = dense[3, i] + rest * dense[4, i]
            out[i] = dense[0, i] + theta * (dense[1, i] + rest * (dense[2, i] + theta * inner))
        else:
            out[i] = rest * dense[0, i] + theta * (dense[1, i] + rest * (dense[2, i] + theta * dense[3, i]))


@inline
def next_step(method, h, error, clock):
    """PI control for DOPRI5 (beta = 0.04), elementary control for RODAS; factors in [0.2, 10] and [0.2, 6]."""
    if not np.isfinite(error):
        return 0.2 * h
    if method == DOPRI5:
        factor = 0.9 * max(clock[ERROR], 1e-4) ** 0.04 / max(error, 1e-30) ** (0.2 - 0.03)
        largest = 10.0
    else:
        factor = 0.9 / max(error, 1e-30) ** 0.25
        largest = 6.0
    if error > 1.0:
        largest = 1.0
    return h * min(largest, max(0.2, factor))
