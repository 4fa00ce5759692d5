"""Ball arithmetic by python-flint (Johansson 2017, Arb): a middle with a rigorous radius, to any precision."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import flint

from bifur.systems import expression, ops

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bifur.systems.base import System

_lock = threading.RLock()


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Balls of so many bits inside. python-flint has one precision for all threads, so one thread at a time."""
    with _lock:
        before = flint.ctx.prec
        flint.ctx.prec = bits
        try:
            yield
        finally:
            flint.ctx.prec = before


def rational(value: float) -> flint.fmpq:
    """The exact value of a double."""
    return flint.fmpq(*float(value).as_integer_ratio())


def as_fmpq(value: Fraction) -> flint.fmpq:
    """A literal of a definition."""
    return flint.fmpq(value.numerator, value.denominator)


def evaluate(expressions: Sequence[expression.Expression], values: Mapping[str, Any]) -> list[flint.arb]:
    """Expressions over balls."""
    found = expression.evaluate(expressions, values, lambda f: flint.arb(as_fmpq(f)), ops.apply, power)
    return [flint.arb(value) for value in found]


def power(base: Any, exponent: int) -> Any:
    """By multiplication: flint's own power of a ball around zero is not finite."""
    if exponent < 0:
        return 1 / power(base, -exponent)
    result: Any = flint.arb(1)
    for _ in range(exponent):
        result = result * base
    return result


class Field:
    """A system's field and Jacobian over balls, at exact parameters; inside `precision`."""

    def __init__(self, system: System, p: NDArray[np.float64]) -> None:
        self.system, self.n = system, system.dimension
        derived = system.derived
        self._rows = tuple(entry for row in derived.jacobian_expressions for entry in row)
        exact = [flint.arb(rational(v)) for v in p]
        self._named: dict[str, Any] = dict(zip(system.parameters, exact, strict=True))
        self._indexed: dict[str, Any] = {f"p{k}": v for k, v in enumerate(exact)}

    def field(self, u: Sequence[flint.arb]) -> flint.arb_mat:
        """f(u) (n, 1)."""
        values = self._named | dict(zip(self.system.states, u, strict=True))
        return flint.arb_mat(self.n, 1, evaluate(self.system.expressions, values))

    def jacobian(self, u: Sequence[flint.arb]) -> flint.arb_mat:
        """J(u) (n, n)."""
        return flint.arb_mat(
            self.n, self.n, evaluate(self._rows, self._indexed | {f"u{i}": b for i, b in enumerate(u)})
        )
