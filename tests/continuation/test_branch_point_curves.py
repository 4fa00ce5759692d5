"""Curves of branch points: where a symmetry or a trivial branch holds them together, and where nothing does."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.continuation.results import Stop
from tests.known.families import system
from tests.systems.test_load import refused


def branch_point(s, free, span, **fixed):
    return next(p for p in bifur.trace(s, fixed, free=free, span=span).special_points if p.kind == "BP")


def one_state(field, **parameters):
    return bifur.System("test", field, states=("x",), parameters=parameters)


SQUARE = {"lam": (-1, 1), "mu": (-1, 1)}


def check_curve(curve):
    """Along a curve of branch points nothing unfolds: b is zero up to rounding, and [J f_s] loses rank."""
    assert np.abs(curve.normal_form).max() <= 1e-12
    assert np.all(curve.residual <= 1e-10)
    s = curve.system
    for state, p in zip(curve.state, curve.all_parameters, strict=True):
        named = dict(zip(s.parameters, p, strict=True))
        columns = [list(s.parameters).index(name) for name in curve.free]
        slopes = s.derived.evaluate("parameter_jacobian", s, state, named)[:, columns]
        wide = np.column_stack([s.jacobian(state, named), slopes])
        np.testing.assert_allclose(np.linalg.svd(wide, compute_uv=False)[-1], 0, atol=1e-10)
    assert np.abs(curve.eigenvalues).min(axis=1).max() <= 1e-10


@pytest.mark.parametrize("other", ["sigma", "b"])
def test_the_pitchfork_of_lorenz_lies_at_r_1(other):
    point = branch_point(system("lorenz"), "r", (0.0, 2.0))
    curve = bifur.trace_curve(point, free=("r", other), bounds={"r": (0.5, 2.0), other: (0.1, 20.0)})
    assert curve.kind == "BP"
    np.testing.assert_allclose(curve.parameters[:, 0], 1, rtol=1e-12)
    np.testing.assert_allclose(curve.state, 0, atol=1e-12)
    assert sorted(curve.parameters[[0, -1], 1]) == pytest.approx([0.1, 20])
    assert curve.stop_reason == (Stop.END_OF_SPAN, Stop.END_OF_SPAN)
    check_curve(curve)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_a_pitchfork_curve_of_a_symmetric_system(scale):
    """x -> -x: x' = x (lam - mu^2 + y) - x^3, y' = 0.3 mu (1 + y^2) - y + x^2 / 10; BP at lam = mu^2 - y, x = 0."""
    s = bifur.System(
        "symmetric",
        lambda u, p: (
            u[0] * (p.lam - p.mu**2 + u[1]) - u[0] ** 3,
            0.3 * p.mu * (1 + u[1] ** 2) - u[1] + 0.1 * u[0] ** 2,
        ),
        states=("x", "y"),
        parameters={"lam": 0.0, "mu": 0.9},
    )
    point = branch_point(s, "lam", (-2.0, 2.0))
    low = -1.5 if scale == "linear" else 0.01
    lam_low = -3 if scale == "linear" else 1e-3
    curve = bifur.trace_curve(
        point, free=("lam", "mu"), bounds={"lam": (lam_low, 3), "mu": (low, 1.5)}, settings=bifur.Settings(scale=scale)
    )
    lam, mu = curve.parameters.T
    y = 2 * 0.3 * mu / (1 + np.sqrt(1 - 4 * (0.3 * mu) ** 2))
    np.testing.assert_allclose(curve.state, np.column_stack([np.zeros_like(y), y]), atol=1e-11)
    np.testing.assert_allclose(lam, mu**2 - y, atol=1e-11)
    assert len({*np.sign(np.diff(lam))}) == 2 if scale == "linear" else True, "it goes through its turning point"
    check_curve(curve)


def test_a_transcritical_curve_in_two_states():
    """A trivial branch: x (lam - mu - x + y) with y' = mu^2 - y + x; BP where lam = mu - mu^2 on x = 0."""
    s = bifur.System(
        "trivial",
        lambda u, p: (u[0] * (p.lam - p.mu - u[0] / 2 + u[1]), p.mu**2 - u[1] + u[0] / 4),
        states=("x", "y"),
        parameters={"lam": 0.0, "mu": 0.5},
    )
    curve = bifur.trace_curve(
        branch_point(s, "lam", (-1, 1)), free=("mu", "lam"), bounds={"lam": (-1, 1), "mu": (-1, 1)}
    )
    mu, lam = curve.parameters.T
    np.testing.assert_allclose(lam, mu - mu**2, atol=1e-12)
    assert curve.free == ("mu", "lam")
    assert lam.max() == pytest.approx(0.25, abs=1e-3), "it goes through its turning point"
    check_curve(curve)


def test_the_branch_points_of_l2_lie_on_the_rim():
    """rho = 0, p = 0 for every sigma2: along a bound of the plane."""
    point = branch_point("l2", "rho", (0.0, 1.0), sigma2=0.5)
    curve = bifur.trace_curve(point, free=("sigma2", "rho"), bounds={"sigma2": (0, 2), "rho": (0, 1)})
    np.testing.assert_array_equal(curve.parameters[:, 1], 0)
    assert sorted(curve.parameters[[0, -1], 0]) == [0, 2]
    check_curve(curve)


def test_a_closed_curve_of_branch_points():
    s = one_state(lambda u, p: (u[0] * (p.lam**2 + p.mu**2 - 0.25 - u[0]),), lam=0.0, mu=0.0)
    curve = bifur.trace_curve(branch_point(s, "lam", (-1, 1)), free=("lam", "mu"), bounds=SQUARE)
    assert curve.stop_reason == (Stop.CLOSED, Stop.CLOSED)
    np.testing.assert_allclose((curve.parameters**2).sum(axis=1), 0.25, rtol=1e-10)
    check_curve(curve)


# ---- where branch points unfold ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "words"),
    [
        (lambda u, p: (p.lam * u[0] - u[0] ** 3 + p.mu,), "unfolds as soon as mu changes"),
        (lambda u, p: (p.lam * u[0] - u[0] ** 3 + p.mu**2,), "the branch point unfolds there"),
        (lambda u, p: (p.lam * u[0] - u[0] ** 2 + p.mu**2 * (1 + u[0]),), "the branch point unfolds there"),
    ],
)
def test_a_branch_point_that_unfolds_has_no_curve(field, words):
    point = branch_point(one_state(field, lam=0.0, mu=0.0), "lam", (-1, 1))
    refused(lambda: bifur.trace_curve(point, free=("lam", "mu"), bounds=SQUARE), "`point`", words)


def test_a_branch_point_that_unfolds_slowly_is_left_where_that_shows():
    """lam x - x^3 + mu^8 unfolds by mu^8, which is rounding at first."""
    point = branch_point(one_state(lambda u, p: (p.lam * u[0] - u[0] ** 3 + p.mu**8,), lam=0.0, mu=0.0), "lam", (-1, 1))
    curve = bifur.trace_curve(point, free=("lam", "mu"), bounds=SQUARE)
    assert curve.stop_reason == (Stop.UNFOLDS, Stop.UNFOLDS)
    np.testing.assert_allclose(np.abs(curve.normal_form), curve.parameters[:, 1] ** 8, atol=1e-14)
    assert np.abs(curve.parameters[:, 1]).max() < 0.1


def test_two_parameters_that_do_not_move_it():
    """The pitchfork of Lorenz lies at r = 1 for all sigma and b: a surface, no curve."""
    point = branch_point(system("lorenz"), "r", (0.0, 2.0))
    refused(
        lambda: bifur.trace_curve(point, free=("sigma", "b"), bounds={"sigma": (1, 20), "b": (1, 4)}),
        "`point`: no single curve of BP runs through it in sigma and b",
    )
