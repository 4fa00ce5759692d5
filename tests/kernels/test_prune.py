"""Branch and prune: all equilibria in a box, by closed forms; where it cannot tell it says so."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bifur.kernels import prune, search, step
from bifur.kernels.proof import by_pruning
from bifur.systems.registry import from_expressions


def pruned(texts, low, high, budget=100_000, states=("x", "y", "z", "w"), **parameters):
    """(code or number, states, radii, boxes looked at)."""
    names = states[: len(texts)]
    system = from_expressions("made", names, parameters, texts)
    proof = system.derived.programs.proof()
    out = np.zeros((256, len(texts)))
    low, high = (np.full(len(texts), float(end)) if np.isscalar(end) else np.asarray(end, float) for end in (low, high))
    found = by_pruning(proof, system.values(), low, high, budget, out)
    n = max(found, 0)
    return found, out[:n], proof.boxes.radius[:n].copy(), int(proof.boxes.used[0])


def test_a_lattice_of_equilibria():
    """sin(x) = sin(y) = 0 in [-10, 10]^2: 7 x 7, whatever the seams of the boxes."""
    found, states, radii, _ = pruned(["sin(x)", "sin(y)"], -10, 10)
    assert found == 49
    lattice = {(i, j) for i in range(-3, 4) for j in range(-3, 4)}
    assert {tuple(np.round(state / math.pi).astype(int).tolist()) for state in states} == lattice
    for state, radius in zip(states, radii, strict=True):
        assert np.abs(state - math.pi * np.round(state / math.pi)).max() <= radius
    shifted = pruned(["sin(x - y)", "sin(x + y)"], [-3.5, -3.5], [3.5, 3.5])
    assert shifted[0] == 13  # x, y both multiples of pi, or both half a period aside


@pytest.mark.parametrize("seam", [0.0, 0.4871, -0.4871, 0.5, 1 / 3])
def test_an_equilibrium_on_a_seam_is_found_once(seam):
    """Where boxes are cut, and where they meet in a corner."""
    found, states, _, _ = pruned([f"x - ({seam!r})", f"(y - ({seam!r}))*(2 + x)"], -1, 1)
    assert found == 1
    np.testing.assert_allclose(states[0], seam, atol=1e-15)


def test_no_equilibrium_is_a_proof_too():
    assert pruned(["exp(x) + 0.1", "y"], -3, 3)[0] == 0
    found, _, _, boxes = pruned(["x**2 + y**2 + 0.01", "x - y"], -1, 1)
    assert found == 0
    assert boxes < 2000


def test_polynomials_of_which_the_roots_are_known():
    rng = np.random.default_rng(0)
    for _ in range(60):
        roots = np.sort(rng.uniform(-2, 2, int(rng.integers(1, 7)))).round(2)
        distinct, counts = np.unique(roots, return_counts=True)
        found, states, _, _ = pruned(["*".join(f"(x - ({root!r}))" for root in roots.tolist())], -3, 3)
        if counts.max() > 1:
            assert found == prune.CLUSTER
        else:
            assert found == len(distinct)
            np.testing.assert_allclose(np.sort(states[:, 0]), distinct, atol=1e-12)


def test_nearly_double_equilibria_are_never_miscounted():
    for exponent in range(2, 18):
        for sign, number in ((1, 0), (-1, 2)):
            found = pruned([f"(x - 1)**2 + {sign}*1e-{exponent}", "y - x"], -2, 2)[0]
            assert found in (number, prune.CLUSTER, prune.BUDGET), (exponent, sign)
            if exponent <= 12:
                assert found == number


def test_more_states():
    """A chain of four with 3^4 equilibria: each x^3 = x."""
    found = pruned([f"{v}**3 - {v}" for v in ("x", "y", "z")], -1.7, 1.9)
    assert found[0] == 27
    coupled = pruned(["x**3 - x + 0.01*y", "y**3 - y + 0.01*z", "z**3 - z + 0.01*w", "w**3 - w + 0.01*x"], -1.7, 1.9)
    assert coupled[0] == 81


def test_what_cannot_be_decided_has_a_code():
    assert pruned(["x**2", "y"], -1, 1.1)[0] == prune.CLUSTER  # double
    assert pruned(["x*y", "x*(y - 1)"], -1, 1.1)[0] in (prune.CLUSTER, prune.BUDGET)  # a line of equilibria
    assert pruned(["1/x - 2"], -1, 1.1)[0] == prune.CLUSTER  # a pole inside
    assert pruned(["sin(1/x)"], 1e-3, 1, budget=300)[0] == prune.BUDGET
    assert pruned(["exp(x) - 2"], -1, math.log(2))[0] == prune.EDGE
    assert pruned(["sin(30*x)", "sin(30*y)"], -1, 1)[0] == prune.FULL  # 361


def test_a_bound_that_is_an_equilibrium_is_inside():
    found, states, _, _ = pruned(["x*(x - 1)", "y"], [0.0, -1.0], [1.0, 1.0])
    assert found == 2
    assert sorted(states[:, 0].tolist()) == [0.0, 1.0]


def test_fewer_boxes_never_give_another_number():
    for budget in (1, 10, 40, 100, 1000, 10_000):
        found = pruned(["sin(3*x) + 0.3*y", "cos(2*y) - 0.5*x"], -2, 2, budget=budget)[0]
        assert found in (prune.BUDGET, 8)


# ---- searches ------------------------------------------------------------------------------------


def searched(texts, deflated, starts, low=-5.0, high=5.0):
    names = ("x", "y", "z")[: len(texts)]
    system = from_expressions("made", names, {}, texts)
    work = step.make_work(len(texts), 0)
    out = np.zeros((64, len(texts)))
    bounds = np.full(len(texts), low), np.full(len(texts), high)
    return out[
        : search.search(system.derived.addresses, deflated, np.asarray(starts, float), *bounds, out, work)
    ].copy()


def test_deflation_finds_several_equilibria_from_one_start():
    """All three of x^3 = x from one start, where Newton alone finds one."""
    texts = ["x**3 - x"]
    assert len(searched(texts, 0, [[0.3]])) == 1
    found = searched(texts, 1, [[0.3]])
    np.testing.assert_allclose(np.sort(found[:, 0]), [-1, 0, 1], atol=1e-12)
    lattice = searched(["x**3 - x", "y**3 - y"], 1, [[0.3, 0.2], [1.2, -0.4], [-2.0, 0.4], [0.1, 2.5]])
    assert len({tuple(np.round(u).tolist()) for u in lattice}) == len(lattice) >= 6
