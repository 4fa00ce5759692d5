"""The engine, put together: what Python calls. Systems and the engine's own parts come as addresses."""

from __future__ import annotations

import math

from numba import types

from bifur._jit import kernel
from bifur.kernels import branch, detect, landing, linalg, special, step
from bifur.kernels.arrays import (
    PROBLEM,
    SCRATCH,
    STEPS,
    TRACE,
)
from bifur.kernels.parts import engine_at
from bifur.kernels.pointers import addresses, kernels_at
from bifur.kernels.step import WORK
from bifur.kernels.types import F8, I8, INTS, VECTOR

PARTS = addresses((branch.trace_branch, special.special, landing.land, step.settle_at, detect.locate, linalg.spectrum))


@kernel(I8(INTS, INTS, VECTOR, F8, VECTOR, F8, I8, PROBLEM, STEPS, SCRATCH, TRACE, WORK))
def trace_one(E, K, u0, s0, row0, sense, arc0, P, st, S, T, W):
    """`branch.trace_branch`, E = PARTS."""
    e = engine_at(E)
    return e.trace_branch(e.parts, kernels_at(K), u0, s0, row0, sense, arc0, P, st, S, T, W)


@kernel(types.UniTuple(I8, 2)(INTS, INTS, VECTOR, VECTOR, F8, VECTOR, I8, I8, F8, I8, VECTOR, WORK))
def settle(E, K, z, row, target, weight, free, log, contraction, max_newton, history, W):
    """`step.settle`, E = PARTS."""
    solvers = engine_at(E).parts.solvers
    return solvers.settle(kernels_at(K), z, row, target, weight, free, log, contraction, max_newton, history, W)


@kernel(types.Tuple((I8, F8))(INTS, I8, INTS, VECTOR, I8, VECTOR, WORK))
def locate(E, kind, K, x, free, anchor, W):
    """`detect.locate`, E = PARTS."""
    return engine_at(E).parts.solvers.locate(kind, kernels_at(K), x, free, anchor, W)


@kernel(types.Tuple((I8, F8))(INTS, VECTOR, WORK, I8))
def newton(K, u, W, max_newton):
    """`step.newton`."""
    return step.newton(kernels_at(K), u, W, max_newton)


@kernel(types.UniTuple(F8, 2)(INTS, INTS, VECTOR, VECTOR, VECTOR, WORK))
def describe(E, K, u, re, im, W):
    """Eigenvalues at u and W.p; (the largest entry of |J|, NaN where they did not converge, relative residual)."""
    k = kernels_at(K)
    residual = step.relative_residual(k, u, W)
    k.jacobian(u, W.p, W.J)
    n = len(u)
    code = engine_at(E).parts.solvers.eigenvalues(W.J, n, W.A, re, im)
    size = 0.0
    for i in range(n):
        for j in range(n):
            size = max(size, abs(W.J[i, j]))
    return (size if code == 0 else math.nan), residual
