"""Tracing a curve of special points in two parameters, with the points of codimension 2 on it.

For folds z = (u, v, s1, s2); along the curve w spans the kernel of J^T, and
    CP (cusp)                where w.B(v, v) changes sign
    BT (Bogdanov-Takens)     where w.v changes sign: zero becomes a double eigenvalue
(Kuznetsov 2004, sections 8.2 and 8.4).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import linalg
from bifur.kernels.arrays import (
    BOUND,
    CLOSED,
    END_OF_SPAN,
    ESCAPED,
    HUGE,
    SOLVERS,
    STEP_TOO_SMALL,
    STEPS,
    STOP_NOT_FINITE,
    STOP_SINGULAR,
    TOO_MANY_STEPS,
)
from bifur.kernels.step import CONVERGED, FOLD, WORK, evaluate
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

CP, BT = 1, 2
CUSP, TAKENS = 0, 1  # columns of Path.tests: w.B(v, v), w.v
POINTS, SPECIAL, REJECTED = range(3)


class Plane(NamedTuple):
    """Two free parameters, their box in s (values or logarithms), and the box of the states."""

    free: np.ndarray
    logs: np.ndarray
    low: np.ndarray  # (n + 2,) states, s1, s2
    high: np.ndarray


PLANE = types.NamedTuple([INTS, INTS, VECTOR, VECTOR], Plane)


class Path(NamedTuple):
    """What is written."""

    z: np.ndarray
    tests: np.ndarray
    special_kind: np.ndarray
    special_z: np.ndarray
    count: np.ndarray
    # scratch: two points with tangents and null vectors
    a: np.ndarray
    b: np.ndarray
    ta: np.ndarray
    tb: np.ndarray
    wa: np.ndarray
    wb: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    start: np.ndarray
    start_tangent: np.ndarray
    middle: np.ndarray


PATH = types.NamedTuple([MATRIX, MATRIX, INTS, MATRIX, INTS, *[VECTOR] * 11], Path)


def make_path(n: int, points: int, special: int) -> Path:
    """Room for one direction of one curve."""
    size = 2 * n + 2
    vectors = [np.zeros(n if k in (4, 5) else size) for k in range(11)]
    return Path(
        np.empty((points, size)),
        np.empty((points, 2)),
        np.zeros(special, np.int64),
        np.empty((special, size)),
        np.zeros(3, np.int64),
        *vectors,
    )


@inline
def _place(z, i, n):
    """Component i of (states, s1, s2) in z = (u, v, s1, s2)."""
    return i if i < n else n + i


@inline
def _weights(z, P, n, weight):
    for i in range(n):
        weight[i] = 1.0 / max(1.0, abs(z[i]))
        weight[n + i] = 0.5  # the null vector turns with the curve; it need not set the step
    for j in range(2):
        weight[2 * n + j] = 1.0 / (P.high[n + j] - P.low[n + j])


@kernel(types.void(KERNELS, VECTOR, VECTOR, types.boolean, VECTOR, WORK))
def tests(K, z, w, follow, out, W):
    """w.B(v, v) and w.v, w of length 1, oriented like its value on entry where `follow`. W.J, W.second belong to z."""
    n = len(W.u)
    for i in range(n):
        W.f[i] = w[i]
    linalg.null_vector(W.J, n, True, w, W.A, W.pivots)
    along = 0.0
    for i in range(n):
        along += w[i] * W.f[i]
    if follow and along < 0.0:
        for i in range(n):
            w[i] = -w[i]
    out[CUSP] = out[TAKENS] = 0.0
    for i in range(n):
        value = 0.0
        for j in range(n):
            value += W.second[i, j] * z[n + j]
        out[CUSP] += w[i] * value
        out[TAKENS] += w[i] * z[n + i]


@kernel(types.boolean(SOLVERS, I8, KERNELS, PLANE, PATH, F8, WORK))
def _locate(solvers, column, K, P, C, first, W):
    """Bisection for a sign change of a test between C.a and C.b, every point corrected onto the curve."""
    n, index = len(W.u), C.count[SPECIAL]
    if index == len(C.special_kind):
        return False
    size = 2 * n + 2
    lo, hi = 0.0, 1.0
    out = C.tests[C.count[POINTS]]
    for j in range(size):
        C.row[j] = C.weight[j] ** 2 * (C.b[j] - C.a[j])
    for _ in range(60):
        tau, target = 0.5 * (lo + hi), 0.0
        for j in range(size):
            C.middle[j] = (1.0 - tau) * C.a[j] + tau * C.b[j]
            target += C.row[j] * C.middle[j]
        code, _ = solvers.correct(FOLD, K, C.middle, C.row, target, C.weight, P.free, P.logs, 0.9, 20, W)
        if code != CONVERGED:
            return False
        for i in range(n):
            C.wb[i] = C.wa[i]
        tests(K, C.middle, C.wb, True, out, W)
        if out[column] * first > 0.0:
            lo = tau
        else:
            hi = tau
        if hi - lo < 1e-13:
            break
    for j in range(size):
        C.special_z[index, j] = C.middle[j]
    C.special_kind[index] = CP if column == CUSP else BT
    C.count[SPECIAL] = index + 1
    return True


@kernel(I8(SOLVERS, KERNELS, VECTOR, VECTOR, F8, PLANE, STEPS, PATH, WORK))
def trace_fold_curve(solvers, K, z0, row0, direction, P, st, C, W):
    """Trace folds from z0 with direction * row0.t > 0; why it stopped. W.p holds the fixed parameters."""
    n = len(W.u)
    size = 2 * n + 2
    for j in range(size):
        C.a[j], C.row[j] = z0[j], direction * row0[j]
    _weights(C.a, P, n, C.weight)
    if not evaluate(FOLD, K, C.a, P.free, P.logs, W):
        return STOP_NOT_FINITE
    if solvers.tangent(FOLD, C.row, C.weight, C.ta, W) == 0.0:
        return STOP_SINGULAR
    tests(K, C.a, C.wa, False, C.tests[0], W)
    for j in range(size):
        C.z[0, j], C.start[j], C.start_tangent[j] = C.a[j], C.a[j], C.ta[j]
    C.count[POINTS] = 1
    ds = st.ds
    while True:
        k = C.count[POINTS]
        if k == len(C.z) - 1:
            return TOO_MANY_STEPS
        _weights(C.a, P, n, C.weight)
        norm = 0.0
        for j in range(size):
            norm += (C.weight[j] * C.ta[j]) ** 2
        target = 0.0
        for j in range(size):
            C.ta[j] /= math.sqrt(norm)
            C.b[j] = C.a[j] + ds * C.ta[j]
            C.row[j] = C.weight[j] ** 2 * C.ta[j]
            target += C.row[j] * C.b[j]
        code, used = solvers.correct(
            FOLD, K, C.b, C.row, target, C.weight, P.free, P.logs, st.contraction, st.max_newton, W
        )
        stop = -1
        for i in range(n + 2):
            place = _place(C.b, i, n)
            if code == CONVERGED and not P.low[i] <= C.b[place] <= P.high[i]:
                bound = P.low[i] if C.b[place] < P.low[i] else P.high[i]
                tau = (bound - C.a[place]) / (C.b[place] - C.a[place])
                for j in range(size):
                    C.b[j] = (1.0 - tau) * C.a[j] + tau * C.b[j]
                    C.row[j] = 0.0
                C.row[place], C.b[place] = 1.0, bound
                code, _ = solvers.correct(FOLD, K, C.b, C.row, bound, C.weight, P.free, P.logs, 0.9, 30, W)
                C.b[place] = bound
                stop = BOUND if i < n else END_OF_SPAN
        good, turn, step = code == CONVERGED, 0.0, 0.0
        if good:
            for j in range(size):
                C.row[j] = C.weight[j] ** 2 * C.ta[j]
                step += (C.weight[j] * (C.b[j] - C.a[j])) ** 2
            step = math.sqrt(step)
            if stop >= 0 and step < 1e-13:
                return stop
            good = solvers.tangent(FOLD, C.row, C.weight, C.tb, W) != 0.0
            for j in range(size):
                turn += C.weight[j] ** 2 * C.ta[j] * C.tb[j]
            good = good and turn > math.cos(st.turn)
        if not good:
            C.count[REJECTED] += 1
            ds *= 0.5
            if ds < st.ds_min:
                return STOP_NOT_FINITE if code == 2 else STOP_SINGULAR if code == 3 else STEP_TOO_SMALL
            continue
        for i in range(n):
            C.wb[i] = C.wa[i]
        tests(K, C.b, C.wb, True, C.tests[k], W)
        cusp, takens = C.tests[k, CUSP], C.tests[k, TAKENS]
        if C.tests[k - 1, CUSP] * cusp < 0.0:
            _locate(solvers, CUSP, K, P, C, C.tests[k - 1, CUSP], W)
        if n > 1 and C.tests[k - 1, TAKENS] * takens < 0.0:
            _locate(solvers, TAKENS, K, P, C, C.tests[k - 1, TAKENS], W)
        C.tests[k, CUSP], C.tests[k, TAKENS] = cusp, takens
        for j in range(size):
            C.z[k, j] = C.b[j]
        C.count[POINTS] = k + 1
        if stop >= 0:
            return stop
        for i in range(n):
            if abs(C.b[i]) > HUGE:
                return ESCAPED
        if k > 3:
            before = after = away = 0.0
            for j in range(size):
                before += C.weight[j] ** 2 * (C.a[j] - C.start[j]) * C.start_tangent[j]
                after += C.weight[j] ** 2 * (C.b[j] - C.start[j]) * C.start_tangent[j]
                away += (C.weight[j] * (C.b[j] - C.start[j])) ** 2
            if before < 0.0 <= after and math.sqrt(away) <= 2.0 * step:
                return CLOSED
        # the null vector of the end orients the next one
        evaluate(FOLD, K, C.b, P.free, P.logs, W)
        for i in range(n):
            C.wb[i] = C.wa[i]
        tests(K, C.b, C.wb, True, C.tests[k], W)
        for i in range(n):
            C.wa[i] = C.wb[i]
        for j in range(size):
            C.a[j], C.ta[j] = C.b[j], C.tb[j]
        if used <= 3 and turn > math.cos(0.5 * st.turn):
            ds = min(1.6 * ds, st.ds_max)
        elif turn < math.cos(0.8 * st.turn):
            ds = max(0.7 * ds, st.ds_min)
