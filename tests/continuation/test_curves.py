"""Fold curves in two parameters, and the points of codimension 2 on them."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bifur
from bifur.continuation.results import Stop
from tests.known import literature, ssl
from tests.known.families import system
from tests.systems.test_load import refused


def fold(name, which=0, free="rho", span=(1e-4, 1.0), **fixed):
    """A fold of a diagram, in increasing order of the free parameter."""
    diagram = bifur.trace(system(name), fixed, free=free, span=span)
    points = sorted((p for p in diagram.special_points if p.kind == "LP"), key=lambda p: p.parameters[free])
    return points[which]


PLANE = {"sigma2": (0.0, 4.0), "rho": (0.0, 1.0)}


def test_the_fold_curve_of_l2():
    """rho = 1/(4 (1 + sigma2)), p = 1/(2 (1 + sigma2)), from end to end of the plane."""
    curve = bifur.trace_curve(fold("l2", sigma2=0.5), free=("sigma2", "rho"), bounds=PLANE)
    sigma2, rho = curve.parameters.T
    np.testing.assert_allclose(rho, 1 / (4 * (1 + sigma2)), rtol=1e-10)
    np.testing.assert_allclose(curve.state[:, 0], 1 / (2 * (1 + sigma2)), rtol=1e-8)
    assert sorted(sigma2[[0, -1]]) == [0, 4]
    assert curve.stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)
    assert curve.special_points == ()
    assert np.all(curve.residual <= 1e-10)
    np.testing.assert_array_equal(curve.all_parameters, curve.parameters)
    np.testing.assert_allclose(curve.normal_form, -0.5, rtol=1e-6)  # 1 - 3 a p
    assert (curve.kind, curve.free, len(curve)) == ("LP", ("sigma2", "rho"), len(sigma2))


def test_the_fold_curve_of_l2_full_is_the_same():
    curve = bifur.trace_curve(fold("l2-full", sigma2=0.5), free=("sigma2", "rho"), bounds=PLANE)
    np.testing.assert_allclose(curve.parameters[:, 1], 1 / (4 * (1 + curve.parameters[:, 0])), rtol=1e-10)
    np.testing.assert_allclose(curve.state[:, 0], curve.state[:, 1] ** 2, rtol=1e-7)


@pytest.mark.parametrize("norms", ssl.COSINE_FOLDS)
def test_the_fold_of_cosine_is_a_hyperbola(norms):
    """rho (1 + sigma2) is constant along it."""
    N_phi, N_psi, N_cross, sigma2 = norms
    point = fold("cosine", N_phi=N_phi, N_psi=N_psi, N_cross=N_cross, sigma2=sigma2)
    curve = bifur.trace_curve(point, free=("sigma2", "rho"), bounds=PLANE)
    product = curve.parameters[:, 1] * (1 + curve.parameters[:, 0])
    np.testing.assert_allclose(product, ssl.COSINE_FOLDS[norms][0] * (1 + sigma2), rtol=1e-10)
    assert sorted(curve.parameters[[0, -1], 0]) == [0, 4]


@pytest.mark.parametrize(
    ("name", "which"), [("phinet", 0), ("phinet", 1), ("phinet-talk", 0), ("phinet-talk", 1), ("phinet-talk", 2)]
)
@pytest.mark.parametrize("scale", [None, "log"])
def test_fold_curves_of_phinet_lie_on_the_discriminant(name, which, scale):
    bounds = {"sigma2": (0.0, 2.0) if scale is None else (1e-3, 2.0), "rho": (1e-5, 1.0)}
    curve = bifur.trace_curve(
        fold(name, which, sigma2=0.5),
        free=("sigma2", "rho"),
        bounds=bounds,
        settings=bifur.Settings(ds_max=0.05, scale=scale),
    )
    assert sorted(curve.parameters[[0, -1], 0]) == pytest.approx(bounds["sigma2"], rel=1e-12)
    for sigma2, rho in curve.parameters[:: max(1, len(curve) // 8)]:
        exact = ssl.folds(name, (1e-6, 2.0), sigma2=float(sigma2))
        assert np.abs(np.array(exact) / rho - 1).min() <= 1e-10
    table = ssl.PHINET_FOLDS if name == "phinet" else ssl.TALK_FOLDS
    row = table[1.0][which]
    at_one = row[0] if name == "phinet" else row
    i = np.argmin(np.abs(curve.parameters[:, 0] - 1))
    assert curve.parameters[i, 1] == pytest.approx(at_one, rel=0.2)


def test_the_other_planes_of_cosine():
    """Limits of the fold: with n = 0, R = (4/5) (5c)^(-1/4) = rho a N_phi N_psi with c = 2/N_psi^2."""
    point = fold("cosine", sigma2=0.0, N_cross=0.0)
    curve = bifur.trace_curve(point, free=("N_psi", "rho"), bounds={"N_psi": (0.5, 3.0), "rho": (0.0, 2.0)})
    N_psi, rho = curve.parameters.T
    np.testing.assert_allclose(rho * N_psi, 0.8 * (10 / N_psi**2) ** -0.25, rtol=1e-10)


# ---- points of codimension 2 ------------------------------------------------------------------------


def test_the_cusp_normal_form():
    """27 mu^2 = 4 lam^3, with the cusp at the origin."""
    point = fold("cusp", 0, free="mu", span=(-1, 1), lam=1.0)
    curve = bifur.trace_curve(point, free=("mu", "lam"), bounds={"mu": (-0.5, 0.5), "lam": (-1, 1.2)})
    mu, lam = curve.parameters.T
    np.testing.assert_allclose(27 * mu**2, 4 * lam**3, atol=1e-10)
    (cusp,) = curve.special_points
    assert cusp.kind == "CP"
    np.testing.assert_allclose([cusp.parameters["mu"], cusp.parameters["lam"], cusp.state[0]], 0, atol=1e-7)
    assert mu.min() < 0 < mu.max(), "the curve goes on through the cusp"


def test_the_cusp_of_the_talk():
    point = fold("phinet-talk", 1, sigma2=0.0)
    curve = bifur.trace_curve(point, free=("sigma2", "rho"), bounds={"sigma2": (-0.6, 1.0), "rho": (1e-3, 1.0)})
    cusps = [p for p in curve.special_points if p.kind == "CP"]
    assert len(cusps) == 1
    np.testing.assert_allclose([cusps[0].parameters["sigma2"], cusps[0].parameters["rho"]], ssl.TALK_CUSP, rtol=1e-7)


def test_phinet_has_neither_cusp_nor_bogdanov_takens_point():
    for which in (0, 1):
        curve = bifur.trace_curve(fold("phinet", which, sigma2=0.5), free=("sigma2", "rho"), bounds=PLANE)
        assert curve.special_points == ()


def near(points, kind, expected, x, y, rtol):
    found = sorted(((p.parameters[x], p.parameters[y]) for p in points if p.kind == kind), key=lambda at: at[1])
    assert len(found) == len(expected)
    np.testing.assert_allclose(found, sorted(expected, key=lambda at: at[1]), rtol=rtol)


def test_the_points_of_co_oxidation():
    point = fold("co_oxidation", 0, free="q2", span=(0.5, 2.0), k=0.4)
    curve = bifur.trace_curve(point, free=("q2", "k"), bounds={"q2": (0.5, 2.0), "k": (0.0, 2.0)})
    near(curve.special_points, "CP", literature.CO_OXIDATION["CP"], "q2", "k", 1e-7)
    near(curve.special_points, "BT", literature.CO_OXIDATION["BT"], "q2", "k", 1e-7)


def test_the_bogdanov_takens_points_of_lorenz84():
    point = fold("lorenz84", 0, free="F", span=(1.0, 3.0), T=0.04)
    curve = bifur.trace_curve(point, free=("F", "T"), bounds={"F": (0.5, 3.0), "T": (-0.1, 0.1)})
    near(curve.special_points, "BT", literature.LORENZ84["BT"], "F", "T", 1e-7)
    for point in curve.special_points:
        if point.kind == "BT":
            eigenvalues = np.linalg.eigvals(point.system.jacobian(point.state, point.parameters))
            assert np.sort(np.abs(eigenvalues))[1] <= 1e-4


def test_the_bogdanov_takens_normal_form():
    """x' = y, y' = b1 + b2 x + x^2 - x y: folds on 4 b1 = b2^2, BT at the origin (Kuznetsov 2004, section 8.4)."""
    s = bifur.System(
        "takens", lambda u, p: (u[1], p.b1 + p.b2 * u[0] + u[0] ** 2 - u[0] * u[1]), states=("x", "y"),
        parameters={"b1": 0.0, "b2": 0.5},
    )  # fmt: skip
    diagram = bifur.trace(s, free="b1", span=(-1, 1), b2=0.5)
    (point,) = (p for p in diagram.special_points if p.kind == "LP")
    assert point.parameters["b1"] == pytest.approx(1 / 16, rel=1e-12)
    curve = bifur.trace_curve(point, free=("b1", "b2"), bounds={"b1": (-1, 1), "b2": (-1, 1)})
    np.testing.assert_allclose(4 * curve.parameters[:, 0], curve.parameters[:, 1] ** 2, atol=1e-11)
    (takens,) = curve.special_points
    assert takens.kind == "BT"
    np.testing.assert_allclose([takens.parameters["b1"], takens.parameters["b2"], *takens.state], 0, atol=1e-7)


def test_a_curve_that_closes():
    """x^2 + lam^2 + mu^2 = 1 folds in x at lam = ... along the circle lam^2 + mu^2 = 1."""
    s = bifur.System(
        "sphere", lambda u, p: (u[0] ** 2 + p.lam**2 + p.mu**2 - 1,), states=("x",), parameters={"lam": 0, "mu": 0}
    )
    diagram = bifur.trace(s, free="lam", span=(-2, 2))
    point = next(p for p in diagram.special_points if p.kind == "LP")
    curve = bifur.trace_curve(point, free=("lam", "mu"), bounds={"lam": (-2, 2), "mu": (-2, 2)})
    assert curve.stop_reason == (Stop.CLOSED, Stop.CLOSED)
    np.testing.assert_allclose((curve.parameters**2).sum(axis=1), 1, rtol=1e-10)
    angle = np.unwrap(np.arctan2(*curve.parameters.T))
    assert abs(abs(angle[-1] - angle[0]) - 2 * np.pi) < 0.2, "once around"


def test_steps_change_nothing():
    point = fold("phinet", 0, sigma2=0.5)
    for ds_max in (0.005, 0.1):
        curve = bifur.trace_curve(
            point,
            free=("sigma2", "rho"),
            bounds={"sigma2": (0, 2), "rho": (1e-6, 1)},
            settings=bifur.Settings(ds=0.005, ds_max=ds_max),
        )
        ends = curve.parameters[np.argsort(curve.parameters[:, 0])[[0, -1]]]
        np.testing.assert_allclose(ends[:, 0], [0, 2], atol=1e-12)
        assert ends[0, 1] == pytest.approx(ssl.PHINET_FOLDS[0.0][0][0], rel=1e-9)


def test_bad_input_gets_one_sentence():
    point = fold("l2", sigma2=0.5)
    trace = bifur.trace_curve
    both = ("sigma2", "rho")
    refused(
        lambda: trace(point, free=("sigma2", "roh"), bounds=PLANE),
        "`free`",
        "unknown parameter 'roh'",
        "did you mean rho?",
    )
    refused(lambda: trace(point, free=("rho", "rho"), bounds=PLANE), "`free`", "two different")
    refused(lambda: trace(point, free=("rho",), bounds=PLANE), "`free`", "two different")
    refused(lambda: trace(point, free=both, bounds={"rho": (0, 1)}), "`bounds`", "sigma2")
    refused(lambda: trace(point, free=both, bounds={**PLANE, "rho": (0.5, 1)}), "`point`", "outside `bounds`")
    refused(lambda: trace(point, free=both, bounds={**PLANE, "rho": (1, 0)}), "`bounds` of rho", "low < high")
    refused(lambda: trace(point, free=both, bounds={**PLANE, "rho": (0, math.inf)}), "`bounds` of rho", "finite")
    refused(lambda: trace(point, free=both, bounds={**PLANE, "rho": 1}), "`bounds` of rho")
    refused(lambda: trace(point, free=both, bounds={**PLANE, "q": (0, 1)}), "`bounds`", "unknown name 'q'")
    hopf = next(p for p in bifur.trace(system("lorenz"), free="r", span=(2, 30)).special_points if p.kind == "HB")
    refused(lambda: trace(hopf, free=("r", "b"), bounds={"r": (2, 30), "b": (1, 4)}), "`point` is a HB")
    from dataclasses import replace

    moved = replace(point, state=point.state + 5.0, null_vector=None)
    refused(lambda: trace(moved, free=both, bounds=PLANE), "`point` is no fold")
