"""Portraits: nullclines, directions, eigenvectors, separatrices, boundaries, limit cycles."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import bifur
from bifur.dynamics import boundary, tracks
from bifur.dynamics.limit_cycles import cycle_near

P = {"sigma2": 0.5, "rho": 0.05}


@pytest.fixture(scope="module")
def phinet():
    return bifur.portrait("phinet", {"p_h": (-0.6, 1.0), "p_g": (-1.0, 2.0)}, P)


# ---- the window -----------------------------------------------------------------------------------


def test_nullclines_of_phinet_are_where_algebra_has_them(phinet):
    """p_h' = 0 is p_h = 0 or (1 + p_g) p_h - a (1 + p_g^2) p_h^2 = rho; p_g' = 0 is p_g = p_h^3 / (rho + a p_h^4)."""
    first, second = phinet.nullclines
    assert (first.state, second.state) == (0, 1)
    a, rho = 1.5, 0.05
    h, g = np.concatenate(first.curves).T
    off = np.minimum(np.abs(h), np.abs((1 + g) * h - a * (1 + g**2) * h**2 - rho))
    assert off.max() < 1e-11
    h, g = np.concatenate(second.curves).T
    assert np.abs(g - h**3 / (rho + a * h**4)).max() < 1e-11
    assert h.min() == pytest.approx(-0.6, abs=1e-9)
    assert np.diff(np.sort(h)).max() < 0.02  # all of it
    assert max(first.residual.max(), second.residual.max()) < 1e-9
    # both components of p_h = 0 and of the other branch are there
    h, g = np.concatenate(first.curves).T
    assert np.ptp(g[np.abs(h) < 1e-9]) == pytest.approx(3.0, abs=1e-6)
    assert np.ptp(g[h > 0.01]) > 1.0


@pytest.mark.parametrize(("name", "rho"), [("l2-full", 0.05), ("phinet-talk", 1e-3)])
def test_nullclines_lie_where_a_component_vanishes(name, rho):
    found = bifur.portrait(name, sigma2=0.2, rho=rho)
    for nullcline in found.nullclines:
        for points in nullcline.curves:
            values = found.system.field(tuple(points.T), found.parameters)[nullcline.state]
            slope = found.system.jacobian(tuple(points.T), found.parameters)[nullcline.state]
            assert (np.abs(values) / np.maximum(np.hypot(*slope), 1e-12)).max() < 1e-9


def test_nullclines_that_cross_and_poles():
    """At a crossing of two branches the gradient vanishes; a pole has a change of sign but no zero."""
    cross = bifur.System(
        "cross", lambda u, p: (u[0] * u[1] * p.k, 1 / (u[0] - 0.3) + u[1]), states=("x", "y"), parameters={"k": 1.0}
    )
    found = bifur.portrait(cross, {"x": (-1, 1.1), "y": (-1, 1.2)})
    x, y = np.concatenate(found.nullclines[0].curves).T
    assert np.minimum(np.abs(x), np.abs(y)).max() < 1e-5
    assert np.abs(x * y).max() < 1e-11
    x, y = np.concatenate(found.nullclines[1].curves).T
    assert np.abs(y + 1 / (x - 0.3)).max() < 1e-9
    assert "lie on no nullcline" in " ".join(found.notes)


def test_the_direction_field(phinet):
    field = phinet.field
    assert field.direction.shape == (161, 161, 2)
    x, y = np.meshgrid(field.x, field.y)
    exact = np.moveaxis(phinet.system.field((x, y), P), 0, -1)
    np.testing.assert_allclose(field.direction * field.speed[..., None], exact, rtol=1e-13, atol=1e-15)
    moving = field.speed > 0
    np.testing.assert_allclose(np.hypot(*field.direction[moving].T), 1.0, rtol=1e-14)


def test_a_field_that_overflows_or_vanishes():
    system = bifur.System(
        "wild", lambda u, p: (p.k * 1e200 * u[0], 1e200 * u[1]), states=("x", "y"), parameters={"k": 1}
    )
    field = bifur.portrait(system, {"x": (-1, 1), "y": (-1, 1)}, resolution=3).field
    assert (field.direction[1, 1] == 0).all()
    np.testing.assert_allclose(field.speed[0, 0], np.sqrt(2) * 1e200, rtol=1e-14)


def test_eigenvectors(phinet):
    for equilibrium, vectors in zip(phinet.equilibria, phinet.eigenvectors, strict=True):
        J = phinet.system.jacobian(equilibrium.state, P)
        np.testing.assert_allclose(J @ vectors, vectors * equilibrium.eigenvalues.real, atol=1e-13)
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=0), 1.0)
    focus = bifur.System(
        "focus", lambda u, p: (-u[0] - 2 * u[1], u[0] * p.k - u[1]), states=("x", "y"), parameters={"k": 3}
    )
    found = bifur.portrait(focus, resolution=5)
    (real, imaginary), value = found.eigenvectors[0].T, found.equilibria[0].eigenvalues[0]
    J, v = found.system.jacobian((0, 0)), real + 1j * imaginary
    assert abs(J @ v - value * v).max() < 1e-13


# ---- separatrices ---------------------------------------------------------------------------------


def test_separatrices_of_planar_simsiam_are_lines():
    """At mu = 0 the saddle's stable manifold is p_h = p-, its unstable one p_g = 0."""
    found = bifur.portrait("phinet-weighted", parameters={"sigma2": 0.0, "rho": 0.05, "mu": 0})
    below = (1 - np.sqrt(1 - 0.2)) / 2
    for manifold in found.manifolds:
        distance = manifold.points[:, 0] - below if manifold.stable else manifold.points[:, 1]
        assert np.abs(distance).max() < 1e-12
    assert sorted(found.say(c) for c in found.connections) == [
        "infinity -> saddle",
        "infinity -> saddle",
        "saddle -> sink 1",
        "saddle -> sink 2",
    ]


def test_connections_of_phinet_at_small_rho():
    """sigma2 = 0, rho = 1e-4: the negative saddle leads to the negative sink and the origin, the positive one to the

    origin and the positive sink; all stable ones come from infinity.
    """
    found = bifur.portrait("phinet", sigma2=0, rho=1e-4)
    assert sorted(found.say(c) for c in found.connections if not c.stable) == [
        "saddle 1 -> sink 1",
        "saddle 1 -> sink 2",
        "saddle 2 -> sink 2",
        "saddle 2 -> sink 3",
    ]
    assert sum(c.kind == "infinity -> saddle" for c in found.connections) == 4
    np.testing.assert_allclose(found.equilibria[0].state, (-0.14104, -5.65985), atol=6e-6)
    assert list(found.doubts) == []


def test_runs_and_curves_lie_on_each_other(phinet):
    """The separatrices in time and in arclength, against scipy."""
    p = phinet.system.values(P)
    around = tracks.room(phinet.equilibria, phinet.boundary)
    runs = tracks.tracks(phinet.system, p, phinet.equilibria, phinet.boundary)
    for run in (run for run in runs if not run.stable):
        (curve,) = [m for m in phinet.manifolds if not m.stable and (m.saddle, m.side) == (run.saddle, run.side)]
        assert (curve.end, curve.limit) == (run.end, run.limit)
        start = phinet.equilibria[run.saddle].state + tracks.START * around[run.saddle] * run.direction
        other = solve_ivp(
            lambda t, u: phinet.system.field(u, P), (0, 600), start, method="Radau", rtol=1e-10, atol=1e-12
        )
        assert np.linalg.norm(other.y[:, -1] - phinet.equilibria[run.limit].state) < 1e-6
        for points in (run.points, other.y.T):
            assert max(_distance(point, curve.points) for point in points[:: len(points) // 40]) < 2e-5


def _distance(point, curve):
    a, d = curve[:-1], np.diff(curve, axis=0)
    t = np.clip(((point - a) * d).sum(1) / (d**2).sum(1), 0, 1)
    return np.linalg.norm(a + t[:, None] * d - point, axis=1).min()


def duffing(c):
    return bifur.System(
        "duffing", lambda u, p: (u[1], u[0] - u[0] ** 3 - p.c * u[1]), states=("x", "v"), parameters={"c": c}
    )


@pytest.mark.parametrize("c", [0.3, 1.0, 4.0])
def test_damped_duffing(c):
    """Its energy falls, so there is no cycle; sinks that are foci or nodes make no difference."""
    found, other = bifur.portrait(duffing(c), resolution=5), bifur.portrait(duffing(0.5), resolution=5)
    assert found.cycles_excluded
    said = sorted(found.say(connection) for connection in found.connections)
    assert said == ["infinity -> saddle", "infinity -> saddle", "saddle -> sink 1", "saddle -> sink 2"]
    assert found.is_equivalent(other).value is True


# ---- the boundary ---------------------------------------------------------------------------------


def test_the_field_points_inward_along_the_boundary(phinet):
    curve = phinet.boundary
    assert (curve.infinity, curve.shown) == ("source", "proved")
    points, normals = curve.points(20_000)
    np.testing.assert_allclose(curve.level(points), 1.0)
    values = boundary.field_on(phinet.system, phinet.system.values(P), points)
    assert ((values * normals).sum(axis=1) < 0).all()
    for e in phinet.equilibria:
        assert curve.level(e.state) < 1


def test_a_boundary_that_is_crossed_is_not_proved():
    """The circle of radius 1 is crossed outward in an arc of 2e-3 only, which samples miss."""
    system = bifur.System(
        "arc",
        lambda u, p: (-u[0] + p.k * u[0] / (1 + 1e6 * u[1] ** 2), -u[1] + 0 * p.k),
        states=("x", "y"),
        parameters={"k": 1.001},
    )
    circle = boundary.Boundary("ellipse", np.zeros(2), np.ones(2), "mixed", "")
    points, normals = circle.points(boundary.SAMPLES)
    values = boundary.field_on(system, np.array([1.001]), points)
    assert ((values * normals).sum(axis=1) < 0).all()
    assert not boundary.proved(system, np.array([1.001]), circle, -1.0)
    assert boundary.proved(system, np.array([0.99]), circle, -1.0)
    box = boundary.Boundary("box", np.zeros(2), np.ones(2), "mixed", "")
    assert not boundary.proved(system, np.array([1.001]), box, -1.0)
    assert boundary.proved(system, np.array([0.99]), box, -1.0)


def test_an_ellipse_where_no_box_holds():
    spiral = bifur.System(
        "spiral", lambda u, p: (-u[0] - 5 * u[1], 5 * u[0] - p.k * u[1]), states=("x", "y"), parameters={"k": 1}
    )
    found = bifur.portrait(spiral, resolution=5)
    assert (found.boundary.shape, found.boundary.infinity, found.boundary.shown) == ("ellipse", "source", "proved")
    assert found.cycles_excluded


# ---- limit cycles -----------------------------------------------------------------------------------


def rings(name, growth):
    """r' = growth(r^2) r, angle' = 1."""
    return bifur.System(
        name,
        lambda u, p: (
            growth(u[0] ** 2 + u[1] ** 2) * u[0] * p.k - u[1],
            growth(u[0] ** 2 + u[1] ** 2) * u[1] * p.k + u[0],
        ),
        states=("x", "y"),
        parameters={"k": 1.0},
    )


def test_two_cycles_with_known_periods_and_multipliers():
    """r' = k r (r^2 - 1)(4 - r^2): r = 1 with multiplier exp(2 pi 6 k), r = 2 with exp(-2 pi 24 k)."""
    two = bifur.portrait(rings("two-rings", lambda q: (q - 1) * (4 - q)), k=0.05, resolution=5)
    cycles = sorted(two.cycles, key=lambda cycle: cycle.multiplier)
    assert [cycle.stable for cycle in cycles] == [True, False]
    for cycle, radius, rate in zip(cycles, (2, 1), (-24, 6), strict=True):
        assert cycle.period == pytest.approx(2 * np.pi, rel=1e-9)
        np.testing.assert_allclose(np.hypot(*cycle.points.T), radius, rtol=1e-8)
        assert cycle.multiplier == pytest.approx(np.exp(2 * np.pi * rate * 0.05), rel=1e-6)
    assert not two.cycles_excluded
    one = bifur.portrait(rings("one-ring", lambda q: 1 - q), k=0.1, resolution=5)
    assert len(one.cycles) == 1
    answer = one.is_equivalent(one)
    assert answer.value is None
    assert "limit cycle" in answer.reason


def test_a_cycle_tells_from_none():
    """The same equilibrium, a source; with a stable cycle around it, or with all orbits going to infinity."""
    ring = bifur.portrait(rings("ring-a", lambda q: 1 - q), k=0.1, resolution=5)
    source = bifur.portrait(rings("ring-b", lambda q: 1 + q), k=0.1, resolution=5)
    assert source.cycles_excluded
    assert ring.is_equivalent(source).value is False


def test_the_period_of_van_der_pol():
    """6.663286859323130 at mu = 1 (Amore & Fernandez 2018, arXiv 1801.02865, and others)."""
    van_der_pol = bifur.System(
        "van-der-pol",
        lambda u, p: (u[1], p.mu * (1 - u[0] ** 2) * u[1] - u[0]),
        states=("x", "y"),
        parameters={"mu": 1.0},
    )
    found = bifur.portrait(van_der_pol, resolution=5)
    (cycle,) = found.cycles
    assert cycle.period == pytest.approx(6.663286859323130, rel=1e-9)
    assert cycle.points[:, 0].max() == pytest.approx(2.0086198608748433, rel=1e-4)
    assert cycle.stable
    assert "limit cycle" in " ".join(found.doubts.rest)


def test_no_cycle_is_made_up():
    assert cycle_near(bifur.get_system("phinet"), np.array([0.0, 0.6]), np.array([0.5, 0.5])) is None


# ---- arguments and words ----------------------------------------------------------------------------


def test_json_is_plain(phinet):
    said = json.loads(json.dumps(phinet.to_dict()))
    assert [e["name"] for e in said["equilibria"]] == ["sink 1", "saddle", "sink 2"]
    assert said["infinity"] == {"flow": "source", "shown": "proved"}
    assert {tuple(entry) for entry in said["graph"]["multiplicity"]} == {(1, 0, 1), (1, 2, 1), (3, 1, 2)}
    assert sum(node["index"] for node in said["graph"]["nodes"]) == 2


def test_one_state():
    found = bifur.portrait("l2", parameters={"sigma2": 0, "rho": 0.05})
    assert found.field.direction.shape == (161, 1)
    assert [found.say(c) for c in found.connections] == [
        "infinity -> sink 1",
        "source -> sink 1",
        "source -> sink 2",
        "infinity -> sink 2",
    ]
    bounded = bifur.portrait("isoloss")
    assert bounded.signs
    assert all(c.source >= -1 for c in bounded.connections)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"system": "phinet-full"}, "`system`: phinet-full has 3 states; a portrait is of one or two"),
        ({"window": {"q": (0, 1)}}, "`window`: unknown state 'q': accepted are p_h, p_g"),
        ({"window": {"p_h": (1, 0)}}, "`window`: that of p_h is (1, 0); low must be below high"),
        ({"window": {"p_h": 3}}, "`window`: that of p_h must be (low, high), not 3"),
        ({"window": [(0, 1)]}, "`window` must be names of states"),
        ({"resolution": 1}, "`resolution` must be a whole number from 2 to 10000, not 1"),
        ({"parameters": {"roh": 1}}, "did you mean rho?"),
        ({"equilibria": [1, 2]}, "`equilibria` must be a sequence of Equilibrium"),
    ],
)
def test_wrong_arguments(change, says):
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        bifur.portrait(**({"system": "phinet"} | change))
    assert says in str(caught.value)
