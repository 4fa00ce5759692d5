"""Hopf curves in two parameters: closed forms, published points of codimension 2, and where they begin and end."""

from __future__ import annotations

from dataclasses import replace

import mpmath
import numpy as np
import pytest

import bifur
from bifur.continuation.results import Stop
from tests.continuation.test_curves import CO_PLANE, LORENZ84_PLANE, check_points, fold, near
from tests.known import literature
from tests.known.families import system
from tests.systems.test_load import refused


def points(s, kind, free, span, **fixed):
    diagram = bifur.trace(s, fixed, free=free, span=span)
    return sorted((p for p in diagram.special_points if p.kind == kind), key=lambda p: p.parameters[free])


def check_curve(curve):
    """By numpy: a pair on the imaginary axis at every point, at its frequency."""
    s = curve.system
    for state, p, omega in zip(curve.state, curve.all_parameters, curve.omega, strict=True):
        named = dict(zip(s.parameters, p, strict=True))
        J = s.jacobian(state, named)
        values = np.linalg.eigvals(J)
        # near a double zero eigenvalue an error splits the pair by its square root
        slack = 1e-8 * max(1.0, np.abs(J).max()) + 1e-14 / max(omega, 1e-7)
        assert np.abs(values - 1j * omega).min() <= slack
        assert np.abs(s.field(state, named)).max() <= 1e-9 * max(1.0, np.abs(J).max(), np.abs(state).max())
    assert np.all(curve.residual <= 1e-10)
    assert curve.eigenvalues.shape == curve.state.shape


# ---- closed forms -----------------------------------------------------------------------------------


def brusselator():
    """x' = a - (b + 1) x + x^2 y, y' = b x - x^2 y: HB at b = 1 + a^2 with omega = a."""
    return bifur.System(
        "brusselator",
        lambda u, p: (p.a - (p.b + 1) * u[0] + u[0] ** 2 * u[1], p.b * u[0] - u[0] ** 2 * u[1]),
        states=("x", "y"),
        parameters={"a": 1.0, "b": 1.0},
    )


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_hopf_curve_of_the_brusselator(scale):
    (point,) = points(brusselator(), "HB", "b", (0.5, 4.0))
    curve = bifur.trace_curve(
        point, free=("a", "b"), bounds={"a": (0.05, 1.9), "b": (0.5, 6)}, settings=bifur.Settings(scale=scale)
    )
    a, b = curve.parameters.T
    np.testing.assert_allclose(b, 1 + a**2, rtol=1e-10)
    np.testing.assert_allclose(curve.omega, a, rtol=1e-9)
    np.testing.assert_allclose(curve.state, np.column_stack([a, b / a]), rtol=1e-9)
    assert sorted(curve.parameters[[0, -1], 0]) == pytest.approx([0.05, 1.9], rel=1e-12)
    # Kuznetsov 2004, example 3.1: -(2 + a^2) / (2 a (1 + a^2)) for a vector q with |q|^2 = (1 + 2 a^2) / (1 + a^2);
    # here |q| = 1, and the factor 1 / omega is left out
    np.testing.assert_allclose(curve.normal_form, -(2 + a**2) / (2 * (1 + 2 * a**2)), rtol=1e-8)
    assert curve.special_points == ()
    check_curve(curve)


def test_the_hopf_curve_of_lorenz():
    """r = sigma (sigma + b + 3) / (sigma - b - 1), omega^2 = b (sigma + r); it turns in r."""
    point = points(system("lorenz"), "HB", "r", (2.0, 30.0))[0]
    curve = bifur.trace_curve(point, free=("r", "sigma"), bounds={"r": (2.0, 100.0), "sigma": (1.0, 60.0)})
    r, sigma = curve.parameters.T
    b = 8 / 3
    np.testing.assert_allclose(r, sigma * (sigma + b + 3) / (sigma - b - 1), rtol=2e-9)
    np.testing.assert_allclose(curve.omega**2, b * (sigma + r), rtol=2e-9)
    assert 0 < np.argmin(r) < len(r) - 1, "it goes through its turning point"
    assert np.all(curve.normal_form > 0), "subcritical, as is known of Lorenz's system"
    check_curve(curve)


def test_l1_along_the_curve_of_adaptx():
    """alpha beta = 1, omega^2 = beta; l1 = -0.3 at (1, 1) (MatCont's manual)."""
    (point,) = points(system("adaptx"), "HB", "alpha", (0.5, 2.0), beta=1.0)
    curve = bifur.trace_curve(point, free=("alpha", "beta"), bounds={"alpha": (0.4, 3), "beta": (0.4, 3)})
    np.testing.assert_allclose(curve.parameters.prod(axis=1), 1, rtol=1e-10)
    np.testing.assert_allclose(curve.omega**2, curve.parameters[:, 1], rtol=1e-9)
    at_one = np.abs(curve.parameters - 1).max(axis=1).argmin()
    np.testing.assert_allclose(curve.parameters[at_one], 1, atol=1e-10)
    assert curve.normal_form[at_one] == pytest.approx(-0.3, rel=1e-8)


def rings(d):
    """z' = (a^2 + b^2 - 1 + i) z - z |z|^2 beside d decaying states: HB on the unit circle."""

    def field(u, p):
        x, y, *rest = u
        grow = p.a**2 + p.b**2 - 1 - x**2 - y**2
        return (grow * x - y, x + grow * y, *(-(k + 2) * z + x * y for k, z in enumerate(rest)))

    return bifur.System(
        "rings", field, states=("x", "y", *(f"z{k}" for k in range(d))), parameters={"a": 0.0, "b": 0.0}
    )


@pytest.mark.parametrize("d", [0, 9])
def test_a_closed_hopf_curve(d):
    diagram = bifur.trace(rings(d), free="a", span=(-2.0, 2.1), start=np.zeros(2 + d))
    point = next(p for p in diagram.special_points if p.kind == "HB")
    curve = bifur.trace_curve(point, free=("a", "b"), bounds={"a": (-2, 2), "b": (-2, 2)})
    assert curve.stop_reason == (Stop.CLOSED, Stop.CLOSED)
    np.testing.assert_allclose((curve.parameters**2).sum(axis=1), 1, rtol=1e-10)
    np.testing.assert_allclose(curve.omega, 1, rtol=1e-10)
    np.testing.assert_allclose(curve.normal_form, -2, rtol=1e-8)  # |z|^2 = 2 |w|^2 where z = 2 Re(w q), |q| = 1
    angle = np.unwrap(np.arctan2(*curve.parameters.T))
    assert abs(abs(angle[-1] - angle[0]) - 2 * np.pi) < 0.2, "once around"
    assert curve.special_points == ()


# ---- points of codimension 2 ------------------------------------------------------------------------


@pytest.mark.parametrize("ds_max", [0.005, 0.02, 0.1])
def test_the_hopf_curve_of_co_oxidation(ds_max):
    """From one BT to the other, with two GH between; l1 at k = 0.4 as published."""
    start = points(system("co_oxidation"), "HB", "q2", (0.5, 2.0), k=0.4)
    assert len(start) == 2
    for point in start:
        curve = bifur.trace_curve(
            point, free=("q2", "k"), bounds=CO_PLANE, settings=bifur.Settings(ds=ds_max / 2, ds_max=ds_max)
        )
        near(curve.special_points, {k: literature.CO_OXIDATION[k] for k in ("BT", "GH")} | {"ZH": []}, "q2", "k")
        assert [p.kind for p in curve.special_points] == ["BT", "GH", "GH", "BT"]
        assert curve.stop_reason == (Stop.BOGDANOV_TAKENS, Stop.BOGDANOV_TAKENS)
        assert sorted(curve.omega[[0, -1]]) == [0, 0]
        assert np.isnan(curve.normal_form[[0, -1]]).all()
        (q2,) = (q for q in literature.CO_LYAPUNOV if abs(q - point.parameters["q2"]) < 1e-9)
        i = np.abs(curve.parameters - [q2, 0.4]).max(axis=1).argmin()
        assert curve.normal_form[i] == pytest.approx(literature.CO_LYAPUNOV[q2], rel=1e-6)
        check_points(curve)
        check_curve(curve)
        for p in curve.special_points:
            if p.kind == "GH":
                assert abs(p.normal_form["l1"]) <= 1e-9
                assert p.normal_form["l2"] < 0


@pytest.mark.parametrize("ds_max", [0.01, 0.1])
def test_the_hopf_curves_of_lorenz84(ds_max):
    """One from BT through GH and HH, the other through HH and ZH, twice each by the symmetry T -> -T."""
    start = points(system("lorenz84"), "HB", "F", (1.0, 3.0), T=0.04)
    settings = bifur.Settings(ds=0.01, ds_max=ds_max)
    found = [
        bifur.trace_curve(point, free=("F", "T"), bounds=LORENZ84_PLANE, settings=settings).special_points
        for point in start
    ]
    for curve_points in found:
        assert all(p.residual <= 1e-11 for p in curve_points)
    kinds = sorted({tuple(sorted(p.kind for p in curve_points)) for curve_points in found})
    assert kinds == [("BT", "GH", "HH"), ("HH", "HH", "ZH", "ZH")]
    distinct = {}
    for p in (p for curve_points in found for p in curve_points):
        distinct[p.kind, round(p.parameters["F"], 7), round(p.parameters["T"], 7)] = p
    near(distinct.values(), literature.LORENZ84, "F", "T")


def test_from_bt_zh_gh_and_hh():
    """The other curve starts at each; a Hopf curve from BT is the one that ends there."""
    folds = bifur.trace_curve(
        fold("lorenz84", 0, free="F", span=(1.0, 3.0), T=0.04), free=("F", "T"), bounds=LORENZ84_PLANE
    )
    free = {"free": ("F", "T"), "bounds": LORENZ84_PLANE}
    takens = next(p for p in folds.special_points if p.kind == "BT" and p.parameters["T"] < 0)
    zero_hopf = next(p for p in folds.special_points if p.kind == "ZH")

    from_takens = bifur.trace_curve(takens, **free)
    assert from_takens.kind == "HB"
    assert [p.kind for p in from_takens.special_points] == ["BT", "GH", "HH"]
    assert from_takens.stop_reason[0] is Stop.BOGDANOV_TAKENS
    assert from_takens.omega[0] == 0
    assert np.all(np.diff(from_takens.omega[:5]) > 0)
    check_curve(from_takens)

    *_, double = from_takens.special_points
    other = bifur.trace_curve(double, **free)
    assert sorted(p.kind for p in other.special_points) == ["HH", "HH", "ZH", "ZH"]
    back = bifur.trace_curve(next(p for p in other.special_points if p.kind == "HH" and p.parameters["T"] < 0), **free)
    assert [p.kind for p in back.special_points] in (["BT", "GH", "HH"], ["HH", "GH", "BT"])
    # two frequencies at HH, one on each curve
    here = next(p for p in other.special_points if p.kind == "HH" and p.parameters["T"] < 0)
    pair = [p.normal_form["omega"] for p in (double, here)]
    assert sorted(pair) == pytest.approx([here.normal_form["omega2"], here.normal_form["omega1"]], rel=1e-9)

    from_zero = bifur.trace_curve(zero_hopf, **free)
    assert from_zero.kind == "HB"
    near(from_zero.special_points, {k: literature.LORENZ84[k] for k in ("ZH", "HH")}, "F", "T")
    on_hopf = next(p for p in from_zero.special_points if p.kind == "ZH")
    assert bifur.trace_curve(on_hopf, **free).kind == "LP"

    bautin = from_takens.special_points[1]
    again = bifur.trace_curve(bautin, **free)
    assert (bautin.kind, again.kind) == ("GH", "HB")
    near(again.special_points, {"GH": [literature.LORENZ84["GH"][0]]}, "F", "T")
    assert bifur.trace_curve(from_takens.special_points[0], **free).kind == "LP"


def test_the_curves_of_the_bogdanov_takens_normal_form():
    """x' = y, y' = b1 + b2 x + x^2 - x y: HB at b1 = 0, b2 < 0 with omega^2 = -b2 (Kuznetsov 2004, section 8.4)."""
    s = bifur.System(
        "takens", lambda u, p: (u[1], p.b1 + p.b2 * u[0] + u[0] ** 2 - u[0] * u[1]), states=("x", "y"),
        parameters={"b1": 0.0, "b2": 0.5},
    )  # fmt: skip
    point = next(p for p in bifur.trace(s, free="b1", span=(-1, 1), b2=0.5).special_points if p.kind == "LP")
    box = {"free": ("b1", "b2"), "bounds": {"b1": (-1, 1), "b2": (-1, 1)}}
    (takens,) = bifur.trace_curve(point, **box).special_points
    curve = bifur.trace_curve(takens, **box)
    np.testing.assert_allclose(curve.parameters[:, 0], 0, atol=1e-11)
    np.testing.assert_allclose(curve.omega**2, -curve.parameters[:, 1], atol=1e-11)
    assert curve.parameters[-1, 1] == -1
    np.testing.assert_allclose([*takens.parameters.values(), *takens.state], 0, atol=1e-11)
    assert (takens.normal_form["a"], abs(takens.normal_form["b"])) == pytest.approx((1, 1), rel=1e-9)
    again = bifur.trace_curve(takens, **box, kind="LP")
    np.testing.assert_allclose(4 * again.parameters[:, 0], again.parameters[:, 1] ** 2, atol=1e-11)


def bautin(l1):
    """z' = (b1 + i) z + l1(b2) z |z|^2 - z |z|^4: HB at b1 = 0 for every b2, GH where l1 vanishes."""

    def field(u, p):
        x, y = u
        r = x**2 + y**2
        grow = p.b1 + l1(p.b2) * r - r**2
        return (grow * x - y, x + grow * y)

    return bifur.System("bautin", field, states=("x", "y"), parameters={"b1": 0.0, "b2": 0.4})


def test_two_generalised_hopf_points_within_one_step():
    s = bautin(lambda b: (b - 0.013) ** 2 - 1e-5)
    diagram = bifur.trace(s, free="b1", span=(-1.0, 1.3), start=(0, 0))
    (point,) = (p for p in diagram.special_points if p.kind == "HB")
    for ds_max in (0.002, 0.02, 0.1):
        curve = bifur.trace_curve(
            point, free=("b1", "b2"), bounds={"b1": (-1, 1), "b2": (-1, 1)},
            settings=bifur.Settings(ds=0.002, ds_max=ds_max),
        )  # fmt: skip
        np.testing.assert_allclose(curve.normal_form, 2 * ((curve.parameters[:, 1] - 0.013) ** 2 - 1e-5), atol=1e-12)
        assert [p.kind for p in curve.special_points] == ["GH", "GH"]
        found = sorted(p.parameters["b2"] for p in curve.special_points)
        np.testing.assert_allclose(found, 0.013 + np.array([-1, 1]) * 1e-5**0.5, rtol=1e-9)
        for p in curve.special_points:
            assert p.normal_form["l2"] == pytest.approx(-4, rel=1e-8)  # |z|^4 = 4 |w|^4


def test_a_pole_of_l1_is_no_generalised_hopf_point():
    """x' = b1 + x^2 + |z|^2, z' = (b2 + 0.7 x + 2 i) z: HB at b1 = -(b2/0.7)^2; l1 is infinite at ZH, the origin."""

    def field(u, p):
        x, y, z = u
        grow = p.b2 + 0.7 * x
        return (p.b1 + x**2 + y**2 + z**2, grow * y - 2 * z, 2 * y + grow * z)

    s = bifur.System("zero-hopf", field, states=("x", "y", "z"), parameters={"b1": -0.2, "b2": 0.3})
    (point,) = points(s, "HB", "b1", (-1.0, 0.5))
    curve = bifur.trace_curve(point, free=("b1", "b2"), bounds={"b1": (-1, 1), "b2": (-1, 1)})
    b1, b2 = curve.parameters.T
    np.testing.assert_allclose(b1, -((b2 / 0.7) ** 2), atol=1e-11)
    assert [p.kind for p in curve.special_points] == ["ZH"]
    np.testing.assert_allclose(
        [*curve.special_points[0].parameters.values(), *curve.special_points[0].state], 0, atol=1e-11
    )
    assert curve.normal_form[0] * curve.normal_form[-1] < 0, "l1 changes its sign through the pole"


# ---- Bazykin's predator and prey --------------------------------------------------------------------


def bazykin():
    """x' = x - x y/(1 + alpha x) - eps x^2, y' = -y + x y/(1 + alpha x) - delta y^2 (Bazykin 1985)."""

    def field(u, p):
        x, y = u
        eaten = x * y / (1 + p.alpha * x)
        return (x - eaten - 0.01 * x**2, -y + eaten - p.delta * y**2)

    return bifur.System(
        "bazykin", field, states=("x", "y"), parameters={"alpha": 0.1, "delta": 0.1},
        bounds={"x": (1e-3, 200), "y": (1e-3, 200)},
    )  # fmt: skip


def bazykin_equations(x, y, alpha, delta):
    """f, trace and determinant, written by hand."""
    e = 1 + alpha * x
    f = (1 - y / e - 0.01 * x, -1 + x / e - delta * y)
    J = ((1 - y / e**2 - 0.02 * x, -x / e), (y / e**2, -1 + x / e - 2 * delta * y))
    return *f, J[0][0] + J[1][1], J[0][0] * J[1][1] - J[0][1] * J[1][0]


def test_bazykin_against_mpmath():
    """BT by Newton in 30 digits on f = trace = det = 0; on the Hopf curve trace = 0, det = omega^2."""
    diagram = bifur.trace(bazykin(), free="delta", span=(0.01, 0.6), alpha=0.3)
    box = {"free": ("alpha", "delta"), "bounds": {"alpha": (0.01, 1.2), "delta": (1e-3, 1.0)}}
    hopf = [p for p in diagram.special_points if p.kind == "HB"]
    assert hopf
    curve = bifur.trace_curve(hopf[0], **box)
    for state, (alpha, delta), omega in zip(curve.state, curve.parameters, curve.omega, strict=True):
        f, g, trace, det = bazykin_equations(*state, alpha, delta)
        np.testing.assert_allclose([f, g, trace, det - omega**2], 0, atol=1e-9)
    takens = [p for p in curve.special_points if p.kind == "BT"]
    assert takens
    for point in takens:
        guess = [*point.state, point.parameters["alpha"], point.parameters["delta"]]
        with mpmath.workdps(30):
            exact = mpmath.findroot(bazykin_equations, guess)
        np.testing.assert_allclose(guess, [float(v) for v in exact], rtol=1e-10)
    folds = bifur.trace_curve(takens[0], **box, kind="LP")
    for state, (alpha, delta) in zip(folds.state, folds.parameters, strict=True):
        f, g, _, det = bazykin_equations(*state, alpha, delta)
        np.testing.assert_allclose([f, g, det], 0, atol=1e-9)
    on_folds = [[p.parameters[name] for name in ("alpha", "delta")] for p in folds.special_points if p.kind == "BT"]
    for point in takens:
        here = [point.parameters[name] for name in ("alpha", "delta")]
        assert np.abs(np.array(on_folds) - here).max(axis=1).min() <= 1e-10, "both curves know the point"


def planar_l1(field, state):
    """l1 by the formula of Guckenheimer & Holmes 1983, eq. 3.4.11, with derivatives by mpmath in 40 digits.

    In coordinates u = T (x, y), T = (Re q, -Im q) with |q| = 1, x' = -omega y + f, y' = omega x + g and r' = a r^3. As
    u = 2 Re(w q), r = 2 |w| and l1 = 4 a.
    """
    with mpmath.workdps(40):
        state = mpmath.matrix([mpmath.mpf(float(v)) for v in state])
        J = mpmath.matrix(2, 2)
        for i, j in np.ndindex(2, 2):
            step = (1, 0) if j == 0 else (0, 1)
            J[i, j] = mpmath.diff(lambda x, y, i=i: field(x, y)[i], tuple(state), step)
        omega = mpmath.sqrt(J[0, 0] * J[1, 1] - J[0, 1] * J[1, 0])
        q = mpmath.matrix([J[0, 1], mpmath.mpc(0, omega) - J[0, 0]])
        q = q / mpmath.norm(q)
        T = mpmath.matrix([[mpmath.re(q[0]), -mpmath.im(q[0])], [mpmath.re(q[1]), -mpmath.im(q[1])]])
        inverse = T**-1

        def turned(x, y, i):
            u = state + T * mpmath.matrix([x, y])
            return (inverse * mpmath.matrix(field(u[0], u[1])))[i]

        f, g = (
            {n: mpmath.diff(lambda x, y, i=i: turned(x, y, i), (0, 0), n) for n in np.ndindex(4, 4) if 1 < sum(n) < 4}
            for i in (0, 1)
        )
        a = (f[3, 0] + f[1, 2] + g[2, 1] + g[0, 3]) / 16
        a += (f[1, 1] * (f[2, 0] + f[0, 2]) - g[1, 1] * (g[2, 0] + g[0, 2])) / (16 * omega)
        a += (f[0, 2] * g[0, 2] - f[2, 0] * g[2, 0]) / (16 * omega)
        return float(4 * a)


def test_l1_and_the_generalised_hopf_point_of_bazykin():
    """On the Hopf curve from the other BT, l1 agrees with a planar formula; GH is where that vanishes."""
    diagram = bifur.trace(bazykin(), free="delta", span=(0.01, 0.6), alpha=0.3)
    box = {"free": ("alpha", "delta"), "bounds": {"alpha": (0.01, 1.2), "delta": (1e-5, 1.0)}}
    fold_point = next(p for p in diagram.special_points if p.kind == "LP")
    takens = [p for p in bifur.trace_curve(fold_point, **box).special_points if p.kind == "BT"]
    second = min(takens, key=lambda p: p.parameters["delta"])
    curve = bifur.trace_curve(second, **box)
    assert [p.kind for p in curve.special_points] == ["BT", "GH"]

    def field_at(alpha, delta):
        def field(x, y):
            eaten = x * y / (1 + alpha * x)
            return (x - eaten - mpmath.mpf("0.01") * x**2, -y + eaten - delta * y**2)

        return field

    for i in range(1, len(curve), 6):
        alpha, delta = (mpmath.mpf(float(v)) for v in curve.parameters[i])
        expected = planar_l1(field_at(alpha, delta), curve.state[i])
        assert curve.normal_form[i] == pytest.approx(expected, rel=1e-6, abs=1e-9)
    point = curve.special_points[1]
    alpha, delta = (mpmath.mpf(point.parameters[name]) for name in ("alpha", "delta"))
    assert abs(planar_l1(field_at(alpha, delta), point.state)) <= 1e-12
    assert np.ptp(np.sign(curve.normal_form[1:])) == 2, "l1 changes its sign along the curve"


# ---- what cannot be ---------------------------------------------------------------------------------


def test_what_is_no_hopf_point():
    s = brusselator()
    (point,) = points(s, "HB", "b", (0.5, 4.0))
    box = {"free": ("a", "b"), "bounds": {"a": (0.05, 9), "b": (0.5, 90)}}
    node = replace(point, parameters={"a": 8.0, "b": 9.0}, state=np.array([8.0, 9 / 8]))
    refused(lambda: bifur.trace_curve(node, **box), "`point` is no Hopf point")
    for kind, least in (("ZH", 3), ("HH", 4)):
        refused(lambda k=kind: bifur.trace_curve(replace(point, kind=k), **box),
                f"`point` is a {kind}, but brusselator has 2 states", f"at least {least} states")  # fmt: skip
    refused(
        lambda: bifur.trace_curve(point, **box, kind="LP"), "`point` is a HB", "on a curve of LP are LP, CP, BT, ZH"
    )
