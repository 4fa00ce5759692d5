"""The number of equilibria over patches of a plane, proved once for all nodes of a patch.

The coefficients of the charts over a rectangle of parameters are intervals; if the real roots of every polynomial with
such coefficients can be isolated, and no guard can vanish, all of the rectangle has that number of equilibria. Where it
cannot be decided the patch is halved, down to single nodes. Nodes that stay open carry a code.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import interval as iv
from bifur.kernels import roots
from bifur.kernels.program import PROGRAM, RESULTS, Program, run
from bifur.kernels.types import I8, INTS, MATRIX, VECTOR

# codes beside those of `roots` (-1 undecided, -2 vanishing, -3 zero)
GUARD = -4  # a guard may be zero: the charts do not speak there
PATIENCE = 24  # intervals for the roots of a patch, before it is halved
DEEPEST = 64  # patches that wait
ROWS = 16

INT_MATRIX = types.int64[:, ::1]


class Algebra(NamedTuple):
    """A system's polynomial form.

    `charts`: a program without variables; its results are the guards, then chart by chart the coefficients by rising
    powers. `lifts`: a program of one variable, the root; its results are, chart by chart, all states. `shape` = charts,
    guards, coefficients of a chart, the state that roots are values of.
    """

    charts: Program
    lifts: Program
    shape: np.ndarray


ALGEBRA = types.NamedTuple([PROGRAM, PROGRAM, INTS], Algebra)
CHARTS, GUARDS, LENGTH, VARIABLE = range(4)


class Isolation(NamedTuple):
    """Work for the roots of one chart; `low`, `high` and `root` are those of the last one."""

    coef: np.ndarray
    bound: np.ndarray
    low: np.ndarray
    high: np.ndarray
    root: np.ndarray
    t: np.ndarray
    e: np.ndarray
    stack: np.ndarray


ISOLATION = types.NamedUniTuple(VECTOR, 8, Isolation)


def make_isolation(length: int) -> Isolation:
    """Room for charts with so many coefficients."""
    return Isolation(*(np.zeros(length + 1) for _ in range(7)), stack=np.zeros(roots.MAX_STACK + 4))


@inline
def guarded(A, V):
    """Whether no guard can vanish."""
    for k in range(A.shape[GUARDS]):
        slot = A.charts.head[RESULTS + k]
        if not (V[slot, 0] > 0.0 or V[slot, 1] < 0.0):
            return False
    return True


@inline
def take(A, V, chart, C):
    """The coefficients of a chart as (middle, bound); False where they are not finite."""
    length, total = A.shape[LENGTH], 0.0
    first = RESULTS + A.shape[GUARDS] + chart * length
    for k in range(length):
        slot = A.charts.head[first + k]
        low, high = V[slot, 0], V[slot, 1]
        middle = 0.5 * (low + high)
        C.coef[k] = middle
        C.bound[k] = 0.0 if low == high else iv.up(max(high - middle, middle - low))
        total += low + high
    return math.isfinite(total)


@kernel(I8(ALGEBRA, MATRIX, I8, ISOLATION))
def count_over(A, V, most, C):
    """The number of real roots of all charts over the parameters in the slots, or a negative code."""
    run(A.charts, V, 0, len(A.charts.operations), False)
    if not guarded(A, V):
        return GUARD
    total = 0
    for chart in range(A.shape[CHARTS]):
        if not take(A, V, chart, C):
            return roots.UNDECIDED
        found = roots.isolate(C.coef, C.bound, A.shape[LENGTH], most, C.low, C.high, C.t, C.e, C.stack)
        if found < 0:
            return found
        total += found
    return total


@kernel(types.void(ALGEBRA, MATRIX, ISOLATION, VECTOR, INTS, VECTOR, VECTOR, INT_MATRIX, INT_MATRIX))
def count_patches(A, V, C, p, free, x, y, count, stack):
    """`count` (nx, ny): the proved number of real roots at (x[i], y[j]), or a negative code.

    `free` = places of the two parameters among all parameters `p`. Patches of all of x and ROWS values of y are tried
    first; `stack` (DEEPEST, 4) is work. A count depends on x and the y of its patch alone.
    """
    for k in range(len(p)):
        V[k, 0] = V[k, 1] = p[k]
    for start in range(0, len(y), ROWS):
        depth = 1
        stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, len(x), start, min(start + ROWS, len(y))
        while depth > 0:
            depth -= 1
            i0, i1, j0, j1 = stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3]
            single = i1 - i0 == 1 and j1 - j0 == 1
            V[free[0], 0], V[free[0], 1] = x[i0], x[i1 - 1]
            V[free[1], 0], V[free[1], 1] = y[j0], y[j1 - 1]
            found = count_over(A, V, roots.MAX_INTERVALS if single else PATIENCE, C)
            if found >= 0 or single:
                for i in range(i0, i1):
                    for j in range(j0, j1):
                        count[i, j] = found
                continue
            for half in range(2):
                stack[depth, 0], stack[depth, 1], stack[depth, 2], stack[depth, 3] = i0, i1, j0, j1
                if j1 - j0 >= i1 - i0:
                    stack[depth, 3 - half] = (j0 + j1) // 2
                else:
                    stack[depth, 1 - half] = (i0 + i1) // 2
                depth += 1
