"""The polynomial form: charts are the published polynomials, lifts solve the field, guards see the exceptions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import bifur
from bifur.continuation import exact
from bifur.systems import derive, eliminate
from tests.known import ssl
from tests.known.families import POLYNOMIAL, system


def symbols(name):
    writer = derive._Writer(system(name))
    return writer, eliminate.eliminate(writer.f, writer.u, writer.p)


@pytest.mark.parametrize("name", POLYNOMIAL)
def test_lifts_solve_the_field_at_the_roots(name):
    """Each component of the field, with the lifts put in, is a multiple of the chart (exactly, as polynomials)."""
    writer, found = symbols(name)
    rng = np.random.default_rng(1)
    for _ in range(3):
        point = {p: sp.Rational(int(rng.integers(1, 30)), int(rng.integers(1, 30))) for p in writer.p}
        for chart in found.charts:
            polynomial = sp.Poly(
                sum(c * found.variable**k for k, c in enumerate(chart.coefficients)).subs(point), found.variable
            )
            states = {found.variable: found.variable}
            for state, numerator, denominator in chart.lifts:
                states[state] = sp.cancel((numerator / denominator).subs(point).subs(states))
            for component in writer.f:
                numerator, denominator = sp.fraction(sp.cancel(component.subs(point).subs(states)))
                assert sp.rem(sp.Poly(numerator, found.variable), polynomial).is_zero
                assert sp.gcd(sp.Poly(denominator, found.variable), polynomial).degree() <= 0


@pytest.mark.parametrize("name", list(ssl.POLYNOMIALS))
def test_charts_are_the_published_polynomials(name):
    """One chart is the origin, the other the polynomial typed by hand, up to a factor."""
    writer, found = symbols(name)
    rng = np.random.default_rng(2)
    names = list(system(name).parameters)
    for _ in range(5):
        values = {key: Fraction(int(rng.integers(1, 40)), int(rng.integers(1, 40))) for key in names}
        point = {
            p: sp.Rational(values[key].numerator, values[key].denominator)
            for p, key in zip(writer.p, names, strict=True)
        }
        charts = sorted(
            (
                [Fraction(*map(int, sp.fraction(sp.sympify(c).subs(point)))) for c in chart.coefficients]
                for chart in found.charts
            ),
            key=len,
        )
        assert len(charts) == 2
        assert [bool(c) for c in charts[0]] == [False, True]
        expected = ssl.POLYNOMIALS[name](**values)
        assert len(charts[1]) == len(expected)
        factor = Fraction(charts[1][0]) / Fraction(expected[0])
        assert factor != 0
        assert charts[1] == [factor * e for e in expected]


@pytest.mark.parametrize("name", ["l2", "l2-full", "cosine", "phinet", "phinet-talk"])
def test_guards_hold_where_rho_is_positive_and_fail_at_zero(name):
    s = system(name)
    rng = np.random.default_rng(3)
    for _ in range(50):
        assert exact.guards_hold(s.derived, s.values(sigma2=rng.uniform(0, 3), rho=rng.uniform(1e-6, 1)))
    assert not exact.guards_hold(s.derived, s.values(sigma2=0.5, rho=0.0))


def cuts(field, states, **parameters):
    return bifur.System("cuts", field, states=states, parameters=parameters)


def test_independent_equations_give_all_combinations():
    """x and y decouple, and equilibria share their x: each value of y has a chart over x of its own."""
    s = cuts(lambda u, p: (u[0] ** 2 - p.a, u[1] * (u[1] - p.b)), ("x", "y"), a=4.0, b=3.0)
    found = bifur.find_equilibria(s, prove=True)
    assert found.completeness == "proved"
    assert [tuple(e.state) for e in found] == [(-2, 0), (-2, 3), (2, 0), (2, 3)]
    at_zero = bifur.find_equilibria(s, b=0.0, prove=True)
    assert at_zero.completeness != "proved"


def test_a_factor_without_real_roots_is_left_out():
    """(x - a)^2 + d^2 has none for d != 0; at d = 0 there are more solutions, and the charts do not speak."""
    s = cuts(
        lambda u, p: (((u[0] - p.a) ** 2 + p.d**2) * u[1], u[1] ** 2 * u[0] + u[0] ** 2 - p.a), ("x", "y"), a=4.0, d=1.0
    )
    found = bifur.find_equilibria(s, prove=True)
    assert found.completeness == "proved"
    assert [tuple(e.state) for e in found] == [(-2, 0), (2, 0)]
    assert not exact.guards_hold(s.derived, s.values(d=0.0))


def lines(rng, number):
    return [tuple(int(c) for c in rng.integers(-2, 3, 3)) for _ in range(number)]


def meeting(one, other):
    """Where a x + b y = c and A x + B y = C meet: a rational point, None, or "line" where they are the same."""
    (a, b, c), (A, B, C) = one, other
    d = a * B - b * A
    if d:
        return Fraction(c * B - b * C, d), Fraction(a * C - c * A, d)
    return "line" if a * C == c * A and b * C == c * B else None


def test_what_is_proved_of_crossing_lines_is_true():
    """f and g are products of small integer lines, one of which moves with p: they often share x, y or whole points."""
    rng = np.random.default_rng(4)
    proved = 0
    for _ in range(9):
        first, second = lines(rng, 2), lines(rng, rng.integers(1, 4))
        if any(line[:2] == (0, 0) for line in first + second):
            continue

        def field(u, p, first=first, second=second):
            x, y = u
            factors = [[a * x + b * y - c for a, b, c in group] for group in (first, second)]
            factors[0][0] = factors[0][0] + first[0][2] - p.c
            return tuple(np.prod(np.array(group, object)) for group in factors)

        s = cuts(field, ("x", "y"), c=float(first[0][2]))
        for c in (first[0][2], *rng.integers(-3, 4, 6)):
            moved = [(*first[0][:2], int(c)), first[1]]
            points = {meeting(one, other) for one in moved for other in second} - {None}
            found = bifur.find_equilibria(s, c=float(c), prove=True)
            if found.completeness == "proved":
                proved += 1
                assert "line" not in points
                assert len(found) == len(points), (moved, second)
                for x, y in points:
                    assert min(np.abs(e.state - (float(x), float(y))).max() for e in found) <= 1e-9 * (
                        1 + abs(x) + abs(y)
                    )
    assert proved >= 12


def test_a_chain_of_integrators_is_reduced():
    s = cuts(lambda u, p: (u[1], u[2], u[0] ** 2 - p.a - u[2]), ("x", "y", "z"), a=4.0)
    found = bifur.find_equilibria(s, prove=True)
    assert found.completeness == "proved"
    assert [tuple(e.state) for e in found] == [(-2, 0, 0), (2, 0, 0)]


def test_roots_at_poles_are_left_out():
    """x' = (x^2 - 1) / (x - r): at r = 1 the root x = 1 is cancelled by the pole."""
    s = cuts(lambda u, p: ((u[0] ** 2 - 1) / (u[0] - p.r),), ("x",), r=3.0)
    assert [e.state[0] for e in bifur.find_equilibria(s, prove=True)] == [-1, 1]
    at_the_pole = bifur.find_equilibria(s, r=1.0, prove=True)
    assert [e.state[0] for e in at_the_pole] == [-1]
    assert at_the_pole.completeness == "proved"


def test_a_field_without_zeros_has_no_equilibria():
    s = cuts(lambda u, p: (1 + 0 * u[0] * p.a,), ("x",), a=1.0)
    found = bifur.find_equilibria(s, prove=True)
    assert (len(found), found.completeness) == (0, "proved")


def test_what_would_take_too_long_is_left_to_the_search():
    power = cuts(lambda u, p: ((1 + u[0] + u[1] + p.a) ** 60, u[0] - u[1]), ("x", "y"), a=1.0)
    assert not power.derived.polynomial


def test_two_circles_meet_where_they_meet():
    """No state is linear: a subresultant. x^2 + y^2 = 4 and (x - 1)^2 + y^2 = 4 meet at x = 1/2."""
    s = cuts(
        lambda u, p: (u[0] ** 2 + u[1] ** 2 - p.r, (u[0] - 1) ** 2 + u[1] ** 2 - p.r + (u[1] - u[0]) ** 3 * p.e),
        ("x", "y"), r=4.0, e=0.0,
    )  # fmt: skip
    found = bifur.find_equilibria(s, e=0.0, prove=True)
    assert found.completeness == "proved"
    np.testing.assert_allclose(
        sorted((e.state for e in found), key=lambda u: u[1]), [[0.5, -np.sqrt(3.75)], [0.5, np.sqrt(3.75)]], rtol=1e-14
    )


def random_polynomial(rng, states, parameter):
    """A few small terms, often with a state as a factor and sometimes with a second factor."""

    def some():
        terms = [
            int(rng.integers(-2, 3)) * sp.Mul(*(v ** int(rng.integers(1, 3)) for v in states if rng.random() < 0.35))
            for _ in range(rng.integers(1, 4))
        ]
        return sp.Add(*terms) + int(rng.integers(-1, 2)) * (parameter + states[int(rng.integers(len(states)))])

    result = some() * (states[int(rng.integers(len(states)))] if rng.random() < 0.6 else 1)
    return sp.expand(result * (some() if rng.random() < 0.3 else 1))


def count_by_groebner(equations, states):
    """Distinct real solutions, through a linear form that separates them."""
    t = sp.Symbol("t")
    form = sum(7**k * state for k, state in enumerate(states))
    basis = sp.groebner([*equations, t - form], *states, t, order="lex")
    if basis.exprs == [1]:
        return 0
    assert basis.is_zero_dimensional
    return len(sp.Poly(sp.sqf_part(basis.exprs[-1], t), t).real_roots())


def is_zero_dimensional(equations, states):
    """Whether the complex solutions are isolated, or there are none."""
    basis = sp.groebner(equations, *states, order="grevlex")
    return basis.exprs == [1] or basis.is_zero_dimensional


def test_numbers_on_charts_are_those_of_groebner_bases():
    """Wherever the guards hold, the real roots of the charts are as many as the real solutions."""
    rng = np.random.default_rng(5)
    states, parameter = list(sp.symbols("u0:2", real=True)), sp.Symbol("p0", real=True)
    compared = 0
    for _ in range(60):
        equations = [random_polynomial(rng, states, parameter) for _ in states]
        found = eliminate.eliminate(equations, states, [parameter])
        if found is None:
            continue
        for value in (0, 1, sp.Rational(-4, 7)):
            at = {parameter: value}
            if any(sp.sympify(guard).subs(at) == 0 for guard in found.guards):
                continue
            charts = [sp.Poly([c.subs(at) for c in chart.coefficients[::-1]], found.variable) for chart in found.charts]
            if found.sets:
                assert not is_zero_dimensional([e.subs(at) for e in equations], states), (equations, value)
                continue
            number = sum(len(set(chart.real_roots())) for chart in charts if chart.degree() > 0)
            assert number == count_by_groebner([e.subs(at) for e in equations], states), (equations, value)
            compared += 1
    assert compared >= 50
