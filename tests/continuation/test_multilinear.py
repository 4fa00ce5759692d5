"""Multilinear forms against symbolic derivatives and complex steps."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

import bifur
from bifur.continuation import series
from bifur.continuation.multilinear import Forms
from bifur.systems import expression, ops
from tests.known.families import ALL, named, random_point, system


def derivative(s: bifur.System, u, p, vectors) -> np.ndarray:
    """By sympy: derivatives along each vector in turn, at the exact values of the doubles, to 30 digits."""
    symbols = {name: sp.Symbol(name) for name in (*s.states, *s.parameters)}
    components = s.definition(
        tuple(symbols[name] for name in s.states), type("P", (), {name: symbols[name] for name in s.parameters})
    )
    at = {symbols[name]: sp.Rational(x) for name, x in zip(symbols, np.concatenate([u, p]), strict=True)}
    out = []
    for component in components:
        value = sp.sympify(component)
        for vector in vectors:
            value = sum(
                (sp.Rational(x.real) + sp.I * sp.Rational(x.imag)) * sp.diff(value, symbols[name])
                for name, x in zip(symbols, np.asarray(vector, complex), strict=False)
            )
        out.append(complex(sp.N(value.subs(at), 30)))
    return np.array(out)


def gaussian(rng, size):
    """Few binary digits, so that rational numbers stay short."""
    return np.round(rng.normal(size=size) * 64) / 64


# one for each way to write a field: sympy takes minutes for the fifth derivatives of the longest
KINDS = ("l2", "cosine", "phinet", "byol", "directset", "pp2", "abc", "morris_lecar", "co_oxidation", "lorenz84")


@pytest.mark.parametrize("name", KINDS)
def test_forms_are_derivatives(name):
    s, rng = system(name), np.random.default_rng(3)
    u, p = (np.round(x * 64) / 64 for x in random_point(s, rng))
    n, q = s.dimension, len(s.parameters)
    forms = Forms(s, u, p)
    for order in (1, 2, 3, 4, 5):
        length = n + q if order < 4 else n
        vectors = [gaussian(rng, length) for _ in range(order)]
        if order % 2:  # complex ones too
            vectors[0] = vectors[0] + 1j * gaussian(rng, length)
        expected = derivative(s, u, p, vectors)
        found = forms.form(*vectors)
        assert found.shape == (n,)
        assert np.iscomplexobj(found) == bool(order % 2)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ALL)
def test_symmetry_linearity_and_the_compiled_derivatives(name):
    s, rng = system(name), np.random.default_rng(4)
    u, p = random_point(s, rng)
    n, q = s.dimension, len(s.parameters)
    forms = Forms(s, u, p)
    x, y, z = rng.normal(size=(3, n + q))
    scale = 1 + np.abs(forms.C(abs(x), abs(y), abs(z))).max()
    np.testing.assert_allclose(forms.C(x, y, z), forms.C(z, x, y), atol=1e-12 * scale)
    np.testing.assert_allclose(
        forms.B(x + 2j * y, z), forms.B(x, z) + 2j * forms.B(y, z), atol=1e-12 * (1 + np.abs(forms.B(x, z)).max())
    )
    jacobian = s.derived.evaluate("jacobian", s, u, named(s, p))
    np.testing.assert_allclose(forms.J(x[:n]), jacobian @ x[:n], rtol=1e-12, atol=1e-12 * np.abs(jacobian).max())
    second = np.zeros((n, n + q))
    s.derived.module.second(u, p, x, second)
    np.testing.assert_allclose(forms.B(x, y), second @ y, rtol=1e-11, atol=1e-11 * np.abs(second).max())


@pytest.mark.parametrize("name", ["l2", "pp2", "lorenz84", "cosine"])
def test_many_points_at_once(name):
    s, rng = system(name), np.random.default_rng(5)
    u, p = random_point(s, rng, (7,))
    vectors = [
        rng.normal(size=(s.dimension, 7)),
        rng.normal(size=s.dimension) + 1j,
        rng.normal(size=(s.dimension + len(s.parameters), 7)),
    ]
    together = Forms(s, u, p).C(*vectors)
    assert together.shape == (s.dimension, 7)
    for k in range(7):
        one = Forms(s, u[:, k], p[:, k]).C(vectors[0][:, k], vectors[1], vectors[2][:, k])
        np.testing.assert_allclose(together[:, k], one, rtol=1e-13, atol=1e-13)
    # parameters that all points share, and directions that are many at one point
    shared = Forms(s, u, p[:, 0]).B(vectors[0], vectors[0])
    np.testing.assert_allclose(
        shared[:, 3], Forms(s, u[:, 3], p[:, 0]).B(vectors[0][:, 3], vectors[0][:, 3]), rtol=1e-13, atol=1e-13
    )
    spread = Forms(s, u[:, 0], p[:, 0]).B(vectors[0], vectors[0])
    np.testing.assert_allclose(
        spread[:, 3], Forms(s, u[:, 0], p[:, 0]).B(vectors[0][:, 3], vectors[0][:, 3]), rtol=1e-13, atol=1e-13
    )


@pytest.mark.parametrize("function", expression.FUNCTIONS)
@pytest.mark.parametrize("at", [0.3, 1.7])
def test_taylor_coefficients_of_the_functions(function, at):
    """Up to order 6, against sympy's derivatives; atan(0), sin(0) and the like lose no coefficient."""
    t = sp.Symbol("t")
    name = {"atan": sp.atan}.get(function) or getattr(sp, function)
    algebra = series.truncated(1, 6)
    for point in (at, 0.0) if function not in ("log", "sqrt") else (at,):
        x = series.Series(algebra, np.array([point, 1.0]), 1)
        found = x.apply(function)
        value = name(t)
        expected = [float(sp.N(sp.diff(value, t, j).subs(t, sp.Rational(point)), 30)) for j in range(7)]
        np.testing.assert_allclose(
            found.c * [math.factorial(j) for j in range(7)], expected, rtol=1e-12, atol=1e-12 * max(map(abs, expected))
        )


def test_powers_and_quotients():
    """Real, fractional and variable exponents; x**n by multiplication is right at zero."""
    t, algebra = sp.Symbol("t"), series.truncated(1, 5)
    cases = [
        (lambda x: x**2.5, sp.Rational(13, 10)),
        (lambda x: 1 / (1 + x**3), sp.Rational(0)),
        (lambda x: x**x, sp.Rational(7, 10)),
        (lambda x: 2**x, sp.Rational(1, 5)),
        (lambda x: x ** sp.Integer(-3), sp.Rational(3, 2)),
        (lambda x: (2 - x) ** 5, sp.Rational(2)),
        (lambda x: x**0 + 3 - x, sp.Rational(1)),
    ]
    for function, at in cases:
        s = bifur.System("one", lambda u, p, f=function: (f(u[0]),), states=("x",), parameters={})
        (found,) = series.evaluate(s.expressions, {"x": series.Series(algebra, np.array([float(at), 1.0]), 1)})
        expected = [float(sp.diff(function(t), t, j).subs(t, at) / sp.factorial(j)) for j in range(6)]
        coefficients = np.zeros(6)
        coefficients[: len(found.c)] = found.c
        np.testing.assert_allclose(coefficients, expected, rtol=1e-12, atol=1e-13)


def test_an_exponent_that_is_a_parameter():
    """s^alpha at alpha = 2: the third derivative is zero, not undefined; along alpha too."""
    s = bifur.System("power", lambda u, p: (u[0] ** p.alpha,), states=("s",), parameters={"alpha": 2.0})
    assert Forms(s, [0.0], [2.0]).B([1.0], [1.0]) == pytest.approx(2)
    assert Forms(s, [0.0], [2.0]).C([1.0], [1.0], [1.0]) == 0
    x, alpha = sp.symbols("x alpha")
    expected = sp.diff(x**alpha, x, alpha).subs({x: sp.Rational(3, 2), alpha: sp.Rational(5, 2)})
    assert Forms(s, [1.5], [2.5]).B([1.0, 0.0], [0.0, 1.0]) == pytest.approx(float(expected), rel=1e-13)


def test_two_variables_give_all_mixed_coefficients():
    """exp(x) sin(y) and its Taylor coefficients 1/i! times those of sin."""
    algebra = series.truncated(2, 4)
    x = series.Series(algebra, np.array([0.0, 1.0, 0.0]), 1)
    y = series.Series(algebra, np.array([0.0, 0.0, 1.0]), 1)
    value = x.apply("exp") * y.apply("sin")
    for i, j in algebra.exponents:
        sine = (0, 1, 0, -1)[j % 4] / math.factorial(j)
        assert value.coefficient((i, j)) == pytest.approx(sine / math.factorial(i), abs=1e-16)
    assert (x * x).coefficient((2, 2)) == 0


def test_no_derivative_is_not_finite_and_does_not_warn():
    s = bifur.System("root", lambda u, p: (ops.sqrt(u[0]) + 1 / u[0],), states=("x",), parameters={})
    assert not np.isfinite(Forms(s, [0.0], []).B([1.0], [1.0])).any()


def test_fractions_are_exact_enough():
    s = bifur.System("third", lambda u, p: (Fraction(1, 3) * u[0] ** 2,), states=("x",), parameters={})
    assert Forms(s, [0.2], []).B([1.0], [1.0]) == pytest.approx(2 / 3, rel=1e-15)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda s: Forms(s, [0.1], [0.1, 0.2]), r"`u` must have 2 rows \(p_h, p_g\), not the shape \(1,\)"),
        (lambda s: Forms(s, [0.1, 0.2], [0.1]), r"`p` must have 2 rows \(sigma2, rho\), not the shape \(1,\)"),
        (lambda s: Forms(s, np.ones((2, 3)), np.ones((2, 4))), r"`u` and `p` are at different points"),
        (lambda s: Forms(s, [0.1, 0.2], [0.1, 0.2]).J([1.0]), r"2 rows \(states\) or 4 \(states and parameters\)"),
        (lambda s: Forms(s, [0.1, 0.2], [0.1, 0.2]).form(), r"`vectors`: a form takes 1 to 8"),
    ],
)
def test_wrong_arguments(call, says):
    with pytest.raises(ValueError, match=says):
        call(system("phinet"))
