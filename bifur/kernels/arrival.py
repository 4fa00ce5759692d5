"""Arrival: whether a trajectory is at a stable equilibrium, or goes there by all that a look around it tells.

A small speed proves nothing (the origin of `phinet` at rho = 1e-4 is slow, and a saddle is 1e-4
away), so Newton must lead to an equilibrium and its Lyapunov function must fall as far
out as the Jacobian is looked at; `trap` proves more. For the same reason no eigenvalues are needed.
"""

from __future__ import annotations

import numpy as np

from bifur._jit import inline
from bifur.kernels.linalg import factor, solve
from bifur.kernels.stepper import (
    ACCEPTED,
    ARRIVAL,
    ATOL,
    DURATION,
    RTOL,
    T,
    field_at,
    frobenius,
    in_tolerances,
    jacobian_at,
)

WHEN_NEAR, WHEN_CERTAIN, AT_END = range(3)
NEAR = 10.0  # arrival: this many tolerances from the equilibrium
EVERY = 4  # accepted steps between two looks for a certain arrival


@inline
def _lyapunov(work):
    """P with J'P + PJ = -I for J in work.jacobian, by Smith's doubling; False unless every eigenvalue has Re < 0.

    With A = (J - q)^-1 (J + q) the equation reads P = A'PA + Q, Q = 2q (J - q)^-T (J - q)^-1,
    and P <- P + A'PA, A <- A^2 converges exactly if J is stable (Smith 1968). Round-off may shrink a
    power that should stay at norm 1, so the residual of the equation decides.
    """
    n = work.jacobian.shape[0]
    q = frobenius(work.jacobian)
    if not (q > 0.0 and np.isfinite(q)):
        return False
    a, p, b = work.power, work.lyapunov, work.scratch
    for i in range(n):
        for j in range(n):
            work.matrix[i, j] = work.jacobian[i, j]
        work.matrix[i, i] -= q
    if factor(work.matrix, n, work.pivot) == 0.0:
        return False
    for j in range(n):  # column by column: A = I + 2q (J - q)^-1
        for i in range(n):
            work.stage[i] = 1.0 if i == j else 0.0
        solve(work.matrix, n, work.pivot, work.stage)
        for i in range(n):
            b[i, j] = work.stage[i]
            a[i, j] = 2.0 * q * work.stage[i] + (1.0 if i == j else 0.0)
    for i in range(n):
        for j in range(n):
            p[i, j] = 0.0
            for r in range(n):
                p[i, j] += 2.0 * q * b[r, i] * b[r, j]
    for _ in range(40):
        size = frobenius(a)
        if size < 1e-9:
            return _residual(p, work) < 0.5
        if not size < 1e9:
            return False
        _double(a, p, b, work)
    return False


@inline
def _residual(p, work):
    """Norm of J'P + PJ + I."""
    n = p.shape[0]
    for i in range(n):
        for j in range(n):
            work.scratch[i, j] = 1.0 if i == j else 0.0
            for r in range(n):
                work.scratch[i, j] += work.jacobian[r, i] * p[r, j] + p[i, r] * work.jacobian[r, j]
    return frobenius(work.scratch)


@inline
def _double(a, p, b, work):
    """P <- P + A'PA, A <- A^2, with b and work.matrix as room."""
    n = a.shape[0]
    for i in range(n):
        for j in range(n):
            b[i, j] = 0.0
            work.matrix[i, j] = 0.0
            for r in range(n):
                b[i, j] += p[i, r] * a[r, j]
                work.matrix[i, j] += a[i, r] * a[r, j]
    for i in range(n):
        for j in range(n):
            for r in range(n):
                p[i, j] += a[r, i] * b[r, j]
    for i in range(n):
        for j in range(n):
            a[i, j] = work.matrix[i, j]


@inline
def _newton(kernels, p, u, clock, counts, options, work):
    """An equilibrium from u into work.limit, with steps that shrink from the first on; work.jacobian is J there."""
    n = u.shape[0]
    for i in range(n):
        work.limit[i] = u[i]
    last = np.inf
    for _ in range(12):
        field_at(kernels, work.limit, p, clock, counts, work.stage)
        jacobian_at(kernels, work.limit, p, clock, counts, work.jacobian)
        for i in range(n):
            for j in range(n):
                work.matrix[i, j] = work.jacobian[i, j]
        if factor(work.matrix, n, work.pivot) == 0.0:
            return False
        solve(work.matrix, n, work.pivot, work.stage)
        step = in_tolerances(work.stage, work.limit, work.limit, 1e-14, 1e-6 * options[ATOL])
        if not step < 0.5 * last and step > 1.0:
            return False
        for i in range(n):
            work.limit[i] -= work.stage[i]
        if step <= 1.0:
            return True
        last = step
    return False


@inline
def _certain(kernels, p, u, clock, counts, work):
    """Whether the flow from u can only end at the sink work.limit, J there in work.jacobian.

    V = x'Px falls along the flow while 2 |P| |J(v) - J| < 1 on the level set of V through u, whose
    radius is at most sqrt(2 |P| |J|) |x|. The change of J over it is the largest of those to u and
    to both ends of that radius along each axis, doubled: a look, not a proof, but one that sees a
    change in every direction (J may be the same at u by chance).
    """
    if not _lyapunov(work):
        return False
    n, size = u.shape[0], frobenius(work.lyapunov)
    radius = 0.0
    for i in range(n):
        radius += (u[i] - work.limit[i]) ** 2
    radius = np.sqrt(radius) * max(1.0, np.sqrt(2.0 * size * frobenius(work.jacobian)))
    allowed = 0.25 / size
    for i in range(n):
        work.stage[i] = u[i]
    if not _jacobian_changes(kernels, p, clock, counts, work) < allowed:
        return False
    for i in range(n):
        for sign in (-1.0, 1.0):
            for k in range(n):
                work.stage[k] = work.limit[k]
            work.stage[i] += sign * radius
            if not _jacobian_changes(kernels, p, clock, counts, work) < allowed:
                return False
    return True


@inline
def _jacobian_changes(kernels, p, clock, counts, work):
    """|J(v) - J| from the sink to v in work.stage."""
    jacobian_at(kernels, work.stage, p, clock, counts, work.scratch)
    for i in range(work.stage.shape[0]):
        for j in range(work.stage.shape[0]):
            work.scratch[i, j] -= work.jacobian[i, j]
    return frobenius(work.scratch)


@inline
def arrives(kernels, p, u, moved, clock, counts, options, work):
    """Whether u is as good as at a sink: within NEAR tolerances of it, unless certainty is enough.

    `moved` is the last step in tolerances: a trajectory so near a sink cannot move farther.
    """
    when = options[ARRIVAL]
    if when == AT_END and clock[T] < clock[DURATION]:
        return False
    if (when == WHEN_CERTAIN and counts[ACCEPTED] % EVERY != 0) or (when == WHEN_NEAR and moved > 2.0 * NEAR):
        return False
    if not _newton(kernels, p, u, clock, counts, options, work):
        return False
    if when != WHEN_CERTAIN:
        for i in range(u.shape[0]):
            work.stage[i] = work.limit[i] - u[i]
        if not in_tolerances(work.stage, u, u, options[RTOL], options[ATOL]) <= NEAR:
            return False
    return _certain(kernels, p, u, clock, counts, work)
