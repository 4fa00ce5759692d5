"""The engine, put together: what Python calls."""

from __future__ import annotations

from numba import types

from bifur._jit import kernel
from bifur.kernels import branch, detect, linalg, step
from bifur.kernels.arrays import ENGINE, PROBLEM, SCRATCH, SOLVERS, STEPS, TRACE, Engine, Parts, Solvers
from bifur.kernels.step import WORK
from bifur.kernels.types import F8, I8, INTS, KERNELS, VECTOR

solvers = Solvers(step.correct, step.tangent, detect.locate, linalg.spectrum)
engine = Engine(branch.trace_branch, Parts(branch.special, branch.land, solvers))


@kernel(I8(ENGINE, KERNELS, VECTOR, F8, VECTOR, F8, I8, PROBLEM, STEPS, SCRATCH, TRACE, WORK))
def trace_one(E, K, u0, s0, row0, direction, arc0, P, st, S, T, W):
    """`branch.trace_branch`."""
    return E.trace_branch(E.parts, K, u0, s0, row0, direction, arc0, P, st, S, T, W)


@kernel(types.UniTuple(I8, 2)(SOLVERS, I8, KERNELS, VECTOR, VECTOR, F8, VECTOR, INTS, INTS, F8, I8, WORK))
def correct(E, kind, K, z, row, target, weight, free, logs, contraction, max_newton, W):
    """`step.correct`."""
    return E.correct(kind, K, z, row, target, weight, free, logs, contraction, max_newton, W)


@kernel(types.Tuple((I8, F8))(SOLVERS, I8, KERNELS, VECTOR, I8, VECTOR, WORK))
def locate(E, kind, K, x, free, anchor, W):
    """`detect.locate`."""
    return E.locate(kind, K, x, free, anchor, W)
