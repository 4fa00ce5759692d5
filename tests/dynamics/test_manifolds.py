"""Manifolds of saddles: closed forms, invariance by scipy, convergence, how they end."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import bifur
from bifur.dynamics.manifolds import trace_manifolds
from bifur.kernels import manifold as kernel
from bifur.systems.ops import sin


def system(name, field, bounds=None, **parameters):
    return bifur.System(name, field, states=("x", "y"), parameters=parameters or {"c": 1.0}, bounds=bounds)


BENT = system("bent", lambda u, p: (-u[0], u[1] + p.c * u[0] ** 2))
CUBIC = system("cubic-bend", lambda u, p: (-u[0], u[1] + p.c * u[0] ** 3))
LINEAR = system("linear-saddle", lambda u, p: (u[0] + 2 * u[1], p.c * u[0] - 3 * u[1]))
PENDULUM = system("pendulum", lambda u, p: (u[1], -sin(u[0]) - p.c * u[1]), {"x": (-4.0, 4.0), "y": (-4.0, 4.0)}, c=0.0)
# backward, the stable manifold of the origin's neighbour winds onto an unstable focus or cycle
SPIRAL = system("spiral-source", lambda u, p: (u[1] + 0 * p.c, u[0] - u[0] ** 3 + 0.3 * u[1]))
TURNING = system(
    "turning",
    lambda u, p: (
        u[0] - u[1] - u[0] * (u[0] ** 2 + u[1] ** 2),
        u[0] + u[1] - u[1] * (u[0] ** 2 + u[1] ** 2) + 0 * p.c,
    ),
)


def arms(chosen, box=((-2, -2), (2, 2)), **options):
    parameters = options.pop("parameters", {})
    found = bifur.find_equilibria(chosen, parameters)
    return found, trace_manifolds(chosen, parameters, found, box, **options)


def arm(found, stable, side):
    (one,) = [m for m in found if m.stable == stable and m.side == side]
    return one


@pytest.mark.parametrize("c", [1.0, -7.0])
def test_stable_manifold_that_is_a_parabola(c):
    """u' = -u, v' = v + c u^2: v = -c u^2 / 3."""
    _, found = arms(BENT, box=((-1, -3), (1, 3)), parameters={"c": c}, tolerance=1e-12)
    assert len(found) == 4
    for side in (1, -1):
        points = arm(found, True, side).points
        assert np.abs(points[:, 1] + c * points[:, 0] ** 2 / 3).max() < 1e-9
        assert arm(found, True, side).end == "leaves"
        assert np.abs(points[-1, 0]) > 1 or np.abs(points[-1, 1]) > 3
        assert np.abs(arm(found, False, side).points[:, 0]).max() == 0.0


def test_errors_follow_the_tolerance():
    """v = -u^3 / 4, which the expansion at the saddle does not hold: the error falls as the tolerance does."""
    errors = []
    for tolerance in (1e-6, 1e-9, 1e-12):
        _, found = arms(CUBIC, box=((-1, -3), (1, 3)), tolerance=tolerance)
        points = arm(found, True, 1).points
        errors.append(np.abs(points[:, 1] + points[:, 0] ** 3 / 4).max())
    assert errors[0] < 1e-5
    assert errors[1] < 1e-8
    assert errors[2] < 1e-11


@pytest.mark.parametrize("spacing", [0.2, 0.05, 0.0125])
def test_points_are_as_close_and_chords_as_flat_as_asked(spacing):
    _, found = arms(BENT, box=((-1, -3), (1, 3)), spacing=spacing, parameters={"c": 3.0})
    points = arm(found, True, 1).points
    assert np.hypot(*np.diff(points, axis=0).T).max() <= spacing * (1 + 1e-9)
    middle = 0.5 * (points[1:] + points[:-1])  # vertical distance from v = -u^2; that along the normal is less
    assert np.abs(middle[:, 1] + middle[:, 0] ** 2).max() < 3 * 1e-3 * spacing


def test_linear_saddle_has_straight_manifolds():
    equilibria, found = arms(LINEAR)
    (saddle,) = equilibria
    jacobian = LINEAR.jacobian((0.0, 0.0))
    for one in found:
        value = saddle.eigenvalues.real[1 if one.stable else 0]
        far = one.points[-1]
        assert np.abs(jacobian @ far - value * far).max() < 1e-8
        line = one.points @ [-far[1], far[0]] / np.hypot(*far)
        assert np.abs(line).max() < 1e-8
        assert (np.diff(np.hypot(*one.points.T)) > 0).all()


def test_connections_of_the_pendulum_are_named():
    """Separatrices y = +-2 cos(x / 2) from (-pi, 0) to (pi, 0) and back."""
    equilibria, found = arms(PENDULUM, box=((-4, -4), (4, 4)))
    assert [e.kind for e in equilibria][::2] == ["saddle", "saddle"]
    inner = [m for m in found if np.abs(m.points[:, 0]).min() < 1e-2]
    assert len(inner) == 4
    for one in inner:
        assert one.end == "equilibrium"
        assert one.limit == 2 - one.saddle
        x, y = one.points.T
        assert np.abs(np.abs(y) - 2 * np.cos(x / 2)).max() < 1e-7
    assert all(m.end == "leaves" for m in found if np.abs(m.points[:, 0]).min() > 1e-2)


@pytest.mark.parametrize("damping", [1e-4, 0.2])
def test_damping_breaks_the_connections(damping):
    equilibria, found = arms(PENDULUM, box=((-4, -4), (4, 4)), parameters={"c": damping}, max_length=500.0)
    assert [e.kind for e in equilibria] == ["saddle", "sink", "saddle"]
    inner = [m for m in found if not m.stable and np.abs(m.points[:, 0]).min() < 1e-2]
    assert len(inner) == 2
    assert all(m.limit == 1 if damping == 0.2 else m.end == "length" for m in inner)


def test_a_source_is_reached_backward_along_a_spiral():
    equilibria, found = arms(SPIRAL, box=((-5, -5), (5, 5)))
    assert [e.kind for e in equilibria] == ["source", "saddle", "source"]
    assert arm(found, True, 1).limit == 2
    assert arm(found, True, -1).limit == 0
    assert arm(found, True, 1).points[-1] == pytest.approx([1.0, 0.0], abs=1e-15)


def test_without_saddles_there_is_nothing():
    equilibria, found = arms(TURNING)
    assert [e.kind for e in equilibria] == ["source"]
    assert found == ()


@pytest.mark.parametrize(("sigma2", "rho"), [(0.0, 1e-4), (0.5, 1e-4), (0.0, 1e-3), (0.5, 0.1)])
def test_stable_manifolds_of_phinet_are_invariant(sigma2, rho):
    """Points of them, followed by scipy, come near their saddle before they leave it; points beside them do not."""
    chosen = bifur.get_system("phinet")
    p = {"sigma2": sigma2, "rho": rho}
    equilibria, found = arms(chosen, ((-20, -20), (20, 20)), parameters=p, stable=True, tolerance=1e-11)
    assert len(found) == 2 * sum(e.kind == "saddle" for e in equilibria)
    states = np.array([e.state for e in equilibria])
    for one in found:
        saddle = states[one.saddle]
        gap = np.sort(np.hypot(*(states - saddle).T))[1]
        distances = np.hypot(*(one.points - saddle).T)
        start = one.points[np.argmin(np.abs(distances - min(10 * gap, 2.0)))]
        nearest = [closest(chosen, p, start + shift, saddle) for shift in (0.0, 1e-2 * gap)]
        assert nearest[0] < 1e-3 * gap
        assert nearest[1] > 3 * nearest[0]


def closest(chosen, p, start, saddle):
    """The least distance from the saddle of the run from `start`."""
    run = solve_ivp(lambda t, u: chosen.field(u, p), (0, 30 / p["rho"]), start, method="LSODA", rtol=1e-12, atol=1e-18)
    assert run.success
    return np.hypot(*(run.y.T - saddle).T).min()


def test_the_slow_saddle_of_phinet():
    """At rho = 1e-4 the saddle (1e-4, 1e-8) is 1e-4 from the sink at the origin: each arm goes where it should."""
    equilibria, found = arms(bifur.get_system("phinet"), ((-20, -20), (20, 20)), parameters={"sigma2": 0, "rho": 1e-4})
    assert [e.kind for e in equilibria] == ["sink", "saddle", "sink", "saddle", "sink"]
    slow = {(m.stable, m.side): m for m in found if m.saddle == 3}
    assert slow[False, -1].limit == 2
    assert slow[False, 1].limit == 4
    assert slow[True, 1].end == slow[True, -1].end == "leaves"
    near = slow[True, 1].points[1:20]
    assert (near[:, 0] > 0).all()
    # the arm never crosses the invariant line p_h = 0, though it comes within 1e-5 of it
    assert 0 < slow[True, 1].points[:, 0].min() < 1e-5
    other = {(m.stable, m.side): m for m in found if m.saddle == 1}
    assert {other[False, 1].limit, other[False, -1].limit} == {0, 2}
    assert all((m.points[1:, 0] < 0).all() for m in (other[True, 1], other[True, -1]))
    squeezed = min((other[True, 1], other[True, -1]), key=lambda m: abs(m.points[-1, 0]))
    assert -1e-4 < squeezed.points[-1, 0] < 0


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e-7])
def test_the_start_lies_on_the_manifold(scale):
    """x' = -x, y' = y + x^2 / s + x^3 / s^2: y = -x^2 / 3 s - x^3 / 4 s^2, for a saddle of any size s."""
    chosen = system("scaled", lambda u, p: (-u[0], u[1] + u[0] ** 2 / p.c + u[0] ** 3 / p.c**2))
    out, room = np.empty(2), kernel.make_room(1)
    for side in (1, -1):
        kernel.start_at(chosen.derived.addresses, np.array([scale]), np.zeros(2), 1, side, scale, out, room)
        x, y = out / scale
        assert 1e-6 < side * x < 0.01
        assert abs(y + x**2 / 3 + x**3 / 4) < 1e-10


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing": 0.0}, "`spacing`"),
        ({"box": ((1, 1), (0, 2))}, "`box`"),
        ({"window": ((0, 0), (math.nan, 2))}, "`window`"),
        ({"tolerance": "small"}, "`tolerance`"),
        ({"max_points": 2}, "`max_points`"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        arms(BENT, **options)


def test_only_planar_systems():
    with pytest.raises(ValueError, match="two"):
        bifur.find_manifolds("l2")


def test_find_manifolds_is_the_same():
    found = bifur.find_manifolds("phinet", sigma2=0.5, rho=0.1, stable=True, box=((-3, -3), (3, 3)))
    _, traced = arms(bifur.get_system("phinet"), ((-3, -3), (3, 3)), parameters={"sigma2": 0.5, "rho": 0.1})
    assert [m.saddle for m in found] == [1, 1]
    assert all(np.array_equal(a.points, b.points) for a, b in zip(found, traced[:2], strict=True))


def test_what_stops_a_curve_is_said():
    found = bifur.find_equilibria("phinet", sigma2=0.5, rho=0.1)
    short = trace_manifolds("phinet", {"sigma2": 0.5, "rho": 0.1}, found, ((-3, -3), (3, 3)), max_points=16)
    assert any(m.end == "stopped" and "max_points" in m.reason for m in short)
    brief = trace_manifolds("phinet", {"sigma2": 0.5, "rho": 0.1}, found, ((-3, -3), (3, 3)), max_length=0.5)
    assert any(m.end == "length" for m in brief)
