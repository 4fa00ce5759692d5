"""What the branch loop reads and writes, and the types of its parts.

Apart from the loop, so that kernels that only call it by pointer compile without it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types

from bifur.kernels.linalg import SPECTRUM
from bifur.kernels.step import SETTLE, WORK
from bifur.kernels.types import F8, I8, INTS, KERNELS, MATRIX, VECTOR

# why it stopped; the order is that of continuation.results.Stop
END_OF_SPAN, BOUND, CLOSED, STEP_TOO_SMALL, TOO_MANY_STEPS, STOP_NOT_FINITE, ESCAPED, STOP_SINGULAR = range(8)
NO_CONVERGENCE = 8

# kinds of special points; UNEXPLAINED: the test functions changed as at one, and none was found; TOUCH: the determinant
# all but touches zero
LP, BP, HB, UNEXPLAINED, TOUCH = 1, 2, 3, 4, 5
# places in Trace.count
POINTS, SPECIAL, LANDED, REJECTED, LOST_LANDINGS, UNLOCATED, NEWTON = range(7)
HUGE = 1e8  # states beyond are taken for infinite, where none are known that are nearly as large
MAX_HISTORY = 40


class Steps(NamedTuple):
    """Step control, in units in which the span and states of size one have length 1."""

    ds: float
    ds_min: float
    ds_max: float
    contraction: float
    turn: float  # largest angle between tangents, radians
    max_newton: int


STEPS = types.NamedTuple([F8, F8, F8, F8, F8, I8], Steps)


class Problem(NamedTuple):
    """One free parameter over its span: s is the parameter or its logarithm."""

    free: np.ndarray  # (1,) index
    logs: np.ndarray  # (1,) 0 or 1
    span: np.ndarray  # (2,) of s
    low: np.ndarray  # (n,) bounds of the states
    high: np.ndarray
    weight: np.ndarray  # (n,) of the states
    grid: np.ndarray  # increasing values of s to land on
    values: np.ndarray  # the same as parameter values
    far: np.ndarray  # (1,) states beyond are taken for infinite


PROBLEM = types.NamedTuple([INTS, INTS, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR, VECTOR], Problem)


class Trace(NamedTuple):
    """What is written: points, special points after point `special_at`, landings on grid index `land_k`.

    `special_x` holds the unknowns of the defining system; of an UNEXPLAINED or TOUCH step its ends, (u, s) each.
    """

    z: np.ndarray
    tangent: np.ndarray
    re: np.ndarray
    im: np.ndarray
    unstable: np.ndarray
    special_kind: np.ndarray
    special_at: np.ndarray
    special_x: np.ndarray
    special_residual: np.ndarray
    land_k: np.ndarray
    land_arc: np.ndarray
    land_u: np.ndarray
    count: np.ndarray


TRACE = types.NamedTuple(
    [MATRIX, MATRIX, MATRIX, MATRIX, INTS, INTS, INTS, MATRIX, VECTOR, INTS, INTS, MATRIX, INTS], Trace
)


class Scratch(NamedTuple):
    """Vectors of the loop, length n + 1 (x, anchor: 2n + 3)."""

    a: np.ndarray
    b: np.ndarray
    ta: np.ndarray
    tb: np.ndarray
    weight: np.ndarray
    row: np.ndarray
    start: np.ndarray
    start_tangent: np.ndarray
    fold: np.ndarray
    fold_tangent: np.ndarray
    guess: np.ndarray
    before: np.ndarray  # the tangent at the point before a
    x: np.ndarray
    anchor: np.ndarray
    history: np.ndarray  # Newton's corrections in the last step, -1 where there was none


SCRATCH = types.NamedUniTuple(VECTOR, 15, Scratch)


def make_trace(n: int, points: int, special: int, landed: int) -> Trace:
    """Room for what one branch can hold."""
    return Trace(
        z=np.empty((points, n + 1)),
        tangent=np.empty((points, n + 1)),
        re=np.empty((points, n)),
        im=np.empty((points, n)),
        unstable=np.empty(points, np.int64),
        special_kind=np.empty(special, np.int64),
        special_at=np.empty(special, np.int64),
        special_x=np.zeros((special, 2 * n + 2)),
        special_residual=np.empty(special),
        land_k=np.empty(landed, np.int64),
        land_arc=np.empty(landed, np.int64),
        land_u=np.empty((landed, n)),
        count=np.zeros(7, np.int64),
    )


def make_scratch(n: int) -> Scratch:
    """Vectors of the loop."""
    return Scratch(
        *(np.zeros(n + 1) for _ in range(12)),
        x=np.zeros(2 * n + 3),
        anchor=np.zeros(2 * n + 3),
        history=np.full(MAX_HISTORY, -1.0),
    )


LOCATE = types.Tuple((I8, F8))(I8, KERNELS, VECTOR, I8, VECTOR, WORK)


class Solvers(NamedTuple):
    """Newton's iterations, reached by pointer.

    LLVM optimises a callee again inside each caller that it is linked into; a pointer is where that ends. It halves
    the time of the first compilation.
    """

    settle: Any
    locate: Any
    eigenvalues: Any


SOLVERS = types.NamedTuple(
    [
        types.FunctionType(SETTLE),
        types.FunctionType(LOCATE),
        types.FunctionType(SPECTRUM),
    ],
    Solvers,
)
LAND = types.void(KERNELS, VECTOR, VECTOR, VECTOR, VECTOR, F8, I8, PROBLEM, SCRATCH, TRACE, WORK)
FIND = types.boolean(SOLVERS, I8, KERNELS, VECTOR, VECTOR, F8, PROBLEM, SCRATCH, TRACE, WORK)


class Parts(NamedTuple):
    """The parts of the loop, reached by pointer as well."""

    special: Any
    land: Any
    solvers: Solvers


PARTS = types.NamedTuple([types.FunctionType(FIND), types.FunctionType(LAND), SOLVERS], Parts)
LOOP = I8(PARTS, KERNELS, VECTOR, F8, VECTOR, F8, I8, PROBLEM, STEPS, SCRATCH, TRACE, WORK)


class Engine(NamedTuple):
    """The loop with its parts."""

    trace_branch: Any
    parts: Parts


ENGINE = types.NamedTuple([types.FunctionType(LOOP), PARTS], Engine)
