"""Test functions along curves of special points, and the eigenvalues there.

    fold curves    w.B(v, v) (CP), w.v (BT), the sums of all pairs of eigenvalues but zero (ZH), w.f_s
    Hopf curves    the real eigenvalues (ZH) and the sums of all pairs (HH) but those of the pair +-i sqrt(k)

(Kuznetsov 2004, section 10.2.)
"""

from __future__ import annotations

import math

import numpy as np

from bifur._jit import callback, inline
from bifur.kernels import linalg
from bifur.kernels.curve_systems import FOLD, HOPF, MEASURE, relative_residual, unknowns

# columns of what `measure` writes
CUSP, TAKENS, ZERO, PAIR, SLOPE1, SLOPE2, RELATIVE = range(7)
TESTS = 7


@inline
def _spare_zero(re, im, n):
    """The eigenvalue that vanishes on a fold curve, twice: a pair of equal indices."""
    best = 0
    for i in range(n):
        if math.hypot(re[i], im[i]) < math.hypot(re[best], im[best]):
            best = i
    return best, best


@inline
def _spare_pair(re, im, n, k):
    """The pair +-i sqrt(k) of a Hopf curve; its sum vanishes."""
    omega = math.sqrt(max(k, 0.0))
    first, second = 0, 1
    for i in range(n):
        if math.hypot(re[i], im[i] - omega) < math.hypot(re[first], im[first] - omega):
            first = i
    least = np.inf
    for j in range(n):
        size = math.hypot(re[first] + re[j], im[first] + im[j])
        if j != first and size < least:
            least, second = size, j
    return first, second


@inline
def _zero_test(re, im, n, a, b):
    """The product of the signs of the real eigenvalues but a and b, by the least modulus; 1 where there is no other."""
    sign, least, most = 1.0, np.inf, 0.0
    for i in range(n):
        size = math.hypot(re[i], im[i])
        most = max(most, size)
        if i not in (a, b):
            least = min(least, size)
            if im[i] == 0.0 and re[i] < 0.0:
                sign = -sign
    if least == np.inf or most == 0.0:
        return sign
    return sign * least / most


@inline
def _pair_test(re, im, n, a, b):
    """The sign of the product of the sums of all pairs of eigenvalues but a and b, by the least of these sums.

    Sums that are not real come in conjugate pairs, so that they do not change the sign.
    """
    sign, least = 1.0, np.inf
    for i in range(n):
        for j in range(i):
            if i in (a, b) or j in (a, b):
                continue
            x, y = re[i] + re[j], im[i] + im[j]
            size = math.hypot(re[i], im[i]) + math.hypot(re[j], im[j])
            least = min(least, math.hypot(x, y) / size if size > 0.0 else 0.0)
            if y == 0.0 and x < 0.0 and (im[i] == 0.0 or re[i] == re[j]):
                sign = -sign
    return sign if least == np.inf else sign * least


@inline
def _left_null(W, v, w):
    """w with J^T w = 0, w.w = 1, w.(w before) > 0, by bordering: regular also where zero is a double eigenvalue.

    [ J^T  v ] [ w ]   [ 0 ]
    [ w^T  0 ] [ m ] = [ 1 ]
    """
    n = len(v)
    for i in range(n):
        for j in range(n):
            W.A[i, j] = W.J[j, i]
        W.A[i, n], W.A[n, i], W.b[i] = v[i], w[i], 0.0
    W.A[n, n], W.b[n] = 0.0, 1.0
    if linalg.factor(W.A, n + 1, W.pivots) == 0.0:
        return
    linalg.solve(W.A, n + 1, W.pivots, W.b)
    norm = 0.0
    for i in range(n):
        norm += W.b[i] * W.b[i]
    if norm > 0.0 and norm < np.inf:
        for i in range(n):
            w[i] = W.b[i] / math.sqrt(norm)


@callback(MEASURE)
def measure(kind, z, w, follow, out, re, im, W):
    """Test functions and eigenvalues at z, at which W was evaluated.

    On fold curves CUSP w.B(v, v), TAKENS w.v, SLOPE1 and SLOPE2 w.f_s, with w of length 1 and oriented like its value
    on entry where `follow`; ZERO on Hopf curves; PAIR on both, where another pair of eigenvalues has the sum zero;
    RELATIVE the residual.
    """
    n = len(W.u)
    out[RELATIVE] = relative_residual(z, unknowns(kind, n), W)
    out[CUSP] = out[TAKENS] = out[ZERO] = out[PAIR] = 1.0
    out[SLOPE1] = out[SLOPE2] = 0.0
    if kind == FOLD:
        if not follow:
            linalg.null_vector(W.J, n, True, w, W.A, W.pivots)
        _left_null(W, z[n : 2 * n], w)
        if not follow:
            _left_null(W, z[n : 2 * n], w)
        out[CUSP] = out[TAKENS] = 0.0
        for i in range(n):
            value = 0.0
            for j in range(n):
                value += W.second[i, j] * z[n + j]
            out[SLOPE1] += w[i] * W.H[i, 2 * n]
            out[SLOPE2] += w[i] * W.H[i, 2 * n + 1]
            out[CUSP] += w[i] * value
            out[TAKENS] += w[i] * z[n + i]
    code = linalg.eigenvalues(W.J, n, W.A, re, im)
    if code != 0:
        for i in range(n):
            re[i] = im[i] = np.nan
        return
    if kind == FOLD and n > 2:
        a, b = _spare_zero(re, im, n)
        out[PAIR] = _pair_test(re, im, n, a, b)
    elif kind == HOPF:
        a, b = _spare_pair(re, im, n, z[2 * n])
        out[ZERO] = _zero_test(re, im, n, a, b)
        out[PAIR] = _pair_test(re, im, n, a, b)
