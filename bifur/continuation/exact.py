"""Exact algebra by python-flint: real roots of charts, critical parameter values, enclosures.

Parameters are the exact values of the doubles; literals of the definition are decimals. What is
computed here is proved, in exact integers or in balls with rigorous radii (Johansson 2017, Arb).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import flint
import numpy as np

from bifur.continuation.resultants import as_fmpq, critical_values, no_function, rational
from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.derive import Derived

__all__ = [
    "chart_polynomials",
    "critical_values",
    "guards_hold",
    "krawczyk_radius",
    "lift_balls",
    "parameter_values",
    "rational",
    "real_roots",
]

PRECISION = 212  # bits of the balls: four times a double, so that a box is lost to conditioning alone


def parameter_values(p: NDArray[np.float64]) -> dict[str, flint.fmpq]:
    """p0, p1, ... as rationals."""
    return {f"p{k}": rational(value) for k, value in enumerate(p)}


def chart_polynomials(derived: Derived, p: NDArray[np.float64]) -> list[flint.fmpq_poly]:
    """The charts at exact parameters."""
    values = parameter_values(p)
    return [
        flint.fmpq_poly(expression.evaluate(chart, values, as_fmpq, no_function)) for chart in derived.chart_expressions
    ]


def guards_hold(derived: Derived, p: NDArray[np.float64]) -> bool:
    """Whether every guard is different from zero at exact parameters."""
    values = parameter_values(p)
    return all(g != 0 for g in expression.evaluate(derived.guard_expressions, values, as_fmpq, no_function))


def real_roots(polynomial: flint.fmpq_poly) -> list[tuple[flint.arb, int]]:
    """All real roots in increasing order, as disjoint balls with multiplicities."""
    if polynomial.degree() < 1:
        return []
    roots = [(root.real, m) for root, m in polynomial.complex_roots() if root.imag == 0]
    return sorted(roots, key=lambda r: float(r[0].mid()))


def lift_balls(derived: Derived, chart: int, root: flint.arb, parameters: Mapping[str, flint.fmpq]) -> list[flint.arb]:
    """All states at a root of a chart, as balls; the parameters p0, p1, ... as rationals."""
    names = [*(f"u{i}" for i in range(derived.n)), *(f"p{k}" for k in range(derived.q))]
    values: dict[str, Any] = {key: flint.arb(value) for key, value in parameters.items()}
    assert derived.variable is not None
    values[f"u{derived.variable}"] = root
    for state, numerator, denominator in derived.charts[chart].lifts:
        parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
        top, bottom = expression.evaluate(parts, values, lambda f: flint.arb(as_fmpq(f)), ops.apply, _power)
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
    found = expression.evaluate(expressions, values, lambda f: flint.arb(as_fmpq(f)), ops.apply, _power)
    return [flint.arb(value) for value in found]


def _power(base: Any, exponent: int) -> Any:
    """By multiplication: flint's own power of a ball around zero is not finite."""
    if exponent < 0:
        return 1 / _power(base, -exponent)
    result: Any = flint.arb(1)
    for _ in range(exponent):
        result = result * base
    return result
