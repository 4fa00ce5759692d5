"""Gradient descent as a map: v <- m v + f(u; p), u <- u + eta v, iterated, and Newton on its q-th iterate.

With momentum m = 0 the state of the map is u (N = n numbers), with m > 0 it is (u, v) (N = 2n).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import types

from bifur._jit import inline, kernel
from bifur.kernels.linalg import factor, solve
from bifur.kernels.pointers import kernels_at
from bifur.kernels.types import F8, I8, INTS, MATRIX, VECTOR

INT_MATRIX = types.int64[:, ::1]
CUBE = types.float64[:, :, ::1]

# codes of `descend`
END, FIXED, CYCLE, REPEATS, DIVERGED, NOT_FINITE = range(6)
# counts: steps done, period, rows put out, cycles looked for by Newton
STEPS, PERIOD, ROWS, NEWTON = range(4)
# options: tolerances, longest period looked for (0: none), a state is put out after so many steps, the first such step
RTOL, ATOL, LONGEST, EVERY, FIRST = range(5)
# codes of `find`
CONVERGED, SINGULAR, LEFT, SLOW = range(4)

FARTHEST = 1e12  # a state this many times its first size has left every scale
MODERATE = 1e6  # from a state beyond this, a value that is not finite is an overflow, not a pole
DOUBLINGS = 40  # of the power of a cycle's Jacobian that has to vanish


class Work(NamedTuple):
    """Room for one run: vectors (n,) and (N,), matrices (n, n) and (N, N)."""

    slope: Any  # (n,) f
    u: Any  # (n,)
    v: Any  # (n,)
    anchor: Any  # (N,)
    limit: Any  # (N,) a point of a cycle
    image: Any  # (N,)
    jacobian: Any  # (n, n)
    power: Any  # (N, N) of the q-th iterate
    matrix: Any  # (N, N)
    other: Any  # (N, N)
    pivots: Any


WORK = types.NamedTuple([VECTOR] * 6 + [MATRIX] * 4 + [INTS], Work)


def make_work(n: int, momentum: bool) -> Work:
    """Arrays for a system of n states."""
    size = 2 * n if momentum else n
    return Work(
        *(np.zeros(n) for _ in range(3)),
        *(np.zeros(size) for _ in range(3)),
        np.zeros((n, n)),
        *(np.zeros((size, size)) for _ in range(3)),
        np.zeros(size, np.int64),
    )


@inline
def _advance(kernels, p, eta, m, u, v, slope):
    """One step in place."""
    kernels.field(u, p, slope)
    for i in range(u.shape[0]):
        v[i] = m * v[i] + slope[i]
        u[i] += eta * v[i]


@inline
def _pack(u, v, w):
    n = u.shape[0]
    for i in range(n):
        w[i] = u[i]
    for i in range(n, w.shape[0]):
        w[i] = v[i - n]


@inline
def _unpack(w, u, v):
    n = u.shape[0]
    for i in range(n):
        u[i] = w[i]
        v[i] = 0.0
    for i in range(n, w.shape[0]):
        v[i - n] = w[i]


@inline
def _distance(u, v, eta, w, rtol, atol):
    """The largest |difference| / (atol + rtol |w|) over the states; velocities count as the way they lead to."""
    n, worst = u.shape[0], 0.0
    for i in range(n):
        part = abs(u[i] - w[i]) / (atol + rtol * abs(w[i]))
        if w.shape[0] > n:
            part = max(part, eta * abs(v[i] - w[n + i]) / (atol + rtol * abs(w[i])))
        if not part <= worst:  # NaN counts as far
            worst = part
    return worst


@inline
def _iterate(kernels, p, eta, m, q, W):
    """The q-th iterate of W.limit into W.image, its Jacobian into W.power; whether they are finite."""
    n, size = W.u.shape[0], W.limit.shape[0]
    _unpack(W.limit, W.u, W.v)
    for i in range(size):
        for j in range(size):
            W.power[i, j] = 1.0 if i == j else 0.0
    for _ in range(q):
        kernels.jacobian(W.u, p, W.jacobian)
        for j in range(size):  # d v <- m d v + J d u, d u <- d u + eta d v
            for i in range(n):
                change = m * W.power[n + i, j] if size > n else 0.0
                for k in range(n):
                    change += W.jacobian[i, k] * W.power[k, j]
                W.matrix[i, j] = change
            for i in range(n):
                W.power[i, j] += eta * W.matrix[i, j]
                if size > n:
                    W.power[n + i, j] = W.matrix[i, j]
        _advance(kernels, p, eta, m, W.u, W.v, W.slope)
    _pack(W.u, W.v, W.image)
    total = 0.0
    for i in range(size):
        total += 0.0 * W.image[i]
        for j in range(size):
            total += 0.0 * W.power[i, j]
    return total == 0.0


@inline
def _newton(kernels, p, eta, m, q, most, W):
    """Newton on F^q(w) = w from W.limit, in place; W.power is the Jacobian of F^q there."""
    n, size = W.u.shape[0], W.limit.shape[0]
    last = np.inf
    for _ in range(most):
        if not _iterate(kernels, p, eta, m, q, W):
            return LEFT
        for i in range(size):
            for j in range(size):
                W.matrix[i, j] = W.power[i, j] - (1.0 if i == j else 0.0)
            W.image[i] -= W.limit[i]
        if factor(W.matrix, size, W.pivots) == 0.0:
            return SINGULAR
        solve(W.matrix, size, W.pivots, W.image)
        change, largest = 0.0, 0.0
        for i in range(size):
            W.limit[i] -= W.image[i]
            change = max(change, abs(W.image[i]) * (eta if i >= n else 1.0))
            largest = max(largest, abs(W.limit[i]) * (eta if i >= n else 1.0))
        if not math.isfinite(change):
            return LEFT
        # the last digits go up and down: a correction that small and no smaller than the last one is rounding
        if change <= 4e-16 * largest or (change <= 1e-9 * largest and change >= 0.5 * last):
            return CONVERGED if _iterate(kernels, p, eta, m, q, W) else LEFT
        last = change
    return SLOW


@inline
def _contracts(W):
    """Whether every eigenvalue of W.power is less than 1 in modulus: its powers, squared again and again, vanish."""
    size = W.limit.shape[0]
    for i in range(size):
        for j in range(size):
            W.matrix[i, j] = W.power[i, j]
    for _ in range(DOUBLINGS):
        total = 0.0
        for i in range(size):
            for j in range(size):
                total += W.matrix[i, j] ** 2
        if total < 1e-18:
            return True
        if not total < 1e18:
            return False
        for i in range(size):
            for j in range(size):
                W.other[i, j] = 0.0
                for k in range(size):
                    W.other[i, j] += W.matrix[i, k] * W.matrix[k, j]
        for i in range(size):
            for j in range(size):
                W.matrix[i, j] = W.other[i, j]
    return False


@inline
def _settles(kernels, p, eta, m, u, v, q, options, W):
    """The period of the attracting cycle, at most q and dividing it, on which (u, v) lies; 0 where there is none."""
    for period in range(1, q + 1):
        if q % period:
            continue
        _pack(u, v, W.limit)
        if _newton(kernels, p, eta, m, period, 12, W) != CONVERGED:
            continue
        if _distance(u, v, eta, W.limit, options[RTOL], options[ATOL]) <= 10.0 and _contracts(W):
            return period
    return 0


@inline
def _same(u, v, w):
    n = u.shape[0]
    for i in range(n):
        if u[i] != w[i] or (w.shape[0] > n and v[i] != w[n + i]):
            return False
    return True


@inline
def _lost(u, v, before, scale):
    """DIVERGED or NOT_FINITE where the state left every scale, else -1."""
    size = total = 0.0
    for i in range(u.shape[0]):
        size = max(size, abs(u[i]))
        total += 0.0 * u[i] + 0.0 * v[i]
    if total != 0.0:
        return DIVERGED if before > MODERATE * scale else NOT_FINITE
    return DIVERGED if size > FARTHEST * scale else -1


@inline
def _size(u):
    size = 0.0
    for i in range(u.shape[0]):
        size = max(size, abs(u[i]))
    return size


@kernel(types.void(INTS, MATRIX, VECTOR, VECTOR, MATRIX, MATRIX, I8, VECTOR, WORK, CUBE, INT_MATRIX, MATRIX, INTS))
def descend(K, parameters, rates, momenta, states, velocities, steps, options, W, out, all_counts, limits, codes):
    """Each row of `states`, `velocities` (b, n) goes on, in place, for `steps` steps, to its code (b,).

    `out` (b, r, n): states at step FIRST and after every EVERY further steps, as many as there is room for. A run
    that settles on a cycle leaves a point of it in `limits` (b, N). Cycles are recognised by their return to an
    anchor that is renewed after 1, 2, 4, ... steps (Brent 1980, BIT 20, 176-184), then looked for by Newton.
    """
    kernels = kernels_at(K)
    longest, every, first = int(options[LONGEST]), int(options[EVERY]), int(options[FIRST])
    for row in range(states.shape[0]):
        p, eta, m, u, v = parameters[row], rates[row], momenta[row], states[row], velocities[row]
        counts, code = all_counts[row], END
        size = _size(u)
        scale = max(1.0, size)
        filled, since, renew, tried = 0, 0, 1, False
        if longest > 0:
            _pack(u, v, W.anchor)
        step = 0
        while True:
            if step >= first and filled < out.shape[1] and (step - first) % every == 0:
                for i in range(u.shape[0]):
                    out[row, filled, i] = u[i]
                filled += 1
            if step == steps:
                break
            _advance(kernels, p, eta, m, u, v, W.slope)
            step += 1
            lost = _lost(u, v, size, scale)
            if lost >= 0:
                code = lost
                break
            size = _size(u)
            if longest == 0:
                continue
            since += 1
            if since <= longest and not tried and _distance(u, v, eta, W.anchor, options[RTOL], options[ATOL]) <= 1.0:
                tried = True
                counts[NEWTON] += 1
                period = _settles(kernels, p, eta, m, u, v, since, options, W)
                if period > 0:
                    code, counts[PERIOD] = (FIXED if period == 1 else CYCLE), period
                    for i in range(W.limit.shape[0]):
                        limits[row, i] = W.limit[i]
                    break
            if since <= longest and tried and _same(u, v, W.anchor):
                code, counts[PERIOD] = REPEATS, since
                _pack(u, v, W.limit)
                for i in range(W.limit.shape[0]):
                    limits[row, i] = W.limit[i]
                break
            if since == renew:
                _pack(u, v, W.anchor)
                since, renew, tried = 0, 2 * renew, False
        counts[STEPS] = step
        counts[ROWS] = filled
        codes[row] = code


@kernel(types.void(INTS, VECTOR, F8, F8, I8, I8, MATRIX, WORK, CUBE, INTS))
def find(K, p, eta, m, q, most, starts, W, powers, codes):
    """Newton on F^q(w) = w from each row of `starts` (b, N), in place; (F^q)' into `powers` (b or 0, N, N)."""
    kernels = kernels_at(K)
    size = W.limit.shape[0]
    for row in range(starts.shape[0]):
        for i in range(size):
            W.limit[i] = starts[row, i]
        codes[row] = _newton(kernels, p, eta, m, q, most, W)
        for i in range(size):
            starts[row, i] = W.limit[i]
            if powers.shape[0] > 0:
                for j in range(size):
                    powers[row, i, j] = W.power[i, j]
