"""Truncated power series in several variables: an arithmetic in which a definition yields its own derivatives.

f(u + x v + y w) evaluated with series in (x, y) has the Taylor coefficients of f along v and w, exact up to rounding
(Griewank & Walther 2008, Evaluating Derivatives, chapter 13). Two kinds of algebra are used: all monomials up to an
order, and products of k different variables whose squares vanish, in which the last coefficient is a k-linear form.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import cache, lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Algebra:
    """Polynomials in the given monomials, which are ordered by degree; every other monomial is zero."""

    def __init__(self, exponents: Sequence[tuple[int, ...]]) -> None:
        self.exponents = tuple(sorted(exponents, key=lambda e: (sum(e), tuple(-x for x in e))))
        self.position = {e: k for k, e in enumerate(self.exponents)}
        degrees = [sum(e) for e in self.exponents]
        self.order = max(degrees)
        self.sizes = [sum(d <= most for d in degrees) for most in range(self.order + 1)]
        self.table = cache(self._table)  # of this algebra alone, so that it goes with it

    def _table(self, a: int, b: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int]:
        """For factors of degrees a and b: pairs of coefficients, grouped by the product's, where each group starts."""
        groups: dict[int, list[tuple[int, int]]] = {}
        for i, left in enumerate(self.exponents[: self.sizes[a]]):
            for j, right in enumerate(self.exponents[: self.sizes[b]]):
                k = self.position.get(tuple(x + y for x, y in zip(left, right, strict=True)))
                if k is not None:
                    groups.setdefault(k, []).append((i, j))
        pairs = np.array([pair for k in sorted(groups) for pair in groups[k]], np.int64)
        lengths = [len(groups[k]) for k in sorted(groups)]
        starts = np.cumsum([0, *lengths[:-1]])
        return pairs[:, 0], pairs[:, 1], starts, min(a + b, self.order)


@lru_cache(maxsize=64)
def truncated(variables: int, order: int) -> Algebra:
    """All monomials up to a total order."""
    return Algebra([e for e in product(range(order + 1), repeat=variables) if sum(e) <= order])


@lru_cache(maxsize=16)
def nilpotent(variables: int) -> Algebra:
    """Products of different variables: their squares vanish."""
    return Algebra(list(product((0, 1), repeat=variables)))


class Series:
    """Coefficients `c` (monomials up to `degree`, ...) of a series; trailing axes are points, all at once."""

    __slots__ = ("algebra", "c", "degree")
    __array_ufunc__ = None  # numpy numbers and arrays leave the operation to us

    def __init__(self, algebra: Algebra, c: NDArray[Any], degree: int) -> None:
        self.algebra, self.c, self.degree = algebra, c, degree

    def coefficient(self, exponent: tuple[int, ...]) -> NDArray[Any]:
        """That of one monomial."""
        k = self.algebra.position[exponent]
        return self.c[k] if k < len(self.c) else np.zeros_like(self.c[0])

    def __add__(self, other: Any) -> Series:
        if not isinstance(other, Series):
            c = self.c.copy()
            c[0] += other
            return Series(self.algebra, c, self.degree)
        long, short = (self, other) if self.degree >= other.degree else (other, self)
        if long.degree == short.degree:
            return Series(self.algebra, long.c + short.c, long.degree)
        c = long.c.copy()
        c[: len(short.c)] += short.c
        return Series(self.algebra, c, long.degree)

    __radd__ = __add__

    def __neg__(self) -> Series:
        return Series(self.algebra, -self.c, self.degree)

    def __sub__(self, other: Any) -> Series:
        if isinstance(other, Series) and self.degree == other.degree:
            return Series(self.algebra, self.c - other.c, self.degree)
        return self + (-other)

    def __rsub__(self, other: Any) -> Series:
        return (-self) + other

    def __mul__(self, other: Any) -> Series:
        if not isinstance(other, Series):
            return Series(self.algebra, self.c * other, self.degree)
        left, right, starts, degree = self.algebra.table(self.degree, other.degree)
        return Series(self.algebra, np.add.reduceat(self.c[left] * other.c[right], starts, axis=0), degree)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Series:
        if not isinstance(other, Series):
            return Series(self.algebra, self.c / other, self.degree)
        return self * other._real_power(-1.0)

    def __rtruediv__(self, other: Any) -> Series:
        return self._real_power(-1.0) * other

    def __pow__(self, other: Any) -> Any:
        if isinstance(other, Series):
            return (other * self.apply("log")).apply("exp")
        return self._real_power(other)

    def __rpow__(self, other: Any) -> Series:
        return (self * np.log(other)).apply("exp")

    def power(self, exponent: int) -> Any:
        """By an integer; by multiplication, which is right at zero too."""
        if exponent < 0:
            return self.power(-exponent)._real_power(-1.0)
        if exponent < 2:
            return self if exponent else 1.0
        half = self.power(exponent // 2)
        return half * half * self if exponent % 2 else half * half

    def _real_power(self, exponent: Any) -> Series:
        a, values, factor = self.c[0], [], np.asarray(1.0)
        for j in range(self.algebra.order + 1):
            values.append(np.where(factor == 0, 0.0, factor * a ** (exponent - j)))  # 0 * inf where the power ends
            factor = factor * (exponent - j) / (j + 1)
        return self._composed(values)

    def apply(self, function: str) -> Series:
        """One of `expression.FUNCTIONS`."""
        return self._composed(_TAYLOR[function](self.c[0], self.algebra.order))

    def _composed(self, values: Sequence[Any]) -> Series:
        """sum_j values[j] h^j with h this series without its constant term, by Horner's rule."""
        c = self.c.copy()
        c[0] = 0.0
        h = Series(self.algebra, c, self.degree)
        result = h * values[-1] + values[-2]
        for value in values[-3::-1]:
            result = result * h + value
        return result


def evaluate(
    expressions: Sequence[expression.Expression],
    values: Mapping[str, Any],
    constant: Callable[[Fraction], float] = float,
) -> list[Any]:
    """Expressions with some of their names bound to series, others to numbers or arrays.

    Where a function has no derivative the coefficients are not finite; nothing warns.
    """
    with np.errstate(all="ignore"):
        return expression.evaluate(expressions, values, constant, _function, _power)


def _function(name: str, value: Any) -> Any:
    return value.apply(name) if isinstance(value, Series) else ops.apply(name, value)


def _power(value: Any, exponent: int) -> Any:
    return value.power(exponent) if isinstance(value, Series) else np.asarray(value, float)[()] ** exponent


# ---- Taylor coefficients f^(j)(a) / j!, j = 0 .. order -----------------------------------------


def _exp(a: Any, order: int) -> list[Any]:
    value = np.exp(a)
    return [value / math.factorial(j) for j in range(order + 1)]


def _log(a: Any, order: int) -> list[Any]:
    return [np.log(a), *(-((-1 / a) ** j) / j for j in range(1, order + 1))]


def _cycle(values: Sequence[Any], order: int) -> list[Any]:
    return [values[j % len(values)] / math.factorial(j) for j in range(order + 1)]


def _sin(a: Any, order: int) -> list[Any]:
    s, c = np.sin(a), np.cos(a)
    return _cycle((s, c, -s, -c), order)


def _cos(a: Any, order: int) -> list[Any]:
    s, c = np.sin(a), np.cos(a)
    return _cycle((c, -s, -c, s), order)


def _sinh(a: Any, order: int) -> list[Any]:
    return _cycle((np.sinh(a), np.cosh(a)), order)


def _cosh(a: Any, order: int) -> list[Any]:
    return _cycle((np.cosh(a), np.sinh(a)), order)


def _riccati(first: Any, sign: float, order: int) -> list[Any]:
    """y' = 1 + sign y^2."""
    y = [first]
    for j in range(order):
        square = sum(y[i] * y[j - i] for i in range(j + 1))
        y.append(((j == 0) + sign * square) / (j + 1))
    return y


def _tan(a: Any, order: int) -> list[Any]:
    return _riccati(np.tan(a), 1.0, order)


def _tanh(a: Any, order: int) -> list[Any]:
    return _riccati(np.tanh(a), -1.0, order)


def _atan(a: Any, order: int) -> list[Any]:
    """From the derivative d = 1 / (1 + x^2): (1 + a^2) d_j = -2 a d_(j-1) - d_(j-2)."""
    scale = 1 / (1 + a * a)
    d = [scale, -2 * a * scale * scale]
    while len(d) < order:
        d.append(-(2 * a * d[-1] + d[-2]) * scale)
    return [np.arctan(a), *(d[j] / (j + 1) for j in range(order))]


def _sqrt(a: Any, order: int) -> list[Any]:
    values = [np.sqrt(a)]
    for j in range(order):
        values.append(values[-1] * (0.5 - j) / ((j + 1) * a))
    return values


_TAYLOR: dict[str, Callable[[Any, int], list[Any]]] = {
    "exp": _exp,
    "log": _log,
    "sqrt": _sqrt,
    "sin": _sin,
    "cos": _cos,
    "tan": _tan,
    "sinh": _sinh,
    "cosh": _cosh,
    "tanh": _tanh,
    "atan": _atan,
}
