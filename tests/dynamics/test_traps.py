"""Trapping ellipsoids: what is proved holds at random points, and what is false is not proved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import bifur
from bifur.continuation.equilibria import state_bounds
from bifur.dynamics.traps import find_trap
from bifur.systems.ops import exp

ONE = bifur.System("one-state", lambda u, p: (u[0] ** 3 - p.c * u[0],), states=("x",), parameters={"c": 1.0})
SHEAR = bifur.System(
    "shear", lambda u, p: (-u[0] + p.c * u[1], -u[1] + u[0] ** 2), states=("x", "y"), parameters={"c": 50.0}
)
FOCUS = bifur.System(
    "focus",
    lambda u, p: (-0.1 * u[0] - 3 * u[1] + p.c * u[0] ** 2, 3 * u[0] - 0.1 * u[1]),
    states=("x", "y"),
    parameters={"c": 1.0},
)
GROWTH = bifur.System(
    "growth",
    lambda u, p: (exp(u[0]) - 1 - p.c * u[0],),
    states=("x",),
    parameters={"c": 2.0},
    bounds={"x": (-3.0, 3.0)},
)


def sinks(system, **parameters):
    found = bifur.find_equilibria(system, parameters)
    p = system.values(parameters)
    bounds = state_bounds(system, None)
    return [(e, find_trap(system, p, e, found, bounds)) for e in found if e.kind == "sink"]


def test_one_state():
    """x' = x^3 - x contracts where 3 x^2 < 1; no ellipsoid may be larger, and one is not much smaller."""
    ((_, trap),) = sinks(ONE)
    half = trap.radius / abs(trap.shape[0, 0])
    assert 0.5 / np.sqrt(3) < half < 1 / np.sqrt(3)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("phinet", {"sigma2": 0.0, "rho": 1e-4}),
        ("phinet", {"sigma2": 0.2314, "rho": 0.19286}),  # foci
        ("phinet-full", {"sigma2": 0.5, "rho": 1e-3}),
        ("byol", {"sigma2": 0.5, "rho": 0.05}),
        ("cosine", {"sigma2": 0.5, "rho": 0.05}),
        (SHEAR, {}),
        (FOCUS, {}),
        (GROWTH, {}),
    ],
)
def test_the_flow_enters_everywhere(name, parameters):
    system = bifur.get_system(name)
    rng = np.random.default_rng(0)
    found = sinks(system, **parameters)
    low, high = state_bounds(system, None)
    assert found
    for sink, trap in found:
        assert trap is not None
        assert trap.holds(sink.state)
        directions = rng.normal(size=(500, system.dimension))
        directions /= np.linalg.norm(directions, axis=1)[:, None]
        for size in (1.0, 0.5, 0.01):
            y = directions * size * trap.radius
            states = trap.centre + y @ np.linalg.inv(trap.shape).T
            field = np.stack(system.field(states.T, parameters)).T
            within = ((states >= low) & (states <= high)).all(axis=1)
            assert within.any()
            assert ((field @ trap.shape.T) * y).sum(axis=1)[within].max() < 0
        other = trap.centre + 1.01 * trap.radius * directions @ np.linalg.inv(trap.shape).T
        assert not trap.holds(other).any()


def test_what_is_no_sink_is_no_trap():
    for system, parameters in ((ONE, {}), (bifur.get_system("phinet"), {"sigma2": 0.0, "rho": 1e-4})):
        found = bifur.find_equilibria(system, parameters)
        others = [e for e in found if e.kind != "sink"]
        assert others
        assert all(find_trap(system, system.values(parameters), e, found) is None for e in others)


@pytest.mark.parametrize("bound", [0.3, 5.0])
def test_what_the_flow_leaves_through_a_bound_is_no_trap(bound):
    """The oscillator x'' = -x - x' turns: an ellipse that crosses x = bound is left there, though it comes back."""
    spin = bifur.System(
        "spin",
        lambda u, p: (u[1], -u[0] - p.c * u[1]),
        states=("x", "y"),
        parameters={"c": 1.0},
        bounds={"x": (-bound, bound)},
    )
    ((_, trap),) = sinks(spin)
    half = trap.radius * np.linalg.norm(np.linalg.inv(trap.shape)[0])
    assert half < bound


def test_a_point_beside_the_sink_is_refused():
    """Away from the equilibrium the flow drifts through an ellipsoid that would contract."""
    ((sink, trap),) = sinks(ONE)
    moved = replace(sink, state=sink.state + 0.5)
    wrong = find_trap(ONE, ONE.values(), moved)
    # around x = 0.5 no interval that lies in 3 x^2 < 1 is entered from both sides
    assert wrong is None
    assert trap is not None
