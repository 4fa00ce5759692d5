"""Checks of a plane that need no algebra: they pass on true planes, and tell what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

import bifur
from bifur.atlas import cross_checks, plane, tile
from bifur.atlas.spec import Axis, PlaneSpec
from bifur.continuation import agreement, slices
from bifur.kernels import count, nodes, proof, prune, roots, verify
from tests.atlas import builds
from tests.known.families import system

BOTH = {"parity", "indices", "continuity", "curves"}


def computed(name, x, y, **more):
    return PlaneSpec(name="plane", system=system(name), x=Axis(*x), y=Axis(*y), **more)


def checked(spec, change=lambda maps: None):
    """{name: Check} of a computed plane, changed before it is checked."""
    data = builds.computed(spec)
    maps = {name: np.array(values) for name, values in data.maps.items()}
    change(maps)
    found = cross_checks.cross_checks(
        data.system, tile.parameters_of(spec, data.x, data.y), maps, data.curves, data.free
    )
    return {check.name: check for check in found}


PHINET = ("phinet", ("sigma2", (0.0, 2.0), 16), ("rho", (1e-4, 1.0), 40, "log"))


@pytest.mark.parametrize(
    "plane_of",
    [
        PHINET,
        ("l2", ("sigma2", (0.0, 2.0), 12), ("rho", (1e-3, 1.0), 30, "log")),
        ("cosine", ("N_psi", (0.5, 2.0), 12), ("rho", (1e-3, 1.0), 30, "log")),
        ("phinet-talk", ("sigma2", (0.0, 1.0), 12), ("rho", (1e-3, 1.0), 40, "log")),
        ("l2-full", ("sigma2", (0.0, 2.0), 10), ("rho", (0.0, 0.4), 20)),
        ("byol", ("sigma2", (0.0, 2.0), 10), ("rho", (1e-2, 0.4), 20)),
    ],
)
def test_true_planes_pass(plane_of):
    name, x, y = plane_of
    found = checked(computed(name, x, y))
    assert not [check for check in found.values() if check.failed]
    assert set(found) >= BOTH
    assert all(found[check].compared > 100 for check in BOTH)
    assert ("rims" in found) == (system(name).dimension <= 2)


def test_an_equilibrium_that_leaves_over_a_bound_is_no_fault():
    """x = a leaves the box at a = 1: the number changes by one, and nothing is wrong."""
    s = bifur.System(
        "leaver",
        lambda u, p: (p.a - u[0] + 0 * p.b,),
        states=("x",),
        parameters={"a": 0.5, "b": 0.0},
        bounds={"x": (-1, 1)},
    )
    spec = PlaneSpec(name="p", system=s, x=Axis("b", (0.0, 1.0), 4), y=Axis("a", (0.0, 2.0), 12))
    data = builds.computed(spec)
    assert set(np.unique(data.maps["n_equilibria"])) == {0, 1}
    assert not [entry for entry in data.ledger if entry.stage == "cross-check"]


def drop(maps, iy, ix, k):
    maps["kind"][iy, ix, k] = 0
    maps["n_unstable"][iy, ix, k] = maps["sheet"][iy, ix, k] = -1
    maps["state"][iy, ix, k] = np.nan
    maps["n_equilibria"][iy, ix] -= 1


def test_what_is_missing_is_told():
    def one(maps):
        drop(maps, *np.argwhere(maps["kind"] == 3)[50])

    found = checked(computed(*PHINET), one)
    assert {name for name in BOTH if found[name].failed} >= {"parity", "indices", "curves"}
    assert found["parity"].failed in (3, 4)  # the neighbours of one node


def test_a_pair_that_is_missing_everywhere_is_not_seen_by_these_checks_but_an_odd_one_is():
    """The sum of the indices of all equilibria is that of the rim; without the origin anywhere it is not."""

    def origin(maps):
        for iy, ix, k in np.argwhere(np.abs(maps["state"]).max(axis=-1) == 0):
            drop(maps, iy, ix, k)

    found = checked(computed(*PHINET), origin)
    assert found["parity"].failed == found["indices"].failed == 0
    assert found["rims"].failed == found["rims"].compared > 100


def test_members_that_changed_places_are_told():
    def swap(maps):
        iy, ix, _ = np.argwhere(maps["kind"] == 3)[60]
        a, b = np.flatnonzero(maps["sheet"][iy, ix] >= 0)[:2]
        for name in ("state", "kind", "n_unstable"):
            values = maps[name][iy, ix]
            values[[a, b]] = values[[b, a]]

    found = checked(computed(*PHINET), swap)
    assert [name for name in BOTH if found[name].failed] == ["continuity"]


@pytest.mark.parametrize(
    ("field", "index"),
    [
        (lambda u, p: (-u[0], -u[1]), 1),
        (lambda u, p: (u[0], -u[1]), -1),
        (lambda u, p: (u[0] ** 2 - u[1] ** 2, 2 * u[0] * u[1]), 2),
        (lambda u, p: (u[0] ** 2 - u[1] ** 2, -2 * u[0] * u[1]), -2),
        (lambda u, p: (u[0] ** 3 - 3 * u[0] * u[1] ** 2 - 1e6 * u[0], 3 * u[0] ** 2 * u[1] - u[1] ** 3), 1),
        (lambda u, p: (1 + u[0] ** 2, u[1]), 0),
    ],
)
def test_turns_of_a_field(field, index):
    """By the degree of z, its conjugate, z^2, conj(z)^2, ..."""
    s = bifur.System("turns", field, states=("x", "y"), parameters={})
    turns, told = cross_checks._turns(s, {}, np.zeros((3, 1, 2)))
    assert told.all()
    assert turns.tolist() == [index] * 3


def test_turns_of_one_state():
    s = bifur.System("line", lambda u, p: (p.a * u[0] - u[0] ** 3,), states=("x",), parameters={"a": 1.0})
    held = np.array([[[-1.0], [0.0], [1.0]], [[0.0], [np.nan], [np.nan]]])
    turns, told = cross_checks._turns(s, {"a": np.array([[1.0], [-1.0]])}, held)
    assert told.all()
    assert turns.tolist() == [1, 1]
    up = bifur.System("up", lambda u, p: (u[0] ** 2 - 1,), states=("x",), parameters={})
    assert cross_checks._turns(up, {}, np.array([[[-1.0], [1.0]]]))[0] == 0


def test_turns_tell_nothing_where_a_state_lies_on_a_bound():
    s = bifur.System("half", lambda u, p: (-u[0],), states=("x",), parameters={}, bounds={"x": (0, np.inf)})
    assert cross_checks._turns(s, {}, np.array([[[0.0]]]))[1].tolist() == [False]
    s = bifur.System("quarter", lambda u, p: (-u[0], -u[1]), states=("x", "y"), parameters={}, bounds={"x": (-1, 9)})
    assert cross_checks._turns(s, {}, np.array([[[-1.0, 1.0]], [[np.nan, np.nan]]]))[1].tolist() == [False, True]


def test_passages_are_those_of_every_pair():
    rng = np.random.default_rng(3)
    values, column = rng.uniform(0, 1, 40).round(2), rng.uniform(0, 1, 30).round(2)
    f, i = agreement.passages(values, column)
    brute = (column[:-1] - values[:, None]) * (column[1:] - values[:, None]) <= 0
    assert sorted(zip(f.tolist(), i.tolist(), strict=True)) == sorted(map(tuple, np.argwhere(brute).tolist()))


def test_every_code_of_the_kernels_has_its_sentence():
    codes = {
        roots.UNDECIDED: "close_roots", roots.VANISHING: "leading_coefficient", roots.ZERO: "vanishing_polynomial",
        count.GUARD: "guard", proof.LOST: "lost", nodes.SEARCHED: "searched", nodes.OVERFLOW: "overflow",
        nodes.NOT_ENCLOSED: "not_enclosed", prune.EDGE: "edge", prune.BUDGET: "budget", prune.CLUSTER: "cluster",
        nodes.DISAGREE: "disagree", verify.OVERLAP: "overlap", verify.DIFFERS: "differs",
        verify.UNSTABLE_OPEN: "stability", nodes.DEGENERATE: "degenerate",
    }  # fmt: skip
    names = list(plane.DOUBTS)
    assert {code: names[-code] for code in codes} == codes
    assert prune.FULL == nodes.OVERFLOW
    assert slices.nodes is nodes
    assert all(sentence for name, sentence in plane.DOUBTS.items() if name != "none")
