"""Points of a period of u -> u + eta f(u) for one state and a polynomial f, as isolated real roots."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import flint
import numpy as np

from bifur.continuation.balls import as_fmpq, precision, rational
from bifur.continuation.exact import PRECISION, real_roots
from bifur.continuation.resultants import no_function
from bifur.systems import expression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System

LARGEST = 128  # degree of the q-th iterate: the roots take a quarter of a second, at 256 ten seconds


def points(system: System, p: NDArray[np.float64], eta: float, q: int) -> list[NDArray[np.float64]] | str:
    """One point (1,) of each cycle of exactly period q, or why that cannot be known so."""
    if system.dimension != 1:
        return f"{system.name} has {system.dimension} states"
    step = _map(system, p, eta)
    if step is None:
        return f"the field of {system.name} is no polynomial"
    degree = step.degree()
    if degree > 1 and degree**q > LARGEST:
        return f"the polynomial of period {q} has the degree {degree}^{q}"
    polynomial = dynatomic(step, q)
    if not polynomial:
        return "every point has this period"
    roots = [ball for ball, _ in real_roots(polynomial)]
    return _grouped(step, q, roots)


def _map(system: System, p: NDArray[np.float64], eta: float) -> flint.fmpq_poly | None:
    """x + eta f(x) in exact rationals, at the exact values of the doubles."""
    values: dict[str, Any] = {name: rational(value) for name, value in zip(system.parameters, p, strict=True)}
    values[system.states[0]] = flint.fmpq_poly([0, 1])
    try:
        (field,) = expression.evaluate(system.expressions, values, as_fmpq, no_function, _power)
    except (ArithmeticError, TypeError, ValueError, NotImplementedError):
        return None  # a function, or a quotient that is no polynomial
    return flint.fmpq_poly([0, 1]) + rational(eta) * flint.fmpq_poly(field)


def _power(base: Any, exponent: int) -> Any:
    return 1 / base**-exponent if exponent < 0 else base**exponent


def dynatomic(step: flint.fmpq_poly, q: int) -> flint.fmpq_poly:
    """prod over d | q of (F^d(x) - x)^mu(q/d): its roots have period q, or a divisor where a cycle is born."""
    x = flint.fmpq_poly([0, 1])
    iterate, top, bottom = x, flint.fmpq_poly([1]), flint.fmpq_poly([1])
    for d in range(1, q + 1):
        iterate = step(iterate)
        if q % d == 0:
            sign = moebius(q // d)
            top = top * (iterate - x) if sign == 1 else top
            bottom = bottom * (iterate - x) if sign == -1 else bottom
    if not top or not bottom:
        return flint.fmpq_poly()
    return top // bottom


def moebius(k: int) -> int:
    """mu(k)."""
    sign, factor = 1, 2
    while k > 1:
        if k % factor == 0:
            k //= factor
            if k % factor == 0:
                return 0
            sign = -sign
        factor += 1
    return sign


def _grouped(step: flint.fmpq_poly, q: int, roots: list[Any]) -> list[NDArray[np.float64]] | str:
    """The roots as cycles: a point of each; those of a smaller period are left out."""
    with precision(2 * PRECISION):
        value = _evaluator(step)
        images = []
        for root in roots:
            ball = value(root)
            hits = [k for k, other in enumerate(roots) if ball.overlaps(other)]
            if len(hits) != 1:  # the image of a root is a root
                return "two points of it are too near to each other to tell"
            images.append(hits[0])
    found, seen = [], set()
    for start in range(len(roots)):
        if start in seen:
            continue
        way, at = [start], images[start]
        while at not in way:
            way.append(at)
            at = images[at]
        seen |= set(way)
        if at == start and len(way) == q:
            found.append(np.array([float(roots[start].mid())]))
    return found


def _evaluator(step: flint.fmpq_poly) -> Callable[[Any], Any]:
    """The polynomial over balls, by Horner's rule."""
    coefficients = [flint.arb(c) for c in reversed(step.coeffs())]

    def value(x: Any) -> Any:
        result = flint.arb(0)
        for c in coefficients:
            result = result * x + c
        return result

    return value
