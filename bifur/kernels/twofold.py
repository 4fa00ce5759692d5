"""A program's values at a point in twice the precision, with a bound of the error: where doubles lose an equilibrium.

A number is (hi, lo, e): the sum hi + lo, off by at most e. Sums and products of two doubles are known exactly as a sum
of two doubles (Dekker 1971, A floating-point technique for extending the available precision; Knuth); what is dropped
after that is below 2^-100 of the result and goes into e. Quotients and roots are checked by their residual. Functions
of the C library have no more digits here than elsewhere.
"""

from __future__ import annotations

import math

from numba import types

from bifur._jit import hot, inline, kernel
from bifur.kernels import interval as iv
from bifur.kernels.program import (
    ADD,
    BASE,
    CONSTANT,
    DIVIDE,
    MULTIPLY,
    NEGATE,
    PARAMETERS,
    POWER,
    PROGRAM,
    REAL_POWER,
    RESULTS,
    SQRT,
    SUBTRACT,
    VARIABLES,
    elementary,
    real_power,
)
from bifur.kernels.types import I8, MATRIX

SPLITTER = 134217729.0  # 2^27 + 1
DROPPED = 2.0**-50  # bounds a few roundings of the low part
SLACK = 1.0 + 2.0**-40  # bounds the roundings of an error bound


@hot
def two_sum(a, b):
    """a + b = s + t exactly."""
    s = a + b
    c = s - a
    return s, (a - (s - c)) + (b - c)


@hot
def two_product(a, b):
    """a b = p + q exactly, unless it over- or underflows."""
    p = a * b
    c = SPLITTER * a
    ah = c - (c - a)
    al = a - ah
    c = SPLITTER * b
    bh = c - (c - b)
    bl = b - bh
    return p, ((ah * bh - p) + ah * bl + al * bh) + al * bl


@hot
def add(ah, al, ae, bh, bl, be):
    """a + b."""
    s, t = two_sum(ah, bh)
    rest = al + bl + t
    error = (ae + be + DROPPED * (abs(al) + abs(bl) + abs(t))) * SLACK
    s, t = two_sum(s, rest)
    return s, t, error


@hot
def multiply(ah, al, ae, bh, bl, be):
    """a b."""
    p, q = two_product(ah, bh)
    cross = ah * bl + al * bh
    error = DROPPED * (abs(ah * bl) + abs(al * bh) + abs(q)) + abs(al * bl)
    error += (abs(ah) + abs(al)) * be + (abs(bh) + abs(bl) + be) * ae
    s, t = two_sum(p, q + cross)
    return s, t, (error + iv.TINY) * SLACK


@inline
def divide(ah, al, ae, bh, bl, be):
    """a / b, the error from the residual a - q b."""
    least = abs(bh) - abs(bl) - be
    if not least > 0.0:
        return 0.0, 0.0, math.inf
    q = ah / bh
    rh, rl, _ = multiply(q, 0.0, 0.0, bh, bl, 0.0)
    rh, rl, _ = add(ah, al, 0.0, -rh, -rl, 0.0)
    hi, lo = two_sum(q, rh / bh)
    rh, rl, error = multiply(hi, lo, 0.0, bh, bl, be)
    rh, rl, error = add(ah, al, ae, -rh, -rl, error)
    return hi, lo, (abs(rh) + abs(rl) + error) / least * SLACK + iv.TINY


@inline
def root(ah, al, ae):
    """The square root of a, the error from the residual a - s^2 = (sqrt a - s)(sqrt a + s)."""
    if ah == 0.0 and al == 0.0 and ae == 0.0:
        return 0.0, 0.0, 0.0
    if not ah - abs(al) - ae > 0.0:
        return 0.0, 0.0, math.inf
    s = math.sqrt(ah)
    rh, rl, _ = multiply(s, 0.0, 0.0, s, 0.0, 0.0)
    rh, rl, _ = add(ah, al, 0.0, -rh, -rl, 0.0)
    hi, lo = two_sum(s, 0.5 * rh / s)
    rh, rl, error = multiply(hi, lo, 0.0, hi, lo, 0.0)
    rh, rl, error = add(ah, al, ae, -rh, -rl, error)
    return hi, lo, (abs(rh) + abs(rl) + error) / (0.999 * s) * SLACK + iv.TINY


@inline
def power(ah, al, ae, n):
    """a^n for a whole number n."""
    hi, lo, e = 1.0, 0.0, 0.0
    left = abs(n)
    while left > 0:
        if left & 1:
            hi, lo, e = multiply(hi, lo, e, ah, al, ae)
        left >>= 1
        if left > 0:
            ah, al, ae = multiply(ah, al, ae, ah, al, ae)
    return divide(1.0, 0.0, 0.0, hi, lo, e) if n < 0 else (hi, lo, e)


@kernel(types.void(PROGRAM, MATRIX, I8, I8))
def run_twofold(P, D, first, last):
    """Operations first .. last - 1; D (slots, 3) holds hi, lo, e of each slot. An e that is not finite: not known."""
    base = P.head[BASE]
    for k in range(first, last):
        operation = P.operations[k]
        code, a, b, target = operation[0], operation[1], operation[2], base + k
        ah, al, ae = D[a, 0], D[a, 1], D[a, 2]
        if code == REAL_POWER and operation[4] == 0 and D[b, 1] == 0.0 and D[b, 2] == 0.0:
            if D[b, 0] == math.floor(D[b, 0]) and abs(D[b, 0]) < 1e6:
                code, b = POWER, int(D[b, 0])
        if code == MULTIPLY:
            hi, lo, e = multiply(ah, al, ae, D[b, 0], D[b, 1], D[b, 2])
        elif code == ADD:
            hi, lo, e = add(ah, al, ae, D[b, 0], D[b, 1], D[b, 2])
        elif code == SUBTRACT:
            hi, lo, e = add(ah, al, ae, -D[b, 0], -D[b, 1], D[b, 2])
        elif code == POWER:
            hi, lo, e = power(ah, al, ae, b)
        elif code == DIVIDE:
            hi, lo, e = divide(ah, al, ae, D[b, 0], D[b, 1], D[b, 2])
        elif code == NEGATE:
            hi, lo, e = -ah, -al, ae
        elif code == SQRT:
            hi, lo, e = root(ah, al, ae)
        else:
            low, high = iv.down(ah - (abs(al) + ae) * SLACK), iv.up(ah + (abs(al) + ae) * SLACK)
            if code == REAL_POWER:
                c, d = D[b, 0], (abs(D[b, 1]) + D[b, 2]) * SLACK
                low, high = real_power(low, high, iv.down(c - d), iv.up(c + d))
            else:
                low, high = elementary(code, low, high)
            hi, lo = 0.5 * (low + high), 0.0
            e = max(high - hi, hi - low) * SLACK + iv.TINY if high - low < math.inf else math.inf
            if not math.isfinite(e):
                hi, e = 0.0, math.inf
        D[target, 0], D[target, 1], D[target, 2] = hi, lo, e


@inline
def load_twofold(P, V, D):
    """Parameters as they stand in the slots V, and what depends on them alone."""
    for k in range(P.head[VARIABLES], P.head[VARIABLES] + P.head[PARAMETERS]):
        D[k, 0], D[k, 1], D[k, 2] = V[k, 0], 0.0, 0.0
    run_twofold(P, D, 0, P.head[CONSTANT])


@inline
def at_point_twofold(P, D, u, f):
    """The field at u as intervals low, high, low, ..., into f."""
    for i in range(len(u)):
        D[i, 0], D[i, 1], D[i, 2] = u[i], 0.0, 0.0
    run_twofold(P, D, P.head[CONSTANT], len(P.operations))
    for i in range(len(u)):
        result = P.head[RESULTS + i]
        hi, lo, e = D[result, 0], D[result, 1], D[result, 2] * SLACK
        f[2 * i], f[2 * i + 1] = iv.down(hi + iv.down(lo - e)), iv.up(hi + iv.up(lo + e))
