"""What stands for the generated code of `derive` where a system has many states."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.systems.derive import Derived
from bifur.systems.tape import Tape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.kernels.types import Kernels
    from bifur.systems.base import System
    from bifur.systems.program import Programs

    Array = NDArray[Any]

# the most states for which derivatives are written out as formulas and compiled
COMPILED = 12


class Functions:
    """The functions of a generated module, as the tape has them: numbers, or arrays (n, ...), real or complex."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.n, self.m = tape.n, tape.m

    def _values(self, u: Any, p: Any) -> Array:
        rows = np.broadcast_arrays(*u, *p)
        kind = np.result_type(np.float64, *rows)
        return self.tape.values(np.array(rows, kind))

    def field(self, u: Any, p: Any, out: Array) -> None:
        """out (n, ...): f(u; p)."""
        with np.errstate(all="ignore"):
            out[:] = self._values(u, p)[self.tape.roots]

    def both(self, u: Any, p: Any) -> tuple[Array, Array]:
        """f (n, ...) and [J f_p] (n, n + q, ...) together."""
        with np.errstate(all="ignore"):
            w = self._values(u, p)
            return w[self.tape.roots], self._matrix(self.tape.gradients(w))

    def _matrix(self, entries: Array) -> Array:
        out = np.zeros((self.n, self.m, *entries.shape[1:]), entries.dtype)
        out[self.tape.rows, self.tape.columns] = entries[self.tape.found]
        return out

    def jacobian(self, u: Any, p: Any, out: Array) -> None:
        """out (n, n, ...): df_i/du_j."""
        out[:] = self.both(u, p)[1][:, : self.n]

    def parameter_jacobian(self, u: Any, p: Any, out: Array) -> None:
        """out (n, q, ...): df_i/dp_k."""
        out[:] = self.both(u, p)[1][:, self.n :]

    def second(self, u: Any, p: Any, v: Any, out: Array) -> None:
        """out (n, n + q): d([J f_p] v)_i / d(u, p)."""
        with np.errstate(all="ignore"):
            w = self._values(u, p)
            out[:] = self._matrix(self.tape.directional(w, self.tape.gradients(w), np.asarray(v, float)))

    def hessian(self, u: Any, p: Any, weights: Any) -> NDArray[np.float64]:
        """(n + q, n + q): second derivatives of weights . f."""
        with np.errstate(all="ignore"):
            w = self._values(u, p)
            return self.tape.hessian(w, self.tape.gradients(w), np.asarray(weights, float))

    def magnitude(self, u: Any, p: Any, out: Array) -> None:
        """out (n,): the sum of the absolute terms of f_i."""
        with np.errstate(all="ignore"):
            w = self._values(u, p)
            size = np.abs(w)
            for batch in self.tape.batches:
                size[batch.out] = batch.magnitude(w, size)
            out[:] = size[self.tape.roots]


class LargeDerived(Derived):
    """The derivatives of a system of many states; it has no compiled kernels and no polynomial form."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.n, self.q = system.dimension, len(system.parameters)
        self.variable = None
        self.charts, self.guards, self.sets = (), (), ()

    @cached_property
    def module(self) -> Functions:  # type: ignore[override]
        """The functions `field`, `jacobian`, ..., made on first use."""
        return Functions(Tape(self.system))

    def kernels(self) -> Kernels:
        """Refused: what runs in compiled kernels is for few states."""
        raise ValueError(
            f"`system`: {self.system.name} has {self.n} states; curves, slices, planes and basins are computed for at "
            f"most {COMPILED} (trace, find_equilibria and integrate take more)"
        )

    @property
    def programs(self) -> Programs:
        """Refused as well."""
        raise ValueError(f"`system`: proofs are for at most {COMPILED} states; {self.system.name} has {self.n}")


def is_large(system: System) -> bool:
    """Whether a system has too many states for compiled kernels."""
    return system.dimension > COMPILED


def functions(system: System) -> Functions:
    """The functions of any system by automatic differentiation, few states or many."""
    if isinstance(system._derived, LargeDerived):
        return system._derived.module
    return Functions(Tape(system))
