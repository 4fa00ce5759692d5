"""Function pointers from addresses.

A tuple of function pointers costs Python 50 microseconds at every call of a kernel, most of it to find its type. So the
kernels that Python calls take an array of addresses, and make the tuple themselves.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from bifur._jit import inline
from bifur.kernels.types import (
    DIRECTIONAL_CALLBACK,
    LINEAR_CALLBACK,
    MATRIX_CALLBACK,
    VECTOR_CALLBACK,
    Kernels,
)


def make_pointer(signature: Any) -> Any:
    """A function from an address (int64) to the function of this signature that lies there."""
    kind = types.FunctionType(signature)

    @intrinsic
    def pointer(typing_context, address):  # type: ignore[no-untyped-def]
        def generate(context, builder, _, arguments):  # type: ignore[no-untyped-def]
            function = cgutils.create_struct_proxy(kind)(context, builder)
            function.c_addr = builder.inttoptr(arguments[0], cgutils.voidptr_t)
            function.py_addr = cgutils.get_null_value(cgutils.voidptr_t)
            function.jit_addr = cgutils.get_null_value(cgutils.voidptr_t)
            return function._getvalue()

        return kind(types.int64), generate

    return pointer


vector_at = make_pointer(VECTOR_CALLBACK)
matrix_at = make_pointer(MATRIX_CALLBACK)
directional_at = make_pointer(DIRECTIONAL_CALLBACK)
linear_at = make_pointer(LINEAR_CALLBACK)


@inline
def kernels_at(a):
    """The system whose addresses are `a`, in the order of `Kernels`."""
    return Kernels(
        vector_at(a[0]), matrix_at(a[1]), matrix_at(a[2]), directional_at(a[3]), vector_at(a[4]), linear_at(a[5])
    )


def addresses(functions: Any) -> np.ndarray:
    """(k,) int64 of compiled callbacks, in the order given."""
    return np.array([function.address for function in functions], np.int64)
