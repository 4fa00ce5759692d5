"""Rigorous isolation of all real roots of a polynomial with uncertain coefficients.

Descartes' rule: the number of sign changes in the coefficients is that of the positive roots, or larger by an even
number. Put in x = lo + y, or x = (lo + hi y) / (1 + y), and it speaks of an interval (Collins & Akritas 1976; Rouillier
& Zimmermann 2004, Efficient isolation of polynomial's real roots): no change, no root; one change, one root; else the
interval is split. Signs at the ends of intervals are certain, or another end is taken.

Coefficients carry bounds of their errors: those given and those of the arithmetic here (Higham 2002, Accuracy and
Stability, section 5.2). A sign that is not certain counts as whatever makes most changes, so that a decision is a proof
for every polynomial within the bounds. What cannot be decided is said by a negative code. No fastmath here.
"""

from __future__ import annotations

import math

from bifur._jit import hot, inline, kernel
from bifur.kernels.types import I8, VECTOR

MAX_INTERVALS = 2000
MAX_STACK = 200
UNDECIDED = -1  # a root too close to double, or coefficients too uncertain
VANISHING = -2  # the leading coefficient may be zero: a root may have come from infinity
ZERO = -3  # the polynomial may be zero: infinitely many roots
# roundings are counted as twice 2^-53 each, which leaves room for those of the bounds themselves
UNIT = 2.3e-16
HUGE, FLOOR = 1e100, 1e-290
SMALL = 1e-300  # a power below is not known, only that it is below
NEVER = -1000
NUDGES = 4  # places that are tried for the end of an interval
WIDE = 16.0  # an interval whose ends have a larger ratio is split at their geometric mean


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


@inline
def sign_at(coef, bound, d, x):
    """The sign of the polynomial at x if it is certain, else 0."""
    value, error, size = coef[d], bound[d] + (2 * d + 2) * UNIT * abs(coef[d]), abs(x)
    for k in range(d - 1, -1, -1):
        value = value * x + coef[k]
        # what underflows here is multiplied by x again
        error = error * size + (bound[k] + (2 * d + 2) * UNIT * abs(coef[k]) + SMALL)
    error = error * (1.0 + 4.0 * (d + 1) * UNIT) + FLOOR
    if value > error:
        return 1
    if value < -error:
        return -1
    return 0


@hot
def _shift_by_one(t, e, d):
    """Coefficients of p(x + 1) and bounds of their errors from those of p, in place: sums alone."""
    for k in range(d + 1):
        e[k] += (2 * d + 2) * UNIT * abs(t[k])
    for k in range(d):
        for j in range(d - 1, k - 1, -1):
            t[j] += t[j + 1]
            e[j] += e[j + 1]
    for k in range(d + 1):
        e[k] = e[k] * (1.0 + 4.0 * (d + 1) * UNIT) + FLOOR


@hot
def _scale(t, e, d, factor):
    """Coefficients of p(factor x), factor > 0 with up to two roundings of its own."""
    power = 1.0
    for k in range(1, d + 1):
        power *= factor
        if power < SMALL:  # near or below the smallest double; 1.01 is for its roundings
            t[k], e[k] = 0.0, 1.01 * SMALL * (abs(t[k]) + e[k]) + FLOOR
            continue
        t[k] *= power
        e[k] = e[k] * power * (1.0 + 4.0 * (d + 1) * UNIT) + (3 * k + 2) * UNIT * abs(t[k]) + FLOOR


@hot
def _reverse(t, e, d):
    """Coefficients of x^d p(1 / x)."""
    for k in range((d + 1) // 2):
        t[k], t[d - k] = t[d - k], t[k]
        e[k], e[d - k] = e[d - k], e[k]


@hot
def _most_changes(t, e, d):
    """The largest number of sign changes that coefficients within the bounds can have."""
    plus = minus = NEVER  # most changes so far in a sequence that ends in +, and in -
    first = True
    for k in range(d + 1):
        if t[k] == 0.0 and e[k] == 0.0:
            continue
        up, down = (0, 0) if first else (max(plus, minus + 1), max(minus, plus + 1))
        first = False
        plus, minus = (NEVER if t[k] < -e[k] else up), (NEVER if t[k] > e[k] else down)
    return max(plus, minus, 0)


@inline
def _changes_between(coef, bound, d, sense, lo, hi, t, e):
    """`_most_changes` for the roots with lo < sense x < hi: 0 and 1 are their number."""
    for k in range(d + 1):
        t[k] = -coef[k] if sense < 0 and k & 1 else coef[k]
        e[k] = bound[k]
    if lo > 0.0:
        _scale(t, e, d, lo)
        _shift_by_one(t, e, d)
        if hi < math.inf:
            _scale(t, e, d, (hi - lo) / lo)
            _reverse(t, e, d)
            _shift_by_one(t, e, d)
    elif hi < math.inf:
        _scale(t, e, d, hi)
        _reverse(t, e, d)
        _shift_by_one(t, e, d)
    changes = _most_changes(t, e, d)
    if changes == 1 and not (abs(t[0]) > e[0] and abs(t[d]) > e[d]):
        # the signs at the ends are certain, if not by these coefficients, and their parity is that of the roots
        left = sign_at(coef, bound, d, sense * lo) if lo > 0.0 else (1 if coef[0] > 0.0 else -1)
        if hi < math.inf:
            right = sign_at(coef, bound, d, sense * hi)
        else:
            right = (1 if coef[d] > 0.0 else -1) * (-1 if sense < 0 and d & 1 else 1)
        return 1 if left != right else 0
    return changes


@inline
def _split(coef, bound, d, sense, lo, hi):
    """A place between lo and hi where the sign of p(sense x) is certain; 0 where none was found."""
    if lo == 0.0 and hi == math.inf:
        middle = (abs(coef[0]) / abs(coef[d])) ** (1.0 / d)  # the geometric mean of all roots
    elif lo == 0.0:
        middle = hi / WIDE
    elif hi == math.inf:
        middle = lo * WIDE
    elif hi > WIDE * lo:
        middle = math.sqrt(lo) * math.sqrt(hi)
    else:
        middle = 0.5 * (lo + hi)
    width = min(hi, 2.0 * middle) - lo
    for k in range(NUDGES):
        place = middle + 0.0371 * k * width
        if lo < place < hi and place < 1e250 and place > 1e-250 and sign_at(coef, bound, d, sense * place) != 0:
            return place
    return 0.0


@kernel(I8(VECTOR, VECTOR, I8, I8, I8, VECTOR, VECTOR, I8, VECTOR, VECTOR, VECTOR))
def _one_side(coef, bound, d, sense, most, low, high, found, t, e, stack):
    """Appends the intervals of the roots with sense x > 0 in increasing order of x; how many there are, or a code."""
    stack[0], stack[1] = 0.0, math.inf
    depth, intervals = 1, 0
    while depth > 0:
        depth -= 1
        lo, hi = stack[2 * depth], stack[2 * depth + 1]
        intervals += 1
        if intervals > most:
            return UNDECIDED
        changes = _changes_between(coef, bound, d, sense, lo, hi, t, e)
        if changes == 0:
            continue
        if changes == 1:
            if found == len(low):
                return UNDECIDED
            low[found], high[found] = (lo, hi) if sense > 0 else (-hi, -lo)
            found += 1
            continue
        middle = _split(coef, bound, d, sense, lo, hi)
        if middle == 0.0 or 2 * depth + 4 > MAX_STACK:
            return UNDECIDED
        for half in range(2):  # what holds the smaller x comes last on the stack, and is taken first
            outer = (half == 0) == (sense > 0)
            stack[2 * depth], stack[2 * depth + 1] = (middle, hi) if outer else (lo, middle)
            depth += 1
    return found


@inline
def isolate(coef, bound, length, most, low, high, t, e, stack):
    """Disjoint intervals (low, high) with exactly one real root each, in order; all real roots are in them.

    `coef` and `bound` (length,): sum coef[k] x^k with |error of coef[k]| <= bound[k]. At most `most` intervals are
    looked at on each side of zero. `low`, `high`, `t`, `e` (>= length,) and `stack` (MAX_STACK + 2,) are work. A root
    at zero has low = high = 0. Returns the number of roots, or a negative code: then nothing is proved.
    """
    d = effective_degree(coef, bound, length - 1)
    if d <= 0:
        return d
    biggest = 0.0
    for k in range(d + 1):
        if not abs(coef[k]) <= HUGE:
            return UNDECIDED
        if k < d:
            biggest = max(biggest, abs(coef[k]) + bound[k])
    zero = 1 if coef[0] == 0.0 and bound[0] == 0.0 else 0
    if not abs(coef[zero]) > bound[zero]:  # a double root at zero, or one near it
        return UNDECIDED
    rest, rest_bound = coef[zero:], bound[zero:]
    found = _one_side(rest, rest_bound, d - zero, -1, most, low, high, 0, t, e, stack)
    if found < 0:
        return found
    if zero:
        low[found] = high[found] = 0.0
        found += 1
    found = _one_side(rest, rest_bound, d - zero, 1, most, low, high, found, t, e, stack)
    if found > 0:
        outer = 1.0 + 1.01 * biggest / (abs(coef[d]) - bound[d])  # Cauchy's bound
        if not outer < 1e300:
            return UNDECIDED
        low[0], high[found - 1] = max(low[0], -outer), min(high[found - 1], outer)
    return found


@inline
def middle_of(lo, hi):
    """The geometric mean of ends of one sign that are far apart, else the arithmetic one; much nearer to an end 0."""
    if lo == 0.0 or hi == 0.0:
        return (lo + hi) / 1024.0
    if lo > 0.0 and hi > WIDE * lo:
        return math.sqrt(lo) * math.sqrt(hi)
    if hi < 0.0 and lo < WIDE * hi:
        return -math.sqrt(-lo) * math.sqrt(-hi)
    return 0.5 * (lo + hi)


@inline
def refine(coef, d, lo, hi):
    """The root in (lo, hi), across which the sign changes, by Newton safeguarded by bisection."""
    if lo == hi:
        return lo
    value_lo = coef[d]
    for k in range(d - 1, -1, -1):
        value_lo = value_lo * lo + coef[k]
    x = middle_of(lo, hi)
    for _ in range(200):
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
            new = middle_of(lo, hi)
        if new == x or abs(new - x) <= 2e-16 * abs(x):
            return new
        x = new
    return x


@kernel(I8(VECTOR, VECTOR, I8, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR))
def real_roots(coef, bound, length, low, high, root, t, e, stack):
    """`isolate`, and an approximation of each root."""
    found = isolate(coef, bound, length, MAX_INTERVALS, low, high, t, e, stack)
    d = length - 1
    while d > 0 and coef[d] == 0.0:
        d -= 1
    zero = 1 if coef[0] == 0.0 and bound[0] == 0.0 else 0
    for i in range(found):
        root[i] = refine(coef[zero:], d - zero, low[i], high[i])
    return found
