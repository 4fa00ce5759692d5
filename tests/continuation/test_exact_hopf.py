"""Hopf points and neutral saddles by algebra: Routh-Hurwitz by hand, numpy's eigenvalues, published points."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

import bifur
from bifur.continuation import exact_hopf, resultants
from bifur.continuation.exact_hopf import characteristic, hopf_candidates, hurwitz_determinant
from tests.known.families import system

ANY = (-np.inf, np.inf)


def candidates(s, free, span, bounds=None, **fixed):
    """All of them, each checked by numpy: two eigenvalues of J add up to zero, and their product is omega2."""
    p = s.values(fixed)
    index = list(s.parameters).index(free)
    pairs = np.array([(bounds or {}).get(state, ANY) for state in s.states])
    found, reason = hopf_candidates(s.derived, p, index, span, pairs[:, 0], pairs[:, 1])
    assert found is not None, reason
    for c in found:
        assert span[0] < c.value < span[1]
        here = {**dict(zip(s.parameters, p, strict=True)), free: c.value}
        J = s.jacobian(c.state, here)
        size = np.abs(J).max()
        eigenvalues = np.linalg.eigvals(J)
        if c.kind != "corank":
            sums = {abs(a + b): (a * b).real for a, b in combinations(eigenvalues, 2)}
            assert min(sums) <= 1e-9 * size
            assert sums[min(sums)] == pytest.approx(c.omega2, rel=1e-6)
            assert (c.kind == "HB") == (c.omega2 > 0)
        assert np.abs(s.field(c.state, here)).max() <= 1e-12 * max(1, size)
    return found


def values(found, kind):
    return sorted(c.value for c in found if c.kind == kind)


# ---- the determinant ----------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_orlandos_formula(n):
    """(-1)^(n (n-1) / 2) times the product of all sums of two roots."""
    rng = np.random.default_rng(n)
    for _ in range(10):
        J = rng.normal(size=(n, n))
        c = [float(x) for x in np.poly(J)]
        product = np.prod([a + b for a, b in combinations(np.linalg.eigvals(J), 2)])
        sign = (-1) ** (n * (n - 1) // 2)
        assert hurwitz_determinant(c) == pytest.approx(sign * product.real, rel=1e-9)


def test_the_determinant_as_routh_and_hurwitz_write_it():
    c1, c2, c3, c4 = 3.0, 5.0, 7.0, 11.0
    assert hurwitz_determinant([1, c1, c2]) == c1
    assert hurwitz_determinant([1, c1, c2, c3]) == c1 * c2 - c3
    assert hurwitz_determinant([1, c1, c2, c3, c4]) == c3 * (c1 * c2 - c3) - c1**2 * c4


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_the_characteristic_polynomial_in_exact_numbers(n):
    import flint

    J = np.random.default_rng(n).integers(-9, 9, (n, n))
    exact = characteristic([[flint.fmpq(int(x)) for x in row] for row in J], flint.fmpq(0), flint.fmpq(1))
    np.testing.assert_allclose([float(c.p) / float(c.q) for c in exact], np.poly(J.astype(float)), atol=1e-8)


def test_a_numerator_typed_by_hand():
    """Lorenz: c1 c2 - c3 of the Jacobian as it stands in the textbooks, up to one factor for all x and r."""
    s = system("lorenz")
    free = list(s.parameters).index("r")
    sigma, b = (value for name, value in s.parameters.items() if name != "r")
    ring = resultants.Ring(s.derived, free, s.values())
    for index in range(len(s.derived.charts)):
        chart, top = ring.joined(ring.chart(index)), exact_hopf.hurwitz_numerator(ring, index)
        ratios = []
        for r in (2.0, 7.5, 30.0):
            q, h = (
                [float(c.p) / float(c.q) for c in resultants.univariate(f.subs({"l": resultants.rational(r)}), 0)]
                for f in (chart, top)
            )
            for x in np.roots(q[::-1]):
                c = np.poly(np.array([[-sigma, sigma, 0], [r - x * x / b, -1, -x], [x, x, -b]]))
                ratios.append(np.polyval(h[::-1], x) / (c[1] * c[2] - c[3]))
        assert len(ratios) >= 3
        np.testing.assert_allclose(ratios, ratios[0], rtol=1e-9)


# ---- published points ---------------------------------------------------------------------------


def test_co_oxidation():
    found = candidates(system("co_oxidation"), "q2", (0.5, 2.0), {k: (0, 1) for k in "xys"}, k=0.4)
    np.testing.assert_allclose(values(found, "HB"), [1.04099156953, 1.05155746246], rtol=1e-11)
    assert len(found) == 2
    assert all(c.multiplicity == 1 for c in found)


def test_lorenz84():
    """Three on the published branch, one more on the other one (U > 0)."""
    found = candidates(system("lorenz84"), "F", (1.0, 3.0), T=0.04)
    below = [c.value for c in found if c.kind == "HB" and c.state[3] < 0]
    np.testing.assert_allclose(below, [1.61965782094, 2.46722212311, 2.85987541275], rtol=1e-11)
    assert len(values(found, "HB")) == 4


def test_lorenz():
    found = candidates(system("lorenz"), "r", (0.0, 30.0))
    assert values(found, "HB") == [470 / 19, 470 / 19]
    assert sorted(c.state[0] for c in found if c.kind == "HB")[0] < 0, "one on either side"
    assert {c.multiplicity for c in found if c.kind == "HB"} == {2}


def test_adaptx():
    found = candidates(system("adaptx"), "alpha", (0.5, 2.0), beta=1.0)
    assert values(found, "HB") == [1.0]


@pytest.mark.parametrize("name", ["phinet", "phinet-talk", "l2-full"])
@pytest.mark.parametrize("sigma2", [0.0, 0.5, 1.3])
def test_systems_without_hopf_points(name, sigma2):
    """The trace of `phinet` and `phinet-talk` is negative at every equilibrium with p_h != 0."""
    assert values(candidates(bifur.get_system(name), "rho", (1e-6, 1.0), sigma2=sigma2), "HB") == []


@pytest.mark.parametrize(
    ("name", "free", "span", "fixed"),
    [
        ("phinet-full", "rho", (1e-4, 1.0), {"sigma2": 0.5}),
        ("cosine-full", "rho", (1e-4, 1.0), {}),
        ("cosine-full", "N_psi", (0.3, 3.0), {"rho": 0.05}),
        ("enz", "s0", (10.0, 40.0), {}),
        ("lorenz84", "F", (1.0, 3.0), {"T": -0.03}),
        ("co_oxidation", "q2", (0.8, 1.6), {"k": 0.7}),
    ],
)
def test_the_points_on_the_branches_are_those_of_algebra(name, free, span, fixed):
    s = system(name)
    diagram = bifur.trace(s, fixed, free=free, span=span)
    found = candidates(s, free, span, s.bounds, **fixed)
    for kind in ("HB", "NS"):
        on_branches = sorted(p.parameters[free] for p in diagram.special_points if p.kind == kind)
        np.testing.assert_allclose(on_branches, values(found, kind), rtol=1e-8)


# ---- what is special ----------------------------------------------------------------------------


def planar(field, **parameters):
    return bifur.System("planar", field, states=("x", "y"), parameters=parameters)


def test_a_sum_that_only_touches_zero_has_multiplicity_two():
    """A damping (lam - 1/4)^2 that vanishes without changing its sign: no eigenvalue crosses the axis."""
    s = planar(lambda u, p: (2 * u[1], -2 * u[0] + (p.lam - 0.25) ** 2 * u[1] + u[1] ** 3), lam=0.0)
    (only,) = candidates(s, "lam", (-1.0, 1.0))
    assert (only.value, only.kind, only.multiplicity) == (0.25, "HB", 2)
    assert only.omega2 == pytest.approx(4)


def test_a_bogdanov_takens_point_is_told_as_corank():
    """x' = y, y' = b1 + b2 y + x^2 + x y (Kuznetsov 2004, theorem 8.4): at b1 = 0 for b2 = 0, on the fold."""
    s = planar(lambda u, p: (u[1], p.b1 + p.b2 * u[1] + u[0] ** 2 + u[0] * u[1]), b1=0.0, b2=0.0)
    (point,) = candidates(s, "b1", (-1.0, 1.0))
    assert (point.value, point.kind) == (0.0, "corank")
    # the Hopf curve b1 = -b2^2, b2 < 0 (x = -b2 > 0 would be the saddle: x = b2 there), and its neutral saddles
    for b2, kind in ((-0.5, "NS"), (0.5, "HB")):
        (point,) = candidates(s, "b1", (-1.0, 1.0), b2=b2)
        assert (point.value, point.kind) == (-(b2**2), kind)
        np.testing.assert_allclose(point.state, [-b2, 0], atol=1e-15)


def test_a_determinant_that_vanishes_everywhere_is_said():
    s = planar(lambda u, p: (u[1], p.lam - u[0] + u[0] ** 2), lam=0.0)
    found, reason = hopf_candidates(s.derived, s.values(), 0, (-1.0, 1.0), np.full(2, -np.inf), np.full(2, np.inf))
    assert found is None
    assert "vanishes along a whole branch" in reason


def test_a_budget_that_is_exceeded_is_said(monkeypatch):
    monkeypatch.setattr(exact_hopf, "MOST_WORK", 10)
    monkeypatch.setattr(resultants, "MOST_TERMS", 0)
    s = planar(lambda u, p: (u[1] + p.mu * u[0] ** 3, p.lam**2 - u[0] + u[1] ** 2), lam=0.0, mu=1.0)
    found, reason = hopf_candidates(s.derived, s.values(), 0, (-1.0, 1.0), np.full(2, -np.inf), np.full(2, np.inf))
    assert found is None
    assert "too large" in reason


@pytest.mark.parametrize(("name", "free", "span"), [("lorenz84", "F", (1.0, 3.0)), ("enz", "s0", (10.0, 40.0))])
def test_a_parameter_that_enters_linearly_is_solved_for_with_the_same_result(name, free, span, monkeypatch):
    """Without the resultant, and with it."""
    monkeypatch.setattr(resultants, "MOST_TERMS", 0)
    resultants._kept.clear()
    solved = candidates(system(name), free, span)
    monkeypatch.setattr(exact_hopf, "_in_x_alone", lambda *_: None)
    by_resultant = candidates(system(name), free, span)
    resultants._kept.clear()
    assert len(solved) >= 4
    assert [(c.value, c.kind, c.multiplicity) for c in solved] == [
        (c.value, c.kind, c.multiplicity) for c in by_resultant
    ]


def test_what_would_take_seconds_is_refused():
    """x-phinet at a generic sigma2: a resultant of degrees 10 and 58 with coefficients of thousands of bits."""
    s = bifur.get_system("x-phinet")
    p = s.values(sigma2=2.4350783010288213)
    found, reason = hopf_candidates(s.derived, p, 1, (0.001, 1.0), np.full(4, -np.inf), np.full(4, np.inf))
    assert found is None
    assert "too large to form" in reason


def test_no_polynomial_no_answer_and_one_state_no_hopf_point():
    for name, expected in (("pp2", None), ("l2", [])):
        s = system(name)
        box = np.full(s.dimension, -np.inf), np.full(s.dimension, np.inf)
        found, reason = hopf_candidates(s.derived, s.values(), 0, (0.1, 1.0), *box)
        assert found == expected
        assert bool(reason) == (expected is None)


def test_resultants_kept_in_all_parameters_say_the_same_as_those_at_numbers(monkeypatch):
    s = system("cosine-full")
    rng = np.random.default_rng(5)
    draws = [dict(zip(s.parameters, rng.uniform(0.1, 1.0, 6), strict=True)) for _ in range(6)]
    draws = [{**draw, "N_cross": -draw["N_cross"]} for draw in draws]
    kept = [candidates(s, "p6", (-1.0, 1.0), **draw) for draw in draws]
    monkeypatch.setattr(resultants, "MOST_TERMS", 0)
    resultants._kept.clear()
    formed = [candidates(s, "p6", (-1.0, 1.0), **draw) for draw in draws]
    resultants._kept.clear()
    assert sum(map(len, kept)) > 0
    for a, b in zip(kept, formed, strict=True):
        assert [(c.value, c.kind, c.multiplicity) for c in a] == [(c.value, c.kind, c.multiplicity) for c in b]
