"""The engine against published special points of systems that others wrote."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from tests.continuation.test_diagram import check_points, values
from tests.known import literature, reactor
from tests.known.families import system


def distinct(numbers):
    """One of each group of equal values: a branch point is found on every branch through it."""
    kept = []
    for value in sorted(numbers):
        if not kept or abs(value - kept[-1]) > 1e-9 * abs(value) + 1e-12:
            kept.append(value)
    return kept


def check_genuine(point):
    """By numpy, at the point: a zero eigenvalue at LP and BP, a pair on the imaginary axis at HB."""
    s = point.system
    J = s.jacobian(point.state, point.parameters)
    eigenvalues = np.linalg.eigvals(J)
    size = max(1.0, np.abs(J).max())
    if point.kind in ("LP", "BP"):
        assert np.abs(eigenvalues).min() <= 1e-6 * size
    if point.kind == "HB":
        omega = point.normal_form["omega"]
        assert np.abs(eigenvalues - 1j * omega).min() <= 1e-6 * size
        assert point.normal_form["period"] == pytest.approx(2 * np.pi / omega, rel=1e-14)
    if point.kind == "LP":
        np.testing.assert_allclose(J @ point.null_vector, 0, atol=1e-6 * size)
        assert np.linalg.norm(point.null_vector) == pytest.approx(1)
        assert point.normal_form["quadratic"] != 0


@pytest.mark.parametrize(("name", "free", "span", "fixed", "expected"), literature.DIAGRAMS, ids=lambda v: str(v)[:12])
def test_published_special_points(name, free, span, fixed, expected):
    diagram = bifur.trace(system(name), fixed, free=free, span=span)
    for kind, numbers in expected.items():
        found = values(diagram, kind)
        if kind == "BP":
            found = distinct(found)
        if (name, kind) == ("lorenz84", "HB"):  # the publication follows one branch; there is another
            found = values_on(diagram, kind, numbers[0])
        assert len(found) == len(numbers), (kind, found)
        np.testing.assert_allclose(found, sorted(numbers), rtol=2e-11)
    for point in diagram.special_points:
        check_genuine(point)
        assert point.residual <= 1e-10
    assert diagram.completeness in ("proved", "probable")
    check_points(diagram)


def values_on(diagram, kind, number):
    """The points on the branch that holds the one at `number`."""
    (branch,) = {
        p.branch for p in diagram.special_points if p.kind == kind and abs(p.parameters[diagram.free] - number) < 1e-8
    }
    return sorted(p.parameters[diagram.free] for p in diagram.special_points if p.kind == kind and p.branch == branch)


def test_states_at_the_points_of_pp2():
    diagram = bifur.trace(system("pp2"), free="q", span=(0.0, 1.5))
    points = {point.kind: point for point in diagram.special_points}
    assert points["LP"].state[0] == pytest.approx(0.4111615607511, rel=1e-10)
    np.testing.assert_allclose(points["HB"].state, [1 / 3, 0.3657615359772], rtol=1e-11)
    assert points["HB"].parameters["q"] == pytest.approx(0.6715938474788, rel=1e-12)


def test_the_hopf_normal_form():
    """x' = lam x - w y - x (x^2 + y^2), ...: HB at lam = 0 with frequency w, for several w."""
    for w in (0.01, 1.0, 37.0):
        s = bifur.System(
            "hopf",
            lambda u, p, w=w: (
                p.lam * u[0] - w * u[1] - u[0] * (u[0] ** 2 + u[1] ** 2),
                w * u[0] + p.lam * u[1] - u[1] * (u[0] ** 2 + u[1] ** 2),
            ),
            states=("x", "y"),
            parameters={"lam": 0.0},
        )
        diagram = bifur.trace(s, free="lam", span=(-1, 1.3))
        (point,) = diagram.special_points
        assert point.kind == "HB"
        assert point.parameters["lam"] == pytest.approx(0, abs=1e-12)
        assert point.normal_form["omega"] == pytest.approx(w, rel=1e-9)
        (branch,) = diagram.branches
        np.testing.assert_array_equal(branch.n_unstable, 2 * (branch.parameter > 0))


def test_a_neutral_saddle_is_not_a_hopf_point():
    s = bifur.System("neutral", lambda u, p: (u[0] * (1 + p.lam), -u[1]), states=("x", "y"), parameters={"lam": 0.1})
    diagram = bifur.trace(s, free="lam", span=(-0.5, 0.6))
    assert [point.kind for point in diagram.special_points] == ["NS"]
    assert diagram.special_points[0].parameters["lam"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("B", "beta", "span"), [(8.0, 1.55, (0.05, 0.4)), (8.0, 1.2, (0.05, 0.4)), (14.0, 1.5, (0.01, 0.2))]
)
def test_the_reactor_against_its_scalar_reduction(B, beta, span):
    """Folds where c3 = 0, Hopf points where c1 c2 = c3 (Routh-Hurwitz), by brentq on the reduced equation."""
    expected = reactor.special_points(B, beta, most=9.0)
    diagram = bifur.trace(system("abc"), free="D", span=span, B=B, beta=beta, bounds={"u3": (0, 20)})
    number = 0
    for kind in ("LP", "HB"):
        inside = [value for value in expected[kind] if span[0] < value < span[1]]
        number += len(inside)
        np.testing.assert_allclose(values(diagram, kind), inside, rtol=1e-8)
    assert number >= 1
    assert len(diagram.branches) == 1 + len(values(diagram, "LP")) % 2, "an odd number of folds: two ends at one side"
    for point in diagram.special_points:
        check_genuine(point)
    check_points(diagram)


def test_more_hopf_points_of_larger_systems():
    """Coupled copies of the Hopf normal form at different lam: five states, each point found."""

    def field(u, p):
        x, y, v, w, z = u
        return (p.lam * x - y, x + p.lam * y, (p.lam - 0.3) * v - 2 * w, 2 * v + (p.lam - 0.3) * w, -z)

    s = bifur.System("two", field, states=("x", "y", "v", "w", "z"), parameters={"lam": 0.0})
    diagram = bifur.trace(s, free="lam", span=(-0.55, 0.87), start=(0, 0, 0, 0, 0))
    np.testing.assert_allclose(values(diagram, "HB"), [0, 0.3], atol=1e-10)
    omegas = [
        p.normal_form["omega"]
        for p in sorted(diagram.special_points, key=lambda p: p.parameters["lam"])
        if p.kind == "HB"
    ]
    np.testing.assert_allclose(omegas, [1, 2], rtol=1e-9)
