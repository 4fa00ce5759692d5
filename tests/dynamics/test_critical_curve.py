"""Curves of flips and Neimark-Sacker points: closed forms, exact derivatives, ends, points of codimension 2."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import bifur
from bifur.dynamics.critical_curve import CurveEnd
from bifur.dynamics.defining import Defining
from tests.dynamics.maps import ring, rotor
from tests.dynamics.test_critical import FOCUS, L2, first

PLANE = {"sigma2": (0.0, 2.0), "rho": (1e-3, 1.0)}


def checked(curve):
    """The defining equations, recomputed from the system alone: f = 0 and the multiplier among those of J."""
    system, m = curve.system, curve.momentum
    assert curve.residual.max() < 1e-11
    np.testing.assert_allclose(np.abs(curve.multiplier), 1, rtol=1e-12)
    for u, p, eta, z in zip(curve.state, curve.all_parameters, curve.learning_rate, curve.multiplier, strict=True):
        named = dict(zip(system.parameters, p, strict=True))
        assert np.abs(system.field(u, named)).max() < 1e-11
        values = bifur.multipliers(np.linalg.eigvals(system.jacobian(u, named)), eta, m)
        # at a 1:2 resonance the multiplier is double, and known to half of the digits
        assert np.abs(values - z).min() < (1e-9 if abs(z + 1) > 1e-3 or curve.kind == "flip" else 1e-5)
    return curve


@pytest.mark.parametrize("kind", ["flip", "neimark-sacker"])
@pytest.mark.parametrize("m", [0.0, 0.4])
@pytest.mark.parametrize("free", [("sigma2", "rho"), ("rho", "learning_rate"), ("learning_rate", "sigma2")])
@pytest.mark.parametrize("logs", [(False, True), (True, False)])
def test_the_derivatives_are_exact(kind, m, free, logs):
    rng = np.random.default_rng(0)
    system = bifur.get_system("x-phinet")
    defining = Defining(system, kind, system.values(), 0.7, m, free, logs)
    defining.anchor = rng.standard_normal(4)
    z = rng.uniform(0.2, 0.9, defining.size)
    _, H = defining.evaluate(z)
    for j in range(len(z)):
        e, h = np.eye(len(z))[j], 1e-4
        # a formula of fourth order
        f = [defining.evaluate(z + k * h * e)[0] for k in (-2, -1, 1, 2)]
        np.testing.assert_allclose(H[:, j], (f[0] - 8 * f[1] + 8 * f[2] - f[3]) / (12 * h), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("m", [0.0, 0.8])
def test_the_flip_curve_of_l2(m):
    """p = 2 rho + 2 (1 + m) / eta and (1 + sigma2) p^2 = p - rho."""
    curve = checked(bifur.trace_critical_curve(first("l2", m, **L2), free=("sigma2", "rho"), bounds=PLANE))
    sigma2, rho = curve.parameters.T
    np.testing.assert_allclose(curve.state[:, 0], 2 * rho + 2 * (1 + m) / curve.learning_rate[0], rtol=1e-12)
    np.testing.assert_allclose((1 + sigma2) * curve.state[:, 0] ** 2, curve.state[:, 0] - rho, rtol=1e-12)
    assert curve.stop_reason == (CurveEnd.BOUND, CurveEnd.BOUND)
    ends = {0.0, 1e-3, 2.0, 1.0}
    assert all(ends & {float(x), float(y)} for x, y in curve.parameters[[0, -1]])
    assert curve.loses_stability.all()
    eta = curve.learning_rate
    a, p = 1 + sigma2, curve.state[:, 0]
    if m == 0:
        np.testing.assert_allclose(curve.coefficient, -eta * a + (eta * (1 - 3 * a * p)) ** 2, rtol=1e-10)


def test_the_flip_curve_of_l2_over_the_rate():
    bounds = {"rho": (0.0, 0.25), "learning_rate": (0.1, 300.0)}
    curve = checked(bifur.trace_critical_curve(first("l2", sigma2=0, rho=0.05), free=tuple(bounds), bounds=bounds))
    rho, eta = curve.parameters.T
    p = (1 + np.sqrt(1 - 4 * rho)) / 2
    np.testing.assert_allclose(eta, 2 / (p - 2 * rho), rtol=1e-9)
    np.testing.assert_array_equal(eta, curve.learning_rate)
    assert rho.min() == 0
    # the rate is infinite at the fold, rho = 1/4
    assert eta.max() == pytest.approx(300)


@pytest.mark.parametrize("angle", [0.0, 2.0])
def test_a_closed_curve_closes(angle):
    (point,) = (p for p in bifur.find_critical_rates(ring, a=math.cos(angle), b=math.sin(angle)) if not p.state.any())
    curve = checked(bifur.trace_critical_curve(point, free=("a", "b"), bounds={"a": (-2, 2), "b": (-2, 2)}))
    assert curve.stop_reason == (CurveEnd.CLOSED, CurveEnd.CLOSED)
    a, b = curve.parameters.T
    np.testing.assert_allclose(a * a + b * b, 1, rtol=1e-12)
    turned = np.unwrap(np.arctan2(b, a))
    assert abs(turned[-1] - turned[0]) == pytest.approx(2 * math.pi, rel=1e-9)
    # F = -x + x^2 - x^3: c = F'''/6 + F''^2/4 = -1 + 1
    assert np.abs(curve.coefficient).max() < 1e-12


def test_the_neimark_sacker_curve_of_a_rotor():
    """(1 + eta a)^2 + (eta w)^2 = 1; strong resonances where cos theta = 1 + eta a is -1/2 and 0."""
    (point,) = (p for p in bifur.find_critical_rates(rotor, w=1.4) if not p.state.any())
    bounds = {"w": (0.1, 4.0), "learning_rate": (0.01, 10.0)}
    curve = checked(bifur.trace_critical_curve(point, free=("w", "learning_rate"), bounds=bounds))
    w, eta = curve.parameters.T
    np.testing.assert_allclose(eta, 2 / (1 + w**2), rtol=1e-10)
    np.testing.assert_allclose(curve.coefficient, (2 * eta * (-1 + 0.3j) / (1 + eta * (-1 + 1j * w))).real, rtol=1e-7)
    assert curve.stop_reason == (CurveEnd.BOUND, CurveEnd.BOUND)
    np.testing.assert_array_equal(np.sort(w[[0, -1]]), [0.1, 4])
    found = {point.kind: point for point in curve.special_points}
    for kind, c in (("R3", -0.5), ("R4", 0.0)):
        # eta = 1 - c, w^2 = 2 / eta - 1
        assert found[kind].learning_rate == pytest.approx(1 - c, rel=1e-9)
        assert found[kind].parameters["w"] == pytest.approx(math.sqrt(2 / (1 - c) - 1), rel=1e-9)
    # Re(mu / z) = 0 at tan theta = 10/3: -cos + 0.3 sin = 0
    c = 1 / math.sqrt(1 + (1 / 0.3) ** 2)
    assert found["CH"].learning_rate == pytest.approx(1 - c, rel=1e-7)


@pytest.mark.parametrize("m", [0.0, 0.5])
def test_the_curves_of_phinet_meet_at_a_resonance(m):
    """The Neimark-Sacker curve ends where two multipliers are -1, on a curve of flips, which has that point too."""
    point = first("phinet", m, **FOCUS)
    curve = checked(bifur.trace_critical_curve(point, free=("sigma2", "rho"), bounds=PLANE))
    assert CurveEnd.RESONANCE_1_2 in curve.stop_reason
    resonance = next(point for point in curve.special_points if point.kind == "R2")
    J = curve.system.jacobian(resonance.state, resonance.parameters)
    # lambda = -2 (1 + m) / eta, twice: trace and determinant
    target = -2 * (1 + m) / resonance.learning_rate
    assert np.trace(J) == pytest.approx(2 * target, rel=1e-10)
    assert np.linalg.det(J) == pytest.approx(target**2, rel=1e-10)
    near = bifur.find_critical_points(
        "phinet", free="rho", span=(0.15, 0.25), learning_rate=point.learning_rate, momentum=m,
        sigma2=resonance.parameters["sigma2"] + 0.01,
    )  # fmt: skip
    flip = next(p for p in near if p.kind == "flip" and abs(p.state[0] - resonance.state[0]) < 0.1)
    flips = checked(bifur.trace_critical_curve(flip, free=("sigma2", "rho"), bounds=PLANE))
    same = [p for p in flips.special_points if p.kind == "R2"]
    gaps = [math.dist((p.parameters["sigma2"], p.parameters["rho"]),
                      (resonance.parameters["sigma2"], resonance.parameters["rho"])) for p in same]  # fmt: skip
    assert min(gaps) < 1e-7


def test_the_flip_curve_of_phinet_has_a_generalised_flip():
    """On its two sides the coefficient has other signs, and the cycles of period 2 lie on other sides."""
    point = bifur.find_critical_points("phinet", free="rho", span=(0.1, 0.3), learning_rate=2.4361, sigma2=0.2314)[0]
    curve = checked(bifur.trace_critical_curve(point, free=("sigma2", "rho"), bounds=PLANE))
    found = next(p for p in curve.special_points if p.kind == "GPD")
    assert abs(found.normal_form["cubic"]) < 1e-9 * np.nanmedian(np.abs(curve.coefficient))
    near = np.argsort(np.abs(curve.parameters[:, 0] - found.parameters["sigma2"]))[:2]
    assert np.prod(np.sign(curve.coefficient[near])) == -1


def test_the_step_limits_hold():
    point = first("l2", **L2)
    few = bifur.trace_critical_curve(
        point, free=("sigma2", "rho"), bounds=PLANE, settings=bifur.Settings(max_steps=3, ds_max=0.01)
    )
    assert few.stop_reason == (CurveEnd.TOO_MANY_STEPS, CurveEnd.TOO_MANY_STEPS)
    assert len(few) == 7
    fine = bifur.trace_critical_curve(
        point, free=("sigma2", "rho"), bounds=PLANE, settings=bifur.Settings(ds=0.001, ds_max=0.002)
    )
    usual = bifur.trace_critical_curve(point, free=("sigma2", "rho"), bounds=PLANE)
    assert len(fine) > 3 * len(usual)
    np.testing.assert_allclose(fine.parameters[[0, -1]], usual.parameters[[0, -1]], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"free": "rho"}, "`free` must be two different names"),
        ({"free": ("rho", "rho")}, "`free` must be two different names"),
        ({"free": ("rho", "lr")}, "`free`: unknown name 'lr'"),
        ({"bounds": {"rho": (0, 1)}}, "`bounds` must hold sigma2"),
        ({"bounds": 3}, "`bounds` must be names with"),
        ({"bounds": PLANE | {"rho": (1, 0)}}, "`bounds` of rho must be"),
        ({"bounds": PLANE | {"rho": (0.1, 1)}}, r"`bounds` of rho are \(0.1, 1\), but `point` lies at 0.05"),
        ({"bounds": PLANE | {"rho": (-1, 1)}}, "`rho` of l2 must lie in"),
        ({"free": ("rho", "learning_rate"), "bounds": {"rho": (0, 1), "learning_rate": (0, 9)}}, "must be positive"),
    ],
)
def test_wrong_arguments(wrong, sentence):
    arguments = {"free": ("sigma2", "rho"), "bounds": PLANE} | wrong
    with pytest.raises(ValueError, match=sentence):
        bifur.trace_critical_curve(first("l2", **L2), **arguments)


def test_wrong_points():
    with pytest.raises(ValueError, match="`point` must be a CriticalPoint"):
        bifur.trace_critical_curve(3, free=("sigma2", "rho"), bounds=PLANE)
    point = first("l2", **L2)
    with pytest.raises(ValueError, match="`point` is a R3"):
        bifur.trace_critical_curve(replace(point, kind="R3"), free=("sigma2", "rho"), bounds=PLANE)
    moved = replace(point, state=point.state + 5.0)
    with pytest.raises(ValueError, match="`point` is no flip point of l2"):
        bifur.trace_critical_curve(moved, free=("sigma2", "rho"), bounds=PLANE)
