"""Multilinear forms of a system along given vectors, by Taylor arithmetic of its definition; no tensor is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.continuation import series

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

LARGEST = 8  # vectors of one form: 3^8 products of coefficients in a multiplication


class Forms:
    """The symmetric k-linear forms D^k f(u; p) [v1, ..., vk] at one point or at many.

    In an algebra in which eps_i^2 = 0 the coefficient of eps_1 ... eps_k of f(u + sum eps_i v_i) is the form
    (Griewank & Walther 2008, chapter 13). Exact up to rounding; not finite where the definition has no derivative.

    Parameters
    ----------
    system
        The system.
    u, p
        States (n, ...) and parameters (q, ...) in the system's order; the trailing axes are points, and broadcast.

    Raises
    ------
    ValueError
        The first axis of `u` or `p` has another length, or the trailing axes do not broadcast.
    """

    def __init__(self, system: System, u: Any, p: Any) -> None:
        self.system = system
        self.n, self.q = system.dimension, len(system.parameters)
        states, values = np.asarray(u, float), np.asarray(p, float)
        if states.ndim == 0 or len(states) != self.n:
            raise ValueError(f"`u` must have {self.n} rows ({', '.join(system.states)}), not the shape {states.shape}")
        if values.ndim == 0 or len(values) != self.q:
            named = f" ({', '.join(system.parameters)})" if self.q else ""
            raise ValueError(f"`p` must have {self.q} rows{named}, not the shape {values.shape}")
        try:
            self.shape = np.broadcast_shapes(states.shape[1:], values.shape[1:])
        except ValueError:
            raise ValueError(
                f"`u` and `p` are at different points: the shapes {states.shape} and {values.shape}"
            ) from None
        self.point = np.concatenate([_aligned(states, self.shape), _aligned(values, self.shape)])

    def J(self, x: Any) -> NDArray[Any]:
        """df [x]."""
        return self.form(x)

    def B(self, x: Any, y: Any) -> NDArray[Any]:
        """D^2 f [x, y]."""
        return self.form(x, y)

    def C(self, x: Any, y: Any, z: Any) -> NDArray[Any]:
        """D^3 f [x, y, z]."""
        return self.form(x, y, z)

    def D(self, x: Any, y: Any, z: Any, v: Any) -> NDArray[Any]:
        """D^4 f [x, y, z, v]."""
        return self.form(x, y, z, v)

    def E(self, x: Any, y: Any, z: Any, v: Any, w: Any) -> NDArray[Any]:
        """D^5 f [x, y, z, v, w]."""
        return self.form(x, y, z, v, w)

    def form(self, *vectors: Any) -> NDArray[Any]:
        """D^k f along k vectors, shape (n, ...), real or complex as they are.

        Each vector has n rows (states) or n + q (states and parameters), and trailing axes that broadcast with those
        of the point.

        Raises
        ------
        ValueError
            No vector or more than 8, or one of another length.
        """
        if not 1 <= len(vectors) <= LARGEST:
            raise ValueError(f"`vectors`: a form takes 1 to {LARGEST} of them, not {len(vectors)}")
        along = [self._vector(v) for v in vectors]
        shape = np.broadcast_shapes(self.shape, *(v.shape[1:] for v in along))
        kind = np.result_type(*along)
        rows = max(len(v) for v in along)
        algebra = series.nilpotent(len(along))
        # the point, then one row of coefficients for each vector: the order of the monomials of degree 0 and 1
        first = np.zeros((len(along) + 1, rows, *shape), kind)
        first[0] = _aligned(self.point[:rows], shape)
        for k, v in enumerate(along):
            first[k + 1, : len(v)] = _aligned(v, shape)
        names = (*self.system.states, *self.system.parameters)
        values: dict[str, Any] = {name: series.Series(algebra, first[:, i], 1) for i, name in enumerate(names[:rows])}
        values |= zip(names[rows:], self.point[rows:], strict=True)
        out = np.zeros((self.n, *shape), kind)
        for i, value in enumerate(series.evaluate(self.system.expressions, values)):
            if isinstance(value, series.Series) and value.degree == algebra.order:
                out[i] = value.c[-1]
        return out

    def _vector(self, v: Any) -> NDArray[Any]:
        vector = np.asarray(v)
        vector = vector.astype(np.result_type(vector, np.float64), copy=False)
        if vector.ndim == 0 or len(vector) not in (self.n, self.n + self.q):
            raise ValueError(
                f"a vector must have {self.n} rows (states) or {self.n + self.q} (states and parameters), "
                f"not the shape {vector.shape}"
            )
        if len(vector) > self.n and not vector[self.n :].any():
            vector = vector[: self.n]
        return vector


def _aligned(array: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """(rows, ...) broadcast to (rows, *shape): the trailing axes are aligned, the first one is kept."""
    missing = (1,) * (len(shape) - array.ndim + 1)
    return np.broadcast_to(array.reshape(len(array), *missing, *array.shape[1:]), (len(array), *shape))
