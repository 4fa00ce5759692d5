"""Branch points: what passes through them, switching, pairs of points inside one step, ends at infinity, mirrors."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bifur
from bifur import Stop
from bifur.continuation.agreement import fold_gaps
from bifur.systems.ops import exp, sin, tanh
from tests.known.families import system


def at_zero(name, span=(-0.5, 0.5), **more):
    wide = {"rho": (-1, 1), "s": (-1, 2), "p": (-2, 2)} if name == "l2-full" else {"rho": (-1, 1)}
    return bifur.trace(name, free="rho", span=span, bounds=wide, sigma2=0.0, **more)


def directions(point):
    """Tangents as a set of lines: each with its last nonzero entry positive, rounded."""
    return {tuple(np.round(t * np.sign(t[np.flatnonzero(np.abs(t) > 1e-8)[-1]]), 8) + 0.0) for t in point.tangents}


def test_three_tangents_where_the_determinant_only_touches_zero():
    """The origin of l2-full at rho = 0: tangents p = 0, rho = 0 and rho = p, on both branches that pass."""
    diagram = at_zero("l2-full")
    origin = [p for p in diagram.special_points if p.kind == "BP" and np.abs(p.state).max() < 1e-9]
    assert {point.branch for point in origin} == {0, 1}
    half = round(math.sqrt(0.5), 8)
    for point in origin:
        assert point.parameters["rho"] == 0.0
        assert point.normal_form["type"] == "multiple"
        assert directions(point) == {(0, 0, 1), (0, 1, 0), (0, half, half)}
    assert not [p for p in diagram.special_points if p.kind in ("HB", "NS")]
    assert any("set of equilibria of dimension 1" in note for note in diagram.notes)


def test_a_point_of_higher_corank_is_reported_and_not_switched():
    diagram = at_zero("phinet", span=(-0.1, 0.5))
    origin = [p for p in diagram.special_points if np.abs(p.state).max() < 1e-9]
    assert origin
    for point in origin:
        assert (point.kind, point.corank, len(point.tangents)) == ("BP", 2, 0)
        with pytest.raises(ValueError, match="no branch leaves this point"):
            bifur.trace("phinet", free="rho", span=(-0.1, 0.5), bounds={"rho": (-1, 1)}, sigma2=0.0, start=point)


def test_transcritical_and_pitchfork_are_told_apart():
    at = {p.kind: p for p in at_zero("l2", span=(-0.1, 0.5)).special_points}
    assert at["BP"].normal_form["type"] == "transcritical"
    assert at["BP"].normal_form["quadratic"] == pytest.approx(1)  # p' = p^2 + ...
    lorenz = bifur.trace(system("lorenz"), free="r", span=(0, 30))
    for p in lorenz.special_points:
        if p.kind == "BP":
            assert (p.normal_form["type"], p.normal_form["criticality"]) == ("pitchfork", "supercritical")
    assert not [p for p in lorenz.special_points if p.kind == "LP"], "the branch turns at the pitchfork, no fold"


def test_every_branch_through_a_branch_point_is_switched_to():
    """pp2 has exp in it: no elimination. From one BP the other two branches are reached, and from those the rest."""
    s = system("pp2")
    whole = bifur.trace(s, free="q", span=(0.0, 1.5))
    (first,) = [p for p in whole.special_points if p.kind == "BP" and p.branch == 0]
    through = bifur.trace(s, free="q", span=(0.0, 1.5), start=first)
    assert len(through.branches) == 2
    for branch in through.branches:
        assert np.hypot(branch.parameter - 0.6, np.abs(branch.state).max(axis=1)).min() < 0.03
    for p in whole.special_points:
        if p.kind == "BP":
            assert len(p.tangents) == 2
            f = s.field(p.state, p.parameters)
            assert np.abs(f).max() <= 1e-12


def test_all_of_three_tangents_are_followed():
    """x (x - a) (x + 2 a) + exp terms of fourth order: three lines through the origin, no elimination."""
    s = bifur.System(
        "three",
        lambda u, p: (u[0] * (u[0] - p.a) * (u[0] + 2 * p.a) * exp(u[0] + p.a),),
        states=("x",),
        parameters={"a": 0.5},
        bounds={"x": (-3, 3)},
    )
    diagram = bifur.trace(s, free="a", span=(-1, 1), start=[0.0], a=0.5)
    (point,) = [p for p in diagram.special_points if p.kind == "BP"]
    np.testing.assert_allclose(sorted(t[0] / t[1] for t in point.tangents), [-2, 0, 1], atol=1e-7)
    again = bifur.trace(s, free="a", span=(-1, 1), start=point)
    slopes = sorted(float(np.median(b.state[:, 0] / b.parameter)) for b in again.branches)
    np.testing.assert_allclose(slopes, [-2, 0, 1], atol=1e-6)


def test_a_complete_diagram_without_elimination_follows_branch_points():
    """x' = a x - sin(x)^3 exp(x): the bent branch lies outside the box that is searched but for the branch point."""
    s = bifur.System(
        "bent", lambda u, p: (p.a * u[0] - tanh(u[0]) * (u[0] ** 2),), states=("x",), parameters={"a": 0.1}
    )
    diagram = bifur.trace(s, free="a", span=(-0.3, 0.9))
    (trivial,) = [b for b in diagram.branches if np.abs(b.state).max() < 1e-8]
    assert len(trivial) > 3
    others = [b for b in diagram.branches if b is not trivial]
    assert others
    for b in others:
        np.testing.assert_allclose(b.parameter, np.tanh(b.state[:, 0]) * b.state[:, 0], atol=1e-10)


def hopf_pair(gap, term):
    """Re lambda = (a - 1/2)^2 - gap^2 + 0 * term: two Hopf points, 2 gap apart."""
    return bifur.System(
        "pair",
        lambda u, p: (
            ((p.a - 0.5) ** 2 - gap**2) * u[0] - u[1] - u[0] * (u[0] ** 2 + u[1] ** 2) + term(u[0]),
            u[0] + ((p.a - 0.5) ** 2 - gap**2) * u[1] - u[1] * (u[0] ** 2 + u[1] ** 2),
        ),
        states=("x", "y"),
        parameters={"a": 0.0},
    )


@pytest.mark.parametrize("gap", [1e-2, 1e-3, 1e-5])
def test_two_hopf_points_in_one_step_are_found_by_algebra(gap):
    diagram = bifur.trace(hopf_pair(gap, lambda x: 0 * x), free="a", span=(0, 1))
    found = sorted(p.parameters["a"] for p in diagram.special_points if p.kind == "HB")
    np.testing.assert_allclose(found, [0.5 - gap, 0.5 + gap], rtol=1e-9)
    assert diagram.completeness == "proved"


@pytest.mark.parametrize("gap", [1e-2, 1e-3])
def test_two_hopf_points_in_one_step_are_found_by_the_test_function(gap):
    """With a sine in it there is no algebra: the test function dips, and the step is halved until it shows both."""
    s = hopf_pair(gap, lambda x: sin(x) ** 3)
    diagram = bifur.trace(s, free="a", span=(0, 1), start=[0.0, 0.0], a=0.0)
    found = sorted(p.parameters["a"] for p in diagram.special_points if p.kind == "HB")
    np.testing.assert_allclose(found, [0.5 - gap, 0.5 + gap], rtol=1e-8)


def test_exponents_towards_zero():
    """phinet: p_h ~ -rho^(1/5) and -rho^(1/3), p_g ~ -rho^(-1/5); the positive saddle at distance rho."""
    diagram = bifur.trace("phinet", free="rho", span=(1e-8, 1.0), sigma2=0.5)
    found = [e for b in diagram.branches for e in b.exponents if e]
    p_h = sorted(e["p_h"] for e in found if "p_h" in e)
    np.testing.assert_allclose(p_h, [1 / 5, 1 / 3, 1], atol=2e-3)
    (runaway,) = [e for e in found if e.get("p_g", 0) < 0]
    assert runaway["p_g"] == pytest.approx(-1 / 5, abs=2e-3)


@pytest.mark.parametrize("power", [1, 2, 3])
def test_exponents_at_a_pole(power):
    s = bifur.System("pole", lambda u, p: (u[0] * (p.a - 1) ** power - 1,), states=("x",), parameters={"a": 0.0})
    diagram = bifur.trace(s, free="a", span=(0, 3))
    ends = [(stop, e) for b in diagram.branches for stop, e in zip(b.stop_reason, b.exponents, strict=True) if e]
    assert {stop for stop, _ in ends} == {Stop.ESCAPED}
    for _, exponents in ends:
        assert exponents["x"] == pytest.approx(-power, rel=0.02)


def test_no_convergence_keeps_the_corrections():
    """x - a^(1/3) has no derivative at a = 0; beyond it there is no branch to follow."""
    s = bifur.System("root", lambda u, p: (u[0] ** 2 - p.a**0.5,), states=("x",), parameters={"a": 1.0})
    diagram = bifur.trace(s, free="a", span=(-1, 2), start=[1.0], a=1.0)
    (branch,) = diagram.branches
    stops = dict(zip(branch.stop_reason, branch.corrections, strict=True))
    (bad,) = [stop for stop in stops if stop is not Stop.END_OF_SPAN and stop is not Stop.BOUND]
    assert bad in (Stop.NOT_FINITE, Stop.NO_CONVERGENCE, Stop.SINGULAR, Stop.STEP_TOO_SMALL)
    assert any("ends near a" in note for note in diagram.notes)
    assert all(math.isfinite(x) and x >= 0 for x in stops[bad])


def test_mirror_branches_are_one_orbit():
    """(x^2 - 4)^2 + a^2 = 1: two isolas that are images of each other, and x = 0 between them."""
    s = bifur.System(
        "twins",
        lambda u, p: (((u[0] ** 2 - 4) ** 2 + p.a**2 - 1) * u[0],),
        states=("x",),
        parameters={"a": 0.0},
        symmetries=({"x": "-x"},),
    )
    diagram = bifur.trace(s, free="a", span=(-2, 2))
    assert len(diagram.branches) == 3
    assert sorted(len(orbit) for orbit in diagram.orbits) == [1, 2]
    (pair,) = [orbit for orbit in diagram.orbits if len(orbit) == 2]
    assert all(diagram.branches[k].closed for k in pair)
    a, b = (diagram.branches[k] for k in pair)
    assert a.state[:, 0].mean() * b.state[:, 0].mean() < 0
    assert bifur.trace("l2", free="rho", span=(0.01, 1)).orbits == ()


def test_a_loop_ends_where_it_began():
    s = bifur.System("loop", lambda u, p: (u[0] ** 2 + p.a**2 - 1,), states=("x",), parameters={"a": 0.0})
    (branch,) = bifur.trace(s, free="a", span=(-2, 2)).branches
    assert branch.closed
    assert branch.parameter[0] == branch.parameter[-1]
    np.testing.assert_array_equal(branch.state[0], branch.state[-1])
    turned = np.unwrap(np.arctan2(branch.state[:, 0], branch.parameter))
    assert abs(turned[-1] - turned[0]) == pytest.approx(2 * math.pi, abs=1e-9)


def test_folds_of_slices_lie_on_the_fold_curve():
    sheets = bifur.trace_slices("phinet", free="rho", span=(1e-5, 1), over=("sigma2", np.linspace(0, 2, 9)), points=32)
    diagram = bifur.trace("phinet", free="rho", span=(1e-5, 1), sigma2=1.0)
    curves = [
        bifur.trace_curve(p, free=("sigma2", "rho"), bounds={"sigma2": (0, 2), "rho": (1e-5, 1)})
        for p in diagram.special_points
        if p.kind == "LP"
    ]

    def gaps_to(curves):
        return fold_gaps(
            sheets.system, sheets.folds, sheets.fold_states, sheets.fold_vectors, ("sigma2", "rho"), (1e-5, 1.0), curves
        )

    gaps = gaps_to(curves)
    assert len(gaps) == 18
    assert np.nanmax(gaps) <= 1e-8
    assert not np.isnan(gaps).any()
    alone = gaps_to(curves[:1])
    assert np.isnan(alone).sum() == 0 or np.nanmax(alone) > 1e-3


def test_an_unfolded_branch_point_leaves_smooth_branches():
    point = next(p for p in at_zero("l2", span=(-0.1, 0.2)).special_points if p.kind == "BP")
    s = bifur.unfolded(bifur.get_system("l2"), point)
    diagram = bifur.trace(s, free="rho", span=(-0.1, 0.2), bounds={"rho": (-1, 1)}, sigma2=0.0, unfolding=1e-4)
    assert not [p for p in diagram.special_points if p.kind == "BP"]
    assert len(diagram.branches) >= 1
