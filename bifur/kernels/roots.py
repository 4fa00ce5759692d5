"""Rigorous isolation of all real roots of a polynomial with uncertain coefficients.

Bisection with two tests on [c - r, c + r], from the Taylor coefficients t_k at c:
    excluded   |t_0| > sum_{k>=1} |t_k| r^k
    monotone   |t_1| > sum_{k>=2} k |t_k| r^(k-1)        then the signs at the ends decide.
Every t_k carries a bound of its error: that of the coefficients and of the shift by Horner's
scheme (Higham 2002, Accuracy and Stability, section 5.2), so that a decision is a proof. What
cannot be decided is said by a negative code. No fastmath here.
"""

from __future__ import annotations

import math

from bifur._jit import inline, kernel
from bifur.kernels.types import F8, I8, VECTOR

MAX_INTERVALS = 4000
MAX_STACK = 200
UNDECIDED = -1  # a root too close to double, or coefficients too uncertain
VANISHING = -2  # the leading coefficient may be zero: a root may have come from infinity
ZERO = -3  # the polynomial may be zero: infinitely many roots
# roundings are counted as twice 2^-53 each, which leaves room for those of the bounds themselves
UNIT = 2.3e-16
HUGE, FLOOR = 1e100, 1e-200
SPLIT = 1.0473  # an asymmetry that keeps roots such as 0 and 1 off the edges of the bisection


@inline
def shift(coef, bound, d, c, t, e):
    """Taylor coefficients t_k at c and bounds e_k of their errors, by repeated Horner steps."""
    size = abs(c)
    for k in range(d + 1):
        t[k] = coef[k]
        e[k] = bound[k] + (2 * d + 2) * UNIT * abs(coef[k])
    for k in range(d):
        for j in range(d - 1, k - 1, -1):
            t[j] += c * t[j + 1]
            e[j] += size * e[j + 1]
    # e is the same scheme on |coefficients|: its own roundings, relatively at most 2 d units, and underflow
    for k in range(d + 1):
        e[k] = e[k] * (1.0 + 4.0 * (d + 1) * UNIT) + 1e-300


@inline
def sign_at(coef, bound, d, x):
    """The sign of the polynomial at x if it is certain, else 0."""
    value, error, size = coef[d], bound[d] + (2 * d + 2) * UNIT * abs(coef[d]), abs(x)
    for k in range(d - 1, -1, -1):
        value = value * x + coef[k]
        error = error * size + (bound[k] + (2 * d + 2) * UNIT * abs(coef[k]))
    error = error * (1.0 + 4.0 * (d + 1) * UNIT) + 1e-300
    if value > error:
        return 1
    if value < -error:
        return -1
    return 0


@inline
def effective_degree(coef, bound, d):
    """The degree without coefficients that are zero for certain; VANISHING or ZERO where that is not known."""
    while d >= 0 and coef[d] == 0.0 and bound[d] == 0.0:
        d -= 1
    if d < 0:
        return ZERO
    if not abs(coef[d]) > bound[d]:
        return VANISHING
    return d


@kernel(I8(VECTOR, VECTOR, I8, F8, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR))
def isolate_once(coef, bound, d, split, low, high, t, e, stack):
    """One attempt with the outer interval [-B, split B]; see `isolate`."""
    top = abs(coef[d]) - bound[d]
    biggest = 0.0
    for k in range(d):
        biggest = max(biggest, abs(coef[k]) + bound[k])
    outer = 1.0 + 1.01 * biggest / top  # Cauchy's bound
    if not outer < 1e300:
        return UNDECIDED
    stack[0], stack[1] = -outer, split * outer
    depth, found, intervals = 1, 0, 0
    while depth > 0:
        depth -= 1
        lo, hi = stack[2 * depth], stack[2 * depth + 1]
        intervals += 1
        if intervals > MAX_INTERVALS:
            return UNDECIDED
        c = 0.5 * (lo + hi)
        r = max(hi - c, c - lo) * (1.0 + 4.0 * UNIT)
        shift(coef, bound, d, c, t, e)
        rest, slope_rest, power = 0.0, 0.0, 1.0
        for k in range(1, d + 1):
            if k > 1:
                slope_rest += k * (abs(t[k]) + e[k]) * power
            power *= r
            rest += (abs(t[k]) + e[k]) * power
        slack = 1.0 + 8.0 * (d + 2) * UNIT
        if abs(t[0]) - e[0] > rest * slack + FLOOR:
            continue
        if abs(t[1]) - e[1] > slope_rest * slack + FLOOR:
            left, right = sign_at(coef, bound, d, lo), sign_at(coef, bound, d, hi)
            if left == 0 or right == 0:
                return UNDECIDED
            if left != right:
                low[found], high[found] = lo, hi
                found += 1
            continue
        if not lo < c < hi or 2 * depth + 4 > MAX_STACK:
            return UNDECIDED
        stack[2 * depth], stack[2 * depth + 1] = c, hi  # the left half is taken first: roots come in order
        stack[2 * depth + 2], stack[2 * depth + 3] = lo, c
        depth += 2
    return found


@inline
def isolate(coef, bound, length, low, high, t, e, stack):
    """Disjoint intervals (low, high) with exactly one real root each, in order; all real roots are in them.

    `coef` and `bound` (length,): sum coef[k] x^k with |error of coef[k]| <= bound[k]. `low`, `high`
    (>= length - 1,), `t`, `e` (>= length,) and `stack` (MAX_STACK + 2,) are work. Returns the number of roots, or a
    negative code: then nothing is proved.
    """
    d = effective_degree(coef, bound, length - 1)
    if d <= 0:
        return d
    for k in range(d + 1):
        if not abs(coef[k]) <= HUGE:  # so that what underflows in a test stays below FLOOR
            return UNDECIDED
    split = SPLIT
    found = UNDECIDED
    for _ in range(3):  # a root on an edge is moved off it by another split
        found = isolate_once(coef, bound, d, split, low, high, t, e, stack)
        if found >= 0:
            break
        split += 0.0371
    return found


@inline
def refine(coef, d, lo, hi):
    """The root in (lo, hi), across which the sign changes, by Newton safeguarded by bisection."""
    value_lo = coef[d]
    for k in range(d - 1, -1, -1):
        value_lo = value_lo * lo + coef[k]
    x = 0.5 * (lo + hi)
    for _ in range(100):
        value, slope = coef[d], 0.0
        for k in range(d - 1, -1, -1):
            slope = slope * x + value
            value = value * x + coef[k]
        if value == 0.0:
            return x
        if (value < 0.0) == (value_lo < 0.0):
            lo = x
        else:
            hi = x
        step = -value / slope if slope != 0.0 else math.inf
        new = x + step
        if not lo < new < hi:
            new = 0.5 * (lo + hi)
        if new == x or abs(new - x) <= 2e-16 * abs(x):
            return new
        x = new
    return x


@kernel(I8(VECTOR, VECTOR, I8, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR))
def real_roots(coef, bound, length, low, high, root, t, e, stack):
    """`isolate`, and an approximation of each root."""
    found = isolate(coef, bound, length, low, high, t, e, stack)
    d = length - 1
    while d > 0 and coef[d] == 0.0:
        d -= 1
    for i in range(found):
        root[i] = refine(coef, d, low[i], high[i])
    return found
