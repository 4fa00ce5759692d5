"""Hopf points and neutral saddles along a slice, by algebra: none inside the span is missed.

At both, two eigenvalues of the Jacobian J add up to zero. The product of all sums of two eigenvalues is, up to its
sign, the last but one Hurwitz determinant of the characteristic polynomial (Orlando's formula; Gantmacher 1959, The
Theory of Matrices II, chapter XV, section 7). On a chart it is a quotient of polynomials in x and the free parameter;
the resultant of its numerator with the chart vanishes exactly where it does at an equilibrium, real or complex.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import flint
import numpy as np

from bifur.continuation.balls import precision, rational
from bifur.continuation.exact import lift_balls, parameter_values
from bifur.continuation.resultants import (
    ISOLATION,
    Factor,
    Resultants,
    Ring,
    factors_of,
    formed,
    no_function,
    numbers_for,
    roots_in,
    univariate,
)
from bifur.systems import expression, ops

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.derive import Derived

MOST_WORK = 400_000_000  # what about 0.1 s allows, in the units of `_work`
EVERYWHERE = (-1e300, 1e300)
VANISHES = flint.arb(2) ** -60  # a determinant below this times its absolute terms, known to four times that accuracy


@dataclass(frozen=True)
class HopfCandidate:
    """An equilibrium at which two eigenvalues add up to zero, at `value` of the free parameter.

    `kind` is HB (a pair ±iω, `omega2` = ω² > 0), NS (a neutral saddle: two real eigenvalues, ω² < 0) or "corank" (both
    are zero, or several pairs; ω² is NaN where it has no meaning). `multiplicity` is that of the value as a root of the
    resultant: 1 where the sum of the two changes its sign there; where it is even, it may only touch zero.
    """

    value: float
    state: NDArray[np.float64]
    kind: Literal["HB", "NS", "corank"]
    omega2: float
    multiplicity: int


def hopf_candidates(
    derived: Derived,
    p: NDArray[np.float64],
    free: int,
    span: tuple[float, float],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> tuple[list[HopfCandidate] | None, str]:
    """Every Hopf point and neutral saddle in the open span, by increasing parameter; None with a reason if unknown.

    `derived` is that of a system with charts, `p` (q,) its parameters, `free` the index of the free one, `low` and
    `high` (n,) the bounds of the states, inclusive.
    """
    if derived.n < 2:
        return [], ""
    if not derived.polynomial:
        return None, "the system has no polynomial form"
    found, charts = formed(derived, p, free, "hopf", _form)
    if not isinstance(found, Resultants):
        return None, found or "the elimination does not hold at these parameters"
    candidates: list[HopfCandidate] = []
    with precision(ISOLATION):
        for chart, factors in enumerate(charts):
            for value, multiplicity in _values(factors, span) or _values_by_state(found, chart, span):
                candidates += _at(found, chart, value, multiplicity, p)
    inside = [c for c in candidates if np.all(c.state >= low) and np.all(c.state <= high)]
    return sorted(inside, key=lambda c: (c.value, tuple(c.state))), ""


# ---- the resultants -----------------------------------------------------------------------------


def _form(ring: Ring) -> Resultants | str:
    """The resultant of each chart with the determinant on it; `more` holds the two polynomials, by chart."""
    symbolic = len(ring.context.gens()) > 2
    leading: list[Any] = []
    factors: list[list[Factor]] = []
    pairs: list[tuple[Any, Any, Any]] = []
    for index in range(len(ring.derived.charts)):
        coefficients = ring.chart(index)
        if not coefficients:
            return "a chart vanishes identically"
        chart = ring.joined(coefficients)
        if symbolic and len(chart) > 200:
            return "too large with symbols for all parameters"
        top = hurwitz_numerator(ring, index)
        if top.is_zero() or chart.gcd(top).degrees()[0] > 0:
            return "the Hurwitz determinant vanishes along a whole branch"
        solved = None if symbolic else _in_x_alone(ring, chart, top)
        leading.append(coefficients[-1])
        pairs.append((chart, top, solved))
        if solved is not None:
            factors.append([])
            continue
        if _work(chart, top) > MOST_WORK:
            if symbolic:
                return "too large with symbols for all parameters"
            degrees = f"degrees {chart.degrees()[0]} and {top.degrees()[0]}, {len(top)} terms"
            return f"the resultant of a chart with the Hurwitz determinant is too large to form: {degrees}"
        resultant = ring.resultant(chart, top)
        if resultant is None:
            return "too large with symbols for all parameters"
        factors.append(factors_of(resultant) if symbolic else [Factor(resultant, 1)])
    return Resultants(ring, leading, factors, pairs)


def _in_x_alone(ring: Ring, chart: Any, top: Any) -> Any | None:
    """Where the parameter enters a chart q0(x) + l q1(x) linearly: the determinant at l = -q0 / q1, times q1^degree.

    None where it does not, or where q0 and q1 share a root: a branch that does not depend on the parameter.
    """
    if int(chart.degrees()[1]) != 1:
        return None
    q0 = chart.subs({"l": 0})
    q1 = chart.subs({"l": 1}) - q0
    if not q0.gcd(q1).is_constant():
        return None
    degree = int(top.degrees()[1])
    found = ring.zero
    for (i, j), c in top.to_dict().items():
        found = found + c * ring.x ** int(i) * (-q0) ** int(j) * q1 ** (degree - int(j))
    shared = found.gcd(q1)
    while not shared.is_constant():  # l is infinite there
        found = found / shared
        shared = found.gcd(q1)
    return found


def _work(f: Any, g: Any) -> int:
    """Degrees and bits of the resultant over x, times the terms of the two: its time is roughly proportional."""
    (a, *of_f), (b, *of_g) = ([int(k) for k in part.degrees()] for part in (f, g))
    box = math.prod(a * g_k + b * f_k + 1 for f_k, g_k in zip(of_f, of_g, strict=True))
    return box * (a * _bits(g) + b * _bits(f)) * len(f) * len(g)


def _bits(f: Any) -> int:
    """Length of the coefficients, over one denominator."""
    coefficients = f.coeffs()
    denominator = flint.fmpz(1)
    for c in coefficients:
        denominator = denominator.lcm(c.q)
    return max(int(abs(c.p * (denominator // c.q))).bit_length() for c in coefficients)


def hurwitz_numerator(ring: Ring, chart: int) -> Any:
    """The numerator of the last but one Hurwitz determinant on a chart.

    Factors that it shares with the denominators of J are left out: where these vanish there is no equilibrium.
    """
    states = ring.states(chart)
    rows = ring.derived.jacobian_expressions
    flat = [entry for row in rows for entry in row]
    entries = [entry.reduced() for entry in expression.evaluate(flat, states, ring.quotient, no_function)]
    common = ring.one
    for entry in entries:
        common = common * (entry.bottom / common.gcd(entry.bottom))
    scaled = [entry.top * (common / entry.bottom) for entry in entries]
    n = ring.derived.n
    top = hurwitz_determinant(characteristic([scaled[i * n : (i + 1) * n] for i in range(n)], ring.zero, ring.one))
    shared = top.gcd(common)
    while not top.is_zero() and not shared.is_constant():
        top = top / shared
        shared = top.gcd(common)
    return top


def characteristic(J: Sequence[Sequence[Any]], zero: Any, one: Any) -> list[Any]:
    """[1, c1, ..., cn] of det(t - J) = t^n + c1 t^(n-1) + ... + cn in a ring that holds 1/n (Faddeev & Le Verrier)."""
    n = len(J)
    found = [one]
    M = [[one if i == j else zero for j in range(n)] for i in range(n)]
    for k in range(1, n + 1):
        JM = [[sum((J[i][m] * M[m][j] for m in range(n)), zero) for j in range(n)] for i in range(n)]
        c = sum((JM[i][i] for i in range(n)), zero) * flint.fmpq(-1, k)
        found.append(c)
        M = [[JM[i][j] + (c if i == j else zero) for j in range(n)] for i in range(n)]
    return found


def hurwitz_determinant(c: Sequence[Any]) -> Any:
    """The last but one Hurwitz determinant of a monic polynomial [1, c1, ..., cn], n > 1.

    (-1)^(n (n - 1) / 2) times the product of all sums of two roots: c1 for n = 2, c1 c2 - c3 for n = 3,
    c3 (c1 c2 - c3) - c1^2 c4 for n = 4.
    """
    n = len(c) - 1
    zero = c[0] - c[0]

    def entry(i: int, j: int) -> Any:
        k = 2 * (j + 1) - (i + 1)
        return c[k] if 0 <= k <= n else zero

    def determinant(rows: Sequence[int], columns: Sequence[int]) -> Any:
        if not rows:
            return c[0]
        total = zero
        for k, column in enumerate(columns):
            minor = determinant(rows[1:], [*columns[:k], *columns[k + 1 :]])
            total = total + (entry(rows[0], column) * minor if k % 2 == 0 else -entry(rows[0], column) * minor)
        return total

    return determinant(list(range(n - 1)), list(range(n - 1)))


# ---- the points ---------------------------------------------------------------------------------


def _values(factors: Sequence[tuple[flint.fmpq_poly, int]], span: tuple[float, float]) -> list[tuple[flint.fmpq, int]]:
    """Real roots of a product in the span, to ISOLATION bits or nearly so, with multiplicities."""
    found: list[tuple[flint.arb, int]] = []
    for factor, power in factors:
        for part, multiplicity in factor.numer().factor_squarefree()[1]:
            for ball in roots_in(flint.fmpq_poly(part), span):
                known = next((i for i, (other, _) in enumerate(found) if ball.overlaps(other)), None)
                if known is None:
                    found.append((ball, power * multiplicity))
                else:
                    found[known] = found[known][0], found[known][1] + power * multiplicity
    return [(_exact_middle(ball), multiplicity) for ball, multiplicity in found]


def _values_by_state(found: Resultants, chart: int, span: tuple[float, float]) -> list[tuple[flint.fmpq, int]]:
    """As `_values`, from the real roots x of what `_in_x_alone` gave."""
    polynomial, _, solved = found.more[chart]
    if solved is None or solved.degrees()[0] < 1:
        return []
    q0, q1 = (univariate(part, 0) for part in (polynomial.subs({"l": 0}), polynomial.subs({"l": 1})))
    q1 = q1 - q0
    low, high = flint.arb(rational(span[0])), flint.arb(rational(span[1]))
    values: list[tuple[flint.arb, int]] = []
    for part, multiplicity in univariate(solved, 0).numer().factor_squarefree()[1]:
        for x in roots_in(flint.fmpq_poly(part), EVERYWHERE):
            value = -q0.numer()(x) * q1.denom() / (q1.numer()(x) * q0.denom())
            if not (value > low and value < high):
                continue
            known = next((i for i, (other, _) in enumerate(values) if value.overlaps(other)), None)
            if known is None:
                values.append((value, multiplicity))
            else:
                values[known] = values[known][0], values[known][1] + multiplicity
    return [(_exact_middle(value), multiplicity) for value, multiplicity in values]


def _exact_middle(ball: flint.arb) -> flint.fmpq:
    mantissa, exponent = ball.mid().man_exp()
    return flint.fmpq(mantissa) * flint.fmpq(2) ** int(exponent)


def _at(
    found: Resultants, chart: int, value: flint.fmpq, multiplicity: int, p: NDArray[np.float64]
) -> list[HopfCandidate]:
    """The equilibria on a chart at which the determinant vanishes, for a value of the free parameter."""
    ring = found.ring
    derived = ring.derived
    numbers = {**numbers_for(ring, p), "l": value}
    polynomial, top = (univariate(part.subs(numbers), 0) for part in found.more[chart][:2])
    parameters = {**parameter_values(p), f"p{ring.free}": value}
    candidates: list[HopfCandidate] = []
    roots = list(_nearly_real_roots(polynomial))
    # the value is rounded, and with it a root that is zero: it has no relative accuracy
    least = VANISHES * max([float(abs(x)) for x in roots if abs(x) > VANISHES], default=1.0)
    for x in roots:
        terms = [flint.arb(c) * x**k for k, c in enumerate(top.coeffs())]
        size = max(abs(x), least)
        sizes = [abs(flint.arb(c)) * size**k for k, c in enumerate(top.coeffs())]
        if not abs(sum(terms, flint.arb(0))) <= VANISHES * sum(sizes, flint.arb(0)):
            continue
        balls = lift_balls(derived, chart, x, parameters)
        if not all(ball.is_finite() for ball in balls):
            continue  # a pole of the lift: no equilibrium
        state = np.array([float(ball.mid()) for ball in balls])
        if any(np.allclose(state, c.state, rtol=1e-15, atol=0) for c in candidates):
            continue  # the two of a double root
        kind, omega2 = _kind(derived, balls, parameters)
        candidates.append(HopfCandidate(float(flint.arb(value)), state, kind, omega2, multiplicity))
    return candidates


def _nearly_real_roots(polynomial: flint.fmpq_poly) -> list[flint.arb]:
    """Real roots, and the real parts of pairs so near to the axis that the parameter's last bit decides."""
    whole = polynomial.numer()
    try:
        roots = flint.acb_poly(whole).roots()
    except ValueError:
        roots = [root for root, _ in whole.complex_roots()]
    slope = whole.derivative()
    near = []
    for root in roots:
        z = root.mid()
        for _ in range(12):
            derivative = slope(z)
            if derivative.contains(0):
                break
            z = (z - (whole(z) / derivative).mid()).mid()
        if abs(z.imag) <= VANISHES * abs(z):
            near.append(z.real)
    return near


def _kind(
    derived: Derived, balls: Sequence[flint.arb], parameters: Mapping[str, flint.fmpq]
) -> tuple[Literal["HB", "NS", "corank"], float]:
    """From the characteristic polynomial: of two eigenvalues that add up to zero, their product ω²."""
    values: dict[str, Any] = {key: flint.arb(value) for key, value in parameters.items()}
    values |= {f"u{i}": ball for i, ball in enumerate(balls)}
    flat = [entry for row in derived.jacobian_expressions for entry in row]
    entries = expression.evaluate(flat, values, lambda f: flint.arb(flint.fmpq(f.numerator, f.denominator)), ops.apply)
    n = derived.n
    J = [[flint.arb(entry) for entry in entries[i * n : (i + 1) * n]] for i in range(n)]
    c = characteristic(J, flint.arb(0), flint.arb(1))
    size = max((abs(entry) for row in J for entry in row), key=lambda ball: float(ball.mid()))
    # t^n + c1 t^(n-1) + ... has the roots ±iω: its even and its odd part vanish at t^2 = -ω^2
    if n < 4:
        product = c[2]
    elif abs(c[1]) <= VANISHES * size:
        return "corank", math.nan
    else:
        product = c[3] / c[1]
    if abs(product) <= VANISHES * size * size:
        return "corank", 0.0
    return ("HB" if product > 0 else "NS"), float(product.mid())
