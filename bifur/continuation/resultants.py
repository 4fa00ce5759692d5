"""Resultants along a slice: at which values of the free parameter something happens, by exact algebra.

Everything is a polynomial in the chart's state x, the free parameter l and, where that stays small, in all other
parameters too: then the resultants are formed once per system and later calls only put numbers in. Specialisation
commutes with resultants as long as the leading coefficient of the chart does not vanish identically, and multiplies
them by powers of it otherwise (Cox, Little & O'Shea, Ideals, Varieties, and Algorithms, section 3.6); where it does,
they are formed at the given numbers.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import flint
import numpy as np

from bifur.continuation.balls import as_fmpq, precision, rational
from bifur.systems import expression

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bifur.systems.derive import Derived

MOST_TERMS = 20_000  # a bound of the terms of a resultant in all parameters, above which it is formed at numbers
MOST_KEPT = 32  # resultants with bounds of states differ from call to call
ISOLATION = 320  # bits in which roots are isolated
TINY = flint.arb(2) ** -200  # to which an isolated root is known, relative to itself

_kept: weakref.WeakKeyDictionary[Derived, dict[Any, Any]] = weakref.WeakKeyDictionary()


def no_function(name: str, _: Any) -> Any:
    """Charts are polynomials."""
    raise ValueError(f"{name} is no polynomial")


class Quotient:
    """A quotient of two polynomials."""

    def __init__(self, top: Any, bottom: Any) -> None:
        self.top, self.bottom = top, bottom

    def __add__(self, other: Quotient) -> Quotient:
        if self.bottom == other.bottom:
            return Quotient(self.top + other.top, self.bottom)
        return Quotient(self.top * other.bottom + other.top * self.bottom, self.bottom * other.bottom)

    def __sub__(self, other: Quotient) -> Quotient:
        return self + -other

    def __neg__(self) -> Quotient:
        return Quotient(-self.top, self.bottom)

    def __mul__(self, other: Quotient) -> Quotient:
        return Quotient(self.top * other.top, self.bottom * other.bottom)

    def __truediv__(self, other: Quotient) -> Quotient:
        return Quotient(self.top * other.bottom, self.bottom * other.top)

    def __pow__(self, exponent: int) -> Quotient:
        if exponent < 0:
            return Quotient(self.bottom**-exponent, self.top**-exponent)
        return Quotient(self.top**exponent, self.bottom**exponent)

    def reduced(self) -> Quotient:
        """Without common factors."""
        common = self.top.gcd(self.bottom)
        return self if common.is_constant() else Quotient(self.top / common, self.bottom / common)


class Ring:
    """Polynomials in x, the free parameter l, and the other parameters where no numbers are given for them."""

    def __init__(self, derived: Derived, free: int, p: NDArray[np.float64] | None) -> None:
        self.derived, self.free = derived, free
        others = [k for k in range(derived.q) if k != free]
        names = ("x", "l", *(f"p{k}" for k in others if p is None))
        self.context = flint.fmpq_mpoly_ctx.get(names, flint.Ordering.lex)
        self.x, parameter, *symbols = self.context.gens()
        self.zero, self.one = self.context.constant(0), self.context.constant(1)
        known = symbols if p is None else [self.context.constant(rational(p[k])) for k in others]
        self.values = dict(zip([f"p{k}" for k in others], known, strict=True)) | {f"p{free}": parameter}

    def polynomials(self, expressions: Sequence[expression.Expression]) -> list[Any]:
        """Expressions in the parameters."""
        found = expression.evaluate(expressions, self.values, lambda f: self.context.constant(as_fmpq(f)), no_function)
        return [self.zero + value for value in found]

    def chart(self, index: int) -> list[Any]:
        """Coefficients of a chart by rising powers of x; the last one is not zero."""
        coefficients = self.polynomials(self.derived.chart_expressions[index])
        while coefficients and coefficients[-1].is_zero():
            coefficients.pop()
        return coefficients

    def joined(self, coefficients: Sequence[Any]) -> Any:
        """The polynomial in x with these coefficients."""
        return sum((c * self.x**k for k, c in enumerate(coefficients)), self.zero)

    def states(self, chart: int) -> dict[str, Quotient]:
        """All states u0, u1, ... on a chart and all parameters, as quotients."""
        names = [*(f"u{i}" for i in range(self.derived.n)), *(f"p{k}" for k in range(self.derived.q))]
        values = {name: Quotient(value, self.one) for name, value in self.values.items()}
        values[f"u{self.derived.variable}"] = Quotient(self.x, self.one)
        for state, numerator, denominator in self.derived.charts[chart].lifts:
            parts = [expression.parse(text, names, trusted=True) for text in (numerator, denominator)]
            top, bottom = expression.evaluate(parts, values, self.quotient, no_function)
            values[f"u{state}"] = (top / bottom).reduced()
        return values

    def quotient(self, value: Fraction) -> Quotient:
        """A literal."""
        return Quotient(self.context.constant(as_fmpq(value)), self.one)

    def resultant(self, f: Any, g: Any) -> Any | None:
        """That of f and g over x, or None where it would be too large to form with symbols for all parameters."""
        if len(self.context.gens()) > 2:
            a, b = f.degrees(), g.degrees()
            box = math.prod(b[0] * f_k + a[0] * g_k + 1 for f_k, g_k in zip(a[1:], b[1:], strict=True))
            # homogeneous of degree b in the terms of f, and of degree a in those of g
            sparse = math.comb(b[0] + len(f) - 1, len(f) - 1) * math.comb(a[0] + len(g) - 1, len(g) - 1)
            if min(box, sparse) > MOST_TERMS:
                return None
        return f.resultant(g, "x")


class Factor(NamedTuple):
    """A factor of a resultant, in the free parameter and the symbols of its ring."""

    polynomial: Any
    multiplicity: int


class Resultants(NamedTuple):
    """What was formed over one ring: factors by chart, leading coefficients of the charts, and more to be kept."""

    ring: Ring
    leading: list[Any]
    factors: list[list[Factor]]
    more: Any = None


def formed(
    derived: Derived,
    p: NDArray[np.float64],
    free: int,
    key: Any,
    form: Callable[[Ring], Resultants | str | None],
) -> tuple[Resultants | str | None, list[list[tuple[flint.fmpq_poly, int]]]]:
    """What `form` makes of a ring, and its factors as polynomials in l alone, by chart.

    Where `form` succeeds with symbols for all parameters its result is kept with the system under `key`, and is used
    for all numbers at which no leading coefficient and no factor vanishes identically.
    """
    kept = _kept.setdefault(derived, {})
    if (free, key) not in kept:
        if len(kept) >= MOST_KEPT:
            kept.clear()
        kept[free, key] = form(Ring(derived, free, None))
    general = kept[free, key]
    if isinstance(general, Resultants):
        numbers = numbers_for(general.ring, p)
        put_in = specialised(general, numbers)
        if put_in is not None:
            return general, put_in
    found = form(Ring(derived, free, p))
    if not isinstance(found, Resultants):
        return found, []
    return found, specialised(found, {}) or []


def numbers_for(ring: Ring, p: NDArray[np.float64]) -> dict[str, flint.fmpq]:
    """The exact values of those parameters that are symbols of a ring."""
    return {name: rational(p[int(name[1:])]) for name in ring.context.names()[2:]}


def specialised(found: Resultants, numbers: Mapping[str, flint.fmpq]) -> list[list[tuple[flint.fmpq_poly, int]]] | None:
    """The factors with numbers put in; None where one or a leading coefficient vanishes identically."""
    if any(c.subs(numbers).is_zero() for c in found.leading):
        return None
    charts = []
    for factors in found.factors:
        charts.append([(univariate(f.subs(numbers), 1), multiplicity) for f, multiplicity in factors])
        if any(polynomial == 0 for polynomial, _ in charts[-1]):
            return None
    return charts


def univariate(polynomial: Any, generator: int) -> flint.fmpq_poly:
    """A polynomial in one generator only, as such."""
    terms = {exponents[generator]: c for exponents, c in polynomial.to_dict().items()}
    return flint.fmpq_poly([terms.get(k, 0) for k in range(max(terms, default=-1) + 1)])


def factors_of(polynomial: Any) -> list[Factor]:
    """The irreducible factors of a polynomial with their multiplicities."""
    return [Factor(factor, int(multiplicity)) for factor, multiplicity in polynomial.factor()[1]]


# ---- critical values ----------------------------------------------------------------------------


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
    bounds = tuple((float(a), float(b)) for a, b in zip(low, high, strict=True))
    found, charts = formed(derived, p, free, ("critical", bounds), lambda ring: _critical(ring, bounds))
    if not isinstance(found, Resultants):
        return None
    product = flint.fmpq_poly([1])
    for factors in charts:
        for polynomial, _ in factors:
            product *= polynomial / product.gcd(polynomial)
    values = [float(root.mid()) for root in roots_in(product, span)]
    if any(b <= np.nextafter(np.nextafter(a, b), b) for a, b in pairwise(values)):
        return None  # no double lies well between two of them
    return values


def _critical(ring: Ring, bounds: Sequence[tuple[float, float]]) -> Resultants | None:
    """All polynomials whose roots are critical; the guards count as a chart of their own."""
    derived = ring.derived
    critical = ring.polynomials(derived.guard_expressions)
    leading = []
    for index in range(len(derived.charts)):
        coefficients = ring.chart(index)
        if not coefficients:
            return None
        leading.append(coefficients[-1])
        critical.append(coefficients[-1])
        polynomial = ring.joined(coefficients)
        if len(coefficients) > 2:
            if ring.resultant(polynomial, polynomial.derivative("x")) is None:
                return None
            critical.append(polynomial.discriminant("x"))
        lifted = ring.states(index)
        for state, pair in enumerate(bounds):
            value = lifted[f"u{state}"]
            for bound in pair:
                if not np.isfinite(bound):
                    continue
                edge = value.top - ring.context.constant(rational(bound)) * value.bottom
                if edge.is_zero():
                    continue
                # what lies on the bound for every value of the parameter counts as inside
                rest = polynomial / polynomial.gcd(edge)
                critical.append(ring.resultant(rest, edge))
    if any(polynomial is None or polynomial.is_zero() for polynomial in critical):
        return None
    factors = {str(f): Factor(f, 1) for polynomial in critical for f, _ in polynomial.factor()[1]}
    return Resultants(ring, leading, [list(factors.values())])


# ---- real roots ---------------------------------------------------------------------------------


def roots_in(polynomial: flint.fmpq_poly, span: tuple[float, float]) -> list[flint.arb]:
    """The real roots in the open span in increasing order, each once, as disjoint balls."""
    if polynomial.degree() < 1:
        return []
    low, high = flint.arb(rational(span[0])), flint.arb(rational(span[1]))
    squarefree = (polynomial / polynomial.gcd(polynomial.derivative())).numer()
    with precision(ISOLATION):
        balls = _sharp_roots(squarefree, low, high)
        return [ball for ball in balls if ball > low and ball < high]


def _sharp_roots(polynomial: flint.fmpz_poly, low: flint.arb, high: flint.arb) -> list[flint.arb]:
    """The real roots of a squarefree polynomial in increasing order, but for some outside [low, high]."""
    balls: list[flint.arb | None]
    try:
        isolated = _real_balls(flint.acb_poly(polynomial).roots())
        balls = [_sharpened(polynomial, ball) for ball in isolated if not (ball < low or ball > high)]
    except ValueError:  # isolation takes more bits than that
        balls = [None]
    if any(ball is None for ball in balls):
        balls = [root.real for root, _ in polynomial.complex_roots() if root.imag == 0]
    return sorted(balls, key=lambda ball: float(ball.mid()))


def _real_balls(roots: list[flint.acb]) -> list[flint.arb]:
    """Those of disjoint balls that hold a real root of a real polynomial; ValueError where it cannot be told."""
    real = []
    for i, root in enumerate(roots):
        if root.imag.contains(0):
            mirror = root.conjugate()
            # the conjugate is a root too: the same one, where the mirrored ball meets no other
            if any(mirror.overlaps(other) for j, other in enumerate(roots) if j != i):
                raise ValueError("a pair of roots is too near to the real axis")
            real.append(root.real)
    return real


def _sharpened(polynomial: flint.fmpz_poly, ball: flint.arb) -> flint.arb | None:
    """The simple root in an isolating ball, to 2^-198 of itself; proved by a change of sign inside the ball."""
    if ball.contains(0) and polynomial[0] == 0:
        return flint.arb(0)
    slope = polynomial.derivative()
    x = ball.mid()
    if ball.rad() <= abs(x) * TINY:
        return ball
    for _ in range(10):
        step = (polynomial(x) / slope(x)).mid()
        x = (x - step).mid()
        if not abs(step) > abs(x) * TINY:
            break
    radius = (4 * abs(x) * TINY).mid()
    left, right = (x - radius).mid(), (x + radius).mid()
    if not (ball.contains(left) and ball.contains(right) and polynomial(left) * polynomial(right) < 0):
        return None
    return flint.arb(x, radius)
