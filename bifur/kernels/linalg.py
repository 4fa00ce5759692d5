"""Small dense linear algebra, in place: LU with partial pivoting, eigenvalues of a real matrix.

`np.linalg` costs seconds of compilation and allocates; these sizes are small.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from bifur._jit import callback, hot, inline, kernel
from bifur.kernels.types import F8, I8, INTS, MATRIX, VECTOR

MAX_QR = 60


@hot
def factor(A, m, pivots):
    """LU of the leading m x m block in place; returns the sign of the permutation, 0 where singular."""
    sign = 1.0
    for k in range(m):
        best, row = abs(A[k, k]), k
        for i in range(k + 1, m):
            if abs(A[i, k]) > best:
                best, row = abs(A[i, k]), i
        pivots[k] = row
        if not best > 0.0:  # zero or NaN
            return 0.0
        if row != k:
            sign = -sign
            for j in range(m):
                A[k, j], A[row, j] = A[row, j], A[k, j]
        inverse = 1.0 / A[k, k]
        for i in range(k + 1, m):
            A[i, k] *= inverse
            factor_ik = A[i, k]
            if factor_ik != 0.0:
                for j in range(k + 1, m):
                    A[i, j] -= factor_ik * A[k, j]
    return sign


@hot
def solve(A, m, pivots, b):
    """Solve with the factors of `factor`; b is overwritten by the solution."""
    for k in range(m):
        row = pivots[k]
        if row != k:
            b[k], b[row] = b[row], b[k]
    for k in range(m):
        for i in range(k + 1, m):
            b[i] -= A[i, k] * b[k]
    for k in range(m - 1, -1, -1):
        for j in range(k + 1, m):
            b[k] -= A[k, j] * b[j]
        b[k] /= A[k, k]


@inline
def solve_transposed(A, m, pivots, b):
    """Solve A^T x = b with the factors of `factor`."""
    for k in range(m):
        for j in range(k):
            b[k] -= A[j, k] * b[j]
        b[k] /= A[k, k]
    for k in range(m - 1, -1, -1):
        for i in range(k + 1, m):
            b[k] -= A[i, k] * b[i]
    for k in range(m - 1, -1, -1):
        row = pivots[k]
        if row != k:
            b[k], b[row] = b[row], b[k]


@hot
def _eigenvalues_2(a, b, c, d, re, im):
    """Of [[a, b], [c, d]], without cancellation."""
    mean, half = 0.5 * (a + d), 0.5 * (a - d)
    discriminant = half * half + b * c
    if discriminant < 0.0:
        root = math.sqrt(-discriminant)
        re[0], re[1], im[0], im[1] = mean, mean, root, -root
        return
    # the larger one from the sum, the other from the product, which loses less than a difference does
    large = mean + math.copysign(math.sqrt(discriminant), mean)
    small = (a * d - b * c) / large if large != 0.0 else 0.0
    re[0], re[1], im[0], im[1] = max(large, small), min(large, small), 0.0, 0.0


@kernel(types.void(MATRIX, I8))
def balance(A, n):
    """Scale rows and columns by powers of two to equal norms (Parlett & Reinsch 1969)."""
    done = False
    sweeps = 0
    while not done and sweeps < 100:
        done = True
        sweeps += 1
        for i in range(n):
            c = r = 0.0
            for j in range(n):
                if j != i:
                    c += abs(A[j, i])
                    r += abs(A[i, j])
            if c > 0.0 and r > 0.0 and c < 1e300 and r < 1e300:
                f, s = 1.0, c + r
                while c < 0.5 * r and f < 1e100:
                    f *= 2.0
                    c *= 4.0
                while c > 2.0 * r and f > 1e-100:
                    f *= 0.5
                    c *= 0.25
                if (c + r) / f < 0.95 * s:
                    done = False
                    for j in range(n):
                        A[i, j] /= f
                    for j in range(n):
                        A[j, i] *= f


@kernel(types.void(MATRIX, I8))
def hessenberg(A, n):
    """Reduce to upper Hessenberg form by elimination with pivoting (EISPACK elmhes)."""
    for m in range(1, n - 1):
        x, i = 0.0, m
        for j in range(m, n):
            if abs(A[j, m - 1]) > abs(x):
                x, i = A[j, m - 1], j
        if i != m:
            for j in range(m - 1, n):
                A[i, j], A[m, j] = A[m, j], A[i, j]
            for j in range(n):
                A[j, i], A[j, m] = A[j, m], A[j, i]
        if x != 0.0:
            for i in range(m + 1, n):
                y = A[i, m - 1]
                if y != 0.0:
                    y /= x
                    A[i, m - 1] = 0.0
                    for j in range(m, n):
                        A[i, j] -= y * A[m, j]
                    for j in range(n):
                        A[j, m] += y * A[j, i]


@kernel(I8(MATRIX, I8, VECTOR, VECTOR))
def francis(A, n, re, im):
    """Eigenvalues of an upper Hessenberg matrix by Francis' double-shift QR; 0, or 1 where it does not converge.

    Golub & Van Loan 2013, Matrix Computations, section 7.5, with the shifts and deflation of EISPACK hqr.
    """
    norm = 0.0
    for i in range(n):
        for j in range(max(i - 1, 0), n):
            norm += abs(A[i, j])
    if not norm < np.inf:
        return 1
    last, shift, iterations = n - 1, 0.0, 0
    while last >= 0:
        low = last
        while low > 0:
            s = abs(A[low - 1, low - 1]) + abs(A[low, low])
            if s == 0.0:
                s = norm
            if abs(A[low, low - 1]) <= 2.2e-16 * s:
                A[low, low - 1] = 0.0
                break
            low -= 1
        x = A[last, last]
        if low == last:
            re[last], im[last] = x + shift, 0.0
            last -= 1
            iterations = 0
            continue
        y = A[last - 1, last - 1]
        w = A[last, last - 1] * A[last - 1, last]
        if low == last - 1:
            _eigenvalues_2(
                A[last - 1, last - 1] + shift,
                A[last - 1, last],
                A[last, last - 1],
                A[last, last] + shift,
                re[last - 1 : last + 1],
                im[last - 1 : last + 1],
            )
            last -= 2
            iterations = 0
            continue
        if iterations >= MAX_QR:
            return 1
        if iterations > 0 and iterations % 10 == 0:  # exceptional shift
            shift += x
            for i in range(last + 1):
                A[i, i] -= x
            s = abs(A[last, last - 1]) + abs(A[last - 1, last - 2])
            x = y = 0.75 * s
            w = -0.4375 * s * s
        iterations += 1
        m, p, q, r = last - 2, 0.0, 0.0, 0.0
        while m >= low:
            z = A[m, m]
            r, s = x - z, y - z
            p = (r * s - w) / A[m + 1, m] + A[m, m + 1]
            q = A[m + 1, m + 1] - z - r - s
            r = A[m + 2, m + 1]
            s = abs(p) + abs(q) + abs(r)
            p, q, r = p / s, q / s, r / s
            if m == low:
                break
            u = abs(A[m, m - 1]) * (abs(q) + abs(r))
            v = abs(p) * (abs(A[m - 1, m - 1]) + abs(z) + abs(A[m + 1, m + 1]))
            if u <= 2.2e-16 * v:
                break
            m -= 1
        for i in range(m + 2, last + 1):
            A[i, i - 2] = 0.0
            if i != m + 2:
                A[i, i - 3] = 0.0
        for k in range(m, last):
            if k != m:
                p, q = A[k, k - 1], A[k + 1, k - 1]
                r = A[k + 2, k - 1] if k != last - 1 else 0.0
                x = abs(p) + abs(q) + abs(r)
                if x != 0.0:
                    p, q, r = p / x, q / x, r / x
            s = math.copysign(math.sqrt(p * p + q * q + r * r), p)
            if s == 0.0:
                continue
            if k == m:
                if low != m:
                    A[k, k - 1] = -A[k, k - 1]
            else:
                A[k, k - 1] = -s * x
            p += s
            x, y, z = p / s, q / s, r / s
            q, r = q / p, r / p
            for j in range(k, last + 1):
                p = A[k, j] + q * A[k + 1, j]
                if k != last - 1:
                    p += r * A[k + 2, j]
                    A[k + 2, j] -= p * z
                A[k + 1, j] -= p * y
                A[k, j] -= p * x
            for i in range(low, min(last, k + 3) + 1):
                p = x * A[i, k] + y * A[i, k + 1]
                if k != last - 1:
                    p += z * A[i, k + 2]
                    A[i, k + 2] -= p * r
                A[i, k + 1] -= p * q
                A[i, k] -= p
    return 0


@inline
def eigenvalues(J, n, A, re, im):
    """Eigenvalues of the leading block of J by decreasing real part; A is scratch. 0, or 1 (not converged, NaN)."""
    if n == 1:
        re[0], im[0] = J[0, 0], 0.0
        return 0 if math.isfinite(re[0]) else 1
    if n == 2:
        _eigenvalues_2(J[0, 0], J[0, 1], J[1, 0], J[1, 1], re, im)
        return 0 if math.isfinite(re[0]) and math.isfinite(re[1]) else 1
    for i in range(n):
        for j in range(n):
            A[i, j] = J[i, j]
    balance(A, n)
    hessenberg(A, n)
    code = francis(A, n, re, im)
    for i in range(1, n):  # insertion sort; a complex pair stays together, positive imaginary part first
        a, b, j = re[i], im[i], i - 1
        while j >= 0 and (re[j] < a or (re[j] == a and im[j] < b)):
            re[j + 1], im[j + 1] = re[j], im[j]
            j -= 1
        re[j + 1], im[j + 1] = a, b
    return code


SPECTRUM = I8(MATRIX, I8, MATRIX, VECTOR, VECTOR)


@callback(SPECTRUM)
def spectrum(J, n, A, re, im):
    """`eigenvalues`, to be reached by pointer."""
    return eigenvalues(J, n, A, re, im)


@kernel(F8(MATRIX, I8, INTS))
def determinant(A, m, pivots):
    """Of the leading m x m block, which is overwritten."""
    value = factor(A, m, pivots)
    for k in range(m):
        value *= A[k, k]
    return value


@kernel(types.void(MATRIX, I8, types.boolean, VECTOR, MATRIX, INTS))
def null_vector(M, n, left, v, A, pivots):
    """An approximate null vector of a nearly singular M (of its transpose where `left`), by inverse iteration."""
    for i in range(n):
        v[i] = 1.0 / (1.0 + i)
    scale = 0.0
    for i in range(n):
        for j in range(n):
            scale = max(scale, abs(M[i, j]))
    for attempt in range(2):
        for i in range(n):
            for j in range(n):
                A[i, j] = M[i, j]
            A[i, i] += attempt * 1e-10 * (scale + 1e-30)
        if factor(A, n, pivots) != 0.0:
            break
    for _ in range(4):
        if left:
            solve_transposed(A, n, pivots, v)
        else:
            solve(A, n, pivots, v)
        norm = 0.0
        for i in range(n):
            norm = max(norm, abs(v[i]))
        if not (norm > 0.0 and norm < np.inf):
            v[0] = 1.0
            return
        square = 0.0
        for i in range(n):
            v[i] /= norm
            square += v[i] * v[i]
        for i in range(n):
            v[i] /= math.sqrt(square)
