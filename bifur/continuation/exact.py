"""Exact algebra and proofs at one parameter point by python-flint: real roots of charts, lifts, enclosures, stability.

Parameters are the exact values of the doubles; literals of the definition are decimals. What is
computed here is proved, in exact integers or in balls with rigorous radii.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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
    "apart",
    "chart_polynomials",
    "critical_values",
    "enclose",
    "guards_hold",
    "krawczyk_radius",
    "lift_balls",
    "parameter_values",
    "place",
    "rational",
    "real_roots",
]

Place = Literal["inside", "outside"]

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
    """(..., n) sides of the boxes around u, the longest 1: powers of two as the states have them (as in the kernels).

    Where one state is 10^5 and another 1, a cube that holds the rounding of the first is too large for the second.
    """
    exponents = np.frexp(u)[1].astype(int)
    exponents[u == 0.0] = -(10**6)
    longest = exponents.max(axis=-1, keepdims=True, initial=-(10**6))
    return np.exp2(np.maximum(exponents - longest, -SLIMMEST).astype(float))


class Enclosed(NamedTuple):
    """`radius` of the largest tried box in which exactly this equilibrium lies, NaN where none could be proved.

    The box has half widths radius * sides(u).

    `unstable`: number of eigenvalues with positive real part, None where a real part is too close to zero to tell;
    `singular`: the Jacobian may be singular there, for all that PRECISION bits tell. `where` it lies of the bounds,
    which count as inside; None where that is not known, or was not asked.
    """

    radius: float
    unstable: int | None
    singular: bool = False
    where: Place | None = None


def apart(u: NDArray[np.float64], r: float, v: NDArray[np.float64], s: float) -> bool:
    """Whether the boxes of radius r around u and of radius s around v are disjoint: in one state they are."""
    half = r * sides(u) + s * sides(v)
    return bool(np.any(np.abs(u - v) * (1 - 1e-15) > half * (1 + 1e-15)))


def least_apart(u: NDArray[np.float64], others: Sequence[NDArray[np.float64]]) -> float:
    """A radius at which the box around u is disjoint from boxes of such a radius around others; infinite for none."""
    distances = [float((np.abs(u - v) / np.maximum(sides(u), sides(v))).max()) for v in others]
    return 0.25 * min(distances, default=math.inf)


def place(box: Sequence[flint.arb], low: NDArray[np.float64], high: NDArray[np.float64]) -> Place | None:
    """Whether all of a box lies inside the bounds or all of it outside; None where neither is certain."""
    across = False
    for side, a, b in zip(box, low, high, strict=True):
        if (math.isfinite(a) and side < flint.arb(float(a))) or (math.isfinite(b) and side > flint.arb(float(b))):
            return "outside"
        above = not math.isfinite(a) or side >= flint.arb(float(a))
        across = across or not (above and (not math.isfinite(b) or side <= flint.arb(float(b))))
    return None if across else "inside"


def enclose(
    system: System,
    u: NDArray[np.float64],
    p: NDArray[np.float64],
    bounds: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
) -> Enclosed:
    """Existence, uniqueness and stability of the equilibrium near u, and on which side of the bounds it lies.

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
            if not _contracts(at, Y, middle, flint.arb(radius), shape):
                continue
            sharp = _sharpened(at, Y, middle, flint.arb(radius), shape)
            stable = unstable(at.jacobian(sharp)) if sharp is not None else None
            if bounds is None:
                return Enclosed(radius, stable)
            where = place(_box(middle, flint.arb(radius), shape), *bounds)
            if where is None and sharp is not None:
                where = place(sharp, *bounds) or _on_bound(at, sharp, *bounds)
                gaps = [np.abs(u - bound)[np.isfinite(bound)] / shape[np.isfinite(bound)] for bound in bounds]
                smaller = 0.5 * float(np.concatenate(gaps).min(initial=math.inf))
                if where == "inside" and 0 < smaller < radius:  # the box need not reach over a bound
                    radius = smaller if _contracts(at, Y, middle, flint.arb(smaller), shape) else radius
            return Enclosed(radius, stable, where=where)
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
        J = Field(system, p).jacobian(_box([flint.arb(float(x)) for x in u], flint.arb(float(radius)), sides(u)))
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


def _box(middle: Sequence[flint.arb], radius: flint.arb, shape: NDArray[np.float64]) -> list[flint.arb]:
    """The box of half widths radius * shape."""
    return [m + flint.arb(0, 1) * radius * float(side) for m, side in zip(middle, shape, strict=True)]


def _sharpened(
    at: Field, Y: flint.arb_mat, middle: Sequence[flint.arb], radius: flint.arb, shape: NDArray[np.float64]
) -> list[flint.arb] | None:
    """A box much sharper than a double around the equilibrium in the box around `middle`; None where that fails."""
    n = len(middle)
    outer = _box(middle, radius, shape)
    for _ in range(REFINEMENTS):
        step = Y * at.field(middle)
        middle = [(middle[i] - step[i, 0]).mid() for i in range(n)]
    size = max((abs(m) for m in middle), key=float)
    sharp = SHARP * max(size, flint.arb(1e-30))
    if not _contracts(at, Y, middle, sharp, shape):
        return None
    box = _box(middle, sharp, shape)
    return box if all(a.contains(b) for a, b in zip(outer, box, strict=True)) else None


def _on_bound(at: Field, box: Sequence[flint.arb], low: NDArray[np.float64], high: NDArray[np.float64]) -> Place | None:
    """ "inside" where the one equilibrium in a small box is proved to lie exactly on the bounds that the box meets.

    With the states in question held at their bounds as many components of the field must vanish over the rest of the
    box, without any rounding; the other components must have a zero there, by their own Krawczyk operator.
    """
    n = len(box)
    at_bound: dict[int, float] = {}
    for i, side in enumerate(box):
        for bound in (float(low[i]), float(high[i])):
            if math.isfinite(bound) and side.contains(flint.arb(bound)):
                at_bound[i] = bound
    face = [flint.arb(at_bound[i]) if i in at_bound else side for i, side in enumerate(box)]
    if place(face, low, high) != "inside":
        return None
    over = at.field(face)
    rows = [i for i in range(n) if not bool(over[i, 0] == 0)]  # of balls both == and != mean for certain
    free = [i for i in range(n) if i not in at_bound]
    if len(rows) != len(free):
        return None
    if not free:
        return "inside"
    middle = [side.mid() for side in face]
    f, J = at.field(middle), at.jacobian(face)
    m = len(free)
    try:
        inverse = np.linalg.inv([[float(J[i, j].mid()) for j in free] for i in rows])
    except (np.linalg.LinAlgError, ValueError, OverflowError):
        return None
    if not np.isfinite(inverse).all():
        return None
    Y = flint.arb_mat(inverse.tolist())
    half = [face[j].rad() for j in free]
    spread = flint.arb_mat(m, 1, [flint.arb(0, 1) * h for h in half])
    slopes = flint.arb_mat(m, m, [J[i, j] for i in rows for j in free])
    identity = flint.arb_mat(m, m, [int(i == j) for i in range(m) for j in range(m)])
    image = (identity - Y * slopes) * spread - Y * flint.arb_mat(m, 1, [f[i, 0] for i in rows])
    return "inside" if all(abs(image[k, 0]) < half[k] for k in range(m)) else None


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
