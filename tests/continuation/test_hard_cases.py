"""Systems made to break a claim: what is called proved must be true, and what is wrong must not be called proved."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

import bifur
from bifur.systems.ops import exp
from bifur.systems.registry import from_expressions


def system(*texts, states=("x",), parameters=("a",)):
    return from_expressions("hard", states, dict.fromkeys(parameters, 1.0), texts)


def points(diagram, kind, free):
    return sorted(point.parameters[free] for point in diagram.special_points if point.kind == kind)


@pytest.mark.parametrize(
    ("texts", "values", "states"),
    [
        (("x**2*y + 2*x*y**2 + x + y", "x*(3*y**2+2) - 3*y"), {"a": 1.0}, [(0.0, 0.0)]),
        (("x**2 + y**2 - a", "y**2 + x*y + x**3 - a"), {"a": 1.0}, [(0.0, -1.0), (0.0, 1.0)]),
        (("x**3 - x*y**2 + 2*y", "x*y - x**2 - 2*x*y**2 - 2*a*y"), {"a": 1.5}, [(0.0, 0.0)]),
    ],
)
def test_elimination_keeps_what_a_subresultant_excludes(texts, values, states):
    found = bifur.find_equilibria(system(*texts, states=("x", "y")), values, prove=True)
    for state in states:
        assert min(np.abs(e.state - state).max() for e in found) < 1e-9


def test_what_cancels_is_a_pole_all_the_same():
    found = bifur.find_equilibria(system("x**2/x*(x-a)"), prove=True)
    assert [e.state.tolist() for e in found] == [[1.0]]
    assert len(bifur.find_equilibria(system("(1-x)/a"), a=0.0, prove=True)) == 0


@pytest.mark.parametrize(
    ("text", "span", "folds", "branches"),
    [
        ("x**2 - (a-0.5)**2 + 1e-10", (-1, 1), [0.49999, 0.50001], 2),  # two folds that nearly meet
        ("x**2 - (a-0.5)**2 - 1e-10", (-1, 1), [], 2),  # two branches that nearly meet
        ("a**2*x**2 + a**2 - 1", (-2, 2.1), [-1.0, 1.0], 2),  # both escape at a = 0, from its two sides
        ("(a-1.9999995) - x**2", (-2, 2), [1.9999995], 1),  # a fold just inside the span
        ("x**2*10 + (a-2.0005)", (-2, 2), [], 2),  # a fold just outside
    ],
)
def test_near_misses_are_told_apart(text, span, folds, branches):
    diagram = bifur.trace(system(text), free="a", span=span)
    assert diagram.completeness == "proved"
    np.testing.assert_allclose(points(diagram, "LP", "a"), folds, rtol=1e-9)
    assert points(diagram, "BP", "a") == []
    assert len(diagram.branches) == branches


def test_a_hysteresis_of_a_few_steps_has_two_folds():
    """a - c + b x - x^3: folds at x = -+ sqrt(b/3), a = c +- 2 (b/3)^(3/2)."""
    cubic = system("a - c + b*x - x**3", parameters=("a", "b", "c"))
    rng = np.random.default_rng(0)
    for b, c in zip(10 ** rng.uniform(-5, -3, 60), rng.uniform(-0.5, 0.5, 60), strict=True):
        diagram = bifur.trace(cubic, free="a", span=(-1, 1), b=b, c=c)
        true = np.sort(c + np.array([-2, 2]) * (b / 3) ** 1.5)
        if diagram.completeness == "proved":
            np.testing.assert_allclose(points(diagram, "LP", "a"), true, atol=1e-9)
        else:
            assert diagram.notes


def test_a_branch_through_a_pole_is_not_called_proved():
    diagram = bifur.trace(system("(1-x)/a"), free="a", span=(-1, 1.1))
    assert diagram.completeness != "proved"
    assert any("pole" in note for note in diagram.notes)


def test_folds_closer_than_doubles_are_not_denied():
    circle = system("x**2 + (a-b)**2 - c", parameters=("a", "b", "c"))
    assert bifur.trace(circle, free="a", span=(0, 1), b=0.3, c=1e-34).completeness != "proved"


def test_an_equilibrium_on_a_bound_up_to_rounding_is_proved_on_its_side():
    """The double 1/3 lies below one third, by less than half a unit."""
    assert Fraction(1 / 3) < Fraction(1, 3)
    for bound, number in ((1 / 3, 0), (math.nextafter(1 / 3, 1), 1)):
        found = bifur.find_equilibria(system("3*x - a"), prove=True, bounds={"x": (0.0, bound)})
        assert (found.completeness, len(found)) == ("proved", number)


def test_an_equilibrium_exactly_on_a_bound_where_no_component_says_so():
    """x = 1, y = 0.1 from two equations that both hold both: no box decides, and nothing is claimed."""
    made = from_expressions("made", ["x", "y"], {}, ["(x - 1)*(y + 3) + (y - 0.1)", "(x - 1) - (y - 0.1)*(x + 5)"])
    found = bifur.find_equilibria(made, prove=True, bounds={"x": (0.5, 1), "y": (0, 1)})
    assert found.completeness != "proved"
    assert "too near to a bound of x" in found.reason


def test_large_decimals_are_no_obstacle():
    assert bifur.find_equilibria(system("(1.23456789*x - a)**5 - 0.987654321*x"), prove=True).completeness == "proved"
    assert bifur.trace(system("(1.23456789012*x - a)**8 - 0.987654321*x"), free="a", span=(-1, 1)).branches


def test_neutral_saddles_have_opposite_eigenvalues():
    rng = np.random.default_rng(5)
    for _ in range(4):
        c = np.round(rng.normal(size=12), 2)
        texts = (
            f"a + {c[0]}*x + {c[1]}*y + {c[2]}*x**2 + {c[3]}*x*y + {c[4]}*y**2 - x**3",
            f"{c[5]} + {c[6]}*a + {c[7]}*x + {c[8]}*y + {c[9]}*x**2 + {c[10]}*x*y + {c[11]}*y**2",
        )
        planar = system(*(text.replace("+ -", "- ") for text in texts), states=("x", "y"))
        for point in bifur.trace(planar, free="a", span=(-2, 2)).special_points:
            if point.kind in ("NS", "HB"):
                J = planar.jacobian(point.state, dict(point.parameters))
                assert abs(np.trace(J)) <= 1e-6 * np.abs(J).max()
                assert (np.linalg.det(J) > 0) == (point.kind == "HB")


def test_rounding_errors_far_out_are_no_equilibria():
    """Where exp overwhelms everything 1 - x rounds to zero: a reactor has one equilibrium there, not two."""

    def field(u, p):
        return -u[0] + p.D * (1 - u[0]) * exp(u[1]), -3 * u[1] + 14 * p.D * (1 - u[0]) * exp(u[1])

    reactor = bifur.System("reactor", field, states=("x", "y"), parameters={"D": 0.2})
    found = bifur.find_equilibria(reactor)
    assert len(found) == 1
    assert np.abs(reactor.field(found[0].state)).max() < 1e-10


def test_mirror_folds_at_one_parameter_value_are_two():
    """a = (x^2 - 1)^2: folds at a = 0 for x = -1 and x = 1, and at a = 1 for x = 0, on one branch."""
    mirror = system("a - (x**2 - 1)**2", "x - y", states=("x", "y"))
    diagram = bifur.trace(mirror, free="a", span=(-1, 3))
    assert diagram.completeness == "proved"
    np.testing.assert_allclose(points(diagram, "LP", "a"), [0.0, 0.0, 1.0], atol=1e-12)
    assert len(diagram.branches) == 1


def test_the_two_ends_of_a_branch_are_told_apart():
    """x = 1 / (1 - a^2): the middle branch runs to infinity at a = -1 and at a = 1, and the notes name both."""
    diagram = bifur.trace(system("x*(1 - a**2) - 1"), free="a", span=(-2.0, 2.0))
    middle = next(
        i for i, b in enumerate(diagram.branches) if b.stop_reason == (bifur.Stop.ESCAPED, bifur.Stop.ESCAPED)
    )
    for value in ("-1", "1"):
        assert any(note.startswith(f"branch {middle} ends near a = {value}:") for note in diagram.notes)
