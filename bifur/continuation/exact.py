"""Exact algebra by python-flint: real roots of charts, critical parameter values, enclosures.

Parameters are the exact values of the doubles; literals of the definition are decimals. What is
computed here is proved, in exact integers or in balls with rigorous radii (Johansson 2017, Arb).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import flint
import numpy as np

from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.derive import Derived

PRECISION = 212  # bits of the balls: four times a double, so that a box is lost to conditioning alone


def rational(value: float) -> flint.fmpq:
    """The exact value of a double."""
    return flint.fmpq(*float(value).as_integer_ratio())


def _fmpq(value: Fraction) -> flint.fmpq:
    return flint.fmpq(value.numerator, value.denominator)


def _no_function(name: str, _: Any) -> Any:
    raise ValueError(f"{name} is no polynomial")


def parameter_values(p: NDArray[np.float64]) -> dict[str, flint.fmpq]:
    """p0, p1, ... as rationals."""
    return {f"p{k}": rational(value) for k, value in enumerate(p)}


def chart_polynomials(derived: Derived, p: NDArray[np.float64]) -> list[flint.fmpq_poly]:
    """The charts at exact parameters."""
    values = parameter_values(p)
    return [
        flint.fmpq_poly(expression.evaluate(chart, values, _fmpq, _no_function)) for chart in derived.chart_expressions
    ]


def guards_hold(derived: Derived, p: NDArray[np.float64]) -> bool:
    """Whether every guard is different from zero at exact parameters."""
    values = parameter_values(p)
    return all(g != 0 for g in expression.evaluate(derived.guard_expressions, values, _fmpq, _no_function))


def real_roots(polynomial: flint.fmpq_poly) -> list[tuple[flint.arb, int]]:
    """All real roots in increasing order, as disjoint balls with multiplicities."""
    if polynomial.degree() < 1:
        return []
    roots = [(root.real, m) for root, m in polynomial.complex_roots() if root.imag == 0]
    return sorted(roots, key=lambda r: float(r[0].mid()))


class _Quotient:
    """A quotient of two polynomials, as far as lifting a state needs it."""

    def __init__(self, top: Any, bottom: Any) -> None:
        self.top, self.bottom = top, bottom

    def __add__(self, other: _Quotient) -> _Quotient:
        return _Quotient(self.top * other.bottom + other.top * self.bottom, self.bottom * other.bottom)

    def __sub__(self, other: _Quotient) -> _Quotient:
        return self + -other

    def __neg__(self) -> _Quotient:
        return _Quotient(-self.top, self.bottom)

    def __mul__(self, other: _Quotient) -> _Quotient:
        return _Quotient(self.top * other.top, self.bottom * other.bottom)

    def __truediv__(self, other: _Quotient) -> _Quotient:
        return _Quotient(self.top * other.bottom, self.bottom * other.top)

    def __pow__(self, exponent: int) -> _Quotient:
        return _Quotient(self.top**exponent, self.bottom**exponent)


def critical_values(
    derived: Derived,
    p: NDArray[np.float64],
    free: int,
    span: tuple[float, float],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> list[float] | None:
    """Every value of parameter `free` in the open span at which the number of equilibria in the box can change.

    These are the real roots of the discriminants, of the leading coefficients, of the guards, and of the
    resultants with the bounds of the states, as polynomials in the free parameter: between two of them every branch is
    a smooth graph inside the box. None where one of them vanishes identically. `low`, `high` (n,) bound the states.
    """
    context = flint.fmpq_mpoly_ctx.get(("x", "l"), flint.Ordering.lex)
    x, parameter = context.gens()
    one = context.constant(1)
    values = {f"p{k}": context.constant(rational(value)) for k, value in enumerate(p)}
    values[f"p{free}"] = parameter

    def evaluate(expressions: Sequence[expression.Expression]) -> list[Any]:
        found = expression.evaluate(expressions, values, lambda f: context.constant(_fmpq(f)), _no_function)
        return [context.constant(0) + value for value in found]

    critical = list(evaluate(derived.guard_expressions))
    for index, chart in enumerate(derived.chart_expressions):
        coefficients = evaluate(chart)
        while coefficients and coefficients[-1].is_zero():
            coefficients.pop()
        if not coefficients:
            return None
        critical.append(coefficients[-1])
        polynomial = sum((c * x**k for k, c in enumerate(coefficients)), context.constant(0))
        if len(coefficients) > 2:
            critical.append(polynomial.discriminant("x"))
        lifted = _lifted(derived, index, {name: _Quotient(value, one) for name, value in values.items()}, x, one)
        for state, bounds in enumerate(zip(low, high, strict=True)):
            for bound in bounds:
                if np.isfinite(bound):
                    edge = lifted[state].top - context.constant(rational(bound)) * lifted[state].bottom
                    # what lies on the bound for every value of the parameter counts as inside
                    rest = polynomial / polynomial.gcd(edge)
                    critical += [] if edge.is_zero() else [rest.resultant(edge, "x")]
    product = flint.fmpq_poly([1])
    for polynomial in critical:
        if polynomial.is_zero():
            return None
        terms = {exponents[1]: c for exponents, c in polynomial.to_dict().items()}
        univariate = flint.fmpq_poly([terms.get(k, 0) for k in range(max(terms) + 1)])
        for factor, _ in univariate.factor()[1]:
            product *= factor if product.gcd(factor).degree() == 0 else 1
    found = [float(root.mid()) for root, _ in real_roots(product)]
    found = [value for value in found if span[0] < value < span[1]]
    if any(b <= np.nextafter(np.nextafter(a, b), b) for a, b in pairwise(found)):
        return None  # no double lies well between two of them
    return found


def _lifted(derived: Derived, chart: int, parameters: Mapping[str, _Quotient], x: Any, one: Any) -> list[_Quotient]:
    """All states on a chart, as quotients of polynomials in x and the free parameter."""
    names = [*(f"u{i}" for i in range(derived.n)), *(f"p{k}" for k in range(derived.q))]
    values = {**parameters, f"u{derived.variable}": _Quotient(x, one)}
    for state, numerator, denominator in derived.charts[chart].lifts:
        parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
        top, bottom = expression.evaluate(parts, values, lambda f: _Quotient(one * _fmpq(f), one), _no_function)
        values[f"u{state}"] = top / bottom
    return [values[f"u{i}"] for i in range(derived.n)]


def lift_balls(derived: Derived, chart: int, root: flint.arb, p: NDArray[np.float64]) -> list[flint.arb]:
    """All states at a root of a chart, as balls."""
    names = [*(f"u{i}" for i in range(derived.n)), *(f"p{k}" for k in range(derived.q))]
    values: dict[str, Any] = {key: flint.arb(value) for key, value in parameter_values(p).items()}
    assert derived.variable is not None
    values[f"u{derived.variable}"] = root
    for state, numerator, denominator in derived.charts[chart].lifts:
        parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
        top, bottom = expression.evaluate(parts, values, lambda f: flint.arb(_fmpq(f)), ops.apply, _power)
        values[f"u{state}"] = top / bottom
    return [values[f"u{i}"] for i in range(derived.n)]


def krawczyk_radius(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """Radius of the largest tried box around u in which exactly one equilibrium lies, NaN if none could be proved.

    With Y near J^-1 the Krawczyk operator K(X) = m - Y f(m) + (1 - Y J(X)) (X - m) maps the box X into its
    interior, so that there is exactly one zero of f in X (Krawczyk 1969; Rump 2010, Acta Numerica 19, theorem 13.3).
    """
    n = system.dimension
    derived = system.derived
    Jm = derived.evaluate("jacobian", system, u, dict(zip(system.parameters, p, strict=True))).astype(float)
    if not np.isfinite(Jm).all() or np.linalg.cond(Jm) > 1e14:
        return math.nan
    Y = flint.arb_mat(np.linalg.inv(Jm).tolist())
    before = flint.ctx.prec
    flint.ctx.prec = PRECISION
    try:
        values: dict[str, Any] = dict(zip(system.parameters, (flint.arb(rational(v)) for v in p), strict=True))
        middle = [flint.arb(float(x)) for x in u]
        fm = _evaluate_balls(system.expressions, values | dict(zip(system.states, middle, strict=True)))
        newton = Y * flint.arb_mat(n, 1, fm)
        rows = derived.jacobian_expressions
        indexed: dict[str, Any] = {f"p{k}": flint.arb(rational(v)) for k, v in enumerate(p)}
        identity = flint.arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
        size = max(1e-3, float(np.abs(u).max()))
        for exponent in range(3, 40):
            radius = size * 10.0**-exponent
            box = [flint.arb(float(x), radius) for x in u]
            flat = [entry for row in rows for entry in row]
            JX = flint.arb_mat(n, n, _evaluate_balls(flat, indexed | {f"u{i}": b for i, b in enumerate(box)}))
            offset = flint.arb_mat(n, 1, [flint.arb(0, radius)] * n)
            image = (identity - Y * JX) * offset - newton
            if all(abs(image[i, 0]) < radius for i in range(n)):
                return radius
        return math.nan
    finally:
        flint.ctx.prec = before


def _evaluate_balls(expressions: Sequence[expression.Expression], values: Mapping[str, Any]) -> list[Any]:
    found = expression.evaluate(expressions, values, lambda f: flint.arb(_fmpq(f)), ops.apply, _power)
    return [flint.arb(value) for value in found]


def _power(base: Any, exponent: int) -> Any:
    """By multiplication: flint's own power of a ball around zero is not finite."""
    if exponent < 0:
        return 1 / _power(base, -exponent)
    result: Any = flint.arb(1)
    for _ in range(exponent):
        result = result * base
    return result
