"""The types that every kernel shares.

A system reaches the kernels as function pointers, so that one compiled engine serves an open
set of systems (arguments: `u` state (n,), `p` all parameters (q,) in the system's order):

    field(u, p, out)                out (n,)       f(u, p)
    jacobian(u, p, out)             out (n, n)     df_i/du_j
    parameter_jacobian(u, p, out)   out (n, q)     df_i/dp_k
    second(u, p, v, out)            out (n, n+q)   d([J f_p] v)_i / d(u, p), v of n + q components
    magnitude(u, p, out)            out (n,)       sum of the absolute terms of f_i
    linear(u, p, k, out)            out (n, n+2)   [J, df/dp_k, f] at once, for the steps along a branch
"""

from __future__ import annotations

from typing import Any, NamedTuple

from numba import types

F8 = types.float64
I8 = types.int64
VECTOR = types.float64[::1]
MATRIX = types.float64[:, ::1]
INTS = types.int64[::1]

VECTOR_CALLBACK = types.void(VECTOR, VECTOR, VECTOR)
MATRIX_CALLBACK = types.void(VECTOR, VECTOR, MATRIX)
DIRECTIONAL_CALLBACK = types.void(VECTOR, VECTOR, VECTOR, MATRIX)
LINEAR_CALLBACK = types.void(VECTOR, VECTOR, I8, MATRIX)


class Kernels(NamedTuple):
    """A system, as the engine sees it."""

    field: Any
    jacobian: Any
    parameter_jacobian: Any
    second: Any
    magnitude: Any
    linear: Any


KERNELS = types.NamedTuple(
    [
        types.FunctionType(VECTOR_CALLBACK),
        types.FunctionType(MATRIX_CALLBACK),
        types.FunctionType(MATRIX_CALLBACK),
        types.FunctionType(DIRECTIONAL_CALLBACK),
        types.FunctionType(VECTOR_CALLBACK),
        types.FunctionType(LINEAR_CALLBACK),
    ],
    Kernels,
)
