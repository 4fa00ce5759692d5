"""Declared symmetries: what is a symmetry of the equations, what is none, and the group they generate."""

from __future__ import annotations

import json

import numpy as np
import pytest

import bifur
from bifur.atlas import schema
from bifur.systems import registry
from bifur.systems.ops import cos, sin, sqrt
from tests.known.families import ALL, named, random_point, system
from tests.systems.test_load import refused

SYMMETRIC = [name for name in ALL if system(name).symmetries]
A = {"a": 1.0}


def plane(field, symmetries, states=("x", "y")):
    return bifur.System("plane", field, states=states, parameters=A, symmetries=symmetries)


def test_the_symmetric_systems_say_so():
    assert set(SYMMETRIC) == {"byol", "x-phinet", "cosine-modes", "enz", "lorenz", "chua"}


@pytest.mark.parametrize("name", SYMMETRIC)
def test_mirrors_commute_with_the_field(name):
    """f(S u) = S f(u) and J(S u) S = S J(u), at random states; each S is orthogonal."""
    s = system(name)
    rng = np.random.default_rng(1)
    u, p = random_point(s, rng)
    parameters = named(s, p)
    assert s.mirrors
    for S in s.mirrors:
        np.testing.assert_allclose(s.field(S @ u, parameters), S @ s.field(u, parameters), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(
            s.jacobian(S @ u, parameters) @ S, S @ s.jacobian(u, parameters), rtol=1e-12, atol=1e-12
        )
        np.testing.assert_array_equal(S @ S.T, np.eye(s.dimension))


@pytest.mark.parametrize("name", SYMMETRIC)
def test_mirror_images_of_equilibria_are_equilibria(name):
    """With the spectrum of the original."""
    s = system(name)
    found = bifur.find_equilibria(s)
    for e in found:
        for S in s.mirrors:
            (twin,) = [f for f in found if np.allclose(f.state, S @ e.state, rtol=1e-9, atol=1e-12)]
            np.testing.assert_allclose(
                np.sort_complex(twin.eigenvalues), np.sort_complex(e.eigenvalues), rtol=1e-9, atol=1e-12
            )


def test_the_group_of_a_square():
    """A swap and a reflection generate the eight symmetries of the square: seven without the identity."""
    s = plane(lambda u, p: (u[0] * (p.a - u[1] ** 2), u[1] * (p.a - u[0] ** 2)), ({"x": "y", "y": "x"}, {"x": "-x"}))
    signs = [np.diag(pair) for pair in ((1.0, 1.0), (1.0, -1.0), (-1.0, 1.0), (-1.0, -1.0))]
    expected = [D @ P for D in signs for P in (np.eye(2), np.eye(2)[::-1])][1:]
    assert len(s.mirrors) == 7
    for S in expected:
        assert sum(np.array_equal(S, other) for other in s.mirrors) == 1


def test_a_rotation_has_an_inverse():
    """Three equal cells in a ring that is one-way: the cyclic group of order 3, no reflection."""
    ring = ({"x": "y", "y": "z", "z": "x"},)
    s = plane(lambda u, p: tuple(u[k] * (p.a - u[k - 1]) for k in range(3)), ring, ("x", "y", "z"))
    one, two = s.mirrors
    np.testing.assert_array_equal(one @ two, np.eye(3))
    swap = ({"x": "y", "y": "x"},)
    refused(
        lambda: plane(lambda u, p: tuple(u[k] * (p.a - u[k - 1]) for k in range(3)), swap, ("x", "y", "z")),
        "no symmetry",
    )


def test_too_many_symmetries_are_refused():
    """All signed permutations of three states are 48, of four 384."""

    def alike(n):
        states = tuple("xyzw"[:n])
        turn = dict(zip(states, (*states[1:], states[0]), strict=True))
        return lambda: plane(lambda u, p: tuple(p.a * x for x in u), ({"x": "-x"}, {"x": "y", "y": "x"}, turn), states)

    assert len(alike(3)().mirrors) == 47
    refused(alike(4), "more than 48", "`symmetries`")


@pytest.mark.parametrize(
    ("symmetries", "says"),
    [
        ({"x": "-x"}, ["`symmetries` must be a sequence of mappings"]),
        ("x", ["`symmetries` must be a sequence"]),
        (3, ["`symmetries` must be a sequence", "3"]),
        (("x",), ["each is a mapping", "'x'"]),
        (({"X": "-x"},), ["unknown state 'X'", "did you mean x?"]),
        (({"x": "-X"},), ["image of x", "unknown state 'X'", "did you mean x?"]),
        (({"x": "--x"},), ["image of x", "unknown state '-x'"]),
        (({"x": 1},), ["image of x", "unknown state 1"]),
        (({"x": "y"},), ["no permutation", "y is the image of two"]),
        (({"x": "x"},), ["moves no state"]),
        (({"y": "-y"},), ["{'y': '-y'} is no symmetry: x'"]),
        (({"x": "-x"}, {"x": "-x", "y": "-y"}), ["{'x': '-x', 'y': '-y'} is no symmetry: x'"]),
    ],
)
def test_what_is_no_symmetry_is_refused(symmetries, says):
    def field(u, p):
        x, y = u
        return (x * (p.a + y), y - x**2)

    refused(lambda: plane(field, symmetries), "system 'plane'", *says)


def test_a_difference_far_below_rounding_is_seen():
    def nearly(u, p):
        (x,) = u
        return (x - x**3 + p.tiny * 0 + x**2 / 10**30,)

    given = {"states": ("x",), "parameters": {"tiny": 0.0}, "symmetries": ({"x": "-x"},)}
    refused(lambda: bifur.System("nearly", nearly, **given), "{'x': '-x'} is no symmetry: x'")
    refused(lambda: bifur.System("nearly", lambda u, p: (sin(u[0]) + u[0] ** 2 / 10**30,), **given), "no symmetry")


def test_what_is_not_rational_is_compared_too():
    odd = bifur.System(
        "odd", lambda u, p: (sin(p.a * u[0]) * sqrt(1 + u[0] ** 2),), states=("x",), parameters=A,
        symmetries=({"x": "-x"},),
    )  # fmt: skip
    assert [dict(entry) for entry in odd.symmetries] == [{"x": "-x"}]
    refused(
        lambda: bifur.System(
            "even", lambda u, p: (cos(p.a * u[0]),), states=("x",), parameters=A, symmetries=({"x": "-x"},)
        ),
        "no symmetry",
    )
    refused(
        lambda: bifur.System(
            "half", lambda u, p: (p.a * sqrt(u[0]),), states=("x",), parameters=A, symmetries=({"x": "-x"},)
        ),
        "maps states at which the field is finite to others",
    )


def test_poles_do_not_hide_a_symmetry():
    s = bifur.System(
        "pole", lambda u, p: (p.a / u[0] - u[0] ** -3,), states=("x",), parameters=A, symmetries=({"x": "-x"},)
    )
    assert len(s.mirrors) == 1


def test_symmetries_are_stored_and_are_no_part_of_the_digest():
    s = system("lorenz")
    plain = registry.from_description({**registry.description(s), "symmetries": []})
    assert plain.digest == s.digest
    assert plain.mirrors == []
    attributes = schema.system_attributes(s)
    assert json.loads(attributes["symmetries"]) == [{"x": "-x", "y": "-y"}]
    again = registry.from_description(schema.system_description("lorenz", attributes))
    assert again.symmetries == s.symmetries
    del attributes["symmetries"]  # as in files from before there were any
    assert registry.from_description(schema.system_description("lorenz", attributes)).symmetries == ()
    attributes["symmetries"] = json.dumps([{"x": "-x"}])
    refused(lambda: registry.from_description(schema.system_description("lorenz", attributes)), "no symmetry")
