"""Portraits: nullclines, connections, limit cycles, and whether two portraits are topologically equivalent."""

from __future__ import annotations

import functools

import numpy as np
import pytest

import bifur
from bifur.systems import System

RHO_MINUS, RHO_PLUS = 0.002385609209397678, 0.43863930249925376  # folds of phinet at sigma2 = 0


@functools.cache
def phinet(rho, sigma2=0.0):
    return bifur.portrait("phinet", sigma2=sigma2, rho=rho)


@functools.cache
def simsiam(rho, sigma2=0.0):
    """SimSiam in the states of PhiNet: mu = 0, p_g' = -rho p_g."""
    return bifur.portrait("phinet-weighted", mu=0.0, sigma2=sigma2, rho=rho)


def duffing(c, name="duffing"):
    return System(name, lambda u, p: (u[1], u[0] - u[0] ** 3 - p.c * u[1]), states=("x", "v"), parameters={"c": c})


# ---- the claim of the talk -------------------------------------------------------------------


@pytest.mark.parametrize("rho", [RHO_MINUS * 1.05, 0.02, 0.2])
def test_phinet_is_simsiam_between_its_folds(rho):
    answer = bifur.equivalent(phinet(rho), simsiam(min(rho, 0.2)))
    assert answer.value is True
    assert answer
    kinds = {name: name.split()[0] for name in (*answer.matching, *answer.matching.values())}
    assert all(kinds[a] == kinds[b] for a, b in answer.matching.items())


@pytest.mark.parametrize("rho", [1e-4, 1e-3, RHO_MINUS * 0.95])
def test_phinet_is_not_simsiam_below_its_lower_fold(rho):
    found = phinet(rho)
    assert found.graph.kinds()["sink"] == 3
    assert found.graph.kinds()["saddle"] == 2
    answer = found.is_equivalent(simsiam(rho))
    assert answer.value is False
    assert "kinds" in answer.reason


@pytest.mark.parametrize("rho", [RHO_PLUS * 1.05, 0.9])
def test_above_the_upper_folds_both_have_the_origin_alone(rho):
    assert bifur.equivalent(phinet(rho), simsiam(rho)).value is True
    assert bifur.equivalent(phinet(rho), phinet(0.2)).value is False


def test_simsiam_off_the_parabola_is_the_same_portrait():
    assert bifur.equivalent(phinet(0.05), bifur.portrait("l2-full", sigma2=0.0, rho=0.05)).value is True


def test_equivalence_is_an_equivalence_relation():
    some = [phinet(1e-3), phinet(1.5e-3, 0.0), phinet(0.02), simsiam(0.05), phinet(0.6), simsiam(0.7)]
    answers = np.array([[bool(bifur.equivalent(a, b)) for b in some] for a in some])
    assert answers.diagonal().all()
    assert (answers == answers.T).all()
    assert (answers @ answers == answers).all(), "not transitive"
    assert answers.sum() == 12, "three classes of two"


# ---- other systems --------------------------------------------------------------------------


def test_coordinates_do_not_matter():
    """x = y + y^3 / 3 along each axis, one of them turned over."""

    def bent(u, p):
        x, v = u[0] + u[0] ** 3 / 3, -u[1] - u[1] ** 3 / 3
        f, g = v, x - x**3 - p.c * v
        return f / (1 + u[0] ** 2), -g / (1 + u[1] ** 2)

    s = System("bent", bent, states=("y", "w"), parameters={"c": 0.4}, bounds={"y": (-3, 3), "w": (-3, 3)})
    answer = bifur.equivalent(bifur.portrait(duffing(0.4)), bifur.portrait(s))
    assert answer.value is not False, answer.reason
    mirrored = System(
        "mirrored", lambda u, p: (u[1], u[0] - u[0] ** 3 - 0.4 * u[1]), states=("x", "v"), parameters={"q": 0.0}
    )
    turned = System(
        "turned", lambda u, p: (-u[1], -u[0] + u[0] ** 3 - 0.4 * u[1]), states=("x", "v"), parameters={"q": 0.0}
    )
    assert bifur.equivalent(bifur.portrait(mirrored), bifur.portrait(turned)).value is True


def test_equal_kinds_joined_in_another_way_are_told_apart():
    """The forced pendulum's neighbour x' = v, v' = b + x - x^3 - c v + d x v on both sides of a saddle connection."""

    def system(a):
        return System(
            "heteroclinic",
            # saddles at (+-1, 0) of a gradient-like field, joined at a = 0 along y = 0 by symmetry
            lambda u, p: (1 - u[0] ** 2 + p.a * u[0] * u[1], -2 * u[0] * u[1] * (1 - u[1] ** 2 / 4) + p.a),
            states=("x", "y"), parameters={"a": a},
        )  # fmt: skip

    left, right = bifur.portrait(system(-0.2)), bifur.portrait(system(0.2))
    assert bifur.equivalent(left, right).value is not False, "mirror images"
    middle = bifur.portrait(system(0.0))
    assert bifur.equivalent(middle, right).value is not True, "two saddles are joined"


def test_van_der_pol_has_its_limit_cycle():
    """Period 6.6632868593 at mu = 1, and the amplitude 2.00861986 (Andersen & Geer 1982)."""
    s = System(
        "vdp", lambda u, p: (u[1], p.m * (1 - u[0] ** 2) * u[1] - u[0]), states=("x", "v"), parameters={"m": 1.0}
    )
    found = bifur.portrait(s)
    (cycle,) = found.cycles
    assert cycle.period == pytest.approx(6.6632868593, rel=1e-9)
    assert np.abs(cycle.points[:, 0]).max() == pytest.approx(2.00861986, abs=2e-3)
    assert cycle.stable
    assert not found.cycles_excluded
    answer = bifur.equivalent(found, found)
    assert answer.value is None
    with pytest.raises(ValueError, match="undecided"):
        bool(answer)


def test_a_rotor_has_its_period_and_multiplier():
    s = System(
        "rotor",
        lambda u, p: (
            u[0] * (1 - u[0] ** 2 - u[1] ** 2) - p.w * u[1],
            u[1] * (1 - u[0] ** 2 - u[1] ** 2) + p.w * u[0],
        ),
        states=("x", "y"),
        parameters={"w": 2.0},
    )
    (cycle,) = bifur.portrait(s).cycles
    assert cycle.period == pytest.approx(np.pi, rel=1e-9)
    assert cycle.multiplier == pytest.approx(np.exp(-2 * np.pi), rel=1e-6)
    assert np.hypot(*cycle.points.T) == pytest.approx(1.0, abs=1e-8)


def test_damped_duffing_excludes_cycles_and_names_its_connections():
    found = bifur.portrait(duffing(0.3))
    assert found.cycles_excluded
    said = sorted(found.say(connection) for connection in found.connections)
    assert said == ["infinity -> saddle", "infinity -> saddle", "saddle -> sink 1", "saddle -> sink 2"]


@pytest.mark.parametrize("c", [0.3, 1.0, 4.0])
def test_foci_and_nodes_are_equivalent(c):
    assert bifur.equivalent(bifur.portrait(duffing(0.3)), bifur.portrait(duffing(c))).value is True


# ---- curves ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "rho"), [("phinet", 1e-3), ("l2-full", 0.05), ("phinet-talk", 1e-3)])
def test_nullclines_lie_where_a_component_vanishes(name, rho):
    found = bifur.portrait(name, sigma2=0.2, rho=rho)
    s = bifur.get_system(name)
    assert {nullcline.state for nullcline in found.nullclines} == {0, 1}
    for nullcline in found.nullclines:
        for points in nullcline.curves:
            values = s.field(tuple(points.T), found.parameters)[nullcline.state]
            slope = s.jacobian(tuple(points.T), found.parameters)[nullcline.state]
            off = np.abs(values) / np.maximum(np.hypot(*slope), 1e-12)
            assert off.max() < 1e-6 * max(np.ptp(points), 1.0)


def test_eigenvectors_are_those_of_the_jacobian():
    found = phinet(1e-3)
    for e, basis in zip(found.equilibria, found.eigenvectors, strict=True):
        J = found.system.jacobian(e.state, found.parameters)
        for value, vector in zip(e.eigenvalues.real, basis.T, strict=True):
            assert np.abs(J @ vector - value * vector).max() < 1e-9


# ---- one state, and what is wrong --------------------------------------------------------------


def test_portraits_on_a_line_are_signs():
    def line(sign):
        return System("line", lambda u, p: (sign * (u[0] - u[0] ** 3),), states=("x",), parameters={"q": 0.0})

    ups, downs = (bifur.portrait(line(sign)) for sign in (1.0, -1.0))
    assert ups.signs == (1, -1, 1, -1)
    assert bifur.equivalent(ups, ups).value is True
    assert bifur.equivalent(ups, downs).value is False
    assert bifur.equivalent(ups, phinet(0.05)).value is False


def test_wrong_arguments_are_one_sentence():
    with pytest.raises(ValueError, match="`system`: phinet-full has 3 states; a portrait is of one or two"):
        bifur.portrait("phinet-full")
    with pytest.raises(ValueError, match=r"`window`: unknown state 'p_x'.*p_h"):
        bifur.portrait("phinet", {"p_x": (0, 1)})
    with pytest.raises(ValueError, match="`resolution` must be a whole number from 2 to 10000, not 1"):
        bifur.portrait("phinet", resolution=1)
    with pytest.raises(ValueError, match="`b` must be a Portrait"):
        bifur.equivalent(phinet(0.05), "l2")
