"""Published points that are printed with few digits: recomputed from scalar reductions typed by hand, then compared."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import brentq

import bifur
from tests.continuation.test_diagram import check_points, values
from tests.known import literature
from tests.known.families import system


def roots(function, low, high, number=20001):
    """All sign changes of a smooth function on a fine grid."""
    grid = np.linspace(low, high, number)
    f = function(grid)
    return [brentq(function, grid[i], grid[i + 1], xtol=1e-15, rtol=1e-14) for i in np.flatnonzero(f[:-1] * f[1:] < 0)]


def morris_lecar(v, p):
    """Along the equilibria w = w_inf(V): I, dI/dV and the trace, all in closed form."""
    m, n = np.tanh((v - p["v1"]) / p["v2"]), np.tanh((v - p["v3"]) / p["v4"])
    dm, dn = (1 - m**2) / (2 * p["v2"]), (1 - n**2) / (2 * p["v4"])
    m, n = (1 + m) / 2, (1 + n) / 2
    current = p["g_l"] * (v - p["v_l"]) + p["g_k"] * n * (v - p["v_k"]) + p["g_ca"] * m * (v - p["v_ca"])
    at_fixed_w = p["g_l"] + p["g_k"] * n + p["g_ca"] * (m + dm * (v - p["v_ca"]))
    slope = at_fixed_w + p["g_k"] * dn * (v - p["v_k"])
    trace = -at_fixed_w / p["C"] - p["phi"] * np.cosh((v - p["v3"]) / (2 * p["v4"]))
    return current, slope, trace


def special(p, low, high):
    """I at the folds (dI/dV = 0), Hopf points and neutral saddles (trace 0; the determinant has the sign of dI/dV)."""
    folds = roots(lambda v: morris_lecar(v, p)[1], low, high)
    neutral = roots(lambda v: morris_lecar(v, p)[2], low, high)
    kinds = {"LP": folds, "HB": [], "NS": []}
    for v in neutral:
        kinds["HB" if morris_lecar(v, p)[1] > 0 else "NS"].append(v)
    return {kind: sorted(morris_lecar(v, p)[0] for v in found) for kind, found in kinds.items()}


@pytest.mark.parametrize("changed", [{}, {"v3": 12.0, "v4": 17.4, "phi": 1 / 15, "g_ca": 4.0}, {"v3": 20.0}])
def test_morris_lecar(changed):
    """Onset by a Hopf point; by a saddle-node on a cycle; and a third set."""
    s = system("morris_lecar")
    p = {**s.parameters, **changed}
    expected = special(p, -80.0, 60.0)
    diagram = bifur.trace(s, changed, free="I", span=(-60.0, 300.0), bounds={"V": (-80, 60)})
    for kind, numbers in expected.items():
        inside = [x for x in numbers if -60 < x < 300]
        np.testing.assert_allclose(values(diagram, kind), inside, rtol=1e-9)
    if not changed:
        np.testing.assert_allclose(values(diagram, "HB"), literature.MORRIS_LECAR_HOPF, atol=0.005)
    check_points(diagram)


def test_the_fast_morris_lecar_equations_of_matcont():
    """To the digits printed, and to 1e-9 of the closed forms: y stands for I, other constants in MatCont's scaling."""
    p = {
        "v1": -0.01, "v2": 0.15, "v3": 0.1, "v4": 0.145, "g_l": 0.5, "v_l": -0.5, "g_k": 2.0, "v_k": -0.7, "g_ca": 1.0,
        "v_ca": 1.0, "C": 1.0, "phi": 1.15,
    }  # fmt: skip
    expected = special(p, -0.6, 0.5)
    diagram = bifur.trace(system("ml_fast"), free="y", span=(-0.05, 0.11))
    assert diagram.completeness == "probable"
    for kind, printed in literature.ML_FAST.items():
        points = sorted((q for q in diagram.special_points if q.kind == kind), key=lambda q: q.parameters["y"])
        assert len(points) == len(printed)
        np.testing.assert_allclose([(*q.state, q.parameters["y"]) for q in points], printed, atol=1.1e-6)
        inside = [x for x in expected[kind] if -0.05 < x < 0.11]
        np.testing.assert_allclose([q.parameters["y"] for q in points], inside, rtol=1e-9)


def bazykin(x, delta, epsilon=0.01, gamma=1.0):
    """alpha, y, trace and determinant along the equilibria with predators, by prey x.

    With m = 1 + alpha x: y = (1 - epsilon x) m, and delta (1 - epsilon x) m^2 + gamma m - x = 0.
    """
    free = 1 - epsilon * x
    m = (-gamma + np.sqrt(gamma**2 + 4 * delta * free * x)) / (2 * delta * free)
    y = free * m
    J = [[1 - y / m**2 - 2 * epsilon * x, -x / m], [y / m**2, -gamma + x / m - 2 * delta * y]]
    return (m - 1) / x, y, J[0][0] + J[1][1], J[0][0] * J[1][1] - J[0][1] * J[1][0]


@pytest.mark.parametrize("delta", [0.1, 0.15])
def test_bazykin(delta):
    """Folds where the determinant vanishes, Hopf points where the trace does and the determinant is positive."""
    folds = roots(lambda x: bazykin(x, delta)[3], 0.5, 99.0)
    traces = roots(lambda x: bazykin(x, delta)[2], 0.5, 99.0)
    hopf = [x for x in traces if bazykin(x, delta)[3] > 0]
    diagram = bifur.trace(system("bazykin"), free="alpha", span=(0.05, 0.9), delta=delta)
    np.testing.assert_allclose(values(diagram, "LP"), sorted(bazykin(x, delta)[0] for x in folds), rtol=1e-9)
    np.testing.assert_allclose(values(diagram, "HB"), sorted(bazykin(x, delta)[0] for x in hopf), rtol=1e-9)
    assert len(folds) == 2
    check_points(diagram)


@pytest.mark.parametrize(("x", "y", "alpha", "delta"), literature.BAZYKIN_TAKENS + literature.BAZYKIN_CUSPS)
def test_codimension_two_points_of_bazykin(x, y, alpha, delta):
    """The published digits solve f = 0 and det J = 0; the trace vanishes (BT), or two folds meet (CP)."""
    s = system("bazykin")
    at = {"alpha": alpha, "delta": delta}
    np.testing.assert_allclose(bazykin(x, delta)[:2], (alpha, y), rtol=2e-5)
    J = s.jacobian((x, y), at)
    size = np.abs(J).max() ** 2
    assert abs(np.linalg.det(J)) <= 2e-4 * size
    takens = (x, y, alpha, delta) in literature.BAZYKIN_TAKENS
    assert (abs(np.trace(J)) <= 1e-4 * np.abs(J).max()) == takens
    # nearby in delta the two folds that meet at a cusp are there on one side only
    near = [roots(lambda v, d=delta * (1 + side * 1e-3): bazykin(v, d)[3], 0.9 * x, 1.1 * x) for side in (-1, 1)]
    assert sorted(map(len, near)) == ([1, 1] if takens else [0, 2])


def test_the_pitchfork_of_chua():
    """At c1 = 0 two states x = ±sqrt(-c1 / c0) leave the origin."""
    diagram = bifur.trace(system("chua"), free="c1", span=(-0.5, 0.07))
    points = [point for point in diagram.special_points if point.kind == "BP"]
    assert points
    for point in points:
        assert point.parameters["c1"] == pytest.approx(0, abs=1e-12)
        np.testing.assert_allclose(point.state, 0, atol=1e-10)
    for branch in diagram.branches:
        x, c1 = branch.state[:, 0], branch.parameter
        np.testing.assert_allclose(x * (x**2 / 16 + c1), 0, atol=1e-12)
    assert diagram.completeness == "proved"
