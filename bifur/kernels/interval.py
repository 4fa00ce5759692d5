"""Interval arithmetic in doubles: (low, high) always holds every value that the exact operation can take.

Processors round to nearest here; each bound is moved outward by more than one rounding error can be (Rump 2010,
Verification methods, Acta Numerica 19, section 2):

    |exact - computed| <= 2^-53 |exact| + 2^-1075,     WIDER |computed| + TINY  is more, its own rounding included.

Sums need no TINY: they are exact where they are tiny, and 0 + 0 stays 0. A product with a zero is an exact zero. Of the
functions of the C library it is assumed that their error is below LIBRARY, 64 units in the last place; the largest
known error is below 3 (Innocente & Zimmermann 2024, Accuracy of mathematical functions). An infinite or NaN bound is
one that is not known, whatever the other one is; every test is written so that it fails there. No fastmath here.
"""

from __future__ import annotations

import math

from bifur._jit import hot, inline

WIDER = 3e-16
TINY = 1e-300
LIBRARY = 1.5e-14
LARGEST = 1.7976931348623157e308  # what has overflown is not below this
FAR = 1e5  # beyond, sine and cosine are only known to lie in [-1, 1]
HALF_PI = 0.5 * math.pi


@hot
def down(x):
    """A lower bound of what was rounded to x."""
    return x - (abs(x) * WIDER + TINY)


@hot
def up(x):
    """An upper bound of what was rounded to x."""
    return x + (abs(x) * WIDER + TINY)


@hot
def add(a, b, c, d):
    """[a, b] + [c, d]."""
    low, high = a + c, b + d
    return low - abs(low) * WIDER, high + abs(high) * WIDER


@hot
def _product(x, y):
    """x y; whether the product is a zero for certain, so that it has no error."""
    return x * y, x == 0.0 or y == 0.0


@hot
def multiply(a, b, c, d):
    """[a, b] * [c, d], from the signs; zero times anything is zero."""
    if a >= 0.0:
        if c >= 0.0:
            (low, exact), (high, sure) = _product(a, c), _product(b, d)
        elif d <= 0.0:
            (low, exact), (high, sure) = _product(b, c), _product(a, d)
        else:
            (low, exact), (high, sure) = _product(b, c), _product(b, d)
    elif b <= 0.0:
        if c >= 0.0:
            (low, exact), (high, sure) = _product(a, d), _product(b, c)
        elif d <= 0.0:
            (low, exact), (high, sure) = _product(b, d), _product(a, c)
        else:
            (low, exact), (high, sure) = _product(a, d), _product(a, c)
    elif c >= 0.0:
        (low, exact), (high, sure) = _product(a, d), _product(b, d)
    elif d <= 0.0:
        (low, exact), (high, sure) = _product(b, c), _product(a, c)
    else:
        low, high, exact, sure = min(a * d, b * c), max(a * c, b * d), False, False
        if not math.isfinite(a * d + b * c + a * c + b * d):
            low, high = -math.inf, math.inf
    if exact:
        low = 0.0
    else:
        low = low - (abs(low) * WIDER + TINY)
    if sure:
        high = 0.0
    else:
        high = high + (abs(high) * WIDER + TINY)
    return low, high


@hot
def scale(x, a, b):
    """x [a, b] for a finite number x. No branches: the signs of an inverse matrix are hard to foresee."""
    p, q = x * a, x * b
    low, high = (p, q) if p < q else (q, p)
    return low - (abs(low) * WIDER + TINY), high + (abs(high) * WIDER + TINY)


@hot
def magnitude(a, b):
    """The largest absolute value in [a, b], infinite where a bound is not known."""
    return max(-a, b) if a <= b else math.inf


@inline
def reciprocal(a, b):
    """1 / [a, b]: all numbers where 0 lies inside, half a line where it is an end."""
    if a > 0.0 or b < 0.0:
        return down(1.0 / b), up(1.0 / a)
    if a == 0.0 and b > 0.0:
        return down(1.0 / b), math.inf
    if b == 0.0 and a < 0.0:
        return -math.inf, up(1.0 / a)
    return -math.inf, math.inf


@inline
def divide(a, b, c, d):
    """[a, b] / [c, d]."""
    if a == 0.0 and b == 0.0 and (c > 0.0 or d < 0.0):
        return 0.0, 0.0
    low, high = reciprocal(c, d)
    return multiply(a, b, low, high)


@inline
def _power_of_size(x, n, sense):
    """x^n for x >= 0, rounded towards `sense`."""
    value, base = 1.0, x
    while n > 0:
        if n & 1:
            value = value * base
            value = up(value) if sense > 0 else max(down(value), 0.0)
        n >>= 1
        if n > 0:
            base = base * base
            base = up(base) if sense > 0 else max(down(base), 0.0)
    return value


@inline
def power(a, b, n):
    """[a, b]^n for a whole number n."""
    if n < 0:
        low, high = power(a, b, -n)
        return reciprocal(low, high)
    if n == 0:
        return 1.0, 1.0
    if not a <= b:
        return -math.inf, math.inf
    if n == 1 or (a == 0.0 and b == 0.0):
        return a, b
    if a >= 0.0:
        return _power_of_size(a, n, -1), (_power_of_size(b, n, 1) if b > 0.0 else 0.0)
    if n & 1:
        low = -_power_of_size(-a, n, 1)
        if b >= 0.0:
            return low, (_power_of_size(b, n, 1) if b > 0.0 else 0.0)
        return low, -_power_of_size(-b, n, -1)
    if b <= 0.0:
        return (_power_of_size(-b, n, -1) if b < 0.0 else 0.0), _power_of_size(-a, n, 1)
    return 0.0, _power_of_size(max(-a, b), n, 1)


# ---- functions ----------------------------------------------------------------------------------


# where a function is zero its argument is exactly 0 (or 1), and so is the zero


@hot
def _below(x):
    return x - (abs(x) * LIBRARY + TINY) if x != 0.0 else 0.0


@hot
def _above(x):
    return x + (abs(x) * LIBRARY + TINY) if x != 0.0 else 0.0


@inline
def exponential(a, b):
    """exp [a, b]."""
    low = math.exp(a)
    if low == math.inf:
        low = LARGEST
    low = max(_below(low), 0.0) if a != 0.0 else 1.0
    if b == 0.0:
        return low, 1.0
    high = math.exp(b)
    return low, high + (high * LIBRARY + TINY)  # which may have underflown


@inline
def logarithm(a, b):
    """log [a, b], of its positive part."""
    if a == math.inf:
        a = LARGEST
    low = _below(math.log(a)) if a > 0.0 else -math.inf
    return low, (-math.inf if b <= 0.0 else _above(math.log(b)))


@inline
def root(a, b):
    """The square root of [a, b], of its part that is not negative."""
    low = max(down(math.sqrt(a)), 0.0) if a > 0.0 else 0.0
    return low, (0.0 if b <= 0.0 else up(math.sqrt(b)))


@inline
def cosine(a, b):
    """cos [a, b]."""
    if not (a > -FAR and b < FAR) or not b - a < 2.0 * math.pi:
        return -1.0, 1.0
    if a == 0.0 and b == 0.0:
        return 1.0, 1.0
    low, high = min(math.cos(a), math.cos(b)), max(math.cos(a), math.cos(b))
    low, high = low - LIBRARY, high + LIBRARY
    # extrema at k pi; an end within rounding of one counts as beyond it
    first, last = math.ceil((a - 1e-9) / math.pi), math.floor((b + 1e-9) / math.pi)
    for k in range(first, last + 1):
        if k % 2 == 0:
            high = 1.0
        else:
            low = -1.0
    return max(low, -1.0), min(high, 1.0)


@inline
def sine(a, b):
    """sin [a, b] = cos [a - pi/2, b - pi/2], the small end without loss."""
    if not (a > -FAR and b < FAR) or not b - a < 2.0 * math.pi:
        return -1.0, 1.0
    low, high = min(math.sin(a), math.sin(b)), max(math.sin(a), math.sin(b))
    low, high = _below(low), _above(high)
    first = math.ceil((a - 1e-9) / math.pi - 0.5)
    last = math.floor((b + 1e-9) / math.pi - 0.5)
    for k in range(first, last + 1):
        if k % 2 == 0:
            high = 1.0
        else:
            low = -1.0
    return max(low, -1.0), min(high, 1.0)


@inline
def tangent(a, b):
    """tan [a, b]; all numbers where a pole may lie inside."""
    if not (a > -FAR and b < FAR):
        return -math.inf, math.inf
    if math.ceil((a - 1e-9) / math.pi - 0.5) <= math.floor((b + 1e-9) / math.pi - 0.5):
        return -math.inf, math.inf
    return _below(math.tan(a)), _above(math.tan(b))


@inline
def hyperbolic_sine(a, b):
    """sinh [a, b]."""
    return _below(math.sinh(a)), _above(math.sinh(b))


@inline
def hyperbolic_cosine(a, b):
    """cosh [a, b]."""
    if not a <= b:
        return 1.0, math.inf
    outer = max(abs(a), abs(b))
    inner = 0.0 if a <= 0.0 <= b else min(abs(a), abs(b))
    return max(_below(math.cosh(inner)), 1.0), (_above(math.cosh(outer)) if outer != 0.0 else 1.0)


@inline
def hyperbolic_tangent(a, b):
    """tanh [a, b]."""
    return max(_below(math.tanh(a)), -1.0), min(_above(math.tanh(b)), 1.0)


@inline
def arcus_tangent(a, b):
    """atan [a, b]."""
    return _below(math.atan(a)), _above(math.atan(b))
