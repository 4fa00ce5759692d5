"""Exact algebra and proofs at one parameter point by python-flint: real roots of charts, lifts, enclosures, stability.

Parameters are the exact values of the doubles; literals of the definition are decimals. What is
computed here is proved, in exact integers or in balls with rigorous radii.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import flint
import numpy as np

from bifur.continuation.balls import Field, as_fmpq, power, precision, rational
from bifur.continuation.resultants import critical_values, no_function
from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.base import System
    from bifur.systems.derive import Form

__all__ = [
    "chart_polynomials",
    "critical_values",
    "enclose",
    "guards_hold",
    "krawczyk_radius",
    "lift_balls",
    "parameter_values",
    "rational",
    "real_roots",
]

PRECISION = 212  # bits of the balls: four times a double, so that a box is lost to conditioning alone
REFINEMENTS = 12  # chords, each of which gains most digits of a double
SHARP = flint.arb(2) ** -120  # radius, relative to the state, at which stability is decided


def parameter_values(p: NDArray[np.float64]) -> dict[str, flint.fmpq]:
    """p0, p1, ... as rationals."""
    return {f"p{k}": rational(value) for k, value in enumerate(p)}


def chart_polynomials(form: Form, p: NDArray[np.float64]) -> list[flint.fmpq_poly]:
    """The charts at exact parameters."""
    values = parameter_values(p)
    return [
        flint.fmpq_poly(expression.evaluate(chart, values, as_fmpq, no_function)) for chart in form.chart_expressions
    ]


def guards_hold(form: Form, p: NDArray[np.float64]) -> bool:
    """Whether every guard is different from zero at exact parameters."""
    values = parameter_values(p)
    return all(g != 0 for g in expression.evaluate(form.guard_expressions, values, as_fmpq, no_function))


def real_roots(polynomial: flint.fmpq_poly) -> list[tuple[flint.arb, int]]:
    """All real roots in increasing order, as disjoint balls with multiplicities."""
    if polynomial.degree() < 1:
        return []
    with precision(PRECISION):
        roots = [(root.real, m) for root, m in polynomial.complex_roots() if root.imag == 0]
    return sorted(roots, key=lambda r: float(r[0].mid()))


def lift_balls(form: Form, chart: int, root: flint.arb, parameters: Mapping[str, flint.fmpq]) -> list[flint.arb]:
    """All states at a root of a chart, as balls; the parameters p0, p1, ... as rationals."""
    names = [*(f"u{i}" for i in range(form.n)), *(f"p{k}" for k in range(form.q))]
    values: dict[str, Any] = {key: flint.arb(value) for key, value in parameters.items()}
    assert form.variable is not None
    values[f"u{form.variable}"] = root
    for state, numerator, denominator in form.charts[chart].lifts:
        parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
        top, bottom = expression.evaluate(parts, values, lambda f: flint.arb(as_fmpq(f)), ops.apply, power)
        values[f"u{state}"] = top / bottom
    return [values[f"u{i}"] for i in range(form.n)]


SLIMMEST = 20  # a side of a box is at least 2^-20 of the longest


def sides(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) sides of the boxes around u, the longest 1: powers of two as the states have them (as in the kernels).

    Where one state is 10^5 and another 1, a cube that holds the rounding of the first is too large for the second.
    """
    exponents = np.frexp(u)[1].astype(int)
    exponents[u == 0.0] = -(10**6)
    return np.exp2(np.maximum(exponents - exponents.max(initial=-(10**6)), -SLIMMEST).astype(float))


class Enclosed(NamedTuple):
    """`radius` of the largest tried box in which exactly this equilibrium lies, NaN where none could be proved.

    The box has half widths radius * sides(u).

    `unstable`: number of eigenvalues with positive real part, None where a real part is too close to zero to tell;
    `singular`: the Jacobian may be singular there, for all that PRECISION bits tell.
    """

    radius: float
    unstable: int | None
    singular: bool = False


def enclose(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> Enclosed:
    """Existence, uniqueness and stability of the equilibrium near u.

    With Y near J^-1 the Krawczyk operator K(X) = m - Y f(m) + (1 - Y J(X)) (X - m) maps the box X into its
    interior, so that there is exactly one zero of f in X (Krawczyk 1969; Rump 2010, Acta Numerica 19, theorem 13.3).
    The signs of the real parts follow from J over a box that is sharpened first, by `stability`.
    """
    derived = system.derived
    Jm = derived.evaluate("jacobian", system, u, dict(zip(system.parameters, p, strict=True))).astype(float)
    if not np.isfinite(Jm).all():
        return Enclosed(math.nan, None)
    with precision(PRECISION):
        at = Field(system, p)
        if np.linalg.cond(Jm) > 1e14:
            return Enclosed(math.nan, None, bool(at.jacobian([flint.arb(float(x)) for x in u]).det().contains(0)))
        Y = flint.arb_mat(np.linalg.inv(Jm).tolist())
        size = max(1e-3, float(np.abs(u).max()))
        middle = [flint.arb(float(x)) for x in u]
        shape = sides(u)
        for exponent in range(3, 40):
            radius = size * 10.0**-exponent
            if _contracts(at, Y, middle, flint.arb(radius), shape):
                return Enclosed(radius, _stability(at, Y, middle, shape))
    return Enclosed(math.nan, None)


def holds(system: System, u: NDArray[np.float64], p: NDArray[np.float64], radius: float) -> bool:
    """Whether the box of this radius around u is proved to hold exactly one equilibrium."""
    derived = system.derived
    Jm = derived.evaluate("jacobian", system, u, dict(zip(system.parameters, p, strict=True))).astype(float)
    if not np.isfinite(Jm).all() or not np.linalg.cond(Jm) < 1e14:
        return False
    with precision(PRECISION):
        Y = flint.arb_mat(np.linalg.inv(Jm).tolist())
        return _contracts(Field(system, p), Y, [flint.arb(float(x)) for x in u], flint.arb(float(radius)), sides(u))


def spectrum_over(
    system: System, u: NDArray[np.float64], p: NDArray[np.float64], radius: float
) -> list[tuple[complex, float]] | None:
    """Rigorous enclosures (middle, radius) of the eigenvalues at every state in the box; None where they fail."""
    with precision(PRECISION):
        J = Field(system, p).jacobian(
            [flint.arb(float(x), float(radius * s)) for x, s in zip(u, sides(u), strict=True)]
        )
        try:
            values = flint.acb_mat(J).eig(multiple=True)
        except (ValueError, ZeroDivisionError):
            return None
        return [(complex(v.mid()), float(abs(v - v.mid()).upper())) for v in values]


def krawczyk_radius(system: System, u: NDArray[np.float64], p: NDArray[np.float64]) -> float:
    """The radius of `enclose`."""
    return enclose(system, u, p).radius


def _contracts(
    at: Field, Y: flint.arb_mat, middle: Sequence[flint.arb], radius: flint.arb, shape: NDArray[np.float64]
) -> bool:
    """Whether the Krawczyk operator maps the box of half widths radius * shape into its interior."""
    n = len(middle)
    newton = Y * at.field(middle)
    identity = flint.arb_mat(n, n, [int(i == j) for i in range(n) for j in range(n)])
    half = [radius * float(side) for side in shape]
    offset = [flint.arb(0, 1) * width for width in half]
    J = at.jacobian([m + d for m, d in zip(middle, offset, strict=True)])
    image = (identity - Y * J) * flint.arb_mat(n, 1, offset) - newton
    return all(abs(image[i, 0]) < half[i] for i in range(n))


def _stability(at: Field, Y: flint.arb_mat, middle: Sequence[flint.arb], shape: NDArray[np.float64]) -> int | None:
    """The number of unstable eigenvalues at the equilibrium near `middle`, over a box much sharper than a double."""
    n = len(middle)
    for _ in range(REFINEMENTS):
        step = Y * at.field(middle)
        middle = [(middle[i] - step[i, 0]).mid() for i in range(n)]
    size = max((abs(m) for m in middle), key=float)
    radius = SHARP * max(size, flint.arb(1e-30))
    if not _contracts(at, Y, middle, radius, shape):
        return None
    box = [m + flint.arb(0, 1) * radius * float(side) for m, side in zip(middle, shape, strict=True)]
    return unstable(at.jacobian(box))


def unstable(J: flint.arb_mat) -> int | None:
    """Eigenvalues with positive real part of every matrix in J, by Routh's array of its characteristic polynomial.

    Where the array breaks down, because eigenvalues add up to zero or lie on the imaginary axis, rigorous enclosures of
    all eigenvalues decide; None where these do not exclude the axis either. (Gantmacher 1959, chapter XV.)
    """
    polynomial = J.charpoly()
    coefficients = [polynomial[k] for k in range(polynomial.degree(), -1, -1)]
    above, below = coefficients[::2], coefficients[1::2]
    changes, sign = 0, 1
    for _ in range(len(coefficients) - 1):
        if not below or below[0].contains(0):
            break
        new = 1 if below[0] > 0 else -1
        changes += new != sign
        sign = new
        padded = [*below, *[flint.arb(0)] * (len(above) - len(below))]
        above, below = below, [above[i + 1] - above[0] * padded[i + 1] / below[0] for i in range(len(above) - 1)]
    else:
        return changes
    try:
        values = flint.acb_mat(J).eig(multiple=True)
    except (ValueError, ZeroDivisionError):
        return None
    if any(value.real.contains(0) for value in values):
        return None
    return sum(bool(value.real > 0) for value in values)
