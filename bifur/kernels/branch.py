"""Tracing one branch of equilibria: steps, special points, landings on given parameter values.

The loop takes a step, cuts it at the span and at the bounds, looks for special points in it, and lands on
the grid values that it crosses. A step is halved where the corrector contracts slowly, where the
tangent turns too far, where a special point that the test functions announce is not found, or where
the number of unstable eigenvalues changes without a special point: all signs of a jump to another
branch or of a pair of points inside one step.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from bifur._jit import callback, inline, kernel
from bifur.kernels import linalg
from bifur.kernels.arrays import (
    BOUND,
    BP,
    CLOSED,
    END_OF_SPAN,
    ESCAPED,
    FIND,
    HB,
    HUGE,
    LAND,
    LANDED,
    LOOP,
    LOST_LANDINGS,
    LP,
    NEWTON,
    POINTS,
    PROBLEM,
    REJECTED,
    SCRATCH,
    SOLVERS,
    SPECIAL,
    STEP_TOO_SMALL,
    STOP_NOT_FINITE,
    STOP_SINGULAR,
    TOO_MANY_STEPS,
    TRACE,
    UNLOCATED,
)
from bifur.kernels.detect import hopf_test
from bifur.kernels.step import CONVERGED, EQUILIBRIUM, SINGULAR, WORK, evaluate, newton
from bifur.kernels.types import F8, I8, KERNELS, MATRIX, VECTOR

GROWTH = 1.6
EASY_NEWTON = 3
INSIDE = 1e-3  # of a step: how far out of it a special point may lie, by the curvature of the branch
STILL, LARGE = 1e-11, 1e4
PITCHFORK = 1e-4  # a fold this near to a branch point is that point


@inline
def _weights(z, P, weight):
    """States by their size where it exceeds 1, the parameter by its span."""
    n = len(P.weight)
    for i in range(n):
        weight[i] = P.weight[i] / max(1.0, abs(z[i]))
    weight[n] = 1.0 / (P.span[1] - P.span[0])


@inline
def _row(t, weight, row):
    for j in range(len(row)):
        row[j] = weight[j] * weight[j] * t[j]


@inline
def _dot(x, y):
    value = 0.0
    for j in range(len(x)):
        value += x[j] * y[j]
    return value


@inline
def _distance(x, y, weight):
    value = 0.0
    for j in range(len(weight)):
        value += (weight[j] * (x[j] - y[j])) ** 2
    return math.sqrt(value)


@kernel(types.boolean(SOLVERS, TRACE, VECTOR, VECTOR, WORK))
def _record(solvers, T, z, t, W):
    """Append a point with its spectrum; False where there is no more room. W.J belongs to z."""
    k = T.count[POINTS]
    if k == len(T.unstable):
        return False
    n = len(W.u)
    solvers.eigenvalues(W.J, n, W.A, T.re[k], T.im[k])
    unstable = 0
    for i in range(n):
        unstable += T.re[k, i] > 0.0
    for j in range(n + 1):
        T.z[k, j], T.tangent[k, j] = z[j], t[j]
    T.unstable[k] = unstable
    T.count[POINTS] = k + 1
    return True


@kernel(types.void(VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, F8, VECTOR))
def _hermite(a, b, ta, tb, weight, tau, out):
    """Cubic through a and b with tangents ta, tb of weighted length 1; tau in [0, 1]."""
    h = _distance(a, b, weight)
    t2, t3 = tau * tau, tau * tau * tau
    h00, h10, h01, h11 = 2 * t3 - 3 * t2 + 1, t3 - 2 * t2 + tau, -2 * t3 + 3 * t2, t3 - t2
    for j in range(len(out)):
        out[j] = h00 * a[j] + h10 * h * ta[j] + h01 * b[j] + h11 * h * tb[j]


@kernel(F8(MATRIX, I8, WORK))
def _sign_of_determinant(J, n, W):
    for i in range(n):
        for j in range(n):
            W.A[i, j] = J[i, j]
    sign = linalg.factor(W.A, n, W.pivots)
    for i in range(n):
        if W.A[i, i] < 0.0:
            sign = -sign
    return sign


@kernel(types.boolean(KERNELS, VECTOR, VECTOR, VECTOR, VECTOR, F8, I8, I8, PROBLEM, SCRATCH, TRACE, WORK))
def _land_between(K, a, b, ta, tb, sign, arc, k, P, S, T, W):
    """Land on grid value k between a and b; the determinant of J must have this sign there."""
    n = len(W.u)
    lo, hi, rising = 0.0, 1.0, b[n] > a[n]
    h, tau = _distance(a, b, S.weight), 0.5
    for _ in range(40):  # the parameter alone, along the cubic
        tau = 0.5 * (lo + hi)
        rest = 1.0 - tau
        s = rest * rest * ((1.0 + 2.0 * tau) * a[n] + tau * h * ta[n])
        s += tau * tau * ((3.0 - 2.0 * tau) * b[n] - rest * h * tb[n])
        if (s < P.grid[k]) == rising:
            lo = tau
        else:
            hi = tau
    _hermite(a, b, ta, tb, S.weight, tau, S.guess)
    index = T.count[LANDED]
    if index == len(T.land_k):
        return False
    u = T.land_u[index]
    for i in range(n):
        u[i] = S.guess[i]
    W.p[P.free[0]] = P.values[k]
    code, first = newton(K, u, W, 12)
    allowed = 0.0
    for i in range(n):
        allowed = max(allowed, abs(a[i] - b[i]), 1e-12 * abs(a[i]))
    if code != CONVERGED or first > allowed + 1e-14 or (sign != 0.0 and _sign_of_determinant(W.J, n, W) != sign):
        return False
    T.land_k[index], T.land_arc[index] = k, arc
    T.count[LANDED] = index + 1
    return True


@inline
def _first_above(grid, s):
    """Index of the first grid value above s."""
    low, high = 0, len(grid)
    while low < high:
        middle = (low + high) // 2
        if grid[middle] <= s:
            low = middle + 1
        else:
            high = middle
    return low


@callback(LAND)
def land(K, a, b, ta, tb, sign, arc, P, S, T, W):
    """Land on every grid value in (a, b], in the order of the branch."""
    n = len(W.u)
    if len(P.grid) == 0 or a[n] == b[n]:
        return
    if b[n] > a[n]:
        k = _first_above(P.grid, a[n])
        while k < len(P.grid) and P.grid[k] <= b[n]:
            if not _land_between(K, a, b, ta, tb, sign, arc, k, P, S, T, W):
                T.count[LOST_LANDINGS] += 1
            k += 1
    else:
        k = _first_above(P.grid, a[n]) - 1
        if k >= 0 and P.grid[k] == a[n]:
            k -= 1
        while k >= 0 and P.grid[k] >= b[n]:
            if not _land_between(K, a, b, ta, tb, sign, arc, k, P, S, T, W):
                T.count[LOST_LANDINGS] += 1
            k -= 1


@callback(FIND)
def special(solvers, kind, K, ta, tb, tau, P, S, T, W):
    """Locate and record a special point near the fraction tau of the step from S.a to S.b; False: not there."""
    n = len(W.u)
    x, index = S.x, T.count[SPECIAL]
    if index == len(T.special_kind):
        return True
    for j in range(n + 1):
        S.guess[j] = (1.0 - tau) * S.a[j] + tau * S.b[j]
    if not evaluate(EQUILIBRIUM, K, S.guess, P.free, P.logs, W):
        return False
    for i in range(n):
        x[i] = S.guess[i]
    x[2 * n] = W.p[P.free[0]]
    x[2 * n + 1] = 0.0
    v = x[n : 2 * n]
    if kind == LP:
        norm = 0.0
        for i in range(n):
            v[i] = (1.0 - tau) * ta[i] + tau * tb[i]
            norm += v[i] * v[i]
        for i in range(n):
            v[i] /= math.sqrt(norm)
    elif kind == BP:
        linalg.null_vector(W.J, n, True, v, W.A, W.pivots)
    else:
        solvers.eigenvalues(W.J, n, W.A, W.re, W.im)
        best, square = math.inf, 0.0
        for i in range(n):
            for j in range(i):
                size = math.hypot(W.re[i] + W.re[j], W.im[i] + W.im[j])
                if size < best:
                    best, square = size, W.re[i] * W.re[j] - W.im[i] * W.im[j]
        for i in range(n):
            for j in range(n):
                W.H[i, j] = square if i == j else 0.0
                for r in range(n):
                    W.H[i, j] += W.J[i, r] * W.J[r, j]
        linalg.null_vector(W.H, n, False, v, W.A, W.pivots)
        x[2 * n + 1] = square
        along = 0.0
        for i in range(n):
            S.anchor[i] = 0.0
            for j in range(n):
                S.anchor[i] += W.J[i, j] * v[j]
            along += S.anchor[i] * v[i]
        for i in range(n):
            S.anchor[i] -= along * v[i]
    code, residual = solvers.locate(kind, K, x, P.free[0], S.anchor, W)
    if code != CONVERGED:
        return False
    if kind == BP:  # f + b w = 0: where b is not zero two branches pass each other without meeting
        K.magnitude(W.u, W.p, W.magnitude)
        size = 0.0
        for i in range(n):
            size = max(size, W.magnitude[i])
        if abs(x[2 * n + 1]) > 1e-14 * size + 1e-300:
            return False
    if kind == HB:  # where k < 0 one eigenvector that is orthogonal to the anchor solves the system as well
        solvers.eigenvalues(W.J, n, W.A, W.re, W.im)
        nearest, size = math.inf, 0.0
        for i in range(n):
            size = max(size, math.hypot(W.re[i], W.im[i]))
            for j in range(i):
                nearest = min(nearest, math.hypot(W.re[i] + W.re[j], W.im[i] + W.im[j]))
        if not nearest <= 1e-6 * size:
            return False
    value = math.log(x[2 * n]) if P.logs[0] and x[2 * n] > 0.0 else x[2 * n]
    for i in range(n):
        S.guess[i] = x[i]
    S.guess[n] = value
    step = _distance(S.a, S.b, S.weight)
    if not min(_distance(S.guess, S.a, S.weight), _distance(S.guess, S.b, S.weight)) <= step:
        return False
    along = whole = 0.0
    for j in range(n + 1):
        along += S.weight[j] ** 2 * ta[j] * (S.guess[j] - S.a[j])
        whole += S.weight[j] ** 2 * ta[j] * (S.b[j] - S.a[j])
    if not -INSIDE * whole <= along <= (1.0 + INSIDE) * whole:
        return False  # it belongs to a neighbouring step
    slack = 1e-9 * (P.span[1] - P.span[0])
    if not P.span[0] - slack <= value <= P.span[1] + slack:
        return False
    for i in range(n):
        slack = 1e-9 * max(1.0, abs(x[i]))
        if not P.low[i] - slack <= x[i] <= P.high[i] + slack:
            return False
    for j in range(2 * n + 2):
        T.special_x[index, j] = x[j]
    T.special_kind[index], T.special_at[index], T.special_residual[index] = kind, T.count[POINTS] - 1, residual
    T.count[SPECIAL] = index + 1
    return True


@inline
def _cut(solvers, K, P, S, W, row_index, target):
    """Move S.b onto the plane z[row_index] = target; its code."""
    n = len(W.u)
    tau = (target - S.a[row_index]) / (S.b[row_index] - S.a[row_index])
    for j in range(n + 1):
        S.b[j] = (1.0 - tau) * S.a[j] + tau * S.b[j]
        S.row[j], S.guess[j] = 0.0, S.b[j]
    S.row[row_index] = 1.0
    S.b[row_index] = target
    step = _distance(S.a, S.b, S.weight)
    code, _ = solvers.correct(EQUILIBRIUM, K, S.b, S.row, target, S.weight, P.free, P.logs, 0.9, 30, W)
    S.b[row_index] = target
    if code == CONVERGED and _distance(S.guess, S.b, S.weight) > 0.5 * step + 1e-12:
        return SINGULAR  # it slid along a set of equilibria that lies in the plane
    return code


@callback(LOOP)
def trace_branch(parts, K, u0, s0, row0, direction, arc0, P, st, S, T, W):
    """Trace from the equilibrium (u0, s0) with the first tangent t such that direction * row0.t > 0; why it stopped.

    W.p holds the fixed parameters. Arcs are numbered from `arc0`, a new one after every fold.
    """
    n = len(u0)
    for i in range(n):
        S.a[i] = u0[i]
    S.a[n] = s0
    _weights(S.a, P, S.weight)
    for j in range(n + 1):
        S.row[j] = direction * row0[j]
    if not evaluate(EQUILIBRIUM, K, S.a, P.free, P.logs, W):
        return STOP_NOT_FINITE
    sign_a = parts.solvers.tangent(EQUILIBRIUM, S.row, S.weight, S.ta, W)
    if sign_a == 0.0:
        return STOP_SINGULAR
    if not _record(parts.solvers, T, S.a, S.ta, W):
        return TOO_MANY_STEPS
    for j in range(n + 1):
        S.start[j], S.start_tangent[j] = S.a[j], S.ta[j]
    hopf_a = hopf_test(T.re[T.count[POINTS] - 1], T.im[T.count[POINTS] - 1], n)
    arc, ds, taken = arc0, st.ds, 0
    while True:
        # 1. a step, and the tangent at its end
        _weights(S.a, P, S.weight)
        norm = 0.0
        for j in range(n + 1):
            norm += (S.weight[j] * S.ta[j]) ** 2
        for j in range(n + 1):
            S.ta[j] /= math.sqrt(norm)
            S.b[j] = S.a[j] + ds * S.ta[j]
        _row(S.ta, S.weight, S.row)
        code, used = parts.solvers.correct(
            EQUILIBRIUM, K, S.b, S.row, _dot(S.row, S.b), S.weight, P.free, P.logs, st.contraction, st.max_newton, W
        )
        T.count[NEWTON] += used
        stop = -1
        if code == CONVERGED:
            # 2. cut at the bounds of states and parameter
            for i in range(n):
                if code == CONVERGED and not P.low[i] <= S.b[i] <= P.high[i]:
                    code, stop = _cut(parts.solvers, K, P, S, W, i, P.low[i] if S.b[i] < P.low[i] else P.high[i]), BOUND
            if code == CONVERGED and (S.b[n] < P.span[0] or S.b[n] > P.span[1]):
                code, stop = (
                    _cut(parts.solvers, K, P, S, W, n, P.span[0] if S.b[n] < P.span[0] else P.span[1]),
                    END_OF_SPAN,
                )
        sign_b = 0.0
        good = code == CONVERGED
        if good:
            _row(S.ta, S.weight, S.row)
            sign_b = parts.solvers.tangent(EQUILIBRIUM, S.row, S.weight, S.tb, W)
            turn = 0.0
            for j in range(n + 1):
                turn += S.weight[j] ** 2 * S.ta[j] * S.tb[j]
            good = sign_b != 0.0 and turn > math.cos(st.turn)
        step = _distance(S.a, S.b, S.weight)
        if good and stop >= 0 and step < 1e-13:
            return stop  # it started on the bound, going outwards
        if good and stop >= 0:  # beyond a fold the cut may land behind the point it came from
            ahead = 0.0
            for j in range(n + 1):
                ahead += S.row[j] * (S.b[j] - S.a[j])
            good = ahead > 0.0
        # towards a pole the parameter stands still up to rounding, and its tangent has no sign
        moves = max(abs(S.ta[n]), abs(S.tb[n])) * S.weight[n] > STILL
        if good and not moves:
            for i in range(n):
                if abs(S.b[i]) > LARGE:
                    return ESCAPED
        if good and not _record(parts.solvers, T, S.b, S.tb, W):
            return TOO_MANY_STEPS
        if good:
            # 3. special points inside the step
            k = T.count[POINTS] - 1
            T.count[POINTS] = k  # not yet accepted
            hopf_b = hopf_test(T.re[k], T.im[k], n)
            lp, bp = moves and S.ta[n] * S.tb[n] < 0.0, sign_a != sign_b
            hb = n > 1 and hopf_a * hopf_b < 0.0
            change = abs(T.unstable[k] - T.unstable[k - 1])
            known = T.count[SPECIAL]
            explained = change <= lp + bp + 2 * hb and (change - lp - bp) % 2 == 0
            if lp:
                explained = (
                    parts.special(parts.solvers, LP, K, S.ta, S.tb, S.ta[n] / (S.ta[n] - S.tb[n]), P, S, T, W)
                    and explained
                )
                if explained:
                    for j in range(n + 1):
                        S.fold[j], S.fold_tangent[j] = S.guess[j], 0.0
                    norm = 0.0
                    for i in range(n):
                        norm += (S.weight[i] * S.x[n + i]) ** 2
                    for i in range(n):
                        S.fold_tangent[i] = S.x[n + i] / math.sqrt(norm)
                    if _dot(S.row, S.fold_tangent) < 0.0:
                        for i in range(n):
                            S.fold_tangent[i] = -S.fold_tangent[i]
            if bp and explained:
                explained = parts.special(parts.solvers, BP, K, S.ta, S.tb, 0.5, P, S, T, W)
                last = T.count[SPECIAL] - 1
                if lp and explained and last > known and _distance(S.guess, S.fold, S.weight) < PITCHFORK:
                    # the branch turns at the branch point, where the fold equations are singular: no fold of its own
                    T.special_kind[known], T.special_residual[known] = BP, T.special_residual[last]
                    for j in range(2 * n + 2):
                        T.special_x[known, j] = T.special_x[last, j]
                    T.count[SPECIAL] = last
            if hb and explained:
                explained = parts.special(parts.solvers, HB, K, S.ta, S.tb, hopf_a / (hopf_a - hopf_b), P, S, T, W)
            if not explained:
                good = ds <= 64 * st.ds_min
                T.count[SPECIAL] = known
                if good:
                    T.count[UNLOCATED] += 1
                    lp = False
        if not good:
            T.count[REJECTED] += 1
            ds *= 0.5
            if ds < st.ds_min:
                return STOP_NOT_FINITE if code == 2 else STOP_SINGULAR if code == 3 else STEP_TOO_SMALL
            continue
        # 4. accept; land on the grid values passed
        T.count[POINTS] += 1
        taken += 1
        if lp:
            parts.land(K, S.a, S.fold, S.ta, S.fold_tangent, sign_a * np.sign(S.ta[n]), arc, P, S, T, W)
            arc += 1
            parts.land(K, S.fold, S.b, S.fold_tangent, S.tb, sign_b * np.sign(S.tb[n]), arc, P, S, T, W)
        else:
            parts.land(K, S.a, S.b, S.ta, S.tb, 0.0 if bp else sign_a * np.sign(S.ta[n]), arc, P, S, T, W)
        if stop >= 0:
            return stop
        for i in range(n):
            if abs(S.b[i]) > HUGE:
                return ESCAPED
        # 5. a loop closes where the step passes the start
        if taken > 2:
            before = after = 0.0
            for j in range(n + 1):
                before += S.weight[j] ** 2 * (S.a[j] - S.start[j]) * S.start_tangent[j]
                after += S.weight[j] ** 2 * (S.b[j] - S.start[j]) * S.start_tangent[j]
            if before < 0.0 <= after and _distance(S.b, S.start, S.weight) <= 2.0 * step:
                for j in range(n + 1):
                    S.guess[j] = S.a[j] + (S.b[j] - S.a[j]) * before / (before - after)
                _row(S.start_tangent, S.weight, S.row)
                code, _ = parts.solvers.correct(
                    EQUILIBRIUM, K, S.guess, S.row, _dot(S.row, S.start), S.weight, P.free, P.logs, 0.9, 20, W
                )
                if code == CONVERGED and _distance(S.guess, S.start, S.weight) < 1e-9:
                    return CLOSED
        # 6. go on from there, with a step that keeps Newton easy and the turn moderate
        for j in range(n + 1):
            S.a[j], S.ta[j] = S.b[j], S.tb[j]
        sign_a, hopf_a = sign_b, hopf_b
        if used <= EASY_NEWTON and turn > math.cos(0.5 * st.turn):
            ds = min(ds * GROWTH, st.ds_max)
        elif turn < math.cos(0.8 * st.turn):
            ds = max(0.7 * ds, st.ds_min)
