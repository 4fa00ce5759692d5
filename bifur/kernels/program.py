"""A definition as a list of operations, evaluated in interval arithmetic with its derivatives.

One compiled loop serves every system, so that a proof costs no compiling per system. A program works on *slots*, each
an interval: first the variables, then the parameters, the numbers, and the result of each operation in turn. With
`slopes` the derivatives by all variables are carried along (forward mode; Griewank & Walther 2008, chapter 3).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import interval as iv
from bifur.kernels.types import I8, INTS, MATRIX

ADD, SUBTRACT, MULTIPLY, DIVIDE, NEGATE, POWER, REAL_POWER = range(7)
EXP, LOG, SQRT, SIN, COS, TAN, SINH, COSH, TANH, ATAN = range(7, 17)

# where the definition has a value: on the whole box, on a part of it, on none of it
WHOLE, PARTLY, NOWHERE = 0, 1, 2


class Program(NamedTuple):
    """Operations (m, 5): code, operands a and b (slots; of POWER b is the exponent), and which variables these depend

    on, as bits. `head` = variables, parameters, slots before the first operation, operations that depend on no
    variable (which come first), roundings and reach (see `systems.program`), then the slots of the results.
    """

    operations: np.ndarray
    head: np.ndarray


PROGRAM = types.NamedTuple([types.int64[:, ::1], INTS], Program)
VARIABLES, PARAMETERS, BASE, CONSTANT, ROUNDINGS, REACH, RESULTS = range(7)  # places in Program.head

# slots (slots, 2 + 2 n): low and high of each slot, then of its derivative by each variable


@inline
def corner(x, y):
    """x^y at a point, x >= 0, as an interval."""
    if x == 0.0:
        return (0.0, 0.0) if y > 0.0 else ((1.0, 1.0) if y == 0.0 else (math.inf, math.inf))
    low, high = iv.logarithm(x, x)
    low, high = iv.multiply(y, y, low, high)
    return iv.exponential(low, high)


@inline
def real_power(a, b, c, d):
    """[a, b]^[c, d]: of the part with a >= 0, where it is monotonic in each argument, so that the corners decide.

    Below zero there is a value where the exponent is a whole number; where it may be one, nothing is known.
    """
    if not (a <= b and c <= d) or (a < 0.0 and np.floor(d) >= c):
        return -math.inf, math.inf
    if not (b < math.inf and c > -math.inf and d < math.inf):
        return 0.0, math.inf
    a, b = max(a, 0.0), max(b, 0.0)
    low, high = math.inf, 0.0
    for x in (a, b):
        for y in (c, d):
            lo, hi = corner(x, y)
            if not lo <= hi:  # a bound is not known, and would be passed over below
                return 0.0, math.inf
            low, high = min(low, lo), max(high, hi)
    return low, high


@inline
def elementary(code, a, b):
    """A function of [a, b]."""
    if code == EXP:
        return iv.exponential(a, b)
    if code == LOG:
        return iv.logarithm(a, b)
    if code == SQRT:
        return iv.root(a, b)
    if code == SIN:
        return iv.sine(a, b)
    if code == COS:
        return iv.cosine(a, b)
    if code == TAN:
        return iv.tangent(a, b)
    if code == SINH:
        return iv.hyperbolic_sine(a, b)
    if code == COSH:
        return iv.hyperbolic_cosine(a, b)
    if code == TANH:
        return iv.hyperbolic_tangent(a, b)
    return iv.arcus_tangent(a, b)


@inline
def derivative(code, a, b, low, high):
    """The derivative of a function over [a, b], where its values are [low, high]."""
    if code == EXP:
        return low, high
    if code == LOG:
        return iv.reciprocal(max(a, 0.0), b)
    if code == SQRT:
        return iv.reciprocal(2.0 * low, 2.0 * high)
    if code == SIN:
        return iv.cosine(a, b)
    if code == COS:
        low, high = iv.sine(a, b)
        return -high, -low
    if code == SINH:
        return iv.hyperbolic_cosine(a, b)
    if code == COSH:
        return iv.hyperbolic_sine(a, b)
    square_low, square_high = iv.power(low, high, 2)
    if code == TAN:
        return iv.add(1.0, 1.0, square_low, square_high)
    if code == TANH:
        low, high = iv.add(1.0, 1.0, -square_high, -square_low)
        return max(low, 0.0), min(high, 1.0)
    square_low, square_high = iv.power(a, b, 2)
    low, high = iv.add(1.0, 1.0, square_low, square_high)
    return iv.reciprocal(low, high)


@inline
def _chain(V, left, a, low, high, target):
    """Derivatives of `target` are [low, high] times those of slot a."""
    i = 2
    while left != 0:
        if left & 1:
            V[target, i], V[target, i + 1] = iv.multiply(low, high, V[a, i], V[a, i + 1])
        left >>= 1
        i += 2


@inline
def _chain_two(V, left, a, al, ah, right, b, bl, bh, target):
    """Derivatives of `target` are [al, ah] times those of slot a plus [bl, bh] times those of slot b."""
    i = 2
    while left != 0 or right != 0:
        if left & 1:
            low, high = iv.multiply(al, ah, V[a, i], V[a, i + 1])
            if right & 1:
                lo, hi = iv.multiply(bl, bh, V[b, i], V[b, i + 1])
                low, high = iv.add(low, high, lo, hi)
            V[target, i], V[target, i + 1] = low, high
        elif right & 1:
            V[target, i], V[target, i + 1] = iv.multiply(bl, bh, V[b, i], V[b, i + 1])
        left >>= 1
        right >>= 1
        i += 2


@inline
def _carry(V, left, a, right, b, negative, target):
    """Derivatives of `target` are those of slot a plus those of slot b, or minus them."""
    i = 2
    while left != 0 or right != 0:
        if right & 1:
            low, high = V[b, i], V[b, i + 1]
            if negative:
                low, high = -high, -low
            if left & 1:
                low, high = iv.add(low, high, V[a, i], V[a, i + 1])
            V[target, i], V[target, i + 1] = low, high
        elif left & 1:
            V[target, i], V[target, i + 1] = V[a, i], V[a, i + 1]
        left >>= 1
        right >>= 1
        i += 2


@kernel(I8(PROGRAM, MATRIX, I8, I8, types.boolean))
def run(P, V, first, last, slopes):
    """Operations first .. last - 1 on what the earlier slots hold; WHOLE, PARTLY or NOWHERE.

    PARTLY: something is divided by an interval that holds zero, or a logarithm, root or real power meets negative
    arguments, which are left out. NOWHERE: it meets nothing else. A real power whose exponent may be a whole number has
    values below zero too: PARTLY, and no bounds. Where a derivative is unbounded, so are the slopes.
    """
    where, base = WHOLE, P.head[BASE]
    for k in range(first, last):
        operation = P.operations[k]
        code, a, b, target = operation[0], operation[1], operation[2], base + k
        al, ah = V[a, 0], V[a, 1]
        two = code <= REAL_POWER and code != NEGATE and code != POWER
        bl, bh = (V[b, 0], V[b, 1]) if two else (0.0, 0.0)
        if code == REAL_POWER and operation[4] == 0 and bl == bh and bl == math.floor(bl) and abs(bl) < 1e6:
            code, b, two = POWER, int(bl), False  # defined below zero too
        if code == MULTIPLY:
            if a == b:
                low, high = iv.power(al, ah, 2)
            else:
                low, high = iv.multiply(al, ah, bl, bh)
        elif code == ADD:
            low, high = iv.add(al, ah, bl, bh)
        elif code == SUBTRACT:
            low, high = iv.add(al, ah, -bh, -bl)
        elif code == POWER:
            low, high = iv.power(al, ah, b)
            if b < 0 and not (al > 0.0 or ah < 0.0):
                where = max(where, PARTLY)
        elif code == DIVIDE:
            low, high = iv.divide(al, ah, bl, bh)
            if not (bl > 0.0 or bh < 0.0):
                where = max(where, PARTLY)
        elif code == NEGATE:
            low, high = -ah, -al
        else:
            if code == REAL_POWER:
                low, high = real_power(al, ah, bl, bh)
            else:
                low, high = elementary(code, al, ah)
            if code == REAL_POWER or code == LOG or code == SQRT:
                if ah < 0.0 and not (code == REAL_POWER and low < 0.0):
                    where = NOWHERE
                elif not al >= 0.0 or not high < math.inf or not low > -math.inf:
                    where = max(where, PARTLY)
            elif code == TAN and not high - low < math.inf:
                where = max(where, PARTLY)
        V[target, 0], V[target, 1] = low, high
        if not slopes:
            continue
        left, right = operation[3], operation[4]
        if code == MULTIPLY:
            if a == b:
                _chain(V, left, a, 2.0 * al, 2.0 * ah, target)
            else:
                _chain_two(V, left, a, bl, bh, right, b, al, ah, target)
        elif code == ADD:
            _carry(V, left, a, right, b, False, target)
        elif code == SUBTRACT:
            _carry(V, left, a, right, b, True, target)
        elif code == NEGATE:
            _carry(V, 0, a, left, a, True, target)
        elif code == POWER:
            lo, hi = iv.power(al, ah, b - 1)
            lo, hi = iv.multiply(float(b), float(b), lo, hi)
            _chain(V, left, a, lo, hi, target)
        elif code == DIVIDE:
            lo, hi = iv.reciprocal(bl, bh)
            bl, bh = iv.multiply(lo, hi, low, high)
            _chain_two(V, left, a, lo, hi, right, b, -bh, -bl, target)
        elif code == REAL_POWER:
            lo, hi = iv.add(bl, bh, -1.0, -1.0)
            lo, hi = real_power(al, ah, lo, hi)
            lo, hi = iv.multiply(bl, bh, lo, hi)
            if right:
                bl, bh = iv.logarithm(al, ah)
                bl, bh = iv.multiply(low, high, bl, bh)
            _chain_two(V, left, a, lo, hi, right, b, bl, bh, target)
        else:
            lo, hi = derivative(code, al, ah, low, high)
            _chain(V, left, a, lo, hi, target)
    return where
