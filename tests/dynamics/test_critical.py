"""Flips and Neimark-Sacker points: closed forms, normal forms against what the map itself does."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bifur
from bifur.dynamics.descent import _Batch
from bifur.dynamics.descent_forms import map_jacobian
from tests.dynamics.maps import logistic, ring, rotor

L2 = {"sigma2": 0.2, "rho": 0.05}
FOCUS = {"sigma2": 0.2314, "rho": 0.19286}


def first(system, m=0.0, **parameters):
    """The first point at which the stable state that is no collapse loses its stability."""
    points = bifur.find_critical_rates(system, momentum=m, **parameters)
    return next(point for point in points if point.loses_stability and abs(point.state[0]) > 1e-6)


# ---- where they lie -------------------------------------------------------------------------


@pytest.mark.parametrize("m", [0.0, 0.9])
def test_flips_of_l2(m):
    """At 2 (1 + m) / (p - 2 rho) for p = p+, at 2 (1 + m) / rho for the collapse."""
    points = bifur.find_critical_rates("l2", momentum=m, **L2)
    a, rho = 1.2, 0.05
    p = (1 + math.sqrt(1 - 4 * a * rho)) / (2 * a)
    assert [point.kind for point in points] == ["flip", "flip"]
    expected = [2 * (1 + m) / (p - 2 * rho), 2 * (1 + m) / rho]
    assert [point.learning_rate for point in points] == pytest.approx(expected, rel=1e-12)
    assert [point.state[0] for point in points] == pytest.approx([p, 0.0], abs=1e-14)
    assert all(point.multiplier == -1 and point.loses_stability and point.residual < 1e-12 for point in points)
    for point in points:
        assert min(abs(bifur.multipliers([point.eigenvalue], point.learning_rate, m) + 1)) < 1e-12


@pytest.mark.parametrize("m", [0.0, 0.5])
def test_the_focus_of_phinet_has_a_neimark_sacker_point(m):
    point = first("phinet", m, **FOCUS)
    assert point.kind == "neimark-sacker"
    a, b = point.eigenvalue.real, point.eigenvalue.imag
    assert (round(a, 3), round(b, 3)) == (-0.819, 0.040)
    rate = -2 * a * (1 + m) * (1 - m) ** 2 / (a**2 * (1 - m) ** 2 + b**2 * (1 + m) ** 2)
    assert point.learning_rate == pytest.approx(rate, rel=1e-11)
    if m == 0:
        assert point.learning_rate == pytest.approx(-2 * a / abs(point.eigenvalue) ** 2, rel=1e-11)
    J = bifur.get_system("phinet").jacobian(point.state, FOCUS)
    whole = np.linalg.eigvals(map_jacobian(J, point.learning_rate, m))
    assert np.abs(whole - point.multiplier).min() < 1e-9
    assert abs(point.multiplier) == pytest.approx(1, rel=1e-12)


def test_only_one_equilibrium():
    sink = bifur.find_equilibria("l2", **L2)[2]
    (point,) = bifur.find_critical_rates("l2", equilibrium=sink)
    assert point.state == pytest.approx(sink.state, rel=1e-14)


def test_a_saddle_loses_nothing():
    """Its stable direction flips at some rate as well, but it is stable at none."""
    points = bifur.find_critical_rates("phinet", sigma2=0.5, rho=0.1)
    saddle = next(e for e in bifur.find_equilibria("phinet", sigma2=0.5, rho=0.1) if e.kind == "saddle")
    (own,) = (point for point in points if np.allclose(point.state, saddle.state))
    assert not own.loses_stability
    assert own.learning_rate == pytest.approx(-2 / saddle.eigenvalues.real.min(), rel=1e-12)


# ---- normal forms -----------------------------------------------------------------------------


def test_the_coefficient_of_a_flip_of_one_state():
    """c = F'''/6 + F''^2/4 (Kuznetsov 2004, theorem 4.3), for l2 at p+: f'' = 2 - 6 a p, f''' = -6 a."""
    point = first("l2", **L2)
    a, eta, p = 1.2, point.learning_rate, point.state[0]
    c = eta * -6 * a / 6 + (eta * (2 - 6 * a * p)) ** 2 / 4
    assert point.normal_form["cubic"] == pytest.approx(c, rel=1e-12)
    assert point.normal_form["criticality"] == "supercritical"


def test_the_flip_of_the_logistic_map():
    """F = x + eta x (1 - x) at 1, eta = 2: F'' = -4, so c = 4; the cycle is 1 +- sqrt(d) / 2 to first order."""
    point = first(logistic)
    assert point.learning_rate == pytest.approx(2, rel=1e-14)
    assert point.normal_form["cubic"] == pytest.approx(4, rel=1e-12)
    assert point.normal_form["crossing"] == pytest.approx(1, rel=1e-12)
    assert point.normal_form["amplitude"] == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize(
    ("system", "m", "parameters"),
    [
        ("l2", 0.0, L2),
        ("l2", 0.6, L2),
        ("phinet", 0.0, {"sigma2": 0.5, "rho": 0.05}),
        ("phinet", 0.7, {"sigma2": 0.5, "rho": 0.05}),
        ("cosine", 0.3, {"sigma2": 0.2, "rho": 0.05}),
        ("byol", 0.4, {"sigma2": 0.2, "rho": 0.05}),
    ],
)
def test_the_cycle_of_period_2_grows_as_the_root_that_the_normal_form_says(system, m, parameters):
    """|u - u*| = amplitude sqrt(|d eta|) (1 + O(d eta)), on the side that `direction` names."""
    from bifur.dynamics.cycles import HeavyBall, distinct

    point = first(system, m, **parameters)
    assert point.kind == "flip"
    sign = 1 if point.normal_form["direction"] == "above" else -1
    system, p = point.system, point.system.values(point.parameters)
    n = system.dimension
    q = np.linalg.svd(system.jacobian(point.state, point.parameters) - point.eigenvalue.real * np.eye(n))[2][-1]
    errors = []
    for d in (4e-4, 1e-4):
        ball = HeavyBall(system, p, point.learning_rate + sign * d, m)
        size = point.normal_form["amplitude"] * math.sqrt(d)
        guess = np.zeros((1, ball.size))
        guess[0, :n] = point.state + size * q
        if m:
            guess[0, n:] = 2 / point.learning_rate * size * q
        w, codes, _ = ball.newton(guess, 2)
        assert codes[0] == 0
        (cycle,) = [ball.cycle(one, 2) for one in distinct(ball, w, 2)]
        assert cycle.stable == (sign > 0)
        assert cycle.residual < 1e-14
        half = np.linalg.norm(cycle.state[1] - cycle.state[0]) / 2
        errors.append(half / size - 1)
    assert abs(errors[0]) < 0.02
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)  # the next term is of relative order d


def test_a_double_multiplier_has_no_coefficient():
    """The collapse of phinet: both eigenvalues are -rho."""
    points = bifur.find_critical_rates("phinet", **FOCUS)
    (collapse,) = (point for point in points if not point.state.any())
    assert collapse.learning_rate == pytest.approx(2 / FOCUS["rho"], rel=1e-12)
    assert collapse.normal_form == {"why": "the multiplier is not simple"}
    assert collapse.loses_stability


@pytest.mark.parametrize("w", [0.5, 1.5, 0.05])
def test_the_normal_form_of_a_rotor(w):
    """z -> (1 + eta lambda) z + eta mu z |z|^2 with u = 2 Re(w q), |q| = 1, has d = 2 eta mu e^(-i theta), exactly."""
    mu = -1 + 0.3j
    (point,) = (p for p in bifur.find_critical_rates(rotor, w=w) if not p.state.any())
    lam = -1 + 1j * w
    assert point.learning_rate == pytest.approx(2 / abs(lam) ** 2, rel=1e-12)
    z = 1 + point.learning_rate * lam
    assert point.multiplier == pytest.approx(z, rel=1e-12)
    form = point.normal_form
    assert form["theta"] == pytest.approx(np.angle(z), rel=1e-12)
    assert form["l1"] == pytest.approx((2 * point.learning_rate * mu / z).real, rel=1e-10)
    # |z|^2 = 1 + 2 a eta + |lambda|^2 eta^2
    assert form["crossing"] == pytest.approx(-1 + abs(lam) ** 2 * point.learning_rate, rel=1e-10)


@pytest.mark.parametrize(("m", "side"), [(0.0, 1), (0.5, -1)])
def test_the_invariant_curve_of_phinet(m, side):
    """Above a supercritical point runs end on |w| = amplitude sqrt(d); below a subcritical one it is the edge of the
    basin: runs from inside go to the focus, those from outside do not."""
    point = first("phinet", m, **FOCUS)
    form = point.normal_form
    assert form["direction"] == ("above" if side > 0 else "below")
    d = 1e-6 if m else 1e-5
    eta = point.learning_rate + side * d
    radius = form["amplitude"] * math.sqrt(d)
    n = 2
    whole = map_jacobian(point.system.jacobian(point.state, point.parameters), point.learning_rate, m)
    values, left = np.linalg.eig(whole.T)
    row = left[:, np.argmin(np.abs(values - point.multiplier))]
    values, right = np.linalg.eig(whole)
    q = right[:, np.argmin(np.abs(values - point.multiplier))]
    q = q / np.linalg.norm(q[:n])
    row = row / (row @ q)

    def end(share, steps, keep=2000):
        """The mean of |w| over the last steps of a run from `share` of the radius, velocity included."""
        x = np.concatenate([point.state, np.zeros(len(q) - n)]) + 2 * (share * radius * q).real
        # the first and the last options: no cycles are looked for, and states are put out at the end
        options = np.array([1e-10, 1e-12, 0, 1, steps - keep])
        p = point.system.values(point.parameters)
        run = _Batch(point.system, p[None], np.array([eta]), np.array([m]), x[None, :n], steps, options, keep + 1)
        run.velocities[0] = x[n:] if m else 0.0
        run.part(slice(0, 1))
        u = run.out[0]
        if m:  # u' = u + eta v'
            u, v = u[1:], np.diff(u, axis=0) / eta
            u = np.column_stack([u, v])
        return np.abs((u - np.concatenate([point.state, np.zeros(len(q) - n)])) @ row).mean()

    growth = abs(form["crossing"]) * d  # of |w| in a step, relative
    steps = int(3 / growth)
    if side > 0:
        for share in (0.5, 1.5):
            assert end(share, steps) / radius == pytest.approx(1, abs=0.02)
    else:
        assert end(0.9, steps // 4) < 0.87 * radius
        assert end(1.1, steps // 4) > 1.15 * radius


# ---- along a diagram ------------------------------------------------------------------------------


def test_points_over_a_parameter_are_those_of_the_closed_form():
    """l2: p = 2 rho + 2 / eta and a p^2 = p - rho at the stable state's flip, rho = 2 / eta at the collapse's."""
    eta, a = 3.0, 1.2
    points = bifur.find_critical_points("l2", free="rho", span=(1e-3, 1), learning_rate=eta, sigma2=0.2)
    # a (2 rho + 2/eta)^2 - (rho + 2/eta) = 0
    roots = np.roots([4 * a, 8 * a / eta - 1, 4 * a / eta**2 - 2 / eta])
    expected = sorted([float(r) for r in roots.real if 1e-3 < r < 1] + [2 / eta])
    assert [point.parameters["rho"] for point in points] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("m", [0.0, 0.5])
@pytest.mark.parametrize("span", [(0.15, 0.25), (1e-3, 1.0)])
def test_points_over_a_parameter_are_all_that_a_scan_finds(m, span):
    """phinet: the number of multipliers outside the unit circle, summed over the equilibria, along rho.

    Over the long span the pair leaves the circle, becomes real and comes back in part within one step of the branch.
    """
    eta = 3.55 if m else 2.4361
    rho = np.linspace(0.15, 0.25, 201)
    points = bifur.find_critical_points("phinet", free="rho", span=span, learning_rate=eta, momentum=m, sigma2=0.2314)
    points = [point for point in points if rho[0] <= point.parameters["rho"] <= rho[-1]]
    assert len(points) > 1

    def outside(value):
        equilibria = bifur.find_equilibria("phinet", sigma2=0.2314, rho=value)
        return sum(int((np.abs(bifur.multipliers(e, eta, m)) > 1).sum()) for e in equilibria)

    counts = np.array([outside(value) for value in rho])
    changed = np.flatnonzero(np.diff(counts))
    assert len(changed) == len(points)
    for k, point in zip(changed, points, strict=True):
        assert rho[k] <= point.parameters["rho"] <= rho[k + 1]
        assert abs(counts[k + 1] - counts[k]) == (1 if point.kind == "flip" else 2)
        J = point.system.jacobian(point.state, point.parameters)
        assert np.abs(bifur.multipliers(np.linalg.eigvals(J), eta, m) - point.multiplier).min() < 1e-9


# ---- arguments ----------------------------------------------------------------------------------------


def test_wrong_arguments():
    more = {"span": (1e-3, 1), "learning_rate": 1.0}
    with pytest.raises(ValueError, match="`free` is a parameter of the system"):
        bifur.find_critical_points("l2", free="learning_rate", **more)
    with pytest.raises(ValueError, match=r"`free`: unknown parameter 'roh'.*did you mean rho"):
        bifur.find_critical_points("l2", free="roh", **more)
    with pytest.raises(ValueError, match="`momentum` must be a number"):
        bifur.find_critical_rates("l2", momentum=2)
    with pytest.raises(ValueError, match="`equilibrium` must be an Equilibrium of l2"):
        bifur.find_critical_rates("l2", equilibrium=3)
    sink = bifur.find_equilibria("l2")[0]
    with pytest.raises(ValueError, match="`equilibrium` has its parameters"):
        bifur.find_critical_rates("l2", equilibrium=sink, rho=0.1)
    with pytest.raises(ValueError, match="`equilibrium` must be an Equilibrium of phinet"):
        bifur.find_critical_rates("phinet", equilibrium=sink)


def test_a_set_of_equilibria_is_left_out():
    """l2-full at rho = 0: the line s = 0 has no rate of its own."""
    for point in bifur.find_critical_rates("l2-full", sigma2=0.5, rho=0.0):
        assert np.isfinite(point.learning_rate)


def test_ring_is_what_it_says():
    (point,) = (p for p in bifur.find_critical_rates(ring, a=0.6, b=0.8) if not p.state.any())
    assert point.learning_rate == pytest.approx(1, rel=1e-14)
