"""One definition serves every arithmetic; identities of the bundled systems; their derivatives."""

from __future__ import annotations

import pickle

import mpmath
import numpy as np
import pytest
import sympy as sp
import torch

import bifur
from bifur.systems.base import Values
from tests.known.families import ALL, BUNDLED, named, random_point, random_signs, system

POINTS = 50


@pytest.mark.parametrize("name", ALL)
def test_one_definition_serves_every_arithmetic(name):
    s = system(name)
    u, p = random_point(s, np.random.default_rng(1), (3,))
    arrays = s.field(u, named(s, p))
    assert arrays.shape == u.shape
    for k in range(3):
        uk, pk = u[:, k], p[:, k]
        floats = s.field(tuple(uk), named(s, pk))
        np.testing.assert_allclose(floats, arrays[:, k], rtol=1e-14)
        complexes = s.field(tuple(uk.astype(complex)), named(s, pk))
        np.testing.assert_allclose(complexes, floats, rtol=1e-14)
        symbols = s.definition(tuple(map(sp.Symbol, s.states)), Values({q: sp.Symbol(q) for q in s.parameters}))
        exact = {n: sp.Float(float(v), 30) for n, v in zip((*s.states, *s.parameters), (*uk, *pk), strict=True)}
        np.testing.assert_allclose([float(sp.sympify(f).evalf(25, subs=exact)) for f in symbols], floats, rtol=1e-12)
        precise = s.definition([mpmath.mpf(v) for v in uk], Values({q: mpmath.mpf(v) for q, v in named(s, pk).items()}))
        np.testing.assert_allclose([float(f) for f in precise], floats, rtol=1e-12)
        tensors = s.field([torch.tensor(v) for v in uk], {q: torch.tensor(v) for q, v in named(s, pk).items()})
        np.testing.assert_allclose([f.item() for f in tensors], floats, rtol=1e-12)


@pytest.mark.parametrize("name", ALL)
def test_the_generated_field_rounds_as_the_definition_does(name):
    s = system(name)
    u, p = random_point(s, np.random.default_rng(2), (POINTS,))
    for k in range(POINTS):
        out = np.empty(s.dimension)
        s.derived.module.field(u[:, k], p[:, k], out)
        np.testing.assert_allclose(out, s.field(u[:, k], named(s, p[:, k])), rtol=1e-13)


def complex_step(f, x, index, h=1e-40):
    """df/dx[index], exact to rounding (Squire & Trapp 1998)."""
    moved = np.array(x, complex)
    moved[index] += 1j * h
    return f(moved).imag / h


@pytest.mark.parametrize("name", ALL)
def test_derivatives_agree_with_complex_step(name):
    s = system(name)
    n, q = s.dimension, len(s.parameters)
    rng = np.random.default_rng(3)
    m = s.derived.module

    def split(f):
        return lambda x: f(x[:n], x[n:])

    def field(u, p):
        return s.field(u, named(s, p))

    for _ in range(20):
        u, p = random_point(s, rng)
        v = rng.normal(size=n + q)
        x = np.concatenate([u, p])
        expected = np.stack([complex_step(split(field), x, j) for j in range(n + q)], axis=1)
        J, Jp, second = np.empty((n, n)), np.empty((n, q)), np.empty((n, n + q))
        m.jacobian(u, p, J)
        m.parameter_jacobian(u, p, Jp)
        m.second(u, p, v, second)

        def along(u, p, v=v):
            both = np.empty((n, n + q), complex)
            m.jacobian(u, p, both[:, :n])
            m.parameter_jacobian(u, p, both[:, n:])
            return both @ v

        directional = np.stack([complex_step(split(along), x, j) for j in range(n + q)], axis=1)
        scale = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(np.hstack([J, Jp]), expected, rtol=1e-11, atol=1e-13 * scale)
        scale = max(1.0, np.abs(directional).max())
        np.testing.assert_allclose(second, directional, rtol=1e-11, atol=1e-13 * scale)
        np.testing.assert_allclose(s.jacobian(u, named(s, p)), J, rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_the_jacobian_of_arrays_is_that_of_each_point(name):
    s = system(name)
    u, p = random_point(s, np.random.default_rng(4), (2, 3))
    J = s.jacobian(u, named(s, p))
    assert J.shape == (s.dimension, s.dimension, 2, 3)
    np.testing.assert_allclose(J[..., 1, 2], s.jacobian(u[:, 1, 2], named(s, p[:, 1, 2])), rtol=1e-14)


@pytest.mark.parametrize("name", ALL)
def test_magnitude_bounds_the_field(name):
    s = system(name)
    rng = np.random.default_rng(5)
    for _ in range(POINTS):
        u, p = random_point(s, rng)
        u *= random_signs(s, rng)
        f, size = np.empty(s.dimension), np.empty(s.dimension)
        s.derived.module.field(u, p, f)
        s.derived.module.magnitude(u, p, size)
        assert np.all(np.abs(f) <= size * (1 + 1e-14))


def test_magnitude_is_the_sum_of_absolute_terms():
    s = bifur.System(
        "terms", lambda u, p: (u[0] ** 2 * (1 - p.a * u[1]) - p.b * u[0], 3 * u[0] * u[1]), states=("x", "y"),
        parameters={"a": 1, "b": 1},
    )  # fmt: skip
    size = np.empty(2)
    s.derived.module.magnitude(np.array([-2.0, 3.0]), np.array([0.5, -7.0]), size)
    assert size.tolist() == [4 * (1 + 1.5) + 14, 18]


# ---- identities of the learning dynamics ------------------------------------------------------


@pytest.mark.parametrize(
    ("full", "restricted"), [("l2-full", "l2"), ("cosine-full", "cosine"), ("phinet-full", "phinet")]
)
def test_the_parabola_is_invariant_and_carries_the_restriction(full, restricted):
    """On s = p^2: s' = 2 p p', and the other components are those of the restricted system."""
    whole, part = system(full), system(restricted)
    rng = np.random.default_rng(6)
    u, p = random_point(part, rng, (POINTS,))
    u *= rng.choice([-1, 1], u.shape)
    parameters = named(part, p)
    ds, *rest = whole.field([u[0] ** 2, *u], parameters)
    np.testing.assert_allclose(ds, 2 * u[0] * rest[0], rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(rest, part.field(u, parameters), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["l2-full", "cosine-full", "phinet-full"])
def test_the_distance_to_the_parabola_decays_at_twice_rho(name):
    """(s - p^2)' = -2 rho (s - p^2), off the parabola too."""
    s = system(name)
    rng = np.random.default_rng(7)
    u, p = random_point(s, rng, (POINTS,))
    u[1:] *= rng.choice([-1, 1], u[1:].shape)
    parameters = named(s, p)
    f = s.field(u, parameters)
    np.testing.assert_allclose(
        f[0] - 2 * u[1] * f[1], -2 * parameters["rho"] * (u[0] - u[1] ** 2), rtol=1e-9, atol=1e-12
    )


def test_the_talk_differs_by_one_factor():
    """p_g' of the talk is that of `phinet` where p_g = 1, and p_h' is the same everywhere."""
    talk, phinet = system("phinet-talk"), system("phinet")
    u, p = random_point(phinet, np.random.default_rng(8), (POINTS,))
    np.testing.assert_array_equal(talk.field(u, named(talk, p))[0], phinet.field(u, named(talk, p))[0])
    assert np.abs(talk.field(u, named(talk, p))[1] - phinet.field(u, named(talk, p))[1]).max() > 0.1
    u[1] = 1.0
    np.testing.assert_allclose(talk.field(u, named(talk, p)), phinet.field(u, named(talk, p)), rtol=1e-14)


# ---- what a system says of itself -------------------------------------------------------------


def test_the_bundled_systems_are_listed():
    assert bifur.list_systems() == list(BUNDLED)
    assert all(bifur.get_system(name).name == name for name in BUNDLED)
    assert bifur.get_system(system("l2")) is system("l2")


@pytest.mark.parametrize("name", ALL)
def test_latex_has_one_row_for_each_state(name):
    latex = system(name).latex()
    assert latex.count(r"\dot{") == system(name).dimension
    assert latex.startswith(r"\begin{aligned}")


def test_latex_uses_the_names_that_the_system_gives():
    assert r"\rho" in system("l2").latex()
    assert r"\sigma^2" in system("phinet").latex().replace("{", "").replace("}", "")


@pytest.mark.parametrize("name", ALL)
def test_a_system_travels_by_pickle(name):
    s = system(name)
    copy = pickle.loads(pickle.dumps(s))
    assert (copy.name, copy.digest, copy.states, dict(copy.parameters)) == (
        s.name,
        s.digest,
        s.states,
        dict(s.parameters),
    )
    assert (dict(copy.bounds), copy.plane, copy.collapse, dict(copy.tex), copy.symmetries) == (
        dict(s.bounds),
        s.plane,
        s.collapse,
        dict(s.tex),
        s.symmetries,
    )
    u, p = random_point(s, np.random.default_rng(9), (4,))
    np.testing.assert_allclose(copy.field(u, named(s, p)), s.field(u, named(s, p)), rtol=1e-13)


def test_equal_systems_have_equal_digests():
    def twice(u, p):
        (x,) = u
        return (p.r * x - x**3,)

    one = bifur.System("one", twice, states=("x",), parameters={"r": 1})
    two = bifur.System("two", lambda u, p: (p.r * u[0] - u[0] ** 3,), states=("x",), parameters={"r": 2})
    other = bifur.System("one", lambda u, p: (p.r * u[0] + u[0] ** 3,), states=("x",), parameters={"r": 1})
    assert one.digest == two.digest != other.digest
