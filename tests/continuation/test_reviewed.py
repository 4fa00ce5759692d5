"""Diagrams that were once wrong: Hopf points at zero states, centres, poles in the parameter, bounds, equal cells."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur import Stop
from bifur.systems.registry import from_expressions


def system(*texts, **more):
    states = ("x", "y", "z", "w")[: len(texts)]
    return from_expressions("reviewed", states, {"a": 0.0}, list(texts), **more)


def values(diagram, kind):
    return sorted(p.parameters["a"] for p in diagram.special_points if p.kind == kind)


@pytest.mark.parametrize(
    ("texts", "span", "expected"),
    [
        (("y", "-x + ((a - 0.3)**2 - 0.000002) + x*y"), (-2.1, 2), [0.3 - 2e-6**0.5, 0.3 + 2e-6**0.5]),
        (("y", "-x + a**2 - 2 + x*y"), (-2, 2), [-(2**0.5), 2**0.5]),
        (("y", "-x + (a**2 - 0.000002)*(a - 0.001)*y - x**2*y"), (-1, 1), [-(2e-6**0.5), 0.001, 2e-6**0.5]),
        (
            ("-y + (a - 0.3)*x", "x + (a - 0.3)*y", "-2*w + (a - 0.3001)*z", "2*z + (a - 0.3001)*w"),
            (-1, 1),
            [0.3, 0.3001],
        ),
    ],
)
def test_hopf_points_each_once(texts, span, expected):
    """The trace vanishes where a polynomial in the parameter does, at states that are zero or nearly."""
    diagram = bifur.trace(system(*texts), free="a", span=span)
    np.testing.assert_allclose(values(diagram, "HB"), expected, rtol=1e-8)
    assert diagram.completeness == "proved"


def test_null_vectors_are_not_those_of_rounding_errors():
    diagram = bifur.trace(system("y", "-1.82*y + (a + 0.56)*x - 0.55*x**3"), free="a", span=(-1, 1))
    points = [p for p in diagram.special_points if p.kind == "BP"]
    assert len(points) == 2
    for p in points:  # x' = crossing (a + 0.56) x + cubic x^3 on the centre manifold, q = (1, 0), p = (1, 1 / 1.82)
        assert p.normal_form["cubic"] == pytest.approx(-0.55 / 1.82, rel=1e-6)
        assert p.normal_form["criticality"] == "supercritical"


def test_branches_of_centres_are_traced():
    diagram = bifur.trace(system("y", "2*x + a*x - x**2 - x**3"), free="a", span=(-1.37, 2.9))
    assert len(diagram.branches) == 3
    assert diagram.completeness == "probable"  # a pair is imaginary along whole branches


def test_a_slice_through_a_bogdanov_takens_point():
    diagram = bifur.trace(system("y", "a + x**2 + x*y"), free="a", span=(-1, 1))
    assert {p.kind for p in diagram.special_points} == {"LP", "BT"}
    assert all("why" in p.normal_form for p in diagram.special_points)


@pytest.mark.parametrize("text", ["x**2/a - 1", "x/a - 1"])
def test_a_field_that_divides_by_the_parameter(text):
    diagram = bifur.trace(system(text), free="a", span=(-1, 1))
    assert diagram.special_points == ()
    assert diagram.completeness != "proved"
    assert any("divides by zero" in note for note in diagram.notes)


def test_an_isola_centre_is_told():
    diagram = bifur.trace(system("(x - 1)**2 + a**2", "-y"), free="a", span=(-1, 1.1))
    assert diagram.branches == ()
    assert [note for note in diagram.notes if "isola centre" in note and "(1, 0)" in note]


@pytest.mark.parametrize("bound", [0.0, 2.0])
def test_a_branch_leaves_its_bound_at_a_branch_point(bound):
    """x' = (x - b)(a - x + b): the branch x = b lies in the bound, the other one leaves through it at a = 0."""
    s = system(f"(x - {bound})*(a - x + {bound})", bounds={"x": (bound, 10)})
    diagram = bifur.trace(s, free="a", span=(-1, 2))
    assert diagram.completeness == "proved"
    assert len(diagram.branches) == 2
    assert {stop for b in diagram.branches for stop in b.stop_reason} == {Stop.END_OF_SPAN, Stop.BOUND}
    np.testing.assert_allclose(values(diagram, "BP"), [0, 0], atol=1e-9)


def test_identical_cells_cross_together():
    """Two equal oscillators: both pairs cross at a = 0, one Hopf point of corank 2."""
    texts = [
        f"a*{p} - {q} - {p}*({p}**2 + {q}**2 + ({r}**2 + {s}**2)/2)"
        if first
        else f"{q} + a*{p} - {p}*({p}**2 + {q}**2)"
        for p, q, r, s, first in (
            ("x", "y", "z", "w", 1),
            ("y", "x", "z", "w", 0),
            ("z", "w", "x", "y", 1),
            ("w", "z", "x", "y", 0),
        )
    ]
    diagram = bifur.trace(system(*texts), free="a", span=(-1, 1.1), start=[0.0] * 4, a=-0.5)
    (point,) = diagram.special_points
    assert (point.kind, point.corank) == ("HB", 2)
    assert point.parameters["a"] == pytest.approx(0, abs=1e-6)
    assert point.normal_form["omega"] == pytest.approx(1, rel=1e-9)
    assert "2 pairs" in point.normal_form["why"]


@pytest.mark.parametrize("b", [-0.3, -0.5, -0.737])
@pytest.mark.parametrize("ds_max", [0.01, 0.1])
def test_hopf_curves_reach_their_bogdanov_takens_point(b, ds_max):
    """x'' = a + b x' + x^2 - x x': Hopf at x = -sqrt(-a), b = x: a = -b^2, up to the BT point at the origin."""
    s = from_expressions("unfolding", ("x", "y"), {"a": 0.0, "b": 0.0}, ["y", "a + b*y + x**2 - x*y"])
    diagram = bifur.trace(s, {"b": b}, free="a", span=(-1, 0.5))
    hopf = next(p for p in diagram.special_points if p.kind == "HB")
    settings = bifur.Settings(ds=0.005, ds_max=ds_max)
    curve = bifur.trace_curve(hopf, free=("a", "b"), bounds={"a": (-1, 1), "b": (-1, 1)}, settings=settings)
    assert Stop.BOGDANOV_TAKENS in curve.stop_reason
    np.testing.assert_allclose(curve.parameters[:, 0], -(curve.parameters[:, 1] ** 2), atol=1e-9)
    (takens,) = [p for p in curve.special_points if p.kind == "BT"]
    assert abs(takens.parameters["a"]) + abs(takens.parameters["b"]) <= 1e-8


def test_dense_polynomials_with_many_coefficients_do_not_hang():
    monomials = ["1", "x", "y", "x**2", "x*y", "y**2", "x**3", "x**2*y", "x*y**2", "y**3"]
    texts = [" + ".join(f"c{10 * k + i}*{m}" for i, m in enumerate(monomials)) for k in (0, 1)]
    s = from_expressions("dense", ("x", "y"), {f"c{i}": 0.1 * (i * i % 7) - 0.3 for i in range(20)}, texts)
    assert not s.derived.polynomial  # refused at once: it is searched instead
    assert bifur.find_equilibria(s).completeness != "proved"


def test_images_of_equilibria_under_declared_symmetries():
    """Three equal cells: 27 equilibria at most, in whole orbits of the group of order 12."""
    s = from_expressions(
        "cells",
        ("x", "y", "z"),
        {"a": 1.0},
        [
            f"a*{p} - {p}**3 + 0.2*({q} + {r} - 2*{p})"
            for p, q, r in (("x", "y", "z"), ("y", "x", "z"), ("z", "x", "y"))
        ],
        symmetries=({"x": "y", "y": "x"}, {"y": "z", "z": "y"}, {"x": "-x", "y": "-y", "z": "-z"}),
    )
    found = bifur.find_equilibria(s)
    states = np.array([e.state for e in found])
    for S in s.mirrors:
        for state in states:
            assert np.abs(states - S @ state).max(axis=1).min() <= 1e-9
    assert len(found) % 2 == 1  # the origin, and pairs


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"events": len}, "`events`"),
        ({"events": ["x"]}, "`events`"),
        ({"events": [lambda u, p: u[5]]}, "`events`"),
        ({"settings": {"ds": 1}}, "`settings`"),
        ({"bounds": [(0, 1)]}, "`bounds`"),
    ],
)
def test_wrong_arguments_are_named(arguments, named):
    with pytest.raises(ValueError, match=named):
        bifur.trace("l2", free="rho", span=(0.01, 1), **arguments)


@pytest.mark.parametrize("field", [{"weights": 3}, {"weights": ("a",)}, {"max_steps": 2.5}])
def test_wrong_settings_are_named(field):
    with pytest.raises(ValueError, match=f"`{next(iter(field))}`"):
        bifur.Settings(**field)
