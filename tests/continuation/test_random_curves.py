"""Curves of random systems: every point of codimension 2 that exact algebra has, whatever the steps."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np
import pytest

import bifur
from tests.continuation.test_curves import check_points

DEGREE = 7
STEPS = (bifur.Settings(ds=0.002, ds_max=0.01), bifur.Settings(ds_max=0.02), bifur.Settings(ds_max=0.1))
COEFFICIENTS = {f"c{k}": 0.0 for k in range(2, DEGREE + 1)}


def derivative(c, x, order):
    return np.polynomial.Polynomial(c).deriv(order)(x) if order else np.polynomial.Polynomial(c)(x)


def real_roots(c, order, bound):
    """Real roots of a derivative inside (-bound, bound); None where they are near to each other or to the bound."""
    roots = np.polynomial.Polynomial(c).deriv(order).roots()
    real = np.sort(roots[np.abs(roots.imag) < 1e-9].real)
    nearly = (np.abs(roots.imag) < 1e-3) & (np.abs(roots.imag) >= 1e-9)
    if nearly.any() or np.any(np.diff(real) < 1e-3) or np.any(np.abs(np.abs(real) - bound) < 1e-3):
        return None
    return real[np.abs(real) < bound]


def draws(number, order, bound):
    """Random coefficients c_0 = c_1 = 0, c_2, ..., c_7 with at least one root of that derivative."""
    rng = np.random.default_rng(7)
    found = []
    while len(found) < number:
        c = np.concatenate([[0, 0], rng.normal(size=DEGREE - 1)])
        roots = real_roots(c, order, bound)
        if roots is not None and len(roots):
            found.append((c, roots))
    return found


def named(c):
    return {f"c{k}": float(c[k]) for k in range(2, DEGREE + 1)}


def series(p, x):
    total = 0
    for k in range(2, DEGREE + 1):
        total = total + getattr(p, f"c{k}") * x**k
    return total


def test_all_cusps_of_random_polynomials():
    """s1 + s2 x + g(x) folds at s2 = -g'(x), s1 = x g'(x) - g(x): one curve over x, with cusps at the roots of g''."""
    bound = 1.2
    s = bifur.System(
        "folds", lambda u, p: (p.s1 + p.s2 * u[0] + series(p, u[0]),), states=("x",),
        parameters={"s1": 0.0, "s2": 0.0, **COEFFICIENTS},
    )  # fmt: skip
    for c, roots in draws(25, 2, bound):
        x = np.linspace(-bound, bound, 2001)
        s1, s2 = x * derivative(c, x, 1) - derivative(c, x, 0), -derivative(c, x, 1)
        wide = 1.5 * max(np.abs(s1).max(), np.abs(s2).max())
        at = {"s1": float(s1[80]), "s2": float(s2[80]), **named(c)}
        point = bifur.SpecialPoint("LP", at, np.array([x[80]]), 0.0, {}, s)
        box = {"s1": (-wide, wide), "s2": (-wide, wide), "x": (-bound, bound)}
        for settings in STEPS:
            curve = bifur.trace_curve(point, free=("s1", "s2"), bounds=box, settings=settings)
            assert sorted(curve.state[[0, -1], 0]) == pytest.approx([-bound, bound])
            assert [p.kind for p in curve.special_points] == ["CP"] * len(roots)
            np.testing.assert_allclose(sorted(p.state[0] for p in curve.special_points), roots, atol=1e-9)


def test_all_generalised_hopf_points_of_random_lienard_systems():
    """x' = y - F(x) + s2 x, y' = s1 - x: HB at x = s1, s2 = F'(s1), omega = 1.

    Guckenheimer & Holmes 1983, eq. 3.4.11: r' = a r^3 with a = -F'''/16. Here r^2 = 2 |w|^2, as u = 2 Re(w q) with
    |q| = 1, so that l1 = 2 a.
    """
    bound = 1.2
    s = bifur.System(
        "lienard", lambda u, p: (u[1] - series(p, u[0]) + p.s2 * u[0], p.s1 - u[0]), states=("x", "y"),
        parameters={"s1": 0.0, "s2": 0.0, **COEFFICIENTS},
    )  # fmt: skip
    for c, roots in draws(12, 3, bound):
        x = -1.1
        slope = float(derivative(c, x, 1))
        at = {"s1": x, "s2": slope, **named(c)}
        point = bifur.SpecialPoint("HB", at, np.array([x, derivative(c, x, 0) - slope * x]), 0.0, {}, s)
        wide = 1.5 * np.abs(derivative(c, np.linspace(-bound, bound, 2001), 1)).max()
        box = {"s1": (-bound, bound), "s2": (-wide, wide)}
        for settings in STEPS:
            curve = bifur.trace_curve(point, free=("s1", "s2"), bounds=box, settings=settings)
            third = derivative(c, curve.parameters[:, 0], 3)
            np.testing.assert_allclose(curve.omega, 1, rtol=1e-9)
            np.testing.assert_allclose(curve.normal_form, -third / 8, rtol=1e-6, atol=1e-9 * np.abs(third).max())
            assert [p.kind for p in curve.special_points] == ["GH"] * len(roots)
            np.testing.assert_allclose(sorted(p.parameters["s1"] for p in curve.special_points), roots, atol=1e-9)


def random_quadratic(n):
    """Three states: u_i' = all monomials up to degree 2 with random coefficients, less the cube of u_i."""
    monomials = [(), *((i,) for i in range(n)), *combinations_with_replacement(range(n), 2)]
    names = [f"c{i}_{k}" for i in range(n) for k in range(len(monomials))]

    def field(u, p):
        rows = []
        for i in range(n):
            total = -(u[i] ** 3)
            for k, monomial in enumerate(monomials):
                term = getattr(p, f"c{i}_{k}")
                for j in monomial:
                    term = term * u[j]
                total = total + term
            rows.append(total)
        return tuple(rows)

    return bifur.System("random", field, states=[f"x{i}" for i in range(n)], parameters=dict.fromkeys(names, 0.0))


def signature(curve):
    places = [(p.kind, *(round(p.parameters[name], 7) + 0.0 for name in curve.free)) for p in curve.special_points]
    return sorted(places)


def test_steps_change_no_point_of_codimension_2():
    """In three states: the same points with steps from 0.002 to 0.1, on fold and Hopf curves alike."""
    s = random_quadratic(3)
    rng = np.random.default_rng(3)
    box = {"c0_0": (-1.5, 1.5), "c1_0": (-3.0, 3.0), **{name: (-20, 20) for name in s.states}}
    kinds, curves = set(), 0
    for _ in range(12):
        p = {name: float(v) for name, v in zip(s.parameters, 0.7 * rng.normal(size=len(s.parameters)), strict=True)}
        start = rng.uniform(-2, 2, 3)
        diagram = bifur.trace(s, p | {"c0_0": 0.0}, free="c0_0", span=(-1.4, 1.4), start=start)
        takens = []
        for point in (q for q in diagram.special_points if q.kind in ("LP", "HB")):
            found = [bifur.trace_curve(point, free=("c0_0", "c1_0"), bounds=box, settings=one) for one in STEPS]
            assert signature(found[0]) == signature(found[1]) == signature(found[2])
            assert all(curve.stats["unlocated"] == 0 for curve in found)
            check_points(found[1])
            kinds |= {q.kind for q in found[1].special_points}
            curves += 1
            takens += [q for q in found[1].special_points if q.kind == "BT" and q.curve == "HB"]
        for one in takens:  # every end of a Hopf curve is known to the fold curve through it
            folds = bifur.trace_curve(one, free=("c0_0", "c1_0"), bounds=box, kind="LP")
            assert any(np.abs(one.state - q.state).max() < 1e-7 for q in folds.special_points if q.kind == "BT")
    assert kinds >= {"CP", "BT", "GH", "ZH"}
    assert curves >= 15
