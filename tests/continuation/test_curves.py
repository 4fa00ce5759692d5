"""Fold curves in two parameters, and the points of codimension 2 on them."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import bifur
from bifur.continuation.results import Stop
from bifur.systems import ops
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


def near(points, expected, x, y):
    """The points of every kind are those published, to their digits."""
    for kind, pairs in expected.items():
        found = sorted(((p.parameters[x], p.parameters[y]) for p in points if p.kind == kind), key=lambda at: at[1])
        assert len(found) == len(pairs), kind
        np.testing.assert_allclose(found, sorted(pairs, key=lambda at: at[1]), rtol=1e-11, atol=5e-12)


def check_points(curve):
    """By numpy: what makes a point of codimension 2, from the Jacobian alone."""
    for point in curve.special_points:
        s = point.system
        J = s.jacobian(point.state, point.parameters)
        values = np.linalg.eigvals(J)
        assert point.curve == curve.kind
        assert point.residual <= 1e-11
        assert np.abs(s.field(point.state, point.parameters)).max() <= 1e-13 * max(1, np.abs(J).max())
        order = np.sort(np.abs(values))
        if point.kind in ("CP", "ZH", "BP", "BT"):
            np.testing.assert_allclose(J @ point.null_vector, 0, atol=1e-10)
        if point.kind == "BT":  # a double eigenvalue splits by the square root of the error
            assert order[1] <= 1e-6
        if point.kind in ("GH", "ZH", "HH"):
            pairs = np.sort(np.abs(values[values.imag > 0].real))
            assert pairs[1 if point.kind == "HH" else 0] <= 1e-10
        if point.kind in ("CP", "ZH"):
            assert order[0] <= 1e-10


CO_PLANE = {"q2": (0.5, 2.0), "k": (0.0, 2.0)}
LORENZ84_PLANE = {"F": (0.5, 3.0), "T": (-0.1, 0.1)}


@pytest.mark.parametrize("ds_max", [0.005, 0.02, 0.1])
def test_the_points_of_co_oxidation(ds_max):
    point = fold("co_oxidation", 0, free="q2", span=(0.5, 2.0), k=0.4)
    curve = bifur.trace_curve(
        point, free=("q2", "k"), bounds=CO_PLANE, settings=bifur.Settings(ds=ds_max / 2, ds_max=ds_max)
    )
    near(curve.special_points, {k: literature.CO_OXIDATION[k] for k in ("BT", "CP")} | {"ZH": []}, "q2", "k")
    assert len(curve.special_points) == 3
    check_points(curve)
    assert curve.stats["unlocated"] == 0


@pytest.mark.parametrize("ds_max", [0.01, 0.1])
def test_the_points_of_lorenz84(ds_max):
    point = fold("lorenz84", 0, free="F", span=(1.0, 3.0), T=0.04)
    curve = bifur.trace_curve(
        point, free=("F", "T"), bounds=LORENZ84_PLANE, settings=bifur.Settings(ds=0.01, ds_max=ds_max)
    )
    near(curve.special_points, {k: literature.LORENZ84[k] for k in ("BT", "ZH")}, "F", "T")
    # T -> -T with U -> -U is a symmetry: the two sheets meet in a cusp on T = 0
    (cusp,) = (p for p in curve.special_points if p.kind == "CP")
    assert abs(cusp.parameters["T"]) <= 1e-12
    check_points(curve)
    zero = np.abs(curve.eigenvalues).min(axis=1)
    assert np.all(zero <= 1e-9)


@pytest.mark.parametrize("kind", ["CP", "BT", "ZH"])
def test_from_a_point_of_codimension_2_the_same_fold_curve(kind):
    point = fold("lorenz84", 0, free="F", span=(1.0, 3.0), T=0.04)
    curve = bifur.trace_curve(point, free=("F", "T"), bounds=LORENZ84_PLANE)
    start = next(p for p in curve.special_points if p.kind == kind)
    again = bifur.trace_curve(start, free=("F", "T"), bounds=LORENZ84_PLANE, kind="LP")
    assert again.kind == "LP"
    assert [p.kind for p in again.special_points] in (kinds := [p.kind for p in curve.special_points], kinds[::-1])
    near(again.special_points, {k: literature.LORENZ84[k] for k in ("BT", "ZH")}, "F", "T")
    ends = [sorted(c.parameters[[0, -1]].tolist(), key=lambda end: end[1]) for c in (curve, again)]
    np.testing.assert_allclose(*ends, rtol=1e-9)


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


def test_two_cusps_within_one_step():
    """The swallowtail x^4 + a x^2 + b x + c: cusps at x = +-(-a/6)^(1/2), b = -4 x^3 - 2 a x, c = 3 x^4 + a x^2."""
    a = -6e-4
    s = bifur.System(
        "swallowtail", lambda u, p: (u[0] ** 4 + a * u[0] ** 2 + p.b * u[0] + p.c,), states=("x",),
        parameters={"b": 0.3, "c": 0.0},
    )  # fmt: skip
    point = next(p for p in bifur.trace(s, free="c", span=(-1, 1)).special_points if p.kind == "LP")
    x = np.array([-1, 1]) * (-a / 6) ** 0.5
    for ds_max in (0.002, 0.02, 0.1):
        settings = bifur.Settings(ds=0.002, ds_max=ds_max)
        curve = bifur.trace_curve(point, free=("b", "c"), bounds={"b": (-1, 1), "c": (-1, 1)}, settings=settings)
        cusps = sorted(curve.special_points, key=lambda p: p.state[0])
        assert [p.kind for p in cusps] == ["CP", "CP"]
        np.testing.assert_allclose([p.state[0] for p in cusps], x, rtol=1e-9)
        np.testing.assert_allclose([p.parameters["b"] for p in cusps], -4 * x**3 - 2 * a * x, rtol=1e-9)
        np.testing.assert_allclose([p.parameters["c"] for p in cusps], 3 * x**4 + a * x**2, rtol=1e-9)


# ---- where curves of folds and of branch points meet ------------------------------------------------


def test_folds_that_touch_a_curve_of_branch_points():
    """x (lam + mu x - x^2): folds at lam = -mu^2/4 meet the branch points lam = 0 at the origin, without a cusp."""
    s = bifur.System(
        "touching", lambda u, p: (u[0] * (p.lam + p.mu * u[0] - u[0] ** 2), u[0] ** 2 - u[1]), states=("x", "y"),
        parameters={"lam": 0.0, "mu": 0.7},
    )  # fmt: skip
    point = next(p for p in bifur.trace(s, free="lam", span=(-1, 1)).special_points if p.kind == "LP")
    for ds_max in (0.01, 0.05):
        curve = bifur.trace_curve(
            point, free=("lam", "mu"), bounds={"lam": (-1, 1), "mu": (-1, 1)}, settings=bifur.Settings(ds_max=ds_max)
        )
        np.testing.assert_allclose(curve.parameters[:, 0], -(curve.parameters[:, 1] ** 2) / 4, atol=1e-11)
        (crossing,) = curve.special_points
        assert (crossing.kind, crossing.curve) == ("BP", "LP")
        np.testing.assert_allclose(
            [crossing.parameters["lam"], crossing.parameters["mu"], *crossing.state], 0, atol=1e-11
        )


def test_folds_that_end_on_a_degenerate_pitchfork_come_back():
    """x (lam + mu x^2 - x^4): folds at mu = 2 x^2, lam = -x^4, a mirror pair that meets on the pitchfork lam = 0."""
    s = bifur.System(
        "degenerate", lambda u, p: (u[0] * (p.lam + p.mu * u[0] ** 2 - u[0] ** 4),), states=("x",),
        parameters={"lam": 0.0, "mu": 0.7},
    )  # fmt: skip
    point = next(p for p in bifur.trace(s, free="lam", span=(-1, 1)).special_points if p.kind == "LP")
    curve = bifur.trace_curve(point, free=("lam", "mu"), bounds={"lam": (-1, 1), "mu": (-1, 1)})
    x = curve.state[:, 0]
    np.testing.assert_allclose(curve.parameters, np.column_stack([-(x**4), 2 * x**2]), atol=1e-10)
    np.testing.assert_allclose(sorted(x[[0, -1]]), [-(0.5**0.5), 0.5**0.5], rtol=1e-9)
    (crossing,) = curve.special_points
    assert crossing.kind == "BP"
    np.testing.assert_allclose([*crossing.parameters.values(), crossing.state[0]], 0, atol=1e-9)


# ---- any plane, any end -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("free", "scale"),
    [(("N_psi", "rho"), None), (("sigma2", "N_psi"), None), (("N_cross", "N_phi"), None), (("rho", "N_phi"), "log")],
)
def test_folds_of_cosine_in_any_two_parameters(free, scale):
    """5 c p^4 + 2 n p = 1 and R = p - n p^2 - c p^5 with c = 2/N_psi^2, n = N_cross, R = rho a N_phi N_psi."""
    box = {"sigma2": (0.0, 4.0), "rho": (1e-3, 2.0), "N_psi": (0.2, 3.0), "N_phi": (0.1, 5.0), "N_cross": (-2.0, 2.0)}
    curve = bifur.trace_curve(
        fold("cosine", sigma2=0.5), free=free, bounds=box, settings=bifur.Settings(ds_max=0.02, scale=scale)
    )
    sigma2, rho, N_phi, N_psi, n, _ = curve.all_parameters.T
    p, c, R = curve.state[:, 0], 2 / N_psi**2, rho * (1 + sigma2) * N_phi * N_psi
    np.testing.assert_allclose(5 * c * p**4 + 2 * n * p, 1, rtol=1e-9)
    np.testing.assert_allclose(p - n * p**2 - c * p**5, R, rtol=1e-9)
    assert curve.stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)
    for index, name in enumerate(free):
        assert curve.parameters[:, index].min() >= box[name][0]
        assert curve.parameters[:, index].max() <= box[name][1]


def test_the_coefficient_along_a_fold_curve():
    """Of cusp: w = v = 1, so a = f''/2 = -3 x; it changes sign at the cusp."""
    point = fold("cusp", 0, free="mu", span=(-1, 1), lam=1.0)
    curve = bifur.trace_curve(point, free=("mu", "lam"), bounds={"mu": (-0.5, 0.5), "lam": (-1, 1.2)})
    np.testing.assert_allclose(curve.normal_form * np.sign(curve.normal_form[0]), np.abs(3 * curve.state[:, 0])
                               * np.sign(curve.state[:, 0] * curve.state[0, 0]), atol=1e-10)  # fmt: skip
    np.testing.assert_allclose(curve.special_points[0].normal_form["cubic"], -1, rtol=1e-9)


def system_of(field, **parameters):
    return bifur.System("test", field, states=("x",), parameters=parameters)


def first_fold(s, free):
    return next(p for p in bifur.trace(s, free=free, span=(-1, 1)).special_points if p.kind == "LP")


SQUARE = {"lam": (-1, 1), "mu": (-1, 1)}


def test_a_field_that_ends_inside_the_plane():
    """lam + sqrt(mu) - x^2 has folds at lam = -sqrt(mu); beyond mu = 0 there is no field."""
    point = first_fold(system_of(lambda u, p: (p.lam + ops.sqrt(p.mu) - u[0] ** 2,), lam=0.0, mu=0.5), "lam")
    curve = bifur.trace_curve(point, free=("lam", "mu"), bounds=SQUARE)
    assert set(curve.stop_reason) == {Stop.NOT_FINITE, Stop.END_OF_SPAN}
    np.testing.assert_allclose(curve.parameters[:, 0] ** 2, curve.parameters[:, 1], rtol=1e-9, atol=1e-12)
    assert curve.parameters[:, 1].min() <= 1e-12


def test_bounds_of_states_and_too_many_steps_are_told():
    """Folds of lam - (x - 1/mu)^2 lie at x = 1/mu."""
    s = system_of(lambda u, p: (p.lam - (u[0] - 1 / p.mu) ** 2,), lam=0.0, mu=0.5)
    curve = bifur.trace_curve(first_fold(s, "lam"), free=("lam", "mu"), bounds=SQUARE | {"x": (-10, 10)})
    assert set(curve.stop_reason) == {Stop.BOUND, Stop.END_OF_SPAN}
    assert sorted(curve.state[[0, -1], 0]) == pytest.approx([1, 10], rel=1e-12)
    np.testing.assert_allclose(curve.state[:, 0] * curve.parameters[:, 1], 1, rtol=1e-9)
    few = bifur.Settings(max_steps=5)
    curve = bifur.trace_curve(first_fold(s, "lam"), free=("lam", "mu"), bounds=SQUARE, settings=few)
    assert curve.stop_reason == (Stop.TOO_MANY_STEPS, Stop.TOO_MANY_STEPS)
    assert len(curve) <= 2 * 6 + 1


def test_parameters_that_do_not_move_the_point_give_no_curve():
    s = system_of(lambda u, p: (p.lam - u[0] ** 2 + 0 * p.mu + 0 * p.nu,), lam=0.0, mu=0.0, nu=0.0)
    box = SQUARE | {"nu": (-1, 1)}
    straight = bifur.trace_curve(first_fold(s, "lam"), free=("lam", "mu"), bounds=box)
    np.testing.assert_allclose(straight.parameters[:, 0], 0, atol=1e-12)
    refused(
        lambda: bifur.trace_curve(first_fold(s, "lam"), free=("mu", "nu"), bounds=box),
        "`point`: no single curve of LP runs through it in mu and nu",
    )


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
    neutral = next(p for p in bifur.trace(system("lorenz"), free="r", span=(2, 30)).special_points if p.kind == "NS")
    refused(
        lambda: trace(neutral, free=("r", "b"), bounds={"r": (2, 30), "b": (1, 4)}),
        "`point` is a NS: a neutral saddle, which is no bifurcation", "curves are traced from LP, CP, BT",
    )  # fmt: skip
    refused(lambda: trace(point, free=both, bounds=PLANE, kind="Hopf"), "`kind`", "unknown kind of curve 'Hopf'")
    refused(lambda: trace(point, free=both, bounds=PLANE, kind="HB"), "`kind` is 'HB', but l2 has 1 state")
    refused(lambda: trace(point, free=both, bounds=PLANE, kind="BP"), "`point` is a LP", "on a curve of BP are BP")
    for kind, least in {"HB": 2, "GH": 2, "BT": 2, "ZH": 3, "HH": 4}.items():
        impossible = replace(point, kind=kind)
        refused(lambda p=impossible: trace(p, free=both, bounds=PLANE), f"`point` is a {kind}, but l2 has 1 state",
                f"at least {least} states")  # fmt: skip

    moved = replace(point, state=point.state + 5.0, null_vector=None)
    refused(lambda: trace(moved, free=both, bounds=PLANE), "`point` is no fold")


def test_many_states_have_no_curves_yet():
    """Curves take compiled kernels, which larger systems do not have."""

    def field(u, p):
        return (p.lam + p.mu * u[0] - u[0] ** 3, *(u[0] - x for x in u[1:]))

    s = bifur.System("many", field, states=[f"x{i}" for i in range(20)], parameters={"lam": 0.0, "mu": 1.0})
    x = 3**-0.5
    point = bifur.SpecialPoint("LP", {"lam": 2 * x**3 - 2 * x, "mu": 1.0}, np.full(20, x), 0.0, {}, s)
    refused(lambda: bifur.trace_curve(point, free=("lam", "mu"), bounds=SQUARE | {"mu": (0, 2)}), "many has 20 states")
