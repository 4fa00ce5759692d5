"""Laws of initial states: what they say of probabilities, and that they survive being stored."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import stats

import bifur
from bifur.atlas import schema
from bifur.systems.initial import InitialLaw, Normal, Tied, Uniform, read
from bifur.systems.registry import description, from_description

LAWS = [(Uniform(-1.0, 3.0), stats.uniform(-1, 4)), (Normal(0.5, 2.0), stats.norm(0.5, 2))]


@pytest.mark.parametrize(("part", "known"), LAWS, ids=["uniform", "normal"])
def test_probabilities_are_those_of_scipy(part, known):
    rng = np.random.default_rng(0)
    a = rng.uniform(-9, 9, 200)
    b = a + rng.exponential(2, 200)
    np.testing.assert_allclose(part.mass(a, b), known.cdf(b) - known.cdf(a), atol=1e-15)
    np.testing.assert_allclose(part.density(a), known.pdf(a), rtol=1e-13)
    q = rng.uniform(0, 1, 50)
    np.testing.assert_allclose(part.quantile(q), known.ppf(q), rtol=1e-12)
    np.testing.assert_allclose(part.mass(-np.inf, part.quantile(q)), q, rtol=1e-12)
    low, high = part.support
    assert part.mass(low, high) == pytest.approx(1, abs=1e-15)


def test_the_far_tails_of_a_normal_law_keep_their_digits():
    np.testing.assert_allclose(Normal(0, 1).mass(10.0, np.inf), stats.norm.sf(10), rtol=1e-12)
    np.testing.assert_allclose(Normal(0, 1).mass(-np.inf, -10.0), stats.norm.sf(10), rtol=1e-12)
    assert stats.norm.sf(10) > 7e-24  # far below the rounding of 1, which a difference of cdfs would leave


@pytest.mark.parametrize("name", bifur.list_systems())
def test_every_bundled_system_has_a_law_that_can_be_stored(name):
    system = bifur.get_system(name)
    law = system.initial
    assert list(law.parts) == list(system.states)
    assert read(law.written, system.states, system.bounds) == law
    again = from_description(description(system) | {"name": "another"})
    assert again.initial == law
    attributes = schema.system_attributes(system)
    assert schema.system_description(name, attributes)["initial"] == description(system)["initial"]
    assert pickle.loads(pickle.dumps(law)) == law
    assert from_description(pickle.loads(pickle.dumps(again)).__reduce__()[1][0]).initial == law
    states = law.states(np.random.default_rng(0).random((1000, len(law.free))))
    for column, state in zip(states.T, system.states, strict=True):
        low, high = system.bounds.get(state, (-np.inf, np.inf))
        assert low <= column.min() <= column.max() <= high


def test_full_systems_start_on_their_invariant_parabola():
    rng = np.random.default_rng(0)
    for name, s, p in (("l2-full", 0, 1), ("cosine-full", 0, 1), ("phinet-full", 0, 1), ("cosine-modes", 2, 3)):
        law = bifur.get_system(name).initial
        u = law.states(rng.random((20, len(law.free))))
        np.testing.assert_array_equal(u[:, s], u[:, p] ** 2)


def test_the_law_is_no_part_of_the_equations():
    one = bifur.System("x", lambda u, p: (-u[0],), states=("x",), parameters={"k": 1})
    other = bifur.System(
        "x", lambda u, p: (-u[0],), states=("x",), parameters={"k": 1}, initial={"x": {"normal": (0, 1)}}
    )
    assert one.initial is None
    assert other.initial == InitialLaw({"x": Normal(0, 1)})
    assert one.digest == other.digest


def test_a_tie_has_one_writing():
    states = ("a", "b", "c")
    law = read({"a": Uniform(0, 1), "b": "(a)**2+0*a", "c": 3}, states, {})
    assert law.parts["c"] == Tied("3")
    assert law == read(law.written, states, {})
    np.testing.assert_allclose(law.states(np.array([[0.5]])), [[0.5, 0.25, 3]])
    assert str(law) == "a uniform (0, 1), b = a**2 + 0 * a, c = 3"
    assert law != read({"b": Uniform(0, 1), "a": "b", "c": 3}, states, {})


WRONG = [
    ({"x": 1}, "unknown state 'x': accepted are p_h, p_g"),
    ({"p_h": {"uniform": (0, 1)}}, "says nothing of p_g"),
    ({"p_h": [1, 2], "p_g": 0}, "`initial` of p_h must be {uniform"),
    ({"p_h": {"uniform": (0, float("inf"))}, "p_g": 0}, "`high` of a law must be a finite number"),
    ({"p_h": "p_g", "p_g": "p_h"}, "unknown name 'p_g'"),
    ({"p_h": "log(p_g)", "p_g": {"uniform": (-1, 1)}}, "no finite number"),
    ({"p_h": "__import__('os')", "p_g": {"uniform": (-1, 1)}}, "is not accepted in an expression"),
]


@pytest.mark.parametrize(("given", "pattern"), WRONG)
def test_wrong_laws_get_a_sentence(given, pattern):
    system = bifur.get_system("phinet")
    with pytest.raises(ValueError, match=pattern):
        read(given, system.states, system.bounds)
    with pytest.raises(ValueError, match=f"system 'mine'.*{pattern}"):
        bifur.System("mine", system.definition, states=system.states, parameters=system.parameters, initial=given)
