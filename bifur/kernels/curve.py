"""Tracing a curve of special points in two parameters (see `curve_systems`).

The loop takes a step, cuts it at the bounds (and, on a Hopf curve, where the frequency vanishes), and measures the test
functions. A step is halved where the corrector contracts slowly, where the tangent turns too far or does not fit the
step (a jump to another part of the curve), or where a test function changes too much. What lies between the points is
found by `continuation.curve_points`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.arrays import (
    BOUND,
    CLOSED,
    END_OF_SPAN,
    ESCAPED,
    HUGE,
    STEP_TOO_SMALL,
    STEPS,
    STOP_NOT_FINITE,
    STOP_SINGULAR,
    TOO_MANY_STEPS,
)
from bifur.kernels.curve_systems import (
    BRANCH,
    CONVERGED,
    CURVE_SOLVERS,
    CURVE_WORK,
    FOLD,
    HOPF,
    NOT_FINITE,
    SINGULAR,
    evaluate,
    unknowns,
)
from bifur.kernels.curve_tests import PAIR, TAKENS, TESTS, ZERO
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

# why it stopped, after the reasons of `arrays`
BOGDANOV_TAKENS, UNFOLDS = 9, 10
# places in Path.count
POINTS, REJECTED, NEWTON = range(3)
GROWTH = 1.6
EASY_NEWTON = 3
HARMLESS = 0.03  # of a step: corrections that cannot lead to another curve
ASIDE = 0.05  # of a step: how far from the mean of its tangents it may end
CHANGE = 0.3  # of a test function of size one in a step
TURNED = 0.8  # cosine of the angle by which the left null vector may turn in a step
COARSE = 0.02  # of the largest step: below it a change of the test functions is taken as it is
ON_BOUND = 1e-13  # of the plane: a curve may run along its rim
LONGER = 4.0  # how much longer J makes the other vector of a pair before the two are exchanged
UNFOLDED = 1e-9  # b by the size of f's terms: beyond rounding


class Plane(NamedTuple):
    """Two free parameters, their box in s (values or logarithms), and the box of the states."""

    free: np.ndarray
    logs: np.ndarray
    low: np.ndarray  # (n + 2,) states, s1, s2
    high: np.ndarray
    weight: np.ndarray  # (n,) of the states


PLANE = types.NamedTuple([INTS, INTS, VECTOR, VECTOR, VECTOR], Plane)


class Path(NamedTuple):
    """What is written: points with test functions and eigenvalues; then scratch."""

    z: np.ndarray
    tests: np.ndarray
    re: np.ndarray
    im: np.ndarray
    count: np.ndarray
    a: np.ndarray
    b: np.ndarray
    ta: np.ndarray
    tb: np.ndarray
    w: np.ndarray
    wb: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    start: np.ndarray
    start_tangent: np.ndarray


PATH = types.NamedTuple([MATRIX, MATRIX, MATRIX, MATRIX, INTS, *[VECTOR] * 10], Path)


def make_path(n: int, points: int) -> Path:
    """Room for one direction of one curve."""
    size = 2 * n + 3
    return Path(
        np.empty((points, size)),
        np.empty((points, TESTS)),
        np.empty((points, n)),
        np.empty((points, n)),
        np.zeros(3, np.int64),
        *(np.zeros(size) for _ in range(10)),
    )


@inline
def _weights(z, P, n, size, weight):
    """States by their size where it exceeds 1, the parameters by their bounds."""
    for i in range(n):
        weight[i] = P.weight[i] / max(1.0, abs(z[i]))
        weight[n + i] = 0.5  # the null vector turns with the curve; it need not set the step
    if size > 2 * n + 2:
        weight[2 * n] = 0.5 / max(1.0, abs(z[2 * n]))
    for j in range(2):
        weight[size - 2 + j] = 1.0 / (P.high[n + j] - P.low[n + j])


@inline
def _anchor(kind, z, t, weight, n, W):
    """Move the anchor to z, at which W was evaluated, and the tangent's vector part with it."""
    if kind == HOPF:
        along = norm = 0.0
        for i in range(n):
            along += W.Jv[i] * z[n + i]
        for i in range(n):
            norm += (W.Jv[i] - along * z[n + i]) ** 2
        if not norm > 0.0:
            return
        slide = 0.0
        for i in range(n):
            W.anchor[i] = (W.Jv[i] - along * z[n + i]) / math.sqrt(norm)
            slide += W.anchor[i] * t[n + i]
        for i in range(n):
            t[n + i] -= slide * W.anchor[i]
    elif kind == BRANCH:
        w1, w2 = weight[2 * n + 1], weight[2 * n + 2]
        x, y = w1 * t[2 * n + 1], w2 * t[2 * n + 2]
        norm = math.hypot(x, y)
        if norm > 0.0:
            W.anchor[0], W.anchor[1] = -y / (norm * w1), x / (norm * w2)


@inline
def _quarter_turn(z, n, W):
    """Turn v by a right angle in the plane of the pair, where J makes the other vector much longer; whether it did.

    In the basis (v, c) of that plane J = [[a, g], [b, -a]] with a^2 + b g = -k: towards a Bogdanov-Takens point, where
    k = 0, one vector of it goes into the kernel, and with v there the equations would be singular.
    """
    along = across = 0.0
    for i in range(n):
        along += W.Jv[i] * z[n + i]
    for i in range(n):
        across += (W.Jv[i] - along * z[n + i]) ** 2
    across = math.sqrt(across)
    if not abs(z[2 * n] + along * along) > LONGER * across * across:
        return False
    for i in range(n):
        z[n + i] = (W.Jv[i] - along * z[n + i]) / across
    return True


@inline
def _unfolds(z, weight, n, W):
    """Whether b has left zero: no branches cross there. It is measured by the change of f over the plane, by its first
    derivatives and, as these may vanish on a trivial branch, its second.
    """
    scale = 0.0
    for i in range(n):
        first = second = 0.0
        for j in range(2 * n + 3):
            if j < n or j > 2 * n:
                first += abs(W.H[i, j]) / weight[j]
                second += abs(W.H[n + i, j]) / (weight[i] * weight[j])
        scale = max(scale, first, second)
    return abs(z[2 * n]) > UNFOLDED * scale


@inline
def _smooth(C, k, kind, n):
    """Whether no test function of size one changes too much, and the left null vector of a fold turns little."""
    if n < 2:
        return True
    before, after = C.tests[k - 1], C.tests[k]
    change = max(abs(after[PAIR] - before[PAIR]), abs(after[ZERO] - before[ZERO]))
    change = max(change, abs(after[TAKENS] - before[TAKENS]))
    along = 0.0
    for i in range(n):
        along += C.w[i] * C.wb[i]
    return change <= CHANGE and (kind != FOLD or along >= TURNED)


@inline
def _fits(C, size, step):
    """Whether the step agrees with the tangents at its ends: on a smooth curve with their mean, up to third order."""
    away = 0.0
    for j in range(size):
        away += (C.weight[j] * (C.b[j] - C.a[j] - 0.5 * step * (C.ta[j] + C.tb[j]))) ** 2
    return math.sqrt(away) <= ASIDE * step


@inline
def _returns(C, n, size, step):
    """Whether the step passes the start of the curve; its vectors may come back turned."""
    before = after = away = 0.0
    for j in range(size):
        if j < n or j >= 2 * n:
            along = C.weight[j] ** 2 * C.start_tangent[j]
            before += along * (C.a[j] - C.start[j])
            after += along * (C.b[j] - C.start[j])
            away += (C.weight[j] * (C.b[j] - C.start[j])) ** 2
    return before < 0.0 <= after and math.sqrt(away) <= 2.0 * step


@inline
def _record(C, k, size, z):
    for j in range(size):
        C.z[k, j] = z[j]
    C.count[POINTS] = k + 1


@inline
def _failed(code):
    return STOP_NOT_FINITE if code == NOT_FINITE else STOP_SINGULAR if code == SINGULAR else STEP_TOO_SMALL


@kernel(types.UniTuple(I8, 2)(CURVE_SOLVERS, I8, KERNELS, PLANE, PATH, CURVE_WORK))
def _cut(E, kind, K, P, C, W):
    """Move C.b back onto the first bound that it passed; (code, why it stops there or -1)."""
    n = len(W.u)
    size = unknowns(kind, n)
    code, stop = CONVERGED, -1
    for i in range(n + 3):
        place = i if i < n else 2 * n if i == n + 2 else size - 2 + i - n
        low = P.low[i] if i < n + 2 else 0.0
        high = P.high[i] if i < n + 2 else np.inf
        slack = ON_BOUND * (high - low) if n <= i < n + 2 else 0.0
        if code != CONVERGED or (i == n + 2 and kind != HOPF) or low - slack <= C.b[place] <= high + slack:
            continue
        bound = low if C.b[place] < low else high
        if C.b[place] == C.a[place]:
            return SINGULAR, stop
        tau = (bound - C.a[place]) / (C.b[place] - C.a[place])
        for j in range(size):
            C.b[j] = (1.0 - tau) * C.a[j] + tau * C.b[j]
            C.row[j] = 0.0
        C.row[place], C.b[place] = 1.0, bound
        code, _ = E.correct(kind, K, C.b, C.row, bound, C.weight, P.free, P.logs, 0.9, 1e-12, 30, 1, W)
        C.b[place] = bound
        stop = BOUND if i < n else END_OF_SPAN if i < n + 2 else BOGDANOV_TAKENS
    return code, stop


@kernel(I8(CURVE_SOLVERS, I8, KERNELS, VECTOR, VECTOR, F8, PLANE, STEPS, PATH, CURVE_WORK))
def trace_curve(E, kind, K, z0, row0, direction, P, st, C, W):
    """Trace from z0 with direction * row0.t > 0; why it stopped. W.p holds the fixed parameters, W.anchor c or d."""
    n = len(W.u)
    size = unknowns(kind, n)
    for j in range(size):
        C.a[j], C.row[j] = z0[j], direction * row0[j]
    _weights(C.a, P, n, size, C.weight)
    if not evaluate(kind, K, C.a, P.free, P.logs, W):
        return STOP_NOT_FINITE
    if E.tangent(kind, C.row, C.weight, C.ta, W) == 0.0:
        return STOP_SINGULAR
    E.measure(kind, C.a, C.w, False, C.tests[0], C.re[0], C.im[0], W)
    _record(C, 0, size, C.a)
    _anchor(kind, C.a, C.ta, C.weight, n, W)
    for j in range(size):
        C.start[j], C.start_tangent[j] = C.a[j], C.ta[j]
    ds = st.ds
    while True:
        k = C.count[POINTS]
        if k == len(C.z) - 1:
            return TOO_MANY_STEPS
        # 1. a step, cut at the bounds
        _weights(C.a, P, n, size, C.weight)
        norm = target = 0.0
        for j in range(size):
            norm += (C.weight[j] * C.ta[j]) ** 2
        for j in range(size):
            C.ta[j] /= math.sqrt(norm)
            C.b[j] = C.a[j] + ds * C.ta[j]
            C.row[j] = C.weight[j] ** 2 * C.ta[j]
            target += C.row[j] * C.b[j]
        code, used = E.correct(
            kind, K, C.b, C.row, target, C.weight, P.free, P.logs, st.contraction, HARMLESS * ds, st.max_newton, 0, W
        )
        C.count[NEWTON] += used
        stop = -1
        if code == CONVERGED:
            code, stop = _cut(E, kind, K, P, C, W)
        # 2. its tangent and test functions
        good, turn, step = code == CONVERGED, 0.0, 0.0
        if good and kind == BRANCH and _unfolds(C.b, C.weight, n, W):
            return UNFOLDS
        if good:
            for j in range(size):
                C.row[j] = C.weight[j] ** 2 * C.ta[j]
                step += (C.weight[j] * (C.b[j] - C.a[j])) ** 2
            step = math.sqrt(step)
            if stop >= 0 and step < 1e-13:
                return stop
            good = E.tangent(kind, C.row, C.weight, C.tb, W) != 0.0
            for j in range(size):
                turn += C.weight[j] ** 2 * C.ta[j] * C.tb[j]
            good = good and turn > math.cos(st.turn) and _fits(C, size, step)
        if good:
            for i in range(n):
                C.wb[i] = C.w[i]
            E.measure(kind, C.b, C.wb, True, C.tests[k], C.re[k], C.im[k], W)
            good = _smooth(C, k, kind, n) or ds <= COARSE * st.ds_max
        if not good:
            C.count[REJECTED] += 1
            ds *= 0.5
            if ds < st.ds_min:
                return _failed(code)
            continue
        _record(C, k, size, C.b)
        for i in range(n):
            C.w[i] = C.wb[i]
        # 3. whether it ends here
        if stop >= 0:
            return stop
        for i in range(n):
            if abs(C.b[i]) > HUGE:
                return ESCAPED
        if k > 3 and _returns(C, n, size, step):
            return CLOSED
        if kind == HOPF and _quarter_turn(C.b, n, W):
            evaluate(kind, K, C.b, P.free, P.logs, W)
            _anchor(kind, C.b, C.tb, C.weight, n, W)
            evaluate(kind, K, C.b, P.free, P.logs, W)
            for j in range(size):
                C.row[j] = C.weight[j] ** 2 * C.tb[j] if j < n or j >= 2 * n else 0.0
            if E.tangent(kind, C.row, C.weight, C.tb, W) == 0.0:
                return STOP_SINGULAR
        else:
            _anchor(kind, C.b, C.tb, C.weight, n, W)
        for j in range(size):
            C.a[j], C.ta[j] = C.b[j], C.tb[j]
        if used <= EASY_NEWTON and turn > math.cos(0.5 * st.turn):
            ds = min(GROWTH * ds, st.ds_max)
        elif turn < math.cos(0.8 * st.turn):
            ds = max(0.7 * ds, st.ds_min)
