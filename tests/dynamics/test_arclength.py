"""Continuation of plain curves: it stays on them, takes no short cuts, and ends for the right reason."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bifur.continuation.settings import Settings
from bifur.dynamics import arclength


def equations(f, gradient, low=(-10.0, -10.0), high=(10.0, 10.0)):
    """A curve f(x, y) = 0."""
    return arclength.Equations(
        lambda z: (np.array([f(*z)]), np.array([gradient(*z)])),
        lambda z: np.ones(2),
        np.array(low),
        np.array(high),
        lambda z: z,
    )


CIRCLE = equations(lambda x, y: x * x + y * y - 1, lambda x, y: (2 * x, 2 * y))


@pytest.mark.parametrize("ds_max", [0.02, 0.1])
@pytest.mark.parametrize("sense", [1.0, -1.0])
def test_a_circle_closes(sense, ds_max):
    path = arclength.follow(CIRCLE, np.array([0.6, 0.8]), sense, Settings(ds_max=ds_max))
    assert path.code == "closed"
    np.testing.assert_allclose(np.hypot(*path.z.T), 1, rtol=1e-13)
    turned = np.diff(np.unwrap(np.arctan2(path.z[:, 1], path.z[:, 0])))
    assert turned.sum() == pytest.approx(math.copysign(2 * math.pi, turned[0]), rel=1e-12)
    assert (turned * turned[0] > 0).all()
    assert np.abs(turned).max() < 1.25 * ds_max
    # about as few points as the longest step allows
    assert len(path.z) < 1.5 * 2 * math.pi / ds_max + 20


def test_it_ends_on_the_bound():
    part = CIRCLE._replace(high=np.array([10.0, 0.9]))
    for sense in (1.0, -1.0):
        path = arclength.follow(part, np.array([1.0, 0.0]), sense, Settings())
        assert (path.code, path.at_bound) == ("bound", 1)
        assert path.z[-1, 1] == 0.9
        assert abs(path.z[-1, 0]) == pytest.approx(math.sqrt(1 - 0.81), rel=1e-12)


def test_a_start_on_a_bound_goes_inside_only():
    part = CIRCLE._replace(low=np.array([0.0, -10.0]))
    codes = [arclength.follow(part, np.array([0.0, 1.0]), sense, Settings()) for sense in (1.0, -1.0)]
    assert sorted(len(path.z) == 1 for path in codes) == [False, True]
    assert all((path.code, path.at_bound) == ("bound", 0) for path in codes)


@pytest.mark.parametrize("gap", [1e-1, 1e-3])
def test_a_neighbour_is_not_jumped_to(gap):
    """Two curves gap apart, which bend sharply: y = tanh(20 x) and the same, shifted."""

    def sides(x, y):
        return y - math.tanh(20 * x), y - math.tanh(20 * x) - gap

    def gradient(x, y):
        a, b = sides(x, y)
        slope = 20 / math.cosh(20 * x) ** 2
        return -slope * (a + b), a + b

    both = equations(lambda x, y: math.prod(sides(x, y)), gradient, (-1, -5), (1, 5))
    path = arclength.follow(both, np.array([-0.5, math.tanh(-10.0)]), 1.0, Settings(ds_max=0.1))
    assert path.code == "bound"
    assert np.abs(path.z[:, 1] - np.tanh(20 * path.z[:, 0])).max() < 1e-9


def test_a_cusp_ends_it():
    """y^2 = x^3: there is no tangent at the origin."""
    cusp = equations(lambda x, y: y * y - x**3, lambda x, y: (-3 * x * x, 2 * y))
    path = arclength.follow(cusp, np.array([1.0, 1.0]), -1.0, Settings(ds_min=1e-6))
    assert path.code in ("step", "singular")
    assert np.hypot(*path.z[-1]) < 0.01
    assert path.z[:, 1].min() > -1e-5  # it does not go round the tip


def test_a_field_that_ends_ends_it():
    def f(x, y):
        return y - math.sqrt(x) if x >= 0 else math.nan

    edge = equations(f, lambda x, y: (-0.5 / math.sqrt(x) if x > 0 else math.nan, 1.0))
    path = arclength.follow(edge, np.array([1.0, 1.0]), -1.0, Settings(ds_min=1e-6))
    assert path.code == "finite"
    assert 0 < path.z[-1, 1] < 1e-2


def test_the_number_of_steps_ends_it():
    path = arclength.follow(CIRCLE, np.array([1.0, 0.0]), 1.0, Settings(max_steps=5))
    assert (path.code, len(path.z)) == ("steps", 6)


def test_correction_refuses_what_is_no_solution():
    """x^2 + y^2 = 1 has no point with y = 2."""
    assert arclength.correct(CIRCLE, np.array([0.1, 2.0]), np.array([0.0, 1.0]), 2.0) is None
    found = arclength.correct(CIRCLE, np.array([0.9, 0.5]), np.array([0.0, 1.0]), 0.6)
    assert found == pytest.approx([0.8, 0.6], rel=1e-15)
    assert arclength.residual(CIRCLE, found) < 1e-15
    assert not arclength.holds(CIRCLE, found + 1e-6)
