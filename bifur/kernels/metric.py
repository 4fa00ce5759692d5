"""Lengths along a branch: states by their size where it exceeds 1, the parameter by its span."""

from __future__ import annotations

import math

from numba import types

from bifur._jit import hot, kernel
from bifur.kernels.types import F8, VECTOR


@hot
def weigh(z, state_weight, width, weight):
    """Weights of (u, s): lengths are sqrt(sum (weight_j dz_j)^2)."""
    n = len(state_weight)
    for i in range(n):
        weight[i] = state_weight[i] / max(1.0, abs(z[i]))
    weight[n] = 1.0 / width


@hot
def dual(t, weight, row):
    """The row whose product with a vector is its weighted inner product with t."""
    for j in range(len(row)):
        row[j] = weight[j] * weight[j] * t[j]


@hot
def dot(x, y):
    """Sum of the products."""
    value = 0.0
    for j in range(len(x)):
        value += x[j] * y[j]
    return value


@hot
def distance(x, y, weight):
    """Weighted length of x - y."""
    value = 0.0
    for j in range(len(weight)):
        value += (weight[j] * (x[j] - y[j])) ** 2
    return math.sqrt(value)


@kernel(types.void(VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, F8, VECTOR))
def hermite(a, b, ta, tb, weight, tau, out):
    """Cubic through a and b with tangents ta, tb of weighted length 1; tau in [0, 1]."""
    h = distance(a, b, weight)
    t2, t3 = tau * tau, tau * tau * tau
    h00, h10, h01, h11 = 2 * t3 - 3 * t2 + 1, t3 - 2 * t2 + tau, -2 * t3 + 3 * t2, t3 - t2
    for j in range(len(out)):
        out[j] = h00 * a[j] + h10 * h * ta[j] + h01 * b[j] + h11 * h * tb[j]
