"""What Python calls along curves in two parameters; systems and the engine's own parts come as addresses."""

from __future__ import annotations

from numba import types

from bifur._jit import inline, kernel
from bifur.kernels import curve, curve_systems, curve_tests
from bifur.kernels.arrays import STEPS
from bifur.kernels.curve import PATH, PLANE
from bifur.kernels.curve_systems import CORRECT, CURVE_WORK, MEASURE, TANGENT, CurveSolvers
from bifur.kernels.pointers import addresses, kernels_at, make_pointer
from bifur.kernels.types import F8, I8, INTS, VECTOR

_correct_at, _tangent_at, _measure_at = make_pointer(CORRECT), make_pointer(TANGENT), make_pointer(MEASURE)

SOLVERS = addresses((curve_systems.correct, curve_systems.tangent, curve_tests.measure))


@inline
def solvers_at(a):
    """The parts whose addresses are `a`, in the order of `SOLVERS`."""
    return CurveSolvers(_correct_at(a[0]), _tangent_at(a[1]), _measure_at(a[2]))


@kernel(I8(INTS, I8, INTS, VECTOR, VECTOR, F8, PLANE, STEPS, PATH, CURVE_WORK))
def trace(E, kind, K, z0, row0, direction, P, st, C, W):
    """`curve.trace_curve`, E = SOLVERS."""
    return curve.trace_curve(solvers_at(E), kind, kernels_at(K), z0, row0, direction, P, st, C, W)


@kernel(types.boolean(I8, INTS, VECTOR, INTS, INTS, CURVE_WORK))
def evaluate(kind, K, z, free, logs, W):
    """`curve_systems.evaluate`."""
    return curve_systems.evaluate(kind, kernels_at(K), z, free, logs, W)


@kernel(types.UniTuple(I8, 2)(INTS, I8, INTS, VECTOR, VECTOR, F8, VECTOR, INTS, INTS, F8, F8, I8, I8, CURVE_WORK))
def correct(E, kind, K, z, row, target, weight, free, logs, contraction, least, max_newton, polish, W):
    """`curve_systems.correct`, E = SOLVERS."""
    parts = solvers_at(E)
    return parts.correct(
        kind, kernels_at(K), z, row, target, weight, free, logs, contraction, least, max_newton, polish, W
    )


@kernel(types.void(INTS, I8, VECTOR, VECTOR, types.boolean, VECTOR, VECTOR, VECTOR, CURVE_WORK))
def measure(E, kind, z, w, follow, out, re, im, W):
    """`curve_tests.measure`, E = SOLVERS."""
    solvers_at(E).measure(kind, z, w, follow, out, re, im, W)
