"""Tracing one branch of equilibria: steps, special points, landings on given parameter values.

The loop takes a step, cuts it at the span, at the bounds and at the start of a loop, looks for special points in it,
and lands on the grid values that it crosses. A step is halved where the corrector contracts slowly, where the tangent
turns too far, where a special point that the test functions announce is not found, where the number of unstable
eigenvalues changes without a special point, and where a test function that has one sign at both ends bends so that it
may have another one between them: all signs of a jump to another branch or of a pair of points inside one step.
"""

from __future__ import annotations

import math

import numpy as np

from bifur._jit import callback, hot, inline
from bifur.kernels import linalg
from bifur.kernels.arrays import (
    BOUND,
    BP,
    CLOSED,
    END_OF_SPAN,
    ESCAPED,
    HB,
    LOOP,
    LP,
    NEWTON,
    NO_CONVERGENCE,
    POINTS,
    REJECTED,
    SPECIAL,
    STEP_TOO_SMALL,
    STOP_NOT_FINITE,
    STOP_SINGULAR,
    TOO_MANY_STEPS,
    TOUCH,
    UNEXPLAINED,
    UNLOCATED,
)
from bifur.kernels.detect import hopf_test
from bifur.kernels.metric import distance, dot, dual, weigh
from bifur.kernels.step import CONVERGED, NOT_FINITE, SINGULAR, direction, linearise, settle

GROWTH = 1.6
EASY_NEWTON = 3
STILL, LARGE = 1e-15, 1e4
ON_BOUND = 1e-12
ASIDE = 1.2  # how much longer than its part along the tangent a step may be: a turn of 0.3 makes it 1.05
PITCHFORK = 1e-4  # a fold this near to a branch point is that point
FINEST = 1e-3  # of ds_max: a shorter step is not halved for what a test function might do between its ends, nor held
DEEP = 0.02  # a dip of the determinant to this part of its ends may be a branch point at which it touches zero


@hot
def _dip(h, before, first, last):
    """The least value inside (0, 1) of a parabola through three values of a test function, at -h, 0 and 1.

    Relative to the smaller end: negative where it crosses zero twice, 1 where it has no dip.
    """
    if not (first * last > 0.0 and h > 0.0):
        return 1.0
    slope = (first - before) / h
    bend = (last - first - slope) / (1.0 + h)
    slope = last - first - bend
    place = -0.5 * slope / bend if bend * first > 0.0 else -1.0
    if not 0.0 < place < 1.0:
        return 1.0
    value = first + place * (slope + place * bend)
    return value / first if abs(first) < abs(last) else value / last


@hot
def _count_below(grid, s, k):
    """How many values of the grid are at most s, searched from k on."""
    while k < len(grid) and grid[k] <= s:
        k += 1
    while k > 0 and grid[k - 1] > s:
        k -= 1
    return k


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
    step = distance(S.a, S.b, S.weight)
    code, _ = solvers.settle(K, S.b, S.row, target, S.weight, P.free[0], P.logs[0], 0.9, 30, S.history, W)
    S.b[row_index] = target
    if code == CONVERGED and distance(S.guess, S.b, S.weight) > 0.5 * step + 1e-12:
        return SINGULAR  # it slid along a set of equilibria that lies in the plane
    return code


@hot
def _near_start(a, b, start, start_tangent, weight, guess, step):
    """Whether a step ends near the start of the branch, having crossed the plane across it; `guess` lies there."""
    before = after = away = 0.0
    for j in range(len(a)):
        square, ahead = weight[j] ** 2, b[j] - start[j]
        before += square * (a[j] - start[j]) * start_tangent[j]
        after += square * ahead * start_tangent[j]
        away += square * ahead * ahead
    if not (before < 0.0 <= after and away <= 4.0 * step * step):
        return False
    for j in range(len(a)):
        guess[j] = a[j] + (b[j] - a[j]) * before / (before - after)
    return True


@inline
def _passes_start(parts, K, P, S, W):
    """Whether the branch comes back to its start, near S.guess."""
    dual(S.start_tangent, S.weight, S.row)
    code, _ = parts.solvers.settle(
        K, S.guess, S.row, dot(S.row, S.start), S.weight, P.free[0], P.logs[0], 0.9, 20, S.history, W
    )
    return code == CONVERGED and distance(S.guess, S.start, S.weight) < 1e-9


@inline
def _keep_fold(S, n):
    """The fold just found, and the tangent there in the sense of the branch, for landings on both sides of it."""
    norm = 0.0
    for i in range(n):
        S.fold[i] = S.guess[i]
        S.fold_tangent[i] = S.x[n + i]
        norm += (S.weight[i] * S.x[n + i]) ** 2
    S.fold[n], S.fold_tangent[n] = S.guess[n], 0.0
    norm = math.sqrt(norm)
    if dot(S.row, S.fold_tangent) < 0.0:
        norm = -norm
    for i in range(n):
        S.fold_tangent[i] /= norm


@inline
def _find(parts, K, lp, bp, hb, tau_lp, tau_hb, P, S, T, W):
    """Locate the special points that the test functions announce.

    (whether all of them are there, whether the fold is)
    """
    n = len(W.u)
    known, fold = T.count[SPECIAL], False
    if lp:
        if not parts.special(parts.solvers, LP, K, S.ta, S.tb, tau_lp, P, S, T, W):
            return False, False
        _keep_fold(S, n)
        fold = True
    if bp:
        if not parts.special(parts.solvers, BP, K, S.ta, S.tb, 0.5, P, S, T, W):
            return False, fold
        last = T.count[SPECIAL] - 1
        if lp and last > known and distance(S.guess, S.fold, S.weight) < PITCHFORK:
            # the branch turns at the branch point, where the fold equations are singular: no fold of its own
            T.special_kind[known], T.special_residual[known] = BP, T.special_residual[last]
            for j in range(2 * n + 2):
                T.special_x[known, j] = T.special_x[last, j]
            T.count[SPECIAL] = last
    return not hb or parts.special(parts.solvers, HB, K, S.ta, S.tb, tau_hb, P, S, T, W), fold


@inline
def _note(kind, k, a, b, T):
    """Keep the two ends of a step that is to be looked at again."""
    index = T.count[SPECIAL]
    if index < len(T.special_kind):
        T.special_kind[index], T.special_at[index] = kind, k - 1
        for j in range(len(a)):
            T.special_x[index, j], T.special_x[index, len(a) + j] = a[j], b[j]
        T.count[SPECIAL] = index + 1


@inline
def _why(code):
    """Why the step fell below the smallest, by the code of the corrector."""
    if code == NOT_FINITE:
        return STOP_NOT_FINITE
    if code == SINGULAR:
        return STOP_SINGULAR
    return STEP_TOO_SMALL if code == CONVERGED else NO_CONVERGENCE


@callback(LOOP)
def trace_branch(parts, K, u0, s0, row0, sense, arc0, P, st, S, T, W):
    """Trace from the equilibrium (u0, s0) with the first tangent t such that sense * row0.t > 0; why it stopped.

    W.p holds the fixed parameters. Arcs are numbered from `arc0`, a new one after every fold.
    """
    n = len(u0)
    free, log, width = P.free[0], P.logs[0] != 0, P.span[1] - P.span[0]
    a, b, ta, tb, weight, row, L = S.a, S.b, S.ta, S.tb, S.weight, S.row, W.L
    for i in range(n):
        a[i] = u0[i]
    a[n] = s0
    weigh(a, P.weight, width, weight)
    for j in range(n + 1):
        row[j] = sense * row0[j]
    if not linearise(K, a, free, log, W.u, W.p, L):
        return STOP_NOT_FINITE
    sign_a, size = direction(L, row, weight, ta, W.A, W.b, W.pivots, W.scale, n)
    if sign_a == 0.0:
        return STOP_SINGULAR
    linalg.eigenvalues(L, n, W.A, T.re[0], T.im[0])
    unstable_a = 0
    for j in range(n + 1):
        T.z[0, j], T.tangent[0, j], S.start[j], S.start_tangent[j] = a[j], ta[j], a[j], ta[j]
        unstable_a += j < n and T.re[0, j] > 0.0
    T.unstable[0], T.count[POINTS] = unstable_a, 1
    hopf_a, det_a = hopf_test(T.re[0], T.im[0], n), sign_a * size
    hopf_p, det_p, fold_p, length_p = hopf_a, det_a, ta[n], 0.0
    hopf_0, det_0, sign_0 = hopf_a, det_a, sign_a
    passed_a = _count_below(P.grid, a[n], 0)
    arc, ds, k = arc0, st.ds, 1
    while True:
        if k == len(T.unstable):
            return TOO_MANY_STEPS
        # 1. a step: predicted by the tangent and its change, then corrected
        weigh(a, P.weight, width, weight)
        norm = 0.0
        for j in range(n + 1):
            norm += (weight[j] * ta[j]) ** 2
        norm = math.sqrt(norm)
        bend = 0.5 * ds * ds / length_p if length_p > 0.5 * ds else 0.0
        target = ds
        for j in range(n + 1):
            ta[j] /= norm
            b[j] = a[j] + ds * ta[j] + bend * (ta[j] - S.before[j])
            row[j] = weight[j] * weight[j] * ta[j]
            target += row[j] * a[j]
        code, used = settle(
            K, b, row, target, weight, free, log, st.contraction, st.max_newton,
            W.u, W.p, L, W.A, W.b, W.pivots, W.scale, S.history,
        )  # fmt: skip
        T.count[NEWTON] += used
        stop = -1
        if code == CONVERGED:
            # 2. cut at the bounds of states and parameter
            for i in range(n):
                slack = ON_BOUND * max(1.0, abs(b[i]))  # a branch may lie in a bound, up to rounding
                if code == CONVERGED and not P.low[i] - slack <= b[i] <= P.high[i] + slack:
                    code, stop = _cut(parts.solvers, K, P, S, W, i, P.low[i] if b[i] < P.low[i] else P.high[i]), BOUND
            if code == CONVERGED and (b[n] < P.span[0] or b[n] > P.span[1]):
                end = P.span[0] if b[n] < P.span[0] else P.span[1]
                code, stop = _cut(parts.solvers, K, P, S, W, n, end), END_OF_SPAN
        sign_b, det_b, turn = 0.0, 0.0, 0.0
        step = distance(a, b, weight)
        good = code == CONVERGED
        if good:
            if stop >= 0:
                dual(ta, weight, row)
            sign_b, size = direction(L, row, weight, tb, W.A, W.b, W.pivots, W.scale, n)
            det_b = sign_b * size
            good = sign_b != 0.0
            if good and stop < 0 and k > 3 and _near_start(a, b, S.start, S.start_tangent, weight, S.guess, step):
                if _passes_start(parts, K, P, S, W):
                    stop, sign_b, det_b = CLOSED, sign_0, det_0
                    for j in range(n + 1):
                        b[j], tb[j] = S.start[j], S.start_tangent[j]
                    step = distance(a, b, weight)
                linearise(K, b, free, log, W.u, W.p, L)
        if good:
            ahead = 0.0
            for j in range(n + 1):
                turn += weight[j] ** 2 * ta[j] * tb[j]
                ahead += weight[j] ** 2 * ta[j] * (b[j] - a[j])
            if stop >= 0 and step < 1e-13:
                return stop  # it started on the bound, going outwards
            # a step much longer than it was meant to be has jumped to another branch, unless rounding alone makes it so
            held = stop == CLOSED or step <= ASIDE * ds or ds <= FINEST * st.ds_max
            # beyond a fold the cut may land behind the point it came from
            good = turn > math.cos(st.turn) and (stop < 0 or ahead > 0.0) and held
        # towards a pole the parameter stands still up to rounding, and its tangent has no sign
        if good and max(abs(ta[n]), abs(tb[n])) * weight[n] <= STILL:
            for i in range(n):
                if abs(b[i]) > LARGE:
                    return ESCAPED
        hopf_b, unstable_b, lp = 0.0, 0, False
        if good:
            # 3. the spectrum, the test functions, and what they announce
            linalg.eigenvalues(L, n, W.A, T.re[k], T.im[k])
            for j in range(n + 1):
                T.z[k, j], T.tangent[k, j] = b[j], tb[j]
                unstable_b += j < n and T.re[k, j] > 0.0
            T.unstable[k] = unstable_b
            hopf_b = hopf_0 if stop == CLOSED else hopf_test(T.re[k], T.im[k], n)
            lp, bp = ta[n] * tb[n] < 0.0, sign_a != sign_b
            hb = n > 1 and hopf_a * hopf_b < 0.0
            change = abs(unstable_b - unstable_a)
            ratio = length_p / step
            dip = _dip(ratio, det_p, det_a, det_b)
            if ds > FINEST * st.ds_max:
                fold_dip = _dip(ratio, fold_p, ta[n], tb[n])
                hopf_dip = _dip(ratio, hopf_p, hopf_a, hopf_b) if n > 1 else 1.0
                good = min(dip, fold_dip, hopf_dip) > 0.0
            if good and (lp or bp or hb or change > 0 or dip < DEEP):
                T.count[POINTS] = k
                known = T.count[SPECIAL]
                explained, fold = change <= lp + bp + 2 * hb and (change - lp - bp) % 2 == 0, False
                if explained and (lp or bp or hb):
                    tau_lp, tau_hb = ta[n] / (ta[n] - tb[n]), hopf_a / (hopf_a - hopf_b)
                    explained, fold = _find(parts, K, lp, bp, hb, tau_lp, tau_hb, P, S, T, W)
                if explained and not bp and dip < DEEP:
                    _note(TOUCH, k, a, b, T)
                if not explained:
                    good = ds <= 64 * st.ds_min
                    if good:  # with what was found
                        lp = fold
                        T.count[UNLOCATED] += 1
                        _note(UNEXPLAINED, k, a, b, T)
                    else:
                        T.count[SPECIAL] = known
        if not good:
            T.count[REJECTED] += 1
            ds *= 0.5
            if ds < st.ds_min:
                for j in range(used, len(S.history)):
                    S.history[j] = -1.0
                return _why(code)
            continue
        # 4. accept; land on the P.grid values passed
        k += 1
        T.count[POINTS] = k
        if len(P.grid) > 0:
            passed_b = _count_below(P.grid, b[n], passed_a)
            if lp:
                parts.land(K, a, S.fold, ta, S.fold_tangent, sign_a * np.sign(ta[n]), arc, P, S, T, W)
                arc += 1
                parts.land(K, S.fold, b, S.fold_tangent, tb, sign_b * np.sign(tb[n]), arc, P, S, T, W)
            elif passed_a != passed_b or (passed_b > 0 and P.grid[passed_b - 1] == b[n]):
                same = sign_a * np.sign(ta[n]) if sign_a == sign_b else 0.0
                parts.land(K, a, b, ta, tb, same, arc, P, S, T, W)
            passed_a = passed_b
        if stop >= 0:
            return stop
        for i in range(n):
            if abs(b[i]) > P.far[0]:
                return ESCAPED
        # 5. go on from there, with a step that keeps Newton easy and the turn moderate
        hopf_p, det_p, fold_p, length_p = hopf_a, det_a, ta[n], step
        for j in range(n + 1):
            S.before[j] = ta[j]
            a[j], ta[j] = b[j], tb[j]
        sign_a, det_a, hopf_a, unstable_a = sign_b, det_b, hopf_b, unstable_b
        if used <= EASY_NEWTON and turn > math.cos(0.5 * st.turn):
            ds = min(ds * GROWTH, st.ds_max)
        elif turn < math.cos(0.8 * st.turn):
            ds = max(0.7 * ds, st.ds_min)
