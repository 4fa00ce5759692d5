"""Landing on given values of the parameter inside a step."""

from __future__ import annotations

from numba import types

from bifur._jit import callback, inline, kernel
from bifur.kernels import linalg
from bifur.kernels.arrays import LAND, LANDED, LOST_LANDINGS, PROBLEM, SCRATCH, TRACE
from bifur.kernels.metric import distance, hermite
from bifur.kernels.step import CONVERGED, WORK, newton
from bifur.kernels.types import F8, I8, KERNELS, MATRIX, VECTOR

CLOSE = 1e-10  # of a step: so near to a grid value along the cubic, from where Newton goes there


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


@inline
def _along_cubic(a, b, slope_a, slope_b, s):
    """Where between 0 and 1 the cubic from a to b with these slopes at its ends is s, by Newton within a bracket."""
    c = 3.0 * (b - a) - 2.0 * slope_a - slope_b
    d = 2.0 * (a - b) + slope_a + slope_b
    lo, hi, tau = 0.0, 1.0, (s - a) / (b - a)
    for _ in range(40):
        off = a + tau * (slope_a + tau * (c + tau * d)) - s
        if abs(off) <= CLOSE * abs(b - a):
            break
        if (off < 0.0) == (b > a):
            lo = tau
        else:
            hi = tau
        slope = slope_a + tau * (2.0 * c + 3.0 * tau * d)
        tau = tau - off / slope if slope != 0.0 else lo
        if not lo < tau < hi:
            tau = 0.5 * (lo + hi)
    return tau


@kernel(types.boolean(KERNELS, VECTOR, VECTOR, VECTOR, VECTOR, F8, I8, I8, PROBLEM, SCRATCH, TRACE, WORK))
def _land_between(K, a, b, ta, tb, sign, arc, k, P, S, T, W):
    """Land on grid value k between a and b; the determinant of J must have this sign there."""
    n = len(W.u)
    h = distance(a, b, S.weight)
    tau = _along_cubic(a[n], b[n], h * ta[n], h * tb[n], P.grid[k])
    hermite(a, b, ta, tb, S.weight, tau, S.guess)
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
